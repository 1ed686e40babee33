//! What leaves beside the report: the urgent message, the follow-up order, the request to repeat images.
//!
//! Each comes from a finalised human read (PATHWAYS X6, X7) and names the person.

use serde_json::{Value, json};

use super::IdentifierSystems;
use super::case::{PatientRecord, Person, Referrer, StudyRecord};
use super::fhir::{
    Transaction, Write, by_identifier, concept_or_text, identifier, loinc_and_snomed, snomed, text,
    without_gaps,
};
use super::parties::{PATIENT, STUDY, accession, add_patient, add_person, add_study, person_role};
use crate::vocab::{
    CT_OF_CHEST, CT_OF_CHEST_LOINC, CaseId, FindingCode, IMAGING, InadequateReason, Pathway, ReadId,
    SopInstanceUid, Timestamp, ViewRecall,
};

/// Codes of organisations in England (NHS England, FHIR naming systems).
const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Something urgent was found, and action is due the same day (PATHWAYS X7).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct UrgentAct {
    /// The case.
    pub case_id: CaseId,
    /// The finalised human read.
    pub read_id: ReadId,
    /// Whose it is.
    pub reader: Person,
    /// From 1: the how-manieth act of the case; a later one tells of other findings.
    pub number: usize,
    /// What was found.
    pub findings: Vec<FindingCode>,
    /// What the reader wrote beside it; empty where nothing.
    #[serde(default)]
    pub reason: String,
    /// Images on which the reader marked what is urgent.
    #[serde(default)]
    pub key_images: Vec<SopInstanceUid>,
    /// When the read was finalised.
    pub at: Timestamp,
    /// Until when the follow-up is due: the end of the day where the exam was made.
    pub due_by: Timestamp,
    /// Who is to hear of it, where known.
    pub referrer: Option<Referrer>,
    /// Who the images are of.
    pub patient: PatientRecord,
    /// The images.
    pub study: StudyRecord,
}

/// Why images are to be made again.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "pathway", rename_all = "snake_case")]
pub enum RepeatReason {
    /// The chest film can't be reported (X6).
    Chest {
        /// Why.
        reason: InadequateReason,
    },
    /// Mammographic views to repeat (R10).
    Mammo {
        /// Which, and why.
        views: Vec<ViewRecall>,
    },
}

/// New images are asked for.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RepeatAsk {
    /// The case.
    pub case_id: CaseId,
    /// The finalised human read that asks.
    pub read_id: ReadId,
    /// Whose it is.
    pub reader: Person,
    /// Why.
    pub reason: RepeatReason,
    /// When.
    pub at: Timestamp,
    /// Who the images are of.
    pub patient: PatientRecord,
    /// The images.
    pub study: StudyRecord,
}

/// A bundle with patient, person and images; the notice follows.
fn start(
    key: &str,
    patient: &PatientRecord,
    study: &StudyRecord,
    reader: &Person,
    systems: &IdentifierSystems,
) -> Transaction {
    let mut bundle = Transaction::new(key);
    add_patient(&mut bundle, patient, study, systems);
    add_person(&mut bundle, reader, systems);
    add_study(&mut bundle, study, false, systems);
    bundle
}

fn add_request(bundle: &mut Transaction, key: &str, mut resource: Value, systems: &IdentifierSystems) {
    let system = systems.own("request");
    resource["identifier"] = json!([identifier(&system, key)]);
    bundle.add("request", Write::CreateUnless(by_identifier(&system, key)), without_gaps(resource));
}

fn finding_words(findings: &[FindingCode]) -> String {
    findings.iter().map(|f| f.words()).collect::<Vec<_>>().join("; ")
}

fn finding_concepts(findings: &[FindingCode]) -> Vec<Value> {
    findings.iter().map(|f| concept_or_text(f.coded(), f.words())).collect()
}

/// The urgent message to the referrer, as a CommunicationRequest.
pub fn urgent_message(act: &UrgentAct, systems: &IdentifierSystems) -> Value {
    let key = match act.number {
        0 | 1 => format!("{} {} urgent-message", act.case_id, act.read_id),
        later => format!("{} {} urgent-message {later}", act.case_id, act.read_id),
    };
    let mut bundle = start(&key, &act.patient, &act.study, &act.reader, systems);
    let recipient = match &act.referrer {
        Some(Referrer { name, ods_code }) => json!({
            "type": "Organization",
            "identifier": ods_code.as_ref().map(|code| identifier(ODS_CODE, code)),
            "display": name,
        }),
        None => json!({ "type": "Organization", "display": "Referrer of this order" }),
    };
    let reason = if act.reason.is_empty() { String::new() } else { format!(" {}", act.reason) };
    let words = format!(
        "Urgent finding on the {}: {}. Verified by a reader; a CT of the chest on the same day was asked for.{reason}",
        Pathway::Chest.procedure().term,
        finding_words(&act.findings)
    );
    let based_on = accession(&act.study, systems)
        .map(|number| json!([{ "type": "ServiceRequest", "identifier": number }]));
    let resource = json!({
        "resourceType": "CommunicationRequest",
        "basedOn": based_on,
        "status": "active",
        "priority": "stat",
        "subject": bundle.reference(PATIENT),
        "about": [bundle.reference(STUDY)],
        "payload": [{ "contentString": words }],
        "authoredOn": act.at,
        "requester": bundle.reference(&person_role(&act.reader)),
        "recipient": [recipient],
        "reasonCode": finding_concepts(&act.findings),
    });
    add_request(&mut bundle, &key, resource, systems);
    bundle.finish()
}

/// The follow-up order: CT of the chest on the same day.
pub fn follow_up_order(act: &UrgentAct, systems: &IdentifierSystems) -> Value {
    let key = format!("{} {} follow-up", act.case_id, act.read_id);
    let mut bundle = start(&key, &act.patient, &act.study, &act.reader, systems);
    let mut shown = vec![bundle.reference(STUDY)];
    shown.extend(act.key_images.iter().map(|image| {
        let uid = identifier("urn:dicom:uid", &format!("urn:oid:{image}"));
        json!({ "type": "ImagingStudy", "identifier": uid, "display": "Key image" })
    }));
    let note = (!act.reason.is_empty()).then(|| json!([{ "text": act.reason }]));
    let resource = json!({
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "category": [snomed(IMAGING)],
        "priority": "urgent",
        "code": loinc_and_snomed(CT_OF_CHEST_LOINC, CT_OF_CHEST),
        "subject": bundle.reference(PATIENT),
        "occurrencePeriod": { "start": act.at, "end": act.due_by.max(act.at) },
        "authoredOn": act.at,
        "requester": bundle.reference(&person_role(&act.reader)),
        "reasonCode": finding_concepts(&act.findings),
        "supportingInfo": shown,
        "note": note,
    });
    add_request(&mut bundle, &key, resource, systems);
    bundle.finish()
}

/// The request to make images again: the order is open once more (X6, technical recall).
pub fn repeat_request(ask: &RepeatAsk, systems: &IdentifierSystems) -> Value {
    let key = format!("{} {} repeat", ask.case_id, ask.read_id);
    let mut bundle = start(&key, &ask.patient, &ask.study, &ask.reader, systems);
    let plain = |code: &str| code.replace('_', " ");
    let (pathway, details, reasons) = match &ask.reason {
        RepeatReason::Chest { reason } => {
            (Pathway::Chest, Vec::new(), vec![text(&format!("inadequate image: {}", plain(reason.code())))])
        }
        RepeatReason::Mammo { views } => (
            Pathway::Mammo,
            views.iter().map(|view| text(&view.view.to_string())).collect(),
            views.iter().map(|v| text(&format!("{}: {}", v.view, plain(v.reason.code())))).collect(),
        ),
    };
    let resource = json!({
        "resourceType": "ServiceRequest",
        "replaces": accession(&ask.study, systems)
            .map(|number| json!([{ "type": "ServiceRequest", "identifier": number }])),
        "status": "active",
        "intent": "order",
        "category": [snomed(IMAGING)],
        "priority": "urgent",
        "code": loinc_and_snomed(pathway.report(), pathway.procedure()),
        "orderDetail": details,
        "subject": bundle.reference(PATIENT),
        "authoredOn": ask.at,
        "requester": bundle.reference(&person_role(&ask.reader)),
        "reasonCode": reasons,
        "supportingInfo": [bundle.reference(STUDY)],
    });
    add_request(&mut bundle, &key, resource, systems);
    bundle.finish()
}
