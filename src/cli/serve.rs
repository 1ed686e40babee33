//! `doubleread serve`.

use std::path::Path;
use std::process::ExitCode;

use super::compose::Service;
use crate::config::Flag;
use crate::lifecycle::Lifecycle;
use crate::telemetry;

pub(super) async fn run(path: Option<&Path>, flags: &[Flag]) -> anyhow::Result<ExitCode> {
    // Before all else: SIGTERM and SIGINT mean an ordered stop from here on.
    let lifecycle = Lifecycle::begin()?;
    let (config, _) = crate::config::load(path, flags)?;
    telemetry::start_logs(&config.telemetry)?;
    let Some(service) = lifecycle.unless_stopped(Service::start(&config, &lifecycle)).await else {
        // What had started already ends as it would have later.
        return Ok(super::stopped_in_order(lifecycle.finish().await));
    };
    let service = service?;
    if let Some(address) = service.http_address {
        tracing::info!(%address, "pages and API");
    }
    tracing::info!(duties = ?config.service.duties, "the service is up");
    lifecycle.stopped().await;
    Ok(super::stopped_in_order(service.stop().await))
}
