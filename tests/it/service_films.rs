//! Films and those who send them: what was answered with success is noted, to be asked for afterwards.

use crate::receive_house::{CR, EXPLICIT, data_set_of, element, part10};
use crate::service_house::House;
use doubleread::archive::Archive;
use doubleread::phantom::{StudyOptions, generate_study};
use doubleread::receive::send::{Outcome, Sent, Target, push};
use doubleread::store::Store;
use doubleread::vocab::{Pathway, SopInstanceUid, StudyInstanceUid};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Objects that a sender makes for one association.
const CHUNK: usize = 16;

/// A study of one frontal chest film whose pixels are noise, in a Part-10 file.
pub fn film(uid: &str, study: &str, pixels: &[u8]) -> Vec<u8> {
    film_of("SYN-DURABLE", uid, study, pixels)
}

/// The same of a patient.
pub fn film_of(patient: &str, uid: &str, study: &str, pixels: &[u8]) -> Vec<u8> {
    let data_set = [
        element(0x0008, 0x0016, "UI", CR.as_bytes()),
        element(0x0008, 0x0018, "UI", uid.as_bytes()),
        element(0x0008, 0x0060, "CS", b"CR"),
        element(0x0010, 0x0010, "PN", b"SYNTHETIC^DURABLE"),
        element(0x0010, 0x0020, "LO", patient.as_bytes()),
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

/// What a sender and its test share.
#[derive(Clone, Default)]
pub struct Progress {
    /// Successes so far.
    pub stored: Arc<AtomicUsize>,
    /// Set by the test: the association at hand is the last.
    pub enough: Arc<AtomicBool>,
}

/// One modality: makes films, sends them, and sends again what it got no success for.
pub struct Sender {
    pub name: String,
    folder: PathBuf,
    random: StdRng,
    made: usize,
    owed: Vec<PathBuf>,
    /// Files that were answered with success, by UID.
    pub stored: HashMap<String, PathBuf>,
    pub outcomes: BTreeMap<String, usize>,
}

impl Sender {
    pub fn new(house: &House, number: usize, seed: u64) -> Self {
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
    pub async fn send_until_cut(self, target: Target) -> Self {
        self.send(target, Progress::default()).await
    }

    /// Sends until the service is gone or the test has enough.
    pub async fn send(mut self, target: Target, progress: Progress) -> Self {
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
                    progress.stored.fetch_add(1, Ordering::Relaxed);
                }
            }
            if ended.is_err() || progress.enough.load(Ordering::Relaxed) {
                return self;
            }
        }
    }
}

/// Every UID that was answered with success has a row and a file, with the bytes that were sent.
pub async fn assert_all_there(store: &Store, archive: &Archive, stored: &HashMap<String, PathBuf>) {
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

/// Writes a synthetic chest film and gives its path, its UID and that of its study.
pub fn chest_film(house: &House, seed: u64) -> (PathBuf, SopInstanceUid, StudyInstanceUid) {
    chest_film_of_size(house, seed, (200, 240))
}

/// The same of so many columns and rows.
pub fn chest_film_of_size(
    house: &House,
    seed: u64,
    size: (u32, u32),
) -> (PathBuf, SopInstanceUid, StudyInstanceUid) {
    let options = StudyOptions { size: Some(size), age_years: Some(54), ..StudyOptions::default() };
    let instance = generate_study(Pathway::Chest, seed, &options).remove(0);
    let path = house.folder.path().join(&instance.file_name);
    std::fs::write(&path, instance.part10().unwrap()).unwrap();
    let study = instance.identity.study.study_instance_uid.parse().unwrap();
    (path, instance.identity.sop_instance_uid.parse().unwrap(), study)
}
