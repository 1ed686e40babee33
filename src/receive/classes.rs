//! Which SOP classes and transfer syntaxes are accepted, and what they are for.
//!
//! In: UIDs from a negotiation. Out: whether to accept. Tables only (PS3.6 annex A).

/// Verification (PS3.4 annex A).
pub const VERIFICATION: &str = "1.2.840.10008.1.1";

/// What becomes of objects of a class after they were stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Images that a model may score.
    Scored,
    /// Images for processing: kept, told apart from those for presentation.
    ForProcessing,
    /// Stored, and shown at most.
    StoredOnly,
}

const CLASSES: &[(&str, Use)] = &[
    // Computed Radiography Image Storage
    ("1.2.840.10008.5.1.4.1.1.1", Use::Scored),
    // Digital X-Ray Image Storage, for presentation and for processing
    ("1.2.840.10008.5.1.4.1.1.1.1", Use::Scored),
    ("1.2.840.10008.5.1.4.1.1.1.1.1", Use::ForProcessing),
    // Digital Mammography X-Ray Image Storage, for presentation and for processing
    ("1.2.840.10008.5.1.4.1.1.1.2", Use::Scored),
    ("1.2.840.10008.5.1.4.1.1.1.2.1", Use::ForProcessing),
    // Breast Tomosynthesis Image Storage
    ("1.2.840.10008.5.1.4.1.1.13.1.3", Use::StoredOnly),
    // Secondary Capture, and its multi-frame kinds (bit, byte, word, true colour)
    ("1.2.840.10008.5.1.4.1.1.7", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.7.1", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.7.2", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.7.3", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.7.4", Use::StoredOnly),
    // Basic Text, Enhanced and Comprehensive SR, Comprehensive 3D SR, Extensible SR
    ("1.2.840.10008.5.1.4.1.1.88.11", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.88.22", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.88.33", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.88.34", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.88.35", Use::StoredOnly),
    // Mammography CAD SR, Key Object Selection, Chest CAD SR, X-Ray Radiation Dose SR
    ("1.2.840.10008.5.1.4.1.1.88.50", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.88.59", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.88.65", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.88.67", Use::StoredOnly),
    // Softcopy presentation states: grayscale, colour, pseudo-colour, blending
    ("1.2.840.10008.5.1.4.1.1.11.1", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.11.2", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.11.3", Use::StoredOnly),
    ("1.2.840.10008.5.1.4.1.1.11.4", Use::StoredOnly),
];

/// What a storage class is for; `None` for one without an entry.
pub fn use_of(class: &str) -> Option<Use> {
    CLASSES.iter().find(|(uid, _)| *uid == class).map(|(_, purpose)| *purpose)
}

/// Whether a UID without an entry is a storage class of the standard (PS3.4 table B.5-1).
pub fn is_other_storage_class(class: &str) -> bool {
    const ROOTS: [&str; 2] = ["1.2.840.10008.5.1.4.1.1.", "1.2.840.10008.5.1.4.34.7"];
    // Retired print and query classes of the same root are not storage classes.
    const NOT_STORAGE: [&str; 2] = ["1.2.840.10008.5.1.4.1.1.27", "1.2.840.10008.5.1.4.1.1.30"];
    ROOTS.iter().any(|root| class.starts_with(root)) && !NOT_STORAGE.contains(&class)
}

/// Implicit VR Little Endian, the default transfer syntax (PS3.5 annex A.1).
pub const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
/// Explicit VR Little Endian.
pub const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
/// Explicit VR Big Endian (retired, still met).
pub const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";
/// Deflated Explicit VR Little Endian.
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Every transfer syntax in which objects are stored, as they came.
pub const TRANSFER_SYNTAXES: &[&str] = &[
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    EXPLICIT_BIG,
    DEFLATED,
    "1.2.840.10008.1.2.5",     // RLE Lossless
    "1.2.840.10008.1.2.4.50",  // JPEG Baseline (process 1)
    "1.2.840.10008.1.2.4.51",  // JPEG Extended (processes 2 and 4), 12 bit
    "1.2.840.10008.1.2.4.57",  // JPEG Lossless (process 14)
    "1.2.840.10008.1.2.4.70",  // JPEG Lossless, first-order prediction (process 14, SV1)
    "1.2.840.10008.1.2.4.80",  // JPEG-LS Lossless
    "1.2.840.10008.1.2.4.81",  // JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90",  // JPEG 2000 lossless only
    "1.2.840.10008.1.2.4.91",  // JPEG 2000
    "1.2.840.10008.1.2.4.201", // HTJ2K lossless only
    "1.2.840.10008.1.2.4.202", // HTJ2K lossless, RPCL
    "1.2.840.10008.1.2.4.203", // HTJ2K
];

/// The syntax in our table that a UID names, if we store it.
pub fn accepted_syntax(uid: &str) -> Option<&'static str> {
    TRANSFER_SYNTAXES.iter().copied().find(|ours| *ours == uid)
}
