//! X7, act then review: what the author of a read that counts sets off later.

use super::*;

fn act(read: ReadId, codes: &[FindingCode]) -> Command {
    Command::ActNow {
        read,
        findings: codes.iter().copied().collect(),
        reason: "the CT can't wait".into(),
        key_images: vec!["1.2.1".parse().unwrap()],
    }
}

fn offered(play: &Play, n: u128) -> Vec<FindingCode> {
    let view = view_for(user(n), Role::Reader, &play.state, &play.policy);
    view.may_act().map(|offer| offer.findings.iter().map(|one| one.code).collect()).unwrap_or_default()
}

#[test]
fn x7_the_author_of_a_final_read_acts_while_a_second_read_is_due_and_it_is_not_held_up() {
    let mut play = after_first(&plain("chest-verify"), Ai::Normal, chest_abnormal(FindingCode::Mass));
    assert_eq!((play.stands().as_str(), play.count("urgent_acted")), ("second_read by X2", 0));
    assert_eq!(offered(&play, 1), [FindingCode::Mass]);
    let read = ReadId::from_number(101);
    let events = play.ask(&reader(1), act(read, &[FindingCode::Mass])).unwrap();
    let [Event::UrgentActed { follow_up: FollowUp::CtSameDay, asked: Some(asked), .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((asked.by, asked.key_images.len()), (user(1), 1));
    assert_eq!(play.stands(), "second_read by X2", "the route is as it was");
    assert_eq!(play.state.read(read).unwrap().current, chest_abnormal(FindingCode::Mass));
    assert_eq!(offered(&play, 1), []);
    assert_eq!(play.ask(&reader(1), act(read, &[FindingCode::Mass])), Err(Refusal::AlreadyTold));
}

#[test]
fn x7_what_was_acted_on_by_hand_is_not_told_again_by_a_later_urgent_read_or_outcome() {
    let urgent = Opinion::Chest(ChestOpinion::Abnormal {
        findings: vec![ChestFinding { urgent: true, ..finding(FindingCode::Mass) }],
    });
    let mut play = after_first(&plain("chest-verify"), Ai::Normal, chest_abnormal(FindingCode::Mass));
    play.ask(&reader(1), act(ReadId::from_number(101), &[FindingCode::Mass])).unwrap();
    play.read(2, urgent).unwrap();
    assert_eq!((play.stands().as_str(), play.count("urgent_acted")), ("abnormal by X2", 1));
    assert_eq!(offered(&play, 2), [], "the CT is for all");
}

#[test]
fn x7_a_second_finding_is_told_of_and_orders_no_second_ct() {
    let both = Opinion::Chest(ChestOpinion::Abnormal {
        findings: vec![
            ChestFinding { urgent: true, ..finding(FindingCode::Pneumothorax) },
            finding(FindingCode::Nodule),
        ],
    });
    let mut play = after_first(&plain("chest-verify"), Ai::Abnormal, both);
    assert_eq!((play.stands().as_str(), play.count("urgent_acted")), ("abnormal by X4", 1));
    assert_eq!(offered(&play, 1), [FindingCode::Nodule]);
    let read = ReadId::from_number(101);
    let events = play.ask(&reader(1), act(read, &[FindingCode::Nodule, FindingCode::Pneumothorax])).unwrap();
    let [Event::UrgentActed { findings, follow_up: FollowUp::AlreadyOrdered, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(findings, &[FindingCode::Nodule], "the other was told of");
}

#[test]
fn x7_only_the_author_acts_with_a_reason_on_what_they_said_once_it_counts() {
    let windowed = Policy { finalisation: Finalisation::Minutes(60), ..plain("chest-verify") };
    let mut play = after_first(&windowed, Ai::Normal, chest_abnormal(FindingCode::Mass));
    let read = ReadId::from_number(101);
    assert_eq!(offered(&play, 1), []);
    assert_eq!(play.ask(&reader(1), act(read, &[FindingCode::Mass])), Err(Refusal::NoFinalRead));
    play.wait(60);
    assert_eq!(offered(&play, 2), []);
    assert_eq!(play.ask(&lead(8), act(read, &[FindingCode::Mass])), Err(Refusal::NoSuchRead));
    assert_eq!(play.ask(&reader(1), act(read, &[FindingCode::Nodule])), Err(Refusal::NoSuchFinding));
    assert_eq!(play.ask(&reader(1), act(read, &[])), Err(Refusal::NoSuchFinding));
    let with = |reason: &str, image: &str| Command::ActNow {
        read,
        findings: [FindingCode::Mass].into(),
        reason: reason.into(),
        key_images: vec![image.parse().unwrap()],
    };
    assert_eq!(play.ask(&reader(1), with(" ", "1.2.1")), Err(Refusal::ReasonNeeded));
    assert_eq!(play.ask(&reader(1), with("r", "1.2.9")), Err(Refusal::UnknownImage));
    let conflict = Command::Defer { reason: DeferReason::IdentityConflict, note: String::new() };
    play.ask(&lead(8), conflict).unwrap();
    assert_eq!(offered(&play, 1), []);
    assert_eq!(play.ask(&reader(1), act(read, &[FindingCode::Mass])), Err(Refusal::OnHold));
    play.ask(&lead(8), Command::UndoDeferral).unwrap();
    assert!(play.ask(&reader(1), with("r", "1.2.1")).is_ok());
}

#[test]
fn x7_a_finding_that_the_outcome_went_against_sets_nothing_off() {
    let mut play = after_first(&plain("chest-verify"), Ai::Normal, chest_abnormal(FindingCode::Mass));
    play.read(2, chest_normal()).unwrap();
    play.arbitrate(3, chest_normal()).unwrap();
    assert_eq!(play.stands(), "normal by X8");
    assert_eq!(offered(&play, 1), []);
    let read = ReadId::from_number(101);
    assert_eq!(play.ask(&reader(1), act(read, &[FindingCode::Mass])), Err(Refusal::NoSuchFinding));
}

#[test]
fn x7_r5_a_blind_reader_and_a_locked_one_see_nothing_of_anothers_act() {
    let mut play = after_first(&plain("chest-verify"), Ai::Normal, chest_abnormal(FindingCode::Mass));
    let json = |play: &Play, n| {
        serde_json::to_string(&view_for(user(n), Role::Reader, &play.state, &play.policy)).unwrap()
    };
    let before = json(&play, 2);
    play.ask(&reader(1), act(ReadId::from_number(101), &[FindingCode::Mass])).unwrap();
    assert_eq!(json(&play, 2), before);
    let windowed = Policy { finalisation: Finalisation::Minutes(60), ..plain("chest-verify") };
    let mut play = after_first(&windowed, Ai::Normal, chest_abnormal(FindingCode::Mass));
    play.wait(60);
    play.read(2, chest_abnormal(FindingCode::Mass)).unwrap();
    let before = json(&play, 2);
    play.ask(&reader(1), act(ReadId::from_number(101), &[FindingCode::Mass])).unwrap();
    assert_eq!(json(&play, 2), before);
}

#[test]
fn r18_an_act_without_a_hand_reads_and_writes_as_it_did() {
    let text = r#"{"kind":"urgent_acted","read":"00000000-0000-0000-0000-000000000065","findings":["mass"],"follow_up":"ct_same_day"}"#;
    let event: Event = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&event).unwrap(), text);
}
