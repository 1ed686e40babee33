//! `doubleread user`: local accounts.

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::migrate::open_store;
use super::output::table;
use crate::config::Config;
use crate::http::{fresh_token, hash_password};
use crate::store::{NewUser, Store, User};
use crate::vocab::{Clock, Role, SiteCode, SystemClock};

/// What to do with accounts.
#[derive(Debug, clap::Subcommand)]
pub(super) enum UserCommand {
    /// Make an account; prints a fresh password once, unless one is given on standard input
    #[command(
        after_help = "Examples:\n  doubleread user add r.green --display \"Dr R Green\" --role reader --site CDC1\n  \
                            pass show green | doubleread user add r.green --role reader --password-stdin"
    )]
    Add {
        /// Name to sign in with
        name: String,
        /// Name that pages and results show (default: the sign-in name)
        #[arg(long)]
        display: Option<String>,
        /// radiographer, reader, lead, auditor or admin; may be repeated
        #[arg(long = "role", required = true)]
        roles: Vec<Role>,
        /// Site that the person may see; may be repeated; none means every site
        #[arg(long = "site")]
        sites: Vec<SiteCode>,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// List accounts
    List,
    /// Give an account a new password; its sessions end
    Password {
        /// Name to sign in with
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Stop an account from signing in; its sessions end, its reads stay
    Disable {
        /// Name to sign in with
        name: String,
    },
    /// Let a disabled account sign in again
    Enable {
        /// Name to sign in with
        name: String,
    },
}

pub(super) async fn run(command: UserCommand, config: &Config) -> anyhow::Result<ExitCode> {
    let store = open_store(config).await?;
    store.migrate(SystemClock.now()).await?;
    let mut out = std::io::stdout();
    match command {
        UserCommand::Add { name, display, roles, sites, password_stdin } => {
            let (password, fresh) = password(password_stdin)?;
            let user = NewUser {
                display_name: display.unwrap_or_else(|| name.clone()),
                sign_in_name: name,
                password_hash: Some(hash_password(&password)?),
                roles: roles.into_iter().collect::<BTreeSet<_>>(),
                sites: sites.into_iter().collect(),
            };
            let user = store.create_user(user, SystemClock.now()).await.context("can't make the account")?;
            writeln!(out, "made {}", user.sign_in_name)?;
            say_fresh(&mut out, fresh.then_some(password))?;
        }
        UserCommand::List => {
            let rows = all_users(&store).await?.into_iter().map(|user| {
                let join = |items: Vec<String>| items.join(",");
                vec![
                    user.sign_in_name.clone(),
                    user.display_name.clone(),
                    join(user.roles.iter().map(ToString::to_string).collect()),
                    join(user.sites.iter().map(ToString::to_string).collect()),
                    user.disabled_at.map_or("yes".into(), |at| format!("no, since {at}")),
                ]
            });
            table(
                &mut out,
                &["name", "display", "roles", "sites", "may sign in"],
                &rows.collect::<Vec<_>>(),
            )?;
        }
        UserCommand::Password { name, password_stdin } => {
            let user = named(&store, &name).await?;
            let (password, fresh) = password(password_stdin)?;
            store.set_password_hash(user.user_id, Some(&hash_password(&password)?)).await?;
            writeln!(out, "the password of {} is changed; its sessions have ended", user.sign_in_name)?;
            say_fresh(&mut out, fresh.then_some(password))?;
        }
        UserCommand::Disable { name } => {
            let user = named(&store, &name).await?;
            store.set_disabled(user.user_id, Some(SystemClock.now())).await?;
            writeln!(out, "{} can't sign in any more", user.sign_in_name)?;
        }
        UserCommand::Enable { name } => {
            let user = named(&store, &name).await?;
            store.set_disabled(user.user_id, None).await?;
            writeln!(out, "{} may sign in again", user.sign_in_name)?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn all_users(store: &Store) -> anyhow::Result<Vec<User>> {
    let mut users: Vec<User> = Vec::new();
    loop {
        let page = store.users(users.last().map(|user| user.user_id), u32::MAX).await?;
        if page.is_empty() {
            return Ok(users);
        }
        users.extend(page);
    }
}

pub(super) async fn named(store: &Store, name: &str) -> anyhow::Result<User> {
    let found = store.user_by_sign_in_name(name).await?;
    Ok(found.with_context(|| format!("there is no account {name:?}; doubleread user list shows them"))?.0)
}

/// The password given, or a fresh one (`true`).
fn password(from_stdin: bool) -> anyhow::Result<(String, bool)> {
    if !from_stdin {
        return Ok((fresh_token(), true));
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("can't read the password")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        bail!("no password on standard input");
    }
    Ok((password, false))
}

fn say_fresh(out: &mut impl Write, password: Option<String>) -> std::io::Result<()> {
    match password {
        Some(password) => writeln!(out, "password, shown this once: {password}"),
        None => Ok(()),
    }
}
