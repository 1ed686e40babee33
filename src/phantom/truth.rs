//! What was put into a phantom, and where: the truth that a model's answer can be held against.
//!
//! In: the drawing. Out: a value that is written as JSON beside the file. Must never be derived from the pixels.

use crate::vocab::{BreastFeature, FindingCode, Laterality, Pathway, Zone};

/// A rectangle in stored pixels, origin at the top left.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PixelBox {
    /// Left edge, columns.
    pub x: f64,
    /// Top edge, rows.
    pub y: f64,
    /// Columns.
    pub width: f64,
    /// Rows.
    pub height: f64,
}

/// One thing that was put in.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TrueFinding {
    /// What, on a chest film.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<FindingCode>,
    /// What, on a mammogram.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<BreastFeature>,
    /// Its kind in a word, finer than the code (`spiculated`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// On which side of the patient.
    pub side: Option<Laterality>,
    /// At what height of the lung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// Where on the stored pixels.
    #[serde(rename = "box")]
    pub pixel_box: PixelBox,
}

/// All that was put into one image.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Truth {
    /// Always true: nothing here comes from a person.
    pub synthetic: bool,
    /// Version of the generator; pixels of one seed may differ between versions.
    pub generator: String,
    /// The seed that makes it again.
    pub seed: u64,
    /// Way of reading; none for an image that belongs to no pathway.
    pub pathway: Option<Pathway>,
    /// The view in a word (`PA`, `LAT`, `RCC`).
    pub view: String,
    /// What was put in; empty in a normal image.
    pub findings: Vec<TrueFinding>,
}

impl Truth {
    /// Whether anything was put in.
    pub fn is_abnormal(&self) -> bool {
        !self.findings.is_empty()
    }
}
