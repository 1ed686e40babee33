//! Limits of what is decoded: named settings, one place.

/// What is decoded at most. Part of the configuration (`[prepare.limits]`).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a file that is opened at all.
    pub max_file_bytes: u64,
    /// Bytes that a deflated data set may unfold to.
    pub max_inflated_bytes: u64,
    /// Pixels of one frame (rows times columns).
    pub max_frame_pixels: u64,
    /// Number of Frames (0028,0008) of an object.
    pub max_frames: u32,
    /// Depth of nested sequences.
    pub max_sequence_depth: u32,
    /// Elements of a data set, nested ones counted.
    pub max_elements: u32,
    /// Side of a rendered image, in pixels.
    pub max_render_side: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 2 << 30,
            max_inflated_bytes: 512 << 20,
            max_frame_pixels: 100_000_000,
            max_frames: 4096,
            max_sequence_depth: 64,
            max_elements: 200_000,
            max_render_side: 8192,
        }
    }
}
