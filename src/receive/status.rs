//! Status codes of DIMSE responses (PS3.4 annex B.2.3, PS3.7 annex C).
//!
//! In: what went wrong. Out: the code that the sender is told. Values only.

/// A status of a C-STORE or C-ECHO response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Stored, durably.
    Success,
    /// Refused: out of resources; the sender may try again.
    OutOfResources,
    /// Error: the data set does not match what the command said of it.
    DataSetDoesNotMatch,
    /// Error: the data set can't be understood.
    CannotUnderstand,
    /// The instance is known with other bytes.
    DuplicateInstance,
    /// The class was not negotiated for storage.
    ClassNotSupported,
    /// The instance UID of the command is not a UID.
    InvalidInstance,
    /// The command is none of ours.
    UnrecognisedOperation,
    /// The command lacks an attribute, or its value can't be used.
    InvalidArgument,
    /// A fault of the receiver itself.
    ProcessingFailure,
}

impl Status {
    /// The code on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Success => 0x0000,
            Self::ProcessingFailure => 0x0110,
            Self::DuplicateInstance => 0x0111,
            Self::InvalidArgument => 0x0115,
            Self::InvalidInstance => 0x0117,
            Self::ClassNotSupported => 0x0122,
            Self::UnrecognisedOperation => 0x0211,
            Self::OutOfResources => 0xA700,
            Self::DataSetDoesNotMatch => 0xA900,
            Self::CannotUnderstand => 0xC000,
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{:04X}", self.code())
    }
}
