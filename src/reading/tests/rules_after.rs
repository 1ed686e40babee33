//! Rules R4 (after the read counts), R14 to R17: clocks, queue, sampler, release, addenda.

use super::*;

#[test]
fn r14_a_first_read_never_waits_for_the_ai_but_routing_does() {
    let mut play = Play::new(policy("chest-verify"));
    play.read(1, chest_normal()).unwrap();
    assert_eq!(play.stands(), "ai");
    assert_eq!(next_timer(&play.state, &play.policy), Some(Timestamp::from_millis(T0).plus_minutes(120)));
    play.ai(Ai::Normal);
    assert_eq!(play.stands(), "normal by X1");
}

#[test]
fn r14_a_late_result_is_kept_shown_as_late_and_reroutes_no_concluded_case() {
    let mut play = after_first(&plain("chest-verify"), Ai::Absent, chest_normal());
    assert_eq!(play.stands(), "normal by X5");
    let before = play.state.conclusion.clone();
    play.ai(Ai::Abnormal);
    assert_eq!(play.state.conclusion, before);
    assert!(play.state.ai.as_ref().unwrap().late);
    let view = view_for(user(1), Role::Reader, &play.state, &play.policy);
    assert!(view.ai().unwrap().late);
    let again = Box::new(ai(Ai::Normal, play.now));
    assert_eq!(
        play.ask(&Actor::System, Command::RecordAi { result: again }),
        Err(Refusal::AiAlreadyResulted)
    );
}

#[test]
fn r14_a_late_result_can_add_a_second_read_and_never_take_one_away() {
    let mut chest = Play::new(plain("chest-verify"));
    chest.ai(Ai::Absent);
    chest.ai(Ai::Abnormal);
    chest.read(1, chest_normal()).unwrap();
    assert_eq!(chest.stands(), "second_read by X3");

    let mut mammo = Play::new(plain("mammo-ai-second"));
    mammo.ai(Ai::Absent);
    mammo.ai(Ai::Normal);
    mammo.read(1, mammo_normal()).unwrap();
    assert_eq!(mammo.stands(), "second_read by M7");
    mammo.read(2, mammo_normal()).unwrap();
    assert_eq!(mammo.state.overrule, Overrule::None);
}

#[test]
fn r14_the_wait_for_the_ai_warns_at_50_and_80_percent() {
    let play = Play::new(policy("mammo-ai-second"));
    let at = |minutes| ai_warning(&play.state, &play.policy, play.now.plus_minutes(minutes));
    assert_eq!([at(0), at(59), at(60), at(96), at(119)], [None, None, Some(50), Some(80), Some(80)]);
}

#[test]
fn r14_mammo_is_due_soon_at_7_days_urgent_at_10_and_breached_at_14() {
    let policy = policy("mammo-ai-second");
    let t0 = Timestamp::from_millis(T0);
    let level = |days: i64| clock_level(&policy, t0, t0.plus_minutes(days * 24 * 60));
    assert_eq!(
        [level(6), level(7), level(10), level(13), level(14)],
        [
            ClockLevel::OnTime,
            ClockLevel::DueSoon,
            ClockLevel::Urgent,
            ClockLevel::Urgent,
            ClockLevel::Breached
        ]
    );
}

#[test]
fn r14_a_chest_film_is_to_be_verified_the_same_local_day() {
    let policy = policy("chest-verify");
    // British Summer Time: the day ends at 23:00 UTC.
    let due = due_at(&policy, "2026-07-01T20:00:00Z".parse().unwrap());
    assert_eq!(due.to_string(), "2026-07-01T23:00:00.000Z");
    let due = due_at(&policy, "2026-01-01T20:00:00Z".parse().unwrap());
    assert_eq!(due.to_string(), "2026-01-02T00:00:00.000Z");
}

fn ranked(policy: &Policy, said: Option<Ai>, urgent: bool, minutes: i64) -> QueueRank {
    let mut set = image_set(policy.pathway);
    set.urgent = urgent;
    set.last_image_at = set.last_image_at.plus_minutes(minutes);
    let mut play = Play::of(policy.clone(), set, 0.5);
    if let Some(said) = said {
        play.ai(said);
    }
    queue_rank(&play.state, &play.policy)
}

#[test]
fn r15_urgent_comes_first_then_least_slack_then_the_oldest() {
    for id in SHIPPED_IDS {
        let policy = policy(id);
        let urgent = ranked(&policy, None, true, 60);
        let old = ranked(&policy, None, false, -60);
        let new = ranked(&policy, None, false, 0);
        assert!(urgent < old && old < new);
    }
}

#[test]
fn r15_the_ai_shows_in_the_order_only_under_a_policy_that_says_so() {
    let chest = policy("chest-verify");
    let flagged = ranked(&chest, Some(Ai::Abnormal), false, 0);
    assert!(flagged < ranked(&chest, Some(Ai::Normal), false, -30));
    let quiet = Policy { ai_orders_queue: false, ..chest };
    for policy in [quiet, policy("mammo-ai-second"), policy("mammo-double")] {
        let ranks = [None, Some(Ai::Normal), Some(Ai::Abnormal), Some(Ai::QualityFail)]
            .map(|said| ranked(&policy, said, false, 0));
        assert!(ranks.iter().all(|rank| *rank == ranks[0]));
    }
}

#[test]
fn r16_the_draw_is_keyed_reproducible_and_as_frequent_as_its_rate() {
    let secret = [7_u8; 32];
    let numbers: Vec<f64> = (0..20_000).map(|n| qa_number(&secret, CaseId::from_number(n))).collect();
    assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
    let drawn = numbers.iter().filter(|number| **number < 0.02).count();
    // Binomial(20000, 0.02): mean 400, standard deviation 20; the draw is fixed by the secret.
    assert!((320..480).contains(&drawn), "{drawn}");
    assert_eq!(numbers[5], qa_number(&secret, CaseId::from_number(5)));
    assert_ne!(numbers[5], qa_number(&[8; 32], CaseId::from_number(5)));
}

#[test]
fn r16_the_stratum_and_its_probability_are_stored() {
    let mut policy = plain("mammo-ai-second");
    let stratum = |name: &str, site: Option<&str>, from, rate| QaStratum {
        name: name.into(),
        site: site.map(|site| site.parse().unwrap()),
        score_from: from,
        score_below: None,
        rate,
    };
    policy.qa.strata = vec![
        stratum("elsewhere", Some("CDC2"), None, 0.9),
        stratum("high scores", None, Some(0.5), 0.8),
        stratum("here", Some("CDC1"), None, 0.7),
    ];
    let play = after_first(&policy, Ai::Normal, mammo_normal());
    let qa = play.state.qa.unwrap();
    assert_eq!((qa.stratum.as_str(), qa.probability, qa.drawn), ("here", 0.7, true));
}

#[test]
fn r17_an_outcome_leaves_once_and_by_hand_where_the_policy_says_so() {
    let by_hand = Policy { release: ReleaseMode::ByHand, ..plain("chest-verify") };
    let mut play = Play::new(by_hand.clone());
    assert_eq!(play.ask(&lead(8), Command::Release), Err(Refusal::NotConcluded));
    play.ai(Ai::Normal);
    let read = play.read(1, chest_normal()).unwrap();
    assert!(!play.has("released"));
    let events = play.ask(&lead(8), Command::Release).unwrap();
    assert_eq!(events, [Event::Released { number: 1, outcome: chest_normal(), source: read }]);
    assert_eq!(play.ask(&lead(8), Command::Release), Err(Refusal::AlreadyReleased));
}

#[test]
fn r4_an_addendum_amends_the_outcome_and_the_old_one_stays_in_the_chain() {
    let mut play = after_first(&plain("chest-verify"), Ai::Normal, chest_normal());
    let add = |opinion, reason: &str| Command::Addendum {
        reason: reason.into(),
        text: "nodule seen on the CT".into(),
        opinion,
    };
    let nodule = chest_abnormal(FindingCode::Nodule);
    assert_eq!(play.ask(&reader(7), add(None, "seen later")), Err(Refusal::NoSuchRead));
    assert_eq!(play.ask(&reader(1), add(None, " ")), Err(Refusal::ReasonNeeded));
    play.ask(&reader(1), add(Some(nodule.clone()), "seen later")).unwrap();
    assert_eq!(play.state.conclusion.as_ref().unwrap().outcome, nodule);
    let released: Vec<_> = play
        .events
        .iter()
        .filter_map(|(_, _, event)| match event {
            Event::Released { number, outcome, .. } => Some((*number, outcome.word())),
            _ => None,
        })
        .collect();
    assert_eq!(released, [(1, "normal"), (2, "abnormal")]);
    play.ask(&lead(8), add(None, "words only")).unwrap();
    assert_eq!(play.count("released"), 3);
}

#[test]
fn x7_an_addendum_with_a_new_urgent_finding_acts_at_once() {
    let mut play = after_first(&plain("chest-verify"), Ai::Normal, chest_normal());
    let add = Command::Addendum {
        reason: "seen later".into(),
        text: "pneumothorax".into(),
        opinion: Some(chest_urgent()),
    };
    play.ask(&reader(1), add.clone()).unwrap();
    assert_eq!(play.count("urgent_acted"), 1);
    play.ask(&reader(1), add).unwrap();
    assert_eq!(play.count("urgent_acted"), 1);
}

#[test]
fn r4_a_lead_reopens_a_case_and_a_fresh_person_decides() {
    let mut play = after_first(&plain("chest-verify"), Ai::Normal, chest_normal());
    let reopen = Command::Reopen { reason: "clinical doubt".into() };
    assert_eq!(play.ask(&reader(1), reopen.clone()), Err(Refusal::RoleNotAllowed { role: Role::Reader }));
    play.ask(&lead(8), reopen.clone()).unwrap();
    assert_eq!(play.stands(), "arbitration by R4");
    assert_eq!(play.ask(&lead(8), reopen), Err(Refusal::ArbitrationExists));
    play.arbitrate(2, chest_abnormal(FindingCode::Mass)).unwrap();
    assert_eq!(play.stands(), "abnormal by R4");
    assert_eq!((play.count("concluded"), play.count("released")), (2, 2));
    assert_eq!(play.state.conclusion.as_ref().unwrap().number, 2);
}

#[test]
fn r4_nothing_is_reopened_or_added_before_a_read_counts() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.read(1, recall()).unwrap();
    let reopen = Command::Reopen { reason: "doubt".into() };
    assert_eq!(play.ask(&lead(8), reopen.clone()), Err(Refusal::NoFinalRead));
    let add = Command::Addendum { reason: "r".into(), text: "t".into(), opinion: Some(recall()) };
    assert_eq!(play.ask(&reader(1), add.clone()), Err(Refusal::NoFinalRead));
    play.wait(60);
    assert_eq!(play.ask(&reader(1), add), Err(Refusal::NotConcluded));
    play.ask(&lead(8), reopen).unwrap();
    assert_eq!(play.stands(), "arbitration by R4");
}

#[test]
fn m9_an_arbitration_that_says_why_it_goes_against_the_ai_owes_no_reason_afterwards() {
    for (overrule, left) in
        [(None, Overrule::Owed), (Some(OverruleReason::BenignFeature), Overrule::Reasoned)]
    {
        let mut play = after_first(&plain("mammo-ai-second"), Ai::Abnormal, mammo_normal());
        play.read(2, recall()).unwrap();
        let token = play.claim(3).unwrap();
        play.now = play.now.plus_seconds(30);
        let command = Command::LockArbitration {
            token,
            read: ReadId::from_number(300),
            opinion: mammo_normal(),
            authors: [user(3)].into(),
            dissent: Default::default(),
            note: "a cyst".into(),
            overrule,
        };
        play.ask(&reader(3), command).unwrap();
        assert_eq!((play.stands().as_str(), play.state.overrule), ("normal by M10", left));
        assert_eq!(play.count("overrule_reasoned"), usize::from(overrule.is_some()));
    }
    // Where it does not go against the AI there is nothing to give a reason for.
    let mut play = after_first(&plain("mammo-ai-second"), Ai::Abnormal, mammo_normal());
    play.read(2, recall()).unwrap();
    play.arbitrate(3, recall()).unwrap();
    assert_eq!((play.state.overrule, play.count("overrule_reasoned")), (Overrule::None, 0));
}
