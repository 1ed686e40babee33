//! One object on its way from the wire to the disk. All calls block.
//!
//! In: pieces of a data set, in order. Out: a sealed file and what the scanner picked, or a
//! [`Refusal`]. The scanner sees each piece before it is written. What it refuses is written on, unread, where a
//! copy is to be kept for a person.

use super::commit::RegisterError;
use super::part10;
use super::scan::{Limits, Picked, ScanError, Scanner};
use super::status::Status;
use crate::archive::{ArchiveError, Draft, Incoming, Sealed};
use crate::vocab::{SopClassUid, SopInstanceUid};
use std::ops::Range;
use std::sync::Arc;

/// Why an object was not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("SOP class of the command was not negotiated for this context")]
    Class,
    #[error("SOP Instance UID of the command {0}")]
    InstanceUid(&'static str),
    #[error("the command announces no data set")]
    NoDataSet,
    #[error("SOP Class UID differs between command and data set")]
    ClassDiffers,
    #[error("SOP Instance UID differs between command and data set")]
    InstanceDiffers,
    #[error("the object is larger than the limit")]
    TooLarge,
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("the instance is known with other bytes; both are kept")]
    Conflict,
    #[error("too many objects wait for their commit")]
    Busy,
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error("the commit took too long")]
    CommitTimeout,
    #[error("a fault of the receiver")]
    Fault,
}

impl Refusal {
    /// What the sender is told.
    pub fn status(&self) -> Status {
        match self {
            Self::Class => Status::ClassNotSupported,
            Self::InstanceUid(_) => Status::InvalidInstance,
            Self::NoDataSet => Status::InvalidArgument,
            Self::ClassDiffers | Self::InstanceDiffers => Status::DataSetDoesNotMatch,
            Self::Scan(_) => Status::CannotUnderstand,
            Self::Conflict => Status::DuplicateInstance,
            // Also where the outcome is not known: sending again is success, once.
            Self::TooLarge | Self::Archive(_) | Self::Busy | Self::Register(_) | Self::CommitTimeout => {
                Status::OutOfResources
            }
            Self::Fault => Status::ProcessingFailure,
        }
    }
}

/// What the command and the presentation context said of an object.
#[derive(Debug, Clone)]
pub(super) struct Announced {
    pub class: SopClassUid,
    pub instance: SopInstanceUid,
    pub syntax: &'static str,
}

/// An object being received.
pub(super) struct Object {
    incoming: Arc<Incoming>,
    announced: Announced,
    scanner: Scanner,
    draft: Option<Draft>,
    /// Why the scan ended; the bytes are still written, to be kept for a person.
    broken: Option<ScanError>,
    /// Most bytes of a refused object that may be written.
    keep_bytes: u64,
}

/// A sealed object.
pub(super) enum Arrived {
    /// As it should be.
    Whole(Sealed, Picked),
    /// Refused, with its bytes.
    Broken(Sealed, ScanError),
}

impl Object {
    /// `keep_bytes`: most bytes that are written of an object whose content is refused; 0 for none.
    pub fn new(incoming: Arc<Incoming>, announced: Announced, limits: Limits, keep_bytes: u64) -> Self {
        let scanner = Scanner::new(announced.syntax, limits);
        Self { incoming, announced, scanner, draft: None, broken: None, keep_bytes }
    }

    /// Takes the pieces of `buffer` that `ranges` name.
    pub fn absorb(&mut self, buffer: &[u8], ranges: &[Range<usize>]) -> Result<(), Refusal> {
        let pieces: Vec<&[u8]> = ranges.iter().filter_map(|range| buffer.get(range.clone())).collect();
        if self.broken.is_none() {
            for piece in &pieces {
                if let Err(error) = self.scanner.feed(piece) {
                    self.go_on_without_scan(error)?;
                    break;
                }
            }
        }
        match self.write(pieces) {
            Ok(size_bytes) if self.broken.is_none() || size_bytes <= self.keep_bytes => Ok(()),
            // What is wrong with the object comes before what was wrong with keeping it.
            written => match self.broken.take() {
                Some(error) => Err(error.into()),
                None => written.map(|_| ()),
            },
        }
    }

    /// Notes the end of the scan; an error where the bytes are not to be kept.
    fn go_on_without_scan(&mut self, error: ScanError) -> Result<(), Refusal> {
        if self.keep_bytes == 0 || error == ScanError::TooLong {
            return Err(error.into());
        }
        self.broken = Some(error);
        Ok(())
    }

    /// Writes the pieces; the size of the file so far, in bytes.
    fn write(&mut self, pieces: Vec<&[u8]>) -> Result<u64, Refusal> {
        let draft = match &mut self.draft {
            Some(draft) => draft,
            none => none.insert(self.incoming.begin()?),
        };
        if draft.size_bytes() == 0 {
            let Announced { class, instance, syntax } = &self.announced;
            let head = part10::head_bytes(class.as_str(), instance.as_str(), syntax);
            let all: Vec<&[u8]> = std::iter::once(head.as_slice()).chain(pieces).collect();
            draft.append(&all)?;
        } else {
            draft.append(&pieces)?;
        }
        Ok(draft.size_bytes())
    }

    /// Checks what can only be checked at the end, and brings the data to the disk.
    pub fn seal(self) -> Result<Arrived, Refusal> {
        let Self { announced, scanner, draft, broken, keep_bytes, .. } = self;
        let picked = match broken.map_or_else(|| scanner.finish(), Err) {
            Ok(picked) => picked,
            Err(error) => {
                let draft = draft.filter(|draft| draft.size_bytes() <= keep_bytes);
                return match draft.map(Draft::seal) {
                    Some(Ok(sealed)) => Ok(Arrived::Broken(sealed, error)),
                    Some(Err(_)) | None => Err(error.into()),
                };
            }
        };
        if picked.sop_class_uid()? != announced.class {
            return Err(Refusal::ClassDiffers);
        }
        if picked.sop_instance_uid()? != announced.instance {
            return Err(Refusal::InstanceDiffers);
        }
        let draft = draft.ok_or(ScanError::Truncated { offset: 0 })?;
        Ok(Arrived::Whole(draft.seal()?, picked))
    }
}
