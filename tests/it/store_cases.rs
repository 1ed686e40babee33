//! Cases on the real database: one chain, no lost act, no second claim, nothing without a human.

use std::collections::BTreeSet;

use doubleread::reading::{
    Actor, CaseImage, CaseState, ChainFault, ClaimToken, Command, CompleteReason, Event, ImageSet, Policy,
    Refusal, Role, Slot, verify_chain,
};
use doubleread::store::{
    ActError, ConcordanceFilter, ConstraintKind, MachineTimes, MessageKind, Store, StoreError, WorklistQuery,
    is_taken_image_set,
};
use doubleread::vocab::{
    AiOutcome, AiResult, CaseId, ChestFinding, ChestOpinion, FindingCode, ModelStamp, NotProcessedReason,
    Opinion, Pathway, ReadId, SopInstanceUid, Timestamp, UserId,
};
use sqlx::{AnyConnection, Connection, Executor};

use crate::on_each_database;
use crate::store_database::{TestDatabase, now};

/// A number of the QA sampler that is never drawn.
const NOT_DRAWN: f64 = 0.999;

pub fn chest() -> Policy {
    Policy::shipped("chest-verify").unwrap()
}

pub fn image_set(study: u32, number: u32, at: Timestamp) -> ImageSet {
    ImageSet {
        study_instance_uid: format!("1.2.3.{study}").parse().unwrap(),
        pathway: Pathway::Chest,
        site: "van1".parse().unwrap(),
        number,
        supersedes: None,
        images: vec![CaseImage { sop_instance_uid: format!("1.2.3.{study}.1").parse().unwrap(), view: None }],
        complete_reason: CompleteReason::ExpectedViews,
        last_image_at: at,
        urgent: false,
    }
}

pub async fn open(store: &Store, set: ImageSet, at: Timestamp) -> CaseId {
    let policy = chest();
    store.keep_policy(&policy, at).await.unwrap();
    let case_id = CaseId::new();
    store.open_case(case_id, set, &policy, NOT_DRAWN, at).await.unwrap();
    case_id
}

pub fn reader(user: UserId) -> Actor {
    Actor::Person { user, role: Role::Reader }
}

pub fn ai_says(outcome: AiOutcome, at: Timestamp) -> (Command, Actor) {
    let model = ModelStamp {
        name: "chest-small".to_owned(),
        version: "1.0.0".to_owned(),
        sha256: "ab".repeat(32),
        operating_point: "balanced".to_owned(),
    };
    let mut result = AiResult::not_processed(NotProcessedReason::Blank, "", at);
    result.outcome = outcome;
    result.score = Some(0.25);
    result.model = Some(model.clone());
    (Command::RecordAi { result: Box::new(result) }, Actor::Ai { model: Some(model) })
}

/// Claims and, ten seconds later, locks an opinion.
pub async fn read(
    store: &Store,
    case_id: CaseId,
    user: UserId,
    opinion: ChestOpinion,
    at: Timestamp,
) -> ReadId {
    read_all(store, case_id, user, opinion, BTreeSet::new(), at).await
}

/// The same, with images that were opened.
pub async fn read_all(
    store: &Store,
    case_id: CaseId,
    user: UserId,
    opinion: ChestOpinion,
    images: BTreeSet<SopInstanceUid>,
    at: Timestamp,
) -> ReadId {
    let (token, read) = (ClaimToken::new(), ReadId::new());
    store.act(case_id, Command::Claim { token }, &reader(user), at).await.unwrap();
    if !images.is_empty() {
        let opened = Command::AcknowledgeImages { token, images };
        store.act(case_id, opened, &reader(user), at).await.unwrap();
    }
    let lock = Command::LockRead { token, read, opinion: Opinion::Chest(opinion), comment: String::new() };
    store.act(case_id, lock, &reader(user), at.plus_seconds(10)).await.unwrap();
    read
}

fn urgent() -> ChestOpinion {
    ChestOpinion::Abnormal {
        findings: vec![ChestFinding {
            code: FindingCode::ALL[0],
            side: None,
            zone: None,
            confidence: None,
            urgent: true,
            mark: None,
        }],
    }
}

async fn raw(database: &TestDatabase) -> AnyConnection {
    let mut connection = AnyConnection::connect(&database.url).await.unwrap();
    if database.url.starts_with("sqlite") {
        connection.execute("PRAGMA foreign_keys = ON").await.unwrap();
    }
    connection
}

on_each_database! {
    async fn a_concordant_normal_case_concludes_and_owes_one_report(database) {
        let store = &database.store;
        let at = now();
        let case_id = open(store, image_set(1, 1, at), at).await;
        let (command, actor) = ai_says(AiOutcome::Normal, at);
        store.act(case_id, command, &actor, at).await.unwrap();
        let user = UserId::new();
        let read_id = read(store, case_id, user, ChestOpinion::Normal, at).await;

        let row = store.case_row(case_id).await.unwrap().unwrap();
        assert_eq!((row.state.as_str(), row.outcome.as_deref()), ("concluded", Some("normal")));
        assert_eq!((row.ai_state.as_str(), row.open_slot), ("resulted", None));
        let messages = store.messages_of_case(case_id).await.unwrap();
        let owed: Vec<_> = messages.iter().map(|m| (m.kind, m.source_read)).collect();
        assert_eq!(owed, [(MessageKind::FhirReport, Some(read_id))]);
        let own = store.own_reads(user, None, 10).await.unwrap();
        assert_eq!(own.iter().map(|r| (r.case_id, r.read.id)).collect::<Vec<_>>(), [(case_id, read_id)]);
        let stored = store.ai_result(case_id).await.unwrap().unwrap();
        assert_eq!((stored.late, stored.result.score), (false, Some(0.25)));
        assert_eq!(store.ai_results_after(None, 10).await.unwrap(), [stored]);

        let period = ConcordanceFilter { from: at, to: at.plus_minutes(1), pathway: None, sites: BTreeSet::new() };
        let counts = store.concordance(&period).await.unwrap();
        let cells: Vec<_> =
            counts.iter().map(|c| (c.ai_word.as_str(), c.human_word.as_str(), c.case_count)).collect();
        assert_eq!(cells, [("normal", "normal", 1)]);
        let concluded = store.concluded_cases(Pathway::Chest, &BTreeSet::new(), None, 10).await.unwrap();
        assert_eq!(concluded.len(), 1);
    }

    async fn an_urgent_finding_sets_off_order_and_message_at_once(database) {
        let store = &database.store;
        let at = now();
        let case_id = open(store, image_set(1, 1, at), at).await;
        // The AI has not spoken: act, then review (X7).
        let read_id = read(store, case_id, UserId::new(), urgent(), at).await;
        let kinds: BTreeSet<MessageKind> =
            store.messages_of_case(case_id).await.unwrap().iter().map(|m| m.kind).collect();
        assert_eq!(kinds, BTreeSet::from([MessageKind::FollowUpOrder, MessageKind::UrgentMessage]));
        let orders = store.follow_up_orders(case_id).await.unwrap();
        assert_eq!(orders.iter().map(|o| o.read_id).collect::<Vec<_>>(), [read_id]);
        // The reader says more later: the referrer hears of it, and no second CT is ordered.
        let (command, actor) = ai_says(AiOutcome::Abnormal, at);
        store.act(case_id, command, &actor, at.plus_seconds(20)).await.unwrap();
        let Some(Opinion::Chest(ChestOpinion::Abnormal { mut findings })) = store
            .case(case_id).await.unwrap().unwrap().state.conclusion.map(|standing| standing.outcome)
        else { panic!("not concluded") };
        findings.push(ChestFinding { code: FindingCode::Mass, ..findings[0].clone() });
        let more = Command::Addendum {
            reason: "seen later".into(),
            text: "a mass as well".into(),
            opinion: Some(Opinion::Chest(ChestOpinion::Abnormal { findings })),
        };
        let lead = Actor::Person { user: UserId::new(), role: Role::Lead };
        store.act(case_id, more, &lead, at.plus_seconds(30)).await.unwrap();
        let messages = store.messages_of_case(case_id).await.unwrap();
        let count = |kind| messages.iter().filter(|m| m.kind == kind).count();
        assert_eq!((count(MessageKind::UrgentMessage), count(MessageKind::FollowUpOrder)), (2, 1));
    }

    async fn sixteen_readers_race_for_a_case_and_one_gets_it(database) {
        let store = &database.store;
        let at = now();
        let case_id = open(store, image_set(1, 1, at), at).await;
        let mut race = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let store = store.clone();
            race.spawn(async move {
                let claim = Command::Claim { token: ClaimToken::new() };
                match store.act(case_id, claim, &reader(UserId::new()), at).await {
                    Ok(_) => true,
                    Err(ActError::Refused(Refusal::ClaimedByAnother { .. })) => false,
                    Err(other) => panic!("{other:?}"),
                }
            });
        }
        assert_eq!(race.join_all().await.into_iter().filter(|won| *won).count(), 1);
    }

    async fn acts_on_many_cases_make_one_chain_that_folds_to_what_is_stored(database) {
        let store = &database.store;
        let at = now();
        let mut tasks = tokio::task::JoinSet::new();
        for study in 0..8 {
            let store = store.clone();
            tasks.spawn(async move {
                let case_id = open(&store, image_set(study, 1, at), at).await;
                let (command, actor) = ai_says(AiOutcome::Abnormal, at);
                store.act(case_id, command, &actor, at).await.unwrap();
                read(&store, case_id, UserId::new(), ChestOpinion::Normal, at).await;
                read(&store, case_id, UserId::new(), urgent(), at.plus_seconds(20)).await;
                case_id
            });
        }
        let cases = tasks.join_all().await;
        let mut links = Vec::new();
        loop {
            let page = store.chain_links_after(links.len() as u64, 7).await.unwrap();
            if page.is_empty() {
                break;
            }
            links.extend(page);
        }
        let noted = store.chain_head().await.unwrap();
        assert_eq!(verify_chain(links.clone(), Some(&noted)), Ok(noted.clone()));
        for case_id in cases {
            let events = store.events_of_case(case_id).await.unwrap();
            let folded =
                CaseState::fold(case_id, events.iter().map(|e| (e.entry.at, &e.entry.event))).unwrap();
            let case = store.case(case_id).await.unwrap().unwrap();
            assert_eq!(folded, case.state);
            assert!(folded.arbitration_due.is_some(), "normal against abnormal");
            let row = store.case_row(case_id).await.unwrap().unwrap();
            assert_eq!((row.state.as_str(), row.open_slot), ("arbitration", Some(Slot::Arbitration)));
        }

        // S12: whoever has the database can change it, and is found out.
        let mut connection = raw(database).await;
        connection.execute("DELETE FROM outbox").await.unwrap();
        let mut expect = async |statement: &'static str, fault: ChainFault| {
            connection.execute(statement).await.unwrap();
            let links = store.chain_links_after(0, 1_000).await.unwrap();
            assert_eq!(verify_chain(links, Some(&noted)), Err(fault));
        };
        let last = noted.position;
        let end = "DELETE FROM events WHERE position = (SELECT MAX(position) FROM events)";
        expect(end, ChainFault::Truncated { expected: last, found: last - 1 }).await;
        expect("DELETE FROM events WHERE position = 20", ChainFault::Gap { expected: 20, found: 21 }).await;
        let edit = "UPDATE events SET sealed = replace(sealed, 'van1', 'van2') WHERE position = 1";
        expect(edit, ChainFault::Edited { position: 1 }).await;
        connection.close().await.unwrap();
    }

    async fn r17_the_database_refuses_a_report_without_a_finalised_human_read(database) {
        let store = &database.store;
        let at = now();
        let case_id = open(store, image_set(1, 1, at), at).await;
        let other = open(store, image_set(2, 1, at), at).await;
        let (command, actor) = ai_says(AiOutcome::Abnormal, at);
        store.act(case_id, command, &actor, at).await.unwrap();
        let foreign = read(store, other, UserId::new(), ChestOpinion::Normal, at).await;
        let mut connection = raw(database).await;
        let insert = |kind: &str, audience: &str, source: Option<ReadId>| {
            let source = source.map_or("NULL".to_owned(), |read| format!("'{read}'"));
            sqlx::AssertSqlSafe(format!(
                "INSERT INTO outbox (message_id, case_id, kind, audience, source_read_id, event_position, \
                 idempotency_key, created_at, claimable_at, attempts) VALUES ('{0}', '{case_id}', '{kind}', \
                 '{audience}', {source}, 1, '{0}', '{at}', '{at}', 0)",
                uuid::Uuid::new_v4()
            ))
        };
        for (kind, audience) in [
            ("fhir_report", "record"), ("fhir_report", "site"), ("patient_message", "patient"),
            ("urgent_message", "referrer"), ("anything", "patient"), ("anything", "record"),
        ] {
            for source in [None, Some(ReadId::new()), Some(foreign)] {
                let refused = connection.execute(insert(kind, audience, source)).await;
                assert!(refused.is_err(), "{kind} for {audience} from {source:?} was accepted");
            }
        }
        // An AI's opinion can't be made a finalised read.
        let read_id = ReadId::new();
        for (kind, fine) in [("ai", true), ("human", false)] {
            let statement = format!(
                "INSERT INTO reads (read_id, case_id, slot, reader_id, reader_kind, mode, blind_word, \
                 current_word, locked_at, reading_ms, body) VALUES ('{read_id}', '{case_id}', 'first', 'm', \
                 '{kind}', 'off', 'normal', 'normal', '{at}', 0, '{{}}')"
            );
            assert_eq!(connection.execute(sqlx::AssertSqlSafe(statement)).await.is_ok(), fine);
        }
        for kind in ["ai", "human"] {
            let statement = format!(
                "INSERT INTO finalised_reads (read_id, case_id, reader_kind, finalised_at) \
                 VALUES ('{read_id}', '{case_id}', '{kind}', '{at}')"
            );
            assert!(connection.execute(sqlx::AssertSqlSafe(statement)).await.is_err(), "{kind}");
        }
        connection.execute(insert("note", "site", None)).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn new_images_supersede_the_old_case_in_one_transaction(database) {
        let store = &database.store;
        let at = now();
        let old = open(store, image_set(1, 1, at), at).await;
        let token = ClaimToken::new();
        store.act(old, Command::Claim { token }, &reader(UserId::new()), at).await.unwrap();
        let set = ImageSet { supersedes: Some(old), ..image_set(1, 2, at) };
        let new = open(store, set.clone(), at).await;
        let rows = store.cases_of_study(&set.study_instance_uid).await.unwrap();
        let states: Vec<_> = rows.iter().map(|r| (r.case_id, r.state.as_str(), r.superseded_by)).collect();
        assert_eq!(states, [(old, "superseded", Some(new)), (new, "first_read", None)]);
        assert_eq!(store.worklist(&WorklistQuery::default(), at, 10).await.unwrap().len(), 1);
        let lost = store.renew_claim(old, token, UserId::new(), at).await;
        assert!(matches!(lost, Err(StoreError::LeaseLost { .. })));
        let again = store.open_case(CaseId::new(), set, &chest(), NOT_DRAWN, at).await.unwrap_err();
        assert!(is_taken_image_set(&again), "{again:?}");
        let head = store.chain_head().await.unwrap();
        let links = store.chain_links_after(0, 1_000).await.unwrap();
        assert_eq!(verify_chain(links, Some(&head)), Ok(head), "a refused case leaves no gap");
    }

    async fn two_machines_of_one_claim_know_of_each_other_until_one_falls_silent_or_the_claim_ends(database) {
        let store = &database.store;
        let at = now();
        let case_id = open(store, image_set(1, 1, at), at).await;
        let (token, user) = (ClaimToken::new(), UserId::new());
        store.act(case_id, Command::Claim { token }, &reader(user), at).await.unwrap();
        let times = MachineTimes { written_ms: 20_000, gone_ms: 50_000 };
        let note = async |machine: &str, seconds: i64| {
            store.note_machine(case_id, token, machine, times, at.plus_seconds(seconds)).await.unwrap()
        };
        assert!(!note("here", 0).await);
        assert!(note("there", 1).await);
        assert!(note("here", 5).await);
        assert!(note("here", 50).await, "the other was written 49 seconds ago");
        assert!(!note("here", 52).await, "silence");
        assert!(note("there", 55).await);
        store.act(case_id, Command::ReleaseClaim { token }, &reader(user), at.plus_seconds(56)).await.unwrap();
        assert!(!note("there", 57).await);
        let again = ClaimToken::new();
        store.act(case_id, Command::Claim { token: again }, &reader(user), at.plus_seconds(58)).await.unwrap();
        assert!(!store.note_machine(case_id, again, "there", times, at.plus_seconds(59)).await.unwrap());
    }

    async fn a_heartbeat_keeps_a_claim_and_a_tick_takes_it_back_when_it_has_ended(database) {
        let store = &database.store;
        let at = now();
        let case_id = open(store, image_set(1, 1, at), at).await;
        let (token, user) = (ClaimToken::new(), UserId::new());
        store.act(case_id, Command::Claim { token }, &reader(user), at).await.unwrap();
        assert_eq!(store.claimed_by(user, at).await.unwrap(), [case_id]);
        let ends = store.renew_claim(case_id, token, user, at.plus_minutes(9)).await.unwrap();
        assert_eq!(ends, at.plus_minutes(19));
        let tick = async |minutes: i64| {
            let due = store.cases_with_timer_due(at.plus_minutes(minutes), 10).await.unwrap();
            assert_eq!(due, [case_id]);
            let at = at.plus_minutes(minutes);
            store.act(case_id, Command::Tick, &Actor::System, at).await.unwrap().recorded.len()
        };
        assert_eq!(tick(10).await, 0, "the heartbeat moved the lease");
        assert_eq!(store.next_timer_at().await.unwrap(), Some(at.plus_minutes(19)));
        assert_eq!(tick(19).await, 1);
        let late = store.renew_claim(case_id, token, user, at.plus_minutes(19)).await;
        assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
        let lock = Command::LockRead { token, read: ReadId::new(), opinion: Opinion::Chest(ChestOpinion::Normal), comment: String::new() };
        let refused = store.act(case_id, lock, &reader(user), at.plus_minutes(19)).await;
        assert!(matches!(refused, Err(ActError::Refused(Refusal::ClaimLost))), "{refused:?}");
    }

    async fn the_worklist_is_in_queue_order_without_what_the_reader_has_done(database) {
        let store = &database.store;
        let at = now();
        let mut cases = Vec::new();
        for (study, minutes, urgent) in [(1, 3, false), (2, 1, false), (3, 2, false), (4, 4, true)] {
            let images_at = at.plus_minutes(minutes);
            let set = ImageSet { urgent, ..image_set(study, 1, images_at) };
            cases.push(open(store, set, at).await);
        }
        let ids = async |query: &WorklistQuery| -> Vec<CaseId> {
            store.worklist(query, at, 10).await.unwrap().iter().map(|row| row.case_id).collect()
        };
        let order = [cases[3], cases[1], cases[2], cases[0]];
        assert_eq!(ids(&WorklistQuery::default()).await, order, "urgent, then the oldest");

        let mut paged = Vec::new();
        let mut query = WorklistQuery { sites: BTreeSet::from(["van1".parse().unwrap()]), ..Default::default() };
        while let Some(row) = store.worklist(&query, at, 1).await.unwrap().pop() {
            paged.push(row.case_id);
            query.after = Some(row.key().to_string().parse().unwrap());
        }
        assert_eq!(paged, order);
        let elsewhere = WorklistQuery { sites: BTreeSet::from(["van2".parse().unwrap()]), ..Default::default() };
        assert!(ids(&elsewhere).await.is_empty());

        let (me, another) = (UserId::new(), UserId::new());
        let claim = |token| Command::Claim { token };
        store.act(cases[3], claim(ClaimToken::new()), &reader(another), at).await.unwrap();
        let token = ClaimToken::new();
        store.act(cases[1], claim(token), &reader(me), at).await.unwrap();
        store.act(cases[1], Command::Skip { token }, &reader(me), at).await.unwrap();
        let (command, actor) = ai_says(AiOutcome::Abnormal, at);
        store.act(cases[2], command, &actor, at).await.unwrap();
        read(store, cases[2], me, ChestOpinion::Normal, at).await;
        let mine = WorklistQuery { reader: Some(me), ..Default::default() };
        assert_eq!(ids(&mine).await, [cases[0]]);
        let first = WorklistQuery { slots: BTreeSet::from([Slot::Second]), ..Default::default() };
        assert_eq!(ids(&first).await, [cases[2]]);
        let waiting = store
            .cases_in_state(Pathway::Chest, "second_read", &BTreeSet::new(), None, 10)
            .await
            .unwrap();
        assert_eq!(waiting.iter().map(|row| row.case_id).collect::<Vec<_>>(), [cases[2]]);
    }

    async fn a_policy_keeps_its_words_under_one_version(database) {
        let store = &database.store;
        store.keep_policy(&chest(), now()).await.unwrap();
        store.keep_policy(&chest(), now()).await.unwrap();
        let changed = Policy { title: "Other words".to_owned(), ..chest() };
        let refused = store.keep_policy(&changed, now()).await;
        assert!(matches!(refused, Err(StoreError::PolicyChanged { .. })), "{refused:?}");
    }

    async fn r1_the_database_refuses_a_second_read_by_one_reader(database) {
        let store = &database.store;
        let at = now();
        let case_id = open(store, image_set(1, 1, at), at).await;
        let user = UserId::new();
        read(store, case_id, user, ChestOpinion::Normal, at).await;
        let mut connection = raw(database).await;
        let refused = connection
            .execute(sqlx::AssertSqlSafe(format!(
                "INSERT INTO reads (read_id, case_id, slot, reader_id, reader_kind, mode, blind_word, \
                 current_word, locked_at, reading_ms, body) VALUES ('x', '{case_id}', 'second', '{user}', \
                 'human', 'off', 'normal', 'normal', '{at}', 0, '{{}}')"
            )))
            .await
            .map_err(StoreError::from);
        let unique = matches!(refused, Err(StoreError::Constraint { kind: ConstraintKind::Unique, .. }));
        assert!(unique, "{refused:?}");
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_command_leaves_no_event() {
    let database = TestDatabase::sqlite(Default::default()).await;
    let at = now();
    let case_id = open(&database.store, image_set(1, 1, at), at).await;
    let wish = Command::Release;
    assert!(database.store.act(case_id, wish, &reader(UserId::new()), at).await.is_err());
    let events = database.store.events_of_case(case_id).await.unwrap();
    let opened = matches!(events.first().map(|e| &e.entry.event), Some(Event::CaseOpened { .. }));
    assert!(opened && events.len() == 1);
    database.remove().await;
}
