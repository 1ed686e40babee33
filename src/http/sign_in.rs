//! Signing in and out, for pages and programs alike.
//!
//! In: a name and a password. Out: a session whose token is new at each sign-in, or a refusal that tells neither
//! which of the two was wrong nor, by its time, whether the name exists.

use axum::http::HeaderValue;

use super::caller::cookie_name;
use super::credentials::{csrf_token, fresh_token, password_matches, token_hash};
use super::error::HttpError;
use super::state::AppState;
use crate::store::User;

/// Longest name that is looked at, in bytes; more is no name of ours.
const LONGEST_NAME: usize = 128;
/// Longest password that is looked at, in bytes.
const LONGEST_PASSWORD: usize = 1024;

/// A session that has just begun.
#[derive(Debug)]
pub(super) struct Begun {
    /// Whose.
    pub user: User,
    /// What forms must carry.
    pub csrf: String,
    /// The `Set-Cookie` header.
    pub cookie: HeaderValue,
}

/// Checks a name and a password: who that is. Failures are counted as those of signing in.
///
/// # Errors
/// Wrong, too often, or the database is away.
pub(super) async fn prove(
    state: &AppState,
    name: &str,
    password: &str,
    address: &str,
) -> Result<User, HttpError> {
    if name.len() > LONGEST_NAME || password.len() > LONGEST_PASSWORD {
        return Err(HttpError::WrongSignIn);
    }
    let settings = &state.settings;
    let now = state.clock.now();
    let since = now.plus_minutes(-settings.sign_in_window_minutes);
    let failures = state.store.sign_in_failures(name, address, since).await?;
    if failures.by_name >= settings.sign_in_failures_by_name
        || failures.by_address >= settings.sign_in_failures_by_address
    {
        tracing::warn!("too many failed sign-ins: refused");
        return Err(HttpError::TooMany { retry_after_seconds: settings.sign_in_window_minutes * 60 });
    }
    let found = state.store.user_by_sign_in_name(name).await?;
    let (user, hash) = match found {
        Some((user, hash)) => (Some(user), hash),
        None => (None, None),
    };
    let matches = check_password(state, hash, password.to_owned()).await?;
    let user = user.filter(|user| matches && user.disabled_at.is_none());
    state.store.record_sign_in(name, address, user.is_some(), now).await?;
    user.ok_or(HttpError::WrongSignIn)
}

/// Checks a name and a password, and begins a session. `old` is the hash of a session that this one takes the place of.
///
/// # Errors
/// Wrong, too often, or the database is away.
pub(super) async fn sign_in(
    state: &AppState,
    name: &str,
    password: &str,
    address: &str,
    old: Option<&str>,
) -> Result<Begun, HttpError> {
    let user = prove(state, name, password, address).await?;
    let settings = &state.settings;
    let now = state.clock.now();
    if let Some(old) = old {
        state.store.end_session(old).await?;
    }
    let token = fresh_token();
    let idle = now.plus_minutes(settings.session_idle_minutes);
    let absolute = now.plus_minutes(settings.session_absolute_minutes);
    state.store.create_session(&token_hash(&token), user.user_id, idle, absolute, now).await?;
    tracing::info!(user.id = %user.user_id, "signed in");
    Ok(Begun {
        csrf: csrf_token(&token),
        cookie: cookie_header(state, &token, absolute.ms_since(now) / 1000)?,
        user,
    })
}

/// Ends a session on the server; the answer takes the cookie away as well.
///
/// # Errors
/// The database is away.
pub(super) async fn sign_out(state: &AppState, session: Option<&str>) -> Result<HeaderValue, HttpError> {
    if let Some(hash) = session {
        state.store.end_session(hash).await?;
    }
    cookie_header(state, "", 0)
}

async fn check_password(state: &AppState, hash: Option<String>, password: String) -> Result<bool, HttpError> {
    let _permit = state.password_checks.acquire().await.map_err(|_| HttpError::Internal)?;
    tokio::task::spawn_blocking(move || password_matches(hash.as_deref(), &password))
        .await
        .map_err(|error| HttpError::internal(&error))
}

fn cookie_header(state: &AppState, token: &str, seconds: i64) -> Result<HeaderValue, HttpError> {
    let secure = if state.settings.behind_tls_proxy { "; Secure" } else { "" };
    let name = cookie_name(state);
    HeaderValue::from_str(&format!(
        "{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
    ))
    .map_err(|error| HttpError::internal(&error))
}
