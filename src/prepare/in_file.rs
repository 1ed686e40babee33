//! Bytes that stay in their file until they are looked at.
//!
//! In: an open file, where a value lies in it. Out: parts of the value, read by position, or all of it. Must never
//! read beyond the value.

use crate::uncached::Reader;
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

/// Parts of a value that are looked at one after the other, read past the page cache.
pub(super) struct Band<'a> {
    value: InFile<'a>,
    reader: Reader<'a>,
}

impl<'a> Band<'a> {
    /// For parts of at most `length` bytes.
    pub fn new(value: InFile<'a>, length: usize) -> Self {
        Self { value, reader: Reader::new(value.file, length) }
    }

    /// `length` bytes of the value from byte `from` on.
    pub fn read(&mut self, from: u64, length: usize) -> io::Result<&[u8]> {
        if from.saturating_add(length as u64) > self.value.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.reader.read(self.value.start.saturating_add(from), length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_beyond_the_value_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7_u8; 10_000]).unwrap();
        let file = File::open(&path).unwrap();
        let mut band = Band::new(InFile { file: &file, start: 100, length: 5_000 }, 1_000);
        assert_eq!(band.read(4_000, 1_000).unwrap(), [7_u8; 1_000]);
        assert!(band.read(4_001, 1_000).is_err());
    }
}
