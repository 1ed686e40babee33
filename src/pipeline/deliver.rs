//! Deliveries: what the outbox owes, sent until there is a receipt or a person has to look.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Pipeline, StageError, reason};
use crate::post;
use crate::store::{DeliveryFate, Message};

impl Pipeline {
    /// Sends one message after another until the stop.
    pub(super) async fn deliver(self: Arc<Self>, stop: CancellationToken) {
        let client = match post::client(&self.post.endpoint) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(%error, "results wait in the outbox: the record's settings can't be used");
                return;
            }
        };
        let mut bell = self.store.work_bell();
        while !stop.is_cancelled() {
            bell.mark_unchanged();
            match self.store.claim_message(self.clock.now(), self.settings.lease_ms).await {
                Ok(Some(message)) => {
                    if let Err(error) = self.attempt(&client, message).await {
                        tracing::warn!(
                            error = reason(&error),
                            "an attempt could not be recorded; its lease will run out"
                        );
                    }
                }
                Ok(None) => self.wait(&mut bell, &stop, self.settings.poll_ms).await,
                Err(error) => {
                    tracing::warn!(%error, "messages can't be claimed; trying again");
                    self.wait(&mut bell, &stop, self.settings.poll_ms).await;
                }
            }
        }
    }

    async fn attempt(&self, client: &reqwest::Client, mut message: Message) -> Result<(), StageError> {
        let kind = message.row.kind;
        if message.body.is_none() {
            match self.message_body(&message.row).await {
                Ok(body) => self.store.set_message_body(&mut message, body).await?,
                Err(StageError::Store(error)) => return Err(error.into()),
                Err(error) => return self.bury(&message, &reason(&error)).await,
            }
        }
        let body = message.body.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let Some(body) = body else { return self.bury(&message, "the stored body is not JSON").await };
        let key = message.row.idempotency_key.clone();
        let began = std::time::Instant::now();
        let outcome = post::deliver(client, &self.post.endpoint, &body, &key).await;
        metrics::histogram!("doubleread_stage_seconds", "stage" => "post")
            .record(began.elapsed().as_secs_f64());
        match outcome {
            Ok(receipt) => {
                let receipt = serde_json::to_string(&receipt).unwrap_or_default();
                self.store.deliver_message(&message, &receipt, self.clock.now()).await?;
                metrics::counter!("doubleread_deliveries_total", "kind" => kind.code(), "result" => "delivered").increment(1);
                tracing::info!(case.id = %message.row.case_id, message.kind = %kind, attempts = message.row.attempts, "delivered");
                Ok(())
            }
            Err(error) if error.is_retryable() => {
                let fate = self.store.fail_delivery(&message, &reason(&error), self.clock.now()).await?;
                metrics::counter!("doubleread_deliveries_total", "kind" => kind.code(), "result" => "failed")
                    .increment(1);
                match fate {
                    DeliveryFate::RetryAt(at) => {
                        tracing::warn!(message.kind = %kind, %error, retry_at = %at, "not delivered; trying again");
                    }
                    DeliveryFate::Dead => {
                        tracing::error!(message.kind = %kind, %error, "a dead letter: a person must look")
                    }
                }
                Ok(())
            }
            Err(error) => self.bury(&message, &reason(&error)).await,
        }
    }

    async fn bury(&self, message: &Message, why: &str) -> Result<(), StageError> {
        self.store.bury_message(message, why, self.clock.now()).await?;
        metrics::counter!("doubleread_deliveries_total", "kind" => message.row.kind.code(), "result" => "dead").increment(1);
        tracing::error!(message.kind = %message.row.kind, why, "a dead letter: a person must look");
        Ok(())
    }
}
