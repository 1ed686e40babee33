//! A receiver in a folder of its own, an in-memory register, and small objects to send it.
//! The register stands in for the database in tests of the protocol alone.

use doubleread::archive::{Archive, Incoming};
use doubleread::receive::send::Target;
use doubleread::receive::{
    InstanceRegister, Quarantine, QuarantineRegister, Receiver, RegisterError, Settings,
};
use doubleread::vocab::{
    AeTitle, Instance, RefusedObject, RefusedUsage, Registration, SystemClock, Timestamp,
};
use futures::future::BoxFuture;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

pub const CR: &str = "1.2.840.10008.5.1.4.1.1.1";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Instances by UID; the rules of [`Registration`], kept in memory.
#[derive(Default)]
pub struct Register {
    pub known: Mutex<HashMap<String, Instance>>,
    pub conflicts: Mutex<Vec<Instance>>,
    pub away: AtomicBool,
    pub refused: Mutex<HashMap<String, RefusedObject>>,
}

impl Register {
    pub fn instance(&self, uid: &str) -> Option<Instance> {
        self.known.lock().unwrap().get(uid).cloned()
    }
    pub fn count(&self) -> usize {
        self.known.lock().unwrap().len()
    }
}

impl InstanceRegister for Register {
    fn register(&self, instances: Vec<Instance>) -> BoxFuture<'_, Result<Vec<Registration>, RegisterError>> {
        Box::pin(async move {
            if self.away.load(Ordering::SeqCst) {
                return Err(RegisterError::NotRegistered("the database is away".into()));
            }
            let mut known = self.known.lock().unwrap();
            let mut one = |instance: Instance| match known.get(instance.sop_instance_uid.as_str()) {
                None => {
                    known.insert(instance.sop_instance_uid.to_string(), instance);
                    Registration::Stored
                }
                Some(there) if there.content_hash == instance.content_hash => Registration::AlreadyStored,
                Some(_) => {
                    self.conflicts.lock().unwrap().push(instance);
                    Registration::Conflict
                }
            };
            Ok(instances.into_iter().map(&mut one).collect())
        })
    }

    fn is_named(&self, instance: Instance) -> BoxFuture<'_, Result<bool, RegisterError>> {
        let known = self.instance(instance.sop_instance_uid.as_str());
        let named = known.is_some_and(|known| known.content_hash == instance.content_hash);
        Box::pin(async move { Ok(named) })
    }
}

impl QuarantineRegister for Register {
    fn usage<'a>(
        &'a self,
        content_hash: &'a str,
        _: &'a AeTitle,
        _: Timestamp,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<RefusedUsage, RegisterError>> {
        let refused = self.refused.lock().unwrap();
        let usage = RefusedUsage {
            objects: refused.len() as u64,
            bytes: refused.values().map(|object| object.size_bytes).sum(),
            of_source: 0,
            holds_it: refused.contains_key(content_hash),
            ..RefusedUsage::default()
        };
        Box::pin(async move { Ok(usage) })
    }
    fn make_room(
        &self,
        _: u64,
        _: u64,
        _: Timestamp,
        _: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<String>, RegisterError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn record(&self, object: RefusedObject) -> BoxFuture<'_, Result<(), RegisterError>> {
        self.refused.lock().unwrap().insert(object.content_hash.clone(), object);
        Box::pin(async { Ok(()) })
    }
    fn known(&self, _: Vec<String>) -> BoxFuture<'_, Result<HashSet<String>, RegisterError>> {
        Box::pin(async { Ok(HashSet::new()) })
    }
}

/// A running receiver.
pub struct House {
    pub address: SocketAddr,
    pub archive: Archive,
    pub quarantine: Archive,
    pub register: Arc<Register>,
    pub folder: tempfile::TempDir,
    pub stop: CancellationToken,
    pub task: tokio::task::JoinHandle<()>,
}

impl House {
    pub fn open(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("archive");
        Self::open_at(settings, folder, &root)
    }

    /// With the archive elsewhere than in the folder of the house.
    pub fn open_in(settings: Settings, root: &Path) -> Self {
        Self::open_at(settings, tempfile::tempdir().unwrap(), root)
    }

    fn open_at(settings: Settings, folder: tempfile::TempDir, root: &Path) -> Self {
        let archive = Archive::open(root).unwrap();
        let incoming = Arc::new(Incoming::open(&archive).unwrap());
        let register = Arc::new(Register::default());
        let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), ..settings };
        let quarantine = Archive::open(folder.path().join("quarantine")).unwrap();
        let (clock, bounds) = (Arc::new(SystemClock), settings.quarantine.clone());
        let keeper = Quarantine::open(quarantine.root(), register.clone(), bounds, clock.clone());
        let keeper = futures::executor::block_on(keeper).unwrap();
        let receiver =
            Receiver::bind(settings, incoming, register.clone(), clock).unwrap().with_quarantine(keeper);
        let address = receiver.local_address();
        let stop = CancellationToken::new();
        let task = tokio::spawn(receiver.serve(stop.clone()));
        Self { address, archive, quarantine, register, folder, stop, task }
    }

    pub fn target(&self) -> Target {
        Target::new(self.address.to_string(), "DOUBLEREAD".parse().unwrap(), "TEST".parse().unwrap())
    }

    /// Writes a file to be sent.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The stored file of an instance, as bytes.
    pub fn stored(&self, uid: &str) -> Option<Vec<u8>> {
        let instance = self.register.instance(uid)?;
        Some(self.archive.read(&instance.content_hash, 1 << 30).unwrap())
    }

    /// Files below `incoming` other than locks.
    pub fn temporary_files(&self) -> usize {
        let mut count = 0;
        for folder in std::fs::read_dir(self.archive.root().join("incoming")).unwrap() {
            // A lock lies beside the folders.
            let Ok(files) = std::fs::read_dir(folder.unwrap().path()) else { continue };
            count += files.filter(|f| f.as_ref().unwrap().file_name() != "lock").count();
        }
        count
    }
}

/// An element in explicit little endian; text is padded.
pub fn element(group: u16, number: u16, vr: &str, value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == "UI" { 0 } else { b' ' });
    }
    let mut bytes = head(group, number, vr, u32::try_from(value.len()).unwrap());
    bytes.extend(value);
    bytes
}

/// An element's header in explicit little endian.
pub fn head(group: u16, number: u16, vr: &str, length: u32) -> Vec<u8> {
    let mut bytes = [group.to_le_bytes(), number.to_le_bytes()].concat();
    bytes.extend(vr.bytes());
    if ["OB", "OW", "SQ", "UN", "UT"].contains(&vr) {
        bytes.extend([0, 0]);
        bytes.extend(length.to_le_bytes());
    } else {
        bytes.extend(u16::try_from(length).unwrap().to_le_bytes());
    }
    bytes
}

/// The attributes of a small chest film, without pixels.
pub fn identity(class: &str, uid: &str) -> Vec<u8> {
    [
        element(0x0008, 0x0016, "UI", class.as_bytes()),
        element(0x0008, 0x0018, "UI", uid.as_bytes()),
        element(0x0008, 0x0060, "CS", b"CR"),
        element(0x0010, 0x0010, "PN", b"Canary^Name"),
        element(0x0010, 0x0020, "LO", b"P1"),
        element(0x0020, 0x000D, "UI", b"1.2.3"),
        element(0x0020, 0x000E, "UI", b"1.2.3.1"),
        element(0x0028, 0x0010, "US", &[16, 0]),
        element(0x0028, 0x0011, "US", &[16, 0]),
    ]
    .concat()
}

/// A whole data set with `pixels`.
pub fn data_set(class: &str, uid: &str, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = identity(class, uid);
    bytes.extend(element(0x7FE0, 0x0010, "OW", pixels));
    bytes
}

/// A Part-10 file around a data set, as any other writer would make it.
pub fn part10(class: &str, uid: &str, syntax: &str, data_set: &[u8]) -> Vec<u8> {
    let meta = [
        element(0x0002, 0x0001, "OB", &[0, 1]),
        element(0x0002, 0x0002, "UI", class.as_bytes()),
        element(0x0002, 0x0003, "UI", uid.as_bytes()),
        element(0x0002, 0x0010, "UI", syntax.as_bytes()),
        element(0x0002, 0x0012, "UI", b"1.2.3.9"),
        element(0x0002, 0x0016, "AE", b"SOMEONE"),
    ]
    .concat();
    let length = u32::try_from(meta.len()).unwrap().to_le_bytes();
    [vec![0; 128], b"DICM".to_vec(), element(0x0002, 0x0000, "UL", &length), meta, data_set.to_vec()].concat()
}

/// The data set within a Part-10 file.
pub fn data_set_of(file: &[u8]) -> Vec<u8> {
    let head = doubleread::receive::send::read_head_of(&mut &file[..]).unwrap();
    file[usize::try_from(head.data_set_at).unwrap()..].to_vec()
}

/// Real files that are lent to this project; `None`, with a line that says so, where they are not there.
pub fn real_files() -> Option<Vec<PathBuf>> {
    let root = std::env::var("DOUBLEREAD_SHARED_DATA")
        .unwrap_or_else(|_| format!("{}/../shared/data", env!("CARGO_MANIFEST_DIR")));
    let folder = Path::new(&root).join("dicom");
    if !folder.is_dir() {
        println!("skipped: no real files at {}", folder.display());
        return None;
    }
    let mut found = Vec::new();
    for kind in std::fs::read_dir(folder).unwrap().flatten().filter(|e| e.path().is_dir()) {
        found.extend(std::fs::read_dir(kind.path()).unwrap().flatten().map(|e| e.path()));
    }
    found.sort();
    Some(found)
}

/// Whether an outside tool can be run; says so where it can't, and fails where peers are required.
pub fn has_tool(name: &str) -> bool {
    let found = std::process::Command::new(name).arg("--version").output().is_ok();
    assert!(found || std::env::var("REQUIRE_PEERS").as_deref() != Ok("1"), "{name} is required");
    if !found {
        println!("skipped: {name} is not installed");
    }
    found
}
