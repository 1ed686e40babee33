//! One object on its way from the wire to the disk. All calls block.
//!
//! In: pieces of a data set, in order. Out: a sealed file and what the scanner picked, or a
//! [`Refusal`]. The scanner sees each piece before it is written.

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
}

impl Object {
    pub fn new(incoming: Arc<Incoming>, announced: Announced, limits: Limits) -> Self {
        let scanner = Scanner::new(announced.syntax, limits);
        Self { incoming, announced, scanner, draft: None }
    }

    /// Takes the pieces of `buffer` that `ranges` name.
    pub fn absorb(&mut self, buffer: &[u8], ranges: &[Range<usize>]) -> Result<(), Refusal> {
        let pieces: Vec<&[u8]> = ranges.iter().filter_map(|range| buffer.get(range.clone())).collect();
        for piece in &pieces {
            self.scanner.feed(piece)?;
        }
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
        Ok(())
    }

    /// Checks what can only be checked at the end, and brings the data to the disk.
    pub fn seal(self) -> Result<(Sealed, Picked), Refusal> {
        let picked = self.scanner.finish()?;
        if picked.sop_class_uid()? != self.announced.class {
            return Err(Refusal::ClassDiffers);
        }
        if picked.sop_instance_uid()? != self.announced.instance {
            return Err(Refusal::InstanceDiffers);
        }
        let draft = self.draft.ok_or(ScanError::Truncated { offset: 0 })?;
        Ok((draft.seal()?, picked))
    }
}
