//! Orders on the real database: one for its numbers, matched whichever comes first, held where it is somebody else's.

use doubleread::reading::{Command, OrderMatch, match_order};
use doubleread::store::{
    HoldReason, JobKind, NewUser, OrderAct, OrderError, OrderQuery, PostedOrder, Store, StoreError,
};
use doubleread::vocab::{
    AiOutcome, ChestOpinion, InadequateReason, Instance, Order, OrderContent, OrderState, OrderUrgency,
    OrderedPatient, Pathway, Role, StudyInstanceUid, Timestamp, UserId,
};

use crate::on_each_database;
use crate::store_cases::{ai_says, image_set, open, read};
use crate::store_database::now;
use crate::store_instances::instance;

/// An order for the patient of [`instance`], with the accession number of study `study`.
pub fn content(number: u32, study: u32) -> OrderContent {
    OrderContent {
        placer_order_number: format!("RQ{number}").parse().unwrap(),
        accession_number: format!("A{study}").parse().unwrap(),
        site: "van1".parse().unwrap(),
        patient: OrderedPatient {
            id: "P1".parse().unwrap(),
            issuer: String::new(),
            nhs_number: None,
            name: "Doe^Jane^Mary".to_owned(),
            birth_date: "19600101".to_owned(),
        },
        pathway: Pathway::Chest,
        procedure: "XR chest PA".to_owned(),
        reason: "Cough for six weeks".to_owned(),
        symptoms: "Weight loss".to_owned(),
        urgency: OrderUrgency::Routine,
        requested_at: "2026-01-02T03:04:05.000Z".parse().unwrap(),
    }
}

fn for_another(number: u32, study: u32) -> OrderContent {
    let mut other = content(number, study);
    other.patient.id = "P9".parse().unwrap();
    other.patient.name = "Roe^Ann".to_owned();
    other
}

async fn sender(store: &Store) -> UserId {
    let user = NewUser {
        sign_in_name: "machine".to_owned(),
        display_name: "Machine".to_owned(),
        password_hash: None,
        roles: [Role::Admin].into(),
        sites: Default::default(),
    };
    store.create_user(user, now()).await.unwrap().user_id
}

async fn posted(store: &Store, content: &OrderContent, by: UserId) -> Order {
    store.post_order(content, by, now()).await.unwrap().into_order()
}

fn uid(study: u32) -> StudyInstanceUid {
    format!("1.2.3.{study}").parse().unwrap()
}

async fn arrives(store: &Store, study: u32, number: u32, change: impl FnOnce(&mut Instance)) {
    let mut one = instance(study, number, &format!("{study:x}{number:x}"));
    change(&mut one);
    store.register(vec![one]).await.unwrap();
}

async fn hold(store: &Store, study: u32) -> Option<HoldReason> {
    store.study(&uid(study)).await.unwrap().unwrap().hold.map(|(reason, _)| reason)
}

async fn state(store: &Store, order: &Order) -> OrderState {
    store.order(order.order_id).await.unwrap().unwrap().state
}

async fn acts(store: &Store, order: &Order) -> Vec<OrderAct> {
    store.changes_of_order(order.order_id).await.unwrap().iter().map(|change| change.act).collect()
}

/// A case of a study, read once as `opinion`.
async fn concluded(store: &Store, study: u32, opinion: ChestOpinion, by: UserId, at: Timestamp) {
    let case = open(store, image_set(study, 1, at), at).await;
    let (command, actor) = ai_says(AiOutcome::Normal, at);
    store.act(case, command, &actor, at).await.unwrap();
    read(store, case, by, opinion, at).await;
    assert!(store.case_row(case).await.unwrap().unwrap().concluded_at.is_some());
}

fn inadequate() -> ChestOpinion {
    ChestOpinion::Inadequate { reason: InadequateReason::ALL[0] }
}

on_each_database! {
    async fn an_order_is_one_for_its_numbers_and_every_act_on_it_is_kept(database) {
        let store = &database.store;
        let by = sender(store).await;
        let first = content(1, 1);
        let PostedOrder::Received(order) = store.post_order(&first, by, now()).await.unwrap() else { panic!() };
        assert_eq!((order.state, order.version, &order.content), (OrderState::Requested, 1, &first));
        let again = store.post_order(&first, by, now()).await.unwrap();
        assert_eq!(again, PostedOrder::Known(order.clone()));

        let changed = OrderContent { symptoms: "None".to_owned(), urgency: OrderUrgency::Urgent, ..first.clone() };
        let PostedOrder::Changed(second) = store.post_order(&changed, by, now()).await.unwrap() else { panic!() };
        assert_eq!((second.order_id, second.version, &second.content), (order.order_id, 2, &changed));
        let cancelled = store.cancel_order(order.order_id, "no longer wanted", by, now()).await.unwrap();
        assert_eq!(cancelled.state, OrderState::Cancelled);
        assert_eq!(store.cancel_order(order.order_id, "again", by, now()).await.unwrap(), cancelled);
        assert!(matches!(store.post_order(&first, by, now()).await, Err(OrderError::IsCancelled)));
        assert_eq!(store.post_order(&changed, by, now()).await.unwrap(), PostedOrder::Known(cancelled));

        let history = store.changes_of_order(order.order_id).await.unwrap();
        let told: Vec<_> = history.iter().map(|one| (one.version, one.act, one.by, one.reason.as_str())).collect();
        assert_eq!(told, [
            (1, OrderAct::Received, Some(by), ""),
            (2, OrderAct::Changed, Some(by), ""),
            (3, OrderAct::Cancelled, Some(by), "no longer wanted"),
        ]);
        assert_eq!((&history[0].content, &history[1].content), (&first, &changed));
        let nobody = doubleread::vocab::OrderId::new();
        let missing = store.cancel_order(nobody, "x", by, now()).await;
        assert!(matches!(missing, Err(OrderError::Store(StoreError::NotFound { .. }))));
    }

    async fn an_accession_number_is_of_one_patient_at_a_site(database) {
        let store = &database.store;
        let by = sender(store).await;
        let order = posted(store, &content(1, 1), by).await;
        assert!(matches!(store.post_order(&for_another(2, 1), by, now()).await, Err(OrderError::AccessionOfAnother)));
        posted(store, &content(3, 1), by).await;
        let elsewhere = OrderContent { site: "south".parse().unwrap(), ..for_another(2, 1) };
        posted(store, &elsewhere, by).await;
        store.cancel_order(order.order_id, "wrong patient", by, now()).await.unwrap();
        assert!(store.post_order(&for_another(2, 1), by, now()).await.is_err(), "the other order of hers stands");
        let waiting = OrderQuery { states: vec![OrderState::Requested], limit: 10, ..OrderQuery::default() };
        assert_eq!(store.orders(&waiting).await.unwrap().len(), 2);
        let of_site = OrderQuery { sites: vec!["south".parse().unwrap()], ..waiting };
        let found = store.orders(&of_site).await.unwrap();
        assert_eq!(found.iter().map(|order| &order.content).collect::<Vec<_>>(), [&elsewhere]);
    }

    async fn orders_are_listed_urgent_first_then_by_when_they_were_asked_for(database) {
        let store = &database.store;
        let by = sender(store).await;
        let asked = |number: u32, minute: i64, urgency| {
            let one = content(number, number);
            OrderContent { requested_at: one.requested_at.plus_minutes(minute), urgency, ..one }
        };
        for one in [asked(1, 2, OrderUrgency::Routine), asked(2, 1, OrderUrgency::Routine), asked(3, 3, OrderUrgency::Urgent)] {
            posted(store, &one, by).await;
        }
        let found = store.orders(&OrderQuery { limit: 9, ..OrderQuery::default() }).await.unwrap();
        let numbers: Vec<_> = found.iter().map(|order| order.content.placer_order_number.as_str()).collect();
        assert_eq!(numbers, ["RQ3", "RQ2", "RQ1"]);
        let latest = OrderQuery { latest_first: true, states: vec![OrderState::Requested], limit: 2, ..OrderQuery::default() };
        let found = store.orders(&latest).await.unwrap();
        assert_eq!(found.iter().map(|one| one.content.placer_order_number.as_str()).collect::<Vec<_>>(), ["RQ3", "RQ1"]);
        let one = OrderQuery { accession_number: "A2".parse().ok(), limit: 9, ..OrderQuery::default() };
        assert_eq!(store.orders(&one).await.unwrap().len(), 1);
    }

    async fn x6_an_order_lives_from_the_request_to_the_report_and_waits_again_for_a_repeat(database) {
        let store = &database.store;
        let by = sender(store).await;
        let order = posted(store, &content(1, 1), by).await;
        arrives(store, 1, 1, |one| one.received_at = one.received_at.plus_minutes(-9)).await;
        assert_eq!(state(store, &order).await, OrderState::ImagesIn);
        assert_eq!(store.studies_of_order(order.order_id).await.unwrap(), [uid(1)]);
        assert_eq!(store.orders_of_study(&uid(1)).await.unwrap().len(), 1);
        let other = OrderContent { reason: "Other".to_owned(), ..content(1, 1) };
        assert!(matches!(store.post_order(&other, by, now()).await, Err(OrderError::HasImages)));
        assert_eq!(hold(store, 1).await, None);

        concluded(store, 1, inadequate(), by, now().plus_minutes(-5)).await;
        assert_eq!(state(store, &order).await, OrderState::RepeatNeeded);
        // The repeat comes as a study of its own.
        arrives(store, 2, 1, |one| one.tags.accession_number = "A1".parse().ok()).await;
        assert_eq!(state(store, &order).await, OrderState::ImagesIn);
        concluded(store, 2, ChestOpinion::Normal, by, now()).await;
        assert_eq!(state(store, &order).await, OrderState::Reported);
        assert!(matches!(store.cancel_order(order.order_id, "late", by, now()).await, Err(OrderError::IsReported)));
        assert_eq!(acts(store, &order).await, [OrderAct::Received, OrderAct::Matched, OrderAct::Matched]);
    }

    async fn x6_new_images_of_the_same_study_are_the_repeat_once_they_are_a_case(database) {
        let store = &database.store;
        let by = sender(store).await;
        let order = posted(store, &content(1, 1), by).await;
        arrives(store, 1, 1, |_| {}).await;
        let at = now();
        let case = open(store, image_set(1, 1, at), at).await;
        let (command, actor) = ai_says(AiOutcome::Normal, at);
        store.act(case, command, &actor, at).await.unwrap();
        read(store, case, by, inadequate(), at).await;
        arrives(store, 1, 2, |_| {}).await;
        assert_eq!(state(store, &order).await, OrderState::RepeatNeeded, "one more object is no image set yet");
        let mut set = image_set(1, 2, at);
        set.supersedes = Some(case);
        open(store, set, at).await;
        assert_eq!(state(store, &order).await, OrderState::ImagesIn);
    }

    async fn an_order_that_comes_after_its_images_is_matched_then(database) {
        let store = &database.store;
        let by = sender(store).await;
        arrives(store, 1, 1, |_| {}).await;
        let mark = store.arrivals_mark(now().plus_minutes(-9)).await.unwrap();
        let order = posted(store, &content(1, 1), by).await;
        assert_eq!(order.state, OrderState::ImagesIn);
        assert_ne!(store.arrivals_mark(now().plus_minutes(-9)).await.unwrap(), mark, "who follows the list hears of it");
        assert_eq!(store.orders_of_study(&uid(1)).await.unwrap(), [order]);
        assert_eq!(hold(store, 1).await, None);
        assert!(!store.site_has_orders(&"south".parse().unwrap()).await.unwrap());
        assert!(store.site_has_orders(&"van1".parse().unwrap()).await.unwrap());
    }

    async fn images_with_the_number_of_another_patient_are_held_until_a_person_has_settled_it(database) {
        let store = &database.store;
        let by = sender(store).await;
        let order = posted(store, &for_another(1, 1), by).await;
        arrives(store, 1, 1, |_| {}).await;
        assert_eq!(hold(store, 1).await, Some(HoldReason::OrderOfAnotherPatient));
        assert_eq!(state(store, &order).await, OrderState::Requested, "these are not its images");
        assert!(store.orders_of_study(&uid(1)).await.unwrap().is_empty());

        store.release_study(&uid(1), by, now()).await.unwrap();
        store.match_study(&uid(1), now()).await.unwrap();
        arrives(store, 1, 2, |_| {}).await;
        assert_eq!(hold(store, 1).await, None, "a person has settled it");
        // The order changes, and is for somebody else still: nobody has settled that.
        let changed = OrderContent { reason: "Other".to_owned(), ..for_another(1, 1) };
        store.post_order(&changed, by, now().plus_seconds(1)).await.unwrap();
        assert_eq!(hold(store, 1).await, Some(HoldReason::OrderOfAnotherPatient));
        // It was the order that was wrong: corrected, it matches, and a person lifts the hold.
        posted(store, &content(1, 1), by).await;
        assert_eq!(state(store, &order).await, OrderState::ImagesIn);
        assert_eq!(hold(store, 1).await, Some(HoldReason::OrderOfAnotherPatient));
        store.release_study(&uid(1), by, now()).await.unwrap();
        store.match_study(&uid(1), now()).await.unwrap();
        assert_eq!(hold(store, 1).await, None);
    }

    async fn an_order_of_another_patient_that_comes_late_holds_the_images_and_what_is_to_leave(database) {
        let store = &database.store;
        let by = sender(store).await;
        arrives(store, 1, 1, |_| {}).await;
        concluded(store, 1, ChestOpinion::Normal, by, now().plus_minutes(-5)).await;
        store.claim_job(&[JobKind::Assemble], now(), 60_000).await.unwrap().unwrap();
        posted(store, &for_another(1, 1), by).await;
        assert_eq!(hold(store, 1).await, Some(HoldReason::OrderOfAnotherPatient));
        assert!(store.claim_message(now(), 1_000).await.unwrap().is_none(), "nothing of it leaves");
        store.release_study(&uid(1), by, now()).await.unwrap();
        assert!(store.claim_message(now(), 1_000).await.unwrap().is_some());
    }

    async fn a_name_that_came_with_a_later_image_parts_a_study_from_its_order(database) {
        let store = &database.store;
        let by = sender(store).await;
        let order = posted(store, &content(1, 1), by).await;
        arrives(store, 1, 1, |one| {
            one.tags.patient_id = None;
            one.tags.patient_name = String::new();
        }).await;
        assert_eq!(state(store, &order).await, OrderState::ImagesIn, "by its number alone");
        arrives(store, 1, 2, |one| one.tags.patient_name = "Roe^Ann".to_owned()).await;
        assert_eq!(hold(store, 1).await, Some(HoldReason::OrderOfAnotherPatient));
        assert_eq!(state(store, &order).await, OrderState::Requested);
        assert_eq!(acts(store, &order).await, [OrderAct::Received, OrderAct::Matched, OrderAct::Parted]);
    }

    async fn images_of_a_cancelled_order_are_nobodys_and_are_not_held(database) {
        let store = &database.store;
        let by = sender(store).await;
        let order = posted(store, &content(1, 1), by).await;
        store.cancel_order(order.order_id, "came twice", by, now()).await.unwrap();
        arrives(store, 1, 1, |_| {}).await;
        assert_eq!((hold(store, 1).await, state(store, &order).await), (None, OrderState::Cancelled));
        let study = store.study(&uid(1)).await.unwrap().unwrap();
        let orders = store.orders_of_accession(&study.site, &"A1".parse().unwrap()).await.unwrap();
        assert!(matches!(match_order(&study.imaged(), true, &orders), OrderMatch::Cancelled(_)));
        assert!(store.orders_of_study(&uid(1)).await.unwrap().is_empty());
    }

    async fn two_patients_who_race_for_one_number_do_not_both_get_it(database) {
        let store = &database.store;
        let by = sender(store).await;
        let racing: Vec<_> = (0..12).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let sent = if number % 2 == 0 { content(number, 1) } else { for_another(number, 1) };
                store.post_order(&sent, by, now()).await.map(|posted| posted.into_order().content.patient.id)
            })
        }).collect();
        let mut patients = std::collections::BTreeSet::new();
        for one in racing {
            match one.await.unwrap() {
                Ok(patient) => { patients.insert(patient); }
                Err(OrderError::AccessionOfAnother) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(patients.len(), 1, "{patients:?}");
    }

    async fn an_order_and_its_images_that_come_in_one_instant_find_each_other(database) {
        let store = &database.store;
        let by = sender(store).await;
        for study in 1..=12 {
            let (first, second) = (store.clone(), store.clone());
            let order = tokio::spawn(async move { posted(&first, &content(study, study), by).await });
            let images = tokio::spawn(async move { arrives(&second, study, 1, |_| {}).await });
            images.await.unwrap();
            // As the assembly of a study does that is owed since it arrived.
            store.match_study(&uid(study), now()).await.unwrap();
            let order = order.await.unwrap();
            store.match_study(&uid(study), now()).await.unwrap();
            assert_eq!(state(store, &order).await, OrderState::ImagesIn, "study {study}");
            let matched = acts(store, &order).await.iter().filter(|act| **act == OrderAct::Matched).count();
            assert_eq!(matched, 1, "study {study}");
        }
    }

    async fn a_read_of_a_case_without_an_order_changes_no_order(database) {
        let store = &database.store;
        let by = sender(store).await;
        let order = posted(store, &content(1, 7), by).await;
        arrives(store, 1, 1, |_| {}).await;
        concluded(store, 1, ChestOpinion::Normal, by, now()).await;
        assert_eq!(state(store, &order).await, OrderState::Requested);
        let tick = store.act(store.cases_of_study(&uid(1)).await.unwrap()[0].case_id, Command::Tick,
            &doubleread::reading::Actor::System, now()).await;
        assert!(tick.is_ok());
    }
}
