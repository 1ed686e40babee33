//! One frame of pixel data to stored values, whatever transfer syntax it came in.
//!
//! In: a data set, its layout, a frame number. Out: a [`Frame`] of stored values (Bits Stored wide, two's complement
//! where signed), or of luminance where the object is colour. Must check every size against the layout and the limits
//! before it allocates, and never trust the sizes that a codestream claims.

mod colour;
mod fragments;
mod jpeg;
mod jpeg2000;
mod jpegls;
mod raw;
mod rle;
mod rows;

use super::attributes::{Attributes, PixelLayout};
use super::dataset::{DataSet, Value};
use super::limits::Limits;
pub(super) use rows::Pixels;
use rows::RowsInFile;

/// Stored values of one frame.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// Columns; fewer than the original's where wavelet levels were dropped.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
    pub pixels: Pixels<'a>,
    /// Bits that a value can use.
    pub bits: u32,
    /// Whether values are two's complement of `bits` bits.
    pub signed: bool,
    /// Whether the object is colour and the samples are its luminance.
    pub colour: bool,
}

/// Values row by row, no padding between rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
}

/// Samples as a codec gives them: interleaved by pixel, already cut to `bits`.
pub(super) struct Decoded {
    pub columns: u32,
    pub rows: u32,
    pub components: u32,
    pub samples: Samples,
    /// Whether colour is luminance and chrominance still (JPEG), so that the first component is the luminance.
    pub luminance_first: bool,
}

/// Why pixels were not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("the object has no pixel data")]
    MissingPixels,
    #[error("{0} is not a syntax that is decoded here")]
    UnknownSyntax(String),
    #[error("{what} of {found} bits is not decoded here")]
    UnsupportedBits { what: &'static str, found: u32 },
    #[error("{found} {what}, the limit is {limit}")]
    OverLimit { what: &'static str, found: u64, limit: u64 },
    #[error("pixel data ends before the last pixel")]
    TooShort,
    #[error("file: {0}")]
    Unreadable(std::io::ErrorKind),
    #[error("the codestream holds {found}, the attributes say {said}")]
    Mismatch { found: String, said: String },
    #[error("{codec}: {problem}")]
    Codec { codec: &'static str, problem: String },
}

/// How pixel data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Raw,
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
    DeflatedFrame,
}

/// The coding of a transfer syntax (PS3.5 section 10 and Annex A).
fn coding(transfer_syntax: &str) -> Option<Coding> {
    let tail = transfer_syntax.strip_prefix("1.2.840.10008.1.2")?;
    Some(match tail {
        "" | ".1" | ".2" | ".1.99" => Coding::Raw,
        ".5" => Coding::Rle,
        // Baseline, extended, the retired progressive ones, lossless (process 14, and its first-order variant).
        ".4.50" | ".4.51" | ".4.53" | ".4.55" | ".4.57" | ".4.70" => Coding::Jpeg,
        ".4.80" | ".4.81" => Coding::JpegLs,
        // JPEG 2000 and high-throughput JPEG 2000.
        ".4.90" | ".4.91" | ".4.201" | ".4.202" | ".4.203" => Coding::Jpeg2000,
        ".8.1" => Coding::DeflatedFrame,
        _ => return None,
    })
}

const PIXEL_DATA: u32 = 0x7FE0_0010;

/// Decodes frame `frame` (from 0). `drop_levels` is how many wavelet levels may be left out (JPEG 2000 only).
pub(super) fn decode_frame<'a>(
    set: &DataSet<'a>,
    layout: &PixelLayout,
    attributes: &Attributes,
    transfer_syntax: &str,
    frame: u32,
    drop_levels: u32,
    limits: &Limits,
) -> Result<Frame<'a>, DecodeError> {
    check_limits(layout, limits)?;
    let value = match set.value(PIXEL_DATA) {
        Some(value) => value,
        // Float Pixel Data and Double Float Pixel Data (PS3.3 C.7.6.24, C.7.6.25).
        None if set.value(0x7FE0_0008).is_some() => {
            return Err(DecodeError::UnsupportedBits { what: "floating point pixel data", found: 32 });
        }
        None if set.value(0x7FE0_0009).is_some() => {
            return Err(DecodeError::UnsupportedBits { what: "floating point pixel data", found: 64 });
        }
        None => return Err(DecodeError::MissingPixels),
    };
    if layout.bits_allocated > 16 {
        return Err(DecodeError::UnsupportedBits { what: "Bits Allocated", found: layout.bits_allocated });
    }
    let coding =
        coding(transfer_syntax).ok_or_else(|| DecodeError::UnknownSyntax(transfer_syntax.to_owned()))?;
    let order = raw::Order {
        big_endian: transfer_syntax.ends_with(".1.2.2"),
        words: set.vr(PIXEL_DATA).is_none_or(|vr| vr == *b"OW"),
    };
    let decoded = match (coding, value) {
        (_, Value::Bytes([])) => return Err(DecodeError::MissingPixels),
        // Native pixel data in spite of a compressed syntax: seen in files that were rewritten badly.
        (_, Value::Bytes(bytes)) => raw::decode(bytes, layout, frame, order)?,
        (_, Value::InFile(value)) => {
            if let Some(in_file) = RowsInFile::new(*value, layout, frame, order)? {
                let (columns, rows, bits) = (layout.columns, layout.rows, layout.bits_stored);
                let pixels = Pixels::InFile(in_file);
                return Ok(Frame { columns, rows, pixels, bits, signed: layout.signed, colour: false });
            }
            let bytes = value.read_all().map_err(|error| DecodeError::Unreadable(error.kind()))?;
            raw::decode(&bytes, layout, frame, order)?
        }
        (_, Value::Items(_)) => return Err(DecodeError::MissingPixels),
        (coding, Value::Fragments(fragments)) => {
            let bytes = fragments::frame_bytes(fragments, set, layout.frames, frame)?;
            match coding {
                Coding::Rle => rle::decode(&bytes, layout)?,
                Coding::Jpeg => jpeg::decode(&bytes, layout)?,
                Coding::JpegLs => jpegls::decode(&bytes, layout)?,
                Coding::Jpeg2000 => jpeg2000::decode(&bytes, layout, drop_levels)?,
                Coding::DeflatedFrame => {
                    let inflated = fragments::inflate(&bytes, layout)?;
                    raw::decode(&inflated, layout, 0, raw::Order { big_endian: false, words: false })?
                }
                Coding::Raw => {
                    return Err(DecodeError::Codec {
                        codec: "native pixel data",
                        problem: "is in fragments though the syntax is not compressed".into(),
                    });
                }
            }
        }
    };
    finish(decoded, layout, attributes, drop_levels)
}

fn check_limits(layout: &PixelLayout, limits: &Limits) -> Result<(), DecodeError> {
    let pixels = u64::from(layout.rows) * u64::from(layout.columns);
    if pixels > limits.max_frame_pixels {
        return Err(DecodeError::OverLimit {
            what: "pixels in a frame",
            found: pixels,
            limit: limits.max_frame_pixels,
        });
    }
    if layout.frames > limits.max_frames {
        return Err(DecodeError::OverLimit {
            what: "frames",
            found: u64::from(layout.frames),
            limit: u64::from(limits.max_frames),
        });
    }
    Ok(())
}

/// Holds a decoded frame against the attributes and reduces colour to luminance.
fn finish(
    decoded: Decoded,
    layout: &PixelLayout,
    attributes: &Attributes,
    drop_levels: u32,
) -> Result<Frame<'static>, DecodeError> {
    let reduced = |side: u32| side.div_ceil(1 << drop_levels);
    let full = (decoded.columns, decoded.rows) == (layout.columns, layout.rows);
    let smaller = (decoded.columns, decoded.rows) == (reduced(layout.columns), reduced(layout.rows));
    if !full && !smaller || decoded.components != layout.samples_per_pixel {
        let words = |c: u32, r: u32, n: u32| format!("{c} columns, {r} rows, {n} samples per pixel");
        return Err(DecodeError::Mismatch {
            found: words(decoded.columns, decoded.rows, decoded.components),
            said: words(layout.columns, layout.rows, layout.samples_per_pixel),
        });
    }
    let (columns, rows) = (decoded.columns, decoded.rows);
    if layout.is_grey() {
        let (pixels, bits) = (Pixels::Held(decoded.samples), layout.bits_stored);
        return Ok(Frame { columns, rows, pixels, bits, signed: layout.signed, colour: false });
    }
    let samples = colour::luminance(decoded, layout, attributes)?;
    let bits = if matches!(samples, Samples::U8(_)) { 8 } else { layout.bits_stored };
    Ok(Frame { columns, rows, pixels: Pixels::Held(samples), bits, signed: false, colour: true })
}

/// The samples that a layout needs: pixels of one frame times samples per pixel.
fn samples_per_frame(layout: &PixelLayout) -> usize {
    layout.rows as usize * layout.columns as usize * layout.samples_per_pixel as usize
}
