//! Stored values to displayed grey, as one table (PS3.3 C.11.1 modality, C.11.2 VOI, C.7.6.3.1.2 polarity).
//!
//! In: what a frame's values can be, the attributes, a choice of window. Out: a [`Display`] from stored value to
//! 0 (black) to 1 (white), the same for tensor and viewer. Must never depend on where a pixel lies.

use super::attributes::{Attributes, LookupTable, VoiFunction};
use super::decode::Frame;
use super::prepared::Window;

/// How stored values become grey.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Choice {
    /// The object's VOI LUT, else its first window, else the range of the values.
    Object,
    /// A reader's window, linear, in modality units.
    Reader(Window),
    /// From one percentile of the modality values to another.
    Percentiles(f64, f64),
    /// All that Bits Stored can hold.
    FullRange,
}

/// Grey of every stored value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Display {
    /// Index: stored value as a pattern of `bits` bits.
    pub table: Vec<f32>,
    /// If grey is a straight line, held at its ends.
    pub ramp: Option<Ramp>,
}

/// `grey = (value - black) * gain`, held between 0 and 1, for unsigned stored values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ramp {
    pub black: f32,
    pub gain: f32,
}

/// How often each stored value occurs.
pub(super) struct Histogram {
    /// By stored pattern.
    pub counts: Vec<u32>,
}

impl Histogram {
    /// Of nothing yet; `frame` says how many bits a value can use.
    pub fn new(frame: &Frame<'_>) -> Self {
        Self { counts: vec![0; 1 << frame.bits] }
    }

    /// Counts every `step`th value of a row.
    pub fn add(&mut self, row: &[u16], step: usize) {
        // Rows are cut to Bits Stored; the mask spares a check for each pixel.
        let mask = self.counts.len() - 1;
        row.iter().step_by(step.max(1)).for_each(|value| self.counts[usize::from(*value) & mask] += 1);
    }
}

/// A stored pattern as the number that it stands for.
pub(super) fn stored_value(pattern: usize, bits: u32, signed: bool) -> i64 {
    let value = pattern as i64;
    if signed && value >> (bits - 1) & 1 == 1 { value - (1 << bits) } else { value }
}

/// The table of modality values, by stored pattern (PS3.3 C.11.1).
pub(super) fn modality_values(frame: &Frame<'_>, attributes: &Attributes) -> Vec<f64> {
    let slope = attributes.rescale_slope.filter(|s| *s != 0.0).unwrap_or(1.0);
    let intercept = attributes.rescale_intercept.unwrap_or(0.0);
    (0..1_usize << frame.bits)
        .map(|pattern| {
            let stored = stored_value(pattern, frame.bits, frame.signed);
            match &attributes.modality_lut {
                Some(table) => look_up(table, stored),
                None => stored as f64 * slope + intercept,
            }
        })
        .collect()
}

/// Whether a stored pattern is padding (PS3.3 C.7.5.1.1.2).
pub(super) fn is_padding(pattern: usize, frame: &Frame<'_>, attributes: &Attributes) -> bool {
    let stored = stored_value(pattern, frame.bits, frame.signed);
    attributes.padding.is_some_and(|(low, high)| (low..=high).contains(&stored))
}

/// Whether the object itself says how it wants to be shown.
fn has_own_window(attributes: &Attributes) -> bool {
    attributes.voi_lut.is_some() || !attributes.windows.is_empty()
}

/// Whether the table depends on the values that occur in the frame.
pub(super) fn looks_at_values(choice: Choice, attributes: &Attributes) -> bool {
    match choice {
        Choice::Object => !has_own_window(attributes),
        Choice::Percentiles(..) => true,
        Choice::FullRange | Choice::Reader(_) => false,
    }
}

impl Display {
    /// Makes the table. `histogram` has to count every pixel where [`looks_at_values`] says so.
    pub fn new(
        frame: &Frame<'_>,
        attributes: &Attributes,
        choice: Choice,
        turn_round: bool,
        histogram: &Histogram,
    ) -> Self {
        let modality = modality_values(frame, attributes);
        let range = |low: f64, high: f64| {
            let span = if high > low { high - low } else { 1.0 };
            move |value: f64| ((value - low) / span).clamp(0.0, 1.0)
        };
        let first = attributes.windows.first().copied();
        let grey: Box<dyn Fn(f64) -> f64> = match (choice, &attributes.voi_lut, first) {
            (Choice::Object, Some(table), _) => {
                let highest = ((1_u64 << table.bits) - 1) as f64;
                let table = table.clone();
                Box::new(move |value| (look_up(&table, value.round() as i64) / highest).clamp(0.0, 1.0))
            }
            (Choice::Object, None, Some(window)) => {
                let function = attributes.voi_function;
                Box::new(move |value| through_window(value, window, function))
            }
            (Choice::Reader(window), _, _) => {
                Box::new(move |value| through_window(value, window, VoiFunction::Linear))
            }
            (Choice::Object, None, None) => {
                let (low, high) = range_of(&modality, frame, attributes, histogram);
                Box::new(range(low, high))
            }
            (Choice::Percentiles(low, high), _, _) => {
                let (low, high) = percentiles(&modality, histogram, frame, attributes, low, high);
                Box::new(range(low, high))
            }
            (Choice::FullRange, _, _) => {
                let (low, high) = whole_range(&modality);
                Box::new(range(low, high))
            }
        };
        let table: Vec<f32> = modality
            .iter()
            .enumerate()
            .map(|(pattern, value)| {
                // Padding is shown black whichever way round the scale runs (PS3.3 C.7.5.1.1.2).
                if is_padding(pattern, frame, attributes) {
                    return 0.0;
                }
                let grey = grey(*value);
                (if turn_round { 1.0 - grey } else { grey }) as f32
            })
            .collect();
        let ramp = ramp_of(&table);
        Self { table, ramp }
    }

    /// Grey of a stored pattern.
    #[inline(always)]
    pub fn grey(&self, pattern: usize) -> f32 {
        self.table.get(pattern).copied().unwrap_or(0.0)
    }
}

/// From which modality value to which an object without a window is shown. The histogram is that of every pixel.
pub(super) fn value_range(frame: &Frame<'_>, attributes: &Attributes, histogram: &Histogram) -> (f64, f64) {
    range_of(&modality_values(frame, attributes), frame, attributes, histogram)
}

/// Without a window an 8-bit image is meant as it is; a deeper one uses a part of its range only.
fn range_of(
    modality: &[f64],
    frame: &Frame<'_>,
    attributes: &Attributes,
    histogram: &Histogram,
) -> (f64, f64) {
    if frame.bits > 8 {
        percentiles(modality, histogram, frame, attributes, 0.0, 100.0)
    } else {
        whole_range(modality)
    }
}

fn whole_range(modality: &[f64]) -> (f64, f64) {
    let low = modality.iter().copied().fold(f64::INFINITY, f64::min);
    (low, modality.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// Window (PS3.3 C.11.2.1.2.1 linear, C.11.2.1.3.2 linear exact, C.11.2.1.3.1 sigmoid), scaled to 0 to 1.
fn through_window(value: f64, window: Window, function: VoiFunction) -> f64 {
    let Window { centre, width } = window;
    match function {
        VoiFunction::Linear => {
            // Widths below one are forbidden; one is a threshold.
            let span = (width - 1.0).max(0.0);
            if value <= centre - 0.5 - span / 2.0 {
                0.0
            } else if value > centre - 0.5 + span / 2.0 {
                1.0
            } else {
                (value - (centre - 0.5)) / span + 0.5
            }
        }
        VoiFunction::LinearExact => ((value - centre) / width + 0.5).clamp(0.0, 1.0),
        VoiFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - centre) / width).exp()),
    }
}

/// An entry, the first below the table and the last above it (PS3.3 C.11.1.1, C.11.2.1.1).
pub(super) fn look_up(table: &LookupTable, input: i64) -> f64 {
    let last = table.entries.len().saturating_sub(1);
    let at = usize::try_from(input.saturating_sub(table.first)).unwrap_or(0).min(last);
    f64::from(table.entries.get(at).copied().unwrap_or(0))
}

/// Modality values at two percentiles: the least value that at least that part of the pixels does not exceed.
fn percentiles(
    modality: &[f64],
    histogram: &Histogram,
    frame: &Frame<'_>,
    attributes: &Attributes,
    low: f64,
    high: f64,
) -> (f64, f64) {
    let mut present: Vec<(f64, u64)> = modality
        .iter()
        .zip(&histogram.counts)
        .enumerate()
        .filter(|(pattern, (_, count))| **count > 0 && !is_padding(*pattern, frame, attributes))
        .map(|(_, (value, count))| (*value, u64::from(*count)))
        .collect();
    present.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: u64 = present.iter().map(|(_, count)| count).sum();
    let at = |percent: f64| {
        let rank = (percent / 100.0 * total as f64).max(1.0);
        let mut seen = 0_u64;
        for (value, count) in &present {
            seen += count;
            if seen as f64 >= rank {
                return *value;
            }
        }
        present.last().map_or(0.0, |(value, _)| *value)
    };
    (at(low), at(high))
}

/// The straight line that a table is, if it is one to within a hundred-thousandth.
fn ramp_of(table: &[f32]) -> Option<Ramp> {
    // Two points inside give the line; a threshold (no point inside) stays a table.
    let inside = |grey: &f32| *grey > 0.0 && *grey < 1.0;
    let first = table.iter().position(inside)?;
    let last = table.iter().rposition(inside)?;
    if last <= first {
        return None;
    }
    let (from, to) = (f64::from(*table.get(first)?), f64::from(*table.get(last)?));
    let gain = (to - from) / (last - first) as f64;
    if gain == 0.0 {
        return None;
    }
    let black = first as f64 - from / gain;
    let fits = table.iter().enumerate().all(|(pattern, grey)| {
        let line = ((pattern as f64 - black) * gain).clamp(0.0, 1.0);
        (line - f64::from(*grey)).abs() < 1e-5
    });
    fits.then_some(Ramp { black: black as f32, gain: gain as f32 })
}

#[cfg(test)]
mod tests {
    use super::super::decode::{Pixels, Samples};
    use super::*;

    fn frame(bits: u32, signed: bool, values: Vec<u16>) -> Frame<'static> {
        let columns = values.len() as u32;
        Frame { columns, rows: 1, pixels: Pixels::Held(Samples::U16(values)), bits, signed, colour: false }
    }

    fn display(frame: &Frame<'_>, attributes: &Attributes, choice: Choice) -> Display {
        let mut histogram = Histogram::new(frame);
        frame.each_row(0..1, |_, row| histogram.add(row, 1)).expect("held in memory");
        Display::new(frame, attributes, choice, false, &histogram)
    }

    #[test]
    fn the_linear_window_is_the_example_of_the_standard() {
        // PS3.3 C.11.2.1.2.1: c = 2048, w = 4096 becomes y = ((x - 2047.5) / 4095 + 0.5).
        let window = Window { centre: 2048.0, width: 4096.0 };
        assert_eq!(through_window(0.0, window, VoiFunction::Linear), 0.0);
        assert_eq!(through_window(4095.0, window, VoiFunction::Linear), 1.0);
        assert!((through_window(1000.0, window, VoiFunction::Linear) - 1000.0 / 4095.0).abs() < 1e-12);
        // c = 2048, w = 1 is a threshold: y = 0 up to 2047.5.
        let threshold = Window { centre: 2048.0, width: 1.0 };
        assert_eq!(through_window(2047.0, threshold, VoiFunction::Linear), 0.0);
        assert_eq!(through_window(2048.0, threshold, VoiFunction::Linear), 1.0);
    }

    #[test]
    fn signed_values_rescale_before_the_window() {
        let ct = frame(12, true, vec![0, 0xFFF]);
        let attributes = Attributes {
            rescale_slope: Some(2.0),
            rescale_intercept: Some(-10.0),
            windows: vec![Window { centre: -11.0, width: 2.0 }],
            ..Attributes::default()
        };
        // Stored -1 becomes -12: exactly the darkest of the window; -10 lies beyond its end.
        let shown = display(&ct, &attributes, Choice::Object);
        assert_eq!(shown.grey(0xFFF), 0.0);
        assert_eq!(shown.grey(0), 1.0);
    }

    #[test]
    fn padding_is_black_and_left_out_of_the_percentiles() {
        let film = frame(12, false, vec![4095, 100, 200, 300, 4095]);
        let attributes = Attributes { padding: Some((4095, 4095)), ..Attributes::default() };
        let shown = display(&film, &attributes, Choice::Percentiles(0.0, 100.0));
        assert_eq!((shown.grey(4095), shown.grey(100), shown.grey(300)), (0.0, 0.0, 1.0));
        assert!((shown.grey(200) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_table_that_is_a_straight_line_is_known_as_one() {
        let film = frame(12, false, vec![0]);
        let attributes =
            Attributes { windows: vec![Window { centre: 2048.0, width: 2000.0 }], ..Attributes::default() };
        let shown = display(&film, &attributes, Choice::Object);
        let ramp = shown.ramp.expect("a straight line");
        assert!((ramp.gain - 1.0 / 1999.0).abs() < 1e-7);
        let sigmoid = Attributes { voi_function: VoiFunction::Sigmoid, ..attributes };
        assert_eq!(display(&film, &sigmoid, Choice::Object).ramp, None);
    }
}
