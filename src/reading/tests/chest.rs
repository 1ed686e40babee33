//! The rows of `chest-verify`.

use super::*;
use crate::vocab::Laterality;

fn abnormal() -> Opinion {
    chest_abnormal(FindingCode::Nodule)
}

fn stands(policy: &Policy, said: Ai, opinion: Opinion) -> String {
    after_first(policy, said, opinion).stands()
}

#[test]
fn x1_both_normal_conclude_unless_drawn() {
    assert_eq!(stands(&plain("chest-verify"), Ai::Normal, chest_normal()), "normal by X1");
    let mut drawn = plain("chest-verify");
    drawn.qa.rate = 1.0;
    assert_eq!(stands(&drawn, Ai::Normal, chest_normal()), "second_read by X1");
}

#[test]
fn x2_ai_normal_and_reader_abnormal_go_to_a_second_human() {
    let play = after_first(&plain("chest-verify"), Ai::Normal, abnormal());
    assert_eq!(play.stands(), "second_read by X2");
    assert!(!play.state.raised);
}

#[test]
fn x3_ai_abnormal_and_reader_normal_go_to_a_second_human_raised_in_priority() {
    let play = after_first(&plain("chest-verify"), Ai::Abnormal, chest_normal());
    assert_eq!(play.stands(), "second_read by X3");
    assert!(play.state.raised);
    assert_eq!(queue_rank(&play.state, &play.policy).band, 2);
}

#[test]
fn x4_both_abnormal_conclude_or_go_to_a_second_human_by_policy() {
    assert_eq!(stands(&plain("chest-verify"), Ai::Abnormal, abnormal()), "abnormal by X4");
    let twice = Policy { second_on_abnormal: true, ..plain("chest-verify") };
    assert_eq!(stands(&twice, Ai::Abnormal, abnormal()), "second_read by X4");
}

#[test]
fn x5_without_a_usable_result_the_policy_says_whether_one_reader_is_enough() {
    let cases =
        [(AiAbsent::Single, false, false), (AiAbsent::Double, false, true), (AiAbsent::Always, true, true)];
    for (ai_absent, normal_second, abnormal_second) in cases {
        let policy = Policy { ai_absent, ..plain("chest-verify") };
        for said in [Ai::QualityFail, Ai::NotProcessed, Ai::Absent] {
            for (opinion, second) in [(chest_normal(), normal_second), (abnormal(), abnormal_second)] {
                let expected =
                    if second { "second_read by X5".into() } else { format!("{} by X5", opinion.word()) };
                assert_eq!(stands(&policy, said, opinion), expected, "{ai_absent} {said:?}");
            }
        }
    }
}

#[test]
fn x6_inadequate_reopens_the_order_whatever_the_ai_says() {
    for said in [Ai::Normal, Ai::Abnormal, Ai::QualityFail, Ai::NotProcessed, Ai::Absent] {
        let play = after_first(&plain("chest-verify"), said, inadequate());
        assert_eq!(play.stands(), "inadequate by X6");
        assert!(play.has("order_reopened"));
    }
    let mut waiting = Play::new(policy("chest-verify"));
    waiting.read(1, inadequate()).unwrap();
    assert_eq!(waiting.stands(), "inadequate by X6", "nothing waits for the AI");
}

#[test]
fn x7_an_urgent_finding_acts_at_the_first_finalised_read_and_the_second_runs_beside() {
    let mut play = Play::new(policy("chest-verify"));
    play.read(1, chest_urgent()).unwrap();
    assert_eq!(play.stands(), "ai", "the case waits for the AI, the patient does not");
    assert_eq!(play.count("urgent_acted"), 1);
    play.ai(Ai::Normal);
    assert_eq!(play.stands(), "second_read by X2");
    play.read(2, chest_normal()).unwrap();
    assert_eq!(play.stands(), "arbitration by X8");
    assert_eq!(play.count("urgent_acted"), 1);
}

#[test]
fn x7_the_same_finding_acts_once_a_case_and_another_side_or_finding_acts_again() {
    let urgent = |code, side| {
        let findings = vec![ChestFinding { urgent: true, side, ..finding(code) }];
        Opinion::Chest(ChestOpinion::Abnormal { findings })
    };
    let left = urgent(FindingCode::Pneumothorax, Some(Laterality::Left));
    let mut play = after_first(&plain("chest-verify"), Ai::Abnormal, chest_normal());
    play.read(2, left.clone()).unwrap();
    assert_eq!((play.stands().as_str(), play.count("urgent_acted")), ("arbitration by X8", 1));
    let mut same = play.clone();
    same.arbitrate(3, left).unwrap();
    assert_eq!((same.stands().as_str(), same.count("urgent_acted")), ("abnormal by X8", 1));
    let mut sideless = play.clone();
    sideless.arbitrate(3, chest_urgent()).unwrap();
    assert_eq!(sideless.count("urgent_acted"), 1);
    let mut other_side = play.clone();
    other_side.arbitrate(3, urgent(FindingCode::Pneumothorax, Some(Laterality::Right))).unwrap();
    assert_eq!(other_side.count("urgent_acted"), 2);
    play.arbitrate(3, urgent(FindingCode::Mass, Some(Laterality::Left))).unwrap();
    assert_eq!(play.count("urgent_acted"), 2);
}

#[test]
fn x7_an_urgent_finding_does_not_wait_for_the_window_nor_for_a_hold() {
    let windowed = Policy { finalisation: Finalisation::Minutes(60), ..policy("chest-verify") };
    let mut play = Play::new(windowed.clone());
    play.read(1, chest_urgent()).unwrap();
    assert!(play.has("urgent_acted"));

    let mut held = Play::new(Policy { finalisation: Finalisation::Never(Never::Never), ..windowed });
    let read = held.read(1, abnormal()).unwrap();
    held.ask(&lead(8), Command::AwaitPriors).unwrap();
    assert!(!held.has("urgent_acted"));
    held.ask(&reader(1), Command::ChangeRead { read, opinion: chest_urgent(), comment: String::new() })
        .unwrap();
    assert!(held.has("urgent_acted"));
    assert!(held.state.conclusion.is_none());
}

#[test]
fn x8_discordant_humans_go_to_arbitration_and_concordant_ones_conclude() {
    let mut play = after_first(&plain("chest-verify"), Ai::Abnormal, chest_normal());
    let mut agree = play.clone();
    play.read(2, abnormal()).unwrap();
    assert_eq!(play.stands(), "arbitration by X8");
    play.arbitrate(3, chest_normal()).unwrap();
    assert_eq!(play.stands(), "normal by X8");
    assert_eq!(play.state.overrule, Overrule::Owed);
    agree.read(2, chest_normal()).unwrap();
    assert_eq!(agree.stands(), "normal by X3");

    let decides = Policy { second_reader_decides: true, ..plain("chest-verify") };
    let mut play = after_first(&decides, Ai::Abnormal, chest_normal());
    play.read(2, abnormal()).unwrap();
    assert_eq!(play.stands(), "abnormal by X8");
}

#[test]
fn x9_an_ai_result_alone_concludes_nothing_under_any_policy() {
    for id in SHIPPED_IDS {
        for said in [Ai::Normal, Ai::Abnormal, Ai::QualityFail, Ai::NotProcessed, Ai::Absent] {
            let mut play = Play::new(plain(id));
            play.ai(said);
            play.wait(60 * 24 * 30);
            assert_eq!(play.stands(), "first_read");
            assert!(!play.has("released") && !play.has("concluded") && !play.has("urgent_acted"));
        }
    }
}
