//! `doubleread verify`: the event chain and the hashes of the archive.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::migrate::open_store;
use crate::archive::Archive;
use crate::config::Config;
use crate::reading::{ChainFault, ChainHead, ChainWalk};
use crate::store::Store;

/// Arguments of the command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  doubleread verify\n  doubleread verify --noted 4711:9f2c...   a head that an earlier run printed, \
                        kept elsewhere: shows also a chain that was cut or sealed anew"
)]
pub(super) struct Verify {
    /// Head of the chain noted earlier: POSITION:HASH
    #[arg(long, value_name = "POSITION:HASH", value_parser = noted_head)]
    noted: Option<ChainHead>,
    /// Leave the archive out
    #[arg(long)]
    events_only: bool,
}

/// Rows read at a time.
const PAGE: u32 = 1_000;

pub(super) async fn run(arguments: Verify, config: &Config) -> anyhow::Result<ExitCode> {
    let store = open_store(config).await?;
    let mut sound = verify_events(&store, arguments.noted).await?;
    if !arguments.events_only {
        let archive = Archive::open(config.service.data_dir.join("archive"))?;
        sound &= verify_archive(&store, &archive).await?;
        let quarantine = Archive::open(config.service.data_dir.join("quarantine"))?;
        sound &= verify_quarantine(&store, quarantine).await?;
    }
    store.close().await;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) })
}

fn noted_head(text: &str) -> Result<ChainHead, String> {
    let (position, hash) = text.split_once(':').ok_or("needs the form POSITION:HASH")?;
    let position = position.parse().map_err(|_| "the position is not a number")?;
    Ok(ChainHead { position, hash: hash.to_owned() })
}

async fn verify_events(store: &Store, noted: Option<ChainHead>) -> anyhow::Result<bool> {
    // The head row of the database is a note too: it shows a chain that was cut behind it.
    let walk = ChainWalk::against(std::iter::once(store.chain_head().await?).chain(noted));
    let outcome = walk_events(store, walk).await?;
    let mut out = std::io::stdout();
    match &outcome {
        Ok(head) => writeln!(
            out,
            "events: {} in one unbroken chain, head {}:{}",
            head.position, head.position, head.hash
        )?,
        Err(fault) => writeln!(out, "events: {fault}")?,
    }
    Ok(outcome.is_ok())
}

async fn walk_events(store: &Store, mut walk: ChainWalk) -> anyhow::Result<Result<ChainHead, ChainFault>> {
    loop {
        let page = store.chain_links_after(walk.head().position, PAGE).await?;
        if page.is_empty() {
            return Ok(walk.end());
        }
        for link in page {
            if let Err(fault) = walk.step(link) {
                return Ok(Err(fault));
            }
        }
    }
}

async fn verify_archive(store: &Store, archive: &Archive) -> anyhow::Result<bool> {
    let (mut count, mut faults) = (0_u64, 0_u64);
    let mut after = None;
    let mut out = std::io::stdout();
    loop {
        let page = store.instances_after(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.sop_instance_uid.clone());
        for instance in page {
            count += 1;
            let (archive, hash) = (archive.clone(), instance.content_hash.clone());
            let checked = tokio::task::spawn_blocking(move || archive.verify(&hash))
                .await
                .context("a check ended early")?;
            if let Err(error) = checked {
                faults += 1;
                writeln!(out, "archive: {error}")?;
            }
        }
    }
    writeln!(out, "archive: {count} objects checked, {faults} faults")?;
    Ok(faults == 0)
}

/// Every kept copy of a refused object still is what its name says, and every row has its copy.
async fn verify_quarantine(store: &Store, quarantine: Archive) -> anyhow::Result<bool> {
    let checked = tokio::task::spawn_blocking(move || {
        let hashes = quarantine.hashes()?;
        let faults: Vec<_> = hashes.iter().filter_map(|hash| quarantine.verify(hash).err()).collect();
        Ok::<_, crate::archive::ArchiveError>((hashes, faults))
    });
    let (hashes, faults) = checked.await.context("a check ended early")??;
    let with_row = store.quarantined(&hashes).await?.len();
    let rows = usize::try_from(store.quarantined_objects().await?).unwrap_or(usize::MAX);
    let mut out = std::io::stdout();
    for fault in &faults {
        writeln!(out, "quarantine: {fault}")?;
    }
    let missing = rows.saturating_sub(with_row);
    writeln!(out, "quarantine: {} copies checked, {} faults, {missing} missing", hashes.len(), faults.len())?;
    Ok(missing == 0 && faults.is_empty())
}
