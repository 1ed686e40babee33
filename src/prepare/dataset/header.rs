//! The header of one element, and the numbers in it (PS3.5 sections 7.1 and 7.5).

use super::{Encoding, ParseError};

/// Tag, value representation and length of an element, and where its value begins.
pub(super) struct Header {
    pub tag: u32,
    pub vr: [u8; 2],
    pub length: u32,
    pub value_at: usize,
}

/// Reads the header at `at`; `end` bounds what a length may claim.
pub(super) fn read_header(
    bytes: &[u8],
    at: usize,
    encoding: Encoding,
    end: usize,
) -> Result<Header, ParseError> {
    let tag = tag_at(bytes, at, encoding.big_endian).ok_or(ParseError::Truncated)?;
    let four = u32_at(bytes, at + 4, encoding.big_endian).ok_or(ParseError::Truncated)?;
    // Items and delimiters have no value representation (PS3.5 section 7.5).
    if !encoding.explicit || tag >> 16 == 0xFFFE {
        return Ok(Header { tag, vr: *b"??", length: four, value_at: at + 8 });
    }
    let vr =
        bytes.get(at + 4..at + 6).and_then(|v| <[u8; 2]>::try_from(v).ok()).ok_or(ParseError::Truncated)?;
    let short = u16_at(bytes, at + 6, encoding.big_endian).ok_or(ParseError::Truncated)?;
    match &vr {
        b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT"
        | b"UV" => {
            let length = u32_at(bytes, at + 8, encoding.big_endian).ok_or(ParseError::Truncated)?;
            Ok(Header { tag, vr, length, value_at: at + 12 })
        }
        // Some senders write single elements in implicit VR into an explicit data set.
        _ if !vr.iter().all(u8::is_ascii_uppercase) && four as usize <= end.saturating_sub(at) => {
            Ok(Header { tag, vr: *b"??", length: four, value_at: at + 8 })
        }
        _ => Ok(Header { tag, vr, length: u32::from(short), value_at: at + 8 }),
    }
}

pub(super) fn slice(bytes: &[u8], at: usize, length: u32, tag: u32) -> Result<&[u8], ParseError> {
    let beyond = ParseError::LengthBeyondEnd { group: (tag >> 16) as u16, element: (tag & 0xFFFF) as u16 };
    bytes.get(at..at.saturating_add(length as usize)).ok_or(beyond)
}

pub(super) fn u16_at(bytes: &[u8], at: usize, big_endian: bool) -> Option<u16> {
    let two = <[u8; 2]>::try_from(bytes.get(at..at.checked_add(2)?)?).ok()?;
    Some(if big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
}

pub(super) fn u32_at(bytes: &[u8], at: usize, big_endian: bool) -> Option<u32> {
    let four = <[u8; 4]>::try_from(bytes.get(at..at.checked_add(4)?)?).ok()?;
    Some(if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
}

pub(super) fn tag_at(bytes: &[u8], at: usize, big_endian: bool) -> Option<u32> {
    let group = u16_at(bytes, at, big_endian)?;
    let element = u16_at(bytes, at.checked_add(2)?, big_endian)?;
    Some(u32::from(group) << 16 | u32::from(element))
}
