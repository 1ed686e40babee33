//! A file on its way into the archive: written, hashed, synced, not yet visible.
//!
//! In: pieces of bytes in order. Out: a [`Sealed`] file whose data is on the disk. A draft or
//! sealed file that is dropped takes its temporary file with it. All calls block.

use super::ArchiveError;
use super::writing::{Scratches, Writing};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The temporary file, removed with its owner.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a temporary file could not be removed; the next start sweeps it");
        }
    }
}

/// An object being written.
#[derive(Debug)]
pub struct Draft {
    temporary: Temporary,
    writing: Writing,
    hasher: blake3::Hasher,
    size_bytes: u64,
}

impl Draft {
    pub(super) fn create(path: PathBuf, scratches: Arc<Scratches>) -> Result<Self, ArchiveError> {
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|e| ArchiveError::from_io("make a temporary file", e))?;
        let writing = Writing::new(file, scratches);
        Ok(Self { temporary: Temporary(path), writing, hasher: blake3::Hasher::new(), size_bytes: 0 })
    }

    /// Appends the pieces, in order.
    pub fn append(&mut self, pieces: &[&[u8]]) -> Result<(), ArchiveError> {
        for piece in pieces {
            self.hasher.update(piece);
            self.size_bytes += piece.len() as u64;
        }
        self.writing.append(pieces).map_err(|e| ArchiveError::from_io("write a temporary file", e))
    }

    /// Bytes taken so far.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Brings the data to the disk and fixes the content hash.
    pub fn seal(self) -> Result<Sealed, ArchiveError> {
        self.writing.sync().map_err(|e| ArchiveError::from_io("sync a temporary file", e))?;
        let hash = self.hasher.finalize().to_hex().to_string();
        Ok(Sealed { temporary: self.temporary, hash, size_bytes: self.size_bytes })
    }
}

/// An object whose data is on the disk, under a temporary name.
#[derive(Debug)]
pub struct Sealed {
    temporary: Temporary,
    hash: String,
    size_bytes: u64,
}

impl Sealed {
    /// BLAKE3 of the whole file, 64 hexadecimal digits.
    pub fn hash(&self) -> &str {
        &self.hash
    }
    /// Size of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
    pub(super) fn path(&self) -> &Path {
        &self.temporary.0
    }
}
