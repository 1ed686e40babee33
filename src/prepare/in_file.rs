//! Bytes that stay in their file until they are looked at.
//!
//! In: an open file, where a value lies in it. Out: parts of the value, read by position, or all of it. Must never
//! read beyond the value.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A value that was left in its file.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFile<'a> {
    pub file: &'a File,
    /// Bytes before it.
    pub start: u64,
    /// Bytes of it, all of them in the file when it was opened.
    pub length: u64,
}

impl InFile<'_> {
    /// Fills `buffer` from byte `from` of the value on.
    pub fn read_at(&self, from: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = from.saturating_add(buffer.len() as u64);
        if end > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(buffer, self.start.saturating_add(from))
    }

    /// All of it.
    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; length];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }
}
