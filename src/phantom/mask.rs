//! Which pixels belong to a finding: the outline that a box only bounds.
//!
//! In: the pixels that a brush changed, at the size at which anatomy was drawn. Out: the same at the size of the
//! image. Must never reach outside the box of the truth.

use super::truth::PixelBox;

/// A finding's pixels on the drawing, which may be smaller than the image.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    width: usize,
    height: usize,
    bits: Vec<bool>,
}

impl Mask {
    /// No pixel yet.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, bits: vec![false; width * height] }
    }
    /// Adds a pixel of the drawing.
    pub(super) fn hold(&mut self, column: usize, row: usize) {
        if column < self.width
            && let Some(bit) = self.bits.get_mut(row * self.width + column)
        {
            *bit = true;
        }
    }
    /// Adds a disc, in pixels of the drawing.
    pub(super) fn disc(&mut self, x: f32, y: f32, radius: f32) {
        let from = |at: f32| (at - radius).floor().max(0.0) as usize;
        let to = |at: f32, size: usize| ((at + radius).ceil().max(0.0) as usize + 1).min(size);
        for row in from(y)..to(y, self.height) {
            for column in from(x)..to(x, self.width) {
                if (column as f32 - x).powi(2) + (row as f32 - y).powi(2) <= radius * radius {
                    self.hold(column, row);
                }
            }
        }
    }
    /// Left becomes right.
    pub(super) fn mirror(&mut self) {
        self.bits.chunks_exact_mut(self.width.max(1)).for_each(<[bool]>::reverse);
    }

    /// The finding's pixels on an image of that size, row by row, none outside the box.
    pub fn on_image(&self, columns: u32, rows: u32, within: &PixelBox) -> Vec<bool> {
        let (columns, rows) = (columns as usize, rows as usize);
        let inside = |at: usize, start: f64, length: f64| {
            (start.floor()..(start + length).ceil()).contains(&(at as f64))
        };
        let source = |at: usize, of: usize, size: usize| (2 * at + 1) * size / (2 * of.max(1));
        let across: Vec<Option<usize>> = (0..columns)
            .map(|c| inside(c, within.x, within.width).then(|| source(c, columns, self.width)))
            .collect();
        let mut out = vec![false; columns * rows];
        for (row, line) in out.chunks_exact_mut(columns.max(1)).enumerate() {
            if !inside(row, within.y, within.height) {
                continue;
            }
            let start = source(row, rows, self.height) * self.width;
            for (bit, column) in line.iter_mut().zip(&across) {
                *bit = column.is_some_and(|column| self.bits.get(start + column) == Some(&true));
            }
        }
        out
    }
}
