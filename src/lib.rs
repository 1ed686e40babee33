//! Doubleread: AI triage of chest X-rays and mammograms, verified by people.
//!
//! The modules are the stages that a study passes through, in this order; what each may
//! name of the others is held by `tests/architecture.rs`.

pub mod vocab;

pub mod receive;
pub mod archive;
pub mod prepare;
pub mod infer;
pub mod reading;
pub mod post;
pub mod audit;
pub mod store;
pub mod pipeline;
pub mod http;

pub mod phantom;

pub mod cli;
pub mod config;
pub mod lifecycle;
pub mod telemetry;
pub mod uncached;
