//! A frame at its original depth for a viewer, with all that it needs to show it as the server would.
//!
//! In: the path of a file and a frame number. Out: samples and [`FrameAttributes`]. A Modality LUT is applied here
//! (PS3.3 C.11.1), so that a viewer has a slope and an intercept at most; window, VOI LUT and polarity are the viewer's,
//! by the attributes that say what the object asks for. Where the object asks for nothing, the window that the server
//! draws with is named, so that both show the same.

use std::path::Path;

use super::attributes::{Attributes, LookupTable, Reader, VoiFunction};
use super::decode::{Frame, Samples};
use super::greyscale::{Choice, Histogram, look_up, looks_at_values, stored_value, value_range};
use super::input::{read_source, refused, undecodable};
use super::limits::Limits;
use super::prepared::{FrameAttributes, NamedWindow, RawFrame, RenderError, VoiTable};
use super::render::{Opened, open_frame};

/// Windows of an object that are told at most.
const MOST_WINDOWS: usize = 32;
/// Characters of the explanation of a window that are told at most.
const MOST_EXPLANATION: usize = 64;

/// Decodes one frame at its original depth, with the attributes that a viewer shows it by.
pub fn raw_frame(path: &Path, frame: u32, limits: &Limits) -> Result<RawFrame, RenderError> {
    let source = read_source(path, limits).map_err(RenderError::NotDecoded)?;
    let Opened { frame, layout, attributes } = open_frame(&source, frame, limits)?;
    let unreadable = |error| RenderError::NotDecoded(refused(error));
    let derived = match attributes.windows.is_empty() && attributes.voi_lut.is_none() {
        true => Some(window_of_values(&frame, &attributes).map_err(unreadable)?),
        false => None,
    };
    let (columns, rows, bits, signed, colour) =
        (frame.columns, frame.rows, frame.bits, frame.signed, frame.colour);
    let stored = frame.into_samples().map_err(unreadable)?;
    let mut sent = match &attributes.modality_lut {
        Some(table) => through_table(stored, table, bits, signed, attributes.padding),
        None => Sent { samples: stored, bits, signed, padding: attributes.padding },
    };
    let samples = std::mem::replace(&mut sent.samples, Samples::U8(Vec::new()));
    let (bytes_per_sample, bytes) = bytes_of(samples, sent.bits, sent.signed);
    let applied = attributes.modality_lut.is_some();
    let attributes = FrameAttributes {
        columns,
        rows,
        frames: layout.frames,
        bytes_per_sample,
        bits_stored: sent.bits,
        signed: sent.signed,
        photometric: if colour { "MONOCHROME2".into() } else { layout.photometric },
        colour_reduced: colour,
        modality_lut_applied: applied,
        rescale_slope: attributes.rescale_slope.filter(|slope| !applied && *slope != 0.0).unwrap_or(1.0),
        rescale_intercept: attributes.rescale_intercept.filter(|_| !applied).unwrap_or(0.0),
        window_derived: derived.is_some(),
        voi_lut_function: if derived.is_some() { "LINEAR" } else { function_name(attributes.voi_function) }
            .into(),
        windows: derived.map_or_else(|| named_windows(&attributes), |window| vec![window]),
        pixel_padding_value: sent.padding.map(|(low, _)| low),
        pixel_padding_range: sent.padding,
        voi_lut: attributes.voi_lut.as_ref().map(VoiTable::of),
        pixel_spacing_mm: attributes.pixel_spacing_mm,
        pixel_height_over_width: attributes.pixel_height_over_width,
    };
    Ok(RawFrame { attributes, samples: bytes })
}

/// The stored values of one frame as DICOMweb sends them (PS3.18 table 8.7.3-5): little endian, as wide as Bits Allocated.
/// Colour and single bits, which leave here in no such form, are a bad request.
pub fn stored_frame(path: &Path, frame: u32, limits: &Limits) -> Result<Vec<u8>, RenderError> {
    let source = read_source(path, limits).map_err(RenderError::NotDecoded)?;
    let Opened { frame, layout, .. } = open_frame(&source, frame, limits)?;
    if frame.colour || layout.bits_allocated < 8 {
        return Err(RenderError::BadRequest("only greyscale frames are sent as samples".into()));
    }
    let (bits, signed) = (frame.bits, frame.signed);
    let samples = frame.into_samples().map_err(|error| RenderError::NotDecoded(refused(error)))?;
    let samples = match samples {
        // A codestream of 8 bits in an object of 16.
        Samples::U8(samples) if layout.bits_allocated > 8 => {
            Samples::U16(samples.into_iter().map(u16::from).collect())
        }
        other => other,
    };
    Ok(bytes_of(samples, bits, signed).1)
}

/// The object's VOI LUT for a frame: its entries, 16-bit little endian. `None` where it has none. Decodes no pixels.
pub fn voi_table(path: &Path, frame: u32, limits: &Limits) -> Result<Option<Vec<u8>>, RenderError> {
    let source = read_source(path, limits).map_err(RenderError::NotDecoded)?;
    let set = source.parse(limits).map_err(|error| RenderError::NotDecoded(undecodable(&error)))?;
    let reader = Reader { set: &set, big_endian: source.encoding.big_endian };
    let signed = reader.u16(0x0028_0103) == Some(1);
    let attributes = Attributes::read(&reader, frame.max(1) - 1, signed);
    Ok(attributes.voi_lut.map(|table| table.entries.iter().flat_map(|entry| entry.to_le_bytes()).collect()))
}

/// The samples as bytes, little endian; signed ones are extended to the whole of a byte or word, as readers expect that
/// know nothing of Bits Stored.
fn bytes_of(samples: Samples, bits: u32, signed: bool) -> (u32, Vec<u8>) {
    match samples {
        Samples::U8(mut samples) => {
            let spare = 8_u32.saturating_sub(bits);
            if signed && spare > 0 {
                samples.iter_mut().for_each(|v| *v = ((*v << spare) as i8 >> spare) as u8);
            }
            (1, samples)
        }
        Samples::U16(samples) => {
            // Without spare bits the sign changes nothing of the pattern.
            let spare = if signed { 16_u32.saturating_sub(bits) } else { 0 };
            let mut bytes = vec![0; samples.len() * 2];
            let pairs = bytes.as_chunks_mut::<2>().0.iter_mut();
            pairs.zip(&samples).for_each(|(pair, v)| *pair = ((*v << spare) as i16 >> spare).to_le_bytes());
            (2, bytes)
        }
    }
}

fn function_name(function: VoiFunction) -> &'static str {
    match function {
        VoiFunction::Linear => "LINEAR",
        VoiFunction::LinearExact => "LINEAR_EXACT",
        VoiFunction::Sigmoid => "SIGMOID",
    }
}

fn named_windows(attributes: &Attributes) -> Vec<NamedWindow> {
    let explained = attributes.window_explanations.iter().map(String::as_str).chain(std::iter::repeat(""));
    attributes
        .windows
        .iter()
        .zip(explained)
        .take(MOST_WINDOWS)
        .map(|(window, words)| NamedWindow {
            centre: window.centre,
            width: window.width,
            explanation: words.chars().filter(|c| !c.is_control()).take(MOST_EXPLANATION).collect(),
        })
        .collect()
}

/// The window by which an object without one is drawn, as a linear one: its ends are the ends of the values
/// (PS3.3 C.11.2.1.2.1 put the other way round).
fn window_of_values(
    frame: &Frame<'_>,
    attributes: &Attributes,
) -> Result<NamedWindow, super::decode::DecodeError> {
    let mut histogram = Histogram::new(frame);
    if looks_at_values(Choice::Object, attributes) {
        frame.each_row(0..frame.rows as usize, |_, row| histogram.add(row, 1))?;
    }
    let (low, high) = value_range(frame, attributes, &histogram);
    let span = if high > low { high - low } else { 1.0 };
    Ok(NamedWindow {
        centre: (low * 2.0 + span + 1.0) / 2.0,
        width: span + 1.0,
        explanation: "range of the values".to_owned(),
    })
}

/// Samples as they leave, and how they are to be read.
struct Sent {
    samples: Samples,
    bits: u32,
    signed: bool,
    padding: Option<(i64, i64)>,
}

/// Stored values through a Modality LUT (PS3.3 C.11.1.1). Padding is a matter of stored values: it leaves as a value that
/// the table does not have, so that it can still be told apart.
fn through_table(
    samples: Samples,
    table: &LookupTable,
    bits: u32,
    signed: bool,
    padding: Option<(i64, i64)>,
) -> Sent {
    let is_padding = |stored: i64| padding.is_some_and(|(low, high)| (low..=high).contains(&stored));
    let marker = padding.and_then(|_| (0..=u16::MAX).rev().find(|value| !table.entries.contains(value)));
    let highest = table.entries.iter().copied().chain(marker).max().unwrap_or(0);
    let mapped: Vec<u16> = (0..1_usize << bits)
        .map(|pattern| {
            let stored = stored_value(pattern, bits, signed);
            match marker.filter(|_| is_padding(stored)) {
                Some(marker) => marker,
                // An entry is a 16-bit number already.
                None => look_up(table, stored) as u16,
            }
        })
        .collect();
    let one = |pattern: usize| mapped.get(pattern).copied().unwrap_or(0);
    let values = match samples {
        Samples::U8(samples) => samples.iter().map(|pattern| one(usize::from(*pattern))).collect(),
        Samples::U16(samples) => samples.iter().map(|pattern| one(usize::from(*pattern))).collect(),
    };
    Sent {
        samples: Samples::U16(values),
        bits: table.bits.max(16 - highest.leading_zeros()).max(1),
        signed: false,
        padding: marker.map(|marker| (i64::from(marker), i64::from(marker))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modality_table_is_applied_and_padding_stays_apart() {
        let table = LookupTable { first: 1, bits: 12, entries: vec![0, 2000, 4095] };
        let samples = Samples::U16(vec![0, 1, 2, 3, 9]);
        let sent = through_table(samples.clone(), &table, 4, false, None);
        assert_eq!(sent.samples, Samples::U16(vec![0, 0, 2000, 4095, 4095]));
        assert_eq!((sent.bits, sent.signed, sent.padding), (12, false, None));
        let padded = through_table(samples, &table, 4, false, Some((9, 9)));
        assert_eq!(padded.samples, Samples::U16(vec![0, 0, 2000, 4095, 65_535]));
        assert_eq!((padded.bits, padded.padding), (16, Some((65_535, 65_535))));
    }

    #[test]
    fn signed_samples_fill_their_word_and_unsigned_ones_stay() {
        assert_eq!(bytes_of(Samples::U16(vec![0xFFF, 5]), 12, true), (2, vec![0xFF, 0xFF, 5, 0]));
        assert_eq!(bytes_of(Samples::U16(vec![0xFFF, 0x8001]), 16, false), (2, vec![0xFF, 0x0F, 1, 0x80]));
        assert_eq!(bytes_of(Samples::U8(vec![0x7F, 3]), 7, true), (1, vec![0xFF, 3]));
    }
}
