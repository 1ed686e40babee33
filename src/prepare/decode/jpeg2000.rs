//! JPEG 2000 and high-throughput JPEG 2000 (ISO/IEC 15444-1, -15), by `jpeg2k` over `openjp2`.

use jpeg2k::{DecodeParameters, Image};

use super::super::attributes::PixelLayout;
use super::{DecodeError, Decoded, Samples};

/// Decodes one frame without its finest `drop_levels` wavelet levels, or in full where it has fewer.
pub(super) fn decode(bytes: &[u8], layout: &PixelLayout, drop_levels: u32) -> Result<Decoded, DecodeError> {
    let bad = |problem: String| DecodeError::Codec { codec: "JPEG 2000", problem };
    let header = codestream_header(bytes).ok_or_else(|| bad("has no readable header".into()))?;
    if (header.columns, header.rows, header.components)
        != (layout.columns, layout.rows, layout.samples_per_pixel)
    {
        return Err(DecodeError::Mismatch {
            found: format!("{}x{}x{}", header.columns, header.rows, header.components),
            said: format!("{}x{}x{}", layout.columns, layout.rows, layout.samples_per_pixel),
        });
    }
    let drop_levels = drop_levels.min(header.levels);
    let parameters = DecodeParameters::new().reduce(drop_levels).strict(true);
    let image = Image::from_bytes_with(bytes, parameters).map_err(|error| bad(error.to_string()))?;
    let components = image.components();
    let (columns, rows) = (image.width(), image.height());
    let pixels = columns as usize * rows as usize;
    if components.iter().any(|c| (c.width(), c.height()) != (columns, rows) || c.data().len() != pixels) {
        return Err(bad("has components of different sizes".into()));
    }
    let lossless = header.reversible && drop_levels == 0;
    let count = components.len();
    let (low, high) = stored_range(layout);
    let mask = ((1_u32 << layout.bits_stored) - 1) as u16;
    // Lossy coding and the wavelet's low-pass may swing beyond the stored range: there they are held at its ends.
    let store = |value: i32, signed: bool| -> u16 {
        let value = if lossless || signed != layout.signed { value } else { value.clamp(low, high) };
        value as u16 & mask
    };
    let samples = if layout.bits_allocated == 8 {
        let mut out = vec![0_u8; pixels * count];
        for (place, component) in components.iter().enumerate() {
            let signed = component.is_signed();
            let to = out.iter_mut().skip(place).step_by(count);
            to.zip(component.data()).for_each(|(to, from)| *to = store(*from, signed) as u8);
        }
        Samples::U8(out)
    } else if let [one] = components {
        let signed = one.is_signed();
        Samples::U16(one.data().iter().map(|v| store(*v, signed)).collect())
    } else {
        let mut out = vec![0_u16; pixels * count];
        for (place, component) in components.iter().enumerate() {
            let signed = component.is_signed();
            let to = out.iter_mut().skip(place).step_by(count);
            to.zip(component.data()).for_each(|(to, from)| *to = store(*from, signed));
        }
        Samples::U16(out)
    };
    Ok(Decoded { columns, rows, components: layout.samples_per_pixel, samples, luminance_first: false })
}

fn stored_range(layout: &PixelLayout) -> (i32, i32) {
    let half = 1_i32 << (layout.bits_stored - 1);
    if layout.signed { (-half, half - 1) } else { (0, half * 2 - 1) }
}

struct Header {
    columns: u32,
    rows: u32,
    components: u32,
    levels: u32,
    reversible: bool,
}

/// Size, components, decomposition levels and kind of wavelet, from the SIZ and COD markers (ISO/IEC 15444-1 A.5, A.6).
fn codestream_header(bytes: &[u8]) -> Option<Header> {
    // Inside a JP2 file the codestream is found by its first two markers.
    let start = match bytes.get(..4)? {
        [0xFF, 0x4F, 0xFF, 0x51] => 0,
        _ => bytes.windows(4).position(|w| w == [0xFF, 0x4F, 0xFF, 0x51])?,
    };
    let number = |at: usize, size: usize| -> Option<u32> {
        Some(bytes.get(at..at + size)?.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)))
    };
    let siz = start + 2;
    let columns = number(siz + 6, 4)?.checked_sub(number(siz + 14, 4)?)?;
    let rows = number(siz + 10, 4)?.checked_sub(number(siz + 18, 4)?)?;
    let components = number(siz + 38, 2)?;
    let mut at = siz + 2 + number(siz + 2, 2)? as usize;
    loop {
        match number(at, 2)? {
            0xFF52 => {
                let levels = number(at + 9, 1)?;
                let reversible = number(at + 13, 1)? == 1;
                return Some(Header { columns, rows, components, levels, reversible });
            }
            // The first tile begins: no COD in the main header.
            0xFF90 => return None,
            _ => at += 2 + number(at + 2, 2)?.max(2) as usize,
        }
    }
}
