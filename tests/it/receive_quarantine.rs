//! Objects that are refused for their content: kept bit for bit for a person, within bounds, durable before the sender
//! hears of it; a kill between file and row leaves nothing behind.

use crate::on_each_database;
use crate::receive_house::*;
use crate::receive_raw::{Raw, request, value};
use crate::service_house::House as WholeService;
use crate::store_database::{TestDatabase, now};
use doubleread::archive::{Archive, Incoming};
use doubleread::pipeline::StoreRegister;
use doubleread::receive::send::{self, Outcome, Target};
use doubleread::receive::{Quarantine, QuarantineSettings, Receiver, Settings};
use doubleread::store::QuarantinedObject;
use doubleread::vocab::{RefusalPhase, SystemClock, UserId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// A receiver over a real database, with its folders.
struct Door {
    target: Target,
    archive: Archive,
    quarantine: Archive,
    folder: tempfile::TempDir,
    _stop: tokio_util::sync::DropGuard,
}

impl Door {
    async fn open(database: &TestDatabase, bounds: QuarantineSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(folder.path().join("archive")).unwrap();
        let quarantine = Archive::open(folder.path().join("quarantine")).unwrap();
        let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
        let register = Arc::new(StoreRegister(database.store.clone()));
        let clock = Arc::new(SystemClock);
        let keeper =
            Quarantine::open(quarantine.root(), register.clone(), bounds, clock.clone()).await.unwrap();
        let incoming = Arc::new(Incoming::open(&archive).unwrap());
        let receiver = Receiver::bind(settings, incoming, register, clock).unwrap().with_quarantine(keeper);
        let address = receiver.local_address().to_string();
        let target = Target::new(address, "DOUBLEREAD".parse().unwrap(), "TEST".parse().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(receiver.serve(stop.clone()));
        let target = Target { attempts: 1, ..target };
        Self { target, archive, quarantine, folder, _stop: stop.drop_guard() }
    }

    /// What is answered to one data set.
    async fn answer(&self, uid: &str, syntax: &str, data_set: &[u8]) -> (u16, String) {
        let path = self.folder.path().join("sent.dcm");
        std::fs::write(&path, part10(CR, uid, syntax, data_set)).unwrap();
        answer(&self.target, &path).await
    }
}

async fn answer(target: &Target, path: &Path) -> (u16, String) {
    let answers = send::push(target, &[path.to_owned()], &|_| {}).await.unwrap();
    match &answers[0].outcome {
        Outcome::Answered { status, comment } => (*status, comment.clone()),
        other => panic!("{other:?}"),
    }
}

/// A data set without a Study Instance UID, that differs from others by `n`.
fn without_study(uid: &str, n: u8, pixels: usize) -> Vec<u8> {
    [
        element(0x0008, 0x0016, "UI", CR.as_bytes()),
        element(0x0008, 0x0018, "UI", uid.as_bytes()),
        element(0x0010, 0x0010, "PN", b"Canary^Name"),
        element(0x7FE0, 0x0010, "OW", &vec![n; pixels]),
    ]
    .concat()
}

/// A film that ends early.
fn truncated(uid: &str, pixels: usize) -> Vec<u8> {
    let mut set = data_set(CR, uid, &vec![7; pixels]);
    set.truncate(set.len() - 9);
    set
}

async fn kept(database: &TestDatabase) -> Vec<QuarantinedObject> {
    database.store.quarantine(None, false, 100).await.unwrap()
}

on_each_database! {
    async fn what_is_refused_for_its_content_is_kept_bit_for_bit_and_the_sender_is_told_both(database) {
        let door = Door::open(database, QuarantineSettings::default()).await;
        // More than a buffer, so that the refusal comes at the end, in the middle, and in the first bytes.
        let mut early = data_set(CR, "1.2.3", &[1; 900_000]);
        early.splice(0..0, element(0x0000, 0x0000, "UL", &[4, 0, 0, 0]));
        let sets = [
            ("1.2.1", without_study("1.2.1", 1, 700_000), "Study Instance UID is missing", RefusalPhase::Identity),
            ("1.2.2", truncated("1.2.2", 600_000), "the data set ends early", RefusalPhase::Structure),
            ("1.2.3", early, "(0000,0000) does not belong", RefusalPhase::Structure),
            ("1.2.4", b"\x08\x00\x16\x00UI".to_vec(), "the data set ends early", RefusalPhase::Structure),
        ];
        for (uid, set, why, phase) in &sets {
            let (status, comment) = door.answer(uid, EXPLICIT, set).await;
            assert_eq!(status, 0xC000, "{uid}: {comment}");
            assert!(comment.starts_with("copy kept: ") && comment.contains(why), "{comment}");
            let rows = kept(database).await;
            let row = rows.iter().find(|row| row.object.sop_instance_uid.as_str() == *uid).unwrap();
            let file = door.quarantine.read(&row.object.content_hash, 1 << 30).unwrap();
            assert!(data_set_of_kept(&file) == *set, "{uid} was changed");
            assert_eq!(door.quarantine.verify(&row.object.content_hash).unwrap(), row.object.size_bytes);
            assert_eq!((row.object.phase, row.object.status), (*phase, 0xC000));
            assert_eq!((row.object.calling_ae.as_str(), row.object.address.to_string()), ("TEST", "127.0.0.1".into()));
            assert!(row.object.reason.contains(why) && row.judged.is_none());
        }
        assert_eq!(door.quarantine.hashes().unwrap().len(), sets.len());
        assert!(door.archive.hashes().unwrap().is_empty(), "never mixed with accepted objects");

        // The same bytes again: one row, counted up.
        let (_, comment) = door.answer("1.2.2", EXPLICIT, &sets[1].1).await;
        assert!(comment.starts_with("copy kept: "), "{comment}");
        let rows = kept(database).await;
        assert_eq!(rows.len(), sets.len());
        let again = rows.iter().find(|row| row.object.sop_instance_uid.as_str() == "1.2.2").unwrap();
        assert_eq!(again.times_received, 2);
        assert!(again.last_received_at >= again.object.received_at);

        // A good one is taken as before, on the same service.
        let (status, comment) = door.answer("1.2.9", EXPLICIT, &data_set(CR, "1.2.9", &[1; 100])).await;
        assert_eq!((status, comment.as_str()), (0, ""));
    }

    async fn what_is_refused_for_other_reasons_is_not_kept(database) {
        let door = Door::open(database, QuarantineSettings::default()).await;
        for (uid, set, syntax, expected) in [
            ("1.2.1", data_set(CR, "1.2.99", &[0; 64]), EXPLICIT, 0xA900),
            ("1.2.2", data_set("1.2.840.10008.5.1.4.1.1.7", "1.2.2", &[0; 64]), EXPLICIT, 0xA900),
        ] {
            // Not by our own sender, which says what the data set says.
            let mut raw = Raw::associate(door.target.address.parse().unwrap(), &[(1, CR, syntax)], 0).await;
            raw.send(&value(1, true, true, &request(1, CR, uid, true))).await;
            raw.send(&value(1, false, true, &set)).await;
            assert_eq!(raw.status().await, expected);
        }
        let mut empty = Raw::associate(door.target.address.parse().unwrap(), &[(1, CR, EXPLICIT)], 0).await;
        empty.send(&value(1, true, true, &request(1, CR, "1.2.3", true))).await;
        empty.send(&value(1, false, true, &[])).await;
        assert_eq!(empty.status().await, 0xC000);
        // A broken object whose end never comes.
        let mut cut = Raw::associate(door.target.address.parse().unwrap(), &[(1, CR, EXPLICIT)], 0).await;
        cut.send(&value(1, true, true, &request(1, CR, "1.2.4", true))).await;
        cut.send(&value(1, false, false, &[0xFF; 600_000])).await;
        drop(cut);
        send::echo(&door.target).await.unwrap();
        assert!(kept(database).await.is_empty());
        assert!(door.quarantine.hashes().unwrap().is_empty());
    }

    async fn the_bounds_hold_and_what_is_over_them_is_refused_as_before(database) {
        let bounds =
            QuarantineSettings { bytes: 100_000, objects: 3, objects_per_source_hour: 100, ..QuarantineSettings::default() };
        let door = Door::open(database, bounds).await;
        let says = async |uid: &str, pixels: usize| {
            let (status, comment) = door.answer(uid, EXPLICIT, &without_study(uid, 1, pixels)).await;
            assert_eq!(status, 0xC000);
            comment.starts_with("copy kept: ")
        };
        assert!(!says("1.2.1", 600_000).await, "larger than all the room, in several buffers");
        assert!(says("1.2.2", 60_000).await);
        assert!(!says("1.2.3", 60_000).await, "no room for the bytes");
        assert!(says("1.2.4", 1_000).await);
        assert!(says("1.2.4", 1_000).await, "the same again");
        assert!(says("1.2.5", 1_000).await);
        assert!(!says("1.2.6", 1_000).await, "no room for one more object");
        assert_eq!(kept(database).await.len(), 3);
        assert_eq!(door.quarantine.hashes().unwrap().len(), 3);

        let folder = door.folder.path().join("quarantine/incoming");
        let left = walk(&folder) + walk(&door.archive.root().join("incoming"));
        assert_eq!(left, 0, "temporary files");
    }

    async fn judged_copies_make_way_in_their_order_and_unjudged_ones_never(database) {
        let bounds =
            QuarantineSettings { bytes: 100_000, objects: 3, judged_days: 0, ..QuarantineSettings::default() };
        let door = Door::open(database, bounds).await;
        let store = &database.store;
        let keeps = async |door: &Door, uid: &str, pixels: usize| {
            let (status, comment) = door.answer(uid, EXPLICIT, &without_study(uid, 1, pixels)).await;
            assert_eq!(status, 0xC000);
            comment.starts_with("copy kept: ")
        };
        let here = async |door: &Door| {
            let mut files = door.quarantine.hashes().unwrap();
            let rows = kept(database).await;
            let mut with_copy: Vec<_> =
                rows.iter().filter(|row| row.removed_at.is_none()).map(|row| row.object.content_hash.clone()).collect();
            files.sort();
            with_copy.sort();
            assert_eq!(files, with_copy, "a file for each row that says so, and no other");
            let uid = |hash: &String| rows.iter().find(|row| row.object.content_hash == *hash).unwrap().object.sop_instance_uid.to_string();
            let mut uids: Vec<_> = files.iter().map(uid).collect();
            uids.sort();
            uids
        };
        for (uid, pixels) in [("1.2.1", 30_000), ("1.2.2", 30_000), ("1.2.3", 30_000)] {
            assert!(keeps(&door, uid, pixels).await);
        }
        assert!(!keeps(&door, "1.2.4", 1_000).await, "nobody has judged any");
        let hash_of = async |uid: &str| {
            let rows = kept(database).await;
            rows.iter().find(|row| row.object.sop_instance_uid.as_str() == uid).unwrap().object.content_hash.clone()
        };
        let judge = UserId::new();
        for (uid, at) in [("1.2.3", now().plus_minutes(-2)), ("1.2.1", now().plus_minutes(-1))] {
            store.judge_quarantined(&hash_of(uid).await, judge, "seen", at).await.unwrap();
        }
        // What the door knows of its room is a second old at most.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        // One is enough for the room of one: the one that was judged first.
        assert!(keeps(&door, "1.2.5", 1_000).await);
        assert_eq!(here(&door).await, ["1.2.1", "1.2.2", "1.2.5"]);
        // The judged one alone is not enough for this, so nothing goes.
        assert!(!keeps(&door, "1.2.6", 80_000).await);
        assert_eq!(here(&door).await, ["1.2.1", "1.2.2", "1.2.5"]);
        assert!(keeps(&door, "1.2.7", 60_000).await, "in several buffers");
        assert_eq!(here(&door).await, ["1.2.2", "1.2.5", "1.2.7"]);
        let rows = kept(database).await;
        let gone = rows.iter().find(|row| row.object.sop_instance_uid.as_str() == "1.2.3").unwrap();
        assert!(gone.removed_at.is_some() && gone.judged.as_ref().is_some_and(|(_, by, _)| *by == judge), "{gone:?}");
        // The same bytes again are kept again, in the same row, once there is room.
        store.judge_quarantined(&hash_of("1.2.7").await, judge, "seen", now().plus_minutes(-1)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert!(keeps(&door, "1.2.3", 30_000).await);
        assert_eq!(here(&door).await, ["1.2.2", "1.2.3", "1.2.5"]);
        assert_eq!(kept(database).await.len(), 5);
        // A copy that was judged a moment ago stays for the days that it has.
        let week = Door::open(database, QuarantineSettings { objects: 1, ..QuarantineSettings::default() }).await;
        assert!(!keeps(&week, "1.2.8", 100).await);
    }

    async fn one_source_can_not_fill_it_within_an_hour_and_a_zero_turns_it_off(database) {
        let bounds = QuarantineSettings { objects_per_source_hour: 2, ..QuarantineSettings::default() };
        let door = Door::open(database, bounds).await;
        let mut said = Vec::new();
        for n in 1..=4_u8 {
            let uid = format!("1.2.{n}");
            let (_, comment) = door.answer(&uid, EXPLICIT, &without_study(&uid, n, 100)).await;
            said.push(comment.starts_with("copy kept: "));
        }
        assert_eq!(said, [true, true, false, false]);
        let other = Target { calling_ae: "OTHER".parse().unwrap(), ..door.target.clone() };
        let file = door.folder.path().join("other.dcm");
        std::fs::write(&file, part10(CR, "1.2.8", EXPLICIT, &without_study("1.2.8", 8, 100))).unwrap();
        assert!(answer(&other, &file).await.1.starts_with("copy kept: "), "another source");

        let off = Door::open(database, QuarantineSettings { bytes: 0, ..QuarantineSettings::default() }).await;
        let (status, comment) = off.answer("1.2.7", EXPLICIT, &without_study("1.2.7", 7, 100)).await;
        assert_eq!((status, comment.as_str()), (0xC000, "Study Instance UID is missing"));
        assert!(off.quarantine.hashes().unwrap().is_empty());
    }

    async fn a_kept_object_is_judged_once(database) {
        let door = Door::open(database, QuarantineSettings::default()).await;
        door.answer("1.2.1", EXPLICIT, &without_study("1.2.1", 1, 100)).await;
        door.answer("1.2.2", DEFLATED, &[0xFF; 64]).await;
        let store = &database.store;
        assert_eq!(store.unjudged().await.unwrap(), (2, 0));
        let open = store.quarantine(None, true, 10).await.unwrap();
        let inflating = open.iter().find(|row| row.object.phase == RefusalPhase::Inflating).unwrap();
        let hash = inflating.object.content_hash.clone();
        let judge = UserId::new();
        store.judge_quarantined(&hash, judge, "sent again, whole", now()).await.unwrap();
        assert!(store.judge_quarantined(&hash, judge, "again", now()).await.is_err());
        assert_eq!(store.unjudged().await.unwrap(), (1, 0));
        assert_eq!(store.quarantine(None, true, 10).await.unwrap().len(), 1);
        let all = kept(database).await;
        assert_eq!(all[1].judged.as_ref().map(|(_, by, note)| (*by, note.as_str())), Some((judge, "sent again, whole")));
        let elsewhere = "ELSEWHERE".parse().unwrap();
        assert!(store.quarantine(Some(&elsewhere), false, 10).await.unwrap().is_empty());
    }

    async fn a_file_without_a_row_is_swept_and_one_with_a_row_stays(database) {
        let door = Door::open(database, QuarantineSettings::default()).await;
        door.answer("1.2.1", EXPLICIT, &without_study("1.2.1", 1, 100)).await;
        let with_row = door.quarantine.hashes().unwrap();
        let orphan = publish(&door.quarantine, b"killed before its row");
        let held = Incoming::open(&door.quarantine).unwrap();
        let mut draft = held.begin().unwrap();
        draft.append(&[b"about to be recorded by a living process"]).unwrap();
        let about_to = held.publish(vec![draft.seal().unwrap()]).remove(0).unwrap();
        let open = async || {
            let register = Arc::new(StoreRegister(database.store.clone()));
            let settings = QuarantineSettings::default();
            drop(Quarantine::open(door.quarantine.root(), register, settings, Arc::new(SystemClock)).await.unwrap());
        };
        open().await;
        let left = door.quarantine.hashes().unwrap();
        assert!(!left.contains(&orphan) && left.contains(&with_row[0]) && left.len() == 2, "{left:?}");
        drop(about_to);
        open().await;
        assert_eq!(door.quarantine.hashes().unwrap(), with_row);
    }
}

fn publish(quarantine: &Archive, bytes: &[u8]) -> String {
    let incoming = Incoming::open(quarantine).unwrap();
    let mut draft = incoming.begin().unwrap();
    draft.append(&[bytes]).unwrap();
    incoming.publish(vec![draft.seal().unwrap()]).remove(0).unwrap().hash
}

/// The bytes after the head that we wrote: its length is said in its group length element.
fn data_set_of_kept(file: &[u8]) -> Vec<u8> {
    let length = u32::from_le_bytes(file[140..144].try_into().unwrap());
    file[144 + usize::try_from(length).unwrap()..].to_vec()
}

/// Files below a folder other than locks.
fn walk(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        count += if path.is_dir() {
            walk(&path)
        } else {
            usize::from(!entry.file_name().to_string_lossy().ends_with("lock"))
        };
    }
    count
}

/// The whole service, killed again and again while broken objects come: whatever the sender was told is kept is
/// there, every file has a row, every row its file.
#[tokio::test(flavor = "multi_thread")]
async fn kills_between_file_and_row_leave_no_orphan_and_lose_nothing_that_was_said_to_be_kept() {
    let mut service = WholeService::build("");
    let mut promised = Vec::new();
    let mut number = 0_u32;
    // A busy machine may need more than six rounds to keep anything between two kills.
    for round in 0..30_u64 {
        if round >= 6 && promised.len() > 6 {
            break;
        }
        service.start().await;
        let target = service.target("BROKEN");
        let folder = service.folder.path().to_owned();
        let sender = tokio::spawn(async move {
            let mut told = Vec::new();
            loop {
                number += 1;
                let uid = format!("1.2.4.{number}");
                let set = without_study(&uid, u8::try_from(number % 200).unwrap(), 200_000);
                let path = folder.join("broken.dcm");
                std::fs::write(&path, part10(CR, &uid, EXPLICIT, &set)).unwrap();
                let Ok(answers) = send::push(&target, &[path], &|_| {}).await else { return (told, number) };
                match &answers[0].outcome {
                    Outcome::Answered { status: 0xC000, comment } if comment.starts_with("copy kept: ") => {
                        told.push((uid, set));
                    }
                    Outcome::Answered { status, comment } => panic!("0x{status:04X} {comment}"),
                    _ => return (told, number),
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(150 + 70 * round)).await;
        service.kill();
        let (told, last) = sender.await.unwrap();
        promised.extend(told);
        number = last;
    }
    let root = service.folder.path().join("data/quarantine");
    let orphan = publish(&Archive::open(&root).unwrap(), b"a kill between file and row leaves this");
    service.start().await;
    service.stop().await;
    println!("{} objects were said to be kept between kills", promised.len());
    assert!(promised.len() > 6, "{}", promised.len());
    let store = service.store().await;
    let quarantine = Archive::open(&root).unwrap();
    let hashes = quarantine.hashes().unwrap();
    assert!(!hashes.contains(&orphan));
    let known = store.quarantined(&hashes).await.unwrap();
    assert_eq!(known.len(), hashes.len(), "a file without a row");
    let mut rows = 0;
    for hash in &hashes {
        let row = store.quarantined_object(hash).await.unwrap().unwrap();
        assert_eq!(quarantine.verify(hash).unwrap(), row.object.size_bytes);
        rows += 1;
    }
    let far = "2000-01-01T00:00:00.000Z".parse().unwrap();
    let usage = store.quarantine_usage("", &"BROKEN".parse().unwrap(), far, far).await.unwrap();
    assert_eq!(usage.objects, rows, "a row without a file");
    for (uid, set) in &promised {
        let found = hashes.iter().any(|hash| {
            let file = quarantine.read(hash, 1 << 30).unwrap();
            data_set_of_kept(&file) == *set
        });
        assert!(found, "{uid} was said to be kept and is not");
    }
    store.close().await;
    assert_eq!(walk(&root.join("incoming")), 0);
    assert!(!service.log().contains("Canary"), "nothing of a patient is logged");
}
