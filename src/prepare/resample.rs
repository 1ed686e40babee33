//! Window and resize in one pass over the stored values, by separable filters with named weights.
//!
//! In: the rows of a frame from top to bottom, its display table, source interval and filter of each axis. Out: grey 0
//! to 1 of every output pixel. Must never hold a float copy of the full image: one row, and the output rows that it
//! reaches, at a time.

use std::collections::VecDeque;
use std::ops::Range;

use super::greyscale::{Display, Ramp};
use super::spec::ResizeFilter;
use super::whole_window::{WHOLE, WholeWindow};

/// Weights of the source pixels along one axis, output by output.
pub(super) struct Axis {
    taps: Vec<Taps>,
}

struct Taps {
    first: usize,
    /// Their sum is one.
    weights: Vec<f32>,
}

impl Axis {
    /// `outputs` pixels over the source interval from `start` to `end` (continuous, pixel `i` covers `i` to `i + 1`)
    /// of an axis of `size` pixels.
    pub fn new(filter: ResizeFilter, outputs: usize, start: f64, end: f64, size: usize) -> Self {
        let scale = (end - start) / outputs.max(1) as f64;
        let taps = (0..outputs)
            .map(|output| {
                let left = start + output as f64 * scale;
                let centre = left + scale / 2.0;
                match filter {
                    ResizeFilter::Area => weighted(left, left + scale, size, |pixel| {
                        ((pixel + 1.0).min(left + scale) - pixel.max(left)).max(0.0)
                    }),
                    ResizeFilter::Triangle => widened(centre, scale.max(1.0), 1.0, size, triangle),
                    ResizeFilter::Lanczos3 => widened(centre, scale.max(1.0), 3.0, size, lanczos3),
                    ResizeFilter::Bilinear => widened(centre, 1.0, 1.0, size, triangle),
                    ResizeFilter::Nearest => nearest(centre, size),
                }
            })
            .collect();
        Self { taps }
    }

    /// Number of outputs.
    pub fn len(&self) -> usize {
        self.taps.len()
    }

    /// The source pixels that some output looks at.
    fn reach(&self) -> Range<usize> {
        let first = self.taps.iter().map(|t| t.first).min().unwrap_or(0);
        let end = self.taps.iter().map(Taps::end).max().unwrap_or(0);
        first..end.max(first)
    }
}

impl Taps {
    fn end(&self) -> usize {
        self.first + self.weights.len()
    }

    fn most(&self) -> f32 {
        self.weights.iter().copied().fold(0.0, f32::max)
    }
}

fn widened(centre: f64, scale: f64, radius: f64, size: usize, kernel: fn(f64) -> f64) -> Taps {
    weighted(centre - radius * scale, centre + radius * scale, size, |pixel| {
        kernel((pixel + 0.5 - centre) / scale)
    })
}

/// Weights of the pixels between two points, cut to the axis and made to add up to one.
fn weighted(from: f64, to: f64, size: usize, weight: impl Fn(f64) -> f64) -> Taps {
    let first = from.floor().clamp(0.0, size as f64) as usize;
    let last = to.ceil().clamp(0.0, size as f64) as usize;
    let mut weights: Vec<f64> = (first..last).map(|pixel| weight(pixel as f64)).collect();
    let leading = weights.iter().take_while(|w| **w == 0.0).count();
    weights.drain(..leading);
    while weights.last() == Some(&0.0) {
        weights.pop();
    }
    let sum: f64 = weights.iter().sum();
    if sum == 0.0 || !sum.is_finite() {
        return nearest((from + to) / 2.0, size);
    }
    Taps { first: first + leading, weights: weights.iter().map(|w| (w / sum) as f32).collect() }
}

fn nearest(centre: f64, size: usize) -> Taps {
    Taps { first: (centre.floor().max(0.0) as usize).min(size.saturating_sub(1)), weights: vec![1.0] }
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn lanczos3(x: f64) -> f64 {
    let sinc = |x: f64| {
        let t = x * std::f64::consts::PI;
        if t == 0.0 { 1.0 } else { t.sin() / t }
    };
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// What has been gathered into an output row, column by column.
enum Gathered {
    /// Sums of whole numbers, and the weight of a whole row.
    Whole(Vec<u32>, f32),
    Grey(Vec<f32>),
}

/// Rows gathered into the output rows that they reach, those then narrowed.
pub(super) struct Resampler<'a> {
    display: &'a Display,
    /// The window in whole numbers, where it and the filter allow them.
    whole: Option<WholeWindow>,
    across: &'a Axis,
    down: &'a Axis,
    /// The columns that some output looks at: no others are windowed.
    columns: Range<usize>,
    /// Row before which an output row need not be begun.
    begins: Vec<usize>,
    /// Grey of the row in hand.
    grey: Vec<f32>,
    /// Output rows begun and not finished, the first of them number `finished`.
    open: VecDeque<Gathered>,
    finished: usize,
    out: Vec<f32>,
}

impl<'a> Resampler<'a> {
    /// Of nothing yet.
    pub fn new(display: &'a Display, across: &'a Axis, down: &'a Axis) -> Self {
        let columns = across.reach();
        let mut begins: Vec<usize> = down.taps.iter().map(|taps| taps.first).collect();
        // Output rows are begun in their order, whatever the filter.
        let mut least = usize::MAX;
        for begin in begins.iter_mut().rev() {
            least = least.min(*begin);
            *begin = least;
        }
        let no_lobes = down.taps.iter().all(|taps| taps.weights.iter().all(|weight| *weight >= 0.0));
        let whole = display.ramp.filter(|_| no_lobes).and_then(WholeWindow::of);
        Self {
            display,
            whole,
            across,
            down,
            begins,
            grey: vec![0.0; columns.len()],
            open: VecDeque::new(),
            finished: 0,
            out: Vec::with_capacity(across.len() * down.len()),
            columns,
        }
    }

    /// The rows that [`Resampler::add`] has to see.
    pub fn rows(&self) -> Range<usize> {
        self.down.reach()
    }

    /// Takes row number `y` in. Rows come in order.
    pub fn add(&mut self, y: usize, row: &[u16]) {
        while self.begins.get(self.finished + self.open.len()).is_some_and(|begin| *begin <= y) {
            self.begin();
        }
        let Some(values) = row.get(self.columns.clone()) else { return };
        let mut windowed = false;
        let outputs = self.down.taps.iter().skip(self.finished);
        for (gathered, taps) in self.open.iter_mut().zip(outputs) {
            let weight = y.checked_sub(taps.first).and_then(|step| taps.weights.get(step));
            let Some(weight) = weight else { continue };
            match (gathered, self.whole) {
                (Gathered::Whole(sums, most), Some(window)) => {
                    window.add(values, (weight / *most * WHOLE as f32).round() as u32, sums);
                }
                (Gathered::Grey(sums), _) => {
                    if !windowed {
                        window_row(self.display, values, &mut self.grey);
                        windowed = true;
                    }
                    sums.iter_mut().zip(&self.grey).for_each(|(sum, grey)| *sum += weight * grey);
                }
                (Gathered::Whole(..), None) => {}
            }
        }
        while self.down.taps.get(self.finished).is_some_and(|taps| taps.end() <= y + 1)
            && let Some(gathered) = self.open.pop_front()
        {
            self.narrow(gathered);
        }
    }

    fn begin(&mut self) {
        let next = self.down.taps.get(self.finished + self.open.len());
        let size = self.columns.len();
        self.open.push_back(match self.whole {
            Some(_) => Gathered::Whole(vec![0; size], next.map_or(1.0, Taps::most)),
            None => Gathered::Grey(vec![0.0; size]),
        });
    }

    /// Grey of every output pixel, row by row; output rows whose source rows never came are what came of them.
    pub fn finish(mut self) -> Vec<f32> {
        while self.finished < self.down.len() {
            if self.open.is_empty() {
                self.begin();
            }
            if let Some(gathered) = self.open.pop_front() {
                self.narrow(gathered);
            }
        }
        self.out
    }

    fn narrow(&mut self, gathered: Gathered) {
        match (gathered, self.whole) {
            (Gathered::Whole(sums, most), Some(window)) => window.grey(&sums, most, &mut self.grey),
            (Gathered::Whole(..), None) => {}
            (Gathered::Grey(sums), _) => self.grey = sums,
        }
        let grey = self.grey.as_slice();
        let left = self.columns.start;
        self.out.extend(self.across.taps.iter().map(|taps| {
            let from = taps.first.saturating_sub(left);
            dot(&taps.weights, grey.get(from..from + taps.weights.len()).unwrap_or_default())
        }));
        self.finished += 1;
    }
}

/// Grey of a run of stored values.
fn window_row(display: &Display, values: &[u16], row: &mut [f32]) {
    match display.ramp {
        Some(Ramp { black, gain }) => row.iter_mut().zip(values).for_each(|(grey, value)| {
            *grey = ((f32::from(*value) - black) * gain).clamp(0.0, 1.0);
        }),
        None => {
            row.iter_mut().zip(values).for_each(|(grey, value)| *grey = display.grey(usize::from(*value)))
        }
    }
}

/// Sum of products in eight lanes, so that it vectorises.
fn dot(weights: &[f32], values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (weight_eights, value_eights) = (weights.chunks_exact(8), values.chunks_exact(8));
    let rest: f32 = weight_eights.remainder().iter().zip(value_eights.remainder()).map(|(w, v)| w * v).sum();
    for (weights, values) in weight_eights.zip(value_eights) {
        lanes.iter_mut().zip(weights).zip(values).for_each(|((lane, w), v)| *lane += w * v);
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_adds_up_to_one_and_stays_inside() {
        use ResizeFilter::{Area, Bilinear, Lanczos3, Nearest, Triangle};
        for filter in [Area, Triangle, Lanczos3, Bilinear, Nearest] {
            for (outputs, start, end, size) in [(7, 0.0, 100.0, 100), (128, 0.0, 3.0, 3), (5, -0.4, 9.7, 10)]
            {
                for taps in Axis::new(filter, outputs, start, end, size).taps {
                    let sum: f32 = taps.weights.iter().sum();
                    assert!((sum - 1.0).abs() < 1e-5, "{filter:?} adds up to {sum}");
                    assert!(taps.first + taps.weights.len() <= size, "{filter:?} reaches beyond {size}");
                }
            }
        }
    }

    #[test]
    fn area_means_are_exact() {
        let table = (0..256).map(|v| v as f32 / 255.0).collect();
        let display = Display { table, ramp: None };
        let across = Axis::new(ResizeFilter::Area, 2, 0.0, 4.0, 4);
        let down = Axis::new(ResizeFilter::Area, 1, 0.0, 2.0, 2);
        let mut resampler = Resampler::new(&display, &across, &down);
        resampler.add(0, &[0, 255, 255, 255]);
        resampler.add(1, &[0, 255, 255, 0]);
        assert_eq!(resampler.finish(), [0.5, 0.75]);
    }

    #[test]
    fn rows_that_several_outputs_look_at_reach_all_of_them() {
        let ramps = [None, Some(Ramp { black: 0.0, gain: 1.0 / 255.0 })];
        let table: Vec<f32> = (0..256).map(|v| v as f32 / 255.0).collect();
        let displays = ramps.map(|ramp| Display { table: table.clone(), ramp });
        let filters = [ResizeFilter::Lanczos3, ResizeFilter::Triangle, ResizeFilter::Bilinear];
        for (display, filter) in displays.iter().flat_map(|display| filters.map(|filter| (display, filter))) {
            for outputs in [1, 3, 10, 25] {
                let across = Axis::new(ResizeFilter::Area, 1, 0.0, 1.0, 1);
                let down = Axis::new(filter, outputs, -0.3, 10.2, 10);
                let mut resampler = Resampler::new(display, &across, &down);
                let values: Vec<u16> = (0..10).map(|y| y * y).collect();
                values.iter().enumerate().for_each(|(y, value)| resampler.add(y, &[*value]));
                let expected = down.taps.iter().map(|taps| {
                    let values = values.iter().skip(taps.first);
                    taps.weights.iter().zip(values).map(|(w, v)| w * f32::from(*v) / 255.0).sum::<f32>()
                });
                for (found, expected) in resampler.finish().iter().zip(expected) {
                    assert!((found - expected).abs() < 5e-5, "{filter:?} {outputs}: {found}, {expected}");
                }
            }
        }
    }
}
