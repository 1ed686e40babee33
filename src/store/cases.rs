//! Acting on cases: load, decide, append, and again if somebody else was faster.
//!
//! In: an image set that becomes a case, or a command with its actor and the time. Out: the
//! events that it led to, committed, or the refusal of the reading core. Never: a rule; what
//! is granted is for `reading::decide` alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::chain::{Appended, Change};
use super::row::{from_json, optional_parsed, parsed, to_json};
use super::{ConstraintKind, Store, StoreError};
use crate::reading::{
    self, Actor, CaseState, ClaimToken, Command, ImageSet, Policy, PolicyRef, RecordedEvent, Refusal,
    next_timer,
};
use crate::vocab::{CaseId, Timestamp, UserId};

/// A heartbeat that would gain less than this, in milliseconds, is not written.
const LEAST_RENEWAL_MS: i64 = 30_000;

/// A case as its events tell it.
#[derive(Debug, Clone)]
pub struct StoredCase {
    /// Where it has got to, with the lease of its claim as heartbeats have moved it.
    pub state: CaseState,
    /// The policy that it keeps.
    pub policy: Arc<Policy>,
    /// How many events it has.
    pub version: i64,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Acted {
    /// The case afterwards.
    pub case: StoredCase,
    /// The events that were recorded; empty where nothing was to be done.
    pub recorded: Vec<RecordedEvent>,
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The reading core refused it.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Policies by reference; documents never change, so that they are read once.
pub(super) type PolicyCache = Arc<Mutex<HashMap<PolicyRef, Arc<Policy>>>>;

/// A timer that is due though nothing follows from it is looked at again after this time.
const IDLE_TIMER_MS: i64 = 60_000;

impl Store {
    /// Keeps a policy document; again is fine, other words under the same id and version are refused.
    pub async fn keep_policy(&self, policy: &Policy, now: Timestamp) -> Result<(), StoreError> {
        let reference = policy.reference();
        sqlx::query(
            "INSERT INTO policies (policy_id, policy_version, document, stored_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (policy_id, policy_version) DO NOTHING",
        )
        .bind(reference.id.as_str())
        .bind(i64::from(reference.version))
        .bind(to_json(policy, "document")?)
        .bind(now.to_string())
        .execute(&self.writer)
        .await?;
        match self.policy(&reference).await? {
            kept if *kept == *policy => Ok(()),
            _ => Err(StoreError::PolicyChanged { policy: reference }),
        }
    }

    /// A policy that was kept.
    pub async fn policy(&self, reference: &PolicyRef) -> Result<Arc<Policy>, StoreError> {
        let cached = self.policies.lock().ok().and_then(|cache| cache.get(reference).cloned());
        if let Some(policy) = cached {
            return Ok(policy);
        }
        let row = sqlx::query("SELECT document FROM policies WHERE policy_id = $1 AND policy_version = $2")
            .bind(reference.id.as_str())
            .bind(i64::from(reference.version))
            .fetch_optional(&self.reader)
            .await?
            .ok_or(StoreError::NotFound { what: "policy" })?;
        let policy: Arc<Policy> = Arc::new(from_json(&row, "document")?);
        if let Ok(mut cache) = self.policies.lock() {
            cache.insert(reference.clone(), policy.clone());
        }
        Ok(policy)
    }

    /// A case, folded from its events.
    pub async fn case(&self, case_id: CaseId) -> Result<Option<StoredCase>, StoreError> {
        let events = self.events_of_case(case_id).await?;
        if events.is_empty() {
            return Ok(None);
        }
        let mut state = CaseState::fold(case_id, events.iter().map(|e| (e.entry.at, &e.entry.event)))
            .map_err(|_| StoreError::Corrupt { column: "events" })?;
        if state.claim.is_some() {
            let lease = sqlx::query("SELECT token, expires_at FROM claims WHERE case_id = $1")
                .bind(case_id.to_string())
                .fetch_optional(&self.reader)
                .await?;
            if let Some(row) = lease {
                state.lay_lease(parsed(&row, "token")?, parsed(&row, "expires_at")?);
            }
        }
        let policy = self.policy(&state.policy).await?;
        Ok(Some(StoredCase { state, policy, version: i64::try_from(events.len()).unwrap_or(i64::MAX) }))
    }

    /// Makes an image set a case, and takes the place of the case that it supersedes, in one transaction.
    ///
    /// Opening the same image set of a study twice is the constraint `cases_image_set`.
    pub async fn open_case(
        &self,
        case_id: CaseId,
        set: ImageSet,
        policy: &Policy,
        qa_number: f64,
        now: Timestamp,
    ) -> Result<Acted, ActError> {
        let mut attempts = 0;
        loop {
            let old = match set.supersedes {
                Some(old) => Some(self.case(old).await?.ok_or(StoreError::NotFound { what: "case" })?),
                None => None,
            };
            let opened = reading::open_case(case_id, set.clone(), policy, qa_number, now);
            let open = Change { case_id, version: 0, policy, before: None, decided: opened };
            let mut changes = vec![open];
            if let Some(old) = old.as_ref().filter(|old| old.state.superseded_by.is_none()) {
                let command = Command::Supersede { by_case: case_id };
                let decided = reading::decide(&old.state, &old.policy, command, &Actor::System, now)
                    .map_err(ActError::Refused)?;
                changes.push(Change {
                    case_id: old.state.case_id,
                    version: old.version,
                    policy: &old.policy,
                    before: Some(&old.state),
                    decided,
                });
            }
            attempts += 1;
            match self.append(changes, now).await {
                Err(StoreError::VersionClash) if attempts < self.settings.act_attempts => {}
                Err(error) => return Err(error.into()),
                Ok(appended) => {
                    let first = appended.into_iter().next().ok_or(StoreError::VersionClash)?;
                    return Ok(acted(first, Arc::new(policy.clone())));
                }
            }
        }
    }

    /// Decides a command on a case and records what follows.
    ///
    /// Where somebody else acted on the case meanwhile it is decided anew on the new state, a
    /// bounded number of times.
    pub async fn act(
        &self,
        case_id: CaseId,
        command: Command,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Acted, ActError> {
        let began = std::time::Instant::now();
        let mut attempts = 0;
        loop {
            let case = self.case(case_id).await?.ok_or(StoreError::NotFound { what: "case" })?;
            let decided = reading::decide(&case.state, &case.policy, command.clone(), actor, now)
                .map_err(ActError::Refused)?;
            if decided.is_empty() {
                self.set_timer(&case, now).await?;
                return Ok(Acted { case, recorded: Vec::new() });
            }
            let change = Change {
                case_id,
                version: case.version,
                policy: &case.policy,
                before: Some(&case.state),
                decided,
            };
            attempts += 1;
            match self.append(vec![change], now).await {
                Err(StoreError::VersionClash) if attempts < self.settings.act_attempts => {}
                Err(error) => return Err(error.into()),
                Ok(appended) => {
                    metrics::histogram!("doubleread_stage_seconds", "stage" => "decide")
                        .record(began.elapsed().as_secs_f64());
                    let first = appended.into_iter().next().ok_or(StoreError::VersionClash)?;
                    return Ok(acted(first, case.policy));
                }
            }
        }
    }

    /// Renews a claim for a heartbeat (PATHWAYS R7); when its lease now ends. A page speaks every few seconds: what would
    /// gain less than half a minute is not written.
    ///
    /// [`StoreError::LeaseLost`]: it has ended, or it is another's.
    pub async fn renew_claim(
        &self,
        case_id: CaseId,
        token: ClaimToken,
        reader: UserId,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let row = sqlx::query("SELECT policy_id, policy_version FROM cases WHERE case_id = $1")
            .bind(case_id.to_string())
            .fetch_optional(&self.reader)
            .await?
            .ok_or(StoreError::NotFound { what: "case" })?;
        let version = super::row::integer(&row, "policy_version")?;
        let reference = PolicyRef {
            id: super::row::text(&row, "policy_id")?,
            version: u32::try_from(version).map_err(|_| StoreError::Corrupt { column: "policy_version" })?,
        };
        let lease_min = i64::from(self.policy(&reference).await?.claim_lease_min);
        let expires_at = now.plus_minutes(lease_min);
        let stands = sqlx::query(
            "SELECT expires_at FROM claims WHERE case_id = $1 AND token = $2 AND reader_id = $3 AND expires_at > $4",
        )
        .bind(case_id.to_string())
        .bind(token.to_string())
        .bind(reader.to_string())
        .bind(now.to_string())
        .fetch_optional(&self.reader)
        .await?
        .ok_or(StoreError::LeaseLost { what: "claim" })?;
        let stands: Timestamp = parsed(&stands, "expires_at")?;
        if expires_at.ms_since(stands) < LEAST_RENEWAL_MS {
            return Ok(stands);
        }
        let changed = sqlx::query(
            "UPDATE claims SET expires_at = $1 \
             WHERE case_id = $2 AND token = $3 AND reader_id = $4 AND expires_at > $5",
        )
        .bind(expires_at.to_string())
        .bind(case_id.to_string())
        .bind(token.to_string())
        .bind(reader.to_string())
        .bind(now.to_string())
        .execute(&self.writer)
        .await?
        .rows_affected();
        if changed == 1 { Ok(expires_at) } else { Err(StoreError::LeaseLost { what: "claim" }) }
    }

    /// Cases on which time alone has something to change: give each a [`Command::Tick`].
    pub async fn cases_with_timer_due(&self, now: Timestamp, limit: u32) -> Result<Vec<CaseId>, StoreError> {
        sqlx::query(
            "SELECT case_id FROM cases WHERE next_timer_at <= $1 ORDER BY next_timer_at, case_id LIMIT $2",
        )
        .bind(now.to_string())
        .bind(i64::from(limit.min(self.settings.page_rows)))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| parsed(row, "case_id"))
        .collect()
    }

    /// When the next timer of any case is due.
    pub async fn next_timer_at(&self) -> Result<Option<Timestamp>, StoreError> {
        sqlx::query(
            "SELECT next_timer_at FROM cases WHERE next_timer_at IS NOT NULL ORDER BY next_timer_at LIMIT 1",
        )
        .fetch_optional(&self.reader)
        .await?
        .map_or(Ok(None), |row| optional_parsed(&row, "next_timer_at"))
    }

    /// Notes the timer anew where nothing followed from it: a heartbeat had moved the lease.
    async fn set_timer(&self, case: &StoredCase, now: Timestamp) -> Result<(), StoreError> {
        let next = next_timer(&case.state, &case.policy)
            .map(|at| if at <= now { now.plus_ms(IDLE_TIMER_MS) } else { at });
        sqlx::query(
            "UPDATE cases SET next_timer_at = $1 WHERE case_id = $2 AND version = $3 AND next_timer_at <= $4",
        )
        .bind(next.map(|at| at.to_string()))
        .bind(case.state.case_id.to_string())
        .bind(case.version)
        .bind(now.to_string())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

fn acted(appended: Appended, policy: Arc<Policy>) -> Acted {
    let Appended { recorded, state, version } = appended;
    Acted { case: StoredCase { state, policy, version }, recorded }
}

/// Whether the refusal of a row means that the case is there already.
pub fn is_taken_image_set(error: &ActError) -> bool {
    matches!(
        error,
        ActError::Store(StoreError::Constraint { kind: ConstraintKind::Unique, name })
            if name.contains("cases_image_set") || name.contains("image_set")
    )
}
