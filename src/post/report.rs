//! The verified result as one transaction bundle (FHIR R4).
//!
//! DiagnosticReport and Observations carry what people found. What the AI said is one preliminary Observation
//! made by a Device: the report does not list it as a result, Provenance names it as something that was looked at.

use serde_json::{Value, json};

use super::IdentifierSystems;
use super::case::{ReleasedCase, Verification};
use super::fhir::{
    LOINC, Transaction, Write, by_identifier, by_tag, coding, identifier, loinc_and_snomed, text,
    without_gaps,
};
use super::finding::{conclusion, conclusion_codes, findings};
use super::parties::{
    MODEL, PATIENT, STUDY, accession, add_model, add_patient, add_person, add_study, exam_date, person_role,
};
use crate::vocab::{AiOutcome, AiResult, RADIOLOGY};

const REPORT: &str = "report";
const AI_READING: &str = "ai reading";

/// What the report is filed under: a study has one report per pathway, however many image sets it came in.
fn report_key(case: &ReleasedCase) -> String {
    format!("{} {}", case.study.uid, case.pathway())
}

/// The bundle of a released case. The same case gives the same bundle.
///
/// Release 1 creates what is not there and touches nothing else, so that a late repeat of it can't undo an
/// amendment. Later releases update report, observations and images in place, and withdraw what is gone.
pub fn report_bundle(case: &ReleasedCase, systems: &IdentifierSystems) -> Value {
    let key = report_key(case);
    let amends = case.release_number > 1;
    let mut bundle = Transaction::new(&format!("{key} {}", case.release_number));
    let write = |search: String| if amends { Write::UpdateBy(search) } else { Write::CreateUnless(search) };

    add_patient(&mut bundle, &case.patient, &case.study, systems);
    for person in people(&case.verification) {
        add_person(&mut bundle, person, systems);
    }
    add_study(&mut bundle, &case.study, amends, systems);

    let observed = systems.own("observation");
    let lines = findings(&case.outcome);
    let mut results = Vec::new();
    for line in &lines {
        let value = format!("{key} {}", line.key);
        let resource = observation(case, &bundle, &identifier(&observed, &value), "final", line.content());
        bundle.add(&value, write(by_identifier(&observed, &value)), resource);
        results.push(bundle.reference(&value));
    }
    for line in case.earlier_outcomes.iter().flat_map(findings) {
        if lines.iter().all(|kept| kept.key != line.key) {
            let value = format!("{key} {}", line.key);
            let name = identifier(&observed, &value);
            let resource = observation(case, &bundle, &name, "entered-in-error", line.content());
            bundle.add(&value, Write::UpdateBy(by_identifier(&observed, &value)), resource);
        }
    }

    let scored = case.ai.as_ref().filter(|ai| !matches!(ai.outcome, AiOutcome::NotProcessed(_)));
    let stamped = scored.and_then(|ai| ai.model.as_ref().map(|model| (ai, model)));
    if let Some((ai, model)) = stamped {
        add_model(&mut bundle, model, systems);
        let value = format!("{key} ai {} {}", model.name, model.version);
        let resource = ai_observation(case, &bundle, &identifier(&observed, &value), ai);
        bundle.add(AI_READING, write(by_identifier(&observed, &value)), resource);
    }
    let resource = report(case, &bundle, &key, &results, systems);
    bundle.add(REPORT, write(by_identifier(&systems.own("report"), &key)), resource);
    // Provenance has no identifier in R4; a tag makes its creation conditional all the same.
    let tag = format!("{key} {}", case.release_number);
    let resource = provenance(case, &bundle, &results, stamped.is_some(), &systems.own("release"), &tag);
    bundle.add("provenance", Write::CreateUnless(by_tag(&systems.own("release"), &tag)), resource);
    bundle.finish()
}

fn people(verification: &Verification) -> impl Iterator<Item = &super::Person> {
    std::iter::once(&verification.reader).chain(&verification.others)
}

fn person_references(case: &ReleasedCase, bundle: &Transaction) -> Vec<Value> {
    people(&case.verification).map(|person| bundle.reference(&person_role(person))).collect()
}

fn report(
    case: &ReleasedCase,
    bundle: &Transaction,
    key: &str,
    results: &[Value],
    systems: &IdentifierSystems,
) -> Value {
    let pathway = case.pathway();
    let mut words = conclusion(&case.outcome);
    if let Some(amendment) = &case.amendment {
        words.push_str("\nAmended: ");
        words.push_str(amendment);
    }
    let ordered = accession(&case.study, systems)
        .map(|number| json!([{ "type": "ServiceRequest", "identifier": number }]));
    let section = coding("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology");
    without_gaps(json!({
        "resourceType": "DiagnosticReport",
        "identifier": [
            identifier(&systems.own("report"), key),
            identifier(&systems.own("case"), &case.case_id.to_string()),
        ],
        "basedOn": ordered,
        "status": if case.release_number > 1 { "amended" } else { "final" },
        "category": [{ "coding": [coding(LOINC, RADIOLOGY.number, RADIOLOGY.term), section] }],
        "code": loinc_and_snomed(pathway.report(), pathway.procedure()),
        "subject": bundle.reference(PATIENT),
        "effectiveDateTime": exam_date(&case.study),
        "issued": case.released_at,
        "performer": [{
            "type": "Organization",
            "identifier": identifier(&systems.own("site"), case.study.site.as_str()),
            "display": case.study.site,
        }],
        "resultsInterpreter": person_references(case, bundle),
        "result": results,
        "imagingStudy": [bundle.reference(STUDY)],
        "conclusion": words,
        "conclusionCode": conclusion_codes(&case.outcome),
    }))
}

/// A human finding; `content` says what and where.
fn observation(
    case: &ReleasedCase,
    bundle: &Transaction,
    name: &Value,
    status: &str,
    content: Value,
) -> Value {
    let mut resource = json!({
        "resourceType": "Observation",
        "identifier": [name],
        "status": status,
        "category": [imaging_category()],
        "subject": bundle.reference(PATIENT),
        "effectiveDateTime": exam_date(&case.study),
        "issued": case.released_at,
        "performer": person_references(case, bundle),
        "derivedFrom": [bundle.reference(STUDY)],
    });
    if let (Some(members), Value::Object(content)) = (resource.as_object_mut(), content) {
        members.extend(content);
    }
    resource
}

fn imaging_category() -> Value {
    let system = "http://terminology.hl7.org/CodeSystem/observation-category";
    json!({ "coding": [coding(system, "imaging", "Imaging")] })
}

/// What the AI said: preliminary for good, since nobody verified it as such.
fn ai_observation(case: &ReleasedCase, bundle: &Transaction, name: &Value, ai: &AiResult) -> Value {
    let mut components = Vec::new();
    // Without unit, to four decimals; a score that is no number has no place in a record.
    let mut number = |words: &str, value: f64| {
        if value.is_finite() {
            let value = (value * 1e4).round() / 1e4;
            let quantity = json!({ "value": value, "system": "http://unitsofmeasure.org", "code": "1" });
            components.push(json!({ "code": text(words), "valueQuantity": quantity }));
        }
    };
    if let Some(value) = ai.score {
        number("score", value);
    }
    if let Some(value) = ai.threshold {
        number("threshold of the operating point", value);
    }
    for finding in ai.findings.iter().filter(|finding| finding.flagged) {
        number(&format!("score: {}", finding.label), finding.score);
    }
    for breast in &ai.breasts {
        number(&format!("score: {} breast", breast.side.words()), breast.score);
    }
    let note = "Made by investigational software. Not verified by a person as such and not a diagnosis; \
                the verified result is the diagnostic report.";
    without_gaps(json!({
        "resourceType": "Observation",
        "identifier": [name],
        "status": "preliminary",
        "category": [imaging_category()],
        "code": text("AI reading of the images (investigational)"),
        "subject": bundle.reference(PATIENT),
        "effectiveDateTime": exam_date(&case.study),
        "issued": ai.at,
        "valueCodeableConcept": text(&ai.outcome.word().replace('_', " ")),
        "note": [{ "text": note }],
        "device": bundle.reference(MODEL),
        "derivedFrom": [bundle.reference(STUDY)],
        "component": components,
    }))
}

/// Who verified, and what put the bundle together and was looked at.
fn provenance(
    case: &ReleasedCase,
    bundle: &Transaction,
    results: &[Value],
    with_ai: bool,
    tag_system: &str,
    tag: &str,
) -> Value {
    let part = |code: &str, display: &str| {
        let system = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
        json!({ "coding": [coding(system, code, display)] })
    };
    let mut agents: Vec<Value> = person_references(case, bundle)
        .into_iter()
        .map(|who| json!({ "type": part("verifier", "Verifier"), "who": who }))
        .collect();
    let mut entities = vec![json!({ "role": "source", "what": bundle.reference(STUDY) })];
    if with_ai {
        agents.push(json!({ "type": part("assembler", "Assembler"), "who": bundle.reference(MODEL) }));
        entities.push(json!({ "role": "source", "what": bundle.reference(AI_READING) }));
    }
    let targets: Vec<Value> =
        std::iter::once(bundle.reference(REPORT)).chain(results.iter().cloned()).collect();
    json!({
        "resourceType": "Provenance",
        "meta": { "tag": [{ "system": tag_system, "code": tag }] },
        "target": targets,
        "occurredDateTime": case.verification.finalised_at,
        "recorded": case.released_at,
        "agent": agents,
        "entity": entities,
    })
}
