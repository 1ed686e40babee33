//! Native pixel data (PS3.5 section 8.1): 1, 8 or 16 bits allocated, either byte order, interleaved or planar.

use super::super::attributes::PixelLayout;
use super::{DecodeError, Decoded, Samples, samples_per_frame};

/// How multi-byte samples lie in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub big_endian: bool,
    /// Whether the value is of 16-bit words (OW), which big endian swaps even where a sample is one byte.
    pub words: bool,
}

/// Cuts frame `frame` out and its samples to Bits Stored.
pub(super) fn decode(
    bytes: &[u8],
    layout: &PixelLayout,
    frame: u32,
    order: Order,
) -> Result<Decoded, DecodeError> {
    // YBR_FULL_422 shares chrominance between two pixels: Y1 Y2 Cb Cr (PS3.3 C.7.6.3.1.2).
    if layout.photometric == "YBR_FULL_422" && layout.samples_per_pixel == 3 && layout.bits_allocated == 8 {
        return half_chrominance(bytes, layout, frame);
    }
    let count = samples_per_frame(layout);
    let mut samples = match layout.bits_allocated {
        1 => Samples::U8(bits(bytes, count, frame)?),
        8 if order.big_endian && order.words => {
            let length = count.next_multiple_of(2);
            let swapped = part(bytes, frame, count, length)?;
            let mut plain: Vec<u8> = swapped.chunks(2).flat_map(|pair| pair.iter().rev().copied()).collect();
            plain.truncate(count);
            Samples::U8(plain)
        }
        8 => Samples::U8(part(bytes, frame, count, count)?.to_vec()),
        16 => {
            let pairs = part(bytes, frame, count * 2, count * 2)?.chunks_exact(2);
            let word = |pair: &[u8]| match *pair {
                [a, b] => u16::from_le_bytes([a, b]),
                _ => 0,
            };
            Samples::U16(match order.big_endian {
                false => pairs.map(word).collect(),
                true => pairs.map(|pair| word(pair).swap_bytes()).collect(),
            })
        }
        found => return Err(DecodeError::UnsupportedBits { what: "Bits Allocated", found }),
    };
    cut_to_bits_stored(&mut samples, layout);
    Ok(Decoded {
        columns: layout.columns,
        rows: layout.rows,
        components: layout.samples_per_pixel,
        samples: if layout.planar { interleave(samples, layout) } else { samples },
        luminance_first: false,
    })
}

/// Frame `frame` of `size` bytes each, of which the last may lack its padding to `padded`.
fn part(bytes: &[u8], frame: u32, size: usize, padded: usize) -> Result<&[u8], DecodeError> {
    let start = (frame as usize).checked_mul(size).ok_or(DecodeError::TooShort)?;
    let end = start.checked_add(padded).ok_or(DecodeError::TooShort)?;
    bytes.get(start..end).or_else(|| bytes.get(start..start.checked_add(size)?)).ok_or(DecodeError::TooShort)
}

/// One bit per pixel, least significant first, frames not padded to bytes (PS3.5 section 8.1.1).
fn bits(bytes: &[u8], count: usize, frame: u32) -> Result<Vec<u8>, DecodeError> {
    let first = (frame as usize).checked_mul(count).ok_or(DecodeError::TooShort)?;
    let last = first.checked_add(count).ok_or(DecodeError::TooShort)?;
    if last.div_ceil(8) > bytes.len() {
        return Err(DecodeError::TooShort);
    }
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (at % 8) & 1);
    Ok((first..last).map(bit).collect())
}

fn half_chrominance(bytes: &[u8], layout: &PixelLayout, frame: u32) -> Result<Decoded, DecodeError> {
    let pixels = layout.rows as usize * layout.columns as usize;
    let quads = part(bytes, frame, pixels * 2, pixels * 2)?.chunks_exact(4);
    let mut samples = Vec::with_capacity(pixels * 3);
    for quad in quads {
        if let [first, second, blue, red] = *quad {
            samples.extend([first, blue, red, second, blue, red]);
        }
    }
    let samples = Samples::U8(samples);
    Ok(Decoded { columns: layout.columns, rows: layout.rows, components: 3, samples, luminance_first: true })
}

/// Moves the stored bits to the low end and clears what lies above (overlays and garbage: PS3.5 section 8.1.1).
pub(super) fn cut_to_bits_stored(samples: &mut Samples, layout: &PixelLayout) {
    let shift = (layout.high_bit + 1).saturating_sub(layout.bits_stored);
    let mask = ((1_u32 << layout.bits_stored) - 1) as u16;
    match samples {
        Samples::U16(samples) if shift > 0 || layout.bits_stored < 16 => {
            samples.iter_mut().for_each(|v| *v = *v >> shift & mask);
        }
        Samples::U8(samples) if layout.bits_allocated == 8 && (shift > 0 || layout.bits_stored < 8) => {
            samples.iter_mut().for_each(|v| *v = *v >> shift & mask as u8);
        }
        Samples::U16(_) | Samples::U8(_) => {}
    }
}

/// Planar Configuration 1 (all of one colour, then the next) to interleaved.
pub(super) fn interleave(samples: Samples, layout: &PixelLayout) -> Samples {
    fn turn<T: Copy + Default>(planes: &[T], components: usize) -> Vec<T> {
        let pixels = planes.len() / components.max(1);
        let mut out = vec![T::default(); planes.len()];
        for (component, plane) in planes.chunks_exact(pixels.max(1)).enumerate() {
            out.iter_mut().skip(component).step_by(components).zip(plane).for_each(|(to, from)| *to = *from);
        }
        out
    }
    let components = layout.samples_per_pixel as usize;
    match samples {
        _ if components == 1 => samples,
        Samples::U8(planes) => Samples::U8(turn(&planes, components)),
        Samples::U16(planes) => Samples::U16(turn(&planes, components)),
    }
}
