//! `doubleread model` from outside: a model is added, checked, decided upon by two people, retired.

use std::path::Path;
use std::process::{Command, Output};

use super::infer_fixture::{no_runtime, tiny_graph, tiny_manifest, write_model};

/// A data folder with a configuration and an empty folder of models.
struct Desk(tempfile::TempDir);

impl Desk {
    fn set_up() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("models")).unwrap();
        let runtime = doubleread::infer::library_path(None);
        let runtime = std::path::absolute(runtime).unwrap();
        let config = format!(
            "[service]\ndata_dir = {:?}\n[infer]\nmodels_dir = {:?}\nruntime_library = {runtime:?}\n",
            at("data"),
            at("models")
        );
        std::fs::write(at("doubleread.toml"), config).unwrap();
        let desk = Self(folder);
        for (name, role) in [("l.blue", "lead"), ("a.gray", "admin"), ("r.green", "reader")] {
            desk.done(&["user", "add", name, "--role", role]);
        }
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doubleread"));
        command.arg("--config").arg(self.path().join("doubleread.toml")).args(words);
        command.current_dir(self.path()).output().expect("the program runs")
    }

    fn done(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(!output.status.success(), "{words:?} was not refused");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn brought(desk: &Desk, self_test: &str) -> String {
    let graph = tiny_graph();
    let folder = write_model(desk.path(), "brought", &tiny_manifest("tiny", &graph, &[]), Some(&graph));
    std::fs::write(folder.join("CARD.md"), "A test model; investigational.\n").unwrap();
    std::fs::write(folder.join("self_test.json"), self_test).unwrap();
    folder.display().to_string()
}

#[test]
fn a_model_is_added_and_speaks_once_two_people_decided_so() {
    if no_runtime() {
        return;
    }
    let desk = Desk::set_up();
    // The mean of the noise of seed 1 over 64 pixels is not 0.25: the difference is named, nothing is copied.
    let wrong = brought(&desk, r#"{"tolerance": 0.0001, "vectors": [{"seed": 1, "scores": [0.5, 0.25]}]}"#);
    let why = desk.refused(&["model", "add", &wrong]);
    assert!(why.contains("self-test vector") && why.contains("seed 1"), "{why}");
    assert_eq!(std::fs::read_dir(desk.path().join("models")).unwrap().count(), 0);

    let mean = doubleread::infer::noise_image(1, 64).iter().sum::<f32>() / 64.0;
    let right = format!(
        r#"{{"tolerance": 0.0001, "vectors": [{{"seed": 1, "scores": [{}, {mean}]}}]}}"#,
        mean.sqrt()
    );
    let folder = brought(&desk, &right);
    assert!(desk.done(&["model", "check", &folder]).contains("1 self-test vectors agree"));
    desk.done(&["model", "add", &folder]);
    let again = desk.refused(&["model", "add", &folder]);
    assert!(again.contains("there already"), "{again}");
    assert!(desk.done(&["model", "list"]).contains("undecided"));

    let decide = |by: &str, second: &str| {
        let words =
            ["model", "activate", "tiny-1", "--reason", "a test", "--by", by, "--confirmed-by", second];
        desk.run(&words)
    };
    let alone = String::from_utf8(decide("l.blue", "l.blue").stderr).unwrap();
    assert!(alone.contains("second person"), "{alone}");
    let reader = String::from_utf8(decide("l.blue", "r.green").stderr).unwrap();
    assert!(reader.contains("r.green is no lead"), "{reader}");
    assert!(decide("l.blue", "a.gray").status.success());
    assert!(desk.done(&["model", "list"]).contains("active"));
    let shown = desk.done(&["model", "show", "tiny-1"]);
    assert!(shown.contains("by l.blue, confirmed by a.gray: a test"), "{shown}");
    assert!(desk.done(&["model", "show", "tiny-1", "--card"]).contains("investigational"));

    desk.done(&["model", "retire", "tiny-1", "--by", "a.gray", "--reason", "replaced"]);
    assert!(desk.done(&["model", "list"]).contains("retired"));
    assert!(desk.refused(&["model", "show", "none-1"]).contains("manifest.toml"));
}

#[test]
fn the_shipped_recogniser_is_checked_like_a_model_and_is_no_model_to_add() {
    if no_runtime() {
        return;
    }
    let desk = Desk::set_up();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/models/mammo-view-1.0.1");
    assert!(desk.done(&["model", "check", shipped]).contains("3 self-test vectors agree"));
    let why = desk.refused(&["model", "add", shipped]);
    assert!(why.contains("manifest.toml"), "{why}");
}

#[test]
fn doctor_asks_the_model_that_people_decided_on_as_long_as_its_graph_is_the_same() {
    if no_runtime() {
        return;
    }
    let desk = Desk::set_up();
    let (models, graph) = (desk.path().join("models"), tiny_graph());
    for name in ["a", "b"] {
        write_model(&models, &format!("{name}-1"), &tiny_manifest(name, &graph, &[]), Some(&graph));
    }
    // Its exit says that no service runs here; what it says of the models is what is looked at.
    let said = || String::from_utf8(desk.run(&["doctor"]).stdout).unwrap();
    let undecided = said();
    assert!(undecided.contains("2 are there for the same patients"), "{undecided}");
    let decision = ["--by", "l.blue", "--confirmed-by", "a.gray", "--reason", "a test"];
    desk.done(&[&["model", "activate", "b-1"], &decision[..]].concat());
    let decided = said();
    assert!(decided.contains("score a known mammo image: b 1 says"), "{decided}");

    let other = crate::infer_exam::graph("int8.onnx");
    write_model(&models, "b-1", &tiny_manifest("b", &other, &[("map = 'map'\n", "")]), Some(&other));
    let void = said();
    assert!(void.contains("2 are there for the same patients"), "{void}");
    assert!(desk.done(&["model", "list"]).matches("undecided").count() == 2);
}
