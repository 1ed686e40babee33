//! The outbox: what is owed to other systems, made with the event that causes it.
//!
//! In: recorded events. Out: messages under a lease, to be built once and delivered until
//! there is a receipt or a person has to look. Never: a message that no committed event
//! owes, two of one idempotency key, or a report without a finalised human read (R17; the
//! database refuses it as well).
//!
//! A row is made without its body. Whoever delivers it builds the body from the case and the
//! study, outside of the transaction, and stores it with [`Store::set_message_body`] before
//! the first attempt, so that every attempt sends the same bytes.

use sqlx::any::AnyRow;

use super::lease::Guard;
use super::row::{integer, optional_parsed, optional_text, parsed, size, text};
use super::settings::backoff_ms;
use super::statement::Statement;
use super::{Store, StoreError};
use crate::vocab::{CaseId, MessageId, ReadId, Timestamp, coded_enum};

coded_enum!(
    /// What a message says.
    MessageKind, "message kind" {
        /// The result of a case, as a FHIR transaction bundle.
        FhirReport = "fhir_report",
        /// An urgent finding, to who referred the patient (PATHWAYS X7).
        UrgentMessage = "urgent_message",
        /// The examination that an urgent finding sets off (PATHWAYS X7).
        FollowUpOrder = "follow_up_order",
        /// What the patient may read.
        PatientMessage = "patient_message",
        /// New images are asked for; the order is open again (PATHWAYS X6, R10).
        RepeatRequest = "repeat_request",
    }
);

coded_enum!(
    /// Who gets a message; only what goes to a site can have no human read as its source.
    Audience, "audience" { Record = "record", Referrer = "referrer", Patient = "patient", Site = "site" }
);

/// A message whose lease the caller holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The message.
    pub row: MessageRow,
    /// What is to be sent; none until it was built.
    pub body: Option<String>,
    /// When the lease ends.
    pub lease_expires_at: Timestamp,
    lease_token: String,
}

/// How a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its identity.
    pub message_id: MessageId,
    /// The case that owes it.
    pub case_id: CaseId,
    /// What it says.
    pub kind: MessageKind,
    /// Who gets it.
    pub audience: Audience,
    /// The finalised human read that it comes from (R17).
    pub source_read: Option<ReadId>,
    /// Position of the event that caused it; the state to report is the one after that event.
    pub event_position: u64,
    /// The receiver sees it at most once under this key.
    pub idempotency_key: String,
    /// When it was owed.
    pub created_at: Timestamp,
    /// Attempts begun, this one included.
    pub attempts: i64,
    /// When it is tried next, while it is open.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was accepted.
    pub delivered_at: Option<Timestamp>,
    /// What the receiver answered.
    pub receipt: Option<String>,
    /// When it was given up.
    pub dead_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub last_failure: Option<String>,
}

/// What became of a delivery that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFate {
    /// It is tried again then.
    RetryAt(Timestamp),
    /// It is a dead letter; a person sees it.
    Dead,
}

/// One attempt at a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub attempt: i64,
    /// When.
    pub at: Timestamp,
    /// `delivered`, `failed` or `refused`.
    pub result: String,
    /// What came of it.
    pub detail: String,
}

/// How often a claim looks again after it lost a race.
const CLAIM_ATTEMPTS: u32 = 16;

/// A message that may leave now: nothing of a study that is held does, whoever the message is
/// for, for a hold is doubt about who the patient is.
macro_rules! claimable {
    ($now:literal) => {
        concat!(
            "SELECT message_id FROM outbox WHERE claimable_at <= ",
            $now,
            " AND NOT EXISTS (SELECT 1 FROM cases JOIN studies ON studies.study_instance_uid = cases.study_instance_uid \
             WHERE cases.case_id = outbox.case_id AND studies.hold_reason IS NOT NULL)"
        )
    };
}

impl Store {
    /// Takes the message that is due longest, under a lease of `lease_ms`.
    pub async fn claim_message(&self, now: Timestamp, lease_ms: i64) -> Result<Option<Message>, StoreError> {
        for _ in 0..CLAIM_ATTEMPTS {
            let due = sqlx::query(concat!(claimable!("$1"), " LIMIT 1"))
                .bind(now.to_string())
                .fetch_optional(&self.reader)
                .await?;
            if due.is_none() {
                return Ok(None);
            }
            let lease_expires_at = now.plus_ms(lease_ms);
            let lease_token = uuid::Uuid::new_v4().to_string();
            // The guard stands outside the subselect too: see `jobs`.
            let row = sqlx::query(concat!(
                "UPDATE outbox SET lease_token = $1, claimable_at = $2, attempts = attempts + 1 \
                 WHERE claimable_at <= $3 AND message_id = (",
                claimable!("$3"),
                " ORDER BY claimable_at, message_id LIMIT 1) RETURNING *"
            ))
            .bind(lease_token.as_str())
            .bind(lease_expires_at.to_string())
            .bind(now.to_string())
            .fetch_optional(&self.writer)
            .await?;
            if let Some(row) = row {
                let (message, body) = (message_of(&row)?, optional_text(&row, "body")?);
                return Ok(Some(Message { row: message, body, lease_expires_at, lease_token }));
            }
        }
        Ok(None)
    }

    /// Stores what is to be sent, once; what stands afterwards is in `message.body`.
    pub async fn set_message_body(&self, message: &mut Message, body: String) -> Result<(), StoreError> {
        let row = sqlx::query(
            "UPDATE outbox SET body = COALESCE(body, $1) WHERE message_id = $2 AND lease_token = $3 \
             RETURNING body",
        )
        .bind(body)
        .bind(message.row.message_id.to_string())
        .bind(message.lease_token.as_str())
        .fetch_optional(&self.writer)
        .await?
        .ok_or(LOST)?;
        message.body = optional_text(&row, "body")?;
        Ok(())
    }

    /// The receiver accepted it; `receipt` is what it answered.
    pub async fn deliver_message(
        &self,
        message: &Message,
        receipt: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut end =
            Statement::new("UPDATE outbox SET lease_token = NULL, claimable_at = NULL, delivered_at = ");
        end.bind(now.to_string()).push(", receipt = ").bind(receipt.to_owned());
        self.end_attempt(message, end, "delivered", receipt, now).await
    }

    /// The attempt failed in a way that may pass: again after a wait that doubles, or dead after the
    /// allowed attempts. `detail` is seen by people and must identify nobody.
    pub async fn fail_delivery(
        &self,
        message: &Message,
        detail: &str,
        now: Timestamp,
    ) -> Result<DeliveryFate, StoreError> {
        let settings = &self.settings;
        if message.row.attempts >= settings.delivery_attempts {
            self.bury_message(message, detail, now).await?;
            return Ok(DeliveryFate::Dead);
        }
        let (first, most) = (settings.delivery_backoff_ms, settings.delivery_backoff_most_ms);
        let next = now.plus_ms(backoff_ms(first, most, message.row.attempts));
        let mut end = Statement::new("UPDATE outbox SET lease_token = NULL, claimable_at = ");
        end.bind(next.to_string()).push(", last_failure = ").bind(detail.to_owned());
        self.end_attempt(message, end, "failed", detail, now).await?;
        Ok(DeliveryFate::RetryAt(next))
    }

    /// The receiver refused it for good: a dead letter that a person sees.
    pub async fn bury_message(
        &self,
        message: &Message,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut end = Statement::new("UPDATE outbox SET lease_token = NULL, claimable_at = NULL, dead_at = ");
        end.bind(now.to_string()).push(", last_failure = ").bind(reason.to_owned());
        self.end_attempt(message, end, "refused", reason, now).await
    }

    /// The end of an attempt and its record, in one transaction.
    async fn end_attempt(
        &self,
        message: &Message,
        end: Statement,
        result: &'static str,
        detail: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_write().await?;
        let guard = Guard::Message(message.row.message_id);
        guard.update(&mut transaction, end, &message.lease_token).await?;
        sqlx::query(
            "INSERT INTO outbox_attempts (message_id, attempt, at, result, detail) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(message.row.message_id.to_string())
        .bind(message.row.attempts)
        .bind(now.to_string())
        .bind(result)
        .bind(detail)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// A person has a dead letter tried again.
    pub async fn revive_message(&self, message_id: MessageId, now: Timestamp) -> Result<(), StoreError> {
        let changed = sqlx::query(
            "UPDATE outbox SET dead_at = NULL, claimable_at = $1 WHERE message_id = $2 AND dead_at IS NOT NULL",
        )
        .bind(now.to_string())
        .bind(message_id.to_string())
        .execute(&self.writer)
        .await?
        .rows_affected();
        if changed != 1 {
            return Err(StoreError::NotFound { what: "dead letter" });
        }
        self.ring();
        Ok(())
    }

    /// Dead letters, latest first.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<MessageRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM outbox WHERE dead_at IS NOT NULL ORDER BY dead_at DESC, message_id DESC LIMIT $1",
        )
        .bind(i64::from(limit.min(self.settings.page_rows)))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(message_of)
        .collect()
    }

    /// The messages that a case owes or owed, in order.
    pub async fn messages_of_case(&self, case_id: CaseId) -> Result<Vec<MessageRow>, StoreError> {
        sqlx::query("SELECT * FROM outbox WHERE case_id = $1 ORDER BY event_position, message_id")
            .bind(case_id.to_string())
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(message_of)
            .collect()
    }

    /// A message and what was or is to be sent.
    pub async fn message(
        &self,
        message_id: MessageId,
    ) -> Result<Option<(MessageRow, Option<String>)>, StoreError> {
        sqlx::query("SELECT * FROM outbox WHERE message_id = $1")
            .bind(message_id.to_string())
            .fetch_optional(&self.reader)
            .await?
            .map(|row| Ok((message_of(&row)?, optional_text(&row, "body")?)))
            .transpose()
    }

    /// Every attempt at a message, in order.
    pub async fn attempts_of_message(&self, message_id: MessageId) -> Result<Vec<Attempt>, StoreError> {
        sqlx::query(
            "SELECT attempt, at, result, detail FROM outbox_attempts WHERE message_id = $1 ORDER BY attempt",
        )
        .bind(message_id.to_string())
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| {
            Ok(Attempt {
                attempt: integer(row, "attempt")?,
                at: parsed(row, "at")?,
                result: text(row, "result")?,
                detail: text(row, "detail")?,
            })
        })
        .collect()
    }

    /// When the next message can be claimed, as far as is known now.
    pub async fn next_message_at(&self) -> Result<Option<Timestamp>, StoreError> {
        sqlx::query(
            "SELECT claimable_at FROM outbox WHERE claimable_at IS NOT NULL ORDER BY claimable_at LIMIT 1",
        )
        .fetch_optional(&self.reader)
        .await?
        .map_or(Ok(None), |row| optional_parsed(&row, "claimable_at"))
    }
}

const LOST: StoreError = StoreError::LeaseLost { what: "message" };

fn message_of(row: &AnyRow) -> Result<MessageRow, StoreError> {
    Ok(MessageRow {
        message_id: parsed(row, "message_id")?,
        case_id: parsed(row, "case_id")?,
        kind: parsed(row, "kind")?,
        audience: parsed(row, "audience")?,
        source_read: optional_parsed(row, "source_read_id")?,
        event_position: size(row, "event_position")?,
        idempotency_key: text(row, "idempotency_key")?,
        created_at: parsed(row, "created_at")?,
        attempts: integer(row, "attempts")?,
        next_attempt_at: optional_parsed(row, "claimable_at")?,
        delivered_at: optional_parsed(row, "delivered_at")?,
        receipt: optional_text(row, "receipt")?,
        dead_at: optional_parsed(row, "dead_at")?,
        last_failure: optional_text(row, "last_failure")?,
    })
}
