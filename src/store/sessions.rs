//! Sessions of signed-in people, and the sign-in attempts that throttling counts.
//!
//! In: hashes of session tokens, expiries that the caller chose. Out: whose session it is.
//! Never: a token itself; a session past either of its limits.

use sqlx::Row;

use super::row::parsed;
use super::{Store, StoreError, User};
use crate::vocab::{Timestamp, UserId};

/// A live session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub user: User,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When it ends unless it is used.
    pub idle_expires_at: Timestamp,
    /// When it ends in any case.
    pub absolute_expires_at: Timestamp,
}

/// Failed sign-ins since some instant, each counted up to the page limit of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInFailures {
    /// Under the name, since its last success.
    pub by_name: i64,
    /// From the address.
    pub by_address: i64,
}

/// An extension of a session that moves its idle limit by less than this is not written.
const LEAST_EXTENSION_MS: i64 = 60_000;

impl Store {
    /// Begins a session.
    pub async fn create_session(
        &self,
        token_hash: &str,
        user: UserId,
        idle_expires_at: Timestamp,
        absolute_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sessions (token_hash, user_id, created_at, idle_expires_at, absolute_expires_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(token_hash)
        .bind(user.to_string())
        .bind(now.to_string())
        .bind(idle_expires_at.to_string())
        .bind(absolute_expires_at.to_string())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// The live session of a token, if its account is not disabled.
    pub async fn session(&self, token_hash: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query(
            "SELECT user_id, created_at, idle_expires_at, absolute_expires_at FROM sessions \
             WHERE token_hash = $1 AND idle_expires_at > $2 AND absolute_expires_at > $2",
        )
        .bind(token_hash)
        .bind(now.to_string())
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let user = self.user(parsed(&row, "user_id")?).await?.filter(|user| user.disabled_at.is_none());
        let Some(user) = user else { return Ok(None) };
        Ok(Some(Session {
            user,
            created_at: parsed(&row, "created_at")?,
            idle_expires_at: parsed(&row, "idle_expires_at")?,
            absolute_expires_at: parsed(&row, "absolute_expires_at")?,
        }))
    }

    /// Moves the idle limit of a session on; steps of less than a minute are left out.
    pub async fn extend_session(
        &self,
        token_hash: &str,
        session: &Session,
        idle_expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        if idle_expires_at.ms_since(session.idle_expires_at) < LEAST_EXTENSION_MS {
            return Ok(());
        }
        sqlx::query(
            "UPDATE sessions SET idle_expires_at = $1 WHERE token_hash = $2 AND idle_expires_at < $1",
        )
        .bind(idle_expires_at.to_string())
        .bind(token_hash)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Ends a session on the server.
    pub async fn end_session(&self, token_hash: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE token_hash = $1")
            .bind(token_hash)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Forgets sessions that have ended and sign-in attempts before `attempts_before`.
    pub async fn forget_old_sign_ins(
        &self,
        now: Timestamp,
        attempts_before: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE absolute_expires_at <= $1")
            .bind(now.to_string())
            .execute(&self.writer)
            .await?;
        sqlx::query("DELETE FROM sign_in_attempts WHERE at < $1")
            .bind(attempts_before.to_string())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Records an attempt to sign in.
    pub async fn record_sign_in(
        &self,
        sign_in_name: &str,
        address: &str,
        succeeded: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sign_in_attempts (attempt_id, sign_in_name, address, at, succeeded_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(uuid::Uuid::now_v7().to_string())
        .bind(sign_in_name.trim().to_lowercase())
        .bind(address)
        .bind(now.to_string())
        .bind(succeeded.then(|| now.to_string()))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Failed attempts since `since`, under a name and from an address.
    pub async fn sign_in_failures(
        &self,
        sign_in_name: &str,
        address: &str,
        since: Timestamp,
    ) -> Result<SignInFailures, StoreError> {
        let row = sqlx::query(
            "SELECT \
             (SELECT COUNT(*) FROM (SELECT at FROM sign_in_attempts WHERE sign_in_name = $1 \
               AND succeeded_at IS NULL AND at >= $3 AND at > COALESCE((SELECT MAX(at) FROM sign_in_attempts \
               WHERE sign_in_name = $1 AND succeeded_at IS NOT NULL), '') LIMIT $4) AS names) AS by_name, \
             (SELECT COUNT(*) FROM (SELECT at FROM sign_in_attempts WHERE address = $2 \
               AND succeeded_at IS NULL AND at >= $3 LIMIT $4) AS addresses) AS by_address",
        )
        .bind(sign_in_name.trim().to_lowercase())
        .bind(address)
        .bind(since.to_string())
        .bind(i64::from(self.settings.page_rows))
        .fetch_one(&self.reader)
        .await?;
        Ok(SignInFailures { by_name: row.try_get("by_name")?, by_address: row.try_get("by_address")? })
    }
}
