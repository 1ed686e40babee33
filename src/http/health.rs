//! Health by doing, and metrics.
//!
//! In: probes and collectors. Out: whether a row can be written and read, and Prometheus text. Never: anything of a
//! patient, or more than a word about what failed.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::error::HttpError;
use super::state::AppState;
use crate::store::Standing;

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// `GET /health/ready`: a row was written and read back.
pub(super) async fn ready(State(state): State<AppState>) -> Result<impl IntoResponse, HttpError> {
    let took = state.store.health(state.clock.now()).await.map_err(|error| {
        tracing::error!(%error, "the health check could not write and read a row");
        HttpError::Unavailable("the database can't be written and read")
    })?;
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    Ok(Json(serde_json::json!({ "ready": true, "database_ms": took_ms })))
}

/// `GET /metrics`: what this process has counted, and how the work of all processes stands in the database.
pub(super) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    match state.store.standing(state.clock.now()).await {
        Ok(standing) => show(&standing),
        // Gauges that can't be measured keep their last value; the age of a scrape is the collector's to judge.
        Err(error) => tracing::warn!(%error, "queues can't be measured"),
    }
    // The alarms: what was refused and kept, and nobody has judged.
    if let Ok((kept, conflicts)) = state.store.unjudged().await {
        metrics::gauge!("doubleread_quarantine_unjudged").set(approximate(kept));
        metrics::gauge!("doubleread_conflicts_unjudged").set(approximate(conflicts));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}

fn show(standing: &Standing) {
    for queue in &standing.jobs {
        let kind = queue.kind.code();
        metrics::gauge!("doubleread_jobs_open", "kind" => kind).set(approximate(queue.open));
        metrics::gauge!("doubleread_jobs_oldest_due_seconds", "kind" => kind)
            .set(approximate(queue.oldest_due_ms) / 1_000.0);
    }
    metrics::gauge!("doubleread_outbox_open").set(approximate(standing.outbox.open));
    metrics::gauge!("doubleread_outbox_oldest_seconds").set(approximate(standing.outbox.oldest_ms) / 1_000.0);
    metrics::gauge!("doubleread_dead_letters").set(approximate(standing.outbox.dead));
    metrics::gauge!("doubleread_held_studies").set(approximate(standing.held_studies));
    metrics::gauge!("doubleread_open_conflicts").set(approximate(standing.open_conflicts));
    metrics::gauge!("doubleread_jobs_given_up").set(approximate(standing.given_up_jobs));
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles; these counts stay far below 2^53")]
fn approximate(count: i64) -> f64 {
    count as f64
}
