//! `doubleread model activate | shadow | retire`: decisions of people, kept with their names (PATHWAYS R20).

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::check::check;
use crate::cli::migrate::open_store;
use crate::cli::user::named;
use crate::config::Config;
use crate::infer::{Manifest, ModelRole};
use crate::store::{ModelDecision, Store, User};
use crate::vocab::{Clock, Role, SystemClock, Timestamp, UserId};

/// Who decides what about which model.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Decide {
    /// Name of the model's folder
    model: String,
    /// Sign-in name of the lead or administrator who decides
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// From when on, UTC (default: now)
    #[arg(long, value_name = "2026-01-02T03:04:05Z")]
    from: Option<Timestamp>,
}

/// The same by two people.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Activate {
    #[command(flatten)]
    decide: Decide,
    /// Sign-in name of the second lead or administrator, who confirms
    #[arg(long, value_name = "NAME")]
    confirmed_by: String,
}

pub(super) async fn activate(arguments: Activate, config: &Config) -> anyhow::Result<ExitCode> {
    // What can't run must not be waited for.
    check(&config.infer.models_dir.join(&arguments.decide.model), config).await?;
    decide(arguments.decide, Some(&arguments.confirmed_by), ModelRole::Active, config).await
}

pub(super) async fn shadow(arguments: Decide, config: &Config) -> anyhow::Result<ExitCode> {
    check(&config.infer.models_dir.join(&arguments.model), config).await?;
    decide(arguments, None, ModelRole::Shadow, config).await
}

pub(super) async fn retire(arguments: Decide, config: &Config) -> anyhow::Result<ExitCode> {
    decide(arguments, None, ModelRole::Retired, config).await
}

async fn decide(
    arguments: Decide,
    confirmed_by: Option<&str>,
    role: ModelRole,
    config: &Config,
) -> anyhow::Result<ExitCode> {
    let Decide { model, by, reason, from } = arguments;
    if reason.trim().is_empty() {
        bail!("--reason is empty");
    }
    let manifest = Manifest::load(&config.infer.models_dir.join(&model))?;
    let store = open_store(config).await?;
    let now = SystemClock.now();
    store.migrate(now).await?;
    let decides = responsible(&store, &by).await?;
    let confirms = match confirmed_by {
        Some(name) => Some(responsible(&store, name).await?),
        None => None,
    };
    if confirms.as_ref().is_some_and(|confirms| confirms.user_id == decides.user_id) {
        bail!("--confirmed-by must name a second person");
    }
    let effective_at = from.unwrap_or(now);
    store
        .decide_model(ModelDecision {
            folder: model.clone(),
            sha256: manifest.sha256.clone(),
            role: role.code().to_owned(),
            effective_at,
            decided_at: now,
            decided_by: decides.user_id,
            confirmed_by: confirms.map(|confirms| confirms.user_id),
            reason,
        })
        .await?;
    store.close().await;
    let mut out = std::io::stdout();
    writeln!(out, "{model} is {role} from {effective_at}; a running service takes it over by itself")?;
    let pinned = config.infer.active.on(manifest.pathway);
    if !pinned.is_empty() {
        writeln!(
            out,
            "note: infer.active.{} names {} and comes before decisions",
            manifest.pathway,
            pinned.join(", ")
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn responsible(store: &Store, name: &str) -> anyhow::Result<User> {
    let user = named(store, name).await?;
    if user.disabled_at.is_some() || !user.roles.iter().any(|role| matches!(role, Role::Lead | Role::Admin)) {
        bail!("{name} is no lead or administrator who may sign in");
    }
    Ok(user)
}

/// The display name of an account.
pub(super) async fn name_of(store: &Store, user: UserId) -> anyhow::Result<String> {
    Ok(store.user(user).await?.context("the account of a decision is gone")?.display_name)
}
