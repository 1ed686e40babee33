//! Original bytes, immutable and durable, named by their content.
//!
//! In: the bytes of a Part-10 file as they arrive. Out: files at
//! `<root>/objects/ab/cd/<hash>.dcm`, where the hash is BLAKE3 of the whole file, and reads
//! and checks of them by that hash. Nothing under a final name is ever changed, and no text
//! from the wire takes part in a path. A publication is durable before it is reported:
//! file data synced, renamed, folder synced. Any number of processes may write to one archive;
//! an object that a row names is never removed.
//!
//! Callers use [`Archive`] to read and [`Incoming`] to write; an object store later offers
//! the same two.

mod draft;
mod incoming;
mod locks;
mod writing;

pub use draft::{Draft, Sealed};
pub use incoming::{Incoming, Published};
pub use locks::Removal;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the archive could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No space (or quota) left: nothing was kept, and a later attempt may succeed.
    #[error("no space left in the archive")]
    Full,
    /// The operating system refused.
    #[error("the archive could not {act}")]
    Io {
        /// What was being done.
        act: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The object has its name, but it is not certain that it keeps it: to be taken back.
    #[error("an object's name is not durable")]
    NotDurable {
        /// The name.
        hash: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// No object of that name is there.
    #[error("no object {hash} in the archive")]
    Missing {
        /// The name asked for.
        hash: String,
    },
    /// The stored bytes are no longer those that the name promises.
    #[error("object {expected} now hashes to {found}")]
    Corrupt {
        /// The name.
        expected: String,
        /// What the bytes on disk hash to.
        found: String,
    },
    /// The text is not a content hash (64 lower-case hexadecimal digits).
    #[error("not a content hash")]
    NotAHash,
}

impl ArchiveError {
    /// Tells a full disk from other failures.
    fn from_io(act: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io { act, source },
        }
    }
}

/// Read access to the archive; cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    root: Arc<Path>,
}

impl Archive {
    /// The archive in the folder `root`, which is made if it is not there.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, ArchiveError> {
        let root = root.as_ref();
        std::fs::create_dir_all(root.join("objects"))
            .map_err(|e| ArchiveError::from_io("make its folder", e))?;
        Ok(Self { root: root.into() })
    }

    /// The folder that holds everything.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the object named `hash` lies, whether or not it is there.
    pub fn path_of(&self, hash: &str) -> Result<PathBuf, ArchiveError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hash.len() != 64 || !hash.bytes().all(hex) {
            return Err(ArchiveError::NotAHash);
        }
        let (first, second) = hash.get(..2).zip(hash.get(2..4)).ok_or(ArchiveError::NotAHash)?;
        let mut path = self.root.join("objects");
        path.push(first);
        path.push(second);
        path.push(hash);
        path.set_extension("dcm");
        Ok(path)
    }

    /// Opens an object for streaming.
    pub fn open_object(&self, hash: &str) -> Result<std::fs::File, ArchiveError> {
        std::fs::File::open(self.path_of(hash)?).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => ArchiveError::Missing { hash: hash.to_owned() },
            _ => ArchiveError::from_io("open an object", e),
        })
    }

    /// The whole object in memory; objects larger than `limit_bytes` are refused.
    pub fn read(&self, hash: &str, limit_bytes: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        let read = self
            .open_object(hash)?
            .take(limit_bytes.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| ArchiveError::from_io("read an object", e))?;
        if u64::try_from(read).unwrap_or(u64::MAX) > limit_bytes {
            let source = io::Error::new(io::ErrorKind::FileTooLarge, "larger than the caller's limit");
            return Err(ArchiveError::Io { act: "read an object", source });
        }
        Ok(bytes)
    }

    /// Hashes the stored bytes again and compares them with their name. Gives the size in bytes.
    pub fn verify(&self, hash: &str) -> Result<u64, ArchiveError> {
        let mut file = self.open_object(hash)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0_u8; 256 * 1024];
        let mut size = 0_u64;
        loop {
            let n = file.read(&mut buffer).map_err(|e| ArchiveError::from_io("read an object", e))?;
            let Some(part) = buffer.get(..n).filter(|part| !part.is_empty()) else { break };
            hasher.update(part);
            size += part.len() as u64;
        }
        let found = hasher.finalize().to_hex().to_string();
        if found == hash { Ok(size) } else { Err(ArchiveError::Corrupt { expected: hash.to_owned(), found }) }
    }

    /// The names of all objects, in no order. Files that don't look like objects are passed over.
    pub fn hashes(&self) -> Result<Vec<String>, ArchiveError> {
        let list = |path: &Path| -> Result<Vec<PathBuf>, ArchiveError> {
            let entries = std::fs::read_dir(path).map_err(|e| ArchiveError::from_io("list objects", e))?;
            entries
                .map(|entry| entry.map(|e| e.path()).map_err(|e| ArchiveError::from_io("list objects", e)))
                .collect()
        };
        let mut found = Vec::new();
        for first in list(&self.root.join("objects"))?.iter().filter(|p| p.is_dir()) {
            for second in list(first)?.iter().filter(|p| p.is_dir()) {
                for file in list(second)? {
                    let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
                    if self.path_of(stem).is_ok_and(|path| path == file) {
                        found.push(stem.to_owned());
                    }
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_content_hash_becomes_a_path() {
        let root = tempfile::tempdir().unwrap();
        let archive = Archive::open(root.path()).unwrap();
        for bad in ["", "../../etc/passwd", &"A".repeat(64), &"é".repeat(32), &"a".repeat(63)] {
            assert!(matches!(archive.path_of(bad), Err(ArchiveError::NotAHash)), "{bad}");
        }
        let good = "0123456789abcdef".repeat(4);
        assert!(archive.path_of(&good).unwrap().ends_with(format!("objects/01/23/{good}.dcm")));
        assert!(matches!(archive.read(&good, 10), Err(ArchiveError::Missing { .. })));
    }
}
