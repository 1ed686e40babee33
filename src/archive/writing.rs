//! How bytes of a draft get to its file: large objects past the page cache, small ones through it.
//!
//! In: pieces of bytes in order. Out: the same bytes in the file, on the disk after [`Writing::sync`]. Uncached writes
//! take whole blocks, so up to a block waits here for what follows. All calls block.

use crate::uncached::{BLOCK, Blocks, LARGE, bypass, is_bypassed};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Error, ErrorKind, IoSlice, Result, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Most pieces given to one `writev`, below every system's `IOV_MAX`.
const MOST_SLICES: usize = 64;
/// Bytes of one uncached write: a receiver's largest buffer, and the block that waited.
const SCRATCH: usize = 1024 * 1024 + 2 * BLOCK;
/// Uncached writes at a time; a disk gains nothing from more, and memory stays bounded.
const MOST_SCRATCHES: usize = 4;

/// Aligned memory that drafts share; who asks first is served first, so that no association starves.
#[derive(Debug, Default)]
pub(super) struct Scratches(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    idle: Vec<Blocks>,
    made: usize,
    waiting: VecDeque<SyncSender<Blocks>>,
}

impl Scratches {
    /// Waits until some is free.
    fn take(&self) -> Blocks {
        let given = {
            let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(blocks) = shelf.idle.pop() {
                return blocks;
            }
            if shelf.made < MOST_SCRATCHES {
                shelf.made += 1;
                return Blocks::new(SCRATCH);
            }
            let (give, given) = sync_channel(1);
            shelf.waiting.push_back(give);
            given
        };
        // Whoever has memory gives it back, whatever comes of its write.
        given.recv().unwrap_or_else(|_| Blocks::new(SCRATCH))
    }

    fn give_back(&self, blocks: Blocks) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match shelf.waiting.pop_front() {
            // It waits until it has some: this can't fail.
            Some(next) => drop(next.send(blocks)),
            None => shelf.idle.push(blocks),
        }
    }
}

#[derive(Debug)]
enum Way {
    /// The first piece decides.
    Undecided,
    Cached,
    /// Past the page cache; less than a block waits.
    Uncached {
        waiting: Vec<u8>,
    },
}

/// A file being written.
#[derive(Debug)]
pub(super) struct Writing {
    file: File,
    way: Way,
    scratches: Arc<Scratches>,
}

impl Writing {
    pub fn new(file: File, scratches: Arc<Scratches>) -> Self {
        Self { file, way: Way::Undecided, scratches }
    }

    /// Takes the pieces, in order.
    pub fn append(&mut self, pieces: &[&[u8]]) -> Result<()> {
        if let Way::Undecided = self.way {
            let large = pieces.iter().map(|piece| piece.len()).sum::<usize>() >= LARGE;
            self.way = match large && bypass(&self.file, true) {
                true => Way::Uncached { waiting: Vec::with_capacity(BLOCK) },
                false => Way::Cached,
            };
        }
        match &mut self.way {
            Way::Undecided | Way::Cached => write_cached(&self.file, pieces),
            Way::Uncached { waiting } => {
                let mut scratch = self.scratches.take();
                let written = write_uncached(&self.file, waiting, pieces, scratch.bytes_mut());
                self.scratches.give_back(scratch);
                written
            }
        }
    }

    /// Brings everything to the disk.
    pub fn sync(self) -> Result<()> {
        if let Way::Uncached { waiting } = &self.way {
            bypass(&self.file, false);
            write_cached(&self.file, &[waiting])?;
        }
        self.file.sync_data()
    }
}

fn write_cached(mut file: &File, pieces: &[&[u8]]) -> Result<()> {
    for group in pieces.chunks(MOST_SLICES) {
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = slices.as_mut_slice();
        // Removes empty pieces at the front, so that a write of nothing means a full disk.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(ErrorKind::StorageFull.into()),
                Ok(n) => IoSlice::advance_slices(&mut rest, n),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

/// Writes what waits and the pieces as far as they fill blocks; the rest waits.
fn write_uncached(file: &File, waiting: &mut Vec<u8>, pieces: &[&[u8]], scratch: &mut [u8]) -> Result<()> {
    let mut filled = waiting.len();
    scratch.get_mut(..filled).unwrap_or_default().copy_from_slice(waiting);
    for piece in pieces {
        let mut piece = *piece;
        while !piece.is_empty() {
            let room = scratch.get_mut(filled..).unwrap_or_default();
            let (now, later) = piece.split_at(piece.len().min(room.len()));
            room.get_mut(..now.len()).unwrap_or_default().copy_from_slice(now);
            (filled, piece) = (filled + now.len(), later);
            if filled == scratch.len() {
                write_blocks(file, scratch)?;
                filled = 0;
            }
        }
    }
    let (whole, rest) = scratch.split_at(filled - filled % BLOCK);
    write_blocks(file, whole)?;
    waiting.clear();
    waiting.extend_from_slice(rest.get(..filled % BLOCK).unwrap_or_default());
    Ok(())
}

/// Writes whole blocks. A disk or file system that can't after all is written through its cache.
fn write_blocks(mut file: &File, mut blocks: &[u8]) -> Result<()> {
    while !blocks.is_empty() {
        match file.write(blocks) {
            Ok(0) => return Err(ErrorKind::StorageFull.into()),
            Ok(n) => {
                blocks = blocks.get(n..).unwrap_or_default();
                // The next offset is no multiple of a block.
                if !n.is_multiple_of(BLOCK) && !bypass(file, false) {
                    return Err(Error::from(ErrorKind::Unsupported));
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::InvalidInput && is_bypassed(file) => {
                bypass(file, false);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(pieces: &[Vec<u8>]) -> Vec<u8> {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("file");
        let mut writing = Writing::new(File::create_new(&path).unwrap(), Arc::default());
        for piece in pieces {
            let (a, b) = piece.split_at(piece.len() / 3);
            writing.append(&[a, &[], b]).unwrap();
        }
        writing.sync().unwrap();
        std::fs::read(path).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_file_has_the_bytes_whichever_way_they_went(
            sizes in proptest::collection::vec(prop_oneof![0_usize..20, 3_000_usize..9_000, 120_000_usize..2_500_000], 1..5)
        ) {
            let pieces: Vec<Vec<u8>> =
                sizes.iter().enumerate().map(|(n, size)| (0..*size).map(|i| (i * 31 + n) as u8).collect()).collect();
            prop_assert!(written(&pieces) == pieces.concat());
        }
    }

    #[test]
    fn many_drafts_share_little_memory() {
        let scratches: Arc<Scratches> = Arc::default();
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let large = vec![7_u8; 300_000];
        std::thread::scope(|scope| {
            for n in 0..12 {
                let (scratches, folder, large) = (Arc::clone(&scratches), folder.path(), large.as_slice());
                scope.spawn(move || {
                    let path = folder.join(n.to_string());
                    let mut writing = Writing::new(File::create_new(&path).unwrap(), scratches);
                    writing.append(&[large]).unwrap();
                    writing.append(&[large]).unwrap();
                    writing.sync().unwrap();
                    assert_eq!(std::fs::metadata(path).unwrap().len(), 600_000);
                });
            }
        });
        assert!(scratches.0.lock().unwrap().made <= MOST_SCRATCHES);
    }
}
