//! The way in: temporary files of this process, and their publication in batches.
//!
//! In: drafts. Out: objects under their final names, durable. Each writing process has a
//! folder of its own below `incoming`, locked for as long as it lives; what processes that
//! were killed left there is swept when the next one starts.
//!
//! Several processes may write to one archive (`locks`): an object is never removed while any
//! of them may be about to register it.

use super::locks::{Hold, Locks, Removal, lock_of, wait_for_lock};
use super::writing::Scratches;
use super::{Archive, ArchiveError, Draft, Sealed};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Write access to the archive, one per process.
#[derive(Debug)]
pub struct Incoming {
    archive: Archive,
    folder: PathBuf,
    /// Held locked: says that the folder's owner lives.
    _lock: File,
    locks: Locks,
    scratches: Arc<Scratches>,
    next: AtomicU64,
}

/// What became of a sealed file. No process can take the object back while this lives: keep it until the row
/// is committed, or certainly isn't.
#[derive(Debug)]
pub struct Published {
    /// Its name.
    pub hash: String,
    /// False where an object of the same bytes was there already.
    pub created: bool,
    _hold: Hold,
}

impl Incoming {
    /// Opens the archive for writing, and sweeps what dead processes left behind.
    pub fn open(archive: &Archive) -> Result<Self, ArchiveError> {
        let all = archive.root().join("incoming");
        std::fs::create_dir_all(&all).map_err(|e| ArchiveError::from_io("make its folder", e))?;
        let locks = Locks::open(archive.root())?;
        // Processes that start together must not sweep the folder that another has made and not yet locked.
        let _starting = wait_for_lock(&all.join("start.lock"))?;
        sweep(&all)?;
        let folder = all.join(uuid::Uuid::now_v7().to_string());
        std::fs::create_dir(&folder).map_err(|e| ArchiveError::from_io("make its folder", e))?;
        let lock = lock_of(&folder.join("lock"))?.ok_or(ArchiveError::Io {
            act: "lock its folder",
            source: std::io::ErrorKind::WouldBlock.into(),
        })?;
        Ok(Self {
            archive: archive.clone(),
            folder,
            _lock: lock,
            locks,
            scratches: Arc::default(),
            next: AtomicU64::new(0),
        })
    }

    /// The archive that is written to.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Starts a temporary file.
    pub fn begin(&self) -> Result<Draft, ArchiveError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Draft::create(self.folder.join(format!("{number:016x}.part")), Arc::clone(&self.scratches))
    }

    /// Gives sealed files their final names and syncs each folder once. One answer per file, in
    /// order: a failure of one leaves the others alone. [`ArchiveError::NotDurable`] leaves a file
    /// behind that the caller takes back.
    pub fn publish(&self, batch: Vec<Sealed>) -> Vec<Result<Published, ArchiveError>> {
        let (mut folders, mut holds) = (BTreeSet::new(), BTreeMap::new());
        let mut answers: Vec<_> =
            batch.into_iter().map(|sealed| self.place(&sealed, &mut folders, &mut holds)).collect();
        for folder in &folders {
            let Err(error) = sync_folder(folder) else { continue };
            tracing::error!(%error, "a folder of the archive could not be synced; its new objects are refused");
            for answer in &mut answers {
                let here = |hash: &str| self.archive.path_of(hash).is_ok_and(|path| path.starts_with(folder));
                if let Ok(published) = answer
                    && here(&published.hash)
                {
                    let source = std::io::Error::from(error.kind());
                    *answer = Err(match published.created {
                        true => ArchiveError::NotDurable { hash: published.hash.clone(), source },
                        false => ArchiveError::from_io("sync a folder", source),
                    });
                }
            }
        }
        answers
    }

    /// The right to remove an object that has no row, or `None` where another process, or this one, may be about
    /// to register it: then it stays. Look whether it has a row *after* this, and remove it only where it has none.
    pub fn take_back(&self, hash: &str) -> Result<Option<Removal>, ArchiveError> {
        self.locks.removal(hash, self.archive.path_of(hash)?)
    }

    fn place(
        &self,
        sealed: &Sealed,
        folders: &mut BTreeSet<PathBuf>,
        holds: &mut BTreeMap<String, Hold>,
    ) -> Result<Published, ArchiveError> {
        let path = self.archive.path_of(sealed.hash())?;
        let folder = path.parent().ok_or(ArchiveError::NotAHash)?;
        // Before the look at what is there: from here on it stays.
        let hold = self.locks.hold(sealed.hash(), holds)?;
        // Same name means same bytes. A file of another size is damaged and is replaced.
        let created = !std::fs::metadata(&path).is_ok_and(|there| there.len() == sealed.size_bytes());
        if created {
            self.make_folder(folder, folders)?;
            std::fs::rename(sealed.path(), &path).map_err(|e| ArchiveError::from_io("name an object", e))?;
        }
        folders.insert(folder.to_owned());
        Ok(Published { hash: sealed.hash().to_owned(), created, _hold: hold })
    }

    /// Makes `objects/ab/cd`; folders whose list changed are synced with the rest.
    fn make_folder(&self, folder: &Path, folders: &mut BTreeSet<PathBuf>) -> Result<(), ArchiveError> {
        let made = |path: &Path| match std::fs::create_dir(path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(ArchiveError::from_io("make a folder", e)),
        };
        let Some(parent) = folder.parent() else { return Ok(()) };
        if made(parent)? {
            folders.insert(self.archive.root().join("objects"));
        }
        if made(folder)? {
            folders.insert(parent.to_owned());
        }
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Best effort: what stays is swept at the next start.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes the folders of processes that are gone.
fn sweep(all: &Path) -> Result<(), ArchiveError> {
    let entries = std::fs::read_dir(all).map_err(|e| ArchiveError::from_io("list temporary files", e))?;
    for entry in entries {
        let path = entry.map_err(|e| ArchiveError::from_io("list temporary files", e))?.path();
        if !path.is_dir() {
            continue;
        }
        if let Some(_lock) = lock_of(&path.join("lock"))? {
            let orphans = std::fs::read_dir(&path).map(|list| list.count().saturating_sub(1)).unwrap_or(0);
            std::fs::remove_dir_all(&path).map_err(|e| ArchiveError::from_io("sweep temporary files", e))?;
            if orphans > 0 {
                tracing::info!(orphans, "temporary files of a process that is gone were removed");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(incoming: &Incoming, bytes: &[u8]) -> Sealed {
        let mut draft = incoming.begin().unwrap();
        let (a, b) = bytes.split_at(bytes.len() / 2);
        draft.append(&[a, &[], b]).unwrap();
        draft.seal().unwrap()
    }

    #[test]
    fn the_same_bytes_are_kept_once_under_their_hash() {
        let root = tempfile::tempdir().unwrap();
        let archive = Archive::open(root.path()).unwrap();
        let incoming = Incoming::open(&archive).unwrap();
        let batch = vec![sealed(&incoming, b"one"), sealed(&incoming, b"two"), sealed(&incoming, b"one")];
        let answers: Vec<_> = incoming.publish(batch).into_iter().map(|a| a.unwrap()).collect();
        assert_eq!(answers.iter().map(|a| a.created).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(archive.read(&answers[0].hash, 100).unwrap(), b"one");
        assert_eq!(archive.verify(&answers[1].hash).unwrap(), 3);
        assert_eq!(archive.hashes().unwrap().len(), 2);
        let left = std::fs::read_dir(&incoming.folder).unwrap().count();
        assert_eq!(left, 1, "only the lock is left in the folder of temporary files");
    }

    #[test]
    fn r21_an_object_that_another_process_may_register_is_not_taken_back() {
        let root = tempfile::tempdir().unwrap();
        let archive = Archive::open(root.path()).unwrap();
        let (one, other) = (Incoming::open(&archive).unwrap(), Incoming::open(&archive).unwrap());
        let refused = one.publish(vec![sealed(&one, b"abc")]).remove(0).unwrap();
        let found = other.publish(vec![sealed(&other, b"abc")]).remove(0).unwrap();
        assert!(refused.created && !found.created);
        let hash = refused.hash.clone();
        drop(refused);
        assert!(one.take_back(&hash).unwrap().is_none(), "the other process still holds it");
        drop(found);
        one.take_back(&hash).unwrap().expect("nobody holds it").remove();
        assert!(archive.hashes().unwrap().is_empty());
        assert!(!one.publish(vec![sealed(&one, b"x")]).remove(0).unwrap().hash.is_empty());
    }

    #[test]
    fn r21_processes_that_start_together_sweep_no_living_folder() {
        let root = tempfile::tempdir().unwrap();
        let archive = Archive::open(root.path()).unwrap();
        let starting: Vec<_> = (0..8)
            .map(|_| {
                let archive = archive.clone();
                std::thread::spawn(move || {
                    let incoming = Incoming::open(&archive).unwrap();
                    incoming.begin().unwrap().append(&[b"x"]).unwrap();
                    incoming
                })
            })
            .collect();
        let living: Vec<_> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(living.iter().all(|incoming| incoming.begin().is_ok()));
    }

    #[test]
    fn a_changed_byte_is_found() {
        let root = tempfile::tempdir().unwrap();
        let archive = Archive::open(root.path()).unwrap();
        let incoming = Incoming::open(&archive).unwrap();
        let hash = incoming.publish(vec![sealed(&incoming, b"abc")]).remove(0).unwrap().hash;
        std::fs::write(archive.path_of(&hash).unwrap(), b"abd").unwrap();
        assert!(matches!(archive.verify(&hash), Err(ArchiveError::Corrupt { .. })));
    }

    #[test]
    fn temporary_files_of_the_dead_are_swept_and_those_of_the_living_stay() {
        let root = tempfile::tempdir().unwrap();
        let archive = Archive::open(root.path()).unwrap();
        let living = Incoming::open(&archive).unwrap();
        let draft = living.begin().unwrap();
        let dead = root.path().join("incoming/dead");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join("0.part"), b"half").unwrap();
        let _second = Incoming::open(&archive).unwrap();
        assert!(!dead.exists());
        assert!(living.folder.join("0000000000000000.part").exists());
        drop(draft);
        assert!(!living.folder.join("0000000000000000.part").exists());
    }
}
