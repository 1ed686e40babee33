//! `doubleread replay`: a stored AI result is made again from the archive and compared.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::migrate::open_store;
use crate::archive::Archive;
use crate::config::Config;
use crate::infer::{REPLAY_TOLERANCE, Registry, compare};
use crate::pipeline::Scorer;
use crate::prepare::worker::Pool;
use crate::store::{Store, StoredAiResult};
use crate::vocab::{CaseId, Clock, SystemClock};

/// Arguments of the command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  doubleread replay 01a20e6e-a572-74c2-be42-c000c7801875\n  doubleread replay --all"
)]
pub(super) struct Replay {
    /// Cases whose result is made again
    cases: Vec<CaseId>,
    /// Every stored result
    #[arg(long, conflicts_with = "cases")]
    all: bool,
}

/// Results read at a time.
const PAGE: u32 = 100;

pub(super) async fn run(arguments: Replay, config: &Config) -> anyhow::Result<ExitCode> {
    if arguments.cases.is_empty() && !arguments.all {
        bail!("name cases, or --all");
    }
    let store = open_store(config).await?;
    // Every model that is here, whatever people decided since: a result is replayed by the very version that made it,
    // and the results of a retired one can be replayed.
    let models = Registry::start(config.infer.clone())?;
    models.wait_until_loaded().await;
    let program = std::env::current_exe().context("can't find this program")?;
    let scorer = Scorer {
        store: store.clone(),
        archive: Archive::open(config.service.data_dir.join("archive"))?,
        decoders: Arc::new(Pool::start(config.prepare.clone(), program)),
    };
    let (mut same, mut different, mut unscored) = (0_u64, 0_u64, 0_u64);
    let mut out = std::io::stdout();
    for stored in results(&store, arguments).await? {
        let Some(stamp) = &stored.result.model else {
            unscored += 1;
            continue;
        };
        let case = store.case(stored.case_id).await?.context("the case of a result is gone")?;
        let engine = models.stamped(case.state.set.pathway, stamp)?;
        let again = scorer.score(&engine, &case, SystemClock.now()).await?;
        let differences = compare(&stored.result, &again, REPLAY_TOLERANCE);
        if differences.is_empty() {
            same += 1;
        } else {
            different += 1;
        }
        for difference in differences {
            writeln!(out, "{}: {difference}", stored.case_id)?;
        }
    }
    writeln!(out, "{same} results the same, {different} different, {unscored} made without a model")?;
    store.close().await;
    Ok(if different == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) })
}

async fn results(store: &Store, arguments: Replay) -> anyhow::Result<Vec<StoredAiResult>> {
    let mut results = Vec::new();
    for case_id in arguments.cases {
        results.push(
            store.ai_result(case_id).await?.with_context(|| format!("case {case_id} has no AI result"))?,
        );
    }
    if !arguments.all {
        return Ok(results);
    }
    loop {
        let page = store.ai_results_after(results.last().map(|r: &StoredAiResult| r.case_id), PAGE).await?;
        if page.is_empty() {
            return Ok(results);
        }
        results.extend(page);
    }
}
