//! Orders over HTTP: sent, refused in words, listed, taken back; what a study says of its order, and who sees what.

use std::time::{Duration, Instant};

use doubleread::http::{fresh_token, token_hash};
use doubleread::store::NewApiToken;
use doubleread::vocab::{AiOutcome, Pathway, Role};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::http_arrivals::Events;
use crate::http_service::{Service, Visitor};
use crate::http_world::{ai, instances, make_case};

/// An order for the patient and accession number of study `number` of `http_world`.
pub fn order(number: u32) -> Value {
    json!({
        "placer_order_number": format!("RQ{number}"), "accession_number": format!("ACC{number}"), "site": "north",
        "patient": {"id": format!("PID{number}"), "name": format!("Patient{number}^Nell"), "birth_date": "19600101"},
        "pathway": "chest", "procedure": "XR chest PA", "reason": "Cough <i>for six weeks</i>", "symptoms": "Weight loss",
        "requested_at": "2026-03-01T08:00:00Z",
    })
}

fn with(mut order: Value, at: &str, value: Value) -> Value {
    *order.pointer_mut(at).unwrap() = value;
    order
}

async fn sent(visitor: &mut Visitor, order: Value) -> Value {
    let answer = visitor.post("/api/orders", order).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

async fn match_of(visitor: &mut Visitor, study: &str) -> Value {
    visitor.get(&format!("/api/studies/{study}")).await.json()["order"].clone()
}

#[tokio::test]
async fn an_order_is_sent_again_changed_refused_in_words_and_taken_back() {
    let service = Service::start().await;
    for (name, role) in [("rad", Role::Radiographer), ("lead", Role::Lead), ("reader", Role::Reader)] {
        service.person(name, &[role]).await;
    }
    let mut rad = service.signed_in("rad").await;
    let (mut lead, mut reader) = (service.signed_in("lead").await, service.signed_in("reader").await);

    let first = sent(&mut rad, order(1)).await;
    assert_eq!((first["state"].as_str(), first["urgency"].as_str()), (Some("requested"), Some("routine")));
    assert_eq!(sent(&mut rad, order(1)).await, first, "the same again is answered the same");
    let urgent = sent(&mut rad, with(order(1), "/symptoms", json!("None"))).await;
    assert_eq!((&urgent["order_id"], urgent["symptoms"].as_str()), (&first["order_id"], Some("None")));

    let mut other = with(order(1), "/placer_order_number", json!("RQ9"));
    other["patient"]["id"] = json!("PID9");
    let refused = rad.post("/api/orders", other).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("belongs to an order for another patient"), "{}", refused.text);

    let invalid = [
        (with(order(2), "/patient/birth_date", json!("1 Jan 1960")), "patient.birth_date is not a date"),
        (with(order(2), "/accession_number", json!(null)), "accession_number is missing"),
        (with(order(2), "/procedure", json!("x".repeat(4_001))), "procedure is longer than 4000 characters"),
    ];
    for (sent, words) in invalid {
        let answer = rad.post("/api/orders", sent).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
        assert_eq!(answer.json()["code"], "invalid_order");
        assert!(answer.json()["message"].as_str().unwrap().contains(words), "{}", answer.text);
    }
    for (sent, words) in [
        (json!({"accession": "A1"}), "unknown field `accession`"),
        (json!({"patient": {"nhs": "1"}}), "patient.nhs: unknown field `nhs`"),
        (json!({"site": 7}), "site: invalid type"),
    ] {
        let answer = rad.post("/api/orders", sent).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        assert!(answer.json()["message"].as_str().unwrap().contains(words), "{}", answer.text);
    }

    let path = format!("/api/orders/{}", first["order_id"].as_str().unwrap());
    let cancel = format!("{path}/cancel");
    assert_eq!(rad.post(&cancel, json!({})).await.status, StatusCode::BAD_REQUEST);
    let cancelled = rad.post(&cancel, json!({"reason": "came twice"})).await;
    assert_eq!(cancelled.json()["state"], "cancelled", "{}", cancelled.text);
    assert_eq!(rad.post("/api/orders", order(1)).await.json()["code"], "order_cancelled");
    let whole = lead.get(&path).await.json();
    let acts: Vec<_> = whole["changes"].as_array().unwrap().iter().map(|one| &one["act"]).collect();
    assert_eq!(acts, ["received", "changed", "cancelled"]);
    assert_eq!(whole["changes"][2]["reason"], "came twice");
    assert_eq!(lead.get("/api/orders?state=waiting").await.json(), json!([]));
    assert_eq!(lead.get("/api/orders?accession=ACC1").await.json()[0]["state"], "cancelled");
    let unknown = lead.get("/api/orders?state=lost").await;
    assert!(
        unknown.status == StatusCode::BAD_REQUEST && unknown.text.contains("repeat_needed"),
        "{}",
        unknown.text
    );

    assert_eq!(lead.post("/api/orders", order(3)).await.status, StatusCode::FORBIDDEN);
    for path in ["/api/orders", &path, "/orders"] {
        assert_eq!(reader.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(service.visitor().get("/api/orders").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_machine_with_a_token_of_one_site_knows_the_orders_of_no_other() {
    let service = Service::start().await;
    let user = service.person("machine", &[Role::Admin]).await;
    service.person("rad", &[Role::Radiographer]).await;
    let mut rad = service.signed_in("rad").await;
    let token = fresh_token();
    let new = NewApiToken {
        token_hash: token_hash(&token),
        name: "orders of the north".to_owned(),
        role: Role::Admin,
        site: "north".parse().ok(),
        user_id: user,
        expires_at: service.now().plus_minutes(60),
    };
    service.store.create_api_token(new, service.now()).await.unwrap();
    let client = reqwest::Client::new();
    let send = |body: Value| {
        client.post(format!("{}/api/orders", service.base)).bearer_auth(&token).json(&body).send()
    };
    assert_eq!(send(order(1)).await.unwrap().status(), StatusCode::OK);
    assert_eq!(send(with(order(2), "/site", json!("south"))).await.unwrap().status(), StatusCode::NOT_FOUND);

    let south = sent(&mut rad, with(order(2), "/site", json!("south"))).await;
    let get = |path: String| client.get(format!("{}{path}", service.base)).bearer_auth(&token).send();
    let listed: Value = get("/api/orders".to_owned()).await.unwrap().json().await.unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let foreign = format!("/api/orders/{}", south["order_id"].as_str().unwrap());
    assert_eq!(get(foreign).await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_study_says_in_words_which_order_it_is_for() {
    let service = Service::start().await;
    service.person("rad", &[Role::Radiographer]).await;
    let mut rad = service.signed_in("rad").await;
    make_case(&service, 1, "chest-verify").await;
    let unknown = match_of(&mut rad, "1.2.3.1").await;
    assert_eq!(unknown["match"], "not_sent_here");
    let page = rad.get("/studies").await.text;
    assert!(!page.contains("No order"), "nothing fails where no orders are sent");

    sent(&mut rad, order(2)).await;
    assert_eq!(match_of(&mut rad, "1.2.3.1").await["match"], "no_order");
    assert!(rad.get("/studies").await.text.contains("no order has this accession number"));
    make_case(&service, 2, "chest-verify").await;
    let matched = match_of(&mut rad, "1.2.3.2").await;
    assert_eq!(
        (&matched["match"], &matched["words"], &matched["state"]),
        (&json!("matched"), &json!("XR chest PA"), &json!("images_in"))
    );
    let page = rad.get("/studies/1.2.3.2").await.text;
    assert!(
        page.contains("Weight loss")
            && page.contains("Cough &#60;i&#62;for six weeks")
            && page.contains("RQ2"),
        "{page}"
    );

    let mut none = instances(3, Pathway::Chest, service.now());
    none[0].tags.accession_number = None;
    service.store.register(none).await.unwrap();
    assert_eq!(match_of(&mut rad, "1.2.3.3").await["match"], "no_accession_number");
    sent(&mut rad, with(order(4), "/pathway", json!("mammo"))).await;
    make_case(&service, 4, "chest-verify").await;
    let other = match_of(&mut rad, "1.2.3.4").await;
    assert!(other["words"].as_str().unwrap().starts_with("the order asks for a mammogram"), "{other}");
    let cancelled = sent(&mut rad, order(5)).await;
    let path = format!("/api/orders/{}/cancel", cancelled["order_id"].as_str().unwrap());
    rad.post(&path, json!({"reason": "patient unwell"})).await;
    make_case(&service, 5, "chest-verify").await;
    assert_eq!(match_of(&mut rad, "1.2.3.5").await["match"], "cancelled");
    // Nothing of this keeps a patient from being read.
    service.person("anna", &[Role::Reader]).await;
    let mut anna = service.signed_in("anna").await;
    assert_eq!(anna.get("/api/cases").await.json()["cases"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn images_of_another_patient_than_the_order_are_said_and_settled_by_a_lead() {
    let service = Service::start().await;
    for (name, role) in [("rad", Role::Radiographer), ("lead", Role::Lead), ("anna", Role::Reader)] {
        service.person(name, &[role]).await;
    }
    let mut rad = service.signed_in("rad").await;
    let mut wrong = order(1);
    wrong["patient"] = json!({"id": "PID8", "name": "Someone^Else", "birth_date": "19700707"});
    sent(&mut rad, wrong).await;
    service.store.register(instances(1, Pathway::Chest, service.now())).await.unwrap();
    let said = match_of(&mut rad, "1.2.3.1").await;
    assert_eq!((&said["match"], &said["procedure"]), (&json!("other_patient"), &Value::Null));
    let status = rad.get("/api/studies/1.2.3.1").await.json();
    assert_eq!(status["held"], "order_of_another_patient");
    let page = rad.get("/studies/1.2.3.1").await.text;
    assert!(page.contains("not scored, not read, not posted until a person has settled it"), "{page}");
    assert!(page.contains("SOMEONE, Else") && page.contains("PID8"), "both patients are to be seen: {page}");
    let mut anna = service.signed_in("anna").await;
    let page = anna.get("/studies/1.2.3.1").await.text;
    assert!(
        page.contains("for another patient") && !page.contains("SOMEONE"),
        "the other patient is none of hers"
    );

    let mut lead = service.signed_in("lead").await;
    let page = lead.get("/operations").await.text;
    assert!(page.contains("The order with its accession number is for another patient"), "{page}");
    assert_eq!(
        lead.get("/api/operations").await.json()["held_studies"][0]["reason"],
        "order_of_another_patient"
    );
    service.clock.advance_ms(1_000);
    let released = lead.post("/api/operations/studies/1.2.3.1/release", json!({})).await;
    assert_eq!(released.status, StatusCode::OK, "{}", released.text);
    let status = rad.get("/api/studies/1.2.3.1").await.json();
    assert_eq!(status["held"], Value::Null);
    assert!(
        status["order"]["words"].as_str().unwrap().ends_with("the images are read without it"),
        "{status}"
    );
}

#[tokio::test]
async fn who_follows_the_arrivals_hears_of_an_order_that_comes_late() {
    let service = Service::start().await;
    service.person("rad", &[Role::Radiographer]).await;
    make_case(&service, 1, "chest-verify").await;
    let mut rad = service.signed_in("rad").await;
    sent(&mut rad, order(2)).await;
    let mut events = Events::open(&service.base, &rad).await.unwrap();
    let (_, first) = events.next().await.unwrap();
    assert_eq!(first["lines"][0]["order"]["word"], "No order");
    let began = Instant::now();
    sent(&mut rad, order(1)).await;
    let (_, after) = events.next().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(
        (&after["lines"][0]["order"]["word"], &after["lines"][0]["order"]["tone"]),
        (&json!("Matched"), &json!("good"))
    );
}

#[tokio::test]
async fn a_reader_sees_what_the_order_asks_before_the_opinion() {
    let service = Service::start().await;
    service.person("rad", &[Role::Radiographer]).await;
    service.person("anna", &[Role::Reader]).await;
    let mut rad = service.signed_in("rad").await;
    sent(&mut rad, order(1)).await;
    let made = make_case(&service, 1, "chest-verify").await;
    ai(&service, &made, AiOutcome::Normal, 0.1).await;
    let mut anna = service.signed_in("anna").await;
    let opened = anna.post(&format!("/api/cases/{}/claim", made.case_id), json!({})).await.json();
    assert_eq!(
        opened["history"],
        json!([
            {"what": "Clinical question", "words": "Cough <i>for six weeks</i>"},
            {"what": "Symptoms", "words": "Weight loss"},
        ])
    );
    let page = anna.get(&format!("/cases/{}", made.case_id)).await.text;
    assert!(page.contains("Clinical question") && page.contains("Cough &#60;i&#62;for six weeks"), "{page}");
    let display = anna.get(&format!("/api/cases/{}/display", made.case_id)).await.json();
    assert_eq!(display["history"][1]["words"], "Weight loss");
}

#[tokio::test]
async fn x6_an_inadequate_read_opens_the_order_again_and_the_list_says_repeat_needed() {
    let service = Service::start().await;
    service.person("rad", &[Role::Radiographer]).await;
    service.person("anna", &[Role::Reader]).await;
    let mut rad = service.signed_in("rad").await;
    let posted = sent(&mut rad, order(1)).await;
    let path = format!("/api/orders/{}", posted["order_id"].as_str().unwrap());
    assert!(rad.get("/studies").await.text.contains("1 order waits for images"));
    let made = make_case(&service, 1, "chest-verify").await;
    assert_eq!(rad.get(&path).await.json()["state"], "images_in");
    assert!(!rad.get("/studies").await.text.contains("for images</a>"));
    ai(&service, &made, AiOutcome::Normal, 0.1).await;
    let mut events = Events::open(&service.base, &rad).await.unwrap();
    events.next().await.unwrap();

    let mut anna = service.signed_in("anna").await;
    let opened = anna.post(&format!("/api/cases/{}/claim", made.case_id), json!({})).await.json();
    service.clock.advance_ms(10_000);
    let opinion = json!({"pathway": "chest", "opinion": "inadequate", "reason": "rotation"});
    let body = json!({"claim_token": opened["claim_token"], "opinion": opinion});
    let locked = anna.post(&format!("/api/cases/{}/reads", made.case_id), body).await;
    assert_eq!(locked.status, StatusCode::OK, "{}", locked.text);
    let whole = rad.get(&path).await.json();
    assert_eq!((&whole["state"], &whole["studies"]), (&json!("repeat_needed"), &json!(["1.2.3.1"])));
    let (_, said) = loop {
        let event = events.next().await.unwrap();
        if !event.1["lines"][0]["repeat"].is_null() {
            break event;
        }
    };
    assert_eq!(said["lines"][0]["repeat"], "a reader can't report it: rotation");
    let waiting = rad.get("/orders").await.text;
    assert!(waiting.contains("Repeat needed") && waiting.contains("PATIENT1, Nell"), "{waiting}");
    assert!(rad.get("/studies").await.text.contains("1 order waits for images"));

    // The repeat, as a study of its own under the same accession number.
    let mut repeat = instances(2, Pathway::Chest, service.now());
    repeat[0].tags = instances(1, Pathway::Chest, service.now()).remove(0).tags;
    service.clock.advance_ms(1_000);
    repeat[0].received_at = service.now();
    service.store.register(repeat).await.unwrap();
    assert_eq!(rad.get(&path).await.json()["state"], "images_in");
    assert_eq!(match_of(&mut rad, "1.2.3.2").await["match"], "matched");
}
