//! What a radiographer sees of a push, through a whole service; and the test of the link.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use doubleread::phantom::{StudyOptions, generate_study};
use doubleread::receive::send::push;
use doubleread::vocab::{Pathway, Role};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::http_arrivals::Events;
use crate::service_house::House;

/// Files of a small drawn study of some of the mammographic views.
fn files(house: &House, seed: u64, views: &[&str]) -> Vec<PathBuf> {
    let options = StudyOptions {
        size: Some((208, 256)),
        mammo_views: views.iter().map(|view| view.parse().unwrap()).collect(),
        ..StudyOptions::default()
    };
    let write = |image: doubleread::phantom::GeneratedInstance| {
        let path = house.folder.path().join(&image.file_name);
        std::fs::write(&path, image.part10().unwrap()).unwrap();
        path
    };
    generate_study(Pathway::Mammo, seed, &options).into_iter().map(write).collect()
}

/// Reads events until a line says what is waited for.
async fn until(events: &mut Events, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let (name, data) = events.next().await.expect("the stream goes on");
        assert_eq!(name, "arrivals");
        if let Some(line) = data["lines"].as_array().unwrap().iter().find(|line| wanted(line)) {
            return line.clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_on_the_page_within_two_seconds_with_what_is_missing() {
    let mut house = House::build("");
    house.start().await;
    let store = house.store().await;
    let (_, rad) = house.signed_in(&store, "rad", Role::Radiographer).await;
    let base = format!("http://{}", house.pages);
    let mut events = Events::open(&base, &rad).await.unwrap();
    assert_eq!(events.next().await.unwrap().1["lines"], json!([]));

    let three = files(&house, 21, &["RCC", "LCC", "RMLO"]);
    push(&house.target("VAN1"), &three, &|_| {}).await.unwrap();
    let pushed = Instant::now();
    let line =
        until(&mut events, |line| line["whole"]["words"].as_str().is_some_and(|w| w.contains("RMLO in")))
            .await;
    assert!(pushed.elapsed() < Duration::from_secs(2), "{:?}", pushed.elapsed());
    assert_eq!(line["whole"]["words"], "RCC, LCC, RMLO in, LMLO missing; more images are expected");
    assert_eq!(line["whole"]["word"], "Waiting");

    let fourth = files(&house, 21, &["LMLO"]);
    push(&house.target("VAN1"), &fourth, &|_| {}).await.unwrap();
    let pushed = Instant::now();
    let line = until(&mut events, |line| line["whole"]["word"] == "Whole").await;
    assert!(pushed.elapsed() < Duration::from_secs(2), "{:?}", pushed.elapsed());
    assert_eq!(line["whole"]["words"], "RCC, LCC, RMLO, LMLO are in");
    assert!(!house.log().contains("SYNTHETIC"));
    store.close().await;
    // A page that follows does not hold up the stop.
    house.stop().await;
    while let Some((name, _)) = events.next().await {
        assert_eq!(name, "arrivals");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_the_link_goes_all_the_way_and_leaves_nothing_to_read() {
    let mut house = House::build("");
    house.start().await;
    let store = house.store().await;
    let (_, mut rad) = house.signed_in(&store, "rad", Role::Radiographer).await;
    let (_, mut reader) = house.signed_in(&store, "reader", Role::Reader).await;
    assert_eq!(reader.post("/api/link-test", json!({})).await.status, StatusCode::FORBIDDEN);

    let report = rad.post("/api/link-test", json!({})).await;
    assert_eq!(report.status, StatusCode::OK, "{}", report.text);
    let report = report.json();
    let told = |name: &str| {
        let phases = report["phases"].as_array().unwrap();
        phases
            .iter()
            .find(|phase| phase["name"] == name)
            .unwrap_or_else(|| panic!("{name}: {report}"))
            .clone()
    };
    for name in ["Echo", "Push", "Stored", "Preparation"] {
        assert_eq!(told(name)["passed"], true, "{report}");
    }
    // This house has no model; that is said, and the rest is proved all the same.
    assert_eq!(told("AI")["passed"], false);
    assert!(told("AI")["words"].as_str().unwrap().contains("no model"), "{report}");
    assert_eq!(report["passed"], false);

    house.jobs_done(&store).await;
    let queue = reader.get("/api/cases").await.json();
    assert_eq!(queue["cases"], json!([]), "no queue holds it");
    assert_eq!(rad.get("/api/arrivals").await.json()["lines"], json!([]));
    assert_eq!(rad.get("/api/studies").await.json(), json!([]));
    let again = rad.post("/api/link-test", json!({})).await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS, "{}", again.text);
    let page = rad.get("/studies").await.text;
    assert!(page.contains("Test the link"), "{page}");
    store.close().await;
    house.stop().await;
    house.verify();
}
