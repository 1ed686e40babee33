//! The whole service as its own process: killed in the middle of ingest, its database killed under it, asked to
//! stop. What it answered with success must be there afterwards, byte for byte.

use crate::receive_house::{CR, EXPLICIT, data_set_of};
use crate::receive_raw::{Raw, request, value};
use crate::service_films::{Progress, Sender, assert_all_there, film};
use crate::service_house::{House, amount, case_with_result, seed, wait_for};
use crate::store_database::TestDatabase;
use crate::store_restart::Server;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Kills of the process, more in `make soak`.
const KILLS: u32 = 20;
/// Kills of the database under the service.
const DATABASE_KILLS: u32 = 2;
/// Stops in the middle of the start.
const EARLY_STOPS: u32 = 24;
const SENDERS: usize = 4;

async fn survives_kills(database_url: &str) {
    let (seed, kills) = (seed(), amount("SOAK_ROUNDS", KILLS));
    let mut random = StdRng::seed_from_u64(seed);
    let mut house = House::build(database_url);
    let mut senders: Vec<Sender> = (0..SENDERS).map(|n| Sender::new(&house, n, seed)).collect();
    let mut cut_files = 0;
    for _ in 0..kills {
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
    println!("{kills} kills, {cut_files} temporary files cut, {} objects stored: {outcomes:?}", stored.len());
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
async fn r01_what_was_answered_with_success_survives_kills_on_sqlite() {
    survives_kills("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r01_what_was_answered_with_success_survives_kills_on_postgres() {
    let Some(database) = TestDatabase::empty_postgres(Default::default()).await else { return };
    survives_kills(&database.url).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r06_nothing_acknowledged_is_lost_when_the_database_is_killed_under_the_whole_service() {
    let Some(server) = tokio::task::spawn_blocking(Server::start).await.unwrap() else { return };
    let (seed, kills) = (seed(), amount("SOAK_ROUNDS", DATABASE_KILLS));
    let mut house = House::build(&server.url);
    house.start().await;
    let progress = Progress::default();
    let sending: Vec<_> = (0..SENDERS)
        .map(|number| {
            let sender = Sender::new(&house, number, seed);
            tokio::spawn(sender.send(house.target(&format!("SENDER{number}")), progress.clone()))
        })
        .collect();
    let stored = || progress.stored.load(Ordering::Relaxed);
    let mut longest = Duration::ZERO;
    for round in 1..=kills {
        let before = stored();
        wait_for("work in full swing", async || (stored() >= before + 40).then_some(())).await;
        let folder = server.folder.clone();
        tokio::task::spawn_blocking(move || Server::crash(&folder)).await.unwrap();
        let (back, before) = (Instant::now(), stored());
        wait_for("a success after the kill", async || (stored() > before).then_some(())).await;
        longest = longest.max(back.elapsed());
        assert!(
            back.elapsed() < Duration::from_secs(5),
            "round {round}: not found again in {:?}",
            back.elapsed()
        );
    }
    progress.enough.store(true, Ordering::Relaxed);
    let (mut stored, mut outcomes) = (HashMap::new(), BTreeMap::<String, usize>::new());
    for sender in sending {
        let sender = sender.await.unwrap();
        sender.outcomes.into_iter().for_each(|(word, count)| *outcomes.entry(word).or_default() += count);
        stored.extend(sender.stored);
    }
    println!(
        "{kills} kills of the database, {} objects stored, success again after {longest:?} at most: {outcomes:?}",
        stored.len()
    );
    let store = house.store().await;
    assert_all_there(&store, &house.archive(), &stored).await;
    for uid in stored.keys() {
        case_with_result(&store, &uid.strip_suffix(".1.1").unwrap().parse().unwrap()).await;
    }
    store.close().await;
    house.stop().await;
    house.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_stop_during_eight_associations_finishes_the_objects_in_flight_within_ten_seconds() {
    let mut house = House::build("");
    house.start().await;
    let mut stored = HashMap::new();
    let mut peers = Vec::new();
    for number in 0..8 {
        let (uid, study) = (format!("2.25.{number}1.1.1"), format!("2.25.{number}1"));
        let path = house.folder.path().join(format!("{number}.dcm"));
        let bytes = film(&uid, &study, &vec![number; 2_400_000]);
        std::fs::write(&path, &bytes).unwrap();
        let data_set = data_set_of(&bytes);
        let mut peer = Raw::associate(house.address, &[(1, CR, EXPLICIT)], 0).await;
        peer.send(&value(1, true, true, &request(0x0001, CR, &uid, true))).await;
        for part in data_set[..2_200_000].chunks(100_000) {
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
        peer.send(&value(1, false, true, &data_set[2_200_000..])).await;
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
async fn r22_a_stop_while_eight_senders_push_loses_no_success() {
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

/// Whether the process has set up what SIGTERM does; before that the system ends it.
fn takes_signals(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(caught.trim(), 16).unwrap_or(0) >> 14 & 1 == 1
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_stop_at_any_moment_of_the_start_ends_in_order() {
    let mut random = StdRng::seed_from_u64(seed());
    let (mut house, mut before_main, mut before_up) = (House::build(""), 0, 0);
    for round in 0..EARLY_STOPS {
        // Most of the start is over within the first tenth of that time.
        let latest = if round % 2 == 0 { 500 } else { 50 };
        house.spawn();
        let process = house.process();
        tokio::time::sleep(Duration::from_millis(random.random_range(0..latest))).await;
        let ready = takes_signals(process);
        let asked = Instant::now();
        house.ask_to_stop();
        let status = house.ended().await;
        let log = house.log();
        before_up += u32::from(!log.contains("the service is up"));
        assert!(
            asked.elapsed() < Duration::from_secs(10),
            "round {round}: the stop took {:?}",
            asked.elapsed()
        );
        // No program can say what SIGTERM does before its first line has run.
        if !ready && status.signal() == Some(Signal::TERM.as_raw()) {
            before_main += 1;
        } else {
            assert_eq!(status.code(), Some(0), "round {round}: {status}\n{log}");
        }
    }
    println!(
        "{EARLY_STOPS} stops, {before_up} of them before the service was up, {before_main} before its first line"
    );
    assert!(before_main < EARLY_STOPS / 2, "the program takes long to its first line");
    house.start().await;
    house.stop().await;
    house.verify();
}
