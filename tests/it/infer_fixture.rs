//! Folders of models and prepared images for the tests of inference.

use std::path::{Path, PathBuf};

use doubleread::infer::{CaseImage, Registry, Settings, library_path};
use doubleread::prepare::{PixelMapping, Prepared, QualityStatistics, Timings};
use doubleread::vocab::{NotProcessed, NotProcessedReason};
use sha2::{Digest, Sha256};

/// Says that something is missing, once per test; fails where nothing may be.
pub fn skipped(what: &str) -> bool {
    assert!(std::env::var_os("REQUIRE_PEERS").is_none(), "{what}, and REQUIRE_PEERS is set");
    println!("skipped: {what}");
    true
}

/// Whether the ONNX Runtime library is here.
pub fn no_runtime() -> bool {
    let path = library_path(None);
    !path.is_file() && skipped(&format!("no ONNX Runtime at {}; run `make runtime`", path.display()))
}

/// A graph of a few hundred bytes; see `tests/golden/tiny_onnx.py`.
pub fn tiny_graph() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny.onnx")).expect("tiny.onnx")
}

/// A manifest of the tiny graph as a mammogram model; `replace` changes its text.
pub fn tiny_manifest(name: &str, graph: &[u8], replace: &[(&str, &str)]) -> String {
    let mut text = format!(
        "name = '{name}'\nversion = '1'\npathway = 'mammo'\nfile = 'model.onnx'\nsha256 = '{}'\ncard = 'CARD.md'\n\
         trained_on = 'nothing'\noperating_point = 'only'\n\
         required_views = ['RCC', 'LCC', 'RMLO', 'LMLO']\n\
         labels = [{{ name = 'suspicious', feature = 'suspicious' }}, {{ name = 'mass', feature = 'mass' }}]\n\
         overall = {{ rule = 'label', labels = ['suspicious'] }}\n\
         operating_points = [{{ name = 'only', chosen_on = 'a test', overall = 0.5, labels = {{ mass = 0.5 }} }}]\n\
         [graph]\ninput = 'image'\nscores = 'scores'\nmap = 'map'\nactivation = 'probabilities'\n\
         batch = {{ dynamic = {{ max = 8 }} }}\n\
         [input]\npreprocessing = 'tiny-v1'\nwidth = 8\nheight = 8\nrange = 'unit'\nresize = 'area'\n\
         aspect = 'stretch'\nwindowing = 'voi'\n",
        hex::encode(Sha256::digest(graph))
    );
    for (from, to) in replace {
        assert!(text.contains(from), "{from} is not in the manifest");
        text = text.replace(from, to);
    }
    text
}

/// Writes a model's folder.
pub fn write_model(models_dir: &Path, folder: &str, manifest: &str, graph: Option<&[u8]>) -> PathBuf {
    let folder = models_dir.join(folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("manifest.toml"), manifest).expect("a manifest");
    if let Some(graph) = graph {
        std::fs::write(folder.join("model.onnx"), graph).expect("a graph");
    }
    folder
}

/// Settings with the models of a folder and two sessions each.
pub fn settings(models_dir: &Path) -> Settings {
    Settings { models_dir: models_dir.to_owned(), sessions: 2, ..Settings::default() }
}

/// The registry of a folder, once it has loaded what it will load.
pub async fn loaded(settings: Settings) -> std::sync::Arc<Registry> {
    let registry = Registry::start(settings).expect("a registry");
    registry.wait_until_loaded().await;
    registry
}

/// An image of 8 x 8 equal pixels out of an original of 80 x 160.
pub fn flat_image(number: u32, view: &str, value: f32) -> CaseImage {
    CaseImage {
        sop_instance_uid: format!("1.2.{number}").parse().expect("a uid"),
        content_hash: format!("{number:064}"),
        view: (!view.is_empty()).then(|| view.parse().expect("a view")),
        prepared: Ok(Prepared {
            tensor: vec![value; 64],
            shape: [1, 1, 8, 8],
            mapping: PixelMapping {
                original_width: 80,
                original_height: 160,
                offset_x: 0.0,
                offset_y: 0.0,
                scale_x: 10.0,
                scale_y: 20.0,
            },
            quality: QualityStatistics::default(),
            rows_run_to: String::new(),
            timings: Timings::default(),
        }),
    }
}

/// An image that preparation refused.
pub fn refused_image(number: u32, view: &str, reason: NotProcessedReason) -> CaseImage {
    let prepared = Err(NotProcessed { reason, detail: "seen".into() });
    CaseImage { prepared, ..flat_image(number, view, 0.0) }
}
