//! `doubleread token`: bearer tokens for machines.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::migrate::open_store;
use super::output::table;
use super::user::named;
use crate::config::Config;
use crate::http::{fresh_token, token_hash};
use crate::store::{NewApiToken, NewUser, Store};
use crate::vocab::{Clock, Role, SiteCode, SystemClock};

/// Arguments of `doubleread token`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  doubleread token --role admin      prints a token of a \
    machine account\n  doubleread token add --user pacs --role radiographer --days 90 \"PACS status\""
)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Option<TokenCommand>,
    /// Print a token of a machine account that has this role, made if it is not there
    #[arg(long, required = true)]
    role: Option<Role>,
    /// Days until it ends
    #[arg(long, default_value_t = 90)]
    days: u16,
}

/// What to do with tokens.
#[derive(Debug, clap::Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token that acts in the name of an account; it is printed once
    #[command(
        after_help = "Example:\n  doubleread token add --user pacs --role radiographer --days 90 \"PACS status\""
    )]
    Add {
        /// What it is for
        name: String,
        /// Account in whose name it acts
        #[arg(long)]
        user: String,
        /// Role that it has; the account must have it too
        #[arg(long)]
        role: Role,
        /// The one site that it may see; none means every site of the account
        #[arg(long)]
        site: Option<SiteCode>,
        /// Days until it ends
        #[arg(long, default_value_t = 90)]
        days: u16,
    },
    /// List tokens
    List,
    /// Take a token back, by the start of its fingerprint as the list shows it
    Revoke {
        /// Start of the fingerprint
        fingerprint: String,
    },
}

/// Characters of the hash that the list shows.
const FINGERPRINT: usize = 12;
/// Tokens that the list shows at most.
const LISTED: u32 = 200;

pub(super) async fn run(arguments: Token, config: &Config) -> anyhow::Result<ExitCode> {
    let store = open_store(config).await?;
    let now = SystemClock.now();
    store.migrate(now).await?;
    let mut out = std::io::stdout();
    let Some(command) = arguments.command else {
        let role = arguments.role.context("name a role")?;
        writeln!(out, "{}", machine_token(&store, role, arguments.days).await?)?;
        store.close().await;
        return Ok(ExitCode::SUCCESS);
    };
    match command {
        TokenCommand::Add { name, user, role, site, days } => {
            let user = named(&store, &user).await?;
            anyhow::ensure!(user.has_role(role), "{} does not have the role {role}", user.sign_in_name);
            let token = fresh_token();
            let new = NewApiToken {
                token_hash: token_hash(&token),
                name,
                role,
                site,
                user_id: user.user_id,
                expires_at: now.plus_minutes(i64::from(days) * 24 * 60),
            };
            store.create_api_token(new, now).await?;
            writeln!(out, "token, shown this once: {token}")?;
        }
        TokenCommand::List => {
            let tokens = store.api_tokens(LISTED).await?;
            let rows = tokens.iter().map(|token| {
                vec![
                    token.token_hash.chars().take(FINGERPRINT).collect(),
                    token.name.clone(),
                    token.role.to_string(),
                    token.site.as_ref().map_or("every site".into(), ToString::to_string),
                    token.expires_at.to_string(),
                    token.revoked_at.map_or(String::new(), |at| format!("revoked {at}")),
                ]
            });
            let header = ["fingerprint", "for", "role", "site", "ends", ""];
            table(&mut out, &header, &rows.collect::<Vec<_>>())?;
        }
        TokenCommand::Revoke { fingerprint } => {
            let tokens = store.api_tokens(LISTED).await?;
            let mut found = tokens.iter().filter(|token| token.token_hash.starts_with(&fingerprint));
            let (Some(token), None) = (found.next(), found.next()) else {
                anyhow::bail!(
                    "no single token begins with {fingerprint:?}; doubleread token list shows them"
                );
            };
            store.revoke_api_token(&token.token_hash, now).await?;
            writeln!(out, "revoked {}", token.name)?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// A token of the machine account of a role.
pub(super) async fn machine_token(store: &Store, role: Role, days: u16) -> anyhow::Result<String> {
    let now = SystemClock.now();
    let name = format!("machine-{role}");
    let user = match store.user_by_sign_in_name(&name).await? {
        Some((user, _)) => user,
        None => {
            let account = NewUser {
                display_name: format!("Machine account ({role})"),
                sign_in_name: name.clone(),
                password_hash: None,
                roles: [role].into(),
                sites: [].into(),
            };
            store.create_user(account, now).await?
        }
    };
    let token = fresh_token();
    let new = NewApiToken {
        token_hash: token_hash(&token),
        name,
        role,
        site: None,
        user_id: user.user_id,
        expires_at: now.plus_minutes(i64::from(days) * 24 * 60),
    };
    store.create_api_token(new, now).await?;
    Ok(token)
}
