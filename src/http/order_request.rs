//! Orders as other systems send them: checked field by field.
//!
//! In: what was sent. Out: an order's content, or every fault at once, each with the name of its field. Never: a value of
//! the order in the words of a fault.

use serde::Deserialize;
use utoipa::ToSchema;

use super::error::HttpError;
use crate::vocab::{InvalidValue, OrderContent, OrderUrgency, OrderedPatient, Timestamp};

/// Value Representation PN holds at most 64 characters in each of five components of three groups (PS3.5 section 6.2).
const LONGEST_NAME: usize = 324;
/// Value Representation LO.
const LONGEST_ISSUER: usize = 64;

/// An order, as it is sent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderRequest {
    /// Number of the system that asks (HL7 ORC-2).
    #[schema(required, example = "RQ-2026-000815")]
    placer_order_number: Option<String>,
    /// Number that the images will carry.
    #[schema(required, example = "A0004711")]
    accession_number: Option<String>,
    /// Site code of the place where the exam is to be.
    #[schema(required)]
    site: Option<String>,
    /// Whom it is for.
    #[schema(required)]
    patient: Option<PatientRequest>,
    /// `chest` or `mammo`.
    #[schema(required)]
    pathway: Option<String>,
    /// What is asked for, in words.
    #[schema(required)]
    procedure: Option<String>,
    /// Reason or clinical question.
    reason: Option<String>,
    /// Symptoms and signs.
    symptoms: Option<String>,
    /// `routine` (where it is not said) or `urgent`.
    urgency: Option<String>,
    /// When it was asked for, RFC 3339.
    #[schema(required)]
    requested_at: Option<String>,
}

/// A patient, as an order names them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatientRequest {
    /// Patient ID.
    #[schema(required)]
    id: Option<String>,
    /// Who gave that ID.
    issuer: Option<String>,
    /// NHS number, ten digits.
    nhs_number: Option<String>,
    /// Name as DICOM and HL7 write it: `Family^Given^Middle`.
    #[schema(required, example = "Lovelace^Ada")]
    name: Option<String>,
    /// `YYYYMMDD`.
    #[schema(required)]
    birth_date: Option<String>,
}

/// Faults found so far.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, field: &str, problem: impl std::fmt::Display) {
        self.0.push(format!("{field} {problem}"));
    }

    fn missing(&mut self, field: &str) {
        self.add(field, "is missing");
    }

    /// A field that must be there, as what it stands for.
    fn needed<T>(&mut self, field: &str, sent: Option<&String>) -> Option<T>
    where
        T: std::str::FromStr<Err = InvalidValue>,
    {
        if filled(sent).is_none() {
            self.missing(field);
        }
        self.given(field, sent)
    }

    /// A field that may be there.
    fn given<T>(&mut self, field: &str, sent: Option<&String>) -> Option<T>
    where
        T: std::str::FromStr<Err = InvalidValue>,
    {
        let parsed = filled(sent)?.parse().map_err(|error: InvalidValue| self.add(field, error.problem));
        parsed.ok()
    }

    /// Words of at most so many characters, without control characters but line breaks and tabs.
    fn words(&mut self, field: &str, sent: Option<&String>, most: usize) -> String {
        let text = filled(sent).unwrap_or_default().replace("\r\n", "\n");
        if text.chars().count() > most {
            self.add(field, format_args!("is longer than {most} characters"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            self.add(field, "holds a control character");
        }
        text
    }
}

fn filled(sent: Option<&String>) -> Option<&str> {
    sent.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// What an order says, or every fault of it.
///
/// # Errors
/// 422, with the faults in words.
pub(super) fn content(
    sent: &OrderRequest,
    most_characters: usize,
    now: Timestamp,
) -> Result<OrderContent, HttpError> {
    let mut faults = Faults::default();
    let none = PatientRequest::default();
    let patient = sent.patient.as_ref().unwrap_or(&none);
    let placer_order_number = faults.needed("placer_order_number", sent.placer_order_number.as_ref());
    let accession_number = faults.needed("accession_number", sent.accession_number.as_ref());
    let site = faults.needed("site", sent.site.as_ref());
    let id = faults.needed("patient.id", patient.id.as_ref());
    let nhs_number = faults.given("patient.nhs_number", patient.nhs_number.as_ref());
    let issuer = one_line(&mut faults, "patient.issuer", patient.issuer.as_ref(), LONGEST_ISSUER);
    let name = one_line(&mut faults, "patient.name", patient.name.as_ref(), LONGEST_NAME);
    if !name.chars().any(char::is_alphanumeric) {
        faults.missing("patient.name");
    }
    let birth_date = birth_date(&mut faults, patient.birth_date.as_ref(), now);
    let pathway = faults.needed("pathway", sent.pathway.as_ref());
    let procedure = faults.words("procedure", sent.procedure.as_ref(), most_characters);
    if procedure.is_empty() {
        faults.missing("procedure");
    }
    let reason = faults.words("reason", sent.reason.as_ref(), most_characters);
    let symptoms = faults.words("symptoms", sent.symptoms.as_ref(), most_characters);
    let urgency: Option<OrderUrgency> = faults.given("urgency", sent.urgency.as_ref());
    let requested_at = faults.needed("requested_at", sent.requested_at.as_ref());
    let whole = (|| {
        Some(OrderContent {
            placer_order_number: placer_order_number?,
            accession_number: accession_number?,
            site: site?,
            patient: OrderedPatient { id: id?, issuer, nhs_number, name, birth_date },
            pathway: pathway?,
            procedure,
            reason,
            symptoms,
            urgency: urgency.unwrap_or(OrderUrgency::Routine),
            requested_at: requested_at?,
        })
    })();
    match whole {
        Some(content) if faults.0.is_empty() => Ok(content),
        _ => Err(HttpError::Refused {
            code: "invalid_order",
            message: format!("the order can't be taken: {}", faults.0.join("; ")),
        }),
    }
}

fn one_line(faults: &mut Faults, field: &str, sent: Option<&String>, most: usize) -> String {
    let text = faults.words(field, sent, most);
    if text.contains(['\n', '\t']) {
        faults.add(field, "holds a control character");
    }
    text
}

fn birth_date(faults: &mut Faults, sent: Option<&String>, now: Timestamp) -> String {
    let field = "patient.birth_date";
    let Some(text) = filled(sent) else {
        faults.missing(field);
        return String::new();
    };
    let is_written_so = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    let today = now.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    match jiff::civil::Date::strptime("%Y%m%d", text) {
        Ok(born) if is_written_so && born > today => faults.add(field, "lies in the future"),
        Ok(_) if is_written_so => {}
        Ok(_) | Err(_) => faults.add(field, "is not a date of the form YYYYMMDD"),
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn whole() -> Value {
        json!({
            "placer_order_number": "RQ1", "accession_number": "A1", "site": "north", "pathway": "chest",
            "procedure": "XR chest", "requested_at": "2026-01-02T03:04:05Z",
            "patient": {"id": "P1", "name": "Lovelace^Ada", "birth_date": "18151210"},
        })
    }

    fn taken(sent: Value) -> Result<OrderContent, String> {
        let sent: OrderRequest = serde_json::from_value(sent).unwrap();
        content(&sent, 20, "2026-03-02T09:00:00.000Z".parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_order_is_taken_as_it_is() {
        let order = taken(whole()).unwrap();
        assert_eq!((order.urgency, order.reason.as_str()), (OrderUrgency::Routine, ""));
        assert_eq!(order.requested_at.to_string(), "2026-01-02T03:04:05.000Z");
    }

    #[test]
    fn each_fault_is_said_with_its_field() {
        let table = [
            ("/placer_order_number", json!(null), "placer_order_number is missing"),
            ("/accession_number", json!(" "), "accession_number is missing"),
            ("/accession_number", json!("A\u{7}"), "accession_number holds a control character"),
            ("/site", json!("no where"), "site holds a character that is not a letter"),
            (
                "/patient",
                json!(null),
                "patient.id is missing; patient.name is missing; patient.birth_date is missing",
            ),
            ("/patient/id", json!("x".repeat(65)), "patient.id is too long"),
            ("/patient/name", json!("^^"), "patient.name is missing"),
            (
                "/patient/birth_date",
                json!("1815-12-10"),
                "patient.birth_date is not a date of the form YYYYMMDD",
            ),
            (
                "/patient/birth_date",
                json!("20260230"),
                "patient.birth_date is not a date of the form YYYYMMDD",
            ),
            ("/patient/birth_date", json!("20270101"), "patient.birth_date lies in the future"),
            ("/pathway", json!("knee"), "pathway is not one of the known codes"),
            ("/procedure", json!("x".repeat(21)), "procedure is longer than 20 characters"),
            ("/requested_at", json!("yesterday"), "requested_at is not an RFC 3339 date and time"),
        ];
        for (at, value, expected) in table {
            let mut sent = whole();
            *sent.pointer_mut(at).unwrap() = value;
            let said = taken(sent).unwrap_err();
            assert!(said.contains(expected), "{at}: {said}");
        }
        let mut sent = whole();
        sent["patient"]["nhs_number"] = json!("9434765918");
        sent["urgency"] = json!("soon");
        let said = taken(sent).unwrap_err();
        assert!(said.contains("patient.nhs_number fails its check digit; urgency is not one of"), "{said}");
    }
}
