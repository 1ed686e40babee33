//! Jobs: one winner per claim, leases that end, failures that end too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use doubleread::store::{Job, JobFate, JobKind, NewJob, Settings, Store, StoreError};
use doubleread::vocab::Timestamp;

use crate::on_each_database;
use crate::store_database::{TestDatabase, now};

const LEASE_MS: i64 = 60_000;

fn job(subject: &str, run_at: Timestamp) -> NewJob {
    NewJob { kind: JobKind::Score, subject: subject.to_owned(), priority: 0, run_at }
}

async fn claim(store: &Store, at: Timestamp) -> Option<Job> {
    store.claim_job(&[JobKind::Score], at, LEASE_MS).await.unwrap()
}

on_each_database! {
    async fn sixteen_workers_get_each_job_once(database) {
        let store = &database.store;
        let jobs = 400;
        let at = now();
        for n in 0..jobs {
            store.enqueue(job(&n.to_string(), at), at).await.unwrap();
        }
        let given: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (store, given) = (store.clone(), given.clone());
            workers.spawn(async move {
                while store.next_job_at(&[JobKind::Score]).await.unwrap().is_some_and(|next| next <= at) {
                    let Some(job) = claim(&store, at).await else { continue };
                    *given.lock().unwrap().entry(job.subject.clone()).or_default() += 1;
                    store.complete_job(&job, at).await.unwrap();
                }
            });
        }
        workers.join_all().await;
        let given = given.lock().unwrap();
        assert_eq!(given.len(), jobs);
        assert!(given.values().all(|times| *times == 1), "a job was given out twice");
    }

    async fn a_job_whose_worker_died_is_claimed_again_after_its_lease(database) {
        let store = &database.store;
        let at = now();
        store.enqueue(job("case", at), at).await.unwrap();
        let mut dead = claim(store, at).await.unwrap();
        assert_eq!(claim(store, at).await, None);
        assert_eq!(claim(store, at.plus_ms(LEASE_MS - 1)).await, None);
        let heir = claim(store, at.plus_ms(LEASE_MS)).await.unwrap();
        assert_eq!((heir.job_id, heir.attempts), (dead.job_id, 2));
        for lost in [store.complete_job(&dead, at).await, store.renew_job(&mut dead, at, LEASE_MS).await] {
            assert!(matches!(lost, Err(StoreError::LeaseLost { .. })));
        }
        store.complete_job(&heir, at).await.unwrap();
        assert!(matches!(store.complete_job(&heir, at).await, Err(StoreError::LeaseLost { .. })));
        assert_eq!(store.next_job_at(&[JobKind::Score]).await.unwrap(), None);
        assert_eq!(store.forget_done_jobs(at.plus_ms(1)).await.unwrap(), 1);
    }

    async fn asking_twice_pulls_one_job_forward(database) {
        let store = &database.store;
        let at = now();
        for minutes in [60, 30, 90] {
            store.enqueue(job("case", at.plus_minutes(minutes)), at).await.unwrap();
        }
        assert_eq!(store.next_job_at(&[JobKind::Score]).await.unwrap(), Some(at.plus_minutes(30)));
        assert_eq!(claim(store, at).await, None);
        let held = claim(store, at.plus_minutes(30)).await.unwrap();

        // Asked for while it runs: it runs once more, and nobody takes it in the meantime.
        store.enqueue(job("case", at), at).await.unwrap();
        assert_eq!(claim(store, at.plus_minutes(30)).await, None);
        store.complete_job(&held, at.plus_minutes(30)).await.unwrap();
        let again = claim(store, at).await.unwrap();
        assert_eq!(again.attempts, 1);
        store.postpone_job(&again, at.plus_minutes(5)).await.unwrap();
        assert_eq!(store.next_job_at(&[JobKind::Score]).await.unwrap(), Some(at.plus_minutes(5)));
    }

    async fn urgent_work_goes_first_and_other_kinds_are_left_alone(database) {
        let store = &database.store;
        let at = now();
        for (subject, priority) in [("usual", 0), ("urgent", -1), ("idle", 5)] {
            store.enqueue(NewJob { priority, ..job(subject, at) }, at).await.unwrap();
        }
        assert_eq!(store.claim_job(&[JobKind::Assemble], at, LEASE_MS).await.unwrap(), None);
        let mut order = Vec::new();
        while let Some(job) = store.claim_job(&[JobKind::Assemble, JobKind::Score], at, LEASE_MS).await.unwrap() {
            order.push(job.subject);
        }
        assert_eq!(order, ["urgent", "usual", "idle"]);
    }

    async fn a_job_that_keeps_failing_is_given_up_with_its_reason(database) {
        let store = &database.store;
        let mut at = now();
        store.enqueue(job("case", at), at).await.unwrap();
        let mut waits = Vec::new();
        loop {
            let held = claim(store, at).await.unwrap();
            match store.fail_job(&held, "the model failed", at).await.unwrap() {
                JobFate::RetryAt(next) => {
                    waits.push(next.ms_since(at));
                    at = next;
                }
                JobFate::GivenUp => break,
            }
        }
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000]);
        assert_eq!(claim(store, at.plus_minutes(600)).await, None);
        let failed = store.failed_jobs(10).await.unwrap();
        let reasons: Vec<&str> = failed.iter().map(|f| f.reason.as_str()).collect();
        assert_eq!(reasons, ["the model failed"]);
        // A job that was given up does not stand in the way of a new one.
        store.enqueue(job("case", at), at).await.unwrap();
        assert!(claim(store, at).await.is_some());
    }

    async fn a_job_that_kills_its_workers_is_given_up(database) {
        let store = &database.store;
        let mut at = now();
        store.enqueue(job("case", at), at).await.unwrap();
        let mut claims = 0;
        while claim(store, at).await.is_some() {
            claims += 1;
            at = at.plus_ms(LEASE_MS);
        }
        assert_eq!(claims, Settings::default().job_attempts);
        assert_eq!(store.failed_jobs(10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_bell_rings_for_new_work() {
    let database = TestDatabase::sqlite(Settings::default()).await;
    let mut bell = database.store.work_bell();
    database.store.enqueue(job("case", now()), now()).await.unwrap();
    bell.changed().await.unwrap();
    database.remove().await;
}
