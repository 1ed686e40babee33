//! What a model may be shown at all: part of its manifest.
//!
//! In: the `[scope]` table of a manifest. Out: a [`Scope`] that `scope_check` holds an image against.
//! Must never let a single tag decide in favour of an image: modality, class, body part and view all have to agree.

/// The images that a model was made for. An empty list allows everything of its kind.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Modality (0008,0060) values, such as `CR`, `DX`.
    pub modalities: Vec<String>,
    /// SOP Class UIDs.
    pub sop_classes: Vec<String>,
    /// Body parts, each with its aliases: Body Part Examined (0018,0015) or Anatomic Region Sequence (0008,2218).
    pub body_parts: Vec<BodyPart>,
    /// Whether an image that names no body part at all is let through.
    pub allow_missing_body_part: bool,
    /// Views by their View Position (0018,5101) word, such as `PA`, `AP`, `CC`, `MLO`.
    pub views: Vec<String>,
    /// Whether an image that names no view is let through.
    pub allow_missing_view: bool,
    /// Whether lateral projections are refused by name (a reason of its own: the commonest chest refusal).
    pub refuse_lateral: bool,
    /// Youngest patient, in years.
    pub min_age_years: Option<f64>,
    /// Oldest patient, in years.
    pub max_age_years: Option<f64>,
    /// Whether an image is refused when neither age nor birth date is known and a limit of age is set.
    pub refuse_unknown_age: bool,
    /// Whether it was made for images of the project's own generator alone; those say so in Manufacturer's Model Name
    /// (0008,1090), and any other image is refused.
    pub only_phantoms: bool,
    /// Whether `FOR PROCESSING` pixels (0008,0068) are let through.
    pub allow_for_processing: bool,
    /// Whether implant views are let through (Breast Implant Present, implant displaced view).
    pub allow_implants: bool,
    /// Whether spot compression and magnification views are let through.
    pub allow_spot_or_magnification: bool,
    /// Fewest Bits Stored (0028,0101).
    pub min_bits_stored: u32,
    /// Fewest Rows (0028,0010).
    pub min_rows: u32,
    /// Fewest Columns (0028,0011).
    pub min_columns: u32,
    /// Limits of image quality.
    pub quality: QualityLimits,
}

/// A body part and the other words for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyPart {
    /// The defined term (PS3.16 Annex L), such as `CHEST`.
    pub name: String,
    /// Others that mean it, such as `THORAX`, `LUNG`, or a SNOMED CT code.
    #[serde(default)]
    pub aliases: Vec<String>,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            modalities: Vec::new(),
            sop_classes: Vec::new(),
            body_parts: Vec::new(),
            allow_missing_body_part: false,
            views: Vec::new(),
            allow_missing_view: false,
            refuse_lateral: true,
            min_age_years: None,
            max_age_years: None,
            refuse_unknown_age: false,
            only_phantoms: false,
            allow_for_processing: false,
            allow_implants: false,
            allow_spot_or_magnification: false,
            min_bits_stored: 8,
            min_rows: 256,
            min_columns: 256,
            quality: QualityLimits::default(),
        }
    }
}

/// Limits of image quality; fractions are of the pixels that count (padding left out), 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityLimits {
    /// Blank: fewer distinct stored values than this.
    pub blank_min_distinct_values: u32,
    /// Blank: the 1st and 99th percentile are closer than this fraction of the stored range.
    pub blank_min_spread: f64,
    /// Clipped: more than this fraction of pixels sits at the brightest value met.
    pub clipped_max_bright_fraction: f64,
    /// Clipped: more than this fraction of pixels sits at the darkest value met.
    pub clipped_max_dark_fraction: f64,
    /// Whether an exposure that looks turned round against its photometric tag is refused.
    pub refuse_inverted: bool,
    /// Inverted: least score of the inversion check (0 to 1) at which an image is refused.
    pub inverted_min_score: f64,
}

/// Measured on 2,990 real chest films and 1,175 mammograms: at most 0.03 of the pixels at the brightest value, 0.56
/// (chest) and 0.80 (breast) at the darkest, at least 91 different values.
impl Default for QualityLimits {
    fn default() -> Self {
        Self {
            blank_min_distinct_values: 16,
            blank_min_spread: 0.01,
            clipped_max_bright_fraction: 0.20,
            clipped_max_dark_fraction: 0.92,
            refuse_inverted: true,
            inverted_min_score: 0.65,
        }
    }
}
