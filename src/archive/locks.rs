//! Locks between the processes that write to one archive.
//!
//! In: content hashes. Out: a shared [`Hold`] while an object waits for its row, and the
//! exclusive right of [`Removal`] to take one back. The locks are advisory locks of the
//! operating system on one small file for each first byte of the hash, so they end with the
//! process that had them. They must never be waited for by a removal: it gives up instead.

use super::ArchiveError;
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keeps every object with the same first byte where it is.
pub(super) type Hold = Arc<File>;

/// The lock files of an archive.
#[derive(Debug)]
pub(super) struct Locks {
    folder: PathBuf,
}

impl Locks {
    pub fn open(root: &Path) -> Result<Self, ArchiveError> {
        let folder = root.join("locks");
        std::fs::create_dir_all(&folder).map_err(|e| ArchiveError::from_io("make its folder", e))?;
        Ok(Self { folder })
    }

    /// Holds the object named `hash`; `holds` has what this batch holds already. Waits for a removal to end.
    pub fn hold(&self, hash: &str, holds: &mut BTreeMap<String, Hold>) -> Result<Hold, ArchiveError> {
        let name = name_of(hash)?;
        if let Some(hold) = holds.get(name) {
            return Ok(Arc::clone(hold));
        }
        let file = open(&self.folder.join(name))?;
        take(&file, FlockOperation::LockShared)?;
        let hold = Arc::new(file);
        holds.insert(name.to_owned(), Arc::clone(&hold));
        Ok(hold)
    }

    /// The right to remove the object named `hash` at `path`, if nobody holds it.
    pub fn removal(&self, hash: &str, path: PathBuf) -> Result<Option<Removal>, ArchiveError> {
        Ok(lock_of(&self.folder.join(name_of(hash)?))?.map(|alone| Removal { path, _alone: alone }))
    }
}

/// The right to remove one object: while it lives, no process places an object of that first byte or registers one.
#[derive(Debug)]
pub struct Removal {
    path: PathBuf,
    _alone: File,
}

impl Removal {
    /// Removes the object, for which the caller has seen that there is no row.
    pub fn remove(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, "an object without a row could not be removed");
        }
    }
}

/// The lock on a file, or `None` where somebody has it.
pub(super) fn lock_of(path: &Path) -> Result<Option<File>, ArchiveError> {
    let file = open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(ArchiveError::from_io("take a lock", e.into())),
    }
}

/// The lock on a file, as soon as nobody else has it.
pub(super) fn wait_for_lock(path: &Path) -> Result<File, ArchiveError> {
    let file = open(path)?;
    take(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

fn take(file: &File, operation: FlockOperation) -> Result<(), ArchiveError> {
    loop {
        match flock(file, operation) {
            Err(rustix::io::Errno::INTR) => {}
            outcome => return outcome.map_err(|e| ArchiveError::from_io("take a lock", e.into())),
        }
    }
}

fn open(path: &Path) -> Result<File, ArchiveError> {
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| ArchiveError::from_io("open a lock", e))
}

/// The name of the lock file: the first byte of the hash.
fn name_of(hash: &str) -> Result<&str, ArchiveError> {
    hash.get(..2).ok_or(ArchiveError::NotAHash)
}
