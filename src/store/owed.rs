//! What a recorded event owes to others.
//!
//! In: a case after an event, and that event. Out: rows of the outbox, in the event's own transaction. Never: a
//! message without the finalised human read that it comes from (R17).

use sqlx::AnyConnection;

use super::StoreError;
use super::outbox::{Audience, MessageKind};
use crate::reading::{CaseState, Event, FollowUp, RecordedEvent};
use crate::vocab::{MessageId, ReadId, Timestamp};

struct NewMessage {
    kind: MessageKind,
    audience: Audience,
    source_read: ReadId,
    key: String,
}

/// What an event owes to others: released outcomes, urgent findings, repeats.
fn owed(state: &CaseState, recorded: &RecordedEvent) -> Vec<NewMessage> {
    let message = |kind: MessageKind, audience, source_read, mark: String| NewMessage {
        kind,
        audience,
        source_read,
        key: format!("{}/{kind}/{mark}", state.case_id),
    };
    match &recorded.entry.event {
        Event::Released { number, source, .. } => {
            vec![message(MessageKind::FhirReport, Audience::Record, *source, number.to_string())]
        }
        Event::UrgentActed { read, follow_up, .. } => match follow_up {
            FollowUp::CtSameDay => vec![
                message(MessageKind::FollowUpOrder, Audience::Record, *read, read.to_string()),
                message(MessageKind::UrgentMessage, Audience::Referrer, *read, read.to_string()),
            ],
            FollowUp::AlreadyOrdered => {
                let mark = format!("{read}-{}", recorded.entry.position);
                vec![message(MessageKind::UrgentMessage, Audience::Referrer, *read, mark)]
            }
        },
        Event::OrderReopened { read, .. } => {
            let mark = format!("{}-{read}", state.conclusions);
            vec![message(MessageKind::RepeatRequest, Audience::Site, *read, mark)]
        }
        Event::CaseOpened { .. }
        | Event::AiResulted { .. }
        | Event::AiDeadlinePassed
        | Event::Claimed { .. }
        | Event::ClaimReleased { .. }
        | Event::ClaimExpired { .. }
        | Event::Skipped { .. }
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
        | Event::QaDrawn { .. }
        | Event::SecondReadDue { .. }
        | Event::ThirdReadDue { .. }
        | Event::ArbitrationDue { .. }
        | Event::ArbitrationLocked { .. }
        | Event::Concluded { .. }
        | Event::OverruleReasoned { .. }
        | Event::Addendum { .. }
        | Event::Reopened { .. }
        | Event::Superseded { .. } => Vec::new(),
    }
}

/// Makes the rows of everything that these events owe.
pub(super) async fn owe_messages(
    connection: &mut AnyConnection,
    state: &CaseState,
    recorded: &[RecordedEvent],
    now: Timestamp,
) -> Result<(), StoreError> {
    for event in recorded {
        for message in owed(state, event) {
            sqlx::query(
                "INSERT INTO outbox (message_id, case_id, kind, audience, source_read_id, event_position, \
                 idempotency_key, created_at, claimable_at, attempts) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 0)",
            )
            .bind(MessageId::new().to_string())
            .bind(state.case_id.to_string())
            .bind(message.kind.code())
            .bind(message.audience.code())
            .bind(message.source_read.to_string())
            .bind(i64::try_from(event.entry.position).unwrap_or(i64::MAX))
            .bind(message.key)
            .bind(now.to_string())
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}
