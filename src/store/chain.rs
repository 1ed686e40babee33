//! The one chain of events: appended at its end, read back case by case or page by page.
//!
//! In: decided events of one or two cases, each with the version that it was decided on.
//! Out: sealed events, committed together with every projection. Never: a change or a gap.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::projections::project;
use super::row::{groups, integer, parsed, text};
use super::statement::Statement;
use super::{Store, StoreError};
use crate::reading::{CaseState, ChainHead, ChainLink, Decided, Entry, Policy, RecordedEvent};
use crate::vocab::{CaseId, Timestamp};

/// Decided events of one case.
pub(super) struct Change<'a> {
    pub(super) case_id: CaseId,
    /// Events that the case had when these were decided; 0 opens the case.
    pub(super) version: i64,
    pub(super) policy: &'a Policy,
    /// The state that they were decided on; none where they open the case.
    pub(super) before: Option<&'a CaseState>,
    pub(super) decided: Vec<Decided>,
}

/// What became of a [`Change`].
pub(super) struct Appended {
    pub(super) recorded: Vec<RecordedEvent>,
    pub(super) state: CaseState,
    pub(super) version: i64,
}

impl Store {
    /// Appends the events of every change, or of none.
    ///
    /// [`StoreError::VersionClash`]: somebody else appended to one of the cases meanwhile.
    pub(super) async fn append(
        &self,
        changes: Vec<Change<'_>>,
        now: Timestamp,
    ) -> Result<Vec<Appended>, StoreError> {
        let count: usize = changes.iter().map(|change| change.decided.len()).sum();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut transaction = self.begin_write().await?;
        // The head comes first: appends queue here, and nothing can overtake.
        let row = sqlx::query(
            "UPDATE event_head SET position = position + $1 WHERE name = 'chain' RETURNING position, hash",
        )
        .bind(count)
        .fetch_one(&mut *transaction)
        .await?;
        let mut head = ChainHead {
            position: u64::try_from(integer(&row, "position")?.saturating_sub(count))
                .map_err(|_| StoreError::Corrupt { column: "position" })?,
            hash: text(&row, "hash")?,
        };
        let mut appended = Vec::with_capacity(changes.len());
        for change in changes {
            let mut recorded = Vec::with_capacity(change.decided.len());
            for Decided { actor, event } in change.decided {
                let entry = Entry {
                    position: 0,
                    case_id: change.case_id,
                    at: now,
                    actor,
                    policy: change.policy.reference(),
                    event,
                };
                let sealed = RecordedEvent::seal(&head, entry);
                head = sealed.head();
                recorded.push(sealed);
            }
            let state = after(change.case_id, change.before, &recorded)?;
            let version = change.version.saturating_add(i64::try_from(recorded.len()).unwrap_or(i64::MAX));
            insert_events(&mut transaction, change.version, &recorded).await?;
            project(&mut transaction, change.before, &state, change.policy, change.version, &recorded, now)
                .await?;
            appended.push(Appended { recorded, state, version });
        }
        sqlx::query("UPDATE event_head SET hash = $1 WHERE name = 'chain'")
            .bind(head.hash)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.ring();
        Ok(appended)
    }

    /// The events of a case in their order, and their number.
    pub async fn events_of_case(&self, case_id: CaseId) -> Result<Vec<RecordedEvent>, StoreError> {
        sqlx::query(
            "SELECT position, case_id, sealed, prev_hash, hash FROM events \
             WHERE case_id = $1 ORDER BY case_version",
        )
        .bind(case_id.to_string())
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| RecordedEvent::read(link_of(row)?).map_err(|_| StoreError::Corrupt { column: "sealed" }))
        .collect()
    }

    /// Links of the whole chain in order, from the one after `position`: for its verification.
    pub async fn chain_links_after(&self, position: u64, limit: u32) -> Result<Vec<ChainLink>, StoreError> {
        sqlx::query(
            "SELECT position, case_id, sealed, prev_hash, hash FROM events \
             WHERE position > $1 ORDER BY position LIMIT $2",
        )
        .bind(i64::try_from(position).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(link_of)
        .collect()
    }

    /// The end of the chain, as noted beside it: held against the events by the verification.
    pub async fn chain_head(&self) -> Result<ChainHead, StoreError> {
        let row = sqlx::query("SELECT position, hash FROM event_head WHERE name = 'chain'")
            .fetch_one(&self.reader)
            .await?;
        Ok(ChainHead { position: super::row::size(&row, "position")?, hash: text(&row, "hash")? })
    }
}

fn after(
    case_id: CaseId,
    before: Option<&CaseState>,
    recorded: &[RecordedEvent],
) -> Result<CaseState, StoreError> {
    let mut facts = recorded.iter().map(|r| (r.entry.at, &r.entry.event));
    let folded = match before {
        None => CaseState::fold(case_id, facts),
        Some(before) => {
            let mut state = before.clone();
            facts.try_for_each(|(at, event)| state.apply(at, event)).map(|()| state)
        }
    };
    folded.map_err(|_| StoreError::Corrupt { column: "events" })
}

async fn insert_events(
    connection: &mut AnyConnection,
    version: i64,
    recorded: &[RecordedEvent],
) -> Result<(), StoreError> {
    let numbered: Vec<(i64, &RecordedEvent)> = (version.saturating_add(1)..).zip(recorded).collect();
    for group in groups(&numbered) {
        let mut statement = Statement::new(
            "INSERT INTO events (position, case_id, case_version, at, kind, sealed, prev_hash, hash) ",
        );
        statement.values(group, |row, (case_version, event)| {
            row.bind(i64::try_from(event.entry.position).unwrap_or(i64::MAX))
                .bind(event.entry.case_id.to_string())
                .bind(*case_version)
                .bind(event.entry.at.to_string())
                .bind(kind_of(event))
                .bind(event.text.clone())
                .bind(event.prev_hash.clone())
                .bind(event.hash.clone());
        });
        statement.build()?.execute(&mut *connection).await.map_err(version_taken)?;
    }
    Ok(())
}

/// A version of the case that is there already means that somebody else was first.
fn version_taken(error: sqlx::Error) -> StoreError {
    match StoreError::from(error) {
        StoreError::Constraint { kind: super::ConstraintKind::Unique, name }
            if name.contains("events_of_case") || name.contains("case_version") =>
        {
            StoreError::VersionClash
        }
        other => other,
    }
}

/// The tag that serde gives the event, as it is in the sealed text.
fn kind_of(event: &RecordedEvent) -> String {
    serde_json::to_value(&event.entry.event)
        .ok()
        .and_then(|value| value.get("kind").and_then(|kind| kind.as_str()).map(str::to_owned))
        .unwrap_or_default()
}

fn link_of(row: &AnyRow) -> Result<ChainLink, StoreError> {
    Ok(ChainLink {
        position: u64::try_from(row.try_get::<i64, _>("position")?)
            .map_err(|_| StoreError::Corrupt { column: "position" })?,
        case_id: parsed(row, "case_id")?,
        text: text(row, "sealed")?,
        prev_hash: text(row, "prev_hash")?,
        hash: text(row, "hash")?,
    })
}
