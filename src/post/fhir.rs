//! Small parts that FHIR R4 resources are put together from.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::vocab::{Coded, Loinc};

pub(super) const SNOMED_CT: &str = "http://snomed.info/sct";
pub(super) const LOINC: &str = "http://loinc.org";
/// Identifiers that are UIDs (FHIR R4, ImagingStudy.identifier).
pub(super) const DICOM_UID: &str = "urn:dicom:uid";

/// How an entry is written so that sending it again changes nothing.
pub(super) enum Write {
    /// Create, unless something with this search (`identifier=...`) is there: it is left as it is.
    CreateUnless(String),
    /// Update what this search finds, or create it.
    UpdateBy(String),
}

/// A transaction bundle in the making. Addresses inside it are UUIDs (version 5) of the key and a role.
pub(super) struct Transaction {
    namespace: Uuid,
    entries: Vec<Value>,
}

impl Transaction {
    /// A bundle whose addresses derive from `key`.
    pub(super) fn new(key: &str) -> Self {
        Self { namespace: Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()), entries: Vec::new() }
    }

    /// The address of the resource in this role.
    pub(super) fn address(&self, role: &str) -> String {
        format!("urn:uuid:{}", Uuid::new_v5(&self.namespace, role.as_bytes()))
    }

    /// A reference to the resource in this role.
    pub(super) fn reference(&self, role: &str) -> Value {
        json!({ "reference": self.address(role) })
    }

    /// Adds a resource; the first in a role counts, so that one person is never there twice.
    pub(super) fn add(&mut self, role: &str, write: Write, resource: Value) {
        let address = self.address(role);
        if self.entries.iter().any(|entry| entry["fullUrl"] == address.as_str()) {
            return;
        }
        let kind = resource["resourceType"].as_str().unwrap_or_default();
        let request = match write {
            Write::CreateUnless(search) => json!({ "method": "POST", "url": kind, "ifNoneExist": search }),
            Write::UpdateBy(search) => json!({ "method": "PUT", "url": format!("{kind}?{search}") }),
        };
        self.entries.push(json!({ "fullUrl": address, "resource": resource, "request": request }));
    }

    /// The bundle.
    pub(super) fn finish(self) -> Value {
        json!({ "resourceType": "Bundle", "type": "transaction", "entry": self.entries })
    }
}

/// An identifier.
pub(super) fn identifier(system: &str, value: &str) -> Value {
    json!({ "system": system, "value": value })
}

/// The search that finds a resource by identifier.
pub(super) fn by_identifier(system: &str, value: &str) -> String {
    format!("identifier={}%7C{}", percent_encoded(system), percent_encoded(value))
}

/// The search that finds a resource by tag, for a type that has no identifier.
pub(super) fn by_tag(system: &str, code: &str) -> String {
    format!("_tag={}%7C{}", percent_encoded(system), percent_encoded(code))
}

/// Text as the value of a query (RFC 3986: unreserved characters stay).
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A coding.
pub(super) fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

/// A concept of SNOMED CT.
pub(super) fn snomed(concept: Coded) -> Value {
    json!({ "coding": [coding(SNOMED_CT, concept.sct, concept.term)], "text": concept.term })
}

/// A concept, or text alone where there is no verified code.
pub(super) fn concept_or_text(concept: Option<Coded>, words: &str) -> Value {
    match concept {
        Some(c) => json!({ "coding": [coding(SNOMED_CT, c.sct, c.term)], "text": words }),
        None => text(words),
    }
}

/// A concept without a code.
pub(super) fn text(words: &str) -> Value {
    json!({ "text": words })
}

/// A concept of LOINC beside one of SNOMED CT.
pub(super) fn loinc_and_snomed(loinc: Loinc, concept: Coded) -> Value {
    json!({
        "coding": [coding(LOINC, loinc.number, loinc.term), coding(SNOMED_CT, concept.sct, concept.term)],
        "text": concept.term,
    })
}

/// A DICOM date (`YYYYMMDD`) as a FHIR date; `None` where it is no date.
pub(super) fn date(dicom: &str) -> Option<String> {
    let (year, month, day) = (dicom.get(..4)?, dicom.get(4..6)?, dicom.get(6..)?);
    let date = jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some(date.to_string())
}

/// An object without the members that are null or empty lists: FHIR allows neither.
pub(super) fn without_gaps(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept: Map<String, Value> = members
                .into_iter()
                .map(|(name, member)| (name, without_gaps(member)))
                .filter(|(_, member)| {
                    !member.is_null() && member.as_array().is_none_or(|list| !list.is_empty())
                })
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_gaps).collect()),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_taken_only_where_it_is_one() {
        assert_eq!(date("20260102").as_deref(), Some("2026-01-02"));
        for bad in ["", "2026", "20261301", "20260230", "2026-01-02", "2026010é"] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_search_has_no_character_that_an_address_forbids() {
        let search = by_identifier("https://a.example/x", "Ä|1&b=2 c");
        assert_eq!(search, "identifier=https%3A%2F%2Fa.example%2Fx%7C%C3%84%7C1%26b%3D2%20c");
    }

    #[test]
    fn addresses_are_the_same_every_time_and_differ_by_role() {
        let (one, two) = (Transaction::new("k"), Transaction::new("k"));
        assert_eq!(one.address("patient"), two.address("patient"));
        assert_ne!(one.address("patient"), one.address("report"));
        assert_ne!(one.address("patient"), Transaction::new("l").address("patient"));
    }
}
