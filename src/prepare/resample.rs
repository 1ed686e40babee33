//! Window and resize in one pass over the stored values, by separable filters with named weights.
//!
//! In: a frame, its display table, source interval and filter of each axis. Out: grey 0 to 1 of every output pixel.
//! Must never hold a float copy of the full image: one row, and the output rows that it reaches, at a time.

use super::decode::{Frame, Samples};
use super::greyscale::Display;
use super::spec::ResizeFilter;

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

/// Resizes, rows first gathered into the output rows that they reach, those then narrowed.
pub(super) fn resample(frame: &Frame, display: &Display, across: &Axis, down: &Axis) -> Vec<f32> {
    let columns = frame.columns as usize;
    // Only the columns that some output looks at are windowed.
    let left = across.taps.iter().map(|t| t.first).min().unwrap_or(0).min(columns);
    let right = across.taps.iter().map(|t| t.first + t.weights.len()).max().unwrap_or(0).clamp(left, columns);
    let mut out = vec![0.0_f32; across.len() * down.len()];
    let mut row = vec![0.0_f32; right - left];
    let mut row_held = usize::MAX;
    let mut gathered = vec![0.0_f32; right - left];
    // Neighbouring outputs share rows: with wide filters a row is windowed again for each output that it reaches,
    // two at most for area and triangle when shrinking.
    for (taps, out) in down.taps.iter().zip(out.chunks_exact_mut(across.len().max(1))) {
        gathered.fill(0.0);
        for (step, weight) in taps.weights.iter().enumerate() {
            let number = taps.first + step;
            if number != row_held {
                window_row(frame, display, number * columns + left, &mut row);
                row_held = number;
            }
            gathered.iter_mut().zip(&row).for_each(|(sum, grey)| *sum += weight * grey);
        }
        for (to, taps) in out.iter_mut().zip(&across.taps) {
            let from = taps.first.saturating_sub(left);
            *to = dot(&taps.weights, gathered.get(from..from + taps.weights.len()).unwrap_or_default());
        }
    }
    out
}

/// Grey of a run of stored values that starts at `from`.
fn window_row(frame: &Frame, display: &Display, from: usize, row: &mut [f32]) {
    let to = from + row.len();
    match (&frame.samples, display.ramp) {
        (Samples::U16(samples), Some(ramp)) => {
            let values = samples.get(from..to).unwrap_or_default();
            row.iter_mut().zip(values).for_each(|(grey, value)| {
                *grey = ((f32::from(*value) - ramp.black) * ramp.gain).clamp(0.0, 1.0);
            });
        }
        (Samples::U16(samples), None) => {
            let values = samples.get(from..to).unwrap_or_default();
            row.iter_mut().zip(values).for_each(|(grey, value)| *grey = display.grey(usize::from(*value)));
        }
        (Samples::U8(samples), _) => {
            let values = samples.get(from..to).unwrap_or_default();
            row.iter_mut().zip(values).for_each(|(grey, value)| *grey = display.grey(usize::from(*value)));
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
        let samples = Samples::U8(vec![0, 255, 255, 255, 0, 255, 255, 0]);
        let frame = Frame { columns: 4, rows: 2, samples, bits: 8, signed: false, colour: false };
        let table = (0..256).map(|v| v as f32 / 255.0).collect();
        let display = Display { table, ramp: None };
        let across = Axis::new(ResizeFilter::Area, 2, 0.0, 4.0, 4);
        let down = Axis::new(ResizeFilter::Area, 1, 0.0, 2.0, 2);
        let small = resample(&frame, &display, &across, &down);
        assert_eq!(small, [0.5, 0.75]);
    }
}
