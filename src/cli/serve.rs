//! `doubleread serve`.

use std::process::ExitCode;

use super::compose::Service;
use crate::config::Config;
use crate::telemetry;

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    telemetry::start_logs(&config.telemetry)?;
    let service = Service::start(config).await?;
    if let Some(address) = service.http_address {
        tracing::info!(%address, "pages and API");
    }
    service.stopped().await?;
    Ok(if service.stop().await { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) })
}
