//! `doubleread migrate`.

use std::io::Write;
use std::process::ExitCode;

use crate::config::Config;
use crate::store::Store;
use crate::vocab::{Clock, SystemClock};

/// Opens the database of the configuration, making its folder where it is a local file.
pub(super) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    std::fs::create_dir_all(&config.service.data_dir)?;
    Ok(Store::open(&config.database_url(), config.database.limits.clone()).await?)
}

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let store = open_store(config).await?;
    let applied = store.migrate(SystemClock.now()).await?;
    let (version, _) = store.schema_version().await?;
    writeln!(std::io::stdout(), "{applied} migrations applied; the schema is at version {version}")?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
