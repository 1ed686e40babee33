//! A data set meets this scanner before anything else does.
//!
//! In: the bytes of a data set in pieces of any size, in the transfer syntax in which they
//! came. Out: the attributes that later stages ask for ([`Picked`]), or the first reason why
//! the data set can't be trusted ([`ScanError`]). It holds a few kilobytes whatever the size
//! of the object, never recurses, never allocates by a length that it read, and has no
//! opinion on pixels.

mod walk;
mod header;
mod picked;
mod text;

pub use picked::Picked;

use super::classes;
use crate::vocab::RefusalPhase;
use flate2::{Decompress, FlushDecompress, Status};
use walk::Walk;

/// Bounds of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting of sequences.
    pub sequence_depth: usize,
    /// Longest element in bytes.
    pub element_length: u64,
    /// Longest data set in bytes; after inflating, where it is deflated.
    pub total: u64,
}

/// Why a data set was refused. Offsets count from the start of the (inflated) data set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It ended inside an element, an item or a sequence.
    #[error("the data set ends early, at byte {offset}")]
    Truncated {
        /// Bytes that were there.
        offset: u64,
    },
    /// Sequences are nested deeper than the limit.
    #[error("sequences nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A length runs past the item or sequence around it.
    #[error("length of {tag} runs past what holds it")]
    LengthPastEnd {
        /// Which element.
        tag: Tag,
    },
    /// A length is above the limit.
    #[error("length of {tag} is above the limit")]
    ElementTooLong {
        /// Which element.
        tag: Tag,
    },
    /// The data set is longer than the limit.
    #[error("the data set is longer than the limit")]
    TooLong,
    /// Two bytes where a value representation is due are none.
    #[error("{tag} has no valid value representation")]
    InvalidVr {
        /// Which element.
        tag: Tag,
    },
    /// An item or delimiter where none may be, or an element where an item must be.
    #[error("{tag} is out of place at byte {offset}")]
    OutOfPlace {
        /// What was met.
        tag: Tag,
        /// Where.
        offset: u64,
    },
    /// A value other than a sequence or encapsulated pixels has undefined length.
    #[error("{tag} has undefined length but is no sequence")]
    UndefinedLength {
        /// Which element.
        tag: Tag,
    },
    /// Elements of groups 0 to 7 other than 4 and 6 don't belong into a data set (PS3.5 section 7.1).
    #[error("{tag} does not belong into a data set")]
    ForbiddenGroup {
        /// Which element.
        tag: Tag,
    },
    /// An attribute that identifies the object is there twice.
    #[error("{attribute} is there twice")]
    Twice {
        /// Its name.
        attribute: &'static str,
    },
    /// An attribute that identifies the object is missing.
    #[error("{attribute} is missing")]
    Missing {
        /// Its name.
        attribute: &'static str,
    },
    /// An attribute that identifies the object holds no UID.
    #[error("{attribute} {problem}")]
    InvalidUid {
        /// Its name.
        attribute: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The deflated stream is damaged or not ended.
    #[error("the deflated data set is damaged")]
    Deflate,
}

impl ScanError {
    /// Where the scan ended.
    pub fn phase(&self) -> RefusalPhase {
        match self {
            Self::Missing { .. } | Self::InvalidUid { .. } | Self::Twice { .. } => RefusalPhase::Identity,
            Self::Deflate => RefusalPhase::Inflating,
            Self::Truncated { .. }
            | Self::TooDeep { .. }
            | Self::LengthPastEnd { .. }
            | Self::ElementTooLong { .. }
            | Self::TooLong
            | Self::InvalidVr { .. }
            | Self::OutOfPlace { .. }
            | Self::UndefinedLength { .. }
            | Self::ForbiddenGroup { .. } => RefusalPhase::Structure,
        }
    }
}

/// A data element tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u16, pub u16);

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({:04X},{:04X})", self.0, self.1)
    }
}

/// A scan in progress.
pub struct Scanner {
    walk: Walk,
    inflating: Option<Inflating>,
}

struct Inflating {
    stream: Decompress,
    out: Vec<u8>,
    ended: bool,
}

/// Bytes inflated at a time.
const INFLATE_STEP: usize = 32 * 1024;

impl Scanner {
    /// A scanner for a data set in the transfer syntax `syntax`.
    pub fn new(syntax: &str, limits: Limits) -> Self {
        let encoding = match syntax {
            classes::IMPLICIT_LITTLE => header::Encoding::ImplicitLittle,
            classes::EXPLICIT_BIG => header::Encoding::ExplicitBig,
            _ => header::Encoding::ExplicitLittle,
        };
        let inflating = (syntax == classes::DEFLATED).then(|| Inflating {
            stream: Decompress::new(false),
            out: vec![0; INFLATE_STEP],
            ended: false,
        });
        Self { walk: Walk::new(encoding, limits), inflating }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ScanError> {
        match &mut self.inflating {
            None => self.walk.feed(bytes),
            Some(inflating) => inflating.feed(bytes, &mut self.walk),
        }
    }

    /// What was picked so far; values may be cut.
    pub fn so_far(&self) -> &Picked {
        self.walk.picked()
    }

    /// Says that there are no more bytes.
    pub fn finish(self) -> Result<Picked, ScanError> {
        if self.inflating.is_some_and(|inflating| !inflating.ended) {
            return Err(ScanError::Deflate);
        }
        self.walk.finish()
    }
}

impl Inflating {
    fn feed(&mut self, mut bytes: &[u8], walk: &mut Walk) -> Result<(), ScanError> {
        // Bytes after the end of the stream are padding to an even length (PS3.5 annex A.5).
        while !self.ended {
            let (read_before, made_before) = (self.stream.total_in(), self.stream.total_out());
            let status = self
                .stream
                .decompress(bytes, &mut self.out, FlushDecompress::None)
                .map_err(|_| ScanError::Deflate)?;
            let read = usize::try_from(self.stream.total_in() - read_before).unwrap_or(usize::MAX);
            let made = usize::try_from(self.stream.total_out() - made_before).unwrap_or(usize::MAX);
            bytes = bytes.get(read..).unwrap_or_default();
            walk.feed(self.out.get(..made).unwrap_or_default())?;
            self.ended = status == Status::StreamEnd;
            // All input is taken and no output is held back.
            if bytes.is_empty() && made < self.out.len() {
                break;
            }
            if read == 0 && made == 0 && !self.ended {
                return Err(ScanError::Deflate);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
