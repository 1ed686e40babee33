//! Which order images are for, and where an order has got to (PATHWAYS X6).

use crate::vocab::{
    Order, OrderContent, OrderId, OrderState, OrderUrgency, OrderedPatient, Pathway, Timestamp,
};

use super::super::order::{
    Imaged, OrderMatch, OrderedCase, OrderedStudy, match_order, order_state, same_patient,
};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(super::T0).plus_minutes(minute)
}

/// An order of accession number A1 for Ada Lovelace, P1 of the hospital, with an NHS number.
fn order(number: u128, change: impl FnOnce(&mut Order)) -> Order {
    let mut order = Order {
        order_id: OrderId::from_number(number),
        content: OrderContent {
            placer_order_number: format!("RQ{number}").parse().unwrap(),
            accession_number: "A1".parse().unwrap(),
            site: "north".parse().unwrap(),
            patient: OrderedPatient {
                id: "P1".parse().unwrap(),
                issuer: "HOSPITAL".to_owned(),
                nhs_number: Some("9434765919".parse().unwrap()),
                name: "Lovelace^Ada^Augusta".to_owned(),
                birth_date: "18151210".to_owned(),
            },
            pathway: Pathway::Chest,
            procedure: "XR chest".to_owned(),
            reason: String::new(),
            symptoms: String::new(),
            urgency: OrderUrgency::Routine,
            requested_at: at(i64::try_from(number).unwrap()),
        },
        state: OrderState::Requested,
        version: 1,
        received_at: at(0),
        changed_at: at(0),
        cancelled_at: None,
    };
    change(&mut order);
    order
}

/// What images say: accession number, identifier, issuer, name, birth date; empty is not said.
fn imaged(said: [&str; 5]) -> Imaged {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let [number, id, issuer, name, born] = said;
    Imaged {
        accession_number: number.parse().ok(),
        patient_id: id.parse().ok(),
        issuer_of_patient_id: some(issuer),
        patient_name: some(name),
        birth_date: some(born),
        pathway: Some(Pathway::Chest),
    }
}

fn word(found: &OrderMatch<'_>) -> &'static str {
    match found {
        OrderMatch::NotSentHere => "not sent here",
        OrderMatch::NoAccessionNumber => "no number",
        OrderMatch::NoOrder => "no order",
        OrderMatch::Cancelled(_) => "cancelled",
        OrderMatch::OtherPatient(_) => "other patient",
        OrderMatch::Matched { compared: true, .. } => "matched",
        OrderMatch::Matched { compared: false, .. } => "matched by number alone",
    }
}

#[test]
fn images_are_matched_by_their_accession_number_and_held_against_the_patient_of_the_order() {
    let ada = [order(1, |_| {})];
    let table = [
        (["A1", "P1", "HOSPITAL", "LOVELACE^ADA", "18151210"], "matched"),
        (["A1", "P1", "", "King^Ada", "18151210"], "matched"),
        (["A1", "P1", "", "", ""], "matched"),
        (["A1", "", "", "Lovelace^Ada", ""], "matched"),
        (["A1", "", "", "", "18151210"], "matched"),
        (["A1", "", "", "", ""], "matched by number alone"),
        // An NHS number is compared with the NHS number, whoever issued the other one.
        (["A1", "943 476 5919", "NHS", "Lovelace^Ada", "18151210"], "matched"),
        (["A1", "9434765870", "NHS", "Lovelace^Ada", "18151210"], "other patient"),
        // A number of another issuer says nothing; name and birth date then tell.
        (["A1", "X77", "OTHER", "Lovelace^Ada", "18151210"], "matched"),
        (["A1", "X77", "OTHER", "Babbage^Charles", "17911226"], "other patient"),
        (["A1", "P2", "HOSPITAL", "Lovelace^Ada", "18151210"], "other patient"),
        (["A1", "P2", "", "Lovelace^Ada", "18151210"], "other patient"),
        (["A1", "P1", "HOSPITAL", "Lovelace^Ada", "18151211"], "other patient"),
        (["A1", "P1", "HOSPITAL", "Babbage^Charles", "18151210"], "other patient"),
        (["A1", "", "", "Babbage^Charles", ""], "other patient"),
        (["A2", "P1", "HOSPITAL", "Lovelace^Ada", "18151210"], "no order"),
        (["", "P1", "HOSPITAL", "Lovelace^Ada", "18151210"], "no number"),
    ];
    for (said, expected) in table {
        assert_eq!(word(&match_order(&imaged(said), true, &ada)), expected, "{said:?}");
        assert_eq!(word(&match_order(&imaged(said), false, &[])), "not sent here", "{said:?}");
    }
}

#[test]
fn a_cancelled_order_is_said_and_a_live_one_beside_it_counts() {
    let said = imaged(["A1", "P1", "", "Lovelace^Ada", "18151210"]);
    let cancelled = |number| order(number, |order| order.cancelled_at = Some(at(5)));
    let other = |cancelled: bool| {
        order(9, |order| {
            order.content.patient.id = "P9".parse().unwrap();
            order.cancelled_at = cancelled.then(|| at(5));
        })
    };
    let table = [
        (vec![cancelled(1)], "cancelled"),
        (vec![cancelled(1), order(2, |_| {})], "matched"),
        (vec![other(false), cancelled(1)], "other patient"),
        (vec![other(true), order(2, |_| {})], "matched"),
        // A line of a worklist that was taken back was still taken by somebody for these images.
        (vec![other(true)], "other patient"),
        (Vec::new(), "no order"),
    ];
    for (orders, expected) in table {
        assert_eq!(word(&match_order(&said, true, &orders)), expected, "{orders:?}");
    }
}

#[test]
fn of_several_exams_under_one_number_images_are_for_those_of_their_kind() {
    let mammo = |number| order(number, |order| order.content.pathway = Pathway::Mammo);
    let ids = |orders: &[Order], pathway| -> Vec<OrderId> {
        let said = Imaged { pathway, ..imaged(["A1", "P1", "", "", ""]) };
        match match_order(&said, true, orders) {
            OrderMatch::Matched { orders, .. } => orders.iter().map(|order| order.order_id).collect(),
            other => panic!("{other:?}"),
        }
    };
    let both = [order(1, |_| {}), mammo(2), order(3, |_| {})];
    let [one, two, three] = [1, 2, 3].map(OrderId::from_number);
    assert_eq!(ids(&both, Some(Pathway::Chest)), [three, one]);
    assert_eq!(ids(&both, Some(Pathway::Mammo)), [two]);
    assert_eq!(ids(&both, None), [three, two, one]);
    assert_eq!(ids(&[mammo(2)], Some(Pathway::Chest)), [two], "what was asked for is said, not what came");
}

#[test]
fn two_orders_of_one_number_are_for_one_person_or_refused() {
    type Change = fn(&mut OrderedPatient);
    let ada = order(1, |_| {}).content.patient;
    let with = |change: Change| {
        let mut other = ada.clone();
        change(&mut other);
        other
    };
    let table: [(Change, bool); 6] = [
        (|_| {}, true),
        (|other| other.name = "KING^Ada".to_owned(), true),
        (|other| other.nhs_number = None, true),
        (|other| other.nhs_number = Some("9434765870".parse().unwrap()), false),
        (|other| other.birth_date = "18151211".to_owned(), false),
        (|other| other.id = "P2".parse().unwrap(), false),
    ];
    for (change, expected) in table {
        let other = with(change);
        assert_eq!(same_patient(&ada, &other), expected, "{other:?}");
        assert_eq!(same_patient(&other, &ada), expected, "{other:?}");
    }
}

#[test]
fn x6_an_order_waits_for_images_again_until_newer_ones_came() {
    let case =
        |concluded: Option<i64>, asks_again| OrderedCase { concluded_at: concluded.map(at), asks_again };
    let study =
        |minute, cases: &[OrderedCase]| OrderedStudy { first_arrival_at: at(minute), cases: cases.to_vec() };
    let (open, normal) = (case(None, false), case(Some(10), false));
    let inadequate = case(Some(10), true);
    let table = [
        (vec![], OrderState::Requested),
        (vec![study(0, &[])], OrderState::ImagesIn),
        (vec![study(0, std::slice::from_ref(&open))], OrderState::ImagesIn),
        (vec![study(0, std::slice::from_ref(&normal))], OrderState::Reported),
        (vec![study(0, &[normal.clone(), open.clone()])], OrderState::ImagesIn),
        (vec![study(0, std::slice::from_ref(&inadequate))], OrderState::RepeatNeeded),
        (vec![study(0, &[normal.clone(), inadequate.clone()])], OrderState::RepeatNeeded),
        // New images in a study of their own.
        (vec![study(0, std::slice::from_ref(&inadequate)), study(20, &[])], OrderState::ImagesIn),
        (
            vec![study(0, std::slice::from_ref(&inadequate)), study(20, std::slice::from_ref(&open))],
            OrderState::ImagesIn,
        ),
        (
            vec![study(0, std::slice::from_ref(&inadequate)), study(20, std::slice::from_ref(&normal))],
            OrderState::Reported,
        ),
        // A study that was there before anybody asked for a repeat is none.
        (
            vec![study(0, std::slice::from_ref(&inadequate)), study(5, std::slice::from_ref(&normal))],
            OrderState::RepeatNeeded,
        ),
    ];
    for (studies, expected) in table {
        assert_eq!(order_state(false, &studies), expected, "{studies:?}");
        assert_eq!(order_state(true, &studies), OrderState::Cancelled, "{studies:?}");
    }
}
