//! Inference: prepared images to a result of the case, at a locked operating point.
//!
//! In: tensors and mappings that `prepare` made, a folder of models. Out: a
//! [`crate::vocab::AiResult`] that names the model, the thresholds and what really ran.
//! Must never turn a fault, a missing view or a number that is none into a low score, fall
//! back from one execution provider to another in silence, or hold up the start of the service.

mod aggregate;
mod calibrate;
mod case;
mod coverage;
mod engine;
mod error;
mod exam;
mod graph;
mod graph_check;
mod half;
mod heat_map;
mod manifest;
mod manifest_check;
mod manifest_graph;
mod occlusion;
mod provider_proof;
mod queue;
mod recogniser;
mod regions;
mod registry;
mod replay;
mod roles;
mod runtime;
mod self_test;
mod settings;

pub use calibrate::{Activation, Calibration};
pub use case::{CaseImage, score_case};
pub use coverage::{distance_from_scored, is_quality};
pub use engine::{Engine, Scored};
pub use error::InferError;
pub use graph::{ActivationMap, RawOutput};
pub use manifest::{
    Aggregation, Label, Manifest, OperatingPoint, OutOfDistribution, Overall, OverallRule, Pooling,
    RegionRule, SideRule,
};
pub use manifest_graph::{Batch, Graph, GraphInput, MissingView, Unit};
pub use occlusion::{occlude, owes_places};
pub use queue::Urgency;
pub use recogniser::Recogniser;
pub use registry::{Model, ModelState, Registry, graph_hashes};
pub use replay::{Difference, REPLAY_TOLERANCE, compare};
pub use roles::{ModelRole, Roles};
pub use runtime::library_path;
pub use self_test::{SelfTest, noise_image, self_test};
pub use settings::{Active, Occlusion, Provider, Settings};
