//! The whole service on a disk that is full, and on one that is slow.

use crate::receive_house::data_set_of;
use crate::service_films::{Progress, Sender, assert_all_there, film};
use crate::service_house::{House, amount, can_trace, seed, wait_for};
use doubleread::receive::send::{Outcome, Target, push};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A small file system in memory, gone with its test.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=20m", "tmpfs"])
            .arg(folder.path())
            .output();
        if !mount.is_ok_and(|output| output.status.success()) {
            println!("skipped: a small file system can't be mounted here");
            return None;
        }
        Some(Self(folder))
    }

    fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=80m"]).arg(self.0.path()).status();
        assert!(grown.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r04_a_full_disk_refuses_leaves_nothing_behind_and_space_is_enough_to_recover() {
    let Some(disk) = SmallDisk::mount() else { return };
    // Archive and database on the one disk, as an installation by default.
    let mut house = House::build_with("", |config| {
        config["service"]["data_dir"] = disk.0.path().to_str().unwrap().into();
    });
    house.start().await;
    let files: Vec<PathBuf> = (0..20_u8)
        .map(|n| {
            let (study, path) = (format!("2.25.4{n:03}"), house.folder.path().join(format!("{n}.dcm")));
            std::fs::write(&path, film(&format!("{study}.1.1"), &study, &vec![n; 2_000_000])).unwrap();
            path
        })
        .collect();
    let target = Target { associations: 3, ..house.target("ROOM1") };
    let mut stored = HashMap::new();
    let mut refused = 0;
    for sent in push(&target, &files, &|_| {}).await.unwrap() {
        match sent.outcome {
            Outcome::Answered { status: 0, .. } => {
                stored.insert(sent.sop_instance_uid.unwrap(), sent.path);
            }
            Outcome::Answered { status: 0xA700..=0xA7FF, .. } => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    println!("{} stored, {refused} refused", stored.len());
    assert!(stored.len() >= 5 && refused >= 10, "{} stored, {refused} refused", stored.len());
    assert_eq!(
        house.archive().hashes().unwrap().len(),
        stored.len(),
        "a file under a final name was refused"
    );
    assert_eq!(house.temporary_files(), Vec::<PathBuf>::new());
    disk.grow();
    // Space is enough: no restart.
    for sent in push(&target, &files, &|_| {}).await.unwrap() {
        assert!(sent.outcome.is_stored(), "{:?}\n{}", sent.outcome, house.log());
        stored.insert(sent.sop_instance_uid.unwrap(), sent.path);
    }
    assert_eq!(stored.len(), files.len());
    let store = house.store().await;
    assert_all_there(&store, &house.archive(), &stored).await;
    house.jobs_done(&store).await;
    store.close().await;
    house.stop().await;
    house.verify();
    let sent = std::fs::read(&files[0]).unwrap();
    assert!(data_set_of(&sent).len() > 2_000_000);
}

/// Resident memory in kilobytes, and open files, of a process.
fn burden(process: u32) -> (u64, usize) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    let kilobytes = line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let files = std::fs::read_dir(Path::new("/proc").join(process.to_string()).join("fd"));
    (kilobytes, files.map_or(0, Iterator::count))
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_sixteen_senders_on_a_slow_disk_leave_memory_and_file_descriptors_flat() {
    const SENDERS: usize = 16;
    /// What every sync takes longer on the slow disk, in microseconds.
    const SLOWER_US: u32 = 30_000;
    if !can_trace() {
        return;
    }
    let length = Duration::from_secs(amount("SOAK_MINUTES", 0_u64) * 60).max(Duration::from_secs(8));
    let seed = seed();
    let mut house = House::build("");
    let slow = format!("inject=fsync,fdatasync:delay_enter={SLOWER_US}");
    house.prefix = ["strace", "--follow-forks", "--seccomp-bpf", "--quiet=all", "--signal=none"]
        .into_iter()
        .chain(["--output", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &slow])
        .map(str::to_owned)
        .collect();
    house.start().await;
    let progress = Progress::default();
    let sending: Vec<_> = (0..SENDERS)
        .map(|number| {
            let sender = Sender::new(&house, number, seed);
            tokio::spawn(sender.send(house.target(&format!("SENDER{number}")), progress.clone()))
        })
        .collect();
    // Buffers, connections and children are there after the first part; from then on nothing may grow.
    let began = Instant::now();
    let process = house.process();
    let mut samples = Vec::new();
    while began.elapsed() < length {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (kilobytes, files) = burden(process);
        samples.push((began.elapsed(), kilobytes, files));
    }
    progress.enough.store(true, Ordering::Relaxed);
    let mut stored = HashMap::new();
    for sender in sending {
        stored.extend(sender.await.unwrap().stored);
    }
    let part = |from: f64, to: f64| {
        let part: Vec<_> = samples
            .iter()
            .filter(|(at, ..)| *at >= length.mul_f64(from) && *at < length.mul_f64(to))
            .collect();
        (part.iter().map(|s| s.1).max().unwrap(), part.iter().map(|s| s.2).max().unwrap())
    };
    let (early, late) = (part(0.2, 0.5), part(0.7, 1.0));
    println!(
        "{} objects in {:?}, each sync {SLOWER_US} us longer; memory {} kB then {} kB at most, files {} then {}",
        stored.len(),
        began.elapsed(),
        early.0,
        late.0,
        early.1,
        late.1
    );
    assert!(late.0 <= early.0 + 20_000, "memory grew from {} kB to {} kB", early.0, late.0);
    assert!(late.1 <= early.1 + SENDERS, "open files grew from {} to {}", early.1, late.1);
    let store = house.store().await;
    assert_all_there(&store, &house.archive(), &stored).await;
    wait_for("the files to be closed", async || (burden(process).1 < early.1).then_some(())).await;
    store.close().await;
    house.stop().await;
}
