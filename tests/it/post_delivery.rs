//! Delivery to the loopback record over real sockets, with the faults that a record has.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use doubleread::http::loopback_record::{Faults, serve};
use doubleread::post::{
    DeliveryError, Endpoint, client, deliver, follow_up_order, repeat_request, report_bundle, urgent_message,
};
use doubleread::vocab::{FindingCode, Laterality};
use serde_json::Value;

use crate::post_sample::{chest, chest_case, finding, mammo_case, repeat_ask, systems, urgent_act};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn record(folder: &Path, faults: Faults) -> (Endpoint, reqwest::Client, tokio::task::JoinHandle<()>) {
    let (address, task) = serve(LOOPBACK, folder.to_owned(), faults).await.expect("the record starts");
    let endpoint = Endpoint { url: format!("http://{address}/"), ..Endpoint::default() };
    let client = client(&endpoint).expect("a client");
    (endpoint, client, task)
}

async fn get(client: &reqwest::Client, endpoint: &Endpoint, path: &str) -> Value {
    let answer = client.get(format!("{}{path}", endpoint.url)).send().await.expect("an answer");
    serde_json::from_str(&answer.text().await.expect("text")).expect("JSON")
}

async fn total(client: &reqwest::Client, endpoint: &Endpoint, kind: &str) -> u64 {
    get(client, endpoint, kind).await["total"].as_u64().expect("a total")
}

/// Delivers as the outbox does: again after each retryable failure, and never after another.
async fn deliver_at_last(client: &reqwest::Client, endpoint: &Endpoint, bundle: &Value, lost: &mut u32) {
    for attempt in 1..=60 {
        match deliver(client, endpoint, bundle, "a-key").await {
            Ok(receipt) => {
                assert_eq!(receipt.resources.len(), bundle["entry"].as_array().expect("entries").len());
                return;
            }
            Err(error) => {
                *lost += u32::from(matches!(error, DeliveryError::NoAnswer { phase: "answer", .. }));
                assert!(error.is_retryable(), "gave up after {attempt} attempts: {error}");
            }
        }
    }
    panic!("not delivered after 60 attempts");
}

/// R15: the receiver commits and cuts the line on 30 % of posts.
#[tokio::test]
async fn r15_lost_answers_leave_one_resource_per_identifier() {
    const CASES: u32 = 40;
    let folder = tempfile::tempdir().expect("a folder");
    let faults = Faults { cut_after_commit: 0.3, unavailable: 0.1, refuse: 0.0, seed: 15 };
    let (endpoint, client, task) = record(folder.path(), faults).await;
    let mut lost = 0;
    for number in 1..=CASES {
        let first = chest_case(number);
        deliver_at_last(&client, &endpoint, &report_bundle(&first, &systems()), &mut lost).await;
        let mut amended = first.clone();
        amended.release_number = 2;
        amended.earlier_outcomes = vec![first.outcome.clone()];
        amended.outcome = chest(vec![finding(FindingCode::PleuralEffusion, Some(Laterality::Right))]);
        deliver_at_last(&client, &endpoint, &report_bundle(&amended, &systems()), &mut lost).await;
        // A late repeat of the first release must not undo the amendment.
        deliver_at_last(&client, &endpoint, &report_bundle(&first, &systems()), &mut lost).await;
    }
    assert!(lost > CASES / 2, "only {lost} answers were lost, which proves little");
    let cases = u64::from(CASES);
    let expected = [
        ("Patient", cases),
        ("Practitioner", 2),
        ("Device", 1),
        ("ImagingStudy", cases),
        // Effusion, nodule and the AI reading of each.
        ("Observation", 3 * cases),
        ("DiagnosticReport", cases),
        // One per release.
        ("Provenance", 2 * cases),
    ];
    for (kind, number) in expected {
        assert_eq!(total(&client, &endpoint, kind).await, number, "{kind}");
        let on_disk = std::fs::read_dir(folder.path().join(kind)).expect("a folder").count();
        assert_eq!(u64::try_from(on_disk).expect("a count"), number, "files of {kind}");
    }
    let reports = get(&client, &endpoint, "DiagnosticReport").await;
    for report in reports["entry"].as_array().expect("entries") {
        assert_eq!(report["resource"]["status"], "amended");
    }
    task.abort();
}

#[tokio::test]
async fn every_kind_of_message_is_accepted_and_found_again_by_its_identifier() {
    let folder = tempfile::tempdir().expect("a folder");
    let (endpoint, client, task) = record(folder.path(), Faults::NONE).await;
    let systems = systems();
    let bundles = [
        report_bundle(&chest_case(1), &systems),
        report_bundle(&mammo_case(2), &systems),
        urgent_message(&urgent_act(1), &systems),
        follow_up_order(&urgent_act(1), &systems),
        repeat_request(&repeat_ask(2), &systems),
    ];
    for bundle in &bundles {
        let receipt = deliver(&client, &endpoint, bundle, "a-key").await.expect("accepted");
        assert!(receipt.resources.iter().all(|r| !r.location.is_empty()));
        for entry in bundle["entry"].as_array().expect("entries") {
            let request = &entry["request"];
            let kind = entry["resource"]["resourceType"].as_str().expect("a type");
            let found =
                get(&client, &endpoint, &format!("{kind}?{}", request["ifNoneExist"].as_str().unwrap()))
                    .await;
            assert_eq!(found["total"], 1, "{kind}");
        }
    }
    let report = get(&client, &endpoint, "DiagnosticReport").await["entry"][0]["resource"].clone();
    let subject = report["subject"]["reference"].as_str().expect("a reference");
    assert_eq!(get(&client, &endpoint, subject).await["resourceType"], "Patient");
    task.abort();
}

#[tokio::test]
async fn the_record_keeps_what_it_has_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = report_bundle(&chest_case(1), &systems());
    for _ in 0..2 {
        let (endpoint, client, task) = record(folder.path(), Faults::NONE).await;
        deliver(&client, &endpoint, &bundle, "a-key").await.expect("accepted");
        assert_eq!(total(&client, &endpoint, "DiagnosticReport").await, 1);
        assert_eq!(total(&client, &endpoint, "Provenance").await, 1);
        task.abort();
    }
}

/// What a strict record refuses: each change to a good bundle, with the issue code that it answers.
#[tokio::test]
async fn a_bundle_that_breaks_a_rule_is_refused_with_its_reason_and_nothing_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let (endpoint, client, task) = record(folder.path(), Faults::NONE).await;
    let good = report_bundle(&chest_case(1), &systems());
    let at = |kind: &str| {
        let entries = good["entry"].as_array().expect("entries");
        entries.iter().position(|e| e["resource"]["resourceType"] == kind).expect("an entry")
    };
    let (report, provenance, observation) = (at("DiagnosticReport"), at("Provenance"), at("Observation"));
    type Change = Box<dyn Fn(&mut Value)>;
    let changes: Vec<(&str, &str, Change)> = vec![
        (
            "no provenance",
            "business-rule",
            Box::new(move |b| {
                b["entry"].as_array_mut().expect("entries").remove(provenance);
            }),
        ),
        (
            "the AI alone as verifier",
            "business-rule",
            Box::new(move |b| {
                let agents = b["entry"][provenance]["resource"]["agent"].as_array_mut().expect("agents");
                agents.retain(|agent| agent["type"]["coding"][0]["code"] != "verifier");
            }),
        ),
        (
            "no reader",
            "business-rule",
            Box::new(move |b| {
                b["entry"][report]["resource"]
                    .as_object_mut()
                    .expect("an object")
                    .remove("resultsInterpreter");
            }),
        ),
        (
            "a reference to nothing",
            "not-found",
            Box::new(move |b| {
                b["entry"][report]["resource"]["subject"]["reference"] = "urn:uuid:nothing".into();
            }),
        ),
        (
            "a wrong status",
            "code-invalid",
            Box::new(move |b| {
                b["entry"][report]["resource"]["status"] = "done".into();
            }),
        ),
        (
            "a wrong SNOMED CT code",
            "code-invalid",
            Box::new(move |b| {
                b["entry"][observation]["resource"]["code"]["coding"][0]["code"] = "60046009".into();
            }),
        ),
        (
            "a date that is none",
            "value",
            Box::new(move |b| {
                b["entry"][report]["resource"]["issued"] = "2026-13-01T00:00:00Z".into();
            }),
        ),
        (
            "no conclusion",
            "required",
            Box::new(move |b| {
                b["entry"][report]["resource"].as_object_mut().expect("an object").remove("conclusion");
            }),
        ),
        (
            "an unconditional create",
            "required",
            Box::new(move |b| {
                b["entry"][report]["request"].as_object_mut().expect("an object").remove("ifNoneExist");
            }),
        ),
        ("no transaction", "structure", Box::new(|b| b["type"] = "batch".into())),
    ];
    for (name, code, change) in changes {
        let mut bundle = good.clone();
        change(&mut bundle);
        match deliver(&client, &endpoint, &bundle, "a-key").await {
            Err(error @ DeliveryError::Refused { .. }) => {
                assert!(!error.is_retryable());
                assert!(error.to_string().contains(code), "{name}: {error}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(get(&client, &endpoint, "").await["resources"], serde_json::json!({}));
    task.abort();
}

#[tokio::test]
async fn a_record_that_is_down_busy_or_refuses_is_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = report_bundle(&chest_case(1), &systems());
    let all = |unavailable, refuse| Faults { cut_after_commit: 0.0, unavailable, refuse, seed: 1 };

    let (endpoint, busy_client, task) = record(folder.path(), all(1.1, 0.0)).await;
    let error = deliver(&busy_client, &endpoint, &bundle, "k").await.expect_err("busy");
    assert!(matches!(error, DeliveryError::Busy { status: 503, retry_after_ms: Some(0) }), "{error:?}");
    task.abort();

    let (endpoint, refused_client, task) = record(folder.path(), all(0.0, 1.1)).await;
    let error = deliver(&refused_client, &endpoint, &bundle, "k").await.expect_err("refused");
    assert!(matches!(error, DeliveryError::Refused { status: 400, .. }), "{error:?}");
    task.abort();

    // A port that nobody listens on any more.
    let closed = std::net::TcpListener::bind(LOOPBACK).expect("a port").local_addr().expect("an address");
    let endpoint = Endpoint { url: format!("http://{closed}/"), ..Endpoint::default() };
    let error = deliver(&refused_client, &endpoint, &bundle, "k").await.expect_err("down");
    assert!(
        matches!(error, DeliveryError::NoAnswer { phase: "connect", .. }) && error.is_retryable(),
        "{error:?}"
    );

    // A peer that accepts and never answers.
    let silent = tokio::net::TcpListener::bind(LOOPBACK).await.expect("a port");
    let url = format!("http://{}/", silent.local_addr().expect("an address"));
    let endpoint = Endpoint { url, answer_timeout_ms: 200, ..Endpoint::default() };
    let impatient = client(&endpoint).expect("a client");
    let error = deliver(&impatient, &endpoint, &bundle, "k").await.expect_err("silent");
    assert!(matches!(error, DeliveryError::NoAnswer { phase: "timeout", .. }), "{error:?}");
}
