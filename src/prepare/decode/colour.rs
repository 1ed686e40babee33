//! Colour to luminance: colour objects are never scored, but a page can show them.

use super::super::attributes::{Attributes, PixelLayout};
use super::{DecodeError, Decoded, Samples};

/// Luminance of interleaved colour, or of palette indices through their tables (PS3.3 C.7.6.3.1.2, C.7.9.2).
pub(super) fn luminance(
    decoded: Decoded,
    layout: &PixelLayout,
    attributes: &Attributes,
) -> Result<Samples, DecodeError> {
    if layout.samples_per_pixel == 1 {
        return match (&attributes.palette, layout.photometric.as_str()) {
            (Some(palette), "PALETTE COLOR") => Ok(through_palette(&decoded.samples, palette)),
            _ => Ok(decoded.samples),
        };
    }
    // JPEG 2000 turns its colour transform back by itself, so its YBR_ICT and YBR_RCT arrive as RGB.
    let luminance_first =
        decoded.luminance_first || matches!(layout.photometric.as_str(), "YBR_FULL" | "YBR_PARTIAL_420");
    Ok(match decoded.samples {
        Samples::U8(samples) => {
            Samples::U8(samples.chunks_exact(3).map(|p| weigh(p, luminance_first) as u8).collect())
        }
        Samples::U16(samples) => {
            Samples::U16(samples.chunks_exact(3).map(|p| weigh(p, luminance_first) as u16).collect())
        }
    })
}

/// Rec. 601 weights in 1/65536; the result fits the input's type since the weights add up to one.
fn weigh<T: Copy + Into<u64>>(pixel: &[T], luminance_first: bool) -> u64 {
    match *pixel {
        [first, ..] if luminance_first => first.into(),
        [red, green, blue] => {
            (19_595 * red.into() + 38_470 * green.into() + 7_471 * blue.into() + 32_768) >> 16
        }
        _ => 0,
    }
}

fn through_palette(indices: &Samples, palette: &[super::super::attributes::LookupTable; 3]) -> Samples {
    let [red, green, blue] = palette;
    let entry = |table: &super::super::attributes::LookupTable, index: i64| {
        let last = table.entries.len().saturating_sub(1);
        let at = usize::try_from(index - table.first).unwrap_or(0).min(last);
        let value = table.entries.get(at).copied().unwrap_or(0);
        // Tables of 16 bits are shown at 8; tables that say 16 but hold 8 bits are seen, too.
        if table.entries.iter().any(|e| *e > 255) { value >> 8 } else { value }
    };
    let table: Vec<u8> = (0..65_536_i64)
        .map(|index| weigh(&[entry(red, index), entry(green, index), entry(blue, index)], false) as u8)
        .collect();
    let shown = |index: usize| table.get(index).copied().unwrap_or(0);
    Samples::U8(match indices {
        Samples::U8(indices) => indices.iter().map(|i| shown(usize::from(*i))).collect(),
        Samples::U16(indices) => indices.iter().map(|i| shown(usize::from(*i))).collect(),
    })
}
