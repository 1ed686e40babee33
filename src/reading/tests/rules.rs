//! Rules R1 to R13: who may read, claims, windows, holds, images.

use super::*;

#[test]
fn r1_one_read_per_person_and_one_arbitration_per_image_set() {
    let mut play = after_first(&plain("mammo-ai-second"), Ai::Abnormal, mammo_normal());
    assert_eq!(play.claim(1), Err(Refusal::AlreadyRead));
    play.read(2, recall()).unwrap();
    play.arbitrate(3, recall()).unwrap();
    assert_eq!(play.claim(4), Err(Refusal::NothingToRead));
    let reopen = Command::Reopen { reason: "new history".into() };
    assert_eq!(play.ask(&lead(8), reopen), Err(Refusal::ArbitrationExists));
}

#[test]
fn r1_a_read_id_is_taken_once() {
    let mut play = after_first(&plain("mammo-ai-second"), Ai::Abnormal, mammo_normal());
    let token = play.claim(2).unwrap();
    play.wait(1);
    let command = Command::LockRead {
        token,
        read: ReadId::from_number(101),
        opinion: recall(),
        comment: String::new(),
    };
    assert_eq!(play.ask(&reader(2), command), Err(Refusal::ReadIdTaken));
}

#[test]
fn r2_a_solo_arbitrator_is_no_earlier_reader_but_a_panel_may_include_both() {
    let mut play = after_first(&plain("mammo-ai-second"), Ai::Abnormal, mammo_normal());
    play.read(2, recall()).unwrap();
    assert_eq!(is_offered(&play.state, user(1), Role::Reader), None);
    assert_eq!(is_offered(&play.state, user(3), Role::Reader), Some(Slot::Arbitration));
    assert_eq!(play.arbitrate(1, recall()), Err(Refusal::PanelNeeded));
    let token = play.state.claim.clone().unwrap().token;
    let lock = |authors: &[u128], dissent: &[u128]| Command::LockArbitration {
        token,
        read: ReadId::from_number(300),
        opinion: recall(),
        authors: authors.iter().copied().map(user).collect(),
        dissent: dissent.iter().copied().map(user).collect(),
        overrule: None,
        note: "seen together".into(),
    };
    for (authors, dissent) in [(&[2, 3][..], &[][..]), (&[1, 2], &[4]), (&[1, 2], &[1, 2])] {
        let refused = play.ask(&reader(1), lock(authors, dissent)).unwrap_err();
        assert_eq!(refused.code(), "wrong_authors");
    }
    play.ask(&reader(1), lock(&[1, 2], &[1])).unwrap();
    let arbitration = play.state.read_in(Slot::Arbitration).unwrap();
    assert_eq!((arbitration.authors.len(), arbitration.dissent.len()), (2, 1));
    assert_eq!(play.stands(), "recall by M10");
}

#[test]
fn r3_a_read_counts_when_the_window_has_passed_or_the_reader_says_so() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.ai(Ai::Normal);
    let read = play.read(1, mammo_normal()).unwrap();
    assert_eq!(play.stands(), "finalisation");
    let locked_at = play.state.read(read).unwrap().locked_at;
    assert_eq!(next_timer(&play.state, &play.policy), Some(locked_at.plus_minutes(60)));
    let mut by_hand = play.clone();
    play.wait(59);
    assert_eq!(play.stands(), "finalisation");
    play.wait(1);
    assert_eq!(play.stands(), "normal by M1");
    by_hand.ask(&reader(1), Command::Finalise { read }).unwrap();
    assert_eq!(by_hand.stands(), "normal by M1");
}

#[test]
fn r3_never_is_only_by_hand_and_urgent_is_at_once() {
    let never = Policy { finalisation: Finalisation::Never(Never::Never), ..policy("mammo-ai-second") };
    let mut play = Play::new(never.clone());
    play.ai(Ai::Normal);
    let read = play.read(1, mammo_normal()).unwrap();
    play.wait(60 * 24 * 30);
    assert_eq!(play.stands(), "finalisation");
    play.ask(&reader(1), Command::Finalise { read }).unwrap();
    assert_eq!(play.stands(), "normal by M1");

    let mut urgent = Play::of(never, ImageSet { urgent: true, ..image_set(Pathway::Mammo) }, 0.5);
    urgent.ai(Ai::Normal);
    urgent.read(1, mammo_normal()).unwrap();
    assert_eq!(urgent.stands(), "normal by M1");
}

#[test]
fn r4_a_read_changes_until_it_counts_and_every_version_is_kept() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.ai(Ai::Normal);
    let read = play.read(1, mammo_normal()).unwrap();
    let change = Command::ChangeRead { read, opinion: recall(), comment: String::new() };
    assert_eq!(play.ask(&reader(2), change.clone()), Err(Refusal::NoSuchRead));
    play.ask(&reader(1), change.clone()).unwrap();
    let kept = play.state.read(read).unwrap();
    assert_eq!(kept.versions.len(), 2);
    assert_eq!((&kept.blind, &kept.current), (&recall(), &recall()), "nothing had been revealed");
    play.wait(60);
    assert_eq!(play.stands(), "second_read by M2");
    assert_eq!(play.ask(&reader(1), change), Err(Refusal::AlreadyFinal));
}

#[test]
fn r6_after_a_reveal_both_values_are_kept_and_the_blind_one_routes() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.ai(Ai::Normal);
    let read = play.read(1, recall()).unwrap();
    assert_eq!(play.ask(&reader(1), Command::KeepRead { read }), Err(Refusal::NotRevealed));
    play.ask(&reader(1), Command::Reveal { read }).unwrap();
    assert_eq!(play.ask(&reader(1), Command::Reveal { read }), Err(Refusal::AlreadyRevealed));
    let mut keeps = play.clone();
    keeps.ask(&reader(1), Command::KeepRead { read }).unwrap();
    assert!(keeps.state.read(read).unwrap().kept_at.is_some());

    play.ask(&reader(1), Command::ChangeRead { read, opinion: mammo_normal(), comment: String::new() })
        .unwrap();
    let kept = play.state.read(read).unwrap();
    assert_eq!((&kept.blind, &kept.current), (&recall(), &mammo_normal()));
    play.wait(60);
    assert_eq!(play.stands(), "second_read by M2", "the blind opinion was a recall");
}

#[test]
fn r6_who_changes_away_from_a_concluding_row_after_the_reveal_needs_a_second_human() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.ai(Ai::Normal);
    let read = play.read(1, mammo_normal()).unwrap();
    play.ask(&reader(1), Command::Reveal { read }).unwrap();
    play.ask(&reader(1), Command::ChangeRead { read, opinion: recall(), comment: String::new() }).unwrap();
    play.wait(60);
    assert_eq!(play.stands(), "second_read by M1");
    // Blind they differ, and only the blind opinions count: a change of mind does not settle it.
    let second = play.read(2, recall()).unwrap();
    play.ask(&reader(2), Command::Finalise { read: second }).unwrap();
    assert_eq!(play.stands(), "arbitration by M10");
}

#[test]
fn r6_off_shows_nothing_before_the_conclusion() {
    let mut play = Play::new(Policy { reveal: RevealMode::Off, ..policy("mammo-ai-second") });
    play.ai(Ai::Normal);
    let read = play.read(1, mammo_normal()).unwrap();
    assert_eq!(play.ask(&reader(1), Command::Reveal { read }), Err(Refusal::RevealOff));
    assert_eq!(play.state.read(read).unwrap().mode, RevealMode::Off);
    assert!(view_for(user(1), Role::Reader, &play.state, &play.policy).ai().is_none());
    play.wait(60);
    assert!(view_for(user(1), Role::Reader, &play.state, &play.policy).ai().is_some());
}

#[test]
fn r7_a_claim_has_one_winner_and_the_loser_is_told_why() {
    let mut play = Play::new(policy("mammo-ai-second"));
    let token = play.claim(1).unwrap();
    let until = play.now.plus_minutes(10);
    assert_eq!(play.claim(2), Err(Refusal::ClaimedByAnother { until }));
    assert_eq!(play.claim(1), Err(Refusal::ClaimedByYou { until }));
    play.wait(1);
    let lock = |n| Command::LockRead {
        token,
        read: ReadId::from_number(n),
        opinion: mammo_normal(),
        comment: String::new(),
    };
    assert_eq!(play.ask(&reader(2), lock(1)), Err(Refusal::ClaimLost), "another's token");
    play.ask(&reader(1), lock(2)).unwrap();
    assert_eq!(play.ask(&reader(1), lock(3)), Err(Refusal::AlreadyRead), "a double submit");
    assert_eq!(play.state.reads.len(), 1);
}

#[test]
fn r7_a_claim_is_taken_back_on_expiry_and_renewed_by_a_heartbeat() {
    let mut play = Play::new(policy("mammo-ai-second"));
    let token = play.claim(1).unwrap();
    assert_eq!(next_timer(&play.state, &play.policy), Some(play.now.plus_minutes(10)));
    let mut renewed = play.clone();
    renewed.now = renewed.now.plus_minutes(9);
    let until = renew_claim(&renewed.state, &renewed.policy, token, user(1), renewed.now).unwrap();
    assert_eq!(until, renewed.now.plus_minutes(10));
    assert!(renew_claim(&renewed.state, &renewed.policy, token, user(2), renewed.now).is_err());
    renewed.state.lay_lease(token, until);
    renewed.wait(5);
    assert!(renewed.state.claim.is_some());

    let events = play.wait(10);
    assert_eq!(events, [Event::ClaimExpired { by: user(1) }]);
    assert_eq!(renew_claim(&play.state, &play.policy, token, user(1), play.now), Err(Refusal::ClaimLost));
    let lock = Command::LockRead {
        token,
        read: ReadId::from_number(1),
        opinion: mammo_normal(),
        comment: String::new(),
    };
    assert_eq!(play.ask(&reader(1), lock), Err(Refusal::ClaimLost));
    play.claim(2).unwrap();
}

#[test]
fn r7_the_next_claim_takes_back_an_expired_one_without_a_tick() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.claim(1).unwrap();
    play.now = play.now.plus_minutes(10);
    play.claim(2).unwrap();
    assert!(play.has("claim_expired"));
    assert_eq!(play.state.claim.clone().unwrap().by, user(2));
}

#[test]
fn r8_skip_leaves_the_case_for_others() {
    let mut play = Play::new(policy("mammo-ai-second"));
    let token = play.claim(1).unwrap();
    play.ask(&reader(1), Command::Skip { token }).unwrap();
    assert_eq!(is_offered(&play.state, user(1), Role::Reader), None);
    assert_eq!(is_offered(&play.state, user(2), Role::Reader), Some(Slot::First));
    play.claim(1).unwrap();
}

#[test]
fn r8_defer_takes_the_case_out_of_all_queues_until_someone_undoes_it() {
    let mut play = Play::new(policy("mammo-ai-second"));
    let defer = Command::Defer { reason: DeferReason::ClinicalQuestion, note: "ask the clinic".into() };
    assert_eq!(play.ask(&reader(1), defer.clone()), Err(Refusal::ClaimLost), "not open here");
    play.claim(1).unwrap();
    play.ask(&reader(1), defer).unwrap();
    assert!(play.state.claim.is_none());
    assert_eq!(play.claim(2), Err(Refusal::OnHold));
    play.wait(60 * 24 * 30);
    assert_eq!(play.stands(), "on_hold", "a hold is not an outcome");
    play.ask(&reader(2), Command::UndoDeferral).unwrap();
    assert_eq!(play.ask(&reader(2), Command::UndoDeferral), Err(Refusal::NotOnHold));
    play.claim(2).unwrap();
}

#[test]
fn r8_a_held_case_neither_concludes_nor_leaves() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.ai(Ai::Normal);
    play.read(1, mammo_normal()).unwrap();
    let defer = Command::Defer { reason: DeferReason::IdentityConflict, note: String::new() };
    play.ask(&Actor::System, defer).unwrap();
    play.wait(120);
    assert!(play.state.reads[0].finalised_at.is_some() && !play.has("released"));
    play.ask(&lead(8), Command::UndoDeferral).unwrap();
    assert!(play.has("released"));
}

#[test]
fn r8_r9_a_wait_for_priors_ends_by_itself_and_the_first_read_is_kept() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.ai(Ai::Abnormal);
    let read = play.read(1, mammo_normal()).unwrap();
    play.wait(60);
    play.claim(2).unwrap();
    play.ask(&reader(2), Command::AwaitPriors).unwrap();
    let mut arrived = play.clone();
    arrived.ask(&Actor::System, Command::RecordPriors).unwrap();
    assert_eq!(arrived.stands(), "second_read by M3");
    assert_eq!(arrived.state.read_in(Slot::First).unwrap().id, read);
    play.wait(5 * 24 * 60 - 1);
    assert_eq!(next_step(&play.state, &play.policy).word(), "on_hold");
    play.wait(1);
    assert_eq!(play.stands(), "second_read by M3");
    assert!(play.has("priors_expired"));
    assert_eq!(play.state.read_in(Slot::First).unwrap().id, read);
}

#[test]
fn r10_an_opinion_says_all_that_it_must() {
    let mut play = Play::new(policy("mammo-ai-second"));
    let token = play.claim(1).unwrap();
    play.wait(1);
    for (opinion, part) in [
        (technical(&[]), "at least one view"),
        (technical(&["RCC", "RCC"]), "twice"),
        (recall_of(Assessment::Normal, Assessment::Normal), "not normal"),
        (chest_normal(), "another pathway"),
    ] {
        let lock = Command::LockRead { token, read: ReadId::from_number(1), opinion, comment: String::new() };
        let refused = play.ask(&reader(1), lock).unwrap_err();
        assert_eq!(refused.code(), "opinion_incomplete");
        assert!(refused.to_string().contains(part), "{refused}");
    }
    let lock = Command::LockRead {
        token,
        read: ReadId::from_number(1),
        opinion: technical(&["RXCCL"]),
        comment: String::new(),
    };
    play.ask(&reader(1), lock).unwrap();
}

#[test]
fn r11_new_images_supersede_the_case_keep_its_reads_and_end_its_claims() {
    let mut play = Play::new(policy("mammo-ai-second"));
    play.ai(Ai::Abnormal);
    play.read(1, recall()).unwrap();
    play.wait(60);
    let token = play.claim(2).unwrap();
    let by_case = CaseId::from_number(2);
    assert_eq!(play.ask(&reader(2), Command::Supersede { by_case }), Err(Refusal::NotForPeople));
    let events = play.ask(&Actor::System, Command::Supersede { by_case }).unwrap();
    assert_eq!(events, [Event::Superseded { by_case, claim_ended: Some(user(2)) }]);
    assert_eq!(play.state.reads.len(), 1);
    let lock =
        Command::LockRead { token, read: ReadId::from_number(9), opinion: recall(), comment: String::new() };
    assert_eq!(play.ask(&reader(2), lock), Err(Refusal::Superseded { by_case }));
    let renewed = renew_claim(&play.state, &play.policy, token, user(2), play.now);
    assert_eq!(renewed, Err(Refusal::Superseded { by_case }));
    assert_eq!(next_timer(&play.state, &play.policy), None);
    let set = ImageSet { number: 2, supersedes: Some(play.state.case_id), ..image_set(Pathway::Mammo) };
    let later = Play::of(policy("mammo-ai-second"), set, 0.5);
    assert!(later.state.ai.is_none(), "the AI runs again");
}

#[test]
fn r12_every_image_of_a_larger_set_is_opened_before_an_opinion_is_accepted() {
    let mut set = image_set(Pathway::Mammo);
    set.images
        .push(CaseImage { sop_instance_uid: "1.2.5".parse().unwrap(), view: Some("RCC".parse().unwrap()) });
    let mut play = Play::of(policy("mammo-ai-second"), set, 0.5);
    let token = play.claim(1).unwrap();
    play.wait(1);
    let lock = Command::LockRead {
        token,
        read: ReadId::from_number(1),
        opinion: mammo_normal(),
        comment: String::new(),
    };
    assert_eq!(play.ask(&reader(1), lock.clone()), Err(Refusal::ImagesNotOpened { count: 5 }));
    let look = |uids: &[&str]| Command::AcknowledgeImages {
        token,
        images: uids.iter().map(|uid| uid.parse().unwrap()).collect(),
    };
    assert_eq!(play.ask(&reader(1), look(&["1.9"])), Err(Refusal::UnknownImage));
    play.ask(&reader(1), look(&["1.2.1", "1.2.2", "1.2.3", "1.2.4"])).unwrap();
    assert_eq!(play.ask(&reader(1), lock.clone()), Err(Refusal::ImagesNotOpened { count: 1 }));
    play.ask(&reader(1), look(&["1.2.5"])).unwrap();
    play.ask(&reader(1), lock).unwrap();
}

#[test]
fn r13_an_opinion_within_two_seconds_of_the_first_load_is_an_accidental_click() {
    let mut play = Play::new(policy("mammo-ai-second"));
    let token = play.claim(1).unwrap();
    let lock = |token| Command::LockRead {
        token,
        read: ReadId::from_number(1),
        opinion: mammo_normal(),
        comment: String::new(),
    };
    play.now = play.now.plus_ms(1_999);
    assert_eq!(play.ask(&reader(1), lock(token)), Err(Refusal::AccidentalClick { seconds: 2 }));
    play.ask(&reader(1), Command::ReleaseClaim { token }).unwrap();
    let again = play.claim(1).unwrap();
    play.now = play.now.plus_ms(1);
    play.ask(&reader(1), lock(again)).unwrap();
}

#[test]
fn only_people_who_may_read_act_as_readers() {
    let mut play = Play::new(policy("chest-verify"));
    for role in [Role::Radiographer, Role::Auditor, Role::Admin] {
        let actor = Actor::Person { user: user(5), role };
        let token = ClaimToken::from_number(1);
        assert_eq!(play.ask(&actor, Command::Claim { token }), Err(Refusal::RoleNotAllowed { role }));
    }
    let token = ClaimToken::from_number(1);
    assert_eq!(play.ask(&Actor::System, Command::Claim { token }), Err(Refusal::NotAPerson));
    let result = Box::new(ai(Ai::Normal, play.now));
    assert_eq!(play.ask(&reader(1), Command::RecordAi { result }), Err(Refusal::NotForPeople));
    let other = Policy { version: 2, ..policy("chest-verify") };
    let refused = decide(&play.state, &other, Command::Tick, &Actor::System, play.now);
    assert_eq!(refused.unwrap_err().code(), "wrong_policy");
}
