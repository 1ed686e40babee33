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
    ROOTS.iter().any(|root| class.starts_with(root))
}

/// Implicit VR Little Endian, the default transfer syntax (PS3.5 annex A.1).
pub const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
/// Explicit VR Little Endian.
pub const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
/// Explicit VR Big Endian (retired, still met).
pub const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";
/// Deflated Explicit VR Little Endian.
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// Transfer syntaxes whose pixels we can decode.
const DECODED_SYNTAXES: &[&str] = &[
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    EXPLICIT_BIG,
    DEFLATED,
    "1.2.840.10008.1.2.5",    // RLE Lossless
    "1.2.840.10008.1.2.4.50", // JPEG Baseline (process 1)
    "1.2.840.10008.1.2.4.51", // JPEG Extended (processes 2 and 4), 12 bit
    "1.2.840.10008.1.2.4.57", // JPEG Lossless (process 14)
    "1.2.840.10008.1.2.4.70", // JPEG Lossless, first-order prediction (process 14, SV1)
    "1.2.840.10008.1.2.4.80", // JPEG-LS Lossless
    "1.2.840.10008.1.2.4.81", // JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90", // JPEG 2000 lossless only
    "1.2.840.10008.1.2.4.91", // JPEG 2000
];

/// Transfer syntaxes that are stored as they come, and may not decode. All are explicit little endian.
const STORED_SYNTAXES: &[&str] = &[
    "1.2.840.10008.1.2.4.201", // HTJ2K lossless only
    "1.2.840.10008.1.2.4.202", // HTJ2K lossless, RPCL
    "1.2.840.10008.1.2.4.203", // HTJ2K
    "1.2.840.10008.1.2.4.52",  // retired JPEG processes
    "1.2.840.10008.1.2.4.53",
    "1.2.840.10008.1.2.4.54",
    "1.2.840.10008.1.2.4.55",
    "1.2.840.10008.1.2.4.56",
    "1.2.840.10008.1.2.4.58",
    "1.2.840.10008.1.2.4.92",  // JPEG 2000 part 2, lossless only
    "1.2.840.10008.1.2.4.93",  // JPEG 2000 part 2
    "1.2.840.10008.1.2.4.110", // JPEG XL lossless
    "1.2.840.10008.1.2.4.111", // JPEG XL, recompressed JPEG
    "1.2.840.10008.1.2.4.112", // JPEG XL
    "1.2.840.10008.1.2.8.1",   // Deflated Image Frame Compression
];

/// The syntax to accept out of those that a requester offers for one context: in the requester's
/// order, since objects are kept as they come, but one that decodes before one that may not.
pub fn accepted_syntax<'a>(offered: impl Iterator<Item = &'a str> + Clone) -> Option<&'static str> {
    let first_of = |table: &[&'static str]| {
        offered.clone().find_map(|uid| table.iter().copied().find(|ours| *ours == uid))
    };
    first_of(DECODED_SYNTAXES).or_else(|| first_of(STORED_SYNTAXES))
}
