//! Logs and metrics of the process.
//!
//! In: the `[telemetry]` section. Out: a tracing subscriber on standard error and a
//! Prometheus recorder. Nothing identifying is ever passed to either.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// The `[telemetry]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Text or JSON.
    pub format: LogFormat,
    /// Filter directives, such as `info,doubleread::receive=debug`.
    pub filter: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,sqlx=warn,ort=warn,tower=warn,hyper=warn".into() }
    }
}

/// Bucket bounds in seconds for every histogram: from a database write to a deadline.
const SECONDS: [f64; 14] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];

/// Why telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A directive of `telemetry.filter` can't be read.
    #[error("telemetry.filter can't be read")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// Something in this process writes logs already.
    #[error("a log subscriber is set already")]
    Subscriber(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends logs to standard error.
pub fn start_logs(settings: &Settings) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(TelemetryError::Filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => builder.with_ansi(std::env::var_os("NO_COLOR").is_none()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(TelemetryError::Subscriber)
}

/// Installs the metrics recorder of this process and gives the handle that renders it.
///
/// A second call in one process (tests) gives a handle on a recorder of its own.
pub fn start_metrics() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("seconds".into()), &SECONDS)
        .unwrap_or_else(|_| PrometheusBuilder::new())
        .build_recorder();
    let handle = recorder.handle();
    let _already_installed = metrics::set_global_recorder(recorder);
    describe();
    handle
}

/// The words that a collector shows beside the metrics of the whole way of a study.
fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_histogram!(
        "doubleread_stage_seconds",
        "Time of one piece of work, by stage: receive (an object), assemble (a study), prepare and infer (a case), \
         score (prepare, infer and record), decide (a command on a case), post (an attempt at a delivery)"
    );
    describe_counter!("doubleread_ai_results_total", "AI results, by provider that really ran, and outcome");
    describe_counter!("doubleread_deliveries_total", "Attempts at deliveries, by kind and result");
    describe_gauge!("doubleread_jobs_open", "Open jobs, by kind, counted up to a page");
    describe_gauge!("doubleread_jobs_oldest_due_seconds", "How long the oldest due job has waited, by kind");
    describe_gauge!("doubleread_jobs_given_up", "Jobs that were given up and wait for a person");
    describe_gauge!("doubleread_outbox_open", "Messages that are owed to the record");
    describe_gauge!("doubleread_outbox_oldest_seconds", "Since when the oldest of them is owed");
    describe_gauge!("doubleread_dead_letters", "Messages that were given up and wait for a person");
    describe_gauge!("doubleread_held_studies", "Studies on hold that wait for a person");
    describe_gauge!(
        "doubleread_open_conflicts",
        "Refused objects (same identifier, other bytes) that wait for a person"
    );
}
