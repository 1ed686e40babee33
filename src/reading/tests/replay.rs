//! R19: a history under another policy or threshold.

use super::*;

fn replayed(play: &Play, policy: &Policy, threshold: Option<f64>) -> Replayed {
    let events = play.events.iter().map(|(at, _, event)| (*at, event));
    super::super::replay(play.state.case_id, events, policy, threshold).unwrap()
}

fn outcome(replayed: &Replayed) -> String {
    match &replayed.state.conclusion {
        Some(conclusion) => format!("{} by {}", conclusion.outcome.word(), conclusion.rule),
        None => replayed.next.word().to_owned(),
    }
}

fn arbitrated() -> Play {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.ai(Ai::Abnormal);
    for (n, opinion) in [(1, mammo_normal()), (2, recall())] {
        play.read(n, opinion).unwrap();
        play.wait(60);
    }
    play.arbitrate(3, recall()).unwrap();
    play.wait(60);
    play
}

#[test]
fn r19_under_its_own_policy_a_history_comes_to_the_same_state() {
    let play = arbitrated();
    assert_eq!(play.stands(), "recall by M10");
    let own = replayed(&play, &play.policy, None);
    assert_eq!(own.state.conclusion.map(|c| (c.outcome, c.sources, c.rule)), {
        play.state.conclusion.clone().map(|c| (c.outcome, c.sources, c.rule))
    });
}

#[test]
fn r19_another_policy_routes_the_same_acts_its_own_way() {
    let play = arbitrated();
    let double = replayed(&play, &policy("mammo-double"), None);
    assert_eq!(outcome(&double), "recall by M10");
    let decides = Policy { second_reader_decides: true, ..policy("mammo-ai-second") };
    let decided = replayed(&play, &decides, None);
    assert_eq!(outcome(&decided), "recall by M10");
    assert_eq!(decided.state.reads.len(), 2, "no arbitration was needed");
    assert_eq!(play.state.reads.len(), 3, "the live case is not touched");
}

#[test]
fn r19_another_threshold_routes_as_that_model_version_would() {
    let play = arbitrated();
    let higher = replayed(&play, &play.policy, Some(0.95));
    assert_eq!(outcome(&higher), "normal by M1");
    assert_eq!(higher.state.reads.len(), 1);
    assert!(higher.decisions.iter().any(|event| matches!(event, Event::QaDrawn { drawn: false, .. })));
}

#[test]
fn r19_reads_that_nobody_gave_are_what_the_case_then_waits_for() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.ai(Ai::Normal);
    play.read(1, mammo_normal()).unwrap();
    play.wait(60);
    assert_eq!(play.stands(), "normal by M1");
    assert_eq!(outcome(&replayed(&play, &policy("mammo-double"), None)), "second_read");
    assert_eq!(outcome(&replayed(&play, &play.policy, Some(0.05))), "second_read");
}

#[test]
fn r19_a_second_read_given_early_is_used_when_the_other_policy_asks_for_it() {
    let mut play = Play::new(plain("mammo-double"));
    play.read(1, recall()).unwrap();
    play.read(2, recall()).unwrap();
    assert_eq!(play.stands(), "recall by M9");
    play.ai(Ai::Normal);
    let other = replayed(&play, &plain("mammo-ai-second"), None);
    assert_eq!(outcome(&other), "recall by M9");
    assert!(other.decisions.contains(&Event::SecondReadDue { rule: Rule::M2, raised: false }));
}
