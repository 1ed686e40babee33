//! RLE Lossless (PS3.5 Annex G): a header of segment offsets, one PackBits segment per byte plane.

use super::super::attributes::PixelLayout;
use super::{DecodeError, Decoded, Samples, raw};

/// Decodes one frame; segments come most significant byte first, sample by sample.
pub(super) fn decode(bytes: &[u8], layout: &PixelLayout) -> Result<Decoded, DecodeError> {
    let bad = |problem: &str| DecodeError::Codec { codec: "RLE", problem: problem.into() };
    let number = |at: usize| -> Option<usize> {
        let four = <[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?;
        usize::try_from(u32::from_le_bytes(four)).ok()
    };
    let pixels = layout.rows as usize * layout.columns as usize;
    let components = layout.samples_per_pixel as usize;
    let segments = number(0).ok_or_else(|| bad("header is cut short"))?;
    let segment = |index: usize| -> Result<&[u8], DecodeError> {
        let start = number(4 + index * 4).ok_or_else(|| bad("header is cut short"))?;
        let end = if index + 1 < segments { number(8 + index * 4) } else { Some(bytes.len()) };
        end.and_then(|end| bytes.get(start..end)).ok_or_else(|| bad("segment offsets lie"))
    };
    let planes = match layout.bits_allocated {
        // Single bits are packed eight to a byte before they are run-length coded.
        1 | 8 => 1,
        16 => 2,
        found => return Err(DecodeError::UnsupportedBits { what: "Bits Allocated", found }),
    };
    if segments != planes * components || segments > 15 {
        return Err(bad("number of segments does not fit the attributes"));
    }
    if layout.bits_allocated == 1 {
        let mut packed = vec![0; pixels.div_ceil(8)];
        unpack(segment(0)?, &mut packed, 1, |byte, to| *to = byte).ok_or(DecodeError::TooShort)?;
        return raw::decode(&packed, layout, 0, raw::Order { big_endian: false, words: false });
    }
    let mut samples = if planes == 1 {
        let mut out = vec![0_u8; pixels * components];
        for component in 0..components {
            let part = out.get_mut(component..).unwrap_or_default();
            unpack(segment(component)?, part, components, |byte, to| *to = byte)
                .ok_or(DecodeError::TooShort)?;
        }
        Samples::U8(out)
    } else {
        let mut out = vec![0_u16; pixels * components];
        for component in 0..components {
            let part = out.get_mut(component..).unwrap_or_default();
            unpack(segment(component * 2)?, part, components, |byte, to| *to = u16::from(byte) << 8)
                .ok_or(DecodeError::TooShort)?;
            unpack(segment(component * 2 + 1)?, part, components, |byte, to| *to |= u16::from(byte))
                .ok_or(DecodeError::TooShort)?;
        }
        Samples::U16(out)
    };
    raw::cut_to_bits_stored(&mut samples, layout);
    Ok(Decoded {
        columns: layout.columns,
        rows: layout.rows,
        components: layout.samples_per_pixel,
        samples,
        luminance_first: false,
    })
}

/// PackBits (PS3.5 G.3.2) into every `step`th place of `out`; `None` where the segment ends too soon.
fn unpack<T>(mut segment: &[u8], out: &mut [T], step: usize, put: impl Fn(u8, &mut T)) -> Option<()> {
    let mut places = out.iter_mut().step_by(step);
    let mut left = places.len();
    while left > 0 {
        let (&control, rest) = segment.split_first()?;
        segment = rest;
        match control {
            0..=127 => {
                let count = usize::from(control) + 1;
                let literal = segment.get(..count)?;
                segment = segment.get(count..)?;
                for (byte, to) in literal.iter().zip(places.by_ref()) {
                    put(*byte, to);
                }
                left = left.saturating_sub(count);
            }
            128 => {}
            129..=255 => {
                let count = 257 - usize::from(control);
                let (&byte, rest) = segment.split_first()?;
                segment = rest;
                places.by_ref().take(count).for_each(|to| put(byte, to));
                left = left.saturating_sub(count);
            }
        }
    }
    Some(())
}
