//! S09: a reader who has not locked gets the same bytes whatever the AI and the first reader said.

use doubleread::vocab::{AiOutcome, NotProcessed, NotProcessedReason, QualityFault, Role, UserId};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::http_service::{Body, Service, Visitor};
use crate::http_world::{ai, make_case, tick};

/// What differs between the worlds.
struct World {
    ai: AiOutcome,
    score: f64,
    first: serde_json::Value,
    /// A finding that the first reader acts on afterwards (X7).
    acts_on: Option<&'static str>,
}

impl World {
    fn of(ai: AiOutcome, score: f64, first: serde_json::Value) -> Self {
        World { ai, score, first, acts_on: None }
    }

    fn policy(&self) -> &'static str {
        if self.first["pathway"] == "chest" { "chest-verify" } else { "mammo-ai-second" }
    }
}

/// Every answer that the second reader can get of the case before the lock, less what is random in every world.
async fn seen_in(world: World) -> Vec<(String, String)> {
    let service = Service::start().await;
    let other = service.person("anna", &[Role::Reader]).await;
    let own = service.person("ben", &[Role::Reader, Role::Radiographer, Role::Lead]).await;
    let mut sender = service.signed_in("ben").await;
    let mut order = crate::http_orders::order(1);
    order["pathway"] = world.first["pathway"].clone();
    let order = sender.post("/api/orders", order).await.json()["order_id"].as_str().unwrap().to_owned();
    let made = make_case(&service, 1, world.policy()).await;
    let mut anna = service.signed_in("anna").await;
    let case = anna.post("/api/cases/next", json!({})).await.json();
    service.clock.advance_ms(10_000);
    let path = format!("/api/cases/{}/reads", made.case_id);
    let first = json!({"claim_token": case["claim_token"], "opinion": world.first});
    let locked = anna.post(&path, first).await;
    assert_eq!(locked.status, StatusCode::OK);
    ai(&service, &made, world.ai, world.score).await;
    service.clock.advance_ms(61 * 60_000);
    tick(&service, &made).await;
    if let Some(code) = world.acts_on {
        let read = locked.json()["case"]["own"]["id"].as_str().unwrap().to_owned();
        let act = json!({"findings": [code], "reason": "now"});
        let mut anna = service.signed_in("anna").await;
        let acted = anna.post(&format!("{path}/{read}/act"), act).await;
        assert_eq!(acted.status, StatusCode::OK, "{}", acted.text);
    }

    let mut ben = service.signed_in("ben").await;
    let mut answers = Vec::new();
    let mut routes: Vec<(&'static str, String)> = doubleread::http::routes();
    routes.retain(|(_, path)| {
        !["/metrics", "/health/ready", "/api/session", "/sign-out"].contains(&path.as_str())
    });
    routes.sort();
    // Before the claim, and again while the case is open.
    look(&mut ben, &routes, (&made, &order), other, &mut answers).await;
    let claimed = ben.post(&format!("/api/cases/{}/claim", made.case_id), json!({})).await;
    assert_eq!(claimed.status, StatusCode::OK, "{}", claimed.text);
    let token = claimed.json()["claim_token"].as_str().unwrap().to_owned();
    answers.push(("claim".to_owned(), claimed.text));
    look(&mut ben, &routes, (&made, &order), other, &mut answers).await;
    // User ids are fresh in every world.
    let secrets = [token, ben.csrf.clone(), own.to_string(), other.to_string(), order];
    for (route, text) in &mut answers {
        for secret in &secrets {
            *route = route.replace(secret.as_str(), "SECRET");
            *text = text.replace(secret.as_str(), "SECRET");
        }
    }
    answers
}

/// Calls every route that changes nothing, and each other one with nothing to go by.
async fn look(
    ben: &mut Visitor,
    routes: &[(&'static str, String)],
    (made, order): (&crate::http_world::Made, &str),
    other: UserId,
    answers: &mut Vec<(String, String)>,
) {
    for (method, route) in routes {
        let path = route
            .replace("{case_id}", &made.case_id.to_string())
            .replace("{study_instance_uid}", made.study.as_str())
            .replace("{read_id}", "00000000-0000-7000-8000-000000000001")
            .replace("{message_id}", "00000000-0000-7000-8000-000000000001")
            .replace("{series_instance_uid}", "1.2.3.1.1")
            .replace("{sop_instance_uid}", "1.2.3.1.1.0")
            .replace("{frames}", "1")
            .replace("{tag}", "00281050")
            .replace("{name}", "dark.css")
            .replace("{user_id}", &other.to_string())
            .replace("{order_id}", order)
            .replace("{session_id}", "00000000-0000-7000-8000-000000000002");
        let acts = *method != "GET";
        // Acts that would move the case on are asked for without what they need.
        if acts && ["/claim", "/next", "/open", "/sessions"].iter().any(|end| path.ends_with(end)) {
            continue;
        }
        if acts
            && ["/await-priors", "/priors-arrived", "/undo-deferral"].iter().any(|end| path.ends_with(end))
        {
            continue;
        }
        let body = if acts { Body::Json(json!({})) } else { Body::Nothing };
        let answer = ben.send(Method::from_bytes(method.as_bytes()).unwrap(), &path, body).await;
        let mut headers: Vec<String> =
            answer.headers.iter().filter(|(n, _)| *n != "date").map(|(n, v)| format!("{n}: {v:?}")).collect();
        headers.sort();
        answers.push((format!("{method} {path}"), format!("{} {headers:?} {}", answer.status, answer.text)));
    }
}

#[tokio::test]
async fn s09_a_second_reader_sees_the_same_bytes_in_every_world() {
    let normal = json!({"pathway": "mammo", "opinion": "normal"});
    let recall = json!({"pathway": "mammo", "opinion": "recall", "right": {"assessment": "normal"},
        "left": {"assessment": "abnormal"}});
    let refusal = NotProcessed { reason: NotProcessedReason::Implant, detail: String::new() };
    let fault = QualityFault { view: None, reason: NotProcessedReason::Clipped, detail: String::new() };
    let worlds = [
        World::of(AiOutcome::Abnormal, 0.9, normal.clone()),
        World::of(AiOutcome::Normal, 0.1, recall.clone()),
        World::of(AiOutcome::Abnormal, 0.9, recall.clone()),
        World::of(AiOutcome::NotProcessed(refusal), 0.0, normal.clone()),
        World::of(AiOutcome::QualityFail { faults: vec![fault] }, 0.0, recall),
    ];
    compare(worlds).await;
}

#[tokio::test]
async fn s09_x7_a_second_reader_sees_nothing_of_what_the_first_one_ordered() {
    let normal = json!({"pathway": "chest", "opinion": "normal"});
    let mass = |urgent: bool| {
        json!({"pathway": "chest", "opinion": "abnormal", "findings": [{"code": "mass", "side": "left", "zone": null,
            "confidence": null, "urgent": urgent, "mark": null}]})
    };
    let worlds = [
        World::of(AiOutcome::Abnormal, 0.9, normal),
        World::of(AiOutcome::Normal, 0.1, mass(false)),
        World::of(AiOutcome::Normal, 0.1, mass(true)),
        World { acts_on: Some("mass"), ..World::of(AiOutcome::Normal, 0.1, mass(false)) },
    ];
    compare(worlds).await;
}

/// Every answer is the same in every world.
async fn compare<const N: usize>(worlds: [World; N]) {
    let mut seen = Vec::new();
    for world in worlds {
        seen.push(seen_in(world).await);
    }
    let [first, others @ ..] = seen.as_slice() else { panic!("no world") };
    assert!(first.len() > 80, "{} answers", first.len());
    for other in others {
        for ((route, one), (_, another)) in first.iter().zip(other) {
            assert_eq!(one, another, "{route} tells the worlds apart");
        }
    }
}
