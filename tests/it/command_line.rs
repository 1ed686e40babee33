//! The binary from outside: which of file, environment and flags is in force, and what a mistake gets.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a service to be up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program in a folder of its own, with no variable of whoever runs the tests.
fn doubleread(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doubleread"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DOUBLEREAD_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn flags_lie_over_the_environment_and_the_environment_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("doubleread.toml"),
        "[service]\ndata_dir = \"of-file\"\n[http]\nlisten = \"127.0.0.1:1\"\n[receive]\nlisten = \"127.0.0.1:2\"\n\
         [completeness]\nquiet_seconds = 11\n",
    )
    .unwrap();
    let shown = doubleread(
        folder.path(),
        &[
            "config",
            "show",
            "--origin",
            "--http-listen",
            "127.0.0.1:5",
            "--ort-dylib",
            "/opt/lib.so",
            "--set",
            "completeness.quiet_seconds=13",
            "--set",
            "infer.active.chest=chest-1",
        ],
    )
    .env("DOUBLEREAD_HTTP_LISTEN", "127.0.0.1:3")
    .env("DOUBLEREAD_DIMSE_LISTEN", "127.0.0.1:4")
    .env("DOUBLEREAD_DATABASE_URL", "postgres://of-environment/name")
    .output()
    .unwrap();
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let shown = text(&shown.stdout);
    for line in [
        "service.data_dir = \"of-file\"    # doubleread.toml",
        "http.listen = \"127.0.0.1:5\"    # flag --http-listen",
        "receive.listen = \"127.0.0.1:4\"    # $DOUBLEREAD_DIMSE_LISTEN",
        "database.url = \"postgres://of-environment/name\"    # $DOUBLEREAD_DATABASE_URL",
        "infer.runtime_library = \"/opt/lib.so\"    # flag --ort-dylib",
        "completeness.quiet_seconds = 13    # flag --set",
        "infer.active.chest = \"chest-1\"    # flag --set",
        "service.time_zone = \"Europe/London\"    # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
}

#[test]
fn a_mistake_on_the_command_line_names_the_nearest_setting_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| refused(&doubleread(folder.path(), arguments).output().unwrap());
    let said = run(&["serve", "--set", "http.listn=127.0.0.1:0"]);
    assert!(said.contains("flag --set: unknown key http.listn, did you mean http.listen?"), "{said}");
    let said = run(&["token", "--role", "admin", "--set", "completeness.quiet_seconds=soon"]);
    assert!(said.contains("flag --set: invalid type"), "{said}");
    let said = run(&["serve", "--http-listen", "nowhere"]);
    assert!(said.contains("flag --http-listen: "), "{said}");
    let said = run(&["send", "x.dcm", "--to", "A@localhost:104", "--data-dir", "x"]);
    assert!(said.contains("--data-dir is a setting of the service"), "{said}");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "a refused command leaves nothing behind"
    );
}

/// A service of the test, ended with it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves no process behind.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn serve_and_token_use_the_folder_and_the_addresses_of_their_flags() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let flags =
        ["--data-dir", "here", "--set", "infer.models_dir=no-models", "--set", "telemetry.format=json"];
    let child = doubleread(
        folder.path(),
        &[&["serve", "--http-listen", "127.0.0.1:0", "--dimse-listen", "127.0.0.1:0"][..], &flags].concat(),
    )
    .env("DOUBLEREAD_DATA_DIR", "elsewhere")
    .env("DOUBLEREAD_HTTP_LISTEN", "no address")
    .stderr(std::fs::File::create(&log).unwrap())
    .spawn()
    .unwrap();
    let mut running = Running(child);
    let began = Instant::now();
    let address = loop {
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(running.0.try_wait().unwrap(), None, "ended at its start:\n{text}");
        let mut lines = text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
        if let Some(line) = lines.find(|line| line["message"] == "pages and API") {
            break line["address"].as_str().unwrap().to_owned();
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain:\n{text}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let printed =
        doubleread(folder.path(), &["token", "--role", "auditor", "--data-dir", "here"]).output().unwrap();
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    let token = text(&printed.stdout).trim().to_owned();
    // Another test may have been the first: its provider is the same.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::Client::new()
        .get(format!("http://{address}/api/me"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "the token is of the database that the service uses");
    assert!(folder.path().join("here/doubleread.db").is_file());
    assert!(!folder.path().join("elsewhere").exists() && !folder.path().join("var").exists());
}
