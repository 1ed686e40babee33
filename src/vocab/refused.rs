//! An object that was refused for its content, and of which a copy is kept for a person.

use super::{AeTitle, SiteCode, SopClassUid, SopInstanceUid, Timestamp, TransferSyntaxUid, coded_enum};

coded_enum!(
    /// Where the reading of an object ended.
    RefusalPhase, "refusal phase" {
        /// The data set is not well formed.
        Structure = "structure",
        /// The data set can't be inflated.
        Inflating = "inflating",
        /// The attributes that identify the object are missing or no UIDs.
        Identity = "identity",
    }
);

/// A refused object whose bytes arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedObject {
    /// BLAKE3 of the kept file, 64 hexadecimal digits: its name in the quarantine.
    pub content_hash: String,
    /// Bytes of the kept file.
    pub size_bytes: u64,
    /// SOP Instance UID of the command.
    pub sop_instance_uid: SopInstanceUid,
    /// SOP Class UID of the command.
    pub sop_class_uid: SopClassUid,
    /// Transfer syntax in which it came and in which it is kept.
    pub transfer_syntax_uid: TransferSyntaxUid,
    /// Who sent it.
    pub calling_ae: AeTitle,
    /// From which address.
    pub address: std::net::IpAddr,
    /// The site of the source profile.
    pub site: SiteCode,
    /// DIMSE status that the sender was answered.
    pub status: u16,
    /// Where the reading ended.
    pub phase: RefusalPhase,
    /// Why, in words; nothing of the object's text.
    pub reason: String,
    /// When it was durable.
    pub received_at: Timestamp,
}

/// What is kept of refused objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefusedUsage {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects of one source since an instant.
    pub of_source: u64,
    /// Whether the object in question is among them.
    pub holds_it: bool,
    /// Objects that a person judged before an instant: their copies may go.
    pub judged: u64,
    /// Their bytes.
    pub judged_bytes: u64,
}
