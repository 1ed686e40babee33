//! The rows of `mammo-ai-second`, `mammo-double` and `mammo-safety-net`.

use super::*;

const ALL_AI: [Ai; 5] = [Ai::Normal, Ai::Abnormal, Ai::QualityFail, Ai::NotProcessed, Ai::Absent];

fn stands(said: Ai, opinion: Opinion) -> String {
    after_first(&plain("mammo-ai-second"), said, opinion).stands()
}

#[test]
fn m1_ai_normal_and_reader_normal_conclude_routine_recall() {
    let play = after_first(&plain("mammo-ai-second"), Ai::Normal, mammo_normal());
    assert_eq!(play.stands(), "normal by M1");
    assert!(play.state.released && !play.state.qa.as_ref().unwrap().drawn);
}

#[test]
fn m2_ai_normal_and_reader_recall_go_to_a_second_human() {
    assert_eq!(stands(Ai::Normal, recall()), "second_read by M2");
}

#[test]
fn m3_ai_abnormal_and_reader_normal_go_to_a_second_human() {
    assert_eq!(stands(Ai::Abnormal, mammo_normal()), "second_read by M3");
}

#[test]
fn m4_ai_abnormal_and_reader_recall_go_to_a_second_human() {
    assert_eq!(stands(Ai::Abnormal, recall()), "second_read by M4");
}

#[test]
fn m5_technical_recall_follows_the_policy() {
    let cases = [
        (TechnicalRecallRoute::ByAi, ["concluded", "second", "concluded"]),
        (TechnicalRecallRoute::Direct, ["concluded", "concluded", "concluded"]),
        (TechnicalRecallRoute::Second, ["second", "second", "second"]),
    ];
    for (technical_recall, expected) in cases {
        let policy = Policy { technical_recall, ..plain("mammo-ai-second") };
        for (said, expected) in [Ai::Normal, Ai::Abnormal, Ai::QualityFail].into_iter().zip(expected) {
            let play = after_first(&policy, said, technical(&["RCC"]));
            let words = match expected {
                "second" => "second_read by M5",
                _ => "technical_recall by M5",
            };
            assert_eq!(play.stands(), words, "{technical_recall} {said:?}");
            assert_eq!(play.has("order_reopened"), expected == "concluded");
        }
    }
}

#[test]
fn m6_quality_fail_goes_to_a_second_human_and_the_reason_shows_after_the_lock() {
    for opinion in [mammo_normal(), recall()] {
        let mut play = Play::new(policy("mammo-ai-second"));
        play.ai(Ai::QualityFail);
        play.claim(9).unwrap();
        let before =
            serde_json::to_string(&view_for(user(9), Role::Reader, &play.state, &play.policy)).unwrap();
        assert!(!before.contains("clipped"));
        play.wait(11);
        let read = play.read(1, opinion).unwrap();
        play.ask(&reader(1), Command::Reveal { read }).unwrap();
        let after =
            serde_json::to_string(&view_for(user(1), Role::Reader, &play.state, &play.policy)).unwrap();
        assert!(after.contains("clipped"));
        play.wait(61);
        assert_eq!(play.stands(), "second_read by M6");
    }
}

#[test]
fn m7_without_an_ai_result_every_opinion_goes_to_a_second_human() {
    for said in [Ai::NotProcessed, Ai::Absent] {
        for opinion in [mammo_normal(), recall(), technical(&["RCC"])] {
            assert_eq!(stands(said, opinion), "second_read by M7");
        }
    }
    let play = after_first(&plain("mammo-ai-second"), Ai::Absent, mammo_normal());
    assert!(play.state.ai_absent_at.is_some() && play.has("ai_deadline_passed"));
}

#[test]
fn m8_a_drawn_normal_gets_a_second_read_that_looks_like_any_other() {
    let mut drawn = plain("mammo-ai-second");
    drawn.qa.rate = 1.0;
    let play = after_first(&drawn, Ai::Normal, mammo_normal());
    assert_eq!(play.stands(), "second_read by M8");
    let qa = play.state.qa.clone().unwrap();
    assert_eq!((qa.probability, qa.drawn), (1.0, true));
    let mut played = play.clone();
    played.read(2, mammo_normal()).unwrap();
    assert_eq!(played.stands(), "normal by M9");
}

#[test]
fn m9_agreeing_humans_conclude_and_owe_a_reason_where_the_ai_differs() {
    for (said, opinion, owed) in [
        (Ai::Abnormal, mammo_normal(), true),
        (Ai::Normal, recall(), true),
        (Ai::Abnormal, recall(), false),
        (Ai::Abnormal, recall_of(Assessment::Normal, Assessment::Abnormal), true),
        (Ai::QualityFail, mammo_normal(), false),
        (Ai::NotProcessed, recall(), false),
    ] {
        let mut play = after_first(&plain("mammo-ai-second"), said, opinion.clone());
        play.read(2, opinion.clone()).unwrap();
        assert_eq!(play.stands(), format!("{} by M9", opinion.word()));
        assert_eq!(play.state.conclusion.as_ref().unwrap().sources.len(), 2);
        assert_eq!(play.state.overrule == Overrule::Owed, owed, "{said:?} {opinion:?}");
        let reason = Command::ReasonOverrule { reason: OverruleReason::BenignFeature, note: String::new() };
        assert_eq!(play.ask(&reader(2), reason.clone()).is_ok(), owed);
        assert_eq!(play.ask(&reader(2), reason), Err(Refusal::NoReasonOwed));
    }
}

#[test]
fn m10_discordant_humans_go_to_arbitration_unless_the_second_reader_decides() {
    let mut play = after_first(&plain("mammo-ai-second"), Ai::Abnormal, mammo_normal());
    play.read(2, recall()).unwrap();
    assert_eq!(play.stands(), "arbitration by M10");
    let arbitration = play.arbitrate(3, recall()).unwrap();
    assert_eq!(play.stands(), "recall by M10");
    assert_eq!(play.state.conclusion.as_ref().unwrap().sources, [arbitration]);

    let decides = Policy { second_reader_decides: true, ..plain("mammo-ai-second") };
    let mut play = after_first(&decides, Ai::Abnormal, mammo_normal());
    play.read(2, recall()).unwrap();
    assert_eq!(play.stands(), "recall by M10");
}

#[test]
fn m_every_ai_result_with_every_opinion_has_its_row() {
    let rows = [
        [Some(("normal", "M1")), None, None, None, None],
        [None, None, None, None, None],
        [Some(("technical_recall", "M5")), None, Some(("technical_recall", "M5")), None, None],
    ];
    let opinions = [mammo_normal(), recall(), technical(&["LMLO"])];
    for (opinion, row) in opinions.into_iter().zip(rows) {
        for (said, expected) in ALL_AI.into_iter().zip(row) {
            let now = stands(said, opinion.clone());
            match expected {
                Some((word, rule)) => assert_eq!(now, format!("{word} by {rule}")),
                None => assert!(now.starts_with("second_read"), "{said:?} {}: {now}", opinion.word()),
            }
        }
    }
}

#[test]
fn mammo_double_sends_pairs_to_arbitration_as_the_policy_says() {
    let pairs = [
        (mammo_normal(), mammo_normal(), [false, false, false]),
        (technical(&["RCC"]), technical(&["RCC"]), [false, false, true]),
        (recall(), recall(), [false, true, true]),
        (recall(), mammo_normal(), [true, true, true]),
        (technical(&["RCC"]), technical(&["LCC"]), [true, true, true]),
    ];
    for (first, second, expected) in pairs {
        for (arbitration, expected) in ArbitrationOn::ALL.iter().zip(expected) {
            let policy = Policy { arbitration: *arbitration, ..plain("mammo-double") };
            let mut play = Play::new(policy);
            play.read(1, first.clone()).unwrap();
            assert_eq!(play.stands(), "second_read by D1");
            play.read(2, second.clone()).unwrap();
            assert_eq!(play.stands().starts_with("arbitration"), expected, "{arbitration}");
        }
    }
}

#[test]
fn mammo_double_never_waits_for_the_ai_and_does_not_show_it_before_the_conclusion() {
    let mut play = Play::new(plain("mammo-double"));
    play.ai(Ai::Abnormal);
    let read = play.read(1, recall()).unwrap();
    play.ask(&reader(1), Command::Reveal { read }).unwrap();
    assert!(view_for(user(1), Role::Reader, &play.state, &play.policy).ai().is_none());
    play.read(2, recall()).unwrap();
    assert!(view_for(user(1), Role::Reader, &play.state, &play.policy).ai().is_some());
    assert!(!play.has("ai_deadline_passed"));
}

#[test]
fn mammo_safety_net_asks_once_more_where_two_said_normal_and_the_ai_did_not() {
    let play_to = |said: Ai| {
        let mut play = Play::new(plain("mammo-safety-net"));
        play.read(1, mammo_normal()).unwrap();
        play.read(2, mammo_normal()).unwrap();
        assert_eq!(play.stands(), "ai by D1");
        play.ai(said);
        play
    };
    assert_eq!(play_to(Ai::Normal).stands(), "normal by M9");
    assert_eq!(play_to(Ai::Absent).stands(), "normal by M9");
    let mut play = play_to(Ai::Abnormal);
    assert_eq!(play.stands(), "third_read by S1");
    let mut other = play.clone();
    play.read(3, mammo_normal()).unwrap();
    assert_eq!(play.stands(), "normal by S1");
    assert_eq!(play.state.overrule, Overrule::Owed);
    other.read(3, recall()).unwrap();
    assert_eq!(other.stands(), "arbitration by S1");
    other.arbitrate(4, recall()).unwrap();
    assert_eq!(other.stands(), "recall by S1");
}
