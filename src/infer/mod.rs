//! Inference: prepared images to a result of the case, at a locked operating point.
//!
//! In: tensors and mappings that `prepare` made, a folder of models. Out: a
//! [`crate::vocab::AiResult`] that names the model, the thresholds and what really ran.
//! Must never turn a fault, a missing view or a number that is none into a low score, fall
//! back from one execution provider to another in silence, or hold up the start of the service.

mod calibrate;
mod error;
mod manifest;
mod settings;

pub use calibrate::{Activation, Calibration};
pub use error::InferError;
pub use manifest::{
    Aggregation, Batch, Graph, Label, Manifest, OperatingPoint, Overall, OverallRule, Pooling, RegionRule,
    SideRule,
};
pub use settings::{Active, Provider, Settings};
