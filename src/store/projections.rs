//! What pages and workers ask, written in the transaction of the events that it follows from.
//!
//! In: the state before and after, and the events between. Out: rows of `cases`, `reads`,
//! `claims` and the rest, and the messages that are owed. Never: a row that the events do
//! not tell.

use sqlx::AnyConnection;

use super::order_matching::restate_orders_of_study;
use super::owed::owe_messages;
use super::row::to_json;
use super::statement::Statement;
use super::{ConstraintKind, StoreError};
use crate::reading::{
    AiRecord, CaseState, Event, FollowUp, Policy, QueueRank, Read, RecordedEvent, Slot, summary,
};
use crate::vocab::{AiOutcome, Timestamp};

/// Position in the queue as one number: urgent before not, a higher band before a lower.
pub(super) fn rank_number(rank: &QueueRank) -> i64 {
    let urgency = if rank.urgent { 0 } else { 3 };
    urgency + 2_i64.saturating_sub(i64::from(rank.band)).max(0)
}

/// Whether a queue rank is that of an urgent case.
pub(super) fn is_urgent(rank: i64) -> bool {
    rank < 3
}

pub(super) async fn project(
    connection: &mut AnyConnection,
    before: Option<&CaseState>,
    state: &CaseState,
    policy: &Policy,
    version: i64,
    recorded: &[RecordedEvent],
    now: Timestamp,
) -> Result<(), StoreError> {
    let grown = version.saturating_add(i64::try_from(recorded.len()).unwrap_or(i64::MAX));
    match before {
        None => insert_case(connection, state, policy, grown).await?,
        Some(_) => update_case(connection, state, policy, version, grown, now).await?,
    }
    let known = |read: &Read| before.and_then(|before| before.read(read.id)) == Some(read);
    for read in state.reads.iter().filter(|read| !known(read)) {
        upsert_read(connection, state, read).await?;
    }
    project_claim(connection, before.and_then(|b| b.claim.as_ref()), state, recorded, now).await?;
    for event in recorded {
        project_event(connection, state, event).await?;
    }
    if recorded.iter().any(|event| may_restate_orders(&event.entry.event)) {
        restate_orders_of_study(connection, &state.set.study_instance_uid).await?;
    }
    owe_messages(connection, state, recorded, now).await
}

/// Whether what has become of an order may follow from an event of a case of its images.
fn may_restate_orders(event: &Event) -> bool {
    matches!(
        event,
        Event::CaseOpened { .. }
            | Event::Concluded { .. }
            | Event::Addendum { .. }
            | Event::Reopened { .. }
            | Event::Superseded { .. }
    )
}

async fn insert_case(
    connection: &mut AnyConnection,
    state: &CaseState,
    policy: &Policy,
    version: i64,
) -> Result<(), StoreError> {
    let columns = summary(state, policy);
    let (ai_state, ai_reason) = ai_badge(state);
    let mut statement = Statement::new(
        "INSERT INTO cases (case_id, study_instance_uid, pathway, site, image_set, policy_id, policy_version, \
         version, opened_at, last_image_at, state, open_slot, queue_rank, due_at, ai_state, ai_reason, \
         next_timer_at) ",
    );
    statement.values([state], |row, state| {
        row.bind(state.case_id.to_string())
            .bind(state.set.study_instance_uid.to_string())
            .bind(state.set.pathway.code())
            .bind(state.set.site.to_string())
            .bind(i64::from(state.set.number))
            .bind(state.policy.id.clone())
            .bind(i64::from(state.policy.version))
            .bind(version)
            .bind(state.opened_at.to_string())
            .bind(state.set.last_image_at.to_string())
            .bind(columns.state)
            .bind(columns.open_slot.map(Slot::code))
            .bind(rank_number(&columns.rank))
            .bind(columns.rank.due_at.to_string())
            .bind(ai_state)
            .bind(ai_reason.clone())
            .bind(columns.tick_at.map(|at| at.to_string()));
    });
    statement.build()?.execute(connection).await?;
    Ok(())
}

async fn update_case(
    connection: &mut AnyConnection,
    state: &CaseState,
    policy: &Policy,
    version: i64,
    grown: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let columns = summary(state, policy);
    let (ai_state, ai_reason) = ai_badge(state);
    let superseded_by = state.superseded_by.map(|case| case.to_string());
    let changed = sqlx::query(
        "UPDATE cases SET version = $1, state = $2, open_slot = $3, queue_rank = $4, due_at = $5, \
         ai_state = $6, ai_reason = $7, concluded_at = $8, outcome = $9, \
         superseded_at = CASE WHEN CAST($10 AS TEXT) IS NULL THEN NULL ELSE COALESCE(superseded_at, $11) END, \
         superseded_by = $10, next_timer_at = $12 WHERE case_id = $13 AND version = $14",
    )
    .bind(grown)
    .bind(columns.state)
    .bind(columns.open_slot.map(Slot::code))
    .bind(rank_number(&columns.rank))
    .bind(columns.rank.due_at.to_string())
    .bind(ai_state)
    .bind(ai_reason)
    .bind(columns.concluded_at.map(|at| at.to_string()))
    .bind(columns.outcome)
    .bind(superseded_by)
    .bind(now.to_string())
    .bind(columns.tick_at.map(|at| at.to_string()))
    .bind(state.case_id.to_string())
    .bind(version)
    .execute(connection)
    .await?
    .rows_affected();
    if changed == 1 { Ok(()) } else { Err(StoreError::VersionClash) }
}

/// What has become of the AI, for radiographers: never what it said of the patient.
fn ai_badge(state: &CaseState) -> (&'static str, Option<String>) {
    match (&state.ai, state.ai_absent_at) {
        (Some(ai), _) => match &ai.result.outcome {
            AiOutcome::Normal | AiOutcome::Abnormal => ("resulted", None),
            AiOutcome::QualityFail { faults } => {
                ("quality_fail", faults.first().map(|fault| fault.reason.code().to_owned()))
            }
            AiOutcome::NotProcessed(refusal) => ("not_processed", Some(refusal.reason.code().to_owned())),
        },
        (None, Some(_)) => ("absent", None),
        (None, None) => ("pending", None),
    }
}

async fn upsert_read(
    connection: &mut AnyConnection,
    state: &CaseState,
    read: &Read,
) -> Result<(), StoreError> {
    let sole_reader = (read.slot != Slot::Arbitration).then(|| read.authors.first()).flatten();
    let changed = sqlx::query(
        "INSERT INTO reads (read_id, case_id, slot, reader_id, reader_kind, mode, blind_word, current_word, \
         locked_at, finalised_at, reading_ms, body) \
         VALUES ($1, $2, $3, $4, 'human', $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (read_id) DO UPDATE SET blind_word = excluded.blind_word, \
         current_word = excluded.current_word, finalised_at = excluded.finalised_at, body = excluded.body \
         WHERE reads.case_id = excluded.case_id",
    )
    .bind(read.id.to_string())
    .bind(state.case_id.to_string())
    .bind(read.slot.code())
    .bind(sole_reader.map(|reader| reader.to_string()))
    .bind(read.mode.code())
    .bind(read.blind.word())
    .bind(read.current.word())
    .bind(read.locked_at.to_string())
    .bind(read.finalised_at.map(|at| at.to_string()))
    .bind(read.reading_ms)
    .bind(to_json(read, "body")?)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if changed != 1 {
        // The id belongs to a read of another case.
        let name = "reads_pkey".to_owned();
        return Err(StoreError::Constraint { kind: ConstraintKind::Unique, name });
    }
    for author in &read.authors {
        sqlx::query(
            "INSERT INTO read_authors (reader_id, read_id, case_id, locked_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (case_id, reader_id, read_id) DO NOTHING",
        )
        .bind(author.to_string())
        .bind(read.id.to_string())
        .bind(state.case_id.to_string())
        .bind(read.locked_at.to_string())
        .execute(&mut *connection)
        .await?;
    }
    if let Some(at) = read.finalised_at {
        sqlx::query(
            "INSERT INTO finalised_reads (read_id, case_id, reader_kind, finalised_at) \
             VALUES ($1, $2, 'human', $3) ON CONFLICT (read_id, case_id) DO NOTHING",
        )
        .bind(read.id.to_string())
        .bind(state.case_id.to_string())
        .bind(at.to_string())
        .execute(connection)
        .await?;
    }
    Ok(())
}

async fn project_claim(
    connection: &mut AnyConnection,
    before: Option<&crate::reading::Claim>,
    state: &CaseState,
    recorded: &[RecordedEvent],
    now: Timestamp,
) -> Result<(), StoreError> {
    let expired = recorded.iter().any(|r| matches!(r.entry.event, Event::ClaimExpired { .. }));
    if let Some(claim) = before.filter(|claim| Some(claim.token) != state.claim.as_ref().map(|c| c.token)) {
        let mut statement = Statement::new("DELETE FROM claims WHERE case_id = ");
        statement.bind(state.case_id.to_string()).push(" AND token = ").bind(claim.token.to_string());
        if expired {
            statement.push(" AND expires_at <= ").bind(now.to_string());
        }
        // Nothing deleted: a heartbeat renewed it since it was found expired.
        if statement.build()?.execute(&mut *connection).await?.rows_affected() != 1 {
            return Err(StoreError::VersionClash);
        }
    }
    if let Some(claim) = state.claim.as_ref().filter(|claim| Some(claim.token) != before.map(|b| b.token)) {
        sqlx::query(
            "INSERT INTO claims (case_id, reader_id, slot, token, opened_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(state.case_id.to_string())
        .bind(claim.by.to_string())
        .bind(claim.slot.code())
        .bind(claim.token.to_string())
        .bind(claim.at.to_string())
        .bind(claim.expires_at.to_string())
        .execute(connection)
        .await?;
    }
    Ok(())
}

async fn project_event(
    connection: &mut AnyConnection,
    state: &CaseState,
    recorded: &RecordedEvent,
) -> Result<(), StoreError> {
    let case_id = state.case_id.to_string();
    let at = recorded.entry.at.to_string();
    match &recorded.entry.event {
        Event::AiResulted { .. } => {
            if let Some(ai) = &state.ai {
                insert_ai_result(connection, &case_id, ai).await?;
            }
        }
        Event::Skipped { by } => {
            sqlx::query("INSERT INTO skips (case_id, reader_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(case_id)
                .bind(by.to_string())
                .execute(connection)
                .await?;
        }
        Event::QaDrawn { stratum, probability, drawn } => {
            sqlx::query(
                "INSERT INTO qa_draws (case_id, at, stratum, probability, drawn_at) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(case_id)
            .bind(at.as_str())
            .bind(stratum.as_str())
            .bind(*probability)
            .bind(drawn.then_some(at.as_str()))
            .execute(connection)
            .await?;
        }
        Event::UrgentActed { read, findings, follow_up, .. } => {
            if *follow_up == FollowUp::AlreadyOrdered {
                return Ok(());
            }
            sqlx::query(
                "INSERT INTO follow_up_orders (case_id, read_id, follow_up, findings, ordered_at) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(case_id)
            .bind(read.to_string())
            .bind(follow_up.code())
            .bind(to_json(findings, "findings")?)
            .bind(at)
            .execute(connection)
            .await?;
        }
        Event::Concluded { number, ai_overruled, .. } => {
            if *ai_overruled {
                sqlx::query("INSERT INTO overrules (case_id, conclusion, owed_at) VALUES ($1, $2, $3)")
                    .bind(case_id)
                    .bind(i64::from(*number))
                    .bind(at.as_str())
                    .execute(&mut *connection)
                    .await?;
            }
            if *number == 1 {
                count_concordance(connection, state, recorded.entry.at).await?;
            }
        }
        Event::OverruleReasoned { reason, note } => {
            sqlx::query(
                "UPDATE overrules SET reason = $1, note = $2, reasoned_at = $3 \
                 WHERE case_id = $4 AND reasoned_at IS NULL",
            )
            .bind(reason.code())
            .bind(note.as_str())
            .bind(at)
            .bind(case_id)
            .execute(connection)
            .await?;
        }
        Event::CaseOpened { .. }
        | Event::AiDeadlinePassed
        | Event::Claimed { .. }
        | Event::ClaimReleased { .. }
        | Event::ClaimExpired { .. }
        | Event::Deferred { .. }
        | Event::DeferralUndone
        | Event::PriorsAwaited { .. }
        | Event::PriorsArrived
        | Event::PriorsExpired
        | Event::ImagesAcknowledged { .. }
        | Event::ReadLocked { .. }
        | Event::Revealed { .. }
        | Event::ReadChanged { .. }
        | Event::ReadKept { .. }
        | Event::ReadFinalised { .. }
        | Event::SecondReadDue { .. }
        | Event::ThirdReadDue { .. }
        | Event::ArbitrationDue { .. }
        | Event::ArbitrationLocked { .. }
        | Event::OrderReopened { .. }
        | Event::Released { .. }
        | Event::Addendum { .. }
        | Event::Reopened { .. }
        | Event::Superseded { .. } => {}
    }
    Ok(())
}

async fn insert_ai_result(
    connection: &mut AnyConnection,
    case_id: &str,
    ai: &AiRecord,
) -> Result<(), StoreError> {
    let result = &ai.result;
    let model = result.model.as_ref();
    let reason = match &result.outcome {
        AiOutcome::NotProcessed(refusal) => Some(refusal.reason),
        AiOutcome::QualityFail { faults } => faults.first().map(|fault| fault.reason),
        AiOutcome::Normal | AiOutcome::Abnormal => None,
    };
    let mut statement = Statement::new(
        "INSERT INTO ai_results (case_id, resulted_at, word, reason, score, model_name, model_version, \
         model_sha256, operating_point, preprocessing, provider, late_at, result) ",
    );
    let body = to_json(result, "result")?;
    statement.values([result], |row, result| {
        row.bind(case_id.to_owned())
            .bind(ai.at.to_string())
            .bind(result.outcome.word())
            .bind(reason.map(|reason| reason.code()))
            .bind(result.score)
            .bind(model.map(|m| m.name.clone()))
            .bind(model.map(|m| m.version.clone()))
            .bind(model.map(|m| m.sha256.clone()))
            .bind(model.map(|m| m.operating_point.clone()))
            .bind(result.preprocessing.clone())
            .bind(result.provider.clone())
            .bind(ai.late.then(|| ai.at.to_string()))
            .bind(body.clone());
    });
    statement.build()?.execute(connection).await?;
    Ok(())
}

/// AI word and blind word of the first human read, where the AI spoke in time.
async fn count_concordance(
    connection: &mut AnyConnection,
    state: &CaseState,
    concluded_at: Timestamp,
) -> Result<(), StoreError> {
    let ai = state.ai.as_ref().filter(|ai| !ai.late);
    let Some((ai, first)) = ai.zip(state.read_in(Slot::First)) else { return Ok(()) };
    let Some(model) = &ai.result.model else { return Ok(()) };
    let day = concluded_at.to_string();
    let mut statement = Statement::new(
        "INSERT INTO concordance_days (day, pathway, site, model_name, model_version, operating_point, \
         reveal_mode, ai_word, human_word, case_count) ",
    );
    statement.values([model], |row, model| {
        row.bind(day.get(..10).unwrap_or_default().to_owned())
            .bind(state.set.pathway.code())
            .bind(state.set.site.to_string())
            .bind(model.name.clone())
            .bind(model.version.clone())
            .bind(model.operating_point.clone())
            .bind(first.mode.code())
            .bind(ai.result.outcome.word())
            .bind(first.blind.word())
            .bind(1_i64);
    });
    statement.push(
        " ON CONFLICT (day, pathway, site, model_name, model_version, operating_point, reveal_mode, ai_word, \
         human_word) DO UPDATE SET case_count = concordance_days.case_count + 1",
    );
    statement.build()?.execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_number_sorts_as_the_rank_does() {
        let at = Timestamp::from_millis(0);
        let rank = |urgent, band| QueueRank { urgent, band, due_at: at, last_image_at: at };
        let ordered =
            [rank(true, 2), rank(true, 1), rank(true, 0), rank(false, 2), rank(false, 1), rank(false, 0)];
        assert!(ordered.is_sorted());
        assert_eq!(ordered.map(|r| rank_number(&r)), [0, 1, 2, 3, 4, 5]);
    }
}
