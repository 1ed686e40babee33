//! A file's data set as P-DATA-TF, cut for the peer and read into one buffer that is used again.
//!
//! In: an open file and how long a PDU the peer takes. Out: portions of one long PDU or many short
//! ones, heads and bytes in place, to be written as they are. It never holds a whole object.

use super::MOST_SENT;
use crate::receive::frames::{self, HEADER};
use rustix::fs::Advice;
use std::fs::File;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes that are read, framed and written at a time: the longest PDU behind a command.
pub(super) const PORTION: usize = MOST_SENT as usize + 4 * 1024;

/// A data set on its way out.
pub(super) struct Portions {
    file: File,
    at: u64,
    left: u64,
    context: u8,
    /// Bytes of the data set in one PDU.
    room: u64,
    ended: bool,
}

impl Portions {
    /// The data set of the file at `path` from byte `at` on. Blocks.
    pub fn open(path: &Path, at: u64, context: u8, peer_pdu_length: u32) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let left = file.metadata()?.len().saturating_sub(at);
        // The kernel reads ahead from here on, so that portions are in memory when they are due;
        // a system that does not is only slower.
        let _ = rustix::fs::fadvise(&file, at, NonZeroU64::new(left), Advice::WillNeed);
        let room = u64::from(peer_pdu_length.saturating_sub(6));
        Ok(Self { file, at, left, context, room, ended: false })
    }

    /// Puts what comes next into `buffer` from byte `filled` on: gives how much of the buffer is
    /// filled then, and how much of that is data set; `None` at the end.
    pub fn fill(&mut self, buffer: &mut [u8], mut filled: usize) -> std::io::Result<Option<(usize, u64)>> {
        let mut taken = 0;
        if self.ended {
            return Ok(None);
        }
        while !self.ended {
            let piece = self.left.min(self.room);
            let length = usize::try_from(piece).unwrap_or(usize::MAX);
            let end = filled.saturating_add(2 * HEADER).saturating_add(length);
            let Some((head, value)) =
                buffer.get_mut(filled..end).and_then(|b| b.split_at_mut_checked(2 * HEADER))
            else {
                break;
            };
            let ends = piece == self.left;
            let announced = u32::try_from(piece).unwrap_or(u32::MAX);
            head.copy_from_slice(&frames::fragment_head(self.context, false, ends, announced));
            self.file.read_exact_at(value, self.at)?;
            (self.at, self.left, self.ended) = (self.at + piece, self.left - piece, ends);
            (taken, filled) = (taken + piece, end);
        }
        Ok(Some((filled, taken)))
    }
}
