//! Preparation: one archived image to one model input, or the reason that it must not be scored.
//!
//! In: the path of a Part-10 file, a model's [`InputSpec`] and [`Scope`], [`Limits`]. Out: a [`Prepared`] tensor
//! or a [`crate::vocab::NotProcessed`]; for the viewer a [`RenderedImage`] or [`RawFrame`] made by the same code,
//! so that a reader sees what the model saw. Must never answer a low score for an image that is out of scope,
//! allocate what a header claims before it is checked, or write anything.
//!
//! Services call it through [`worker::Pool`] (a supervised child process), never in the process that holds
//! associations.

mod attributes;
mod dataset;
mod decode;
mod greyscale;
mod in_file;
mod input;
mod limits;
mod mapping;
mod metadata;
mod prepared;
mod quality;
mod raw_frame;
mod render;
mod resample;
mod scope;
mod scope_check;
mod spec;
mod whole_window;
pub mod worker;

pub use input::{prepare_file, prepare_file_for};
pub use limits::Limits;
pub use mapping::PixelMapping;
pub use metadata::{BULK, bulk_value, metadata};
pub use prepared::{
    FrameAttributes, NamedWindow, PixelRegion, Prepared, QualityStatistics, RawFrame, RenderError,
    RenderRequest, RenderedImage, Timings, VoiTable, Window,
};
pub use raw_frame::{raw_frame, stored_frame, voi_table};
pub use render::{png_of, png_of_colour, render_file};
pub use scope::{BodyPart, QualityLimits, Scope};
pub use spec::{
    AspectRule, Dtype, InputSpec, InvalidSpec, Layout, PhotometricRule, ResizeFilter, ValueRange,
    WindowingRule,
};
pub use worker::Settings;
