//! Processes that start together, and a database that is killed under a running service.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use doubleread::store::{Settings, Store};
use doubleread::vocab::{Registration, SopInstanceUid};

use crate::store_database::{TestDatabase, now};
use crate::store_instances::instance;

async fn migrate_together(database: &TestDatabase) {
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = database.url.clone();
        starts.spawn(async move {
            let store = Store::open(&url, Settings::default()).await.unwrap();
            let applied = store.migrate(now()).await.unwrap();
            store.close().await;
            applied
        });
    }
    let applied: usize = starts.join_all().await.iter().sum();
    let (found, known) = database.store.schema_version().await.unwrap();
    assert_eq!((found, i64::try_from(applied).unwrap()), (known, known), "each migration once");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_migrate_once_on_sqlite() {
    let database = TestDatabase::empty_sqlite(Settings::default()).await;
    migrate_together(&database).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_migrate_once_on_postgres() {
    let Some(database) = TestDatabase::empty_postgres(Settings::default()).await else { return };
    migrate_together(&database).await;
    database.remove().await;
}

/// A PostgreSQL of this test alone, since it is going to be killed.
pub struct Server {
    pub folder: String,
    pub url: String,
}

impl Server {
    fn script(words: &[&str]) -> Command {
        let mut command = Command::new("scripts/postgres.sh");
        command.args(words).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        command
    }

    pub fn start() -> Option<Self> {
        if std::env::var_os("DATABASE_URL").is_none() {
            assert!(std::env::var("REQUIRE_PEERS").as_deref() != Ok("1"), "DATABASE_URL is not set");
            println!("skipped: DATABASE_URL is not set (scripts/postgres.sh run cargo test)");
            return None;
        }
        // To a file: the server keeps the standard output of its starter open.
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let out = std::fs::File::create(&told).unwrap();
        assert!(Self::script(&["start"]).stdout(out).status().unwrap().success());
        let told = std::fs::read_to_string(told).unwrap();
        let mut lines = told.lines();
        let folder = lines.next().unwrap().to_owned();
        let url = lines.next().unwrap().strip_prefix("DATABASE_URL=").unwrap().to_owned();
        Some(Self { folder, url })
    }

    /// Kills the server of `folder` and starts it again.
    pub fn crash(folder: &str) {
        let status = Self::script(&["crash", folder]).stdout(Stdio::null()).status();
        assert!(status.unwrap().success(), "the server did not come back");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Self::script(&["stop", &self.folder]).stdout(Stdio::null()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r06_nothing_acknowledged_is_lost_when_the_database_is_killed_and_it_is_found_again_within_5_s() {
    let Some(server) = tokio::task::spawn_blocking(Server::start).await.unwrap() else { return };
    let store = Store::open(&server.url, Settings::default()).await.unwrap();
    store.migrate(now()).await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let successes = Arc::new(AtomicU32::new(0));
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..4 {
        let (store, stop, successes) = (store.clone(), stop.clone(), successes.clone());
        senders.spawn(async move {
            let mut acknowledged: Vec<SopInstanceUid> = Vec::new();
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                let one = instance(sender, number, "aa");
                // A refusal is an honest answer; a success must be true.
                match store.register(vec![one.clone()]).await {
                    Ok(answers) => {
                        assert!(matches!(answers[..], [Registration::Stored | Registration::AlreadyStored]));
                        successes.fetch_add(1, Ordering::Relaxed);
                        acknowledged.push(one.sop_instance_uid);
                    }
                    Err(error) => assert!(error.is_transient(), "{error:?}"),
                }
            }
            acknowledged
        });
    }
    for round in 1..=3 {
        // Killed in the middle of work, not before it has begun.
        while successes.load(Ordering::Relaxed) < round * 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let folder = server.folder.clone();
        tokio::task::spawn_blocking(move || Server::crash(&folder)).await.unwrap();
        let restarted = Instant::now();
        while store.health(now()).await.is_err() {
            assert!(restarted.elapsed() < Duration::from_secs(5), "not found again");
        }
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged = senders.join_all().await.concat();
    println!("{} registrations acknowledged over three kills", acknowledged.len());
    for uid in &acknowledged {
        assert!(store.instance(uid).await.unwrap().is_some(), "an acknowledged instance is gone");
    }
    store.close().await;
}
