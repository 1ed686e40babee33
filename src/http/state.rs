//! What the routes share, made once by the composition root.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::link_test::{LinkTest, Turnstile};
use super::settings::Settings;
use crate::archive::Archive;
use crate::audit;
use crate::prepare::worker::Pool;
use crate::store::Store;
use crate::vocab::{Clock, Pathway};

/// One model as pages and the API show it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ModelStatus {
    /// Name in the manifest.
    pub name: String,
    /// Version in the manifest.
    pub version: String,
    /// The pathway that it scores.
    #[schema(value_type = String)]
    pub pathway: Pathway,
    /// What it was trained on, in a sentence that pages show beside its results.
    pub trained_on: String,
    /// Execution provider that really runs it (`cpu`, `cuda`); none where it is not loaded.
    pub provider: Option<String>,
    /// Why it is not available, in words; empty where it is.
    pub fault: String,
    /// Whether it runs in the shadow: no reader hears that it is there.
    #[serde(skip)]
    pub shadow: bool,
}

/// What holds views and sides of mammograms against their tags, as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecogniserStatus {
    /// Name of its folder.
    pub folder: String,
    /// What it was trained on; empty where it is not loaded.
    pub trained_on: String,
    /// Execution provider that really runs it; none where it is not loaded.
    pub provider: Option<String>,
    /// Why it is not available, in words; empty where it is.
    pub fault: String,
}

/// Where the routes learn which models there are (only the composition root knows `infer`).
pub trait ModelDirectory: Send + Sync {
    /// Every model of the registry, loaded or not.
    fn models(&self) -> Vec<ModelStatus>;

    /// The recogniser, where there is to be one.
    fn recogniser(&self) -> Option<RecogniserStatus> {
        None
    }
}

/// A directory that does not change.
impl ModelDirectory for Vec<ModelStatus> {
    fn models(&self) -> Vec<ModelStatus> {
        self.clone()
    }
}

/// What the composition root hands over.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The original files.
    pub archive: Archive,
    /// Worker processes that decode pixels.
    pub decode: Arc<Pool>,
    /// The registry of models.
    pub models: Arc<dyn ModelDirectory>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The `[http]` section.
    pub settings: Settings,
    /// The `[audit]` section.
    pub audit: audit::Settings,
    /// Renders the metrics of this process.
    pub metrics: PrometheusHandle,
    /// Whether all patients are synthetic, which every page then says.
    pub synthetic_patients: bool,
    /// Zone of the times on pages.
    pub time_zone: jiff::tz::TimeZone,
}

/// What the routes share.
#[derive(Clone)]
pub struct AppState {
    pub(super) store: Store,
    pub(super) archive: Archive,
    pub(super) decode: Arc<Pool>,
    pub(super) models: Arc<dyn ModelDirectory>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Arc<Settings>,
    pub(super) audit: Arc<audit::Settings>,
    pub(super) metrics: PrometheusHandle,
    pub(super) synthetic_patients: bool,
    pub(super) time_zone: jiff::tz::TimeZone,
    /// Bounds the passwords that are checked at the same time.
    pub(super) password_checks: Arc<Semaphore>,
    /// Bounds the streams of arrivals.
    pub(super) arrival_streams: Arc<Semaphore>,
    /// The way of a test image, where this process has a DICOM port.
    pub(super) link: Option<Arc<dyn LinkTest>>,
    pub(super) link_turns: Arc<Turnstile>,
    /// Ends streams when the service stops.
    pub(super) stopping: CancellationToken,
}

impl AppState {
    /// From what the composition root hands over.
    pub fn new(parts: Parts) -> Self {
        let arrival_streams = Arc::new(Semaphore::new(parts.settings.arrival_streams));
        let password_checks = Arc::new(Semaphore::new(parts.settings.password_checks.max(1)));
        Self {
            store: parts.store,
            archive: parts.archive,
            decode: parts.decode,
            models: parts.models,
            clock: parts.clock,
            settings: Arc::new(parts.settings),
            audit: Arc::new(parts.audit),
            metrics: parts.metrics,
            synthetic_patients: parts.synthetic_patients,
            time_zone: parts.time_zone,
            password_checks,
            arrival_streams,
            link: None,
            link_turns: Arc::default(),
            stopping: CancellationToken::new(),
        }
    }

    /// With a way to test the link.
    #[must_use]
    pub fn with_link(mut self, link: Arc<dyn LinkTest>) -> Self {
        self.link = Some(link);
        self
    }
}
