//! The resources around a result: patient, people, images, model.

use serde_json::{Value, json};

use super::IdentifierSystems;
use super::case::{PatientRecord, Person, StudyRecord};
use super::fhir::{
    DICOM_UID, Transaction, Write, by_identifier, coding, date, identifier, text, without_gaps,
};
use crate::vocab::{ModelStamp, Sex};

/// NHS number (NHS England, FHIR naming systems).
const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// Kinds of identifier (HL7 v2 table 0203).
const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
/// DICOM controlled terminology (PS3.16 annex D).
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// Roles in a bundle.
pub(super) const PATIENT: &str = "patient";
pub(super) const STUDY: &str = "study";
pub(super) const MODEL: &str = "model";

/// The role of a person in a bundle.
pub(super) fn person_role(person: &Person) -> String {
    format!("person {}", person.user)
}

/// Adds the patient, unless the record has one of this id; the record's own is never overwritten.
pub(super) fn add_patient(
    bundle: &mut Transaction,
    patient: &PatientRecord,
    study: &StudyRecord,
    systems: &IdentifierSystems,
) {
    let (system, value, kind) = match &patient.patient_id {
        Some(id) if systems.patient_ids_are_shared => (systems.patient_id.clone(), id.to_string(), "usual"),
        Some(id) => (format!("{}/{}", systems.patient_id, study.site), id.to_string(), "usual"),
        // No id was sent: one of our own for this study, for a person to merge.
        None => (systems.own("patient-without-id"), study.uid.to_string(), "temp"),
    };
    let mut local = identifier(&system, &value);
    local["use"] = json!(kind);
    local["type"] = json!({ "coding": [coding(IDENTIFIER_TYPE, "MR", "Medical record number")] });
    let mut identifiers = vec![local];
    identifiers.extend(patient.nhs_number.as_ref().map(|number| identifier(NHS_NUMBER, number.as_str())));
    let resource = without_gaps(json!({
        "resourceType": "Patient",
        "identifier": identifiers,
        "name": human_name(&patient.name),
        "gender": patient.sex.map(|sex| match sex {
            Sex::Male => "male",
            Sex::Female => "female",
            Sex::Other => "other",
        }),
        "birthDate": date(&patient.birth_date),
    }));
    bundle.add(PATIENT, Write::CreateUnless(by_identifier(&system, &value)), resource);
}

/// The first component group of a person name (PS3.5 section 6.2, PN).
fn human_name(dicom: &str) -> Vec<Value> {
    let group = dicom.split('=').next().unwrap_or_default();
    let parts: Vec<&str> = group.split('^').map(str::trim).collect();
    let part = |n: usize| parts.get(n).copied().filter(|p| !p.is_empty());
    let given: Vec<&str> = [part(1), part(2)].into_iter().flatten().collect();
    if part(0).is_none() && given.is_empty() {
        return Vec::new();
    }
    let prefix: Vec<&str> = part(3).into_iter().collect();
    let suffix: Vec<&str> = part(4).into_iter().collect();
    vec![json!({ "use": "official", "family": part(0), "given": given, "prefix": prefix, "suffix": suffix })]
}

/// Adds a reader.
pub(super) fn add_person(bundle: &mut Transaction, person: &Person, systems: &IdentifierSystems) {
    let (system, value) = (systems.own("person"), person.user.to_string());
    let resource = json!({
        "resourceType": "Practitioner",
        "identifier": [identifier(&system, &value)],
        "name": [{ "text": person.name }],
    });
    bundle.add(&person_role(person), Write::CreateUnless(by_identifier(&system, &value)), resource);
}

/// When the exam was made: its date, else the instant at which the images came.
pub(super) fn exam_date(study: &StudyRecord) -> String {
    date(&study.date).unwrap_or_else(|| study.received_at.to_string())
}

/// The accession number as an identifier.
pub(super) fn accession(study: &StudyRecord, systems: &IdentifierSystems) -> Option<Value> {
    study.accession_number.as_ref().map(|number| {
        let mut accession = identifier(&systems.accession_number, number.as_str());
        accession["type"] = json!({ "coding": [coding(IDENTIFIER_TYPE, "ACSN", "Accession ID")] });
        accession
    })
}

/// A modality, as a code where it has the form of one.
fn modality(code: &str) -> Option<Value> {
    let name = match code {
        "CR" => "Computed Radiography",
        "DX" => "Digital Radiography",
        "MG" => "Mammography",
        _ => return None,
    };
    Some(coding(DCM, code, name))
}

/// Adds the images. An amendment updates them, since a late image set has more (PATHWAYS R11).
pub(super) fn add_study(
    bundle: &mut Transaction,
    study: &StudyRecord,
    amends: bool,
    systems: &IdentifierSystems,
) {
    let value = format!("urn:oid:{}", study.uid);
    let identifiers: Vec<Value> =
        [Some(identifier(DICOM_UID, &value)), accession(study, systems)].into_iter().flatten().collect();
    let series: Vec<Value> = study
        .series
        .iter()
        .map(|series| {
            let instances: Vec<Value> = series
                .instances
                .iter()
                .map(|(uid, class)| {
                    let class = json!({ "system": "urn:ietf:rfc:3986", "code": format!("urn:oid:{class}") });
                    json!({ "uid": uid, "sopClass": class })
                })
                .collect();
            json!({
                "uid": series.uid,
                // Series.modality is required; a modality that is not ours to name is 'Other'.
                "modality": modality(&series.modality).unwrap_or_else(|| coding(DCM, "OT", "Other")),
                "numberOfInstances": instances.len(),
                "instance": instances,
            })
        })
        .collect();
    let instances: usize = study.series.iter().map(|s| s.instances.len()).sum();
    let resource = without_gaps(json!({
        "resourceType": "ImagingStudy",
        "identifier": identifiers,
        "status": "available",
        "subject": bundle.reference(PATIENT),
        "started": exam_date(study),
        "numberOfSeries": study.series.len(),
        "numberOfInstances": instances,
        "series": series,
    }));
    let search = by_identifier(DICOM_UID, &value);
    let write = if amends { Write::UpdateBy(search) } else { Write::CreateUnless(search) };
    bundle.add(STUDY, write, resource);
}

/// Adds the model version. Each version is a device of its own, so that a result names exactly one.
pub(super) fn add_model(bundle: &mut Transaction, model: &ModelStamp, systems: &IdentifierSystems) {
    let (system, value) = (systems.own("model"), format!("{} {}", model.name, model.version));
    let resource = json!({
        "resourceType": "Device",
        "identifier": [
            identifier(&system, &value),
            identifier(&systems.own("model-sha256"), &model.sha256),
        ],
        "status": "active",
        "deviceName": [{ "name": model.name, "type": "model-name" }],
        "type": text("AI reading software, investigational"),
        "version": [{ "value": model.version }],
        "property": [{
            "type": text("operating point"),
            "valueCode": [text(&model.operating_point)],
        }],
        "note": [{ "text": "Investigational. Not a medical device on the market; its output is not a diagnosis." }],
    });
    bundle.add(MODEL, Write::CreateUnless(by_identifier(&system, &value)), resource);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_into_its_components() {
        let name = without_gaps(json!(human_name("Ward^Ada^Maria^Dr^=x=y")));
        assert_eq!(
            name,
            json!([{ "use": "official", "family": "Ward", "given": ["Ada", "Maria"], "prefix": ["Dr"] }])
        );
        assert!(human_name("").is_empty());
        assert!(human_name("^^^^").is_empty());
    }
}
