//! Activation maps to rectangles on the original image. Pure.
//!
//! In: one channel of a map, how strong the model's score is, and where input pixels lie on the
//! original. Out: the strongest connected parts as marks in the original's pixels.

use super::graph::ActivationMap;
use super::manifest::RegionRule;
use crate::prepare::PixelMapping;
use crate::vocab::{Region, SopInstanceUid};

/// A connected part of a map, in cells.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
    peak: f32,
}

/// Where one image's regions lie: its input size and the way back to the original.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub image: &'a SopInstanceUid,
    pub input_width: u32,
    pub input_height: u32,
    pub mapping: &'a PixelMapping,
}

/// The regions of one channel; the strongest has the score of the label itself, the others their part of it.
pub(super) fn regions(
    map: &ActivationMap,
    channel: usize,
    score: f64,
    rule: RegionRule,
    place: Place<'_>,
) -> Vec<Region> {
    let size = map.width * map.height;
    let values: &[f32] = map.values.get(channel * size..(channel + 1) * size).unwrap_or(&[]);
    // A map with a hole in it says nothing of where; the score was checked by itself.
    if values.is_empty() || values.iter().any(|v| !v.is_finite()) {
        return Vec::new();
    }
    let peak = values.iter().copied().fold(0.0, f32::max);
    if peak <= 0.0 {
        return Vec::new();
    }
    let mut parts = connected_parts(values, map.width, f64::from(peak) * rule.part_of_peak);
    parts.sort_by(|a, b| b.peak.total_cmp(&a.peak));
    let cell_width = f64::from(place.input_width) / map.width as f64;
    let cell_height = f64::from(place.input_height) / map.height as f64;
    parts
        .iter()
        .take(rule.max_per_image)
        .map(|part| Region {
            mark: place.mapping.mark_on_original(
                place.image.clone(),
                part.left as f64 * cell_width,
                part.top as f64 * cell_height,
                (part.right - part.left + 1) as f64 * cell_width,
                (part.bottom - part.top + 1) as f64 * cell_height,
            ),
            score: score * f64::from(part.peak / peak),
        })
        // A part that lies wholly in the bars of a letterbox is nowhere on the original.
        .filter(|region| region.mark.width > 0.0 && region.mark.height > 0.0)
        .collect()
}

/// Parts of cells at or above `threshold` that touch by an edge, in reading order of their first cell.
fn connected_parts(values: &[f32], width: usize, threshold: f64) -> Vec<Part> {
    let inside = |cell: usize| values.get(cell).is_some_and(|v| f64::from(*v) >= threshold);
    let mut seen = vec![false; values.len()];
    let mut parts = Vec::new();
    let mut open = Vec::new();
    for start in 0..values.len() {
        open.push(start);
        let mut part: Option<Part> = None;
        while let Some(cell) = open.pop() {
            match seen.get_mut(cell) {
                Some(seen) if !*seen && inside(cell) => *seen = true,
                _ => continue,
            }
            let (x, y) = (cell % width, cell / width);
            let value = values.get(cell).copied().unwrap_or(0.0);
            let grown = part.get_or_insert(Part { left: x, top: y, right: x, bottom: y, peak: value });
            grown.left = grown.left.min(x);
            grown.right = grown.right.max(x);
            grown.top = grown.top.min(y);
            grown.bottom = grown.bottom.max(y);
            grown.peak = grown.peak.max(value);
            if x > 0 {
                open.push(cell - 1);
            }
            if x + 1 < width {
                open.push(cell + 1);
            }
            if y > 0 {
                open.push(cell - width);
            }
            open.push(cell + width);
        }
        parts.extend(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rows: &[&[f32]]) -> ActivationMap {
        let width = rows[0].len();
        ActivationMap { channels: 1, height: rows.len(), width, values: rows.concat() }
    }

    fn found(map: &ActivationMap, rule: RegionRule) -> Vec<(f64, f64, f64, f64, f64)> {
        // The original is twice the input in columns, the same in rows, and starts 10 columns in.
        let mapping = PixelMapping {
            original_width: 90,
            original_height: 40,
            offset_x: 10.0,
            offset_y: 0.0,
            scale_x: 2.0,
            scale_y: 1.0,
        };
        let image = "1.2".parse().unwrap();
        let place = Place { image: &image, input_width: 40, input_height: 40, mapping: &mapping };
        let by_place = |r: &Region| (r.mark.x, r.mark.y, r.mark.width, r.mark.height, r.score);
        regions(map, 0, 0.8, rule, place).iter().map(by_place).collect()
    }

    #[test]
    fn parts_are_boxed_and_carried_to_the_original() {
        let map = map(&[&[0.0, 0.0, 0.0, 0.5], &[1.0, 0.6, 0.0, 0.0], &[0.0, 0.7, 0.0, 0.0], &[0.0; 4]]);
        // Cells of 10 x 10: columns 0 to 1, rows 1 to 2; and the cell at the right, exactly half as strong.
        assert_eq!(
            found(&map, RegionRule::default()),
            [(10.0, 10.0, 40.0, 20.0, 0.8), (70.0, 0.0, 20.0, 10.0, 0.4)]
        );
        assert_eq!(found(&map, RegionRule { max_per_image: 1, ..RegionRule::default() }).len(), 1);
    }

    #[test]
    fn cells_that_touch_by_a_corner_alone_are_two_parts() {
        assert_eq!(found(&map(&[&[1.0, 0.0], &[0.0, 1.0]]), RegionRule::default()).len(), 2);
        assert_eq!(found(&map(&[&[1.0, 0.0], &[1.0, 1.0]]), RegionRule::default()).len(), 1);
        // The end of one row does not touch the start of the next.
        assert_eq!(found(&map(&[&[0.0, 1.0], &[1.0, 0.0]]), RegionRule::default()).len(), 2);
    }

    #[test]
    fn a_map_that_says_nothing_gives_no_regions() {
        for values in [[0.0; 4], [-1.0; 4], [1.0, f32::NAN, 0.0, 0.0]] {
            assert!(found(&map(&[&values[..2], &values[2..]]), RegionRule::default()).is_empty());
        }
    }
}
