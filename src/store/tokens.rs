//! Bearer tokens for machines.
//!
//! In: the hash of a token. Out: what it may do, in whose name. Never: the token itself.

use sqlx::any::AnyRow;

use super::row::{optional_parsed, parsed, text};
use super::{Store, StoreError};
use crate::vocab::{Role, SiteCode, Timestamp, UserId};

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiToken {
    /// Hash of the token.
    pub token_hash: String,
    /// What it is for, in a few words.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The one site that it may see; none means every site.
    pub site: Option<SiteCode>,
    /// The account in whose name it acts.
    pub user_id: UserId,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Hash of the token.
    pub token_hash: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The one site that it may see; none means every site.
    pub site: Option<SiteCode>,
    /// The account in whose name it acts.
    pub user_id: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    /// Stores a token.
    pub async fn create_api_token(&self, token: NewApiToken, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO api_tokens (token_hash, name, role, site, user_id, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(token.token_hash)
        .bind(token.name)
        .bind(token.role.code())
        .bind(token.site.map(String::from))
        .bind(token.user_id.to_string())
        .bind(now.to_string())
        .bind(token.expires_at.to_string())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// The token of a hash, if it is in force and its account is not disabled.
    pub async fn api_token(&self, token_hash: &str, now: Timestamp) -> Result<Option<ApiToken>, StoreError> {
        sqlx::query(
            "SELECT api_tokens.* FROM api_tokens JOIN users ON users.user_id = api_tokens.user_id \
             WHERE api_tokens.token_hash = $1 AND api_tokens.expires_at > $2 \
             AND api_tokens.revoked_at IS NULL AND users.disabled_at IS NULL",
        )
        .bind(token_hash)
        .bind(now.to_string())
        .fetch_optional(&self.reader)
        .await?
        .as_ref()
        .map(token_of)
        .transpose()
    }

    /// Every token, oldest first.
    pub async fn api_tokens(&self, limit: u32) -> Result<Vec<ApiToken>, StoreError> {
        sqlx::query("SELECT * FROM api_tokens ORDER BY created_at, token_hash LIMIT $1")
            .bind(i64::from(limit.min(self.settings.page_rows)))
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(token_of)
            .collect()
    }

    /// Takes a token back.
    pub async fn revoke_api_token(&self, token_hash: &str, now: Timestamp) -> Result<(), StoreError> {
        let changed =
            sqlx::query("UPDATE api_tokens SET revoked_at = $1 WHERE token_hash = $2 AND revoked_at IS NULL")
                .bind(now.to_string())
                .bind(token_hash)
                .execute(&self.writer)
                .await?
                .rows_affected();
        if changed == 1 { Ok(()) } else { Err(StoreError::NotFound { what: "token" }) }
    }
}

fn token_of(row: &AnyRow) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        token_hash: text(row, "token_hash")?,
        name: text(row, "name")?,
        role: parsed(row, "role")?,
        site: optional_parsed(row, "site")?,
        user_id: parsed(row, "user_id")?,
        created_at: parsed(row, "created_at")?,
        expires_at: parsed(row, "expires_at")?,
        revoked_at: optional_parsed(row, "revoked_at")?,
    })
}
