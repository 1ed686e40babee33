//! R5: blindness, as a comparison of bytes.

use super::*;

fn json(play: &Play, n: u128, role: Role) -> String {
    let view = view_for(user(n), role, &play.state, &play.policy);
    let status = study_status(user(n), role, &play.state, &play.policy);
    format!("{}\n{}", serde_json::to_string(&view).unwrap(), serde_json::to_string(&status).unwrap())
}

/// All worlds that a reader who opens the case at the same moment may be in.
fn worlds(id: &str) -> Vec<Play> {
    let policy = plain(id);
    let (normal, abnormal) = match policy.pathway {
        Pathway::Chest => (chest_normal(), chest_urgent()),
        Pathway::Mammo => (mammo_normal(), recall()),
    };
    let mut worlds = Vec::new();
    for said in [None, Some(Ai::Normal), Some(Ai::Abnormal), Some(Ai::QualityFail), Some(Ai::NotProcessed)] {
        for first in [None, Some(&normal), Some(&abnormal)] {
            for rate in [0.0, 1.0] {
                let mut policy = policy.clone();
                policy.qa.rate = rate;
                let mut play = Play::new(policy);
                if let Some(said) = said {
                    play.ai(said);
                }
                if let Some(first) = first {
                    play.read(1, first.clone()).unwrap();
                }
                play.now = Timestamp::from_millis(T0).plus_minutes(30);
                let token = ClaimToken::from_number(99);
                if play.ask(&reader(5), Command::Claim { token }).is_ok() {
                    play.now = play.now.plus_minutes(1);
                    worlds.push(play);
                }
            }
        }
    }
    assert!(worlds.len() >= 10, "{id}: {}", worlds.len());
    worlds
}

#[test]
fn r5_before_the_lock_all_worlds_look_the_same_to_a_reader() {
    for id in SHIPPED_IDS {
        let mut seen = worlds(id).into_iter().map(|play| json(&play, 5, Role::Reader)).collect::<Vec<_>>();
        seen.dedup();
        assert_eq!(seen.len(), 1, "{id}: {seen:#?}");
        for bystander in [6, 7] {
            let mut seen =
                worlds(id).into_iter().map(|play| json(&play, bystander, Role::Lead)).collect::<Vec<_>>();
            seen.dedup();
            assert_eq!(seen.len(), 1, "{id}");
        }
    }
}

#[test]
fn r5_after_the_lock_and_before_the_reveal_the_worlds_still_look_the_same() {
    let mut seen = BTreeSet::new();
    for mut play in worlds("mammo-ai-second") {
        play.policy.finalisation = Finalisation::Minutes(60);
        let token = ClaimToken::from_number(99);
        let lock = Command::LockRead {
            token,
            read: ReadId::from_number(5),
            opinion: recall(),
            comment: String::new(),
        };
        play.ask(&reader(5), lock).unwrap();
        seen.insert(json(&play, 5, Role::Reader));
        play.ask(&reader(5), Command::Reveal { read: ReadId::from_number(5) }).unwrap();
        let view = view_for(user(5), Role::Reader, &play.state, &play.policy);
        assert!(matches!(view, CaseView::Revealed(_)));
    }
    assert_eq!(seen.len(), 1);
}

#[test]
fn r5_refusals_before_the_lock_are_the_same_in_all_worlds() {
    let mut seen = BTreeSet::new();
    for mut play in worlds("mammo-ai-second") {
        let token = ClaimToken::from_number(99);
        let read = ReadId::from_number(5);
        for command in [
            Command::LockRead { token, read, opinion: technical(&[]), comment: String::new() },
            Command::LockRead {
                token: ClaimToken::from_number(98),
                read,
                opinion: recall(),
                comment: String::new(),
            },
            Command::Reveal { read },
            Command::Claim { token },
            Command::Finalise { read: ReadId::from_number(101) },
        ] {
            let refused = play.ask(&reader(5), command).unwrap_err();
            seen.insert(format!("{} {refused}", refused.code()));
        }
    }
    // Reveal and Finalise are refused with the same words.
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn r5_a_radiographer_sees_the_ai_and_a_reader_who_may_still_read_does_not() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.ai(Ai::Abnormal);
    let status = |role| study_status(user(5), role, &play.state, &play.policy);
    assert!(matches!(status(Role::Radiographer).ai, AiStatus::Resulted { .. }));
    for role in [Role::Reader, Role::Lead] {
        assert_eq!(status(role).ai, AiStatus::NotShown);
        assert_eq!(status(role).state, "open");
        assert!(!may_see_events(role, &play.state));
    }
    assert!(may_see_events(Role::Auditor, &play.state));
}

#[test]
fn r5_who_opened_an_arbitration_can_read_it_blind_no_more() {
    let mut play = after_first(&plain("mammo-ai-second"), Ai::Abnormal, mammo_normal());
    play.read(2, recall()).unwrap();
    assert!(matches!(view_for(user(3), Role::Reader, &play.state, &play.policy), CaseView::Blind(_)));
    let token = play.claim(3).unwrap();
    let CaseView::Revealed(view) = view_for(user(3), Role::Reader, &play.state, &play.policy) else {
        panic!("an arbitrator sees all reads side by side");
    };
    assert_eq!(view.reads.len(), 2);
    play.ask(&reader(3), Command::ReleaseClaim { token }).unwrap();
    assert!(play.state.shown.contains(&user(3)));
}

#[test]
fn r6_assisted_reading_shows_the_ai_but_no_other_persons_read() {
    let with = Policy { reveal: RevealMode::With, ..plain("mammo-ai-second") };
    let mut play = Play::new(with);
    play.ai(Ai::Abnormal);
    play.read(1, mammo_normal()).unwrap();
    play.claim(2).unwrap();
    let view = view_for(user(2), Role::Reader, &play.state, &play.policy);
    assert!(matches!(view, CaseView::Assisted(_)) && view.ai().is_some());
    assert!(!serde_json::to_string(&view).unwrap().contains("\"reads\""));
}

#[test]
fn r11_a_superseded_case_stays_closed_to_those_who_may_read_the_new_one() {
    let mut play = after_first(&plain("chest-verify"), Ai::Normal, chest_normal());
    assert!(sees_everything(user(5), Role::Reader, &play.state));
    play.ask(&Actor::System, Command::Supersede { by_case: CaseId::from_number(2) }).unwrap();
    assert!(!sees_everything(user(5), Role::Reader, &play.state));
    assert_eq!(study_status(user(5), Role::Reader, &play.state, &play.policy).outcome, None);
}
