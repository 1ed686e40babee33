//! The service as its own process, in a folder of its own: started, killed, asked to stop, looked into.

use crate::http_service::Visitor;
use crate::infer_fixture::skipped;
use doubleread::archive::Archive;
use doubleread::receive::send::Target;
use doubleread::store::{CaseRow, NewUser, Store, StoredAiResult, sqlite_url};
use doubleread::vocab::{Role, StudyInstanceUid, UserId};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything that is not itself the thing measured.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A configured service in a folder of its own; runs from [`House::start`] to a stop or kill.
pub struct House {
    pub folder: tempfile::TempDir,
    /// Folder of the archive, which several houses may share.
    pub data_dir: PathBuf,
    /// Address of its database.
    pub url: String,
    /// What comes before the program on the command line, such as a tracer.
    pub prefix: Vec<String>,
    pub running: Option<Child>,
    /// Where it takes associations; port 0 where it has no such duty.
    pub address: SocketAddr,
    /// Where its pages are; port 0 where it has no such duty.
    pub pages: SocketAddr,
}

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A number of rounds, studies, cases or seconds: what the environment says (`make soak`), else the usual one.
pub fn amount<T: std::str::FromStr>(variable: &str, usual: T) -> T {
    let said = std::env::var(variable).ok();
    said.map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// A seed: what the environment says, else a new one; printed either way.
pub fn seed() -> u64 {
    let seed = amount("DOUBLEREAD_TEST_SEED", rand::random::<u64>());
    println!("seed {seed} (DOUBLEREAD_TEST_SEED={seed} for the same choices)");
    seed
}

impl House {
    /// `database_url` empty: SQLite in the folder of the house.
    pub fn build(database_url: &str) -> Self {
        Self::build_with(database_url, |_| {})
    }

    /// The same with other settings: `change` gets the configuration before it is written.
    pub fn build_with(database_url: &str, change: impl FnOnce(&mut toml::Table)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("models")).unwrap();
        let text = format!(
            "[service]\ndata_dir = {data:?}\nsynthetic_patients = true\n[database]\nurl = {database_url:?}\n\
             [receive]\nlisten = \"127.0.0.1:0\"\n\
             [receive.quarantine]\nobjects = 100000\nobjects_per_source_hour = 100000\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [infer]\nmodels_dir = {models:?}\n[pipeline]\nlease_ms = 2000\n[telemetry]\nformat = \"json\"\n",
            data = at("data"),
            models = at("models"),
        );
        let mut config: toml::Table = text.parse().unwrap();
        change(&mut config);
        std::fs::write(at("doubleread.toml"), toml::to_string(&config).unwrap()).unwrap();
        let data_dir = PathBuf::from(config["service"]["data_dir"].as_str().unwrap());
        let url = match config["database"]["url"].as_str().unwrap() {
            "" => sqlite_url(&data_dir.join("doubleread.db")),
            url => url.to_owned(),
        };
        Self { folder, data_dir, url, prefix: Vec::new(), running: None, address: NOWHERE, pages: NOWHERE }
    }

    pub fn command(&self, name: &str) -> Command {
        let words: Vec<&str> =
            self.prefix.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_doubleread")]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("--config").arg(self.folder.path().join("doubleread.toml")).arg(name);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts the process, its log in a file.
    pub fn spawn(&mut self) {
        let log = File::create(self.folder.path().join("log")).unwrap();
        self.running = Some(self.command("serve").stderr(log).spawn().unwrap());
    }

    /// Starts the service and waits until it says that it is up.
    pub async fn start(&mut self) {
        self.spawn();
        let log = self.folder.path().join("log");
        (self.address, self.pages) = wait_for("the service to be up", async || {
            let text = std::fs::read_to_string(&log).unwrap();
            let child = self.running.as_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the service ended at its start with {status}:\n{text}");
            }
            let lines = || text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
            lines().find(|line| line["message"] == "the service is up")?;
            let address = |message: &str| {
                let line = lines().find(|line| line["message"] == message);
                line.map_or(NOWHERE, |line| line["address"].as_str().unwrap().parse().unwrap())
            };
            Some((address("listening for DICOM associations"), address("pages and API")))
        })
        .await;
    }

    pub fn kill(&mut self) {
        let mut child = self.running.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The number of the service's own process, behind a tracer, too.
    pub fn process(&self) -> u32 {
        let child = self.running.as_ref().unwrap().id();
        if self.prefix.is_empty() { child } else { children_of(child)[0] }
    }

    pub fn ask_to_stop(&self) {
        send_signal(self.process(), rustix::process::Signal::TERM);
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.running.take().unwrap();
        wait_for("the service to end", async || child.try_wait().unwrap()).await
    }

    pub async fn stop(&mut self) {
        self.ask_to_stop();
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn target(&self, calling_ae: &str) -> Target {
        let called = "DOUBLEREAD".parse().unwrap();
        let target = Target::new(self.address.to_string(), called, calling_ae.parse().unwrap());
        Target { attempts: 1, timeout_ms: 30_000, ..target }
    }

    pub fn archive(&self) -> Archive {
        Archive::open(self.data_dir.join("archive")).unwrap()
    }

    pub async fn store(&self) -> Store {
        Store::open(&self.url, doubleread::store::Settings::default()).await.unwrap()
    }

    /// Temporary files below `incoming`.
    pub fn temporary_files(&self) -> Vec<PathBuf> {
        let list = |path: &Path| -> Vec<PathBuf> {
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        let folders = list(&self.data_dir.join("archive/incoming"));
        let files = folders.iter().flat_map(|folder| list(folder));
        files.filter(|path| path.file_name().is_some_and(|name| name != "lock")).collect()
    }

    /// `doubleread verify` finds nothing wrong with the event chain and the archive.
    pub fn verify(&self) {
        let output = self.command("verify").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{text}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "verify: {text}{errors}");
    }

    /// A person with an account, signed in at the pages of this house.
    pub async fn signed_in(&self, store: &Store, name: &str, role: Role) -> (UserId, Visitor) {
        let user = NewUser {
            sign_in_name: name.to_owned(),
            display_name: format!("Person {name}"),
            password_hash: Some(doubleread::http::hash_password(crate::http_service::PASSWORD).unwrap()),
            roles: [role].into(),
            sites: [].into(),
        };
        let user = store.create_user(user, crate::store_database::now()).await.unwrap();
        (user.user_id, Visitor::signed_in(format!("http://{}", self.pages), name).await)
    }

    /// Waits until no job is owed any more.
    pub async fn jobs_done(&self, store: &Store) {
        wait_for("the jobs to be done", async || {
            let queues = store.job_queues(crate::store_database::now()).await.unwrap();
            queues.iter().all(|queue| queue.open == 0).then_some(())
        })
        .await;
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // A test that failed leaves no process behind.
        if let Some(mut child) = self.running.take() {
            for number in children_of(child.id()) {
                let _ = std::panic::catch_unwind(|| send_signal(number, rustix::process::Signal::KILL));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Processes whose parent is `parent`.
pub fn children_of(parent: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Sends a signal to a process that may be gone already.
pub fn send_signal(process: u32, signal: rustix::process::Signal) {
    let number = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    let _ = rustix::process::kill_process(number, signal);
}

/// Whether system calls can be traced here; says so in a line where they can't.
pub fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    traced.is_ok_and(|output| output.status.success())
        || !skipped("strace is not installed, or processes may not be traced here")
}

/// Asks until there is an answer; fails the test when there is none in time.
pub async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The case of a study, with its AI result, once the pipeline has made them.
pub async fn case_with_result(store: &Store, study: &StudyInstanceUid) -> (CaseRow, StoredAiResult) {
    wait_for("a case with a result", async || {
        let mut cases = store.cases_of_study(study).await.unwrap();
        assert!(cases.len() <= 1, "one image set made {} cases", cases.len());
        let case = cases.pop()?;
        let result = store.ai_result(case.case_id).await.unwrap()?;
        Some((case, result))
    })
    .await
}
