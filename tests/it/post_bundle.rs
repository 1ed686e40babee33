//! What the record is sent: content of the bundles.

use doubleread::post::{follow_up_order, repeat_request, report_bundle, urgent_message};
use doubleread::vocab::{
    ChestOpinion, FindingCode, InadequateReason, Laterality, MammoOpinion, NotProcessedReason, Opinion,
    Timestamp,
};
use serde_json::Value;

use crate::post_sample::{chest, chest_case, finding, mammo_case, repeat_ask, systems, urgent_act};

fn of_kind<'a>(bundle: &'a Value, kind: &str) -> Vec<&'a Value> {
    let entries = bundle["entry"].as_array().expect("entries");
    entries.iter().map(|e| &e["resource"]).filter(|r| r["resourceType"] == kind).collect()
}

#[test]
fn the_same_case_gives_the_same_bundle() {
    let once = report_bundle(&chest_case(7), &systems()).to_string();
    assert_eq!(once, report_bundle(&chest_case(7), &systems()).to_string());
}

#[test]
fn a_chest_report_reads_as_agreed() {
    insta::assert_json_snapshot!("chest_report", report_bundle(&chest_case(7), &systems()));
}

#[test]
fn a_mammogram_report_reads_as_agreed() {
    insta::assert_json_snapshot!("mammo_report", report_bundle(&mammo_case(8), &systems()));
}

#[test]
fn x07_the_order_carries_the_readers_reason_and_the_key_image() {
    let mut act = urgent_act(9);
    act.reason = "Mass at the left hilum, smoker".to_owned();
    act.key_images = vec!["1.2.3.4".parse().unwrap()];
    let order = follow_up_order(&act, &systems());
    let request = of_kind(&order, "ServiceRequest")[0];
    assert_eq!(request["note"][0]["text"], "Mass at the left hilum, smoker");
    assert_eq!(request["supportingInfo"][1]["identifier"]["value"], "urn:oid:1.2.3.4");
    let message = urgent_message(&act, &systems());
    let said = of_kind(&message, "CommunicationRequest")[0]["payload"][0]["contentString"].as_str().unwrap();
    assert!(said.contains("Mass at the left hilum"), "{said}");
}

#[test]
fn notices_read_as_agreed() {
    insta::assert_json_snapshot!("urgent_message", urgent_message(&urgent_act(9), &systems()));
    insta::assert_json_snapshot!("follow_up_order", follow_up_order(&urgent_act(9), &systems()));
    insta::assert_json_snapshot!("repeat_request", repeat_request(&repeat_ask(10), &systems()));
}

#[test]
fn what_the_ai_said_is_never_a_result_of_the_report() {
    let bundle = report_bundle(&chest_case(7), &systems());
    let entries = bundle["entry"].as_array().unwrap();
    let made_by_device = |address: &Value| {
        entries.iter().any(|e| e["fullUrl"] == *address && !e["resource"]["device"].is_null())
    };
    let report = of_kind(&bundle, "DiagnosticReport")[0];
    assert_eq!(report["status"], "final");
    for result in report["result"].as_array().unwrap() {
        assert!(!made_by_device(&result["reference"]));
    }
    let of_ai: Vec<_> =
        of_kind(&bundle, "Observation").into_iter().filter(|o| !o["device"].is_null()).collect();
    assert_eq!(of_ai.len(), 1);
    assert_eq!(of_ai[0]["status"], "preliminary");
    assert!(!report["conclusion"].as_str().unwrap().contains("0.9"));
}

#[test]
fn x9_without_an_ai_result_the_report_is_the_same_less_the_device() {
    for ai in [None, Some(NotProcessedReason::LateralView)] {
        let mut case = chest_case(7);
        let now = Timestamp::from_millis(0);
        case.ai = ai.map(|reason| doubleread::vocab::AiResult::not_processed(reason, "", now));
        let bundle = report_bundle(&case, &systems());
        assert!(of_kind(&bundle, "Device").is_empty());
        assert_eq!(of_kind(&bundle, "Observation").len(), 2);
        assert_eq!(of_kind(&bundle, "Provenance")[0]["agent"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn r17_every_report_names_the_person_who_verified_it() {
    for case in [chest_case(7), mammo_case(8)] {
        let bundle = report_bundle(&case, &systems());
        let agent = &of_kind(&bundle, "Provenance")[0]["agent"][0];
        assert_eq!(agent["type"]["coding"][0]["code"], "verifier");
        let people = bundle["entry"].as_array().unwrap().iter();
        let who = people.clone().find(|e| e["fullUrl"] == agent["who"]["reference"]).unwrap();
        assert_eq!(who["resource"]["resourceType"], "Practitioner");
    }
}

#[test]
fn an_amendment_updates_in_place_and_withdraws_what_is_gone() {
    let first = chest_case(7);
    let mut amended = first.clone();
    amended.release_number = 2;
    amended.earlier_outcomes = vec![first.outcome.clone()];
    amended.outcome = chest(vec![finding(FindingCode::PleuralEffusion, Some(Laterality::Right))]);
    amended.amendment = Some("No nodule on review.".to_owned());
    let bundle = report_bundle(&amended, &systems());
    let report = of_kind(&bundle, "DiagnosticReport")[0];
    assert_eq!(report["status"], "amended");
    assert!(report["conclusion"].as_str().unwrap().ends_with("Amended: No nodule on review."));
    let withdrawn: Vec<_> =
        of_kind(&bundle, "Observation").into_iter().filter(|o| o["status"] == "entered-in-error").collect();
    assert_eq!(withdrawn.len(), 1);
    assert_eq!(withdrawn[0]["code"]["coding"][0]["code"], "786838002");
    let put = bundle["entry"].as_array().unwrap().iter().find(|e| e["resource"] == *report).unwrap();
    assert_eq!(put["request"]["method"], "PUT");
    let original = report_bundle(&first, &systems());
    assert_eq!(of_kind(&original, "DiagnosticReport")[0]["identifier"][0], report["identifier"][0]);
}

#[test]
fn a_late_image_set_amends_the_report_of_the_same_study() {
    let (first, mut late) = (chest_case(7), chest_case(7));
    late.case_id = doubleread::vocab::CaseId::from_number(99);
    late.release_number = 2;
    let [first, late] = [first, late].map(|case| report_bundle(&case, &systems()));
    let name = |bundle: &Value| of_kind(bundle, "DiagnosticReport")[0]["identifier"][0].clone();
    assert_eq!(name(&first), name(&late));
}

#[test]
fn equal_patient_ids_of_two_sites_are_two_patients_unless_the_index_is_shared() {
    let here = chest_case(7);
    let mut there = chest_case(7);
    there.study.site = "VAN2".parse().unwrap();
    let mut systems = systems();
    let name =
        |case, systems: &_| of_kind(&report_bundle(case, systems), "Patient")[0]["identifier"][0].clone();
    assert_ne!(name(&here, &systems), name(&there, &systems));
    systems.patient_ids_are_shared = true;
    assert_eq!(name(&here, &systems), name(&there, &systems));
}

#[test]
fn a_patient_without_an_id_is_temporary_and_gaps_are_left_out() {
    let mut case = chest_case(7);
    case.patient.patient_id = None;
    case.patient.nhs_number = None;
    case.patient.name = String::new();
    case.patient.birth_date = "unknown".to_owned();
    case.patient.sex = None;
    case.study.date = String::new();
    let bundle = report_bundle(&case, &systems());
    let patient = of_kind(&bundle, "Patient")[0];
    assert_eq!(patient["identifier"][0]["use"], "temp");
    assert_eq!(patient.as_object().unwrap().len(), 2, "{patient}");
    assert_eq!(of_kind(&bundle, "DiagnosticReport")[0]["effectiveDateTime"], "2026-01-02T09:00:00.000Z");
}

#[test]
fn outcomes_without_findings_say_so_in_words_and_codes() {
    let outcomes = [
        (Opinion::Chest(ChestOpinion::Normal), "Chest X-ray normal.", Some("408573005")),
        (Opinion::Mammo(MammoOpinion::Normal), "Mammogram normal. Routine recall.", Some("168749009")),
        (
            Opinion::Chest(ChestOpinion::Inadequate { reason: InadequateReason::CutOff }),
            "The film can't be reported (cut off). A repeat was asked for.",
            None,
        ),
    ];
    for (outcome, words, code) in outcomes {
        let bundle = report_bundle(&doubleread::post::ReleasedCase { outcome, ..chest_case(7) }, &systems());
        let report = of_kind(&bundle, "DiagnosticReport")[0];
        assert_eq!(report["conclusion"], words);
        assert_eq!(report["conclusionCode"][0]["coding"][0]["code"].as_str(), code);
        assert!(report["result"].is_null());
    }
}
