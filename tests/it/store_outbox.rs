//! The outbox: each message to one worker at a time, each attempt kept, dead letters seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use doubleread::store::{DeliveryFate, Settings, Store, StoreError};
use doubleread::vocab::{AiOutcome, ChestOpinion, Timestamp, UserId};

use crate::on_each_database;
use crate::store_cases::{ai_says, image_set, open, read};
use crate::store_database::now;

const LEASE_MS: i64 = 30_000;

/// Concludes `count` cases, each of which owes one report; the instant from which they are due.
async fn owe_reports(store: &Store, count: u32) -> Timestamp {
    let at = now();
    for study in 0..count {
        let case_id = open(store, image_set(study, 1, at), at).await;
        let (command, actor) = ai_says(AiOutcome::Normal, at);
        store.act(case_id, command, &actor, at).await.unwrap();
        read(store, case_id, UserId::new(), ChestOpinion::Normal, at).await;
    }
    at.plus_minutes(1)
}

on_each_database! {
    async fn sixteen_senders_get_each_message_once(database) {
        let store = &database.store;
        let at = owe_reports(store, 20).await;
        let given: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (store, given) = (store.clone(), given.clone());
            senders.spawn(async move {
                while store.next_message_at().await.unwrap().is_some_and(|next| next <= at) {
                    let Some(mut message) = store.claim_message(at, LEASE_MS).await.unwrap() else { continue };
                    *given.lock().unwrap().entry(message.row.idempotency_key.clone()).or_default() += 1;
                    store.set_message_body(&mut message, "{}".to_owned()).await.unwrap();
                    store.deliver_message(&message, "DiagnosticReport/1", at).await.unwrap();
                }
            });
        }
        senders.join_all().await;
        let given = std::mem::take(&mut *given.lock().unwrap());
        assert_eq!(given.len(), 20);
        assert!(given.values().all(|times| *times == 1), "a message was given out twice");
        let queue = store.outbox_queue(at).await.unwrap();
        assert_eq!((queue.open, queue.dead, queue.oldest_ms), (0, 0, 0));
    }

    async fn a_message_is_built_once_and_every_attempt_is_kept(database) {
        let store = &database.store;
        let mut at = owe_reports(store, 1).await;
        let mut lost = store.claim_message(at, LEASE_MS).await.unwrap().unwrap();
        assert_eq!(lost.body, None);
        store.set_message_body(&mut lost, "first".to_owned()).await.unwrap();
        at = at.plus_ms(LEASE_MS);
        let mut message = store.claim_message(at, LEASE_MS).await.unwrap().unwrap();
        assert_eq!(message.body.as_deref(), Some("first"), "a sender that died leaves its words");
        store.set_message_body(&mut message, "second".to_owned()).await.unwrap();
        assert_eq!(message.body.as_deref(), Some("first"));
        let refused = store.deliver_message(&lost, "late", at).await;
        assert!(matches!(refused, Err(StoreError::LeaseLost { .. })));
        let fate = store.fail_delivery(&message, "503", at).await.unwrap();
        assert_eq!(fate, DeliveryFate::RetryAt(at.plus_ms(2_000)));
        assert_eq!(store.claim_message(at, LEASE_MS).await.unwrap(), None);
        at = at.plus_ms(2_000);
        let message = store.claim_message(at, LEASE_MS).await.unwrap().unwrap();
        store.bury_message(&message, "400: not valid", at).await.unwrap();
        let dead = store.dead_letters(10).await.unwrap();
        assert_eq!(dead.iter().map(|m| m.last_failure.as_deref()).collect::<Vec<_>>(), [Some("400: not valid")]);
        let message_id = dead[0].message_id;
        store.revive_message(message_id, at).await.unwrap();
        let message = store.claim_message(at, LEASE_MS).await.unwrap().unwrap();
        store.deliver_message(&message, "DiagnosticReport/7", at).await.unwrap();
        let attempts = store.attempts_of_message(message_id).await.unwrap();
        let results: Vec<_> = attempts.iter().map(|a| (a.attempt, a.result.as_str())).collect();
        assert_eq!(results, [(2, "failed"), (3, "refused"), (4, "delivered")]);
        let (row, body) = store.message(message_id).await.unwrap().unwrap();
        assert_eq!((row.receipt.as_deref(), body.as_deref()), (Some("DiagnosticReport/7"), Some("first")));
        assert!(row.delivered_at.is_some() && row.next_attempt_at.is_none());
    }

    async fn a_receiver_that_stays_away_makes_a_dead_letter(database) {
        let store = &database.store;
        let mut at = owe_reports(store, 1).await;
        let mut attempts = 0;
        while let Some(message) = store.claim_message(at, LEASE_MS).await.unwrap() {
            attempts += 1;
            match store.fail_delivery(&message, "no answer", at).await.unwrap() {
                DeliveryFate::RetryAt(next) => at = next,
                DeliveryFate::Dead => break,
            }
        }
        assert_eq!(attempts, Settings::default().delivery_attempts);
        assert_eq!(store.outbox_queue(at).await.unwrap().dead, 1);
    }
}
