//! Models in the shadow through the whole service: they score what was scored, afterwards, and no reader gets a byte.

use std::path::Path;

use doubleread::reading::Event;
use doubleread::receive::send::push;
use doubleread::store::{ModelDecision, NewUser, Store};
use doubleread::vocab::{AiOutcome, CaseId, Role, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{AnyConnection, Connection, Row};

use crate::http_service::{Body, Visitor};
use crate::infer_fixture::{no_runtime, tiny_graph, tiny_manifest, write_model};
use crate::service_films::chest_film_of_size;
use crate::service_house::{House, case_with_result, wait_for};
use crate::store_database::now;

/// What the names of all shadow models here begin with, and no other word of the service.
const SECRET: &str = "umbra";

/// A chest model of the tiny graph whose pixels are `range`.
fn chest_model(models: &Path, name: &str, range: &str) {
    let graph = tiny_graph();
    let manifest = tiny_manifest(
        name,
        &graph,
        &[
            ("pathway = 'mammo'", "pathway = 'chest'"),
            ("required_views = ['RCC', 'LCC', 'RMLO', 'LMLO']\n", ""),
            ("feature = 'suspicious'", "code = 'abnormality'"),
            ("feature = 'mass'", "code = 'mass'"),
            ("map = 'map'\n", ""),
            ("overall = 0.5", "overall = 0.05"),
            ("range = 'unit'", range),
        ],
    );
    write_model(models, &format!("{name}-1"), &manifest, Some(&graph));
}

/// Everything that a person gets by looking: every route that changes nothing, with its headers.
async fn looked_at(visitor: &mut Visitor, case: CaseId, study: &str, image: &str) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    for (method, route) in doubleread::http::routes() {
        // Prometheus reads the metrics, no reader does.
        if method != "GET" || route == "/metrics" {
            continue;
        }
        let path = route
            .replace("{case_id}", &case.to_string())
            .replace("{study_instance_uid}", study)
            .replace("{sop_instance_uid}", image)
            .replace("{name}", "dark.css");
        let answer = visitor.send(Method::GET, &path, Body::Nothing).await;
        seen.push((path, format!("{} {:?} {}", answer.status, answer.headers, answer.text)));
    }
    seen
}

async fn decide(store: &Store, folder: &str, role: &str) {
    let graph = tiny_graph();
    let user = NewUser {
        sign_in_name: format!("lead-{}", folder.len()),
        display_name: "A lead".to_owned(),
        password_hash: None,
        roles: [Role::Lead].into(),
        sites: [].into(),
    };
    let decided_by = store.create_user(user, now()).await.unwrap().user_id;
    let decision = ModelDecision {
        folder: folder.to_owned(),
        sha256: hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&graph)),
        role: role.to_owned(),
        effective_at: Timestamp::from_millis(0),
        decided_at: now(),
        decided_by,
        confirmed_by: None,
        reason: "a test".to_owned(),
    };
    store.decide_model(decision).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_models_score_live_cases_afterwards_and_no_reader_gets_a_byte_of_it() {
    if no_runtime() {
        return;
    }
    let mut house = House::build_with("", |config| {
        let active = toml::toml! { chest = ["active-1"] };
        config["infer"].as_table_mut().unwrap().insert("active".to_owned(), toml::Value::Table(active));
        // A lone worker: what can wait must not wait for ever beside it.
        config["pipeline"].as_table_mut().unwrap().insert("workers".to_owned(), 1.into());
    });
    let models = house.folder.path().join("models");
    chest_model(&models, "active", "range = 'unit'");
    let shadows = [
        ("umbra", "range = { mean_std = { mean = [0.0], std = [2.0] } }"),
        // A negative mean has no square root; a pixel of 2 makes the graph fail.
        ("umbra-none", "range = { mean_std = { mean = [1.0], std = [1.0] } }"),
        ("umbra-fault", "range = { mean_std = { mean = [0.0], std = [0.01] } }"),
    ];
    std::fs::create_dir_all(&house.data_dir).unwrap();
    let store = house.store().await;
    store.migrate(now()).await.unwrap();
    for (name, range) in shadows {
        chest_model(&models, name, range);
        decide(&store, &format!("{name}-1"), "shadow").await;
    }
    house.start().await;

    let (path, image, study) = chest_film_of_size(&house, 3, (512, 640));
    let sent = push(&house.target("ROOM1"), &[path], &|_| {}).await.unwrap();
    assert!(sent.iter().all(|one| one.outcome.is_stored()), "{sent:?}");
    let (case, result) = case_with_result(&store, &study).await;
    let model = result.result.model.as_ref().expect("a model spoke");
    assert_eq!(model.name, "active");
    assert!(matches!(result.result.outcome, AiOutcome::Normal | AiOutcome::Abnormal));
    wait_for("all shadows to have spoken", async || {
        for (name, _) in shadows {
            let folder = format!("{name}-1");
            if !store.has_shadow_result(case.case_id, &folder).await.unwrap() {
                return None;
            }
        }
        Some(())
    })
    .await;
    house.jobs_done(&store).await;

    // What they said stands beside the case, later than its result; none of it is in the case.
    sqlx::any::install_default_drivers();
    let mut database = AnyConnection::connect(&house.url).await.unwrap();
    let rows = sqlx::query("SELECT folder, word, score, resulted_at FROM shadow_results ORDER BY folder")
        .fetch_all(&mut database)
        .await
        .unwrap();
    let said: Vec<(String, String)> = rows.iter().map(|row| (row.get("folder"), row.get("word"))).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    for (folder, word) in &said {
        let silent = folder != "umbra-1";
        assert_eq!(word == "not_processed", silent, "{folder} says {word}");
    }
    assert!(rows.iter().all(|row| row.get::<String, _>("resulted_at") >= result.result.at.to_string()));
    let silent = rows.iter().filter(|row| row.get::<String, _>("folder") != "umbra-1");
    assert!(silent.into_iter().all(|row| row.get::<Option<f64>, _>("score").is_none()), "never a low score");
    let events = store.events_of_case(case.case_id).await.unwrap();
    let results: Vec<_> =
        events.iter().filter(|recorded| matches!(recorded.entry.event, Event::AiResulted { .. })).collect();
    assert_eq!(results.len(), 1);
    assert!(!format!("{events:?}").contains(SECRET));
    assert_eq!(store.ai_result(case.case_id).await.unwrap().unwrap().result, result.result);

    // The model in force has no map: where it looked was found afterwards, beside the result.
    assert_eq!(result.result.outcome, AiOutcome::Abnormal);
    let places = store.places(case.case_id).await.unwrap().expect("places");
    assert_eq!((places.heat_maps.len(), result.result.heat_maps.len()), (1, 0));

    // Nobody who reads, or looks after the readers' work, gets any of it; who audits does.
    let (_, mut reader) = house.signed_in(&store, "r.green", Role::Reader).await;
    let (_, mut radiographer) = house.signed_in(&store, "x.gray", Role::Radiographer).await;
    let mut seen = looked_at(&mut radiographer, case.case_id, study.as_str(), image.as_str()).await;
    seen.extend(looked_at(&mut reader, case.case_id, study.as_str(), image.as_str()).await);
    let claimed = reader.post("/api/cases/next", json!({})).await;
    assert_eq!(claimed.status, StatusCode::OK, "{}", claimed.text);
    seen.push(("claim".to_owned(), claimed.text));
    seen.extend(looked_at(&mut reader, case.case_id, study.as_str(), image.as_str()).await);
    assert!(seen.iter().filter(|(_, text)| text.starts_with("200")).count() > 20, "{} answers", seen.len());
    for (path, text) in &seen {
        assert!(!text.contains(SECRET), "{path} tells of a shadow model: {text}");
    }
    let (_, mut auditor) = house.signed_in(&store, "a.blue", Role::Auditor).await;
    let report = auditor.get("/api/audit/shadow").await;
    assert_eq!(report.status, StatusCode::OK, "{}", report.text);
    let pairs = report.json()["against_model_in_force"].as_array().unwrap().len();
    assert_eq!((pairs, report.text.contains("umbra-none-1")), (3, true), "{}", report.text);
    house.stop().await;

    // What a model said is made again by that very model, though people have taken it out of use since.
    decide(&store, "active-1", "retired").await;
    let replayed = house.command("replay").arg("--all").output().unwrap();
    let text = String::from_utf8_lossy(&replayed.stdout).into_owned();
    let errors = String::from_utf8_lossy(&replayed.stderr).into_owned();
    assert!(text.contains("1 results the same, 0 different"), "{text}{errors}");
}
