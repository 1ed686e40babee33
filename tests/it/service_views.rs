//! Views and sides of mammograms held against their tags, through the whole service: a notice, and nothing else.

use std::path::Path;

use doubleread::phantom::{StudyOptions, generate_study};
use doubleread::receive::send::push;
use doubleread::vocab::{Pathway, Role, StudyInstanceUid};

use crate::infer_fixture::{no_runtime, tiny_graph, tiny_manifest, write_model};
use crate::service_house::{House, case_with_result};

/// Sends a drawn mammogram of one view with right tags.
async fn sent(house: &House, seed: u64, view: &str) -> StudyInstanceUid {
    let views = vec![view.parse().unwrap()];
    let options = StudyOptions { size: Some((416, 512)), mammo_views: views, ..StudyOptions::default() };
    let instance = generate_study(Pathway::Mammo, seed, &options).remove(0);
    let path = house.folder.path().join(&instance.file_name);
    std::fs::write(&path, instance.part10().unwrap()).unwrap();
    push(&house.target("ROOM1"), &[path], &|_| {}).await.unwrap();
    instance.identity.study.study_instance_uid.parse().unwrap()
}

/// What takes any drawn mammogram.
const ANY: &str = "[scope]\nmin_rows = 1\nmin_columns = 1\nmin_bits_stored = 1\nallow_missing_body_part = true\n\
    [scope.quality]\nblank_min_distinct_values = 0\nblank_min_spread = 0.0\nclipped_max_bright_fraction = 1.0\n\
    clipped_max_dark_fraction = 1.0\nrefuse_inverted = false\n";

/// A model that scores whatever mammograms there are, out of the tiny graph.
fn model(models: &Path) {
    let graph = tiny_graph();
    let any = [("required_views = ['RCC', 'LCC', 'RMLO', 'LMLO']\n", ""), ("map = 'map'\n", "")];
    write_model(models, "scorer-1", &(tiny_manifest("scorer", &graph, &any) + ANY), Some(&graph));
}

/// A recogniser that is sure to see a left MLO in every picture, out of the same graph.
fn recogniser(models: &Path, sha256_begins: &str) {
    let graph = tiny_graph();
    let sure = "calibration = { platt = { a = 0.001, b = 5.0 } }, offered = false";
    let labels = (
        "labels = [{ name = 'suspicious', feature = 'suspicious' }, { name = 'mass', feature = 'mass' }]",
        format!("labels = [{{ name = 'mlo', {sure} }}, {{ name = 'left', {sure} }}]"),
    );
    let text = tiny_manifest(
        "sees-lmlo",
        &graph,
        &[
            ("required_views = ['RCC', 'LCC', 'RMLO', 'LMLO']\n", ""),
            ("map = 'map'\n", ""),
            (labels.0, &labels.1),
            ("labels = ['suspicious']", "labels = ['mlo']"),
            ("labels = { mass = 0.5 }", "labels = { left = 0.5 }"),
            ("preprocessing = 'tiny-v1'", "preprocessing = 'tiny-v2'"),
            ("sha256 = '", &format!("sha256 = '{sha256_begins}")),
        ],
    );
    let text = text + ANY;
    let text = match sha256_begins.len() {
        0 => text,
        extra => {
            let end = text.find("sha256 = '").unwrap() + "sha256 = '".len() + 64;
            format!("{}{}", &text[..end], &text[end + extra..])
        }
    };
    let folder = models.join("sees-lmlo-1");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("recogniser.toml"), text).unwrap();
    std::fs::write(folder.join("model.onnx"), graph).unwrap();
}

fn house() -> House {
    House::build_with("", |config| {
        let infer = config["infer"].as_table_mut().unwrap();
        infer.insert("recogniser".to_owned(), "sees-lmlo-1".into());
        let quick = toml::toml! { quiet_seconds = 0 };
        config.insert("completeness".to_owned(), toml::Value::Table(quick));
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mammogram_that_looks_like_another_view_or_side_is_scored_all_the_same_and_a_notice_says_what_to_check()
 {
    if no_runtime() {
        return;
    }
    let mut house = house();
    let models = house.folder.path().join("models");
    model(&models);
    recogniser(&models, "");
    house.start().await;
    let store = house.store().await;
    let (_, mut radiographer) = house.signed_in(&store, "anna", Role::Radiographer).await;

    let right = "The picture looks like a left MLO; the tags say right CC. Check the marker.";
    let table = [(81, "RCC", Some(right)), (82, "LMLO", None)];
    for (seed, view, notice) in table {
        let study = sent(&house, seed, view).await;
        let (_, result) = case_with_result(&store, &study).await;
        assert!(result.result.score.is_some(), "{view} is scored: {:?}", result.result.outcome);
        let status = radiographer.get(&format!("/api/studies/{study}")).await.json();
        let notices: Vec<&str> =
            status["notices"].as_array().unwrap().iter().filter_map(|word| word.as_str()).collect();
        assert_eq!(notices, notice.into_iter().collect::<Vec<_>>(), "{view}");
        let page = radiographer.get(&format!("/studies/{study}")).await.text;
        assert_eq!(page.contains(right), notice.is_some(), "{view}");
        let said = serde_json::to_string(&result.result).unwrap();
        assert!(!said.contains("sees-lmlo"), "no part of the AI's result");
    }

    let (_, mut manager) = house.signed_in(&store, "mona", Role::Admin).await;
    let page = manager.get("/operations").await.text;
    assert_eq!(page.matches(right).count(), 1, "{page}");
    assert!(page.contains("sees-lmlo-1"));
    let checks = manager.get("/api/operations").await.json();
    assert_eq!(checks["view_checks"].as_array().unwrap().len(), 1, "{checks}");
    assert_eq!(checks["view_checks"][0]["words"], right);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recogniser_that_is_not_what_it_says_is_refused_and_takes_nothing_else_down() {
    if no_runtime() {
        return;
    }
    let mut house = house();
    let models = house.folder.path().join("models");
    model(&models);
    recogniser(&models, "00");
    house.start().await;
    let store = house.store().await;
    let study = sent(&house, 83, "RCC").await;
    let (_, result) = case_with_result(&store, &study).await;
    assert!(result.result.score.is_some(), "{:?}", result.result.outcome);
    assert!(store.view_disagreements_of_study(&study).await.unwrap().is_empty());
    let (_, mut manager) = house.signed_in(&store, "mona", Role::Admin).await;
    let page = manager.get("/operations").await.text;
    assert!(page.contains("sees-lmlo-1") && page.contains("the SHA-256 of the graph"), "{page}");
    assert!(house.log().contains("recogniser refused"));
    house.stop().await;
}
