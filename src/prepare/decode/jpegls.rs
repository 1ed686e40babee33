//! JPEG-LS, lossless and near-lossless (ISO/IEC 14495-1), by `pure_jpegls`: grey only.

use std::borrow::Cow;

use super::super::attributes::PixelLayout;
use super::{DecodeError, Decoded, Samples};

/// Decodes one grey frame; colour is refused (it is never scored).
pub(super) fn decode(bytes: &[u8], layout: &PixelLayout) -> Result<Decoded, DecodeError> {
    let bad = |problem: String| DecodeError::Codec { codec: "JPEG-LS", problem };
    let (mut samples, columns, rows) = jpegls::decode(&without_fill(bytes), layout.columns, layout.rows)
        .map_err(|error| bad(error.to_string()))?;
    let mask = ((1_u32 << layout.bits_stored) - 1) as u16;
    samples.iter_mut().for_each(|v| *v &= mask);
    let samples = if layout.bits_allocated == 8 {
        Samples::U8(samples.into_iter().map(|v| v as u8).collect())
    } else {
        Samples::U16(samples)
    };
    Ok(Decoded { columns, rows, components: 1, samples, luminance_first: false })
}

/// The same without fill bytes before the end marker, which the decoder takes for a marker of its own.
///
/// Any marker may have fill bytes of 0xFF before it (ITU-T T.81 section B.1.1.2); DCMTK makes frames even with one.
fn without_fill(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(end) = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xD9]) else {
        return Cow::Borrowed(bytes);
    };
    let (scan, marker) = bytes.split_at(end);
    match scan.iter().rposition(|byte| *byte != 0xFF) {
        Some(last) if last + 1 < scan.len() => {
            Cow::Owned([scan.get(..=last).unwrap_or_default(), marker].concat())
        }
        _ => Cow::Borrowed(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_bytes_before_the_end_are_left_out_and_nothing_else() {
        for plain in [&[1, 2, 0xFF, 0xD9][..], &[1, 2, 0xFF, 0xD9, 0], &[0xFF, 0x7F], &[], &[0xFF, 0xD9]] {
            assert_eq!(without_fill(plain).as_ref(), plain);
        }
        assert_eq!(without_fill(&[1, 2, 0xFF, 0xFF, 0xD9]).as_ref(), &[1, 2, 0xFF, 0xD9]);
        assert_eq!(without_fill(&[1, 0xFF, 0xFF, 0xFF, 0xD9, 0]).as_ref(), &[1, 0xFF, 0xD9, 0]);
    }
}
