//! `doubleread model`: the models of the folder, and which of them speak.

mod add;
mod check;
mod decide;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::migrate::open_store;
use super::output::table;
use crate::config::Config;
use crate::infer::{Manifest, Roles, graph_hashes};
use crate::pipeline::decided;
use crate::store::Store;
use crate::vocab::{Clock, SystemClock};

/// What to do with models.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ModelCommand {
    /// Check a model's folder and copy it to the others; it speaks once it is activated
    #[command(after_help = "Example:\n  doubleread model add ./chest-adult-2.0.0")]
    Add {
        /// Folder with manifest.toml, the graph and the card
        folder: PathBuf,
    },
    /// List the models with their roles
    List,
    /// Show what a model is, and who decided what about it
    Show {
        /// Name of its folder
        model: String,
        /// Print the whole card
        #[arg(long)]
        card: bool,
    },
    /// Load a model, hold it against its manifest, run its self-test vectors
    #[command(
        after_help = "Examples:\n  doubleread model check chest-adult-1.0.0\n  doubleread model check ./my-model-0.1.0"
    )]
    Check {
        /// Name of its folder among the models, or a path
        model: PathBuf,
    },
    /// Let a model speak to the patients of its scope; takes two people
    #[command(
        after_help = "Example:\n  doubleread model activate chest-adult-1.0.0 --by l.blue --confirmed-by a.gray --reason \"site check of 12 May\""
    )]
    Activate(decide::Activate),
    /// Let a model score live cases without anyone reading seeing it
    Shadow(decide::Decide),
    /// Take a model out of use; its results stay and can be replayed
    Retire(decide::Decide),
}

pub(super) async fn run(command: ModelCommand, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        ModelCommand::Add { folder } => add::run(&folder, config).await,
        ModelCommand::List => list(config).await,
        ModelCommand::Show { model, card } => show(&model, card, config).await,
        ModelCommand::Check { model } => check::run(&model, config).await,
        ModelCommand::Activate(arguments) => decide::activate(arguments, config).await,
        ModelCommand::Shadow(arguments) => decide::shadow(arguments, config).await,
        ModelCommand::Retire(arguments) => decide::retire(arguments, config).await,
    }
}

/// What people decided about the models that are here, as the service would take it over.
async fn roles(config: &Config) -> anyhow::Result<Roles> {
    let store = open_store(config).await?;
    store.migrate(SystemClock.now()).await?;
    let roles = roles_by(&store, config).await?;
    store.close().await;
    Ok(roles)
}

/// The same out of a database that is open.
pub(super) async fn roles_by(store: &Store, config: &Config) -> anyhow::Result<Roles> {
    let graphs = graph_hashes(&config.infer.models_dir);
    Ok(decided(store.model_decisions().await?, &graphs, SystemClock.now()).roles)
}

async fn list(config: &Config) -> anyhow::Result<ExitCode> {
    let roles = roles(config).await?;
    let mut rows = Vec::new();
    let models_dir = &config.infer.models_dir;
    let entries =
        std::fs::read_dir(models_dir).with_context(|| format!("can't read {}", models_dir.display()))?;
    for path in entries.flatten().map(|entry| entry.path()).filter(|p| p.join("manifest.toml").is_file()) {
        let folder = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pinned = |m: &Manifest| config.infer.active.on(m.pathway).contains(&folder);
        rows.push(match Manifest::load(&path) {
            Ok(manifest) => {
                let role = match roles.get(&folder) {
                    _ if pinned(&manifest) => "active (configuration)".to_owned(),
                    Some(role) => role.code().to_owned(),
                    None => "undecided".to_owned(),
                };
                let kind = if manifest.demonstration { "demonstration" } else { "" };
                vec![
                    folder,
                    manifest.pathway.to_string(),
                    role,
                    manifest.operating_point,
                    manifest.trained_on,
                    kind.to_owned(),
                ]
            }
            Err(error) => vec![folder, String::new(), format!("refused: {error}")],
        });
    }
    rows.sort();
    table(
        &mut std::io::stdout(),
        &["model", "pathway", "role", "operating point", "trained on", "kind"],
        &rows,
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The shapes of a model's inputs, each once.
fn shapes(manifest: &Manifest) -> String {
    let shapes = manifest.shapes();
    let first = shapes.first().copied().unwrap_or_default();
    match shapes.len() {
        1 => format!("{first:?}"),
        several if shapes.iter().all(|shape| *shape == first) => format!("{several} of {first:?}"),
        _ => shapes.iter().map(|shape| format!("{shape:?}")).collect::<Vec<_>>().join(", "),
    }
}

async fn show(model: &str, card: bool, config: &Config) -> anyhow::Result<ExitCode> {
    let folder = config.infer.models_dir.join(model);
    let manifest = Manifest::load(&folder)?;
    let mut out = std::io::stdout();
    if card {
        let path = folder.join(&manifest.card);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
        out.write_all(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let scope = &manifest.scope;
    let age = |years: Option<f64>| years.map_or("any".to_owned(), |years| years.to_string());
    let labels: Vec<String> = manifest.labels.iter().filter(|l| l.offered).map(|l| l.name.clone()).collect();
    let thresholds = manifest.active_point()?;
    for (what, words) in [
        ("model", manifest.folder_name()),
        ("pathway", manifest.pathway.to_string()),
        ("sha256", manifest.sha256.clone()),
        ("trained on", manifest.trained_on.clone()),
        ("investigational", if manifest.investigational { "yes" } else { "no" }.to_owned()),
        ("preprocessing", manifest.preprocessing()),
        ("input", shapes(&manifest)),
        ("ages", format!("{} to {}", age(scope.min_age_years), age(scope.max_age_years))),
        ("views", scope.views.join(", ")),
        ("says", labels.join(", ")),
        ("operating point", format!("{}, overall {}", thresholds.name, thresholds.overall)),
        ("chosen on", thresholds.chosen_on.clone()),
        ("card", folder.join(&manifest.card).display().to_string()),
    ] {
        writeln!(out, "{what:<16} {words}")?;
    }
    let store = open_store(config).await?;
    store.migrate(SystemClock.now()).await?;
    for decision in store.model_decisions().await?.iter().filter(|d| d.folder == model) {
        let by = decide::name_of(&store, decision.decided_by).await?;
        let confirmed = match decision.confirmed_by {
            Some(user) => format!(", confirmed by {}", decide::name_of(&store, user).await?),
            None => String::new(),
        };
        writeln!(
            out,
            "{:<16} {} from {} by {by}{confirmed}: {}",
            "decided", decision.role, decision.effective_at, decision.reason
        )?;
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
