//! Element headers: tag, value representation, length (PS3.5 section 7.1).
//!
//! In: up to 12 bytes. Out: a [`Header`], or how many bytes are needed first.

use super::{ScanError, Tag};
use dicom_core::VR;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_dictionary_std::StandardDataDictionary;

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

/// The length field that says "until the delimiter".
pub(super) const UNDEFINED: u32 = u32::MAX;

/// An element header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub tag: Tag,
    /// `None` for items and delimiters, which have none.
    pub vr: Option<VR>,
    pub length: u32,
}

pub(super) const ITEM: Tag = Tag(0xFFFE, 0xE000);
pub(super) const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
pub(super) const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// Reads a header from `bytes`, which holds 8 bytes, or 12 where this asked for them by `Ok(None)`.
pub(super) fn read(encoding: Encoding, bytes: &[u8]) -> Result<Option<Header>, ScanError> {
    let &[a, b, c, d, e, f, g, h, ref rest @ ..] = bytes else { return Ok(None) };
    let big = encoding == Encoding::ExplicitBig;
    let u16_of = |pair: [u8; 2]| if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
    let u32_of = |four: [u8; 4]| if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) };
    let tag = Tag(u16_of([a, b]), u16_of([c, d]));
    if tag.0 == 0xFFFE {
        return Ok(Some(Header { tag, vr: None, length: u32_of([e, f, g, h]) }));
    }
    if encoding == Encoding::ImplicitLittle {
        return Ok(Some(Header { tag, vr: Some(implicit_vr(tag)), length: u32_of([e, f, g, h]) }));
    }
    let vr = VR::from_binary([e, f]).ok_or(ScanError::InvalidVr { tag })?;
    if !has_long_length(vr) {
        return Ok(Some(Header { tag, vr: Some(vr), length: u32::from(u16_of([g, h])) }));
    }
    let &[i, j, k, l, ..] = rest else { return Ok(None) };
    Ok(Some(Header { tag, vr: Some(vr), length: u32_of([i, j, k, l]) }))
}

/// Value representations with a 32-bit length (PS3.5 table 7.1-1).
fn has_long_length(vr: VR) -> bool {
    use VR::{OB, OD, OF, OL, OV, OW, SQ, SV, UC, UN, UR, UT, UV};
    matches!(vr, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
}

/// The value representation that the dictionary gives: what readers of implicit data sets assume.
fn implicit_vr(tag: Tag) -> VR {
    StandardDataDictionary.by_tag(dicom_core::Tag(tag.0, tag.1)).map_or(VR::UN, |entry| match entry.vr() {
        VirtualVr::Exact(vr) => vr,
        other => other.relaxed(),
    })
}
