//! The way in: temporary files of this process, and their publication in batches.
//!
//! In: drafts. Out: objects under their final names, durable. Each writing process has a
//! folder of its own below `incoming`, locked for as long as it lives; what processes that
//! were killed left there is swept when the next one starts.

use super::{Archive, ArchiveError, Draft, Sealed};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Write access to the archive, one per process.
#[derive(Debug)]
pub struct Incoming {
    archive: Archive,
    folder: PathBuf,
    /// Held locked: says that the folder's owner lives.
    _lock: File,
    next: AtomicU64,
}

/// What became of a sealed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its name.
    pub hash: String,
    /// False where an object of the same bytes was there already.
    pub created: bool,
}

impl Incoming {
    /// Opens the archive for writing, and sweeps what dead processes left behind.
    pub fn open(archive: &Archive) -> Result<Self, ArchiveError> {
        let all = archive.root().join("incoming");
        std::fs::create_dir_all(&all).map_err(|e| ArchiveError::from_io("make its folder", e))?;
        sweep(&all)?;
        let folder = all.join(uuid::Uuid::now_v7().to_string());
        std::fs::create_dir(&folder).map_err(|e| ArchiveError::from_io("make its folder", e))?;
        let lock = lock_of(&folder)?.ok_or(ArchiveError::Io {
            act: "lock its folder",
            source: std::io::ErrorKind::WouldBlock.into(),
        })?;
        Ok(Self { archive: archive.clone(), folder, _lock: lock, next: AtomicU64::new(0) })
    }

    /// The archive that is written to.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Starts a temporary file.
    pub fn begin(&self) -> Result<Draft, ArchiveError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Draft::create(self.folder.join(format!("{number:016x}.part")))
    }

    /// Gives sealed files their final names and syncs each folder once. One answer per file, in
    /// order: a failure of one leaves the others alone.
    pub fn publish(&self, batch: Vec<Sealed>) -> Vec<Result<Published, ArchiveError>> {
        let mut folders = BTreeSet::new();
        let mut answers: Vec<_> = batch.into_iter().map(|sealed| self.place(&sealed, &mut folders)).collect();
        for folder in &folders {
            let Err(error) = sync_folder(folder) else { continue };
            tracing::error!(%error, "a folder of the archive could not be synced; its new objects are refused");
            for answer in &mut answers {
                let here = |hash: &str| self.archive.path_of(hash).is_ok_and(|path| path.starts_with(folder));
                if let Ok(published) = answer
                    && here(&published.hash)
                {
                    self.withdraw(published);
                    *answer = Err(ArchiveError::from_io("sync a folder", std::io::Error::from(error.kind())));
                }
            }
        }
        answers
    }

    /// Takes back a publication that has no row: only a file that it created itself.
    pub fn withdraw(&self, published: &Published) {
        let Ok(path) = self.archive.path_of(&published.hash) else { return };
        if published.created
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::warn!(%error, "a withdrawn object could not be removed");
        }
    }

    fn place(&self, sealed: &Sealed, folders: &mut BTreeSet<PathBuf>) -> Result<Published, ArchiveError> {
        let path = self.archive.path_of(sealed.hash())?;
        let folder = path.parent().ok_or(ArchiveError::NotAHash)?;
        // Same name means same bytes. A file of another size is damaged and is replaced.
        let created = !std::fs::metadata(&path).is_ok_and(|there| there.len() == sealed.size_bytes());
        if created {
            self.make_folder(folder, folders)?;
            std::fs::rename(sealed.path(), &path).map_err(|e| ArchiveError::from_io("name an object", e))?;
        }
        folders.insert(folder.to_owned());
        Ok(Published { hash: sealed.hash().to_owned(), created })
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

/// The lock of a process's folder, or `None` where its owner lives.
fn lock_of(folder: &Path) -> Result<Option<File>, ArchiveError> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join("lock"))
        .map_err(|e| ArchiveError::from_io("open a lock", e))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(ArchiveError::from_io("take a lock", e.into())),
    }
}

/// Removes the folders of processes that are gone.
fn sweep(all: &Path) -> Result<(), ArchiveError> {
    let entries = std::fs::read_dir(all).map_err(|e| ArchiveError::from_io("list temporary files", e))?;
    for entry in entries {
        let path = entry.map_err(|e| ArchiveError::from_io("list temporary files", e))?.path();
        if !path.is_dir() {
            continue;
        }
        if let Some(_lock) = lock_of(&path)? {
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
