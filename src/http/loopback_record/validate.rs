//! What a strict record would say of a transaction bundle (FHIR R4): structure, required elements, status
//! values, codes, dates, references, and that a result has a person behind it.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::shelf::{Shelf, condition};
use crate::vocab::is_sct_identifier;

/// One thing that is wrong. It never holds a value out of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Issue code (FHIR R4, issue-type).
    pub(super) code: &'static str,
    /// Where.
    pub(super) place: String,
    /// What.
    pub(super) problem: String,
}

/// Most entries that a bundle may have.
const ENTRIES_MAX: usize = 500;
/// Most faults that are named.
const FAULTS_MAX: usize = 50;

/// Type, required elements (a `|` between alternatives), allowed values of `status`.
const TYPES: &[(&str, &[&str], &[&str])] = &[
    ("Patient", &["identifier"], &[]),
    ("Practitioner", &["identifier", "name"], &[]),
    (
        "Device",
        &["identifier", "deviceName", "version"],
        &["active", "inactive", "entered-in-error", "unknown"],
    ),
    (
        "ImagingStudy",
        &["identifier", "status", "subject", "series"],
        &["registered", "available", "cancelled", "entered-in-error", "unknown"],
    ),
    (
        "Observation",
        &["identifier", "status", "category", "code", "subject", "effectiveDateTime|effectivePeriod"],
        &[
            "registered",
            "preliminary",
            "final",
            "amended",
            "corrected",
            "cancelled",
            "entered-in-error",
            "unknown",
        ],
    ),
    (
        "DiagnosticReport",
        &[
            "identifier",
            "status",
            "category",
            "code",
            "subject",
            "effectiveDateTime|effectivePeriod",
            "issued",
            "resultsInterpreter",
            "imagingStudy",
            "conclusion",
            "conclusionCode",
        ],
        &[
            "registered",
            "partial",
            "preliminary",
            "final",
            "amended",
            "corrected",
            "appended",
            "cancelled",
            "entered-in-error",
            "unknown",
        ],
    ),
    ("Provenance", &["meta", "target", "recorded", "agent"], &[]),
    (
        "ServiceRequest",
        &["identifier", "status", "intent", "code", "subject", "authoredOn", "requester"],
        &["draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"],
    ),
    (
        "CommunicationRequest",
        &["identifier", "status", "subject", "payload", "authoredOn", "requester", "recipient"],
        &["draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"],
    ),
];

/// Elements that hold a date or an instant.
const DATES: &[&str] = &[
    "birthDate",
    "effectiveDateTime",
    "issued",
    "started",
    "recorded",
    "occurredDateTime",
    "authoredOn",
    "start",
    "end",
];

/// Everything that is wrong with the bundle; empty for a good one.
pub(super) fn faults_of(bundle: &Value, shelf: &Shelf) -> Vec<Fault> {
    let mut faults = Faults(Vec::new());
    if bundle["resourceType"] != "Bundle" || bundle["type"] != "transaction" {
        faults.add("structure", "Bundle", "is not a transaction bundle");
        return faults.0;
    }
    let entries = bundle["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() || entries.len() > ENTRIES_MAX {
        faults.add("structure", "Bundle.entry", "is empty or too long");
        return faults.0;
    }
    let mut inside: HashMap<&str, &Value> = HashMap::new();
    let mut conditions = BTreeSet::new();
    for (number, entry) in entries.iter().enumerate() {
        let place = format!("Bundle.entry[{number}]");
        let address = entry["fullUrl"].as_str().unwrap_or_default();
        if !address.starts_with("urn:uuid:") || inside.insert(address, &entry["resource"]).is_some() {
            faults.add("structure", &place, "fullUrl is not a UUID of its own");
        }
        check_request(entry, &place, &mut conditions, &mut faults);
    }
    for (number, entry) in entries.iter().enumerate() {
        let resource = &entry["resource"];
        let place = format!("Bundle.entry[{number}].resource");
        check_resource(resource, &place, &mut faults);
        check_parts(resource, &place, &inside, shelf, &mut faults);
        check_person(resource, &place, entries, &inside, &mut faults);
    }
    faults.0
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, code: &'static str, place: &str, problem: impl Into<String>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault { code, place: place.to_owned(), problem: problem.into() });
        }
    }
}

/// Each entry must be conditional, so that sending it twice changes nothing.
fn check_request(entry: &Value, place: &str, seen: &mut BTreeSet<String>, faults: &mut Faults) {
    let kind = entry["resource"]["resourceType"].as_str().unwrap_or_default();
    let request = &entry["request"];
    let url = request["url"].as_str().unwrap_or_default();
    let fits = match request["method"].as_str() {
        Some("POST") => url == kind,
        Some("PUT") => url.split_once('?').is_some_and(|(path, _)| path == kind),
        _ => false,
    };
    if !fits {
        faults.add(
            "not-supported",
            place,
            "request is neither a conditional create nor a conditional update",
        );
    }
    match condition(request) {
        Some((_, token)) => {
            if !seen.insert(format!("{kind} {token}")) {
                faults.add("duplicate", place, "two entries have one condition");
            }
        }
        None => faults.add("required", place, "request has no condition on identifier or _tag"),
    }
}

fn check_resource(resource: &Value, place: &str, faults: &mut Faults) {
    let kind = resource["resourceType"].as_str().unwrap_or_default();
    let Some((_, required, statuses)) = TYPES.iter().find(|(name, _, _)| *name == kind) else {
        faults.add("not-supported", place, "resource is of a type that is not taken here");
        return;
    };
    for element in *required {
        let there = element.split('|').any(|name| match &resource[name] {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        });
        if !there {
            faults.add("required", place, format!("{kind} lacks {element}"));
        }
    }
    if !statuses.is_empty() && !resource["status"].as_str().is_some_and(|status| statuses.contains(&status)) {
        faults.add("code-invalid", place, format!("{kind}.status is not one of its values"));
    }
    for identifier in resource["identifier"].as_array().into_iter().flatten() {
        let absolute = identifier["system"].as_str().is_some_and(|system| system.contains(':'));
        if !absolute || identifier["value"].as_str().is_none_or(str::is_empty) {
            faults.add("value", place, "an identifier lacks a system or a value");
        }
    }
    let coded = ["code", "conclusionCode", "category"].into_iter().filter(|name| !resource[name].is_null());
    for name in coded {
        let concepts = match &resource[name] {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        if concepts.iter().any(|c| c["coding"].as_array().is_none_or(Vec::is_empty) && c["text"].is_null()) {
            faults.add("required", place, format!("{kind}.{name} has neither a code nor text"));
        }
    }
}

/// Dates, codings and references, wherever they are in the resource.
fn check_parts(
    value: &Value,
    place: &str,
    inside: &HashMap<&str, &Value>,
    shelf: &Shelf,
    faults: &mut Faults,
) {
    match value {
        Value::Object(members) => {
            if members.is_empty() {
                faults.add("structure", place, "an object is empty");
            }
            if members.get("system").is_some_and(|system| system == "http://snomed.info/sct")
                && !members.get("code").and_then(Value::as_str).is_some_and(is_sct_identifier)
            {
                faults.add("code-invalid", place, "a SNOMED CT code has a wrong check digit");
            }
            for (name, member) in members {
                let place = format!("{place}.{name}");
                match member.as_str() {
                    Some(text) if DATES.contains(&name.as_str()) && !is_date(text) => {
                        faults.add("value", &place, "is not a date or an instant with a zone");
                    }
                    Some(text) if name == "reference" && !resolves(text, inside, shelf) => {
                        faults.add("not-found", &place, "points at nothing");
                    }
                    Some("") => faults.add("value", &place, "is empty"),
                    Some(_) => {}
                    None => check_parts(member, &place, inside, shelf, faults),
                }
            }
        }
        Value::Array(items) => {
            if items.is_empty() {
                faults.add("structure", place, "a list is empty");
            }
            for (number, item) in items.iter().enumerate() {
                check_parts(item, &format!("{place}[{number}]"), inside, shelf, faults);
            }
        }
        Value::Null => faults.add("structure", place, "is null"),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_date(text: &str) -> bool {
    let date = |text: &str| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
    date(text) || (text.contains('T') && text.parse::<jiff::Timestamp>().is_ok())
}

fn resolves(reference: &str, inside: &HashMap<&str, &Value>, shelf: &Shelf) -> bool {
    inside.contains_key(reference)
        || reference.split_once('/').is_some_and(|(kind, id)| shelf.get(kind, id).is_some())
}

/// Nothing that a patient or a doctor may act on without a person behind it (PATHWAYS R17).
fn check_person(
    resource: &Value,
    place: &str,
    entries: &[Value],
    inside: &HashMap<&str, &Value>,
    faults: &mut Faults,
) {
    let is_person = |reference: &Value| {
        reference["reference"]
            .as_str()
            .and_then(|address| inside.get(address))
            .is_some_and(|resource| resource["resourceType"] == "Practitioner")
    };
    let lists_person = |list: &Value| {
        list.as_array().is_some_and(|people| !people.is_empty() && people.iter().all(is_person))
    };
    let acted_on = matches!(
        resource["status"].as_str(),
        Some("final" | "amended" | "corrected" | "appended" | "preliminary" | "partial")
    );
    match resource["resourceType"].as_str() {
        Some("DiagnosticReport") if acted_on => {
            if !lists_person(&resource["resultsInterpreter"]) {
                faults.add("business-rule", place, "the report names no person who read the images");
            }
            let own = entries
                .iter()
                .find(|entry| std::ptr::eq(&entry["resource"], resource))
                .map(|entry| entry["fullUrl"].clone())
                .unwrap_or_default();
            let verified = entries.iter().map(|entry| &entry["resource"]).any(|other| {
                other["resourceType"] == "Provenance"
                    && other["target"].as_array().is_some_and(|t| t.iter().any(|t| t["reference"] == own))
                    && other["agent"].as_array().is_some_and(|agents| {
                        agents.iter().any(|agent| {
                            agent["type"]["coding"][0]["code"] == "verifier" && is_person(&agent["who"])
                        })
                    })
            });
            if !verified {
                faults.add("business-rule", place, "no provenance says that a person verified the report");
            }
        }
        Some("Observation") => {
            let final_one = acted_on && resource["status"] != "preliminary";
            if final_one && (!lists_person(&resource["performer"]) || !resource["device"].is_null()) {
                faults.add("business-rule", place, "a final observation was not made by a person");
            }
        }
        Some("ServiceRequest" | "CommunicationRequest") if !is_person(&resource["requester"]) => {
            faults.add("business-rule", place, "no person asks for it");
        }
        _ => {}
    }
}
