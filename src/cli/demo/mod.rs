//! `doubleread demo`: the whole service on this machine, with synthetic patients and scripted readers.

mod orders;
mod people;
mod readers;
mod studies;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use super::compose::Service;
use super::output::{Progress, push_with_progress, table};
use super::token::machine_token;
use crate::config::{self, Config, ConfigError, Flag};
use crate::http::loopback_record::{self, Faults};
use crate::lifecycle::Lifecycle;
use crate::receive::send::Target;
use crate::store::Store;
use crate::telemetry;
use crate::vocab::Role;

/// Arguments of the command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  doubleread demo\n  doubleread demo --exit     scripted readers read every case, then it ends"
)]
pub(super) struct Demo {
    /// Let scripted readers read every case over the HTTP API, wait until the record has every result, and end
    #[arg(long)]
    exit: bool,
    /// Studies to push
    #[arg(long, default_value = "sample-dicom")]
    studies: PathBuf,
    /// Address of the loopback FHIR record
    #[arg(long, default_value = "127.0.0.1:8090")]
    record: SocketAddr,
}

/// Quiet time of the demonstration, seconds: a set without its expected views is taken soon.
const QUIET_SECONDS: u32 = 3;
/// Longest that the demonstration waits for AI results, and for reading and posting, seconds.
const RESULTS_WITHIN: u64 = 120;
const POSTED_WITHIN: u64 = 300;
/// Days for which the demonstration's order system may send orders.
const ORDERS_TOKEN_DAYS: u16 = 1;
/// How often it looks, milliseconds.
const LOOK_MS: u64 = 100;

pub(super) async fn run(arguments: Demo, path: Option<&Path>, flags: &[Flag]) -> anyhow::Result<ExitCode> {
    let lifecycle = Lifecycle::begin()?;
    let config = demo_config(path, flags)?;
    match lifecycle.unless_stopped(show(arguments, config, &lifecycle)).await {
        Some(outcome) => outcome?,
        None => eprintln!("stopping"),
    }
    Ok(super::stopped_in_order(lifecycle.finish().await))
}

/// Runs the demonstration; without `--exit` until a stop.
async fn show(arguments: Demo, mut config: Config, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    telemetry::start_logs(&config.telemetry)?;

    let files = studies::dicom_files(&arguments.studies)
        .with_context(|| format!("can't read the studies in {}", arguments.studies.display()))?;
    if files.is_empty() {
        bail!(
            "no studies in {}: run this from the repository's folder, or name --studies",
            arguments.studies.display()
        );
    }
    std::fs::create_dir_all(&config.service.data_dir)?;
    let shelf = config.service.data_dir.join("record");
    let (record, _receiver) =
        loopback_record::serve(arguments.record, shelf, Faults::NONE).await.with_context(|| {
            format!("can't start the loopback record on {}; is something else there?", arguments.record)
        })?;
    config.post.endpoint.url = format!("http://{record}/");

    let service = Service::start(&config, lifecycle).await.context("the service did not start")?;
    let http = service.http_address.context("no address for pages")?;
    let dicom = service.receive_address.context("no address for DICOM")?;
    eprintln!("pages on http://{http}, DICOM on {dicom}, loopback record on http://{record}");

    let token = machine_token(&service.store, Role::Admin, ORDERS_TOKEN_DAYS).await?;
    let ordered = orders::send(&files, &config.receive, http, &token).await?;
    eprintln!("{ordered} orders sent");
    push_all(&files, &config, dicom).await?;
    let studies = studies::of(&service.store, &files).await?;
    wait_for_results(&service.store, &studies).await?;
    let mut out = std::io::stdout().lock();
    let rows = studies::table_rows(&service.store, &studies).await?;
    table(&mut out, &["study", "pathway", "AI decision", "score", "next step"], &rows)?;
    writeln!(out)?;

    let accounts = people::make(&service.store).await?;
    writeln!(out, "Sign in at http://{http} (passwords of this run):")?;
    let sign_ins: Vec<Vec<String>> = accounts.iter().map(people::Account::row).collect();
    table(&mut out, &["name", "password", "who"], &sign_ins)?;
    writeln!(out, "\nInvestigational software, not a medical device. All patients are synthetic.")?;
    out.flush()?;
    drop(out);

    if arguments.exit {
        let truths = studies::truths(&files)?;
        read_all(&service.store, http, &accounts, &truths, &studies).await?;
        print_results(&service.store, &studies, record).await?;
    } else {
        eprintln!("Ctrl-C ends it.");
        lifecycle.stopped().await;
    }
    Ok(())
}

/// Environment and flags over what suits a demonstration. A `doubleread.toml` that lies here belongs to
/// a real service, so it is read only where it is named.
fn demo_config(path: Option<&Path>, flags: &[Flag]) -> Result<Config, ConfigError> {
    let (mut config, layered) = config::load_named(path, flags)?;
    config.service.synthetic_patients = true;
    if layered.is_default("telemetry.filter") {
        config.telemetry.filter = "warn".into();
    }
    if layered.is_default("completeness.quiet_seconds") {
        config.completeness.quiet_seconds = QUIET_SECONDS;
    }
    Ok(config)
}

/// Pushes every file through real associations, as two modalities would.
async fn push_all(files: &[PathBuf], config: &Config, dicom: SocketAddr) -> anyhow::Result<()> {
    let modality = "DEMO_MODALITY".parse()?;
    let mut target = Target::new(dicom.to_string(), config.receive.ae_title.clone(), modality);
    target.associations = 2;
    let sent = push_with_progress(&target, files, "pushed").await?;
    match sent.iter().find(|one| !one.outcome.is_stored()) {
        Some(refused) => bail!("{} was not stored: {:?}", refused.path.display(), refused.outcome),
        None => Ok(()),
    }
}

/// Waits until every study that makes a case has an AI result, or its reason.
async fn wait_for_results(store: &Store, studies: &[studies::Study]) -> anyhow::Result<()> {
    let mut progress = Progress::of(studies.len(), "AI results");
    let everything = async {
        loop {
            let mut done = 0;
            for study in studies {
                let cases = store.cases_of_study(&study.uid).await?;
                let live = cases.iter().find(|case| case.superseded_by.is_none());
                let resulted = match live {
                    Some(case) => store.ai_result(case.case_id).await?.is_some(),
                    None => false,
                };
                done += usize::from(resulted);
            }
            progress.at(done);
            if done == studies.len() {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(RESULTS_WITHIN), everything)
        .await
        .with_context(|| format!("some studies have no AI result after {RESULTS_WITHIN} s"))??;
    progress.end();
    Ok(())
}

/// Lets the scripted readers work until every case has an outcome and the record has accepted every message.
async fn read_all(
    store: &Store,
    http: SocketAddr,
    accounts: &[people::Account],
    truths: &BTreeMap<String, serde_json::Value>,
    studies: &[studies::Study],
) -> anyhow::Result<()> {
    let readers = people::sign_in_readers(http, accounts).await?;
    let working = async {
        let mut shown = (usize::MAX, usize::MAX);
        loop {
            for reader in &readers {
                reader.work(truths).await?;
            }
            let (open, unsent) = studies::still_owed(store, studies).await?;
            if (open, unsent) != shown {
                eprintln!("cases without an outcome: {open}, messages on their way: {unsent}");
                shown = (open, unsent);
            }
            if open == 0 && unsent == 0 {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(POSTED_WITHIN), working)
        .await
        .with_context(|| format!("not everything was read and posted within {POSTED_WITHIN} s"))?
}

/// Says where the record keeps each result.
async fn print_results(store: &Store, studies: &[studies::Study], record: SocketAddr) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for study in studies {
        for case in store.cases_of_study(&study.uid).await? {
            for message in store.messages_of_case(case.case_id).await? {
                let place =
                    message.receipt.as_deref().and_then(|receipt| place(receipt, &message.kind.to_string()));
                rows.push(vec![
                    study.name.clone(),
                    case.outcome.clone().unwrap_or_default(),
                    message.kind.to_string(),
                    place.map_or_else(|| "accepted".to_owned(), |place| format!("http://{record}/{place}")),
                ]);
            }
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    table(&mut out, &["study", "outcome", "message", "where it is"], &rows)?;
    Ok(())
}

/// The resource of a receipt that carries the message: the report, the request or the communication.
fn place(receipt: &str, kind: &str) -> Option<String> {
    let wanted: &[&str] = match kind {
        "fhir_report" => &["DiagnosticReport/"],
        "follow_up_order" => &["ServiceRequest/"],
        "urgent_message" => &["CommunicationRequest/", "Communication/"],
        _ => &["Task/", "ServiceRequest/", "CommunicationRequest/", "Communication/"],
    };
    let receipt: serde_json::Value = serde_json::from_str(receipt).ok()?;
    let mut locations =
        receipt["resources"].as_array()?.iter().filter_map(|resource| resource["location"].as_str());
    let found = locations.find(|location| wanted.iter().any(|start| location.contains(start)))?;
    Some(found.split("/_history").next().unwrap_or(found).trim_start_matches('/').to_owned())
}

/// A folder or file below which the studies lie; hostile samples are no studies.
fn is_hostile(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "hostile")
}
