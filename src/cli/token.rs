//! `doubleread token`: bearer tokens for machines.

use std::io::Write;
use std::process::ExitCode;

use super::migrate::open_store;
use super::output::table;
use super::user::named;
use crate::config::Config;
use crate::http::{fresh_token, token_hash};
use crate::store::NewApiToken;
use crate::vocab::{Clock, Role, SiteCode, SystemClock};

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

pub(super) async fn run(command: TokenCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let store = open_store(config).await?;
    let now = SystemClock.now();
    store.migrate(now).await?;
    let mut out = std::io::stdout();
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
