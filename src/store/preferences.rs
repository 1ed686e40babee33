//! What a person prefers, kept with the account so that it is the same at every workstation.
//!
//! In: an account and a whole document. Out: the document, with what was never said as it is shipped.

use std::collections::BTreeMap;

use super::row::{from_json, to_json};
use super::{Store, StoreError};
use crate::vocab::{Timestamp, UserId};

/// Reads that a person aims at in a year.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Targets {
    /// Mammograms.
    pub mammo_per_year: Option<u32>,
    /// Chest X-rays.
    pub chest_per_year: Option<u32>,
}

/// What a person prefers.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// `dark` or `light`; as the browser last had it where none.
    pub theme: Option<String>,
    /// Cases in a session; as shipped where none.
    pub session_size: Option<u32>,
    /// Own keys by the id of their action; an empty key takes it away.
    pub keys: BTreeMap<String, String>,
    /// Own targets.
    pub targets: Targets,
    /// Whether the images open in a window of their own.
    pub second_screen: bool,
}

impl Store {
    /// What a person prefers.
    pub async fn preferences(&self, user: UserId) -> Result<Preferences, StoreError> {
        sqlx::query("SELECT document FROM preferences WHERE user_id = $1")
            .bind(user.to_string())
            .fetch_optional(&self.reader)
            .await?
            .map_or_else(|| Ok(Preferences::default()), |row| from_json(&row, "document"))
    }

    /// Keeps what a person prefers, in the place of what they preferred before.
    pub async fn set_preferences(
        &self,
        user: UserId,
        preferences: &Preferences,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO preferences (user_id, document, changed_at) VALUES ($1, $2, $3) \
             ON CONFLICT (user_id) DO UPDATE SET document = excluded.document, changed_at = excluded.changed_at",
        )
        .bind(user.to_string())
        .bind(to_json(preferences, "document")?)
        .bind(now.to_string())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
