//! What can go wrong between a model's folder and a score.

use std::path::PathBuf;

/// Why a model is not loaded, or an image not scored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InferError {
    /// There is no ONNX Runtime library where one was looked for.
    #[error("no ONNX Runtime library at {}; run `make runtime`, or set infer.runtime_library", .0.display())]
    RuntimeMissing(PathBuf),
    /// The library is there and can't be used.
    #[error("the ONNX Runtime library at {} can't be used: {problem}", .path.display())]
    RuntimeUnusable {
        /// The library.
        path: PathBuf,
        /// What its loader says.
        problem: String,
    },
    /// A file of the model's folder can't be read.
    #[error("{} can't be read: {problem}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        problem: String,
    },
    /// `manifest.toml` is no manifest.
    #[error("manifest.toml can't be read: {0}")]
    ManifestText(String),
    /// `manifest.toml` says something that makes no sense.
    #[error("manifest.toml: {field} {problem}")]
    ManifestInvalid {
        /// The key.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The model differs from its manifest.
    #[error("{what} differs from the manifest: expected {expected}, found {found}")]
    Mismatch {
        /// What was compared.
        what: &'static str,
        /// By the manifest.
        expected: String,
        /// In the model.
        found: String,
    },
    /// The runtime refuses the graph: not ONNX, an operator or opset that it lacks, a broken file.
    #[error("the runtime refuses the graph: {0}")]
    Graph(String),
    /// The first provider of the settings can't be had, and nothing may take its place.
    #[error("execution provider {provider} can't be had: {problem}")]
    ProviderUnavailable {
        /// The provider that was asked for.
        provider: super::Provider,
        /// What the runtime says.
        problem: String,
    },
    /// A thread could not be started.
    #[error("no thread for a session: {0}")]
    Thread(String),
    /// As many images wait as may wait.
    #[error("the queue of the model is full ({limit} images)")]
    QueueFull {
        /// `infer.queue_limit`.
        limit: usize,
    },
    /// The model's sessions have ended.
    #[error("the model has been stopped")]
    Stopped,
    /// The tensor is not of the model's shape.
    #[error("the tensor holds {found} numbers, the model takes {expected}")]
    TensorSize {
        /// By the manifest.
        expected: usize,
        /// In the tensor.
        found: usize,
    },
    /// The graph failed on this image.
    #[error("the graph failed: {0}")]
    Fault(String),
    /// No model is in force on the pathway.
    #[error("no model on the {pathway} pathway: {reason}")]
    NoModel {
        /// Which pathway.
        pathway: crate::vocab::Pathway,
        /// Why not.
        reason: String,
    },
}

impl InferError {
    pub(super) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::ManifestInvalid { field: field.into(), problem: problem.into() }
    }

    /// Whether the same call may succeed later without anyone doing anything.
    pub fn passes(&self) -> bool {
        match self {
            Self::QueueFull { .. } | Self::Stopped => true,
            Self::RuntimeMissing(_)
            | Self::RuntimeUnusable { .. }
            | Self::Unreadable { .. }
            | Self::ManifestText(_)
            | Self::ManifestInvalid { .. }
            | Self::Mismatch { .. }
            | Self::Graph(_)
            | Self::ProviderUnavailable { .. }
            | Self::Thread(_)
            | Self::TensorSize { .. }
            | Self::Fault(_)
            | Self::NoModel { .. } => false,
        }
    }
}
