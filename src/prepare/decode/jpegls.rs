//! JPEG-LS, lossless and near-lossless (ISO/IEC 14495-1), by `pure_jpegls`: grey only.

use super::super::attributes::PixelLayout;
use super::{DecodeError, Decoded, Samples};

/// Decodes one grey frame; colour is refused (it is never scored).
pub(super) fn decode(bytes: &[u8], layout: &PixelLayout) -> Result<Decoded, DecodeError> {
    let bad = |problem: String| DecodeError::Codec { codec: "JPEG-LS", problem };
    let (mut samples, columns, rows) =
        jpegls::decode(bytes, layout.columns, layout.rows).map_err(|error| bad(error.to_string()))?;
    let mask = ((1_u32 << layout.bits_stored) - 1) as u16;
    samples.iter_mut().for_each(|v| *v &= mask);
    let samples = if layout.bits_allocated == 8 {
        Samples::U8(samples.into_iter().map(|v| v as u8).collect())
    } else {
        Samples::U16(samples)
    };
    Ok(Decoded { columns, rows, components: 1, samples, luminance_first: false })
}
