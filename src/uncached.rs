//! Files past the page cache: aligned memory, and the switch of an open file.
//!
//! In: an open file. Out: whether its reads and writes go straight between the disk and [`Blocks`] now. Objects are
//! written once and read once by the pipeline: copying them through the page cache costs several times the
//! processor time of the transfer itself (`open(2)`, O_DIRECT). Must never be what makes data durable: a sync is
//! needed all the same.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Files from this size on are worth it, in bytes; smaller ones are read and written through the page cache.
pub const LARGE: usize = 128 * 1024;
/// Offsets and lengths of uncached transfers are multiples of this, in bytes: no common disk has larger sectors.
pub const BLOCK: usize = 4096;

/// Zeroed memory that begins on a block boundary.
#[derive(Debug)]
pub struct Blocks {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl Blocks {
    /// Memory of at least `length` bytes, in whole blocks.
    pub fn new(length: usize) -> Self {
        let length = length.next_multiple_of(BLOCK);
        let memory = vec![0; length + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK).min(BLOCK);
        Self { memory, start, length }
    }

    /// All of it, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.start + self.length).unwrap_or_default()
    }
}

/// Turns the page cache off or on for an open file; false where the file system can't go without it.
pub fn bypass(file: &File, on: bool) -> bool {
    let Ok(flags) = fcntl_getfl(file) else { return false };
    let wanted = if on { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT };
    fcntl_setfl(file, wanted).is_ok()
}

/// Whether the file's reads and writes go past the page cache now.
pub fn is_bypassed(file: &File) -> bool {
    fcntl_getfl(file).is_ok_and(|flags| flags.contains(OFlags::DIRECT))
}

/// Reads parts of a file past the page cache, where the file system can. While it lives, nobody else reads by the
/// same open file.
#[derive(Debug)]
pub struct Reader<'a> {
    file: &'a File,
    blocks: Blocks,
}

impl<'a> Reader<'a> {
    /// For parts of at most `length` bytes.
    pub fn new(file: &'a File, length: usize) -> Self {
        bypass(file, true);
        // Whole blocks are read: a part of one before and a part of one behind.
        Self { file, blocks: Blocks::new(length.saturating_add(2 * BLOCK)) }
    }

    /// `length` bytes from byte `from` on; an error where the file is shorter.
    pub fn read(&mut self, from: u64, length: usize) -> io::Result<&[u8]> {
        let before = from % BLOCK as u64;
        let skipped = usize::try_from(before).unwrap_or_default();
        let needed = skipped.saturating_add(length);
        let room = self.blocks.bytes_mut().get_mut(..needed.next_multiple_of(BLOCK));
        let room = room.ok_or(io::ErrorKind::InvalidInput)?;
        let mut read = 0;
        while read < needed {
            let at = (from - before).saturating_add(read as u64);
            match self.file.read_at(room.get_mut(read..).unwrap_or_default(), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    read += n;
                    if read < needed && !n.is_multiple_of(BLOCK) {
                        bypass(self.file, false);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // A disk that can't after all is read through its cache.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput && is_bypassed(self.file) => {
                    bypass(self.file, false);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(room.get(skipped..needed).unwrap_or_default())
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // Others read the file into memory of their own.
        bypass(self.file, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_begins_on_a_block_boundary() {
        for length in [1, BLOCK, BLOCK + 1, 1 << 20] {
            let mut blocks = Blocks::new(length);
            assert_eq!(blocks.bytes_mut().as_ptr().align_offset(BLOCK), 0);
            assert_eq!(blocks.bytes_mut().len(), length.next_multiple_of(BLOCK));
        }
    }

    #[test]
    fn a_reader_gives_the_bytes_wherever_they_lie() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..300_007_u32).map(|n| (n * 7 + n / 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        {
            let mut reader = Reader::new(&file, 50_000);
            for from in [0_usize, 1, 4_095, 4_096, 100_000, 250_007] {
                let wanted = &bytes[from..][..50_000];
                assert!(reader.read(from as u64, 50_000).unwrap() == wanted, "from byte {from}");
            }
            assert!(reader.read(250_008, 50_000).is_err(), "beyond the end");
        }
        assert!(!is_bypassed(&file));
    }
}
