//! JPEG (ISO/IEC 10918-1): sequential and progressive DCT of 8 and 12 bits, and lossless of 2 to 16 bits.
//!
//! Our own, since no crate decodes extended 12-bit JPEG (process 4) and the retired 12-bit progressive ones; one
//! decoder for all processes with Huffman coding, held against libjpeg by golden files. Arithmetic coding and
//! hierarchical processes are refused.

mod bits;
mod dct;
mod idct;
mod lossless;

use super::super::attributes::PixelLayout;
use super::{DecodeError, Decoded, Samples};
use bits::HuffmanTable;

fn bad(problem: &str) -> DecodeError {
    DecodeError::Codec { codec: "JPEG", problem: problem.into() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Sequential,
    Progressive,
    Lossless,
}

/// The frame header (B.2.2).
struct FrameHeader {
    process: Process,
    precision: u32,
    rows: usize,
    columns: usize,
    components: Vec<Component>,
}

#[derive(Clone, Copy)]
struct Component {
    id: u8,
    horizontal: usize,
    vertical: usize,
    quantisation: usize,
}

/// The scan header (B.2.3).
struct Scan {
    /// Place in the frame header, DC (or lossless) table, AC table.
    components: Vec<(usize, usize, usize)>,
    /// Spectral start, or the predictor of a lossless scan.
    start: u8,
    end: u8,
    high: u8,
    low: u8,
}

/// Tables in force when a scan starts (B.2.4).
#[derive(Default)]
struct Tables {
    dc: [Option<HuffmanTable>; 4],
    ac: [Option<HuffmanTable>; 4],
    /// In natural (row by row) order.
    quantisation: [Option<[u16; 64]>; 4],
    /// In minimum coded units; 0 for none.
    restart_interval: usize,
    adobe_transform: Option<u8>,
    jfif: bool,
}

enum Picture {
    None,
    Dct(dct::Picture),
    Lossless(lossless::Picture),
}

/// Zigzag position to natural order (figure A.6).
const NATURAL: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Decodes one frame, whose size has to be that of the layout.
pub(super) fn decode(bytes: &[u8], layout: &PixelLayout) -> Result<Decoded, DecodeError> {
    let mut tables = Tables::default();
    let mut header: Option<FrameHeader> = None;
    let mut picture = Picture::None;
    let mut at = 0;
    while let Some((marker, segment_at)) = next_marker(bytes, at) {
        // Markers that stand alone: start of image, restarts.
        if matches!(marker, 0xD8 | 0x01 | 0xD0..=0xD7) {
            at = segment_at;
            continue;
        }
        if marker == 0xD9 {
            break;
        }
        let length = bytes
            .get(segment_at..segment_at + 2)
            .map_or(0, |pair| pair.iter().fold(0_usize, |n, b| n << 8 | usize::from(*b)));
        let segment = length
            .checked_sub(2)
            .and_then(|rest| bytes.get(segment_at + 2..segment_at + 2 + rest))
            .ok_or_else(|| bad("a marker segment is cut short"))?;
        at = segment_at + length;
        match marker {
            0xC0 | 0xC1 => header = Some(frame_header(segment, Process::Sequential, layout)?),
            0xC2 => header = Some(frame_header(segment, Process::Progressive, layout)?),
            0xC3 => header = Some(frame_header(segment, Process::Lossless, layout)?),
            0xC4 => read_huffman(segment, &mut tables)?,
            0xDB => read_quantisation(segment, &mut tables)?,
            0xDD => {
                tables.restart_interval = match *segment {
                    [a, b, ..] => usize::from(a) << 8 | usize::from(b),
                    _ => return Err(bad("restart interval is cut short")),
                }
            }
            0xC5..=0xCF => return Err(bad("hierarchical or arithmetic coding is not decoded here")),
            0xE0 => tables.jfif = segment.starts_with(b"JFIF\0"),
            0xEE if segment.starts_with(b"Adobe") => tables.adobe_transform = segment.get(11).copied(),
            0xDA => {
                let header = header.as_ref().ok_or_else(|| bad("a scan before the frame header"))?;
                let scan = scan_header(segment, header)?;
                let entropy = bytes.get(at..).unwrap_or_default();
                let used = match (&mut picture, header.process) {
                    (Picture::Lossless(picture), _) => {
                        picture.decode_scan(header, &scan, &tables, entropy)?
                    }
                    (Picture::Dct(picture), _) => picture.decode_scan(header, &scan, &tables, entropy)?,
                    (Picture::None, Process::Lossless) => {
                        let mut fresh = lossless::Picture::new(header);
                        let used = fresh.decode_scan(header, &scan, &tables, entropy)?;
                        picture = Picture::Lossless(fresh);
                        used
                    }
                    (Picture::None, Process::Sequential | Process::Progressive) => {
                        let mut fresh = dct::Picture::new(header)?;
                        let used = fresh.decode_scan(header, &scan, &tables, entropy)?;
                        picture = Picture::Dct(fresh);
                        used
                    }
                };
                at += used;
            }
            _ => {}
        }
    }
    let header = header.ok_or_else(|| bad("has no frame header"))?;
    let luminance_first = header.components.len() == 3 && holds_luminance(&header, &tables, layout);
    let (values, lossy) = match picture {
        Picture::None => return Err(bad("has no scan")),
        Picture::Lossless(picture) => (picture.into_samples(), false),
        Picture::Dct(picture) => (picture.into_samples(&header, &tables)?, true),
    };
    Ok(Decoded {
        columns: layout.columns,
        rows: layout.rows,
        components: layout.samples_per_pixel,
        samples: stored(values, layout, lossy),
        luminance_first,
    })
}

/// Cuts to Bits Stored: lossy coding may swing beyond them, lossless may carry garbage above them.
fn stored(mut values: Vec<u16>, layout: &PixelLayout, lossy: bool) -> Samples {
    let highest = ((1_u32 << layout.bits_stored) - 1) as u16;
    if lossy && !layout.signed {
        values.iter_mut().for_each(|v| *v = (*v).min(highest));
    } else if highest != u16::MAX {
        values.iter_mut().for_each(|v| *v &= highest);
    }
    if layout.bits_allocated == 8 {
        Samples::U8(values.into_iter().map(|v| v as u8).collect())
    } else {
        Samples::U16(values)
    }
}

/// Whether three components are luminance and chrominance: by the Adobe or JFIF marker, by the names of the
/// components, else by Photometric Interpretation.
fn holds_luminance(header: &FrameHeader, tables: &Tables, layout: &PixelLayout) -> bool {
    let ids: Vec<u8> = header.components.iter().map(|c| c.id).collect();
    match tables.adobe_transform {
        Some(transform) => transform == 1,
        None if ids == *b"RGB" => false,
        None => tables.jfif || layout.photometric.starts_with("YBR"),
    }
}

fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        match (*bytes.get(at)?, *bytes.get(at + 1)?) {
            (0xFF, 0x00 | 0xFF) => at += 1,
            (0xFF, marker) => return Some((marker, at + 2)),
            _ => at += 1,
        }
    }
}

fn frame_header(segment: &[u8], process: Process, layout: &PixelLayout) -> Result<FrameHeader, DecodeError> {
    let [precision, row_high, row_low, column_high, column_low, count, rest @ ..] = segment else {
        return Err(bad("frame header is cut short"));
    };
    let rows = usize::from(*row_high) << 8 | usize::from(*row_low);
    let columns = usize::from(*column_high) << 8 | usize::from(*column_low);
    let said = (layout.rows as usize, layout.columns as usize, layout.samples_per_pixel);
    if (rows, columns, u32::from(*count)) != said {
        return Err(DecodeError::Mismatch {
            found: format!("{columns} columns, {rows} rows, {count} samples per pixel"),
            said: format!("{} columns, {} rows, {} samples per pixel", said.1, said.0, said.2),
        });
    }
    let precision = u32::from(*precision);
    let allowed = match process {
        Process::Lossless => (2..=16).contains(&precision),
        Process::Sequential | Process::Progressive => precision == 8 || precision == 12,
    };
    if !allowed || precision > layout.bits_allocated {
        return Err(DecodeError::UnsupportedBits { what: "JPEG", found: precision });
    }
    let components: Vec<Component> = rest
        .chunks_exact(3)
        .take(usize::from(*count))
        .filter_map(|part| match *part {
            [id, sampling, quantisation] => Some(Component {
                id,
                horizontal: usize::from(sampling >> 4),
                vertical: usize::from(sampling & 15),
                quantisation: usize::from(quantisation),
            }),
            _ => None,
        })
        .collect();
    let sampling_fits = |c: &Component| (1..=4).contains(&c.horizontal) && (1..=4).contains(&c.vertical);
    if components.len() != usize::from(*count) || !components.iter().all(sampling_fits) {
        return Err(bad("frame header names impossible components"));
    }
    Ok(FrameHeader { process, precision, rows, columns, components })
}

fn scan_header(segment: &[u8], header: &FrameHeader) -> Result<Scan, DecodeError> {
    let cut = || bad("scan header is cut short");
    let (count, rest) = segment.split_first().ok_or_else(cut)?;
    let count = usize::from(*count);
    let selectors = rest.get(..count * 2).ok_or_else(cut)?;
    let Some([start, end, approximation]) = rest.get(count * 2..count * 2 + 3) else { return Err(cut()) };
    let mut components = Vec::new();
    for selector in selectors.chunks_exact(2) {
        let [id, choice] = *selector else { return Err(cut()) };
        let place = header.components.iter().position(|c| c.id == id);
        let place = place.ok_or_else(|| bad("a scan of a component that the frame does not have"))?;
        if components.iter().any(|(other, _, _)| *other == place) {
            return Err(bad("a scan names a component twice"));
        }
        components.push((place, usize::from(choice >> 4), usize::from(choice & 15)));
    }
    if components.is_empty() {
        return Err(bad("a scan of no component"));
    }
    let (high, low) = (approximation >> 4, approximation & 15);
    Ok(Scan { components, start: *start, end: *end, high, low })
}

fn read_huffman(mut segment: &[u8], tables: &mut Tables) -> Result<(), DecodeError> {
    while let Some((choice, rest)) = segment.split_first() {
        let counts = rest.first_chunk::<16>().ok_or_else(|| bad("Huffman table is cut short"))?;
        let total = counts.iter().map(|c| usize::from(*c)).sum::<usize>();
        let symbols = rest.get(16..16 + total).ok_or_else(|| bad("Huffman table is cut short"))?;
        let table = HuffmanTable::new(counts, symbols)?;
        let class = if choice >> 4 == 0 { &mut tables.dc } else { &mut tables.ac };
        *class.get_mut(usize::from(choice & 15)).ok_or_else(|| bad("Huffman table number"))? = Some(table);
        segment = rest.get(16 + total..).unwrap_or_default();
    }
    Ok(())
}

fn read_quantisation(mut segment: &[u8], tables: &mut Tables) -> Result<(), DecodeError> {
    while let Some((choice, rest)) = segment.split_first() {
        let size = if choice >> 4 == 0 { 1 } else { 2 };
        let numbers = rest.get(..64 * size).ok_or_else(|| bad("quantisation table is cut short"))?;
        let mut table = [0_u16; 64];
        for (number, natural) in numbers.chunks_exact(size).zip(NATURAL) {
            if let Some(place) = table.get_mut(usize::from(natural)) {
                *place = number.iter().fold(0, |n, byte| n << 8 | u16::from(*byte));
            }
        }
        let number = usize::from(choice & 15);
        *tables.quantisation.get_mut(number).ok_or_else(|| bad("quantisation table number"))? = Some(table);
        segment = rest.get(64 * size..).unwrap_or_default();
    }
    Ok(())
}
