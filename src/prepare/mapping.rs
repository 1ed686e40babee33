//! Where a pixel of the model's input lies on the original, and back.
//!
//! Coordinates are continuous: pixel `i` covers `i` to `i + 1`, in stored rows and columns of the original.

use crate::vocab::{Mark, SopInstanceUid};

/// An axis-aligned map between the model's input and the original.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PixelMapping {
    /// Columns of the original.
    pub original_width: u32,
    /// Rows of the original.
    pub original_height: u32,
    /// Original column that the input's left edge lies on; negative with letterbox bars.
    pub offset_x: f64,
    /// Original row that the input's upper edge lies on.
    pub offset_y: f64,
    /// Original columns per input column.
    pub scale_x: f64,
    /// Original rows per input row.
    pub scale_y: f64,
}

impl PixelMapping {
    /// A point of the input as a point of the original.
    pub fn to_original(&self, x: f64, y: f64) -> (f64, f64) {
        (self.offset_x + x * self.scale_x, self.offset_y + y * self.scale_y)
    }

    /// A point of the original as a point of the input.
    pub fn to_input(&self, x: f64, y: f64) -> (f64, f64) {
        ((x - self.offset_x) / self.scale_x, (y - self.offset_y) / self.scale_y)
    }

    /// A rectangle of the input (left, top, width, height) as a mark on frame 1 of the original, cut to its edges.
    pub fn mark_on_original(&self, image: SopInstanceUid, x: f64, y: f64, width: f64, height: f64) -> Mark {
        let (left, top) = self.to_original(x, y);
        let (right, bottom) = self.to_original(x + width, y + height);
        let (left, right) = (
            left.clamp(0.0, f64::from(self.original_width)),
            right.clamp(0.0, f64::from(self.original_width)),
        );
        let (top, bottom) = (
            top.clamp(0.0, f64::from(self.original_height)),
            bottom.clamp(0.0, f64::from(self.original_height)),
        );
        Mark { sop_instance_uid: image, frame: 1, x: left, y: top, width: right - left, height: bottom - top }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_goes_there_and_back_and_a_mark_stays_on_the_image() {
        let mapping = PixelMapping {
            original_width: 3000,
            original_height: 2500,
            offset_x: 0.0,
            offset_y: -250.0,
            scale_x: 3000.0 / 128.0,
            scale_y: 3000.0 / 128.0,
        };
        let (x, y) = mapping.to_original(64.0, 64.0);
        assert_eq!((x, y), (1500.0, 1250.0));
        let (back_x, back_y) = mapping.to_input(x, y);
        assert!((back_x - 64.0).abs() < 1e-9 && (back_y - 64.0).abs() < 1e-9);
        let mark = mapping.mark_on_original("1.2".parse().expect("a uid"), 0.0, 0.0, 128.0, 128.0);
        assert_eq!((mark.x, mark.y, mark.width, mark.height), (0.0, 0.0, 3000.0, 2500.0));
    }
}
