//! What comes out of preparation: tensors and rendered images, with the facts that belong to them.

use crate::vocab::{NotProcessed, NotProcessedReason};

use super::attributes::LookupTable;
use super::mapping::PixelMapping;

impl VoiTable {
    pub(super) fn of(table: &LookupTable) -> Self {
        Self { first: table.first, entries: table.entries.len(), bits: table.bits }
    }
}

/// One image, ready for a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The numbers, in the order of `shape`.
    pub tensor: Vec<f32>,
    /// Shape with a batch axis of one, in the layout of the specification.
    pub shape: [usize; 4],
    /// Where each input pixel lies on the original.
    pub mapping: PixelMapping,
    /// What the quality checks measured.
    pub quality: QualityStatistics,
    /// Where the rows run to: the first value of Patient Orientation (0020,0020), such as `A`; empty where it isn't said.
    pub rows_run_to: String,
    /// What it cost.
    pub timings: Timings,
}

/// What the quality checks measured on the stored values (padding left out).
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct QualityStatistics {
    /// Pixels that were looked at (a regular sample of the frame).
    pub sampled_pixels: u64,
    /// Distinct values among them.
    pub distinct_values: u32,
    /// 1st percentile, as displayed, 0 (black) to 1 (white).
    pub p01: f64,
    /// Median, as displayed.
    pub p50: f64,
    /// 99th percentile, as displayed.
    pub p99: f64,
    /// 99th less 1st percentile of the stored values, as a fraction of the stored range.
    pub spread: f64,
    /// Fraction of pixels at the darkest value met.
    pub dark_fraction: f64,
    /// Fraction of pixels at the brightest value met.
    pub bright_fraction: f64,
    /// Score of the inversion check, 0 (right way round) to 1 (turned round).
    pub inversion_score: f64,
}

/// What preparation cost, in milliseconds of wall time.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Timings {
    /// Reading and parsing the file.
    pub parse_ms: f64,
    /// Decoding the pixels.
    pub decode_ms: f64,
    /// Window, resize and quality checks.
    pub transform_ms: f64,
}

/// A part of a frame, in stored columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PixelRegion {
    /// Left column.
    pub x: u32,
    /// Upper row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A linear window in modality units (PS3.3 C.11.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// Window Center (0028,1050).
    pub centre: f64,
    /// Window Width (0028,1051), above zero.
    pub width: f64,
}

/// A window of the object with what it is for.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct NamedWindow {
    /// Window Center (0028,1050).
    pub centre: f64,
    /// Window Width (0028,1051), above zero.
    pub width: f64,
    /// Window Center & Width Explanation (0028,1055); empty where absent.
    pub explanation: String,
}

/// A VOI LUT of the object (PS3.3 C.11.2.1.1), without its entries.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VoiTable {
    /// First modality value mapped.
    pub first: i64,
    /// How many entries there are.
    pub entries: usize,
    /// Bits of an entry, which fix the output range.
    pub bits: u32,
}

/// What to render.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RenderRequest {
    /// Frame number, from 1; 0 means 1.
    pub frame: u32,
    /// Longest side of the result in pixels; absent or larger than the original: not resized.
    pub max_side: Option<u32>,
    /// Part of the frame; absent: all of it.
    pub region: Option<PixelRegion>,
    /// The reader's window; absent: the object's own VOI LUT or window.
    pub window: Option<Window>,
    /// Whether to turn black and white round on top of all else.
    pub invert: bool,
}

/// A rendered frame: 8-bit grey as a display would show it.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedImage {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Grey values, row by row.
    pub grey: Vec<u8>,
    /// The same as a PNG file.
    pub png: Vec<u8>,
}

/// A decoded frame at its original depth, with what a viewer needs to show it.
#[derive(Debug, Clone, PartialEq)]
pub struct RawFrame {
    /// Facts about the frame.
    pub attributes: FrameAttributes,
    /// Samples row by row, little endian, one byte each where `bytes_per_sample` is 1, else two.
    pub samples: Vec<u8>,
}

/// Facts about a decoded frame, for a viewer.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct FrameAttributes {
    /// Columns.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
    /// Frames in the object.
    pub frames: u32,
    /// 1 or 2.
    pub bytes_per_sample: u32,
    /// Bits Stored (0028,0101).
    pub bits_stored: u32,
    /// Whether samples are two's complement, extended to the whole sample.
    pub signed: bool,
    /// Photometric Interpretation (0028,0004), as sent; `MONOCHROME2` where colour was reduced to luminance.
    pub photometric: String,
    /// Whether the object is colour and these are its luminance.
    pub colour_reduced: bool,
    /// Whether a Modality LUT was applied: the samples are its output then, and not the stored values.
    pub modality_lut_applied: bool,
    /// Rescale Slope (0028,1053), 1 where absent.
    pub rescale_slope: f64,
    /// Rescale Intercept (0028,1052), 0 where absent.
    pub rescale_intercept: f64,
    /// The object's windows, in its order of preference; where it has none and no VOI LUT, the one that it is drawn by.
    pub windows: Vec<NamedWindow>,
    /// Whether the window is ours and not the object's.
    pub window_derived: bool,
    /// VOI LUT Function (0028,1056), `LINEAR` where absent.
    pub voi_lut_function: String,
    /// The lower end of the padding.
    pub pixel_padding_value: Option<i64>,
    /// Pixel Padding Value (0028,0120) and Pixel Padding Range Limit (0028,0121), both included, the lower one first.
    pub pixel_padding_range: Option<(i64, i64)>,
    /// The object's VOI LUT, which goes before its windows.
    pub voi_lut: Option<VoiTable>,
    /// Millimetres between rows and between columns (Imager Pixel Spacing or Pixel Spacing).
    pub pixel_spacing_mm: Option<(f64, f64)>,
    /// Height of a pixel over its width: Pixel Aspect Ratio (0028,0034), or what the spacing comes to.
    pub pixel_height_over_width: Option<f64>,
}

/// Why an image was not rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenderError {
    /// The object can't be read or decoded, or is over a limit.
    #[error("not rendered ({}): {}", .0.reason, .0.detail)]
    NotDecoded(NotProcessed),
    /// The object has no such frame.
    #[error("frame {frame} of an object with {frames}")]
    NoSuchFrame {
        /// Asked for.
        frame: u32,
        /// There are.
        frames: u32,
    },
    /// The request makes no sense for this image.
    #[error("request: {0}")]
    BadRequest(String),
}

/// Shorthand for a refusal with its facts.
pub(super) fn refusal(reason: NotProcessedReason, detail: impl Into<String>) -> NotProcessed {
    NotProcessed { reason, detail: detail.into() }
}
