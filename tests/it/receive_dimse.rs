//! C-ECHO and C-STORE as DCMTK, and our own sender, speak them.

use crate::receive_house::*;
use doubleread::receive::Settings;
use doubleread::receive::send::{self, Outcome};
use std::sync::atomic::Ordering;
use tokio::process::Command;

async fn run(tool: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(tool).args(arguments).kill_on_drop(true).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn success() -> Outcome {
    Outcome::Answered { status: 0, comment: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_sender_stores_small_and_large_objects_bit_for_bit() {
    let house = House::open(Settings::default());
    send::echo(&house.target()).await.unwrap();
    let mut files = Vec::new();
    let mut sent = Vec::new();
    for (n, size) in [0_usize, 2, 8_000, 262_144, 262_130, 5_000_000].into_iter().enumerate() {
        let pixels: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let uid = format!("1.2.3.4.{n}");
        let data_set = data_set(CR, &uid, &pixels);
        files.push(house.file(&format!("{n}.dcm"), &part10(CR, &uid, EXPLICIT, &data_set)));
        sent.push((uid, data_set));
    }
    let target = send::Target { associations: 3, ..house.target() };
    let answers = send::push(&target, &files, &|_| {}).await.unwrap();
    assert!(answers.iter().all(|a| a.outcome == success()), "{answers:?}");
    for (uid, data_set) in sent {
        let stored = house.stored(&uid).unwrap();
        assert_eq!(data_set_of(&stored), data_set, "{uid}");
        let hash = house.register.instance(&uid).unwrap().content_hash;
        assert_eq!(house.archive.verify(&hash).unwrap(), stored.len() as u64);
    }
    assert_eq!(house.temporary_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dcmtk_echoes_and_stores() {
    if !has_tool("echoscu") || !has_tool("storescu") || !has_tool("dcmsend") {
        return;
    }
    let house = House::open(Settings::default());
    let port = house.address.port().to_string();
    let (ok, text) = run("echoscu", &["-aec", "DOUBLEREAD", "127.0.0.1", &port]).await;
    assert!(ok, "{text}");
    let mut paths = Vec::new();
    for n in 0..5 {
        let uid = format!("1.2.3.5.{n}");
        let file = part10(CR, &uid, EXPLICIT, &data_set(CR, &uid, &vec![7; 100_000 * n]));
        paths.push(house.file(&format!("{n}.dcm"), &file).display().to_string());
    }
    let mut arguments = vec!["-aec", "DOUBLEREAD", "127.0.0.1", &port];
    arguments.extend(paths.iter().map(String::as_str));
    let (ok, text) = run("storescu", &arguments).await;
    assert!(ok, "{text}");
    assert_eq!(house.register.count(), 5);
    let (ok, text) = run("dcmsend", &arguments).await;
    assert!(ok, "the same files again are success: {text}");
    assert_eq!(house.register.count(), 5);
    assert_eq!(house.archive.hashes().unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_fifty_times_from_five_peers_is_one_instance() {
    let house = House::open(Settings::default());
    let uid = "1.2.3.6";
    let file = house.file("one.dcm", &part10(CR, uid, EXPLICIT, &data_set(CR, uid, &[1; 500])));
    let target = send::Target { associations: 5, ..house.target() };
    let answers = send::push(&target, &vec![file; 50], &|_| {}).await.unwrap();
    assert_eq!(answers.iter().filter(|a| a.outcome == success()).count(), 50);
    assert_eq!((house.register.count(), house.archive.hashes().unwrap().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_uid_with_other_pixels_is_refused_and_both_are_kept() {
    let house = House::open(Settings::default());
    let uid = "1.2.3.7";
    let file = |name: &str, pixel: u8| {
        house.file(name, &part10(CR, uid, EXPLICIT, &data_set(CR, uid, &[pixel; 500])))
    };
    let answers =
        send::push(&house.target(), &[file("a", 1), file("b", 2), file("c", 1)], &|_| {}).await.unwrap();
    let statuses: Vec<_> = answers
        .iter()
        .map(|a| match a.outcome {
            Outcome::Answered { status, .. } => status,
            _ => 0xFFFF,
        })
        .collect();
    assert_eq!(statuses, [0, 0x0111, 0]);
    assert_eq!(data_set_of(&house.stored(uid).unwrap()), data_set(CR, uid, &[1; 500]), "the first stands");
    assert_eq!(house.archive.hashes().unwrap().len(), 2);
    assert_eq!(house.register.conflicts.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_senders_are_refused_and_a_retry_is_success_once() {
    let house = House::open(Settings::default());
    house.register.away.store(true, Ordering::SeqCst);
    let uid = "1.2.3.8";
    let file = house.file("one.dcm", &part10(CR, uid, EXPLICIT, &data_set(CR, uid, &[1; 500])));
    let target = send::Target { attempts: 1, ..house.target() };
    let answers = send::push(&target, std::slice::from_ref(&file), &|_| {}).await.unwrap();
    assert!(matches!(answers[0].outcome, Outcome::Answered { status: 0xA700, .. }), "{answers:?}");
    assert_eq!(house.archive.hashes().unwrap().len(), 0, "no file under a final name without a row");
    house.register.away.store(false, Ordering::SeqCst);
    let answers = send::push(&target, &[file], &|_| {}).await.unwrap();
    assert_eq!(answers[0].outcome, success());
    assert_eq!(house.register.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_real_file_is_stored_bit_for_bit_or_refused_with_a_reason() {
    let Some(files) = real_files() else { return };
    let house = House::open(Settings::default());
    let target = send::Target { associations: 4, ..house.target() };
    let answers = send::push(&target, &files, &|_| {}).await.unwrap();
    let (mut stored, mut refused) = (0, Vec::new());
    for answer in &answers {
        match &answer.outcome {
            Outcome::Answered { status: 0, .. } => {
                let uid = answer.sop_instance_uid.clone().unwrap();
                let kept = house.stored(&uid).unwrap();
                let original = std::fs::read(&answer.path).unwrap();
                assert!(data_set_of(&kept) == data_set_of(&original), "{}", answer.path.display());
                stored += 1;
            }
            // Some of these files are one object in several syntaxes: kept, for a person to judge.
            Outcome::Answered { status: 0x0111, .. } => stored += 1,
            other => refused.push((answer.path.file_name().unwrap().to_owned(), other)),
        }
    }
    println!("{stored} of {} kept; {refused:#?}", files.len());
    assert_eq!(house.archive.hashes().unwrap().len(), stored);
    assert!(refused.len() <= 12, "{} of {} real files were refused", refused.len(), files.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_idle_associations_and_the_receiver() {
    let house = House::open(Settings::default());
    let idle = tokio::net::TcpStream::connect(house.address).await.unwrap();
    send::echo(&house.target()).await.unwrap();
    house.stop.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(10), house.task).await.unwrap().unwrap();
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn pynetdicom_echoes_and_stores() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("VENV_PYTHON")
        .map_or_else(|| root.join(".venv/bin/python"), std::path::PathBuf::from);
    if !python.is_file() {
        assert!(std::env::var("REQUIRE_PEERS").as_deref() != Ok("1"), "pynetdicom is required");
        println!("skipped: no Python environment with pynetdicom (scripts/venv.sh)");
        return;
    }
    let house = House::open(Settings::default());
    let mut arguments =
        vec![root.join("tests/it/receive_python.py").display().to_string(), house.address.port().to_string()];
    for n in 0..3 {
        let uid = format!("1.2.3.9.{n}");
        let file = part10(CR, &uid, EXPLICIT, &data_set(CR, &uid, &vec![5; 200_000 * n]));
        arguments.push(house.file(&format!("{n}.dcm"), &file).display().to_string());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (ok, text) = run(&python.display().to_string(), &arguments).await;
    assert!(ok, "{text}");
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["0000"; 4], "{text}");
    assert_eq!(house.register.count(), 3);
}
