//! The `[graph]` table of a manifest: names, inputs, outputs, batch.
//!
//! In: the table. Out: one image a run (`input`), or the views of one exam a run (`inputs`), with the outputs
//! by name. Pure; what it names is held against the graph when that is opened.
//!
//! A mammogram graph that takes four views at once, with a softmax for each breast:
//!
//! ```toml
//! [graph]
//! scores = ["right", "left"]           # two outputs [N, 2]; each label says which is its own
//! activation = "softmax"               # over each output by itself
//! batch = { fixed = 1 }                # exams
//!
//! [[graph.inputs]]
//! name = "L-CC"
//! view = "LCC"
//!
//! [[graph.inputs]]
//! name = "R-CC"
//! view = "RCC"
//! mirror = true                        # every breast looks the same way
//! missing = "black"                    # or "refuse", which is the rule where nothing is said
//! map = "R-CC-map"                     # optional: where the model looked in this view
//! input = { preprocessing = "…", … }   # optional: in place of the shared [input]
//! ```

use serde::{Deserialize, Serialize};

use super::calibrate::Activation;
use super::settings::one_or_several;
use crate::prepare::InputSpec;
use crate::vocab::{MammoView, coded_enum};

/// Names and shapes of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// Name of the image input, of a graph that takes one image a run; empty where `inputs` are named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub input: String,
    /// Inputs of a graph that takes the views of one exam a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<GraphInput>,
    /// Names of the score outputs, `[N, labels of the output]`; usually one.
    #[serde(deserialize_with = "one_or_several")]
    pub scores: Vec<String>,
    /// What their numbers are; a softmax runs over each output by itself.
    pub activation: Activation,
    /// Name of the class-activation output of `input`, `[N, labels or 1, h, w]`.
    #[serde(default)]
    pub map: Option<String>,
    /// Images, or exams, per run.
    pub batch: Batch,
}

/// One input of a graph that takes the views of an exam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphInput {
    /// Its name in the graph.
    pub name: String,
    /// The view that belongs there.
    pub view: MammoView,
    /// How its image is made; absent: by the shared `[input]`.
    #[serde(default)]
    pub input: Option<InputSpec>,
    /// Whether the image is mirrored left to right, for models that want every breast to look one way.
    #[serde(default)]
    pub mirror: bool,
    /// What stands there when the exam has no such image.
    #[serde(default)]
    pub missing: MissingView,
    /// Name of its class-activation output, `[N, labels or 1, h, w]`.
    #[serde(default)]
    pub map: Option<String>,
}

/// What an input gets when the exam has no image of its view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingView {
    /// Nothing: the exam is not scored, and the missing view is named.
    #[default]
    Refuse,
    /// Black. A breast of which no view is there gets no score all the same.
    Black,
}

/// Images, or exams, per run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Batch {
    /// Exactly so many; an unfilled batch is filled up with copies, whose answers are dropped.
    Fixed(usize),
    /// Any number up to `max`.
    Dynamic {
        /// Largest that was tried.
        max: usize,
    },
}

impl Batch {
    /// Most images of one run.
    pub fn max(self) -> usize {
        match self {
            Batch::Fixed(images) | Batch::Dynamic { max: images } => images,
        }
    }
}

/// One tensor of a run as the graph wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'a> {
    pub name: &'a str,
    pub spec: &'a InputSpec,
    pub map: Option<&'a str>,
}

coded_enum!(
    /// What one run of a graph takes.
    Unit, "unit of a run" {
        /// One image.
        Image = "image",
        /// The views of one exam.
        Exam = "exam",
    }
);

impl Graph {
    /// What one run takes.
    pub fn unit(&self) -> Unit {
        if self.inputs.is_empty() { Unit::Image } else { Unit::Exam }
    }

    /// The inputs in order, each with the specification that makes its tensor.
    pub(super) fn slots<'a>(&'a self, shared: &'a InputSpec) -> Vec<Slot<'a>> {
        match self.unit() {
            Unit::Image => vec![Slot { name: &self.input, spec: shared, map: self.map.as_deref() }],
            Unit::Exam => self
                .inputs
                .iter()
                .map(|i| Slot {
                    name: &i.name,
                    spec: i.input.as_ref().unwrap_or(shared),
                    map: i.map.as_deref(),
                })
                .collect(),
        }
    }
}
