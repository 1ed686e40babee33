//! The real program, killed at random moments of ingest: what it acknowledged is there afterwards.

use crate::receive_house::{CR, EXPLICIT, data_set, data_set_of, part10};
use crate::store_database::TestDatabase;
use doubleread::archive::Archive;
use doubleread::receive::send::{self, Outcome, Target};
use doubleread::store::{Settings, Store};
use doubleread::vocab::SopInstanceUid;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;
const SENDERS: usize = 4;

/// Ends its process with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn target(port: u16) -> Target {
    let called = "DOUBLEREAD".parse().unwrap();
    Target { attempts: 1, ..Target::new(format!("127.0.0.1:{port}"), called, "KILLER".parse().unwrap()) }
}

/// Starts a receiver on `folder` and waits until it answers an echo.
async fn start(folder: &Path, port: u16) -> Service {
    let child = Command::new(env!("CARGO_BIN_EXE_doubleread"))
        .args(["--config", "doubleread.toml", "serve"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("log")).unwrap())
        .spawn()
        .unwrap();
    let mut service = Service(child);
    let started = Instant::now();
    while send::echo(&target(port)).await.is_err() {
        let log = || std::fs::read_to_string(folder.join("log")).unwrap();
        assert!(service.0.try_wait().unwrap().is_none(), "the service ended: {}", log());
        assert!(started.elapsed() < Duration::from_secs(60), "the service does not answer: {}", log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    service
}

fn pixels(number: usize) -> Vec<u8> {
    vec![(number % 251) as u8; [400, 20_000, 300_000, 900_000][number % 4]]
}

/// Sends objects, each once, until the association is lost; keeps the numbers of those answered with success.
async fn send_until_lost(folder: &Path, port: u16, next: &AtomicUsize, acknowledged: &Mutex<Vec<usize>>) {
    loop {
        let numbers: Vec<usize> = (0..10).map(|_| next.fetch_add(1, Ordering::SeqCst)).collect();
        let files: Vec<_> = numbers
            .iter()
            .map(|n| {
                let uid = format!("1.2.7.{n}");
                let path = folder.join(format!("{n}.dcm"));
                std::fs::write(&path, part10(CR, &uid, EXPLICIT, &data_set(CR, &uid, &pixels(*n)))).unwrap();
                path
            })
            .collect();
        let heard = |sent: &send::Sent| {
            if let (Outcome::Answered { status: 0, .. }, Some(uid)) = (&sent.outcome, &sent.sop_instance_uid)
            {
                let number = uid.rsplit('.').next().unwrap().parse().unwrap();
                acknowledged.lock().unwrap().push(number);
            }
        };
        let answers = send::push(&target(port), &files, &heard).await;
        for file in files {
            let _ = std::fs::remove_file(file);
        }
        let lost = answers.map_or(true, |all| all.iter().any(|a| matches!(a.outcome, Outcome::Lost(_))));
        if lost {
            return;
        }
    }
}

async fn survives_kills(database_url: &str) {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "[service]\ndata_dir = \"data\"\nduties = [\"receive\"]\n\
         [receive]\nlisten = \"127.0.0.1:{port}\"\n[database]\nurl = \"{database_url}\"\n"
    );
    std::fs::write(folder.path().join("doubleread.toml"), config).unwrap();
    let seed = rand::rng().random::<u64>();
    println!("seed {seed}");
    let mut moments = rand::rngs::StdRng::seed_from_u64(seed);
    let (next, acknowledged) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    for _ in 0..ROUNDS {
        let mut service = start(folder.path(), port).await;
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..SENDERS {
            let (next, acknowledged) = (next.clone(), acknowledged.clone());
            let files = folder.path().to_owned();
            senders.spawn(async move { send_until_lost(&files, port, &next, &acknowledged).await });
        }
        // From the first success of the round on, so that each kill falls into work.
        let before = acknowledged.lock().unwrap().len();
        let started = Instant::now();
        while acknowledged.lock().unwrap().len() == before {
            assert!(started.elapsed() < Duration::from_secs(60), "nothing was stored");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(moments.random_range(0..400))).await;
        // SIGKILL: nothing of ours runs after it.
        service.0.kill().unwrap();
        service.0.wait().unwrap();
        senders.join_all().await;
    }
    let last = start(folder.path(), port).await;
    let orphans = std::fs::read_dir(folder.path().join("data/archive/incoming"))
        .unwrap()
        .flat_map(|process| std::fs::read_dir(process.unwrap().path()).unwrap())
        .filter(|file| file.as_ref().unwrap().file_name() != "lock")
        .count();
    assert_eq!(orphans, 0, "temporary files of killed processes are swept at the start");
    drop(last);
    let store = Store::open(database_url, Settings::default()).await.unwrap();
    let archive = Archive::open(folder.path().join("data/archive")).unwrap();
    let acknowledged = acknowledged.lock().unwrap().clone();
    println!(
        "{} of {} objects acknowledged over {ROUNDS} kills",
        acknowledged.len(),
        next.load(Ordering::SeqCst)
    );
    assert!(acknowledged.len() >= ROUNDS);
    for number in acknowledged {
        let uid: SopInstanceUid = format!("1.2.7.{number}").parse().unwrap();
        let row = store.instance(&uid).await.unwrap().expect("an acknowledged instance is gone");
        assert_eq!(archive.verify(&row.content_hash).unwrap(), row.size_bytes);
        let stored = archive.read(&row.content_hash, 10_000_000).unwrap();
        assert!(data_set_of(&stored) == data_set(CR, uid.as_str(), &pixels(number)), "{uid}: other bytes");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r01_nothing_acknowledged_is_lost_in_20_kills_on_sqlite() {
    let database = TestDatabase::empty_sqlite(Settings::default()).await;
    survives_kills(&database.url).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r01_nothing_acknowledged_is_lost_in_20_kills_on_postgres() {
    let Some(database) = TestDatabase::empty_postgres(Settings::default()).await else { return };
    survives_kills(&database.url).await;
    database.remove().await;
}
