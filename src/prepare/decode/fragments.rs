//! Fragments of encapsulated pixel data to the bytes of one frame (PS3.5 A.4).

use std::borrow::Cow;
use std::io::Read;

use super::super::attributes::PixelLayout;
use super::super::dataset::DataSet;
use super::DecodeError;

/// Extended Offset Table (7FE0,0001).
const EXTENDED_OFFSET_TABLE: u32 = 0x7FE0_0001;

/// The bytes of frame `frame` (from 0): by one fragment a frame, by the offset tables, or by start-of-image markers.
pub(super) fn frame_bytes<'a>(
    fragments: &[&'a [u8]],
    set: &DataSet<'_>,
    frames: u32,
    frame: u32,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    let (table, fragments) = fragments.split_first().ok_or(DecodeError::MissingPixels)?;
    if fragments.is_empty() {
        return Err(DecodeError::MissingPixels);
    }
    let chosen = if frames <= 1 {
        fragments
    } else if fragments.len() == frames as usize {
        fragments.get(frame as usize..=frame as usize).ok_or(DecodeError::TooShort)?
    } else {
        let starts = match offsets(table, set) {
            offsets if offsets.len() == frames as usize => by_offsets(fragments, &offsets),
            _ => by_markers(fragments),
        };
        if starts.len() != frames as usize {
            return Err(DecodeError::Mismatch {
                found: format!("{} frames in {} fragments", starts.len(), fragments.len()),
                said: format!("{frames} frames"),
            });
        }
        let from = starts.get(frame as usize).copied().ok_or(DecodeError::TooShort)?;
        let to = starts.get(frame as usize + 1).copied().unwrap_or(fragments.len());
        fragments.get(from..to).ok_or(DecodeError::TooShort)?
    };
    match chosen {
        [] => Err(DecodeError::TooShort),
        [one] => Ok(Cow::Borrowed(one)),
        many => Ok(Cow::Owned(many.concat())),
    }
}

fn offsets(table: &[u8], set: &DataSet<'_>) -> Vec<u64> {
    if let Some(extended) = set.bytes(EXTENDED_OFFSET_TABLE) {
        return extended.chunks_exact(8).map(le).collect();
    }
    table.chunks_exact(4).map(le).collect()
}

fn le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// First fragment of each frame: an offset counts from the first fragment's item tag, eight bytes of header each.
fn by_offsets(fragments: &[&[u8]], offsets: &[u64]) -> Vec<usize> {
    let mut starts = Vec::with_capacity(offsets.len());
    let mut at = 0_u64;
    for (index, fragment) in fragments.iter().enumerate() {
        if offsets.get(starts.len()) == Some(&at) {
            starts.push(index);
        }
        at += 8 + fragment.len() as u64;
    }
    starts
}

/// First fragment of each frame: those that begin with a start-of-image (JPEG) or start-of-codestream (JPEG 2000).
fn by_markers(fragments: &[&[u8]]) -> Vec<usize> {
    let starts = |f: &&[u8]| f.starts_with(&[0xFF, 0xD8, 0xFF]) || f.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]);
    fragments.iter().enumerate().filter(|(_, f)| starts(f)).map(|(index, _)| index).collect()
}

/// A frame of Deflated Image Frame Compression (PS3.5 A.4.13), never more than its layout holds.
pub(super) fn inflate(bytes: &[u8], layout: &PixelLayout) -> Result<Vec<u8>, DecodeError> {
    let most = (super::samples_per_frame(layout) as u64 * u64::from(layout.bits_allocated)).div_ceil(8) + 1;
    let mut inflated = Vec::new();
    flate2::read::DeflateDecoder::new(bytes)
        .take(most)
        .read_to_end(&mut inflated)
        .map_err(|problem| DecodeError::Codec { codec: "deflated frame", problem: problem.to_string() })?;
    Ok(inflated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_many_fragments_is_found_by_its_offset() {
        let empty = DataSet::default();
        let table = [0, 0, 0, 0, 20, 0, 0, 0];
        let fragments: Vec<&[u8]> = vec![&table, &[1, 2], &[3, 4], &[5, 6]];
        assert_eq!(frame_bytes(&fragments, &empty, 2, 0).unwrap().as_ref(), [1, 2, 3, 4]);
        assert_eq!(frame_bytes(&fragments, &empty, 2, 1).unwrap().as_ref(), [5, 6]);
        assert!(frame_bytes(&fragments, &empty, 2, 2).is_err());
        assert!(frame_bytes(&[], &empty, 1, 0).is_err());
    }
}
