//! `manifest.toml`: what a model is, what it is shown, how its numbers are read.
//!
//! In: the text beside a `model.onnx`. Out: a checked [`Manifest`]. It is part of the locked
//! model version: another threshold is another version (PATHWAYS R20). Unknown keys are refused,
//! so that a misspelt limit never passes for one that was set.
//!
//! A whole manifest, the chest model of a demonstration:
//!
//! ```
//! let manifest = doubleread::infer::Manifest::parse(r#"
//! name = "chest-phantom"
//! version = "1.0.0"
//! pathway = "chest"
//! file = "model.onnx"
//! sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
//! card = "CARD.md"
//! trained_on = "phantoms"              # shown on every page that shows a result
//! investigational = true               # the same
//! operating_point = "balanced"         # the one in force
//!
//! [graph]
//! input = "image"
//! scores = "scores"                    # [N, labels]; several inputs and outputs: see the type `Graph`
//! activation = "probabilities"         # or "logits", "softmax"
//! map = "map"                          # optional: [N, labels or 1, h, w], where the model looked
//! batch = { dynamic = { max = 16 } }   # or { fixed = 1 }
//!
//! [input]                              # see prepare::InputSpec
//! preprocessing = "cxr-128-v1"
//! width = 128
//! height = 128
//! range = "unit"
//! resize = "area"
//! aspect = { letterbox = { pad = 0.0 } }
//! windowing = "voi"
//!
//! [scope]                              # see prepare::Scope
//! modalities = ["CR", "DX"]
//! body_parts = [{ name = "CHEST", aliases = ["THORAX", "LUNG"] }]
//! views = ["PA", "AP"]
//! min_age_years = 16.0
//!
//! [[labels]]                           # in the order of the output
//! name = "abnormal"
//! code = "abnormality"
//!
//! [[labels]]
//! name = "mass"
//! code = "mass"
//! calibration = { platt = { a = 1.1, b = -0.2 } }
//!
//! [[labels]]
//! name = "nodule"
//! code = "nodule"
//! offered = false                      # in the output, not good enough to be shown
//!
//! [overall]                            # the one number of an image
//! rule = "label"                       # or "complement" (1 - label), "maximum" (of several)
//! labels = ["abnormal"]
//!
//! [aggregation]                        # mammo: views to breast, breasts to exam; chest: views to exam
//! views = "maximum"                    # or "mean"
//! breasts = "maximum"
//!
//! [out_of_distribution]                # optional: when not to speak
//! output = "distance"                  # [N], larger is stranger
//! refuse_above = 31.5
//! chosen_on = "validation split: 1 % of the films are farther"
//!
//! [[operating_points]]
//! name = "balanced"
//! chosen_on = "validation split, 2,000 phantoms, seed 7: largest sum of sensitivity and specificity"
//! overall = 0.5
//! labels = { mass = 0.4 }
//! "#).unwrap();
//! assert_eq!(manifest.folder_name(), "chest-phantom-1.0.0");
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::calibrate::Calibration;
use super::error::InferError;
use super::manifest_graph::{Graph, MissingView, Slot, Unit};
use crate::prepare::{InputSpec, Scope};
use crate::vocab::{BreastFeature, FindingCode, Laterality, MammoView, Pathway, coded_enum};

/// Largest `manifest.toml`, in bytes.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// One model version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name, lower case with dashes.
    pub name: String,
    /// Version; thresholds belong to it.
    pub version: String,
    /// Pathway that it speaks on.
    pub pathway: Pathway,
    /// Name of the graph's file in the same folder.
    pub file: String,
    /// SHA-256 of that file, 64 hexadecimal digits.
    pub sha256: String,
    /// Name of the card in the same folder: data, limits, measured figures.
    pub card: String,
    /// What it was trained on, in a word or two; shown on pages.
    pub trained_on: String,
    /// Whether it is for investigation only; shown on pages.
    #[serde(default = "yes")]
    pub investigational: bool,
    /// Name of the operating point in force.
    pub operating_point: String,
    /// Views without which a mammogram is not scored; none on the chest pathway.
    #[serde(default)]
    pub required_views: Vec<MammoView>,
    /// Names and shapes of the graph.
    pub graph: Graph,
    /// What the graph is fed, and how an image becomes it.
    pub input: InputSpec,
    /// What it may be shown at all.
    #[serde(default)]
    pub scope: Scope,
    /// Labels, in the order of the score output.
    pub labels: Vec<Label>,
    /// How the labels become the one number of an image.
    pub overall: Overall,
    /// How images become breasts and the exam.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// Named thresholds.
    pub operating_points: Vec<OperatingPoint>,
    /// How activation maps become regions.
    #[serde(default)]
    pub regions: RegionRule,
    /// From when on an image is too unlike those that the model was made from.
    #[serde(default)]
    pub out_of_distribution: Option<OutOfDistribution>,
    /// Whether it only shows how the service works; another model of its pathway is then preferred to it.
    #[serde(default)]
    pub demonstration: bool,
}

/// From when on an image is too unlike those that the model was made from, so that it says nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutOfDistribution {
    /// Name of the output that measures it, `[N]` or `[N, 1]`; larger is stranger.
    pub output: String,
    /// Distance above which an image is not scored.
    pub refuse_above: f64,
    /// The data that chose the limit, and how.
    pub chosen_on: String,
}

fn yes() -> bool {
    true
}

coded_enum!(
    /// Where a finding of a label lies.
    SideRule, "side of a label" {
        /// The model does not say.
        Unsaid = "unsaid",
        /// In the breast of the view.
        Breast = "breast",
        Right = "right",
        Left = "left",
        Bilateral = "bilateral",
        Midline = "midline",
    }
);

impl SideRule {
    /// The side that it fixes by itself.
    pub fn fixed(self) -> Option<Laterality> {
        match self {
            Self::Unsaid | Self::Breast => None,
            Self::Right => Some(Laterality::Right),
            Self::Left => Some(Laterality::Left),
            Self::Bilateral => Some(Laterality::Bilateral),
            Self::Midline => Some(Laterality::Midline),
        }
    }
}

/// One number of the score output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Its name, unique in the model.
    pub name: String,
    /// What it is, on the chest pathway.
    #[serde(default)]
    pub code: Option<FindingCode>,
    /// What it is, on the mammogram pathway.
    #[serde(default)]
    pub feature: Option<BreastFeature>,
    /// Where its findings lie; by default in the breast of the view, or unsaid.
    #[serde(default)]
    pub side: Option<SideRule>,
    /// How its probability was calibrated, if it was.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// The score output that it is in; may be left out where there is one.
    #[serde(default)]
    pub output: Option<String>,
    /// Whether it is shown; a label that didn't clear chance is not.
    #[serde(default = "yes")]
    pub offered: bool,
}

coded_enum!(
    /// How labels become the one number of an image.
    OverallRule, "overall rule" {
        /// The probability of one label.
        Label = "label",
        /// One less the probability of one label (a class "normal").
        Complement = "complement",
        /// The largest probability of several labels.
        Maximum = "maximum",
    }
);

/// The one number of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overall {
    /// How it is made.
    pub rule: OverallRule,
    /// Out of which labels.
    pub labels: Vec<String>,
    /// Its own calibration, after the rule; labels are calibrated before it.
    #[serde(default)]
    pub calibration: Option<Calibration>,
}

coded_enum!(
    /// How several numbers become one.
    Pooling, "aggregation" { Maximum = "maximum", Mean = "mean" }
);

/// How images become breasts and the exam.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Aggregation {
    /// Views to the breast (mammo) or to the exam (chest).
    pub views: Pooling,
    /// Breasts to the exam.
    pub breasts: Pooling,
}

impl Default for Aggregation {
    fn default() -> Self {
        Self { views: Pooling::Maximum, breasts: Pooling::Maximum }
    }
}

/// Named thresholds and where they come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Its name.
    pub name: String,
    /// The data and the target that chose it.
    pub chosen_on: String,
    /// Threshold of the exam and of each breast, on calibrated scores.
    pub overall: f64,
    /// Threshold of every offered label but that of the overall rule, which has `overall`.
    #[serde(default)]
    pub labels: BTreeMap<String, f64>,
}

/// How activation maps become regions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegionRule {
    /// Cells at or above this part of the map's peak belong to a region.
    pub part_of_peak: f64,
    /// Most regions of one image, the strongest kept.
    pub max_per_image: usize,
}

impl Default for RegionRule {
    fn default() -> Self {
        Self { part_of_peak: 0.5, max_per_image: 5 }
    }
}

impl Manifest {
    /// Reads and checks the text of a manifest.
    pub fn parse(text: &str) -> Result<Self, InferError> {
        let manifest: Self =
            toml::from_str(text).map_err(|e| InferError::ManifestText(e.to_string().trim().to_owned()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Reads and checks `manifest.toml` of a model's folder.
    pub fn load(folder: &Path) -> Result<Self, InferError> {
        Self::load_named(folder, "manifest.toml")
    }

    /// The same of a file of another name in the folder.
    pub(super) fn load_named(folder: &Path, file: &str) -> Result<Self, InferError> {
        let path = folder.join(file);
        let unreadable = |problem: String| InferError::Unreadable { path: path.clone(), problem };
        let size = std::fs::metadata(&path).map_err(|e| unreadable(e.to_string()))?.len();
        if size > MAX_MANIFEST_BYTES {
            return Err(unreadable(format!("{size} bytes, at most {MAX_MANIFEST_BYTES} are read")));
        }
        Self::parse(&std::fs::read_to_string(&path).map_err(|e| unreadable(e.to_string()))?)
    }

    /// `<name>-<version>`: the folder's name, and the model's name in settings.
    pub fn folder_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// The operating point in force.
    pub fn active_point(&self) -> Result<&OperatingPoint, InferError> {
        self.operating_points.iter().find(|p| p.name == self.operating_point).ok_or_else(|| {
            InferError::invalid(
                "operating_point",
                format!("names {:?}, which is not there", self.operating_point),
            )
        })
    }

    /// Threshold of an offered label at the operating point in force.
    pub fn threshold_of(&self, point: &OperatingPoint, label: &Label) -> Option<f64> {
        let own = point.labels.get(&label.name).copied();
        own.or_else(|| self.is_overall_label(label).then_some(point.overall))
    }

    fn is_overall_label(&self, label: &Label) -> bool {
        self.overall.rule == OverallRule::Label && self.overall.labels.first() == Some(&label.name)
    }

    /// How the image of a view is made.
    pub fn spec_for(&self, view: Option<MammoView>) -> &InputSpec {
        let own = self.graph.inputs.iter().find(|input| Some(input.view) == view);
        own.and_then(|input| input.input.as_ref()).unwrap_or(&self.input)
    }

    /// The ids of the preparations that take part, each once.
    pub fn preprocessing(&self) -> String {
        let mut ids: Vec<&str> = Vec::new();
        for slot in self.slots() {
            if !ids.contains(&slot.spec.preprocessing.as_str()) {
                ids.push(&slot.spec.preprocessing);
            }
        }
        ids.join("+")
    }

    /// The inputs of the graph in order.
    pub(super) fn slots(&self) -> Vec<Slot<'_>> {
        self.graph.slots(&self.input)
    }

    /// Shapes of the inputs in order, batch of one.
    pub fn shapes(&self) -> Vec<[usize; 4]> {
        self.slots().iter().map(|slot| slot.spec.shape()).collect()
    }

    /// Numbers that one image, or one exam, comes to.
    pub fn numbers(&self) -> usize {
        self.shapes().iter().map(|shape| shape.iter().product::<usize>()).fold(0, usize::saturating_add)
    }

    /// Views without which a case is not scored.
    pub fn needed_views(&self) -> Vec<MammoView> {
        let mut needed = self.required_views.clone();
        let inputs = self.graph.inputs.iter().filter(|input| input.missing == MissingView::Refuse);
        needed.extend(inputs.map(|input| input.view).filter(|view| !self.required_views.contains(view)));
        needed
    }

    /// Where a label's findings lie, if it does not say so itself.
    pub(super) fn side_rule(&self, label: &Label) -> SideRule {
        label.side.unwrap_or(match (self.pathway, self.graph.unit()) {
            (Pathway::Mammo, Unit::Image) => SideRule::Breast,
            (Pathway::Chest, _) | (Pathway::Mammo, Unit::Exam) => SideRule::Unsaid,
        })
    }

    /// The labels of each score output, in the order of the outputs.
    pub(super) fn labels_by_output(&self) -> Vec<(&str, usize)> {
        let of = |name: &str| {
            let own = |label: &&Label| match &label.output {
                Some(output) => output == name,
                None => self.graph.scores.len() == 1,
            };
            self.labels.iter().filter(own).count()
        };
        self.graph.scores.iter().map(|name| (name.as_str(), of(name))).collect()
    }

    /// Place of a label in the score outputs.
    pub fn label_index(&self, name: &str) -> Option<usize> {
        self.labels.iter().position(|l| l.name == name)
    }
}
