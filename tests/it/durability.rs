//! The whole service as its own process: killed in the middle of ingest, sent the same thing many times, asked to
//! stop, run without a model. What it answered with success must be there afterwards, byte for byte.

use crate::receive_house::{CR, EXPLICIT, data_set_of, element, part10};
use crate::receive_raw::{Raw, request, value};
use crate::store_database::TestDatabase;
use doubleread::archive::Archive;
use doubleread::phantom::{StudyOptions, generate_study};
use doubleread::reading::Event;
use doubleread::receive::send::{Outcome, Sent, Target, push};
use doubleread::store::{CaseRow, Store, StoredAiResult, sqlite_url};
use doubleread::vocab::{AiOutcome, NotProcessedReason, Pathway, SopInstanceUid, StudyInstanceUid};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const KILLS: u32 = 20;
const SENDERS: usize = 4;
/// Objects that a sender makes for one association.
const CHUNK: usize = 16;
/// Longest wait for anything that is not itself the thing measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// A configured service in a folder of its own; runs from [`House::start`] to a stop or kill.
pub struct House {
    pub folder: tempfile::TempDir,
    url: String,
    running: Option<Child>,
    address: SocketAddr,
}

impl House {
    /// `database_url` empty: SQLite in the folder of the house, opened by nobody else while the service runs.
    pub fn build(database_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("models")).unwrap();
        let config = format!(
            "[service]\ndata_dir = {data:?}\nsynthetic_patients = true\n[database]\nurl = {database_url:?}\n\
             [receive]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [infer]\nmodels_dir = {models:?}\n[pipeline]\nlease_ms = 2000\n[telemetry]\nformat = \"json\"\n",
            data = at("data"),
            models = at("models"),
        );
        std::fs::write(at("doubleread.toml"), config).unwrap();
        let own = sqlite_url(&at("data").join("doubleread.db"));
        let url = if database_url.is_empty() { own } else { database_url.to_owned() };
        Self { folder, url, running: None, address: ([127, 0, 0, 1], 0).into() }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doubleread"));
        command.arg("--config").arg(self.folder.path().join("doubleread.toml")).arg(name);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts the service and waits until it says where it takes associations and that it is up.
    pub async fn start(&mut self) {
        let log = self.folder.path().join("log");
        let child = self.command("serve").stderr(File::create(&log).unwrap()).spawn().unwrap();
        self.running = Some(child);
        self.address = wait_for("the service to be up", async || {
            let text = std::fs::read_to_string(&log).unwrap();
            let child = self.running.as_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the service ended at its start with {status}:\n{text}");
            }
            let lines = || text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
            lines().find(|line| line["message"] == "pages and API")?;
            let line = lines().find(|line| line["message"] == "listening for DICOM associations")?;
            line["address"].as_str()?.parse().ok()
        })
        .await;
    }

    pub fn kill(&mut self) {
        let mut child = self.running.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn ask_to_stop(&self) {
        let child = self.running.as_ref().unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    async fn ended(&mut self) -> ExitStatus {
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

    fn archive(&self) -> Archive {
        Archive::open(self.folder.path().join("data/archive")).unwrap()
    }

    pub async fn store(&self) -> Store {
        Store::open(&self.url, doubleread::store::Settings::default()).await.unwrap()
    }

    /// Temporary files below `incoming`.
    fn temporary_files(&self) -> Vec<PathBuf> {
        let list = |path: &Path| -> Vec<PathBuf> {
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        let folders = list(&self.folder.path().join("data/archive/incoming"));
        let files = folders.iter().flat_map(|folder| list(folder));
        files.filter(|path| path.file_name().is_some_and(|name| name != "lock")).collect()
    }

    /// `doubleread verify` finds nothing wrong with the event chain and the archive.
    fn verify(&self) {
        let output = self.command("verify").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{text}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "verify: {text}{errors}");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // A test that failed leaves no process behind.
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks until there is an answer; fails the test when there is none in time.
async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A study of one frontal chest film whose pixels are noise, in a Part-10 file.
fn film(uid: &str, study: &str, pixels: &[u8]) -> Vec<u8> {
    let data_set = [
        element(0x0008, 0x0016, "UI", CR.as_bytes()),
        element(0x0008, 0x0018, "UI", uid.as_bytes()),
        element(0x0008, 0x0060, "CS", b"CR"),
        element(0x0010, 0x0010, "PN", b"SYNTHETIC^DURABLE"),
        element(0x0010, 0x0020, "LO", b"SYN-DURABLE"),
        element(0x0018, 0x0015, "CS", b"CHEST"),
        element(0x0018, 0x5101, "CS", b"PA"),
        element(0x0020, 0x000D, "UI", study.as_bytes()),
        element(0x0020, 0x000E, "UI", format!("{study}.1").as_bytes()),
        element(0x0028, 0x0010, "US", &[16, 0]),
        element(0x0028, 0x0011, "US", &[16, 0]),
        element(0x7FE0, 0x0010, "OW", pixels),
    ];
    part10(CR, uid, EXPLICIT, &data_set.concat())
}

/// One modality: makes films, sends them, and sends again what it got no success for.
struct Sender {
    name: String,
    folder: PathBuf,
    random: StdRng,
    made: usize,
    owed: Vec<PathBuf>,
    /// Files that were answered with success, by UID.
    stored: HashMap<String, PathBuf>,
    outcomes: BTreeMap<String, usize>,
}

impl Sender {
    fn new(house: &House, number: usize, seed: u64) -> Self {
        let folder = house.folder.path().join(format!("sender{number}"));
        std::fs::create_dir(&folder).unwrap();
        Self {
            name: format!("SENDER{number}"),
            folder,
            random: StdRng::seed_from_u64(seed ^ u64::try_from(number).unwrap()),
            made: 0,
            owed: Vec::new(),
            stored: HashMap::new(),
            outcomes: BTreeMap::new(),
        }
    }

    fn make(&mut self) -> PathBuf {
        self.made += 1;
        let study = format!("2.25.{}", self.random.random::<u128>());
        let mut pixels = vec![0; self.random.random_range(4_000..100_000) * 2];
        self.random.fill_bytes(&mut pixels);
        let path = self.folder.join(format!("{}.dcm", self.made));
        std::fs::write(&path, film(&format!("{study}.1.1"), &study, &pixels)).unwrap();
        path
    }

    /// Sends until the service is gone.
    async fn send_until_cut(mut self, target: Target) -> Self {
        loop {
            while self.owed.len() < CHUNK {
                let made = self.make();
                self.owed.push(made);
            }
            let answers = Mutex::new(Vec::<Sent>::new());
            let ended = push(&target, &self.owed, &|sent| answers.lock().unwrap().push(sent.clone())).await;
            for sent in answers.into_inner().unwrap() {
                let word = match &sent.outcome {
                    Outcome::Answered { status, .. } => format!("answered 0x{status:04X}"),
                    Outcome::Lost(_) => "lost".to_owned(),
                    other => panic!("{other:?}"),
                };
                *self.outcomes.entry(word).or_default() += 1;
                if matches!(sent.outcome, Outcome::Answered { status: 0, .. }) {
                    self.owed.retain(|path| *path != sent.path);
                    self.stored.insert(sent.sop_instance_uid.unwrap(), sent.path);
                }
            }
            if ended.is_err() {
                return self;
            }
        }
    }
}

/// Every UID that was answered with success has a row and a file, with the bytes that were sent.
async fn assert_all_there(store: &Store, archive: &Archive, stored: &HashMap<String, PathBuf>) {
    for (uid, path) in stored {
        let uid: SopInstanceUid = uid.parse().unwrap();
        let row = store.instance(&uid).await.unwrap();
        let row = row.unwrap_or_else(|| panic!("{uid} was answered with success and has no row"));
        assert_eq!(archive.verify(&row.content_hash).unwrap(), row.size_bytes);
        let kept = archive.read(&row.content_hash, 1 << 30).unwrap();
        let sent = std::fs::read(path).unwrap();
        assert!(data_set_of(&kept) == data_set_of(&sent), "{uid} was changed");
    }
}

/// The case of a study, with its AI result, once the pipeline has made them.
async fn case_with_result(store: &Store, study: &StudyInstanceUid) -> (CaseRow, StoredAiResult) {
    wait_for("a case with a result", async || {
        let mut cases = store.cases_of_study(study).await.unwrap();
        assert!(cases.len() <= 1, "one image set made {} cases", cases.len());
        let case = cases.pop()?;
        let result = store.ai_result(case.case_id).await.unwrap()?;
        Some((case, result))
    })
    .await
}

async fn survives_kills(database_url: &str) {
    let seed = match std::env::var("DOUBLEREAD_TEST_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => rand::random::<u64>(),
    };
    println!("seed {seed} (DOUBLEREAD_TEST_SEED={seed} for the same moments)");
    let mut random = StdRng::seed_from_u64(seed);
    let mut house = House::build(database_url);
    let mut senders: Vec<Sender> = (0..SENDERS).map(|n| Sender::new(&house, n, seed)).collect();
    let mut cut_files = 0;
    for _ in 0..KILLS {
        house.start().await;
        assert_eq!(house.temporary_files(), Vec::<PathBuf>::new(), "left by a killed process");
        let sending: Vec<_> = senders
            .drain(..)
            .map(|sender| {
                let target = house.target(&sender.name);
                tokio::spawn(sender.send_until_cut(target))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(random.random_range(100..600))).await;
        house.kill();
        cut_files += house.temporary_files().len();
        for sender in sending {
            senders.push(sender.await.unwrap());
        }
    }
    let mut outcomes = BTreeMap::<String, usize>::new();
    let mut stored = HashMap::new();
    for sender in senders {
        sender.outcomes.into_iter().for_each(|(word, count)| *outcomes.entry(word).or_default() += count);
        stored.extend(sender.stored);
    }
    println!("{KILLS} kills, {cut_files} temporary files cut, {} objects stored: {outcomes:?}", stored.len());
    assert!(stored.len() >= 100, "too little was sent to prove anything");
    assert!(outcomes.get("lost").is_some_and(|lost| *lost >= 10), "the kills missed the sending");

    // One more life, so that the work of the killed ones is taken up: every film is one case with one result.
    house.start().await;
    assert_eq!(house.temporary_files(), Vec::<PathBuf>::new(), "left by a killed process");
    let store = house.store().await;
    for uid in stored.keys() {
        let study = uid.strip_suffix(".1.1").unwrap().parse().unwrap();
        case_with_result(&store, &study).await;
    }
    store.close().await;
    house.stop().await;
    let store = house.store().await;
    assert_all_there(&store, &house.archive(), &stored).await;
    store.close().await;
    house.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_with_success_survives_kills_on_sqlite() {
    survives_kills("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_with_success_survives_kills_on_postgres() {
    let Some(database) = TestDatabase::empty_postgres(Default::default()).await else { return };
    survives_kills(&database.url).await;
    database.remove().await;
}

/// Writes a synthetic chest film and gives its path, its UID and that of its study.
fn chest_film(house: &House, seed: u64) -> (PathBuf, SopInstanceUid, StudyInstanceUid) {
    let options = StudyOptions { size: Some((200, 240)), age_years: Some(54), ..StudyOptions::default() };
    let instance = generate_study(Pathway::Chest, seed, &options).remove(0);
    let path = house.folder.path().join(&instance.file_name);
    std::fs::write(&path, instance.part10().unwrap()).unwrap();
    let study = instance.identity.study.study_instance_uid.parse().unwrap();
    (path, instance.identity.sop_instance_uid.parse().unwrap(), study)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_fifty_times_from_five_senders_is_one_instance_one_case_and_one_result() {
    let mut house = House::build("");
    house.start().await;
    let (path, uid, study) = chest_film(&house, 9);
    let sending: Vec<_> = (0..5)
        .map(|number| {
            let (target, files) = (house.target(&format!("SENDER{number}")), vec![path.clone(); 10]);
            tokio::spawn(async move { push(&target, &files, &|_| {}).await.unwrap() })
        })
        .collect();
    let mut successes = 0;
    for sent in sending {
        let sent = sent.await.unwrap();
        successes += sent.iter().filter(|s| matches!(s.outcome, Outcome::Answered { status: 0, .. })).count();
    }
    assert_eq!(successes, 50);

    let store = house.store().await;
    let (case, _) = case_with_result(&store, &study).await;
    // Copies asked for assembly again while the first was at work: wait until nothing is owed any more.
    wait_for("the jobs to be done", async || {
        let queues = store.job_queues(crate::store_database::now()).await.unwrap();
        queues.iter().all(|queue| queue.open == 0).then_some(())
    })
    .await;
    let rows = store.instances_after(None, 100).await.unwrap();
    assert_eq!(rows.iter().map(|row| &row.sop_instance_uid).collect::<Vec<_>>(), [&uid]);
    assert_eq!(house.archive().hashes().unwrap(), [rows[0].content_hash.clone()]);
    assert!(store.open_conflicts(10).await.unwrap().is_empty());
    assert_eq!(store.cases_of_study(&study).await.unwrap().len(), 1);
    assert_eq!(store.ai_results_after(None, 100).await.unwrap().len(), 1);
    let events = store.events_of_case(case.case_id).await.unwrap();
    let results = events.iter().filter(|e| matches!(e.entry.event, Event::AiResulted { .. })).count();
    assert_eq!(results, 1, "results among {} events", events.len());
    store.close().await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_eight_associations_finishes_the_objects_in_flight_within_ten_seconds() {
    let mut house = House::build("");
    house.start().await;
    let mut stored = HashMap::new();
    let mut peers = Vec::new();
    for number in 0..8 {
        let (uid, study) = (format!("2.25.{number}1.1.1"), format!("2.25.{number}1"));
        let path = house.folder.path().join(format!("{number}.dcm"));
        let bytes = film(&uid, &study, &vec![number; 800_000]);
        std::fs::write(&path, &bytes).unwrap();
        let data_set = data_set_of(&bytes);
        let mut peer = Raw::associate(house.address, &[(1, CR, EXPLICIT)], 0).await;
        peer.send(&value(1, true, true, &request(0x0001, CR, &uid, true))).await;
        for part in data_set[..600_000].chunks(100_000) {
            peer.send(&value(1, false, false, part)).await;
        }
        stored.insert(uid, path);
        peers.push((peer, data_set));
    }
    wait_for("eight objects in flight", async || (house.temporary_files().len() == 8).then_some(())).await;
    // A ninth association, idle: its end shows that the stop has begun.
    let mut idle = Raw::associate(house.address, &[(1, CR, EXPLICIT)], 0).await;
    let asked = Instant::now();
    house.ask_to_stop();
    assert!(idle.is_ended().await, "an idle association was kept at the stop");
    for (peer, data_set) in &mut peers {
        peer.send(&value(1, false, true, &data_set[600_000..])).await;
        assert_eq!(peer.status().await, 0, "an object in flight was not finished");
    }
    let status = house.ended().await;
    let took = asked.elapsed();
    println!("ended {took:?} after SIGTERM");
    assert_eq!(status.code(), Some(0), "{}", house.log());
    assert!(took < Duration::from_secs(10), "the stop took {took:?}");
    let store = house.store().await;
    assert_all_there(&store, &house.archive(), &stored).await;
    store.close().await;
    assert_eq!(house.temporary_files(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_eight_senders_push_loses_no_success() {
    let mut house = House::build("");
    house.start().await;
    let sending: Vec<_> = (0..8)
        .map(|number| {
            let sender = Sender::new(&house, number, 22);
            let target = house.target(&sender.name);
            tokio::spawn(sender.send_until_cut(target))
        })
        .collect();
    let archive = house.archive();
    wait_for("forty objects", async || (archive.hashes().unwrap().len() >= 40).then_some(())).await;
    let asked = Instant::now();
    house.ask_to_stop();
    let status = house.ended().await;
    let took = asked.elapsed();
    assert_eq!(status.code(), Some(0), "{}", house.log());
    assert!(took < Duration::from_secs(10), "the stop took {took:?}");
    let store = house.store().await;
    let mut stored = HashMap::new();
    for sender in sending {
        let sender = sender.await.unwrap();
        println!("{}: {:?}", sender.name, sender.outcomes);
        stored.extend(sender.stored);
    }
    println!("{} objects stored, ended {took:?} after SIGTERM", stored.len());
    assert!(stored.len() >= 20, "too little was sent to prove anything");
    assert_all_there(&store, &archive, &stored).await;
    assert_eq!(house.temporary_files(), Vec::<PathBuf>::new());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_a_chest_film_becomes_a_case_that_says_so() {
    let mut house = House::build("");
    house.start().await;
    let (path, _, study) = chest_film(&house, 20);
    let sent = push(&house.target("ROOM1"), &[path], &|_| {}).await.unwrap();
    assert!(sent[0].outcome.is_stored(), "{:?}", sent[0].outcome);
    let store = house.store().await;
    let (case, ai) = case_with_result(&store, &study).await;
    let AiOutcome::NotProcessed(why) = &ai.result.outcome else { panic!("{:?}", ai.result.outcome) };
    assert_eq!(why.reason, NotProcessedReason::ModelNotAvailable);
    assert!(case.open_slot.is_some(), "no reader is asked for the case: {}", case.state);
    store.close().await;
    house.stop().await;
    house.verify();
}
