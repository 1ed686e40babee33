//! Many processes on one database, and workers that die: no job twice, none lost, none stuck.

use crate::infer_fixture::no_runtime;
use crate::service_films::{chest_film_of_size, film};
use crate::service_house::{House, amount, children_of, seed, send_signal, wait_for};
use crate::store_database::TestDatabase;
use doubleread::infer::library_path;
use doubleread::reading::Event;
use doubleread::receive::send::{Outcome, push};
use doubleread::store::Store;
use doubleread::vocab::{AiOutcome, StudyInstanceUid};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use sqlx::{AnyConnection, Connection, Row};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Studies that two receivers and two workers share, more in `make soak`.
const STUDIES: usize = 40;
/// Kills of workers over twenty studies, more in `make soak`.
const KILLS: u32 = 25;

/// One process of a service of several: the archive is shared, the database is the same.
fn member(url: &str, shared: &Path, duty: &str) -> House {
    House::build_with(url, |config| {
        config["service"]["data_dir"] = shared.to_str().unwrap().into();
        config["service"].as_table_mut().unwrap().insert("duties".to_owned(), vec![duty].into());
    })
}

/// Every event of a case that is an AI result.
async fn results(store: &Store, study: &StudyInstanceUid) -> Vec<Event> {
    let mut found = Vec::new();
    for case in store.cases_of_study(study).await.unwrap() {
        let events = store.events_of_case(case.case_id).await.unwrap();
        found.extend(
            events.into_iter().map(|e| e.entry.event).filter(|e| matches!(e, Event::AiResulted { .. })),
        );
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn r21_two_receivers_and_two_workers_share_the_work_and_do_no_job_twice() {
    let Some(database) = TestDatabase::empty_postgres(Default::default()).await else { return };
    let studies = amount("SOAK_STUDIES", STUDIES);
    let shared = tempfile::tempdir().unwrap();
    let mut members: Vec<House> =
        ["receive", "receive", "work", "work"].map(|duty| member(&database.url, shared.path(), duty)).into();
    // All four at once, on an empty database and an empty folder.
    let (first, rest) = members.split_at_mut(1);
    let (second, workers) = rest.split_at_mut(1);
    let (third, fourth) = workers.split_at_mut(1);
    tokio::join!(first[0].start(), second[0].start(), third[0].start(), fourth[0].start());

    let name = |n: usize| format!("2.25.21{n:06}");
    let files: Vec<PathBuf> = (0..studies)
        .map(|n| {
            let path = shared.path().join(format!("{n}.dcm"));
            std::fs::write(&path, film(&format!("{}.1.1", name(n)), &name(n), &vec![n as u8; 20_000]))
                .unwrap();
            path
        })
        .collect();
    // Both receivers get every file, from both ends, so that they meet.
    let sending: Vec<_> = (0..4)
        .map(|n| {
            let target = members[n % 2].target(&format!("SENDER{n}"));
            let mut files = files.clone();
            if n % 2 == 1 {
                files.reverse();
            }
            tokio::spawn(async move { push(&target, &files, &|_| {}).await.unwrap() })
        })
        .collect();
    for sent in sending {
        for sent in sent.await.unwrap() {
            assert!(matches!(sent.outcome, Outcome::Answered { status: 0, .. }), "{:?}", sent.outcome);
        }
    }
    let store = members[0].store().await;
    for n in 0..studies {
        crate::service_house::case_with_result(&store, &name(n).parse().unwrap()).await;
    }
    members[2].jobs_done(&store).await;
    for n in 0..studies {
        let study = name(n).parse().unwrap();
        assert_eq!(store.cases_of_study(&study).await.unwrap().len(), 1);
        assert_eq!(results(&store, &study).await.len(), 1, "{study}");
    }
    let mut connection = AnyConnection::connect(&database.url).await.unwrap();
    let jobs =
        sqlx::query("SELECT subject, attempts FROM jobs WHERE kind = 'score'").fetch_all(&mut connection);
    let jobs = jobs.await.unwrap();
    assert_eq!(jobs.len(), studies, "one job for each case");
    assert!(jobs.iter().all(|job| job.get::<i64, _>("attempts") == 1), "a job was done twice");
    connection.close().await.unwrap();
    assert!(
        store.open_conflicts(1).await.unwrap().is_empty() && store.failed_jobs(1).await.unwrap().is_empty()
    );
    assert_eq!(members[0].archive().hashes().unwrap().len(), studies);
    store.close().await;
    for member in &mut members {
        member.stop().await;
    }
    members[0].verify();
    database.remove().await;
}

/// The decode workers of a service.
fn decoders(process: u32) -> Vec<u32> {
    let is_decoder = |number: &u32| {
        let words = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|word| word == b"decode-worker")
    };
    children_of(process).into_iter().filter(is_decoder).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_workers_that_are_killed_over_and_over_leave_no_study_without_an_end() {
    const STUDIES: u64 = 20;
    if no_runtime() {
        return;
    }
    let kills = amount("SOAK_ROUNDS", KILLS);
    let mut random = StdRng::seed_from_u64(seed());
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let with_models = |config: &mut toml::Table| {
        config["infer"]["models_dir"] = models.to_str().unwrap().into();
        let infer = config["infer"].as_table_mut().unwrap();
        infer.insert("runtime_library".to_owned(), library_path(None).to_str().unwrap().into());
        infer.insert("sessions".to_owned(), 1.into());
    };
    // Receiver and worker apart, as where a worker may die on its own.
    let mut receiver = House::build_with("", |config| {
        config["service"].as_table_mut().unwrap().insert("duties".to_owned(), vec!["receive"].into());
    });
    let data_dir = receiver.data_dir.clone();
    let mut worker = House::build_with("", |config| {
        with_models(config);
        config["service"]["data_dir"] = data_dir.to_str().unwrap().into();
        config["service"].as_table_mut().unwrap().insert("duties".to_owned(), vec!["work"].into());
    });
    receiver.start().await;
    worker.start().await;
    let store = receiver.store().await;
    let films: Vec<(PathBuf, StudyInstanceUid)> = (0..STUDIES)
        .map(|number| {
            let (path, _, study) = chest_film_of_size(&receiver, 1_800 + number, (1_200, 1_440));
            (path, study)
        })
        .collect();
    let target = receiver.target("ROOM1");
    let (mut decoders_killed, mut workers_killed) = (0, 0);
    for (number, (path, study)) in films.iter().enumerate() {
        assert!(push(&target, std::slice::from_ref(path), &|_| {}).await.unwrap()[0].outcome.is_stored());
        // The kills are spread over the studies.
        let due = kills * (u32::try_from(number).unwrap() + 1) / u32::try_from(films.len()).unwrap();
        while decoders_killed + workers_killed < due {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..60))).await;
            // A decode worker where one is at work on the study, every fourth time the whole process.
            let at_work = decoders(worker.process());
            if let (Some(found), true) = (at_work.first(), random.random_range(0..4) > 0) {
                send_signal(*found, Signal::KILL);
                decoders_killed += 1;
            } else if !at_work.is_empty() || !results(&store, study).await.is_empty() {
                worker.kill();
                workers_killed += 1;
                worker.start().await;
            }
        }
    }
    // Each job ends, at the latest once the lease of a dead worker has run out.
    worker.jobs_done(&store).await;
    let given_up = store.failed_jobs(100).await.unwrap();
    assert!(given_up.iter().all(|job| !job.reason.is_empty()));
    let mut ends = BTreeMap::<String, u32>::new();
    for (_, study) in &films {
        let found = results(&store, study).await;
        let case = store.cases_of_study(study).await.unwrap();
        assert_eq!(case.len(), 1, "{study}");
        let end = match &found[..] {
            [Event::AiResulted { result, .. }] => match &result.outcome {
                AiOutcome::NotProcessed(why) => why.reason.to_string(),
                outcome => outcome.word().to_owned(),
            },
            [] => {
                let subject = case[0].case_id.to_string();
                let job = given_up.iter().find(|job| job.subject == subject);
                format!("given up: {}", job.unwrap_or_else(|| panic!("{study} has no end")).reason)
            }
            more => panic!("{} results of {study}", more.len()),
        };
        *ends.entry(end).or_default() += 1;
    }
    println!("{decoders_killed} decode workers and {workers_killed} worker processes killed: {ends:?}");
    store.close().await;
    worker.stop().await;
    receiver.stop().await;
    receiver.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn r21_four_processes_that_start_together_share_one_sampling_key() {
    let Some(database) = TestDatabase::empty_postgres(Default::default()).await else { return };
    let shared = tempfile::tempdir().unwrap();
    let mut workers: Vec<House> = (0..4).map(|_| member(&database.url, shared.path(), "work")).collect();
    for worker in &mut workers {
        worker.spawn();
    }
    wait_for("all to be up", async || {
        workers.iter().all(|worker| worker.log().contains("the service is up")).then_some(())
    })
    .await;
    let names = std::fs::read_dir(shared.path()).unwrap().flatten().map(|entry| entry.file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().starts_with("qa-secret")).count(), 1);
    for worker in &mut workers {
        worker.stop().await;
    }
    database.remove().await;
}
