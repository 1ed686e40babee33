//! Blank, clipped and inverted exposures, found by numbers with names (`QualityLimits`).
//!
//! In: a frame, its histogram and its display table. Out: [`QualityStatistics`], or the reason that the image is no
//! good. The same image gives the same answer; nothing here looks at tags except to know chest from breast.

use super::attributes::Attributes;
use super::decode::{Frame, Samples};
use super::greyscale::{Display, Histogram, is_padding};
use super::prepared::{QualityStatistics, refusal};
use super::scope::QualityLimits;
use crate::vocab::{NotProcessed, NotProcessedReason as Reason};

/// Sides of the thumbnail that the inversion check looks at.
const SIDE: usize = 16;

/// Measures a frame as displayed with dense tissue bright.
pub(super) fn measure(
    frame: &Frame,
    attributes: &Attributes,
    histogram: &Histogram,
    display: &Display,
) -> QualityStatistics {
    let mut present: Vec<(f32, usize, u64)> = histogram
        .counts
        .iter()
        .enumerate()
        .filter(|(pattern, count)| **count > 0 && !is_padding(*pattern, frame, attributes))
        .map(|(pattern, count)| (display.grey(pattern), pattern, u64::from(*count)))
        .collect();
    let total: u64 = present.iter().map(|(_, _, count)| count).sum();
    if total == 0 {
        return QualityStatistics::default();
    }
    present.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let at = |fraction: f64| {
        let rank = fraction * total as f64;
        let mut seen = 0;
        let met = present.iter().find(|(_, _, count)| {
            seen += count;
            seen as f64 >= rank
        });
        met.map_or(0.0, |(grey, _, _)| f64::from(*grey))
    };
    let stored_at = |fraction: f64| {
        let rank = fraction * total as f64;
        let mut seen = 0_u64;
        let counted = histogram.counts.iter().enumerate().filter(|(p, _)| !is_padding(*p, frame, attributes));
        let mut last = 0;
        for (pattern, count) in counted {
            seen += u64::from(*count);
            last = pattern;
            if seen as f64 >= rank {
                break;
            }
        }
        last as f64
    };
    let part = |count: Option<&(f32, usize, u64)>| count.map_or(0.0, |(_, _, c)| *c as f64 / total as f64);
    let full = ((1_u64 << frame.bits) - 1) as f64;
    let thumbnail = thumbnail(frame, display);
    let inversion_score =
        if is_breast(attributes) { breast_score(&thumbnail) } else { chest_score(&thumbnail) };
    QualityStatistics {
        sampled_pixels: total,
        distinct_values: present.len() as u32,
        p01: at(0.01),
        p50: at(0.5),
        p99: at(0.99),
        spread: (stored_at(0.99) - stored_at(0.01)) / full,
        dark_fraction: part(present.first()),
        bright_fraction: part(present.last()),
        inversion_score,
    }
}

/// Says why a measured image must not be scored.
pub(super) fn check(measured: &QualityStatistics, limits: &QualityLimits) -> Result<(), NotProcessed> {
    if measured.distinct_values < limits.blank_min_distinct_values {
        let detail = format!("only {} different values", measured.distinct_values);
        return Err(refusal(Reason::Blank, detail));
    }
    if measured.spread < limits.blank_min_spread {
        let detail = format!("98 % of the pixels lie within {:.2} % of the range", measured.spread * 100.0);
        return Err(refusal(Reason::Blank, detail));
    }
    if measured.bright_fraction > limits.clipped_max_bright_fraction {
        let detail =
            format!("{:.0} % of the pixels are at the brightest value", measured.bright_fraction * 100.0);
        return Err(refusal(Reason::Clipped, detail));
    }
    if measured.dark_fraction > limits.clipped_max_dark_fraction {
        let detail =
            format!("{:.0} % of the pixels are at the darkest value", measured.dark_fraction * 100.0);
        return Err(refusal(Reason::Clipped, detail));
    }
    if limits.refuse_inverted && measured.inversion_score >= limits.inverted_min_score {
        return Err(refusal(Reason::Inverted, "dense tissue is dark, against Photometric Interpretation"));
    }
    Ok(())
}

fn is_breast(attributes: &Attributes) -> bool {
    attributes.modality.eq_ignore_ascii_case("MG") || attributes.body_part.eq_ignore_ascii_case("BREAST")
}

/// Mean grey of each cell of a 16 by 16 grid, from every fourth column of a regular choice of rows.
fn thumbnail(frame: &Frame, display: &Display) -> [f64; SIDE * SIDE] {
    let (columns, rows) = (frame.columns as usize, frame.rows as usize);
    let row_step = (rows / 256).max(1);
    let column_step = (columns / 256).max(1);
    let mut sums = [(0.0_f64, 0_u32); SIDE * SIDE];
    let mut add = |x: usize, y: usize, pattern: usize| {
        let cell = (y * SIDE / rows.max(1)) * SIDE + x * SIDE / columns.max(1);
        if let Some((sum, count)) = sums.get_mut(cell) {
            *sum += f64::from(display.grey(pattern));
            *count += 1;
        }
    };
    for y in (0..rows).step_by(row_step) {
        let row = y * columns..(y + 1) * columns;
        match &frame.samples {
            Samples::U8(samples) => {
                let row = samples.get(row).unwrap_or_default().iter().enumerate().step_by(column_step);
                row.for_each(|(x, value)| add(x, y, usize::from(*value)));
            }
            Samples::U16(samples) => {
                let row = samples.get(row).unwrap_or_default().iter().enumerate().step_by(column_step);
                row.for_each(|(x, value)| add(x, y, usize::from(*value)));
            }
        }
    }
    sums.map(|(sum, count)| if count > 0 { sum / f64::from(count) } else { 0.0 })
}

/// How much a chest film looks turned round: 0.5 when it looks like neither.
fn chest_score(_thumbnail: &[f64; SIDE * SIDE]) -> f64 {
    0.5
}

/// How much a mammogram looks turned round: air beside the breast is the darkest thing on it.
fn breast_score(thumbnail: &[f64; SIDE * SIDE]) -> f64 {
    let edge = |column: usize| {
        let mut values: Vec<f64> = thumbnail.iter().skip(column).step_by(SIDE).copied().collect();
        values.sort_by(f64::total_cmp);
        values.get(SIDE / 2).copied().unwrap_or(0.0)
    };
    let (left, right) = (edge(0), edge(SIDE - 1));
    // One of the two edges is air on every view; the chest wall is at the other.
    if left.max(right) > 0.85 && left.min(right) > 0.3 { 1.0 } else { 0.0 }
}
