//! Preparation: one archived image to one model input, or the reason that it must not be scored.
//!
//! In: the path of a Part-10 file, a model's [`InputSpec`] and [`Scope`], [`Limits`]. Out: a [`Prepared`] tensor
//! or a [`NotProcessed`]; for the viewer a [`RenderedImage`] or [`RawFrame`] made by the same decode and window code,
//! so that a reader sees what the model saw. Must never answer a low score for an image that is out of scope,
//! allocate what a header claims before it is checked, or write anything.
//!
//! Services call it through [`worker::Pool`] (a supervised child process), never in the process that holds
//! associations.

mod limits;
mod mapping;
mod prepared;
mod scope;
mod spec;

use std::path::Path;

pub use limits::Limits;
pub use mapping::PixelMapping;
pub use prepared::{
    FrameAttributes, PixelRegion, Prepared, QualityStatistics, RawFrame, RenderError, RenderRequest,
    RenderedImage, Timings, Window,
};
pub use scope::{BodyPart, QualityLimits, Scope};
pub use spec::{
    AspectRule, Dtype, InputSpec, InvalidSpec, Layout, PhotometricRule, ResizeFilter, ValueRange,
    WindowingRule,
};

use crate::vocab::{NotProcessed, NotProcessedReason};

/// Makes a model's input of the first frame of the file at `path`, or says why it must not be scored.
pub fn prepare_file(
    path: &Path,
    spec: &InputSpec,
    scope: &Scope,
    limits: &Limits,
) -> Result<Prepared, NotProcessed> {
    let _ = (path, spec, scope, limits);
    Err(prepared::refusal(NotProcessedReason::Undecodable, "decoding is being merged"))
}
