//! Models out of folders: loaded, refused with the difference named, run.

use std::path::{Path, PathBuf};

use doubleread::infer::{
    Active, CaseImage, Engine, InferError, Manifest, ModelState, Provider, Registry, Settings, Urgency,
    score_case,
};
use doubleread::phantom::{StudyOptions, generate_study};
use doubleread::prepare::{Limits, prepare_file};
use doubleread::vocab::{ModelStamp, Pathway, Timestamp};

use super::infer_fixture::{loaded, no_runtime, settings, tiny_graph, tiny_manifest, write_model};

#[tokio::test]
async fn a_model_that_differs_from_its_manifest_is_refused_with_the_difference_named() {
    if no_runtime() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let graph = tiny_graph();
    let text = "this is no graph";
    let mut cut = graph.clone();
    cut.truncate(300);
    let [opset, operator, domain, nan, int64, quiet] =
        ["opset", "operator", "domain", "nan", "int64", "plain"].map(|name| golden(&format!("{name}.onnx")));
    let no_map = ("map = 'map'\n", "");
    let card = "card = '../CARD.md'";
    type Row<'a> = (&'a str, Option<&'a [u8]>, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let table: &[Row] = &[
        ("no-graph", None, &[], &["model.onnx", "can't be read"]),
        ("other-hash", Some(&cut), &[], &["SHA-256", "expected", "found"]),
        ("not-onnx", Some(text.as_bytes()), &[], &["the runtime refuses the graph"]),
        ("cut-short", Some(&cut), &[], &["the runtime refuses the graph"]),
        (
            "shape",
            Some(&graph),
            &[("width = 8", "width = 16")],
            &["input's shape", "[any, 1, 8, 16]", "[any, 1, 8, 8]"],
        ),
        (
            "channels",
            Some(&graph),
            &[("height = 8", "height = 8\nchannels = 3")],
            &["input's shape", "[any, 3, 8, 8]"],
        ),
        ("input-name", Some(&graph), &[("'image'", "'picture'")], &["input's name", "picture", "image"]),
        (
            "output-name",
            Some(&graph),
            &[("scores = 'scores'", "scores = 'logits'")],
            &["score output", "logits", "scores, map"],
        ),
        (
            "labels",
            Some(&graph),
            &[(
                "{ name = 'mass', feature = 'mass' }",
                "{ name = 'mass', feature = 'mass' }, { name = 'third', offered = false }",
            )],
            &["number of labels", "[any, 3]", "[any, 2]"],
        ),
        ("unknown-key", Some(&graph), &[("trained_on", "trained_in")], &["manifest.toml", "trained_in"]),
        ("threshold", Some(&graph), &[("labels = { mass = 0.5 }", "labels = {}")], &["no threshold", "mass"]),
        ("opset", Some(&opset), &[no_map], &["the runtime refuses the graph", "opset", "99"]),
        ("operator", Some(&operator), &[no_map], &["the runtime refuses the graph", "NoSuchOperator"]),
        ("domain", Some(&domain), &[no_map], &["the runtime refuses the graph", "org.example"]),
        ("nan", Some(&nan), &[no_map], &["output on a black image", "finite numbers"]),
        ("type", Some(&int64), &[no_map], &["input's type", "f32", "i64"]),
        ("map-name", Some(&graph), &[("map = 'map'", "map = 'cam'")], &["map output", "cam", "scores, map"]),
        ("fixed", Some(&quiet), &[no_map], &["number of labels", "[any, 2]", "[any, 1]"]),
        (
            "layout",
            Some(&graph),
            &[("width = 8", "layout = 'nhwc'\nwidth = 8")],
            &["input's shape", "[any, 8, 8, 1]", "[any, 1, 8, 8]"],
        ),
        (
            "label-order",
            Some(&graph),
            &[("labels = ['suspicious']", "labels = ['cancer']")],
            &["overall.labels", "cancer"],
        ),
        ("outside", Some(&graph), &[("card = 'CARD.md'", card)], &["card", "own folder"]),
        ("other-file", Some(&graph), &[("file = 'model.onnx'", "file = 'weights.onnx'")], &["weights.onnx"]),
        ("empty", Some(b""), &[], &["the runtime refuses the graph"]),
    ];
    for (folder, bytes, replace, _) in table {
        // Every row but that of the hash has the hash of what is there.
        let hashed = if *folder == "other-hash" { graph.as_slice() } else { bytes.unwrap_or(&graph) };
        write_model(dir.path(), folder, &tiny_manifest(folder, hashed, replace), *bytes);
    }
    write_model(dir.path(), "good-1", &tiny_manifest("good", &graph, &[]), Some(&graph));
    let active = Active { mammo: vec!["good-1".into()], ..Active::default() };
    let registry = loaded(Settings { active, ..settings(dir.path()) }).await;

    for (folder, _, _, words) in table {
        let model = registry.model(folder).expect("listed");
        let ModelState::Refused(error) = &model.state else { panic!("{folder} is {}", model.state.word()) };
        for word in *words {
            assert!(error.to_string().contains(word), "{folder}: {error}");
        }
    }
    let engine = registry.in_force(Pathway::Mammo).expect("the good model keeps serving").remove(0);
    assert_eq!(engine.provider(), Provider::Cpu);
    let found = registry.stamped(Pathway::Mammo, &engine.stamp()).expect("by its stamp");
    assert_eq!(found.folder(), engine.folder());
    let older = ModelStamp { version: "0".into(), ..engine.stamp() };
    assert!(registry.stamped(Pathway::Mammo, &older).is_err(), "a replay takes the very same version");
    assert!(engine.score(vec![0.25; 64], Urgency::Routine).await.is_ok());
    registry.stop();
}

fn golden(name: &str) -> Vec<u8> {
    super::infer_exam::graph(name)
}

#[tokio::test]
async fn which_model_speaks_is_never_guessed() {
    if no_runtime() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let graph = tiny_graph();
    write_model(dir.path(), "a-1", &tiny_manifest("a", &graph, &[]), Some(&graph));
    let only = loaded(settings(dir.path())).await;
    assert_eq!(only.in_force(Pathway::Mammo).expect("the only one")[0].manifest().name, "a");
    let none = only.in_force(Pathway::Chest).expect_err("none for chest").to_string();
    assert!(none.contains("chest") && none.contains("none is there"), "{none}");

    write_model(dir.path(), "b-1", &tiny_manifest("b", &graph, &[]), Some(&graph));
    let two = loaded(settings(dir.path())).await;
    let which = two.in_force(Pathway::Mammo).expect_err("two, none named").to_string();
    assert!(which.contains("infer.active.mammo"), "{which}");

    let active = Active { mammo: vec!["c-1".into()], ..Active::default() };
    let absent = loaded(Settings { active, ..settings(dir.path()) }).await;
    let named = absent.in_force(Pathway::Mammo).expect_err("named, not there").to_string();
    assert!(named.contains("c-1"), "{named}");
}

#[tokio::test]
async fn a_folder_without_models_stops_nothing() {
    let registry = loaded(settings(Path::new("no-such-folder"))).await;
    assert!(registry.models().is_empty());
    assert!(matches!(registry.in_force(Pathway::Chest), Err(InferError::NoModel { .. })));
}

#[tokio::test]
async fn models_load_behind_the_start_of_the_service() {
    if no_runtime() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let graph = tiny_graph();
    write_model(dir.path(), "a-1", &tiny_manifest("a", &graph, &[]), Some(&graph));
    let registry = Registry::start(settings(dir.path())).expect("a registry");
    // Whatever it answers now, it answers at once, and says why where there is no engine.
    if let Err(error) = registry.in_force(Pathway::Mammo) {
        assert!(
            error.to_string().contains("loading") || error.to_string().contains("none is there"),
            "{error}"
        );
    }
    registry.wait_until_loaded().await;
    assert!(registry.is_loaded() && registry.in_force(Pathway::Mammo).is_ok());
}

#[test]
fn cuda_that_cannot_be_had_is_refused_unless_a_fallback_is_named() {
    if no_runtime() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let graph = tiny_graph();
    let folder = write_model(dir.path(), "a-1", &tiny_manifest("a", &graph, &[]), Some(&graph));
    let providers = vec![Provider::Cuda, Provider::Cpu];
    let strict = Settings { providers, ..settings(dir.path()) };
    match Engine::load(&folder, &strict) {
        // The library of PyPI's onnxruntime wheel has no CUDA in it.
        Err(InferError::ProviderUnavailable { provider: Provider::Cuda, problem }) => {
            assert!(!problem.is_empty())
        }
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(engine) => {
            assert_eq!(engine.provider(), Provider::Cuda, "never another one in silence");
            return;
        }
    }
    let fallback = Engine::load(&folder, &Settings { fallback: Some(Provider::Cpu), ..strict });
    assert_eq!(fallback.expect("the fallback").provider(), Provider::Cpu);
}

#[test]
fn a_missing_library_is_refused_with_what_to_run() {
    let dir = tempfile::tempdir().unwrap();
    let graph = tiny_graph();
    let folder = write_model(dir.path(), "a-1", &tiny_manifest("a", &graph, &[]), Some(&graph));
    let elsewhere = Settings { runtime_library: Some(dir.path().join("none.so")), ..settings(dir.path()) };
    match Engine::load(&folder, &elsewhere) {
        Err(error @ InferError::RuntimeMissing(_)) => assert!(error.to_string().contains("make runtime")),
        // A process has one library for good: another test loaded it before.
        Ok(_) => println!("the library was loaded already"),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_shipped_model_loads_and_has_a_card() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    if no_runtime() {
        return;
    }
    let Ok(folders) = std::fs::read_dir(&models) else {
        println!("skipped: no models are shipped yet");
        return;
    };
    for folder in folders.flatten().map(|f| f.path()).filter(|f| f.join("manifest.toml").is_file()) {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let engine = Engine::load(&folder, &settings(&models)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(engine.manifest().folder_name(), name, "the folder is <name>-<version>");
        let card = std::fs::read_to_string(folder.join(&engine.manifest().card));
        let card = card.unwrap_or_else(|e| panic!("{name}: no card: {e}")).to_lowercase();
        assert!(
            card.contains(&engine.manifest().trained_on.to_lowercase()),
            "{name}: the card says what it was trained on"
        );
    }
}

/// A public model of the shared folder, or `None` with a line that says so.
fn shared_model(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("DOUBLEREAD_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = root.join("models").join(name);
    std::fs::read(&path).ok().or_else(|| {
        println!("skipped: no {}", path.display());
        None
    })
}

/// Numbers that any language can make again: `(i * 31 mod 997) / 997`.
fn pattern(length: usize, scale: f64, offset: f64) -> Vec<f32> {
    (0..length).map(|i| ((i * 31 % 997) as f64 / 997.0 * scale + offset) as f32).collect()
}

/// A manifest of the worked examples.
fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("training/examples").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The folder of a public model with the manifest of its worked example.
fn example_folder(dir: &Path, manifest: &str, file: &str, graph: &[u8]) -> PathBuf {
    let folder = write_model(dir, "m-1", &example(manifest), None);
    std::fs::write(folder.join(file), graph).expect("a graph");
    folder
}

const SQUEEZENET: &str = "cxr-squeezenet11-kermany3-m3mentomor1.onnx";
const SMALL_CHEST: &str = "small-chest-15.onnx";

#[tokio::test]
async fn public_models_give_what_the_python_runtime_gives() {
    if no_runtime() {
        return;
    }
    // Made with onnxruntime 1.31.1 under Python from the same pattern; equal to 1e-4 relative.
    let table: [(&str, &str, Vec<f32>, &[f32]); 2] = [
        (SQUEEZENET, "squeezenet-kermany.toml", pattern(3 * 224 * 224, 4.0, -2.0), &[0.0, 9.019_75, 0.0]),
        (
            SMALL_CHEST,
            "small-chest-15.toml",
            pattern(128 * 128, 255.0, 0.0),
            &[
                0.137_922, 0.062_159, 0.094_201, 0.185_190, 0.049_458, 0.119_558, 0.060_983, 0.065_787,
                0.098_120, 0.073_417, 0.052_438, 0.145_427, 0.078_137, 0.013_449, 0.069_777,
            ],
        ),
    ];
    for (file, manifest, image, expected) in table {
        let Some(graph) = shared_model(file) else { continue };
        let dir = tempfile::tempdir().unwrap();
        let folder = example_folder(dir.path(), manifest, file, &graph);
        let engine = Engine::load(&folder, &settings(dir.path())).expect("loads");
        close(&engine.score(image, Urgency::Routine).await.expect("scores").output.scores, expected);
    }
}

#[tokio::test]
async fn public_models_score_a_film_from_the_file_on() {
    if no_runtime() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (file, manifest, age) in
        [(SQUEEZENET, "squeezenet-kermany.toml", 4), (SMALL_CHEST, "small-chest-15.toml", 54)]
    {
        let Some(graph) = shared_model(file) else { continue };
        let folder = example_folder(dir.path(), manifest, file, &graph);
        let engine = Engine::load(&folder, &settings(dir.path())).expect("loads");
        let options =
            StudyOptions { size: Some((512, 640)), age_years: Some(age), ..StudyOptions::default() };
        let film = generate_study(Pathway::Chest, 5, &options).remove(0);
        let path = dir.path().join("film.dcm");
        std::fs::write(&path, film.part10().expect("a file")).expect("written");
        let told = engine.manifest();
        let image = CaseImage {
            sop_instance_uid: "1.2.3".parse().expect("a uid"),
            content_hash: String::new(),
            view: None,
            prepared: prepare_file(&path, &told.input, &told.scope, &Limits::default()),
        };
        let result = score_case(&engine, vec![image], Urgency::Routine, Timestamp::from_millis(0));
        let result = result.await.expect("a result");
        let score = result.score.unwrap_or_else(|| panic!("{file}: {:?}", result.outcome));
        assert!((0.0..=1.0).contains(&score), "{file}: {score}");
        assert_eq!(result.findings.len(), told.labels.iter().filter(|label| label.offered).count());
    }
}

#[test]
fn the_manifests_of_the_worked_examples_are_sound() {
    for (name, shapes) in [
        ("xrv-densenet121.toml", vec![[1, 1, 224, 224]]),
        ("four-views-resnet22.toml", vec![[1, 1, 2000, 1600]; 4]),
    ] {
        let manifest = Manifest::parse(&example(name).replace("SHA256", &"0".repeat(64)));
        let manifest = manifest.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(manifest.shapes(), shapes, "{name}");
    }
}

#[tokio::test]
async fn an_urgent_image_does_not_wait_for_the_routine_ones_before_it() {
    let Some(graph) = shared_model(SQUEEZENET) else { return };
    if no_runtime() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = example_folder(dir.path(), "squeezenet-kermany.toml", SQUEEZENET, &graph);
    let engine = Engine::load(&folder, &Settings { sessions: 1, ..settings(dir.path()) }).expect("loads");
    let image = pattern(3 * 224 * 224, 4.0, -2.0);
    let routine = (0..80).map(|_| engine.score(image.clone(), Urgency::Routine));
    let urgent = engine.score(image.clone(), Urgency::Urgent);
    // All are queued at the first poll, the urgent one last.
    let (routine, urgent) = tokio::join!(futures::future::join_all(routine), urgent);
    let urgent = urgent.expect("a score");
    let mut waits: Vec<f64> = routine.into_iter().map(|scored| scored.expect("a score").queue_ms).collect();
    waits.sort_by(f64::total_cmp);
    let median = waits[waits.len() / 2];
    println!("urgent waited {:.0} ms, the median routine image {median:.0} ms", urgent.queue_ms);
    assert!(urgent.queue_ms < median, "{} ms, the median routine image {median} ms", urgent.queue_ms);
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-4 * e.abs().max(1e-2), "{found:?} is not {expected:?}");
    }
}
