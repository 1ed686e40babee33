//! What a model said of a case, with everything needed to say it again.

use super::{
    BreastFeature, FindingCode, Laterality, MammoView, Mark, Side, SopInstanceUid, Timestamp, coded_enum,
};

coded_enum!(
    /// Why an image or a case was not scored.
    NotProcessedReason, "reason for not processing" {
        WrongBodyPart = "wrong_body_part",
        WrongModality = "wrong_modality",
        UnsupportedView = "unsupported_view",
        LateralView = "lateral_view",
        UnderAge = "under_age",
        OverAge = "over_age",
        NotSynthetic = "not_synthetic",
        Implant = "implant",
        SpotOrMagnification = "spot_or_magnification",
        ForProcessing = "for_processing",
        UnsupportedObject = "unsupported_object",
        MissingPixels = "missing_pixels",
        MissingViews = "missing_views",
        ViewTwice = "view_twice",
        Undecodable = "undecodable",
        TooFewBits = "too_few_bits",
        TooSmall = "too_small",
        TooLarge = "too_large",
        NotGreyscale = "not_greyscale",
        Blank = "blank",
        Clipped = "clipped",
        Inverted = "inverted",
        OutOfDistribution = "out_of_distribution",
        IdentityConflict = "identity_conflict",
        ModelNotAvailable = "model_not_available",
        ModelFault = "model_fault",
        NonFiniteScore = "non_finite_score",
        NoResultByDeadline = "no_result_by_deadline",
    }
);

impl NotProcessedReason {
    /// The reason in plain words, for a radiographer.
    pub const fn words(self) -> &'static str {
        match self {
            Self::WrongBodyPart => "not the body part that the model was made for",
            Self::WrongModality => "not a kind of image that the model was made for",
            Self::UnsupportedView => "this view is not supported by the model",
            Self::LateralView => "lateral view not supported by the model",
            Self::UnderAge => "the patient is younger than the model was made for",
            Self::OverAge => "the patient is older than the model was made for",
            Self::NotSynthetic => "a demonstration model for drawn images; it says nothing about a real one",
            Self::Implant => "implant view not supported by the model",
            Self::SpotOrMagnification => "spot or magnification view not supported by the model",
            Self::ForProcessing => "raw (for processing) pixels; the model reads images for presentation",
            Self::UnsupportedObject => "stored, but not an image that is scored",
            Self::MissingPixels => "the object has no pixels",
            Self::MissingViews => "a view that the model needs is missing",
            Self::ViewTwice => "another image of the same view was scored",
            Self::Undecodable => "the pixels could not be decoded",
            Self::TooFewBits => "too few grey levels",
            Self::TooSmall => "the image is too small",
            Self::TooLarge => "the image is larger than the configured limit",
            Self::NotGreyscale => "not a greyscale image",
            Self::Blank => "the image is blank",
            Self::Clipped => "the exposure is clipped",
            Self::Inverted => "the image looks inverted",
            Self::OutOfDistribution => "does not look like the images that the model was made from",
            Self::IdentityConflict => "the study is held: its images disagree about the patient",
            Self::ModelNotAvailable => "the AI is not available",
            Self::ModelFault => "the model failed on this image",
            Self::NonFiniteScore => "the model gave no usable number",
            Self::NoResultByDeadline => "no AI result by the deadline",
        }
    }
}

/// A refusal to score, with the facts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NotProcessed {
    /// The coded reason.
    pub reason: NotProcessedReason,
    /// What was met (attribute and value class), never anything identifying.
    #[serde(default)]
    pub detail: String,
}

/// A fault of image quality that the model or the checks before it named.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QualityFault {
    /// The view, on the mammogram pathway.
    #[serde(default)]
    pub view: Option<MammoView>,
    /// Coded reason.
    pub reason: NotProcessedReason,
    /// What was met.
    #[serde(default)]
    pub detail: String,
}

/// Where on an image the model looked, with its score (0 to 1).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Region {
    /// Rectangle in the stored pixels of the original.
    #[serde(flatten)]
    pub mark: Mark,
    /// Score of the region.
    pub score: f64,
}

/// How strongly each cell of a grid over one image took part in the model's score.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HeatMap {
    /// Where the grid lies, in the stored pixels of the original; may reach beyond its edges.
    #[serde(flatten)]
    pub place: Mark,
    /// Cells across.
    pub columns: u32,
    /// Cells down.
    pub rows: u32,
    /// One byte per cell, row by row, 0 to 255 at the strongest; base64.
    pub weights: String,
    /// How it was made.
    pub method: HeatMapMethod,
}

/// Where the images of a case moved a model, found after its result.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Places {
    /// As rectangles.
    pub regions: Vec<Region>,
    /// In shades, one per image at most.
    pub heat_maps: Vec<HeatMap>,
}

coded_enum!(
    /// How a heat map was made.
    HeatMapMethod, "heat map method" {
        /// By the graph itself: class activation.
        Activation = "activation",
        /// By hiding one part of the image after another.
        Occlusion = "occlusion",
    }
);

/// One labelled output of the model at its operating point.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AiFinding {
    /// The label.
    pub label: String,
    /// Chest code, on that pathway.
    #[serde(default)]
    pub code: Option<FindingCode>,
    /// Breast feature, on that pathway.
    #[serde(default)]
    pub feature: Option<BreastFeature>,
    /// Side, as far as the model tells.
    #[serde(default)]
    pub side: Option<Laterality>,
    /// Calibrated score, 0 to 1.
    pub score: f64,
    /// Threshold of the locked operating point.
    pub threshold: f64,
    /// Whether the score is at or above the threshold.
    pub flagged: bool,
}

/// Score of one breast (mammogram pathway).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BreastScore {
    /// Which breast.
    pub side: Side,
    /// Aggregated score, 0 to 1.
    pub score: f64,
    /// Whether it is at or above the threshold.
    pub flagged: bool,
}

/// Score of one image.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ViewScore {
    /// The image.
    pub sop_instance_uid: SopInstanceUid,
    /// The raw number that left the graph, before calibration.
    pub raw: f64,
    /// Calibrated score, 0 to 1.
    pub score: f64,
    /// Distance from the images that the model was made from, where the model measures it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
}

/// The top-level AI result (PATHWAYS, Words).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum AiOutcome {
    /// No output at or above its threshold.
    Normal,
    /// At least one output at or above its threshold.
    Abnormal,
    /// The images are not good enough.
    QualityFail {
        /// At least one.
        faults: Vec<QualityFault>,
    },
    /// Not scored.
    NotProcessed(NotProcessed),
}

impl AiOutcome {
    /// `normal`, `abnormal`, `quality_fail` or `not_processed`.
    pub const fn word(&self) -> &'static str {
        match self {
            AiOutcome::Normal => "normal",
            AiOutcome::Abnormal => "abnormal",
            AiOutcome::QualityFail { .. } => "quality_fail",
            AiOutcome::NotProcessed(_) => "not_processed",
        }
    }
}

/// Which model spoke, exactly.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelStamp {
    /// Name in the manifest.
    pub name: String,
    /// Version in the manifest; thresholds belong to it (PATHWAYS R20).
    pub version: String,
    /// SHA-256 of `model.onnx`, hexadecimal.
    pub sha256: String,
    /// Name of the operating point in force.
    pub operating_point: String,
}

/// One image that went in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InputImage {
    /// Which instance.
    pub sop_instance_uid: SopInstanceUid,
    /// BLAKE3 of its stored bytes, hexadecimal: its name in the archive.
    pub content_hash: String,
}

/// What a model said of a case; enough to replay it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AiResult {
    /// The top-level word.
    pub outcome: AiOutcome,
    /// Overall score, 0 to 1, where the case was scored.
    #[serde(default)]
    pub score: Option<f64>,
    /// Threshold that the overall score was held against.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Labelled outputs that the manifest offers.
    #[serde(default)]
    pub findings: Vec<AiFinding>,
    /// Per breast.
    #[serde(default)]
    pub breasts: Vec<BreastScore>,
    /// Per image.
    #[serde(default)]
    pub views: Vec<ViewScore>,
    /// Where.
    #[serde(default)]
    pub regions: Vec<Region>,
    /// Where in shades, one per image at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heat_maps: Vec<HeatMap>,
    /// Which model; none where no model took part.
    #[serde(default)]
    pub model: Option<ModelStamp>,
    /// Id and version of the preparation.
    #[serde(default)]
    pub preprocessing: String,
    /// What went in.
    #[serde(default)]
    pub inputs: Vec<InputImage>,
    /// Images of the case that were left out, each with its reason.
    #[serde(default)]
    pub left_out: Vec<(SopInstanceUid, NotProcessed)>,
    /// Execution provider that really ran (`cpu`, `cuda`).
    #[serde(default)]
    pub provider: String,
    /// Milliseconds spent in preparation and in the graph.
    #[serde(default)]
    pub prepare_ms: f64,
    /// Milliseconds in the graph.
    #[serde(default)]
    pub infer_ms: f64,
    /// When it was made.
    pub at: Timestamp,
}

impl AiResult {
    /// A result that says only why nothing was scored.
    pub fn not_processed(reason: NotProcessedReason, detail: impl Into<String>, at: Timestamp) -> Self {
        Self {
            outcome: AiOutcome::NotProcessed(NotProcessed { reason, detail: detail.into() }),
            score: None,
            threshold: None,
            findings: Vec::new(),
            breasts: Vec::new(),
            views: Vec::new(),
            regions: Vec::new(),
            heat_maps: Vec::new(),
            model: None,
            preprocessing: String::new(),
            inputs: Vec::new(),
            left_out: Vec::new(),
            provider: String::new(),
            prepare_ms: 0.0,
            infer_ms: 0.0,
            at,
        }
    }
}
