//! Builds the verified result as FHIR R4 and delivers it to the record once, with proof of receipt.
//!
//! In: a [`ReleasedCase`] (or a notice that goes with a finalised human read) and the `Settings`. Out: a
//! transaction bundle, and after delivery a [`Receipt`] with the place of every resource. The builders are pure:
//! the same case gives the same bundle, byte for byte, so that a repeated send never duplicates. This module must
//! never build anything from an AI result alone (PATHWAYS R17, X9): each builder asks for the person who verified.
//! It must never log what it sends.

mod case;
mod deliver;
mod fhir;
mod finding;
mod notice;
mod parties;
mod report;

pub use case::{PatientRecord, Person, Referrer, ReleasedCase, SeriesRecord, StudyRecord, Verification};
pub use deliver::{DeliveryError, Endpoint, Receipt, StoredResource, client, deliver};
pub use notice::{RepeatAsk, RepeatReason, UrgentAct, follow_up_order, repeat_request, urgent_message};
pub use report::report_bundle;

/// Where results go, and under which names.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The record's FHIR server.
    pub endpoint: Endpoint,
    /// Namespaces of our identifiers in the record.
    pub systems: IdentifierSystems,
}

/// Namespaces (URIs) of identifiers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentifierSystems {
    /// Of Patient ID (0010,0020).
    pub patient_id: String,
    /// Whether all sites share one patient index. If not, the site code is part of the namespace, so that
    /// equal ids of two sites never become one patient.
    pub patient_ids_are_shared: bool,
    /// Of Accession Number (0008,0050).
    pub accession_number: String,
    /// Start of the namespaces of what we make ourselves: reports, observations, people, models, requests.
    pub own: String,
}

impl Default for IdentifierSystems {
    fn default() -> Self {
        Self {
            patient_id: "https://doubleread.example/fhir/patient-id".to_owned(),
            patient_ids_are_shared: false,
            accession_number: "https://doubleread.example/fhir/accession-number".to_owned(),
            own: "https://doubleread.example/fhir".to_owned(),
        }
    }
}

impl IdentifierSystems {
    /// The namespace of one kind of thing that we make ourselves.
    fn own(&self, kind: &str) -> String {
        format!("{}/{kind}", self.own)
    }
}
