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

/// A service with these flags, once it says where it is: pages, then DICOM.
async fn serve(folder: &Path, flags: &[&str], variables: &[(&str, &str)]) -> (Running, String, String) {
    let log = folder.join("log");
    let own = [
        "serve",
        "--http-listen",
        "127.0.0.1:0",
        "--dimse-listen",
        "127.0.0.1:0",
        "--set",
        "telemetry.format=json",
    ];
    let child = doubleread(folder, &[&own[..], flags].concat())
        .envs(variables.iter().copied())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let began = Instant::now();
    loop {
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(running.0.try_wait().unwrap(), None, "ended at its start:\n{text}");
        let said = |message: &str| {
            let mut lines = text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
            let line = lines.find(|line| line["message"] == message)?;
            Some(line["address"].as_str()?.to_owned())
        };
        if let (Some(pages), Some(dicom)) = (said("pages and API"), said("listening for DICOM associations"))
        {
            return (running, pages, dicom);
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain:\n{text}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn client() -> reqwest::Client {
    // Another test may have been the first: its provider is the same.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

#[tokio::test]
async fn serve_and_token_use_the_folder_and_the_addresses_of_their_flags() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("DOUBLEREAD_DATA_DIR", "elsewhere"), ("DOUBLEREAD_HTTP_LISTEN", "no address")];
    let flags = ["--data-dir", "here", "--set", "infer.models_dir=no-models"];
    let (_running, address, _) = serve(folder.path(), &flags, &variables).await;
    let printed =
        doubleread(folder.path(), &["token", "--role", "auditor", "--data-dir", "here"]).output().unwrap();
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    let token = text(&printed.stdout).trim().to_owned();
    let answer = client().get(format!("http://{address}/api/me")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 200, "the token is of the database that the service uses");
    assert!(folder.path().join("here/doubleread.db").is_file());
    assert!(!folder.path().join("elsewhere").exists() && !folder.path().join("var").exists());
}

#[tokio::test]
async fn a_scrape_shows_the_time_of_each_stage_and_how_all_work_stands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = doubleread::infer::library_path(None);
    if !library.is_file() {
        assert!(std::env::var("REQUIRE_PEERS").as_deref() != Ok("1"), "no ONNX Runtime (make runtime)");
        println!("skipped: no ONNX Runtime (make runtime)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let models = format!("infer.models_dir={}", root.join("models").display());
    let flags = ["--data-dir", "here", "--ort-dylib", library.to_str().unwrap(), "--set", &models];
    let (_running, pages, dicom) = serve(folder.path(), &flags, &[]).await;
    let file = root.join("sample-dicom/chest-normal/chest-101-PA.dcm");
    let to = format!("DOUBLEREAD@{dicom}");
    let send = |file: &Path| {
        let sent =
            doubleread(folder.path(), &["send", file.to_str().unwrap(), "--to", &to]).output().unwrap();
        sent.status.code()
    };
    assert_eq!(send(&file), Some(0));
    // The same identifier with another last pixel is refused, and waits for a person.
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let other = folder.path().join("other.dcm");
    std::fs::write(&other, bytes).unwrap();
    assert_eq!(send(&other), Some(1));

    let began = Instant::now();
    let scraped = loop {
        let scraped =
            client().get(format!("http://{pages}/metrics")).send().await.unwrap().text().await.unwrap();
        if scraped.contains("doubleread_ai_results_total{") {
            break scraped;
        }
        assert!(began.elapsed() < PATIENCE, "no AI result in\n{scraped}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for stage in ["receive", "assemble", "prepare", "infer", "decide"] {
        let line = format!("doubleread_stage_seconds_count{{stage=\"{stage}\"}} ");
        assert!(scraped.contains(&line), "{line} is not in\n{scraped}");
    }
    let result = scraped.lines().find(|line| line.starts_with("doubleread_ai_results_total{")).unwrap();
    assert!(result.contains("provider=\"cpu\"") && result.contains("outcome="), "{result}");
    for line in [
        "doubleread_jobs_open{kind=\"assemble\"} ",
        "doubleread_jobs_oldest_due_seconds{kind=\"score\"} ",
        "doubleread_jobs_given_up 0",
        "doubleread_outbox_open 0",
        "doubleread_outbox_oldest_seconds 0",
        "doubleread_dead_letters 0",
        "doubleread_held_studies 0",
        "doubleread_open_conflicts 1",
        "# HELP doubleread_stage_seconds ",
    ] {
        assert!(scraped.contains(line), "{line} is not in\n{scraped}");
    }
}
