//! The hostile corpus, and larger files of its kind, while good studies flow beside it.

use crate::receive_house::*;
use crate::receive_raw::{Raw, associate_rq, pdu, request, value};
use doubleread::receive::Settings;
use doubleread::receive::send::{self, Outcome};
use doubleread::receive::settings::{Source, Timeouts};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const VERIFICATION: &str = "1.2.840.10008.1.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";

/// The status that one file gets, sent alone and once.
async fn answer_to(house: &House, file: PathBuf) -> u16 {
    let target = send::Target { attempts: 1, ..house.target() };
    let answers = send::push(&target, &[file], &|_| {}).await.unwrap();
    match &answers[0].outcome {
        Outcome::Answered { status, .. } => *status,
        other => panic!("{other:?}"),
    }
}

async fn echo_within_a_second(house: &House) {
    let started = Instant::now();
    send::echo(&house.target()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "echo took {:?}", started.elapsed());
}

fn corpus() -> Vec<(PathBuf, u16)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-dicom/hostile");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "dcm"))
        .map(|path| {
            let text = std::fs::read_to_string(path.with_extension("txt")).unwrap();
            let answer = text.lines().next().and_then(|l| l.strip_prefix("answer: 0x")).unwrap();
            let answer = u16::from_str_radix(answer, 16).unwrap();
            (path, answer)
        })
        .collect();
    found.sort();
    found
}

/// Sends good objects on an association of its own until it is told to stop.
async fn good_studies(house: Arc<House>, stop: Arc<AtomicBool>, stored: Arc<AtomicUsize>) {
    let target = house.target();
    while !stop.load(Ordering::SeqCst) {
        let n = stored.load(Ordering::SeqCst);
        let uid = format!("1.2.9.{n}");
        let file =
            house.file("good.dcm", &part10(CR, &uid, EXPLICIT, &data_set(CR, &uid, &vec![3; 300_000])));
        let answers = send::push(&target, &[file], &|_| {}).await.unwrap();
        assert!(answers[0].outcome.is_stored(), "{answers:?}");
        assert!(house.register.instance(&uid).is_some());
        stored.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_file_gets_its_answer_while_good_studies_flow() {
    let house = Arc::new(House::open(Settings::default()));
    let (stop, stored) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let good = tokio::spawn(good_studies(house.clone(), stop.clone(), stored.clone()));
    let corpus = corpus();
    assert!(corpus.len() >= 50);
    let before = stored.load(Ordering::SeqCst);
    for (path, expected) in corpus {
        let found = answer_to(&house, path.clone()).await;
        let name = path.file_name().unwrap().display().to_string();
        assert_eq!(format!("{found:04X}"), format!("{expected:04X}"), "{name}");
        echo_within_a_second(&house).await;
    }
    stop.store(true, Ordering::SeqCst);
    good.await.unwrap();
    assert!(stored.load(Ordering::SeqCst) > before, "good studies were stored meanwhile");
    assert_eq!(house.temporary_files(), 0);
    let rows = house.register.count();
    assert_eq!(house.archive.hashes().unwrap().len(), rows, "a file for each row and no more");
    // Most of the corpus is broken in a way that a person may want to see; a copy of each is kept, whole.
    let refused = house.register.refused.lock().unwrap().clone();
    assert!(refused.len() >= 20, "{} kept", refused.len());
    assert_eq!(house.quarantine.hashes().unwrap().len(), refused.len());
    for object in refused.values() {
        assert_eq!(house.quarantine.verify(&object.content_hash).unwrap(), object.size_bytes);
        assert_eq!(object.status, 0xC000);
        assert!(!object.reason.to_lowercase().contains("canary"), "{}", object.reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_instance_never_ends_an_association() {
    let house = House::open(Settings::default());
    let mut raw = Raw::associate(house.address, &[(1, CR, EXPLICIT)], 0).await;
    for (uid, set, expected) in [
        ("1.2.1", data_set(CR, "1.2.1", &[0; 64]), 0),
        ("1.2.2", data_set(CR, "1.2.2", &[0; 64])[..200].to_vec(), 0xC000),
        ("1.2.3", data_set(CR, "1.2.99", &[0; 64]), 0xA900),
        ("1.2.4", data_set("1.2.840.10008.5.1.4.1.1.7", "1.2.4", &[0; 64]), 0xA900),
        ("../../x", data_set(CR, "1.2.5", &[0; 64]), 0x0117),
        ("1.2.6", Vec::new(), 0xC000),
        ("1.2.7", vec![0xFF; 500_000], 0xC000),
        ("1.2.8", data_set(CR, "1.2.8", &[0; 600_000]), 0),
    ] {
        raw.send(&value(1, true, true, &request(1, CR, uid, true))).await;
        for piece in set.chunks(10_000) {
            raw.send(&value(1, false, false, piece)).await;
        }
        raw.send(&value(1, false, true, &[])).await;
        assert_eq!(format!("{:04X}", raw.status().await), format!("{expected:04X}"), "{uid}");
    }
    assert_eq!(house.register.count(), 2);
    // Another class than that of the context, an unknown command with and without data set, C-FIND.
    raw.send(&value(1, true, true, &request(1, "1.2.840.10008.5.1.4.1.1.7", "1.2.9", true))).await;
    raw.send(&value(1, false, true, &data_set(CR, "1.2.9", &[]))).await;
    assert_eq!(raw.status().await, 0x0122);
    raw.send(&value(1, true, true, &request(0x0020, CR, "1.2.9", true))).await;
    raw.send(&value(1, false, true, &[0; 100])).await;
    assert_eq!(raw.status().await, 0x0211);
    raw.send(&value(1, true, true, &request(0x0666, CR, "1.2.9", false))).await;
    assert_eq!(raw.status().await, 0x0211);
    raw.send(&value(1, true, true, &request(1, CR, "1.2.9", false))).await;
    assert_eq!(raw.status().await, 0x0115);
    raw.send(&pdu(5, &[0; 4])).await;
    assert_eq!(raw.pdu().await.unwrap().0, 6, "released in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_and_false_lengths_end_their_own_connection_only() {
    let house = House::open(Settings::default());
    let garbage: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3],
        (0..400_u32).map(|n| (n * 73 % 251) as u8).collect(),
        vec![1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1],
        vec![1, 0, 0, 0, 0, 0],
        vec![1, 0, 0, 0, 0, 1, 0],
        pdu(5, &[0; 4]),
        pdu(4, &[0, 0, 0, 2, 1, 3]),
        pdu(1, &[0xFF; 3_000]),
    ];
    for bytes in garbage {
        let mut raw = Raw::connect(house.address).await;
        raw.send(&bytes).await;
        assert!(raw.is_ended().await, "{:?} was answered", &bytes[..bytes.len().min(12)]);
        echo_within_a_second(&house).await;
    }
    let after_association: Vec<Vec<u8>> = vec![
        vec![4, 0, 0xFF, 0xFF, 0xFF, 0xFF],
        vec![4, 0, 0, 0, 0, 0],
        vec![4, 0, 0, 0, 0, 1, 0],
        vec![4, 0, 0, 0, 0, 10, 0xFF, 0xFF, 0xFF, 0xFF, 1, 3],
        vec![4, 0, 0, 0, 0, 10, 0, 0, 0, 0, 1, 3],
        value(1, false, true, b"data before any command"),
        value(9, true, true, &request(1, CR, "1.2", true)),
        value(1, true, true, b"no command"),
        value(1, true, false, &[0; 100_000]),
        [value(1, true, true, &request(1, CR, "1.2", true)), value(1, true, true, b"again")].concat(),
        associate_rq(b"RAW", &[], 0),
        pdu(2, &[0; 100]),
    ];
    for bytes in after_association {
        let mut raw = Raw::associate(house.address, &[(1, CR, EXPLICIT)], 0).await;
        raw.send(&bytes).await;
        assert!(raw.is_ended().await, "{:?} was answered", &bytes[..bytes.len().min(12)]);
        echo_within_a_second(&house).await;
    }
    assert_eq!((house.register.count(), house.temporary_files()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_negotiated_length_and_odd_title_is_borne() {
    let house = House::open(Settings::default());
    for max_pdu in [0, 1, 128, 16_384, u32::MAX] {
        let mut raw = Raw::associate(house.address, &[(1, VERIFICATION, IMPLICIT)], max_pdu).await;
        raw.send(&value(1, true, true, &request(0x30, VERIFICATION, "", false))).await;
        assert_eq!(raw.status().await, 0, "{max_pdu}");
    }
    for title in
        [b"$(reboot)".as_slice(), b"%s%n", b"<b>x</b>", b"\x1b[31mRED", b"A\r\nB", b"", b"A\\B", b"\xff\xfe"]
    {
        let mut raw = Raw::connect(house.address).await;
        raw.send(&associate_rq(title, &[(1, VERIFICATION, IMPLICIT)], 0)).await;
        let (kind, _) = raw.pdu().await.unwrap();
        let plain =
            title.iter().all(|b| (0x20..0x7F).contains(b)) && !title.is_empty() && !title.contains(&b'\\');
        assert_eq!(kind, if plain { 2 } else { 3 }, "{title:?}");
    }
    echo_within_a_second(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_stop_or_dawdle_are_dropped_and_leave_nothing_behind() {
    let timeouts = Timeouts {
        associate_ms: 300,
        idle_ms: 400,
        stalled_ms: 400,
        object_grace_ms: 600,
        object_bytes_per_second: 100_000,
        ..Timeouts::default()
    };
    let house = House::open(Settings { timeouts, ..Settings::default() });
    let contexts = [(1, CR, EXPLICIT)];
    let mut half_open = Raw::connect(house.address).await;
    assert!(half_open.is_ended().await, "no association request in time");
    let mut idle = Raw::associate(house.address, &contexts, 0).await;
    assert!(idle.is_ended().await, "an idle association");
    let start =
        [value(1, true, true, &request(1, CR, "1.2", true)), value(1, false, false, &[0x08; 300_000])]
            .concat();
    let mut stopped = Raw::associate(house.address, &contexts, 0).await;
    stopped.send(&start).await;
    stopped.send(&[4, 0, 0, 0, 1, 0, 0, 0, 0, 0xFC]).await;
    assert!(stopped.is_ended().await, "a peer that stops within a PDU");
    let mut slow = Raw::associate(house.address, &contexts, 0).await;
    slow.send(&value(1, true, true, &request(1, CR, "1.2", true))).await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(8) {
        slow.send(&value(1, false, false, b"x")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut end = [0; 1];
        if tokio::time::timeout(Duration::from_millis(1), slow.0.peek(&mut end)).await.is_ok() {
            break;
        }
    }
    assert!(slow.is_ended().await, "a peer that sends a byte at a time");
    assert_eq!(house.temporary_files(), 0);
    for cut in [20, 150, 200, start.len()] {
        let mut raw = Raw::associate(house.address, &contexts, 0).await;
        raw.send(&start[..cut]).await;
    }
    let mut deaf = Raw::associate(house.address, &contexts, 0).await;
    deaf.send(&value(1, true, true, &request(1, CR, "1.2.77", true))).await;
    deaf.send(&value(1, false, true, &data_set(CR, "1.2.77", &[1; 100]))).await;
    drop(deaf);
    let started = Instant::now();
    while (house.temporary_files() > 0 || house.register.instance("1.2.77").is_none())
        && started.elapsed() < Duration::from_secs(10)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(house.temporary_files(), 0);
    assert!(house.register.instance("1.2.77").is_some(), "the whole object counts, read answer or not");
    echo_within_a_second(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_sockets_and_floods_do_not_keep_a_listed_source_out() {
    let known = Source {
        calling_ae: "TEST".parse().unwrap(),
        addresses: Vec::new(),
        site: "VAN".parse().unwrap(),
        pathway: None,
        classes: Vec::new(),
        associations: None,
    };
    let timeouts = Timeouts { associate_ms: 3_000, ..Timeouts::default() };
    let house =
        House::open(Settings { half_open: 200, sources: vec![known], timeouts, ..Settings::default() });
    let mut sockets = Vec::new();
    for _ in 0..500 {
        sockets.push(Raw::connect(house.address).await);
    }
    echo_within_a_second(&house).await;
    for mut socket in sockets {
        assert!(socket.is_ended().await, "strangers are dropped by the timer");
    }
    for _ in 0..2_000 {
        drop(Raw::connect(house.address).await);
    }
    echo_within_a_second(&house).await;
    let mut stranger = Raw::connect(house.address).await;
    stranger.send(&associate_rq(b"STRANGER", &[(1, VERIFICATION, IMPLICIT)], 0)).await;
    assert_eq!(stranger.pdu().await.unwrap(), (3, vec![0, 1, 1, 3]), "calling AE title not recognised");
}

/// H07. A seat that a dropped association kept would show: there are far fewer seats than associations.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_associations_opened_and_dropped_leave_every_seat_free() {
    let house = House::open(Settings { associations: 40, ..Settings::default() });
    let contexts = [(1, VERIFICATION, IMPLICIT)];
    let mut accepted = 0;
    for _ in 0..500 {
        let opened = (0..20).map(|n| {
            let address = house.address;
            tokio::spawn(async move {
                let mut raw = Raw::connect(address).await;
                raw.send(&associate_rq(b"RAW", &contexts, 0)).await;
                // Half of them leave without having looked at the answer.
                if n % 2 == 0 { raw.pdu().await.is_some_and(|(kind, _)| kind == 2) } else { false }
            })
        });
        for one in opened.collect::<Vec<_>>() {
            accepted += usize::from(one.await.unwrap());
        }
    }
    assert!(accepted > 1_000, "{accepted} of 5,000 that waited were accepted");
    let started = Instant::now();
    let mut seats = Vec::new();
    while seats.len() < 40 {
        let mut raw = Raw::connect(house.address).await;
        raw.send(&associate_rq(b"RAW", &contexts, 0)).await;
        if raw.pdu().await.is_some_and(|(kind, _)| kind == 2) {
            seats.push(raw);
        } else {
            assert!(started.elapsed() < Duration::from_secs(5), "{} of 40 seats are free again", seats.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    drop(seats.pop());
    let started = Instant::now();
    while send::echo(&house.target()).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(5), "an echo has the seat that is free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_association_more_than_the_limit_is_rejected_for_now() {
    let house = House::open(Settings { associations: 2, ..Settings::default() });
    let contexts = [(1, VERIFICATION, IMPLICIT)];
    let first = Raw::associate(house.address, &contexts, 0).await;
    let _second = Raw::associate(house.address, &contexts, 0).await;
    let mut third = Raw::connect(house.address).await;
    third.send(&associate_rq(b"RAW", &contexts, 0)).await;
    assert_eq!(third.pdu().await.unwrap(), (3, vec![0, 2, 3, 2]), "local limit exceeded");
    drop(first);
    let started = Instant::now();
    while send::echo(&house.target()).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(5), "the seat is free again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_above_the_limit_is_refused_and_the_next_one_is_taken() {
    let house = House::open(Settings { object_size: 1_000_000, ..Settings::default() });
    let file = |uid: &str, size: usize| {
        house.file(uid, &part10(CR, uid, EXPLICIT, &data_set(CR, uid, &vec![0; size])))
    };
    let files = [file("1.2.1", 1_500_000), file("1.2.2", 500_000)];
    let target = send::Target { attempts: 1, ..house.target() };
    let answers = send::push(&target, &files, &|_| {}).await.unwrap();
    let stored: Vec<_> = answers.iter().map(|a| a.outcome.is_stored()).collect();
    assert_eq!(stored, [false, true], "{answers:?}");
    assert_eq!(house.temporary_files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_space_is_enough_to_recover() {
    let disk = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=20m", "tmpfs"])
        .arg(disk.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        println!("skipped: a small file system can't be mounted here");
        return;
    }
    let house = House::open_in(Settings::default(), &disk.path().join("archive"));
    let files: Vec<_> = (0..20)
        .map(|n| {
            let uid = format!("1.2.5.{n}");
            house.file(&uid, &part10(CR, &uid, EXPLICIT, &data_set(CR, &uid, &vec![n; 2_000_000])))
        })
        .collect();
    let target = send::Target { attempts: 1, associations: 3, ..house.target() };
    let answers = send::push(&target, &files, &|_| {}).await.unwrap();
    let refused =
        answers.iter().filter(|a| matches!(a.outcome, Outcome::Answered { status: 0xA700, .. })).count();
    let stored = answers.iter().filter(|a| a.outcome.is_stored()).count();
    assert_eq!(refused + stored, 20, "{answers:?}");
    assert!(refused >= 10 && stored >= 5, "{refused} refused, {stored} stored");
    assert_eq!(house.archive.hashes().unwrap().len(), stored, "disk and register agree");
    assert_eq!((house.register.count(), house.temporary_files()), (stored, 0));
    for hash in house.archive.hashes().unwrap() {
        house.archive.verify(&hash).unwrap();
    }
    let remount = std::process::Command::new("mount")
        .args(["-o", "remount,size=80m"])
        .arg(disk.path())
        .status()
        .unwrap();
    assert!(remount.success());
    let answers = send::push(&target, &files, &|_| {}).await.unwrap();
    assert!(answers.iter().all(|a| a.outcome.is_stored()), "{answers:?}");
    assert_eq!(house.register.count(), 20);
    house.stop.cancel();
    house.task.await.unwrap();
    let _ = std::process::Command::new("umount").arg("-l").arg(disk.path()).status();
}

/// Resident memory of this process in kilobytes.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or("VmRSS: 0 kB");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Runs [`measured_alone`] in a process of its own, where no other test adds to its memory.
#[test]
fn memory_stays_bounded_under_bombs_and_large_objects() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["receive_hostile::measured_alone", "--exact", "--nocapture"])
        .env("RECEIVE_ALONE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("measured: "),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{}", text.lines().find(|l| l.contains("measured: ")).unwrap_or_default());
}

#[tokio::test(flavor = "multi_thread")]
async fn measured_alone() {
    if std::env::var_os("RECEIVE_ALONE").is_none() {
        return;
    }
    let house = House::open(Settings { inflated_size: 256 << 20, ..Settings::default() });
    send::echo(&house.target()).await.unwrap();
    let large = |uid: &str, size: u64| {
        use std::io::Write;
        let path = house.folder.path().join(uid);
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
        let mut start = identity(CR, uid);
        start.extend(head(0x7FE0, 0x0010, "OW", u32::try_from(size).unwrap()));
        file.write_all(&part10(CR, uid, EXPLICIT, &start)).unwrap();
        file.flush().unwrap();
        // The pixels are a hole in the file.
        let file = file.into_inner().unwrap();
        file.set_len(file.metadata().unwrap().len() + size).unwrap();
        path
    };
    let nested = |uid: &str, depth: usize| {
        let mut set = identity(CR, uid);
        for _ in 0..depth {
            set.extend(head(0x0040, 0xA730, "SQ", u32::MAX));
            set.extend([0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
        }
        house.file(uid, &part10(CR, uid, EXPLICIT, &set))
    };
    let bomb = |uid: &str| {
        use std::io::Write;
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut start = identity(CR, uid);
        start.extend(head(0x0042, 0x0011, "UT", 1 << 30));
        encoder.write_all(&start).unwrap();
        for _ in 0..1024 {
            encoder.write_all(&vec![0; 1 << 20]).unwrap();
        }
        house.file(uid, &part10(CR, uid, "1.2.840.10008.1.2.1.99", &encoder.finish().unwrap()))
    };
    let hostile = [nested("1.2.1", 100_000), nested("1.2.2", 1_000_000), bomb("1.2.3")];
    let good: Vec<_> = (0..8).map(|n| large(&format!("1.3.{n}"), 100_000_000)).collect();
    let warm = large("1.3.99", 1_000_000);
    send::push(&house.target(), &[warm], &|_| {}).await.unwrap();
    let before = resident_kb();
    for file in hostile {
        assert_eq!(answer_to(&house, file).await, 0xC000);
        echo_within_a_second(&house).await;
    }
    let target = send::Target { associations: 4, attempts: 1, ..house.target() };
    let answers = send::push(&target, &good, &|_| {}).await.unwrap();
    assert!(answers.iter().all(|a| a.outcome.is_stored()), "{answers:?}");
    let grown = resident_kb().saturating_sub(before);
    println!(
        "measured: {grown} kB more after bombs and 800 MB of large objects on 4 associations, from {before} kB"
    );
    // The sender's buffers are in here, too.
    assert!(grown < 20_000, "memory grew by {grown} kB");
}
