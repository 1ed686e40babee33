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

/// `GET /metrics`.
pub(super) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    for queue in state.store.job_queues(state.clock.now()).await.unwrap_or_default() {
        let kind = queue.kind.code();
        // Counts are bounded by a page and ages by the life of the service, far inside the exact range of a double.
        metrics::gauge!("doubleread_jobs_open", "kind" => kind).set(approximate(queue.open));
        metrics::gauge!("doubleread_jobs_oldest_due_seconds", "kind" => kind)
            .set(approximate(queue.oldest_due_ms) / 1000.0);
    }
    // The alarms: what was refused and kept, and nobody has judged.
    if let Ok((kept, conflicts)) = state.store.unjudged().await {
        metrics::gauge!("doubleread_quarantine_unjudged").set(approximate(kept));
        metrics::gauge!("doubleread_conflicts_unjudged").set(approximate(conflicts));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles; these counts stay far below 2^53")]
fn approximate(count: i64) -> f64 {
    count as f64
}
