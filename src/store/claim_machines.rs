//! At which machines a reader has a claimed case open.
//!
//! In: a claim and the number of a browser. Out: whether another one has spoken of the same claim lately. It is a courtesy
//! to the reader: who may lock an opinion is for the claim's token alone.

use super::row::text;
use super::{Store, StoreError};
use crate::reading::ClaimToken;
use crate::vocab::{CaseId, Timestamp};

/// How long a machine that has spoken counts as being there.
#[derive(Debug, Clone, Copy)]
pub struct MachineTimes {
    /// What is written at most so often, in milliseconds.
    pub written_ms: i64,
    /// Silence after which it counts as gone, in milliseconds.
    pub gone_ms: i64,
}

impl Store {
    /// Notes that a machine has the case open under this claim; whether another machine has it open as well.
    pub async fn note_machine(
        &self,
        case_id: CaseId,
        token: ClaimToken,
        machine: &str,
        times: MachineTimes,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = sqlx::query(
            "SELECT claim_machines.machine, claim_machines.seen_at FROM claim_machines \
             JOIN claims ON claims.case_id = claim_machines.case_id \
             WHERE claims.case_id = $1 AND claims.token = $2 ORDER BY claim_machines.seen_at DESC LIMIT $3",
        )
        .bind(case_id.to_string())
        .bind(token.to_string())
        .bind(i64::from(self.settings.page_rows))
        .fetch_all(&self.reader)
        .await?;
        let (mut written, mut elsewhere) = (false, false);
        for row in rows {
            let seen_at: Timestamp = super::row::parsed(&row, "seen_at")?;
            let silent_ms = now.ms_since(seen_at);
            if text(&row, "machine")? == machine {
                written = silent_ms < times.written_ms;
            } else {
                elsewhere |= silent_ms < times.gone_ms;
            }
        }
        if !written {
            // Nothing is written where the claim has ended meanwhile.
            sqlx::query(
                "INSERT INTO claim_machines (case_id, machine, seen_at) \
                 SELECT case_id, CAST($1 AS TEXT), CAST($2 AS TEXT) FROM claims WHERE case_id = $3 AND token = $4 \
                 ON CONFLICT (case_id, machine) DO UPDATE SET seen_at = excluded.seen_at",
            )
            .bind(machine)
            .bind(now.to_string())
            .bind(case_id.to_string())
            .bind(token.to_string())
            .execute(&self.writer)
            .await?;
        }
        Ok(elsewhere)
    }
}
