//! The attributes of an image that preparation reads, as typed values.
//!
//! In: a parsed data set. Out: [`Attributes`]. Text that is no number reads as absent, except where a wrong
//! reading would show other pixels (rows, columns, bits, frames): there it is an error.

use super::dataset::{DataSet, text};
use super::prepared::Window;

/// What is wrong with an attribute that decides how pixels are laid out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{attribute} {problem}")]
pub(super) struct BadAttribute {
    pub attribute: &'static str,
    pub problem: &'static str,
}

/// A lookup table of a Modality LUT or VOI LUT item (PS3.3 C.11.1.1, C.11.2.1.1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LookupTable {
    /// First input value mapped.
    pub first: i64,
    /// Bits of an entry, which fix the output range.
    pub bits: u32,
    /// Entries; values below `first` read the first, above the last.
    pub entries: Vec<u16>,
}

/// VOI LUT Function (0028,1056).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum VoiFunction {
    #[default]
    Linear,
    LinearExact,
    Sigmoid,
}

/// How the samples of a frame are laid out (PS3.3 C.7.6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PixelLayout {
    pub rows: u32,
    pub columns: u32,
    pub frames: u32,
    pub samples_per_pixel: u32,
    pub planar: bool,
    pub bits_allocated: u32,
    pub bits_stored: u32,
    pub high_bit: u32,
    pub signed: bool,
    pub photometric: String,
}

/// Everything else that preparation reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Attributes {
    pub sop_class: String,
    pub modality: String,
    /// Manufacturer and Manufacturer's Model Name.
    pub equipment: (String, String),
    pub body_part: String,
    /// Code and meaning of Anatomic Region Sequence, flat.
    pub regions: Vec<String>,
    pub views: Vec<String>,
    pub view_modifiers: Vec<String>,
    pub presentation_intent: String,
    pub implant_present: String,
    pub image_type: Vec<String>,
    /// First value of Patient Orientation (0020,0020).
    pub rows_run_to: String,
    pub age_years: Option<f64>,
    pub magnification: Option<f64>,
    pub rescale_slope: Option<f64>,
    pub rescale_intercept: Option<f64>,
    pub modality_lut: Option<LookupTable>,
    pub voi_lut: Option<LookupTable>,
    pub voi_function: VoiFunction,
    pub windows: Vec<Window>,
    /// Window Center & Width Explanation (0028,1055), one for each of `windows`.
    pub window_explanations: Vec<String>,
    /// Pixel Padding Value and, if present, Pixel Padding Range Limit; both as stored values.
    pub padding: Option<(i64, i64)>,
    /// Height of a pixel over its width (Pixel Aspect Ratio or spacing); 1 where unknown.
    pub pixel_height_over_width: Option<f64>,
    pub pixel_spacing_mm: Option<(f64, f64)>,
    pub palette: Option<[LookupTable; 3]>,
}

/// A data set and what is needed to read its binary values.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a, 'd> {
    pub set: &'d DataSet<'a>,
    pub big_endian: bool,
}

impl<'a, 'd> Reader<'a, 'd> {
    pub fn text(&self, tag: u32) -> String {
        self.set.bytes(tag).map(text).unwrap_or_default()
    }

    fn texts(&self, tag: u32) -> Vec<String> {
        let whole = self.text(tag);
        if whole.is_empty() { Vec::new() } else { whole.split('\\').map(|s| s.trim().to_owned()).collect() }
    }

    fn decimals(&self, tag: u32) -> Vec<f64> {
        self.texts(tag).iter().map_while(|t| t.parse().ok()).filter(|v: &f64| v.is_finite()).collect()
    }

    fn decimal(&self, tag: u32) -> Option<f64> {
        self.decimals(tag).first().copied()
    }

    pub fn u16(&self, tag: u32) -> Option<u16> {
        self.words(tag).first().copied()
    }

    fn words(&self, tag: u32) -> Vec<u16> {
        let word = |pair: &[u8]| match *pair {
            [a, b] if self.big_endian => u16::from_be_bytes([a, b]),
            [a, b] => u16::from_le_bytes([a, b]),
            _ => 0,
        };
        self.set.bytes(tag).unwrap_or_default().chunks_exact(2).map(word).collect()
    }

    fn items(&self, tag: u32) -> impl Iterator<Item = Reader<'a, 'd>> {
        let big_endian = self.big_endian;
        self.set.items(tag).iter().map(move |set| Reader { set, big_endian })
    }

    fn item(&self, tag: u32) -> Option<Reader<'a, 'd>> {
        self.items(tag).next()
    }

    /// A table of 16-bit entries at descriptor, data; `signed` inputs read the first value mapped as signed.
    fn table(&self, descriptor: u32, data: u32, signed: bool) -> Option<LookupTable> {
        let numbers = self.words(descriptor);
        let [count, first, bits] = numbers.as_slice() else { return None };
        let count = if *count == 0 { 65_536 } else { usize::from(*count) };
        let first = if signed { i64::from(*first as i16) } else { i64::from(*first) };
        let raw = self.set.bytes(data)?;
        // Entries of 8 bits may come one or two to a word (PS3.3 C.11.1.1.1).
        let mut entries: Vec<u16> = if raw.len() < count.saturating_mul(2) {
            raw.iter().map(|b| u16::from(*b)).collect()
        } else {
            self.words(data)
        };
        entries.truncate(count);
        let bits = if (1..=16).contains(bits) { u32::from(*bits) } else { 16 };
        (!entries.is_empty()).then_some(LookupTable { first, bits, entries })
    }
}

impl PixelLayout {
    /// Reads the layout; absent or senseless attributes are errors, since guesses would show other pixels.
    pub fn read(reader: &Reader<'_, '_>) -> Result<Self, BadAttribute> {
        let need = |tag, attribute| {
            reader.u16(tag).map(u32::from).ok_or(BadAttribute { attribute, problem: "is absent" })
        };
        let frames = match reader.text(0x0028_0008) {
            words if words.is_empty() => 1,
            words => words
                .parse::<u32>()
                .map_err(|_| BadAttribute { attribute: "Number of Frames", problem: "is not a number" })?,
        };
        let bits_allocated = need(0x0028_0100, "Bits Allocated")?;
        let bits_stored = reader.u16(0x0028_0101).map_or(bits_allocated, u32::from);
        let layout = Self {
            rows: need(0x0028_0010, "Rows")?,
            columns: need(0x0028_0011, "Columns")?,
            frames: frames.max(1),
            samples_per_pixel: reader.u16(0x0028_0002).map_or(1, u32::from),
            planar: reader.u16(0x0028_0006) == Some(1),
            bits_allocated,
            bits_stored,
            high_bit: reader.u16(0x0028_0102).map_or(bits_stored.saturating_sub(1), u32::from),
            signed: reader.u16(0x0028_0103) == Some(1),
            photometric: reader.text(0x0028_0004),
        };
        let bad = |attribute, problem| Err(BadAttribute { attribute, problem });
        if layout.rows == 0 || layout.columns == 0 {
            return bad("Rows, Columns", "are zero");
        }
        if layout.samples_per_pixel != 1 && layout.samples_per_pixel != 3 {
            return bad("Samples per Pixel", "is neither 1 nor 3");
        }
        if bits_stored == 0 || bits_stored > bits_allocated {
            return bad("Bits Stored", "is zero or more than Bits Allocated");
        }
        if layout.high_bit >= bits_allocated || layout.high_bit + 1 < bits_stored {
            return bad("High Bit", "does not fit Bits Allocated and Bits Stored");
        }
        Ok(layout)
    }

    /// Whether one sample per pixel is a grey value.
    pub fn is_grey(&self) -> bool {
        self.samples_per_pixel == 1 && self.photometric.starts_with("MONOCHROME")
    }

    /// Whether low values are bright (PS3.3 C.7.6.3.1.2).
    pub fn is_monochrome1(&self) -> bool {
        self.photometric == "MONOCHROME1"
    }
}

impl Attributes {
    /// Reads what there is, for frame `frame` (from 0) of an enhanced multi-frame object.
    pub fn read(reader: &Reader<'_, '_>, frame: u32, signed: bool) -> Self {
        let shared = reader.item(0x5200_9229);
        let own = reader.items(0x5200_9230).nth(frame as usize);
        let group = |macro_sequence| {
            own.and_then(|g| g.item(macro_sequence)).or(shared.and_then(|g| g.item(macro_sequence)))
        };
        let rescale = group(0x0028_9145).unwrap_or(*reader);
        let voi = group(0x0028_9132).unwrap_or(*reader);
        let measures = group(0x0028_9110).unwrap_or(*reader);

        let modality_lut =
            rescale.item(0x0028_3000).and_then(|item| item.table(0x0028_3002, 0x0028_3006, signed));
        let rescale_intercept = rescale.decimal(0x0028_1052);
        // The input of the VOI LUT is signed where the output of the rescale can be (PS3.3 C.11.2.1.1).
        let voi_signed =
            modality_lut.is_none() && (signed || rescale_intercept.is_some_and(|intercept| intercept < 0.0));
        let centres = voi.decimals(0x0028_1050);
        let widths = voi.decimals(0x0028_1051);
        let explained = voi.texts(0x0028_1055).into_iter().chain(std::iter::repeat(String::new()));
        let (windows, window_explanations) = centres
            .iter()
            .zip(&widths)
            .zip(explained)
            .map(|((&centre, &width), words)| (Window { centre, width }, words))
            .filter(|(window, _)| window.width > 0.0)
            .unzip();
        let voi_function = match voi.text(0x0028_1056).as_str() {
            "LINEAR_EXACT" => VoiFunction::LinearExact,
            "SIGMOID" => VoiFunction::Sigmoid,
            _ => VoiFunction::Linear,
        };
        let two = |values: Vec<f64>| match values.as_slice() {
            [a, b, ..] if *a > 0.0 && *b > 0.0 => Some((*a, *b)),
            _ => None,
        };
        let spacing = two(measures.decimals(0x0028_0030)).or_else(|| two(reader.decimals(0x0018_1164)));
        let aspect = two(reader.decimals(0x0028_0034)).or(spacing);
        let stored = |tag| reader.u16(tag).map(|v| if signed { i64::from(v as i16) } else { i64::from(v) });
        let padding = stored(0x0028_0120).map(|value| {
            let limit = stored(0x0028_0121).unwrap_or(value);
            (value.min(limit), value.max(limit))
        });
        let palette = match (0..3)
            .map(|i| reader.table(0x0028_1101 + i, 0x0028_1201 + i, false))
            .collect::<Option<Vec<_>>>()
        {
            Some(tables) => <[LookupTable; 3]>::try_from(tables).ok(),
            None => None,
        };
        let codes = |tag: u32| -> Vec<String> {
            reader
                .items(tag)
                .flat_map(|item| [item.text(0x0008_0100), item.text(0x0008_0104)])
                .filter(|t| !t.is_empty())
                .collect()
        };
        let view_modifiers = {
            let mut found = codes(0x0054_0222);
            for view in reader.items(0x0054_0220) {
                for modifier in view.items(0x0054_0222) {
                    found.extend([modifier.text(0x0008_0100), modifier.text(0x0008_0104)]);
                }
            }
            found
        };
        let named = |tag: u32| Some(reader.text(tag)).filter(|t| !t.is_empty());
        Self {
            sop_class: reader.text(0x0008_0016),
            modality: reader.text(0x0008_0060),
            equipment: (reader.text(0x0008_0070), reader.text(0x0008_1090)),
            body_part: reader.text(0x0018_0015),
            regions: codes(0x0008_2218),
            views: named(0x0018_5101).into_iter().chain(codes(0x0054_0220)).collect(),
            view_modifiers,
            presentation_intent: reader.text(0x0008_0068),
            implant_present: reader.text(0x0028_1300),
            image_type: reader.texts(0x0008_0008),
            rows_run_to: reader.texts(0x0020_0020).into_iter().next().unwrap_or_default(),
            age_years: age_years(reader),
            magnification: reader.decimal(0x0018_1114),
            rescale_slope: rescale.decimal(0x0028_1053),
            rescale_intercept,
            modality_lut,
            voi_lut: voi.item(0x0028_3010).and_then(|item| item.table(0x0028_3002, 0x0028_3006, voi_signed)),
            voi_function,
            windows,
            window_explanations,
            padding,
            pixel_height_over_width: aspect.map(|(height, width)| height / width),
            pixel_spacing_mm: spacing,
            palette,
        }
    }
}

/// Age in years: Patient's Age (0010,1010), else from birth date to study (or acquisition) date.
fn age_years(reader: &Reader<'_, '_>) -> Option<f64> {
    let words = reader.text(0x0010_1010);
    if let (Some(number), Some(unit)) = (words.get(..3), words.get(3..4)) {
        let per_year = match unit {
            "Y" => Some(1.0),
            "M" => Some(12.0),
            "W" => Some(365.25 / 7.0),
            "D" => Some(365.25),
            _ => None,
        };
        if let (Ok(number), Some(per_year)) = (number.trim().parse::<f64>(), per_year) {
            return Some(number / per_year);
        }
    }
    let born = day_number(&reader.text(0x0010_0030))?;
    let taken = [0x0008_0022, 0x0008_0020].iter().find_map(|tag| day_number(&reader.text(*tag)))?;
    Some((taken - born) / 365.25).filter(|years| (0.0..150.0).contains(years))
}

/// Days since the year 0 of a `YYYYMMDD` text.
fn day_number(words: &str) -> Option<f64> {
    let part = |range: std::ops::Range<usize>| words.get(range)?.parse::<i16>().ok();
    let date =
        jiff::civil::Date::new(part(0..4)?, i8::try_from(part(4..6)?).ok()?, i8::try_from(part(6..8)?).ok()?)
            .ok()?;
    let epoch = jiff::civil::Date::new(1, 1, 1).ok()?;
    Some(f64::from((date - epoch).get_days()))
}
