//! Data sets good and bad, whole, cut at every byte, in pieces of every size, and mutated.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits { sequence_depth: 64, element_length: u32::MAX as u64, total: 1 << 32 };
const EXPLICIT: &str = classes::EXPLICIT_LITTLE;
const IMPLICIT: &str = classes::IMPLICIT_LITTLE;
const BIG: &str = classes::EXPLICIT_BIG;

/// Writes elements in one of the encodings.
struct Writer {
    syntax: &'static str,
    bytes: Vec<u8>,
}

impl Writer {
    fn new(syntax: &'static str) -> Self {
        Self { syntax, bytes: Vec::new() }
    }
    fn u16(&mut self, n: u16) {
        self.bytes.extend(if self.syntax == BIG { n.to_be_bytes() } else { n.to_le_bytes() });
    }
    fn u32(&mut self, n: u32) {
        self.bytes.extend(if self.syntax == BIG { n.to_be_bytes() } else { n.to_le_bytes() });
    }
    fn tag(&mut self, tag: (u16, u16)) {
        self.u16(tag.0);
        self.u16(tag.1);
    }
    fn head(mut self, tag: (u16, u16), vr: &str, length: u32) -> Self {
        self.tag(tag);
        if self.syntax == IMPLICIT {
            self.u32(length);
        } else {
            self.bytes.extend(vr.bytes());
            if ["OB", "OW", "SQ", "UN", "UT"].contains(&vr) {
                self.u16(0);
                self.u32(length);
            } else {
                self.u16(u16::try_from(length).unwrap());
            }
        }
        self
    }
    fn raw(mut self, value: &[u8]) -> Self {
        self.bytes.extend(value);
        self
    }
    fn text(self, tag: (u16, u16), vr: &str, value: &str) -> Self {
        let mut value = value.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == "UI" { 0 } else { b' ' });
        }
        self.head(tag, vr, u32::try_from(value.len()).unwrap()).raw(&value)
    }
    fn short(self, tag: (u16, u16), value: u16) -> Self {
        let mut new = self.head(tag, "US", 2);
        new.u16(value);
        new
    }
    /// An item or delimiter.
    fn mark(mut self, element: u16, length: u32) -> Self {
        self.tag((0xFFFE, element));
        self.u32(length);
        self
    }
}

fn identity(syntax: &'static str) -> Writer {
    Writer::new(syntax)
        .text((0x0008, 0x0005), "CS", "ISO_IR 100")
        .text((0x0008, 0x0016), "UI", "1.2.840.10008.5.1.4.1.1.1.2")
        .text((0x0008, 0x0018), "UI", "1.2.3.4")
        .text((0x0008, 0x0060), "CS", "MG")
        .text((0x0010, 0x0010), "PN", "Test^Anna")
        .text((0x0010, 0x0020), "LO", "P1")
        .text((0x0010, 0x0040), "CS", "F")
        .text((0x0020, 0x000D), "UI", "1.2.3")
        .text((0x0020, 0x000E), "UI", "1.2.3.1")
        .text((0x0020, 0x0062), "CS", "R")
        .short((0x0028, 0x0010), 4)
        .short((0x0028, 0x0011), 6)
}

/// A mammogram with nested view code and modifier sequences, of defined or undefined length.
fn mammogram(syntax: &'static str, undefined: bool) -> Vec<u8> {
    let code = |value: &str, meaning: &str| {
        Writer::new(syntax)
            .text((0x0008, 0x0100), "SH", value)
            .text((0x0008, 0x0102), "SH", "SCT")
            .text((0x0008, 0x0104), "LO", meaning)
            .bytes
    };
    let sequence = |w: Writer, tag: (u16, u16), item: &[u8]| {
        let length = u32::try_from(item.len()).unwrap();
        if undefined {
            w.head(tag, "SQ", u32::MAX).mark(0xE000, u32::MAX).raw(item).mark(0xE00D, 0).mark(0xE0DD, 0)
        } else {
            w.head(tag, "SQ", length + 8).mark(0xE000, length).raw(item)
        }
    };
    let modifier = sequence(Writer::new(syntax), (0x0054, 0x0222), &code("399011000", "Magnification")).bytes;
    let view = [code("399162004", "cranio-caudal"), modifier].concat();
    sequence(identity(syntax), (0x0054, 0x0220), &view).head((0x7FE0, 0x0010), "OW", 48).raw(&[0; 48]).bytes
}

fn scan_in(syntax: &str, bytes: &[u8], step: usize) -> Result<Picked, ScanError> {
    let mut scanner = Scanner::new(syntax, LIMITS);
    for piece in bytes.chunks(step.max(1)) {
        scanner.feed(piece)?;
    }
    scanner.finish()
}

fn scan(syntax: &str, bytes: &[u8]) -> Result<Picked, ScanError> {
    scan_in(syntax, bytes, usize::MAX)
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn history_and_reason_are_kept_whole_with_their_lines() {
    let long = "a".repeat(5_000);
    for syntax in [EXPLICIT, IMPLICIT, BIG] {
        let bytes = identity(syntax)
            .text((0x0010, 0x21B0), "LT", &format!("Lump left\r\nfor a month\x0c{long}"))
            .text((0x0018, 0x1164), "DS", r"0.1\0.2")
            .text((0x0020, 0x0020), "CS", r"P\FL")
            .head((0x0040, 0x0275), "SQ", u32::MAX)
            .mark(0xE000, u32::MAX)
            .text((0x0040, 0x1002), "LO", "Screening")
            .mark(0xE00D, 0)
            .mark(0xE000, u32::MAX)
            .text((0x0040, 0x1002), "LO", "Another request")
            .mark(0xE00D, 0)
            .mark(0xE0DD, 0)
            .bytes;
        let tags = scan_in(syntax, &bytes, 7).unwrap().tags();
        assert_eq!(tags.patient_history, format!("Lump left\nfor a month\n{long}"));
        assert_eq!(tags.reason_for_study, "Screening");
        assert_eq!(
            (tags.imager_pixel_spacing.as_str(), tags.patient_orientation.as_str()),
            (r"0.1\0.2", r"P\FL")
        );
    }
}

#[test]
fn the_attributes_are_picked_in_every_encoding_and_in_pieces_of_any_size() {
    for syntax in [EXPLICIT, IMPLICIT, BIG] {
        for undefined in [true, false] {
            let bytes = mammogram(syntax, undefined);
            for step in [1, 2, 3, 7, 11, 64, bytes.len()] {
                let picked = scan_in(syntax, &bytes, step).unwrap();
                let tags = picked.tags();
                assert_eq!(picked.sop_instance_uid().unwrap().as_str(), "1.2.3.4");
                assert_eq!(tags.patient_name, "Test^Anna");
                assert_eq!(tags.view_code, "399162004^cranio-caudal");
                assert_eq!(tags.view_modifiers, "399011000^Magnification");
                assert_eq!((tags.rows, tags.columns, tags.frames), (4, 6, 1));
                assert_eq!(tags.image_laterality, "R");
                assert!(tags.has_pixels);
            }
        }
    }
}

#[test]
fn a_deflated_data_set_is_scanned_in_pieces_of_any_size() {
    let bytes = deflated(&mammogram(EXPLICIT, true));
    for step in [1, 5, bytes.len()] {
        assert_eq!(scan_in(classes::DEFLATED, &bytes, step).unwrap().tags().modality, "MG");
    }
    let mut padded = bytes.clone();
    padded.push(0);
    assert!(scan(classes::DEFLATED, &padded).is_ok());
    for end in 0..bytes.len() {
        assert!(scan(classes::DEFLATED, &bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn an_inflation_bomb_is_refused_at_the_limit() {
    let bomb =
        deflated(&identity(EXPLICIT).head((0x7FE0, 0x0010), "OW", 64 << 20).raw(&vec![0; 64 << 20]).bytes);
    let mut scanner = Scanner::new(classes::DEFLATED, Limits { total: 1 << 20, ..LIMITS });
    assert_eq!(scanner.feed(&bomb), Err(ScanError::ElementTooLong { tag: Tag(0x7FE0, 0x0010) }));
}

#[test]
fn a_data_set_cut_at_any_byte_is_refused() {
    for syntax in [EXPLICIT, IMPLICIT, BIG] {
        for undefined in [true, false] {
            let bytes = mammogram(syntax, undefined);
            for end in 0..bytes.len() {
                let whole = scan(syntax, &bytes[..end]);
                // Cut between two elements of the data set itself, before the pixels, it is whole.
                assert!(whole.is_err() || !whole.unwrap().tags().has_pixels, "cut at {end}");
            }
        }
    }
}

fn nested(depth: usize, undefined: bool) -> Vec<u8> {
    let mut writer = identity(EXPLICIT);
    let step = 20_u32;
    let mut left = u32::try_from(depth).unwrap().saturating_mul(step);
    for _ in 0..depth {
        let length = if undefined { u32::MAX } else { left - 12 };
        let item = if undefined { u32::MAX } else { left - 20 };
        writer = writer.head((0x0040, 0xA730), "SQ", length).mark(0xE000, item);
        left -= step;
    }
    for _ in 0..if undefined { depth } else { 0 } {
        writer = writer.mark(0xE00D, 0).mark(0xE0DD, 0);
    }
    writer.bytes
}

#[test]
fn sequences_may_be_nested_64_deep_and_no_deeper() {
    for undefined in [true, false] {
        assert!(scan(EXPLICIT, &nested(64, undefined)).is_ok());
        for depth in [65, 1_000, 100_000] {
            assert_eq!(
                scan(EXPLICIT, &nested(depth, undefined)).unwrap_err(),
                ScanError::TooDeep { limit: 64 }
            );
        }
    }
}

#[test]
fn encapsulated_pixels_are_walked_by_their_items_whatever_they_hold() {
    let encapsulated = |fragment: &[u8]| {
        identity(EXPLICIT)
            .head((0x7FE0, 0x0010), "OB", u32::MAX)
            .mark(0xE000, 0)
            .mark(0xE000, u32::try_from(fragment.len()).unwrap())
            .raw(fragment)
    };
    // A fragment may hold what looks like a delimiter.
    let inside = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
    assert!(scan(EXPLICIT, &encapsulated(&inside).mark(0xE0DD, 0).bytes).unwrap().tags().has_pixels);
    assert!(matches!(scan(EXPLICIT, &encapsulated(&inside).bytes), Err(ScanError::Truncated { .. })));
    let nested_item = encapsulated(&inside).mark(0xE000, u32::MAX).mark(0xE0DD, 0).bytes;
    assert!(matches!(scan(EXPLICIT, &nested_item), Err(ScanError::OutOfPlace { .. })));
}

#[test]
fn unknown_values_of_undefined_length_are_implicit_inside() {
    let inner = Writer::new(IMPLICIT).text((0x0008, 0x0100), "SH", "X").bytes;
    let bytes = identity(EXPLICIT)
        .head((0x0029, 0x1010), "UN", u32::MAX)
        .mark(0xE000, u32::MAX)
        .raw(&inner)
        .mark(0xE00D, 0)
        .mark(0xE0DD, 0)
        .text((0x0040, 0x0254), "LO", "after")
        .bytes;
    assert!(scan(EXPLICIT, &bytes).is_ok());
}

#[test]
fn each_fault_has_its_own_reason() {
    let good = || identity(EXPLICIT);
    let tag = Tag(0x0028, 0x0100);
    let cases: Vec<(Vec<u8>, ScanError)> = vec![
        (good().raw(b"\x28\x00\x00\x01\x00\x01\x02\x00").bytes, ScanError::InvalidVr { tag }),
        (good().raw(b"\x28\x00\x00\x01zz\x02\x00").bytes, ScanError::InvalidVr { tag }),
        (good().mark(0xE0DD, 0).bytes, ScanError::OutOfPlace { tag: header::SEQUENCE_END, offset: 0 }),
        (good().mark(0xE00D, 0).bytes, ScanError::OutOfPlace { tag: header::ITEM_END, offset: 0 }),
        (good().mark(0xE000, 0).bytes, ScanError::OutOfPlace { tag: header::ITEM, offset: 0 }),
        (
            Writer::new(EXPLICIT).text((0x0002, 0x0010), "UI", "1.2").bytes,
            ScanError::ForbiddenGroup { tag: Tag(0x0002, 0x0010) },
        ),
        (
            good().head((0x0028, 0x1200), "OW", u32::MAX).bytes,
            ScanError::UndefinedLength { tag: Tag(0x0028, 0x1200) },
        ),
        (
            good().text((0x0008, 0x0018), "UI", "1.2.3.5").bytes,
            ScanError::Twice { attribute: "SOP Instance UID" },
        ),
        (
            good().head((0x0040, 0xA730), "SQ", 16).mark(0xE000, 400).raw(&[0; 400]).bytes,
            ScanError::LengthPastEnd { tag: header::ITEM },
        ),
        (
            Writer::new(EXPLICIT).text((0x0008, 0x0016), "UI", "1.2").bytes,
            ScanError::Missing { attribute: "SOP Instance UID" },
        ),
    ];
    for (bytes, expected) in cases {
        let found = scan(EXPLICIT, &bytes).unwrap_err();
        match (&found, &expected) {
            (ScanError::OutOfPlace { tag: a, .. }, ScanError::OutOfPlace { tag: b, .. }) => assert_eq!(a, b),
            _ => assert_eq!(found, expected),
        }
    }
}

#[test]
fn no_uid_but_digits_and_dots_passes() {
    for uid in [
        "../../etc/passwd",
        "/etc/passwd",
        "1.2.a",
        "",
        "1.2\0.3",
        "1..2",
        &"1".repeat(65),
        &"1".repeat(2_000),
    ] {
        let bytes = Writer::new(EXPLICIT)
            .text((0x0008, 0x0016), "UI", "1.2")
            .text((0x0008, 0x0018), "UI", uid)
            .text((0x0020, 0x000D), "UI", "1.2.3")
            .text((0x0020, 0x000E), "UI", "1.2.3.1")
            .bytes;
        assert!(scan(EXPLICIT, &bytes).is_err(), "{uid:?} passed");
    }
}

#[test]
fn a_declared_length_is_never_allocated() {
    for (vr, length) in [("OB", u32::MAX - 1), ("OW", 0x8000_0000), ("UT", u32::MAX - 1), ("UN", 0x7FFF_FFFF)]
    {
        let bytes = identity(EXPLICIT).head((0x0042, 0x0011), vr, length).raw(b"abcd").bytes;
        assert!(matches!(
            scan(EXPLICIT, &bytes),
            Err(ScanError::Truncated { .. } | ScanError::ElementTooLong { .. })
        ));
    }
}

proptest! {
    #[test]
    fn mutations_never_panic(
        syntax in prop::sample::select(vec![EXPLICIT, IMPLICIT, BIG, classes::DEFLATED]),
        undefined in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        step in 1_usize..100,
    ) {
        let mut bytes = match syntax {
            classes::DEFLATED => deflated(&mammogram(EXPLICIT, undefined)),
            plain => mammogram(plain, undefined),
        };
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let whole = scan(syntax, &bytes);
        let pieces = scan_in(syntax, &bytes, step);
        // However it is cut, the verdict is the same.
        prop_assert_eq!(whole.is_ok(), pieces.is_ok());
        if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
            prop_assert_eq!(whole.tags(), pieces.tags());
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        for syntax in [EXPLICIT, IMPLICIT, BIG, classes::DEFLATED] {
            let _ = scan(syntax, &bytes);
        }
    }
}
