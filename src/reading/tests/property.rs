//! Random interleavings of acts by many readers, the AI and time.

use proptest::prelude::*;

use super::chain::sealed;
use super::*;

/// One random act.
#[derive(Debug, Clone)]
enum Act {
    Wait(i64),
    Ai(u8),
    Read(u8, u8),
    Claim(u8),
    Lock(u8, u8),
    Arbitrate(u8, u8, u8),
    Own(u8, u8, u8),
    Leave(u8, u8),
    Hold(u8, u8),
    After(u8, u8),
    Order(u8, u8),
    Supersede,
}

fn act() -> impl Strategy<Value = Act> {
    let reader = || 1..6_u8;
    prop_oneof![
        5 => prop_oneof![Just(0), 11..15_i64, 60..200_i64, Just(9_000)].prop_map(Act::Wait),
        3 => (0..5_u8).prop_map(Act::Ai),
        10 => (reader(), 0..6_u8).prop_map(|(n, o)| Act::Read(n, o)),
        1 => reader().prop_map(Act::Claim),
        2 => (reader(), 0..6_u8).prop_map(|(n, o)| Act::Lock(n, o)),
        4 => (reader(), 0..6_u8, 0..4_u8).prop_map(|(n, o, k)| Act::Arbitrate(n, o, k)),
        6 => (reader(), 0..4_u8, 0..6_u8).prop_map(|(n, k, o)| Act::Own(n, k, o)),
        1 => (reader(), 0..2_u8).prop_map(|(n, k)| Act::Leave(n, k)),
        2 => (reader(), 0..8_u8).prop_map(|(n, k)| Act::Hold(n, k)),
        2 => (reader(), 0..5_u8).prop_map(|(n, k)| Act::After(n, k)),
        2 => (reader(), 0..3_u8).prop_map(|(n, k)| Act::Order(n, k)),
        1 => prop_oneof![9 => Just(Act::Wait(1)), 1 => Just(Act::Supersede)],
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (
        prop::sample::select(SHIPPED_IDS.to_vec()),
        prop_oneof![
            Just(Finalisation::Minutes(0)),
            Just(Finalisation::Minutes(60)),
            Just(Finalisation::Never(Never::Never))
        ],
        prop::sample::select(RevealMode::ALL.to_vec()),
        prop::sample::select(ArbitrationOn::ALL.to_vec()),
        prop::sample::select(TechnicalRecallRoute::ALL.to_vec()),
        any::<(bool, bool, bool)>(),
    )
        .prop_map(|(id, finalisation, reveal, arbitration, technical_recall, (decides, twice, qa))| {
            let mut policy = policy(id);
            policy.finalisation = finalisation;
            policy.reveal = reveal;
            policy.arbitration = arbitration;
            policy.technical_recall = technical_recall;
            policy.second_reader_decides = decides;
            policy.second_on_abnormal = twice;
            policy.qa.rate = if qa { 1.0 } else { 0.02 };
            policy
        })
}

fn opinion(pathway: Pathway, n: u8) -> Opinion {
    match (pathway, n) {
        (Pathway::Chest, 0 | 1) => chest_normal(),
        (Pathway::Chest, 2) => chest_urgent(),
        (Pathway::Chest, 3) => inadequate(),
        (Pathway::Chest, _) => chest_abnormal(FindingCode::Nodule),
        (Pathway::Mammo, 0 | 1) => mammo_normal(),
        (Pathway::Mammo, 2) => technical(&["RCC"]),
        (Pathway::Mammo, 3) => technical(&["LMLO", "LCC"]),
        (Pathway::Mammo, 4) => recall(),
        (Pathway::Mammo, _) => recall_of(Assessment::Clinical, Assessment::Abnormal),
    }
}

/// Does the act, if it is granted; refusals are as good.
fn perform(play: &mut Play, act: &Act, fresh: u128) {
    let pathway = play.policy.pathway;
    let read = ReadId::from_number(1_000 + fresh);
    let anyones = play.state.claim.as_ref().map_or(ClaimToken::from_number(1), |claim| claim.token);
    let number = |n: &u8| u128::from(*n);
    match act {
        Act::Wait(minutes) => {
            play.wait(*minutes);
        }
        Act::Ai(n) => {
            let said = [Ai::Normal, Ai::Abnormal, Ai::QualityFail, Ai::NotProcessed, Ai::Normal];
            let result = Box::new(ai(said[usize::from(*n)], play.now));
            let _ = play.ask(&Actor::System, Command::RecordAi { result });
        }
        Act::Read(n, o) => {
            if let Ok(token) = play.claim(number(n)) {
                play.now = play.now.plus_seconds(20);
                let opinion = opinion(pathway, *o);
                let _ = play.ask(
                    &reader(number(n)),
                    Command::LockRead { token, read, opinion, comment: String::new() },
                );
            }
        }
        Act::Claim(n) => {
            let _ = play.claim(number(n));
        }
        Act::Lock(n, o) => {
            let command = Command::LockRead {
                token: anyones,
                read,
                opinion: opinion(pathway, *o),
                comment: String::new(),
            };
            let _ = play.ask(&reader(number(n)), command);
        }
        Act::Arbitrate(n, o, others) => {
            let _ = play.claim(number(n));
            play.now = play.now.plus_seconds(20);
            let token = play.state.claim.as_ref().map_or(anyones, |claim| claim.token);
            let command = Command::LockArbitration {
                token,
                read,
                opinion: opinion(pathway, *o),
                authors: (0..=u128::from(*others)).map(|k| user(number(n) + k)).collect(),
                dissent: BTreeSet::new(),
                overrule: None,
                note: String::new(),
            };
            let _ = play.ask(&reader(number(n)), command);
        }
        Act::Own(n, kind, o) => {
            let Some(own) = play.state.reads.iter().rev().find(|read| read.is_by(user(number(n)))) else {
                return;
            };
            let read = own.id;
            let command = match kind {
                0 => Command::Reveal { read },
                1 => Command::ChangeRead { read, opinion: opinion(pathway, *o), comment: String::new() },
                2 => Command::KeepRead { read },
                _ => Command::Finalise { read },
            };
            let _ = play.ask(&reader(number(n)), command);
        }
        Act::Leave(n, kind) => {
            let command = match kind {
                0 => Command::Skip { token: anyones },
                _ => Command::ReleaseClaim { token: anyones },
            };
            let _ = play.ask(&reader(number(n)), command);
        }
        Act::Hold(n, kind) => {
            let command = match kind {
                0 => Command::Defer { reason: DeferReason::Technical, note: String::new() },
                1 => Command::AwaitPriors,
                2..5 => Command::UndoDeferral,
                _ => Command::RecordPriors,
            };
            let _ = play.ask(&lead(number(n)), command);
        }
        Act::After(n, kind) => {
            let command = match kind {
                0 => Command::Reopen { reason: "doubt".into() },
                1 => Command::Release,
                2 => Command::ReasonOverrule { reason: OverruleReason::Other, note: String::new() },
                _ => Command::Addendum {
                    reason: "history".into(),
                    text: "seen later".into(),
                    opinion: (*kind == 3).then(|| opinion(pathway, 5)),
                },
            };
            let _ = play.ask(&lead(number(n)), command);
        }
        Act::Order(n, kind) => {
            let Some(own) = play.state.reads.iter().rev().find(|read| read.is_by(user(number(n)))) else {
                return;
            };
            let both = [FindingCode::Pneumothorax, FindingCode::Nodule];
            let findings = both.into_iter().skip(usize::from(*kind % 2)).collect();
            let command =
                Command::ActNow { read: own.id, findings, reason: "now".into(), key_images: Vec::new() };
            let _ = play.ask(&reader(number(n)), command);
        }
        Act::Supersede => {
            let _ = play.ask(&Actor::System, Command::Supersede { by_case: CaseId::from_number(2) });
        }
    }
}

/// R17, X9: every outcome, release and urgent act comes from a finalised human read, at that moment.
fn check_sources(events: &[(Timestamp, Actor, Event)]) {
    let mut finalised = BTreeSet::new();
    let (mut concluded, mut ordered) = (false, false);
    for (_, _, event) in events {
        match event {
            Event::ReadFinalised { read, .. } => {
                finalised.insert(*read);
            }
            Event::Concluded { sources, .. } => {
                assert!(!sources.is_empty() && sources.iter().all(|read| finalised.contains(read)));
                concluded = true;
            }
            Event::Reopened { .. } => concluded = false,
            Event::Released { source, .. } => assert!(concluded && finalised.contains(source)),
            Event::UrgentActed { read, follow_up, .. } => {
                assert!(finalised.contains(read));
                assert_eq!(*follow_up == FollowUp::CtSameDay, !ordered, "one CT for the case");
                ordered = true;
            }
            _ => {}
        }
    }
}

/// R1, R2: nobody reads twice, one read per slot, no earlier reader settles it alone.
fn check_readers(state: &CaseState) {
    let blind: Vec<_> = state.reads.iter().filter(|read| read.slot != Slot::Arbitration).collect();
    let people: BTreeSet<_> = blind.iter().flat_map(|read| &read.authors).collect();
    assert_eq!(people.len(), blind.len());
    let slots: BTreeSet<_> = state.reads.iter().map(|read| read.slot.code()).collect();
    assert_eq!(slots.len(), state.reads.len());
    if let Some(arbitration) = state.read_in(Slot::Arbitration) {
        let solo = arbitration.authors.len() == 1;
        assert!(!(solo && arbitration.authors.iter().any(|author| people.contains(author))));
    }
}

/// R5: what a blind reader gets does not change with what others, the AI and the rules said.
fn check_blindness(play: &Play) {
    let mut other = play.clone();
    for read in &mut other.state.reads {
        read.blind = opinion(play.policy.pathway, 4);
        read.current = read.blind.clone();
        read.reading_ms += 77;
    }
    other.state.ai = Some(AiRecord { result: ai(Ai::Abnormal, play.now), at: play.now, late: true });
    other.state.qa = None;
    other.state.raised = !play.state.raised;
    other.state.second_due = Some(Rule::M4);
    for n in 1..8 {
        for role in [Role::Reader, Role::Lead] {
            let view = |play: &Play| view_for(user(n), role, &play.state, &play.policy);
            let json = |view: &CaseView| serde_json::to_string(view).unwrap();
            match view(play) {
                CaseView::Blind(_) => assert_eq!(json(&view(play)), json(&view(&other))),
                CaseView::Assisted(assisted) => {
                    assert!(play.state.own_read(user(n)).is_none());
                    let CaseView::Assisted(twin) = view(&other) else { panic!("the kind of view told") };
                    assert_eq!(assisted.case, twin.case);
                }
                CaseView::Locked(locked) => {
                    assert_eq!(Some(locked.own.id), play.state.own_read(user(n)).map(|read| read.id));
                }
                CaseView::Revealed(_) => {
                    assert!(play.state.conclusion.is_some() || play.state.shown.contains(&user(n)));
                }
            }
        }
    }
}

/// What the case waits for can come: a read that is open, a timer, the AI, or a person's hand.
fn check_it_is_not_stuck(play: &Play) {
    let slot = open_slot(&play.state);
    let timer = next_timer(&play.state, &play.policy);
    match next_step(&play.state, &play.policy) {
        NextStep::FirstRead => assert_eq!(slot, Some(Slot::First)),
        NextStep::SecondRead => assert_eq!(slot, Some(Slot::Second)),
        NextStep::ThirdRead => assert_eq!(slot, Some(Slot::Third)),
        NextStep::Arbitration => assert_eq!(slot, Some(Slot::Arbitration)),
        NextStep::Ai { until } => assert!(timer.is_some_and(|at| at <= until)),
        NextStep::Finalisation { at } => assert!(slot.is_none() && (at.is_none() || timer <= at)),
        NextStep::Hold(_) => assert!(slot.is_none()),
        NextStep::Nothing => assert!(slot.is_none() && play.state.conclusion.is_some()),
        NextStep::Superseded { .. } => assert!(slot.is_none() && timer.is_none()),
    }
    assert!(timer.is_none_or(|at| at > play.now), "everything due was done");
}

/// People who do what the case waits for bring it to an outcome.
fn bring_to_an_outcome(play: &mut Play) {
    for n in 20..40 {
        if play.state.conclusion.is_some() || play.state.superseded_by.is_some() {
            return;
        }
        let _ = play.ask(&lead(8), Command::UndoDeferral);
        let _ = play.ask(&Actor::System, Command::RecordPriors);
        if let Some(read) = play.state.reads.iter().find(|read| read.finalised_at.is_none()) {
            let (read, by) = (read.id, *read.authors.first().unwrap());
            let actor = Actor::Person { user: by, role: Role::Reader };
            play.ask(&actor, Command::Finalise { read }).unwrap();
        }
        play.wait(11);
        match open_slot(&play.state) {
            Some(Slot::Arbitration) => drop(play.arbitrate(n, opinion(play.policy.pathway, 4)).unwrap()),
            Some(_) => drop(play.read(n, opinion(play.policy.pathway, 4)).unwrap()),
            None => drop(play.wait(121)),
        }
    }
    panic!("no outcome after twenty rounds: {}", play.stands());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r1_r2_r5_r17_x9_hold_in_every_interleaving(
        policy in any_policy(),
        urgent in prop::bool::weighted(0.1),
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let set = ImageSet { urgent, ..image_set(policy.pathway) };
        let mut play = Play::of(policy, set, 0.01);
        for (act, fresh) in acts.iter().zip(0..) {
            perform(&mut play, act, fresh);
            // Whatever the act left due is done by the tick that the pipeline runs.
            play.wait(0);
            check_sources(&play.events);
            check_readers(&play.state);
            check_blindness(&play);
            check_it_is_not_stuck(&play);
        }
        let folded = CaseState::fold(play.state.case_id, play.events.iter().map(|(at, _, event)| (*at, event)));
        prop_assert_eq!(&folded.unwrap(), &play.state);
        let events = play.events.iter().map(|(at, _, event)| (*at, event));
        super::super::replay(play.state.case_id, events, &play.policy, Some(0.3)).unwrap();
        bring_to_an_outcome(&mut play);
        check_sources(&play.events);
    }

    #[test]
    fn r18_any_tampering_is_found(
        policy in any_policy(),
        acts in prop::collection::vec(act(), 1..12),
        place in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        kind in 0..5_u8,
    ) {
        let mut play = Play::of(policy.clone(), image_set(policy.pathway), 0.01);
        for (act, fresh) in acts.iter().zip(0..) {
            perform(&mut play, act, fresh);
        }
        let recorded = sealed(&play);
        let noted = recorded.last().unwrap().head();
        let mut links: Vec<ChainLink> = recorded.iter().map(RecordedEvent::link).collect();
        prop_assert_eq!(verify_chain(links.clone(), Some(&noted)).unwrap(), noted.clone());
        let at = place.index(links.len());
        match kind {
            0 => {
                let mut bytes = links[at].text.clone().into_bytes();
                let which = byte.index(bytes.len());
                bytes[which] ^= 1 << bit;
                links[at].text = String::from_utf8_lossy(&bytes).into_owned();
            }
            1 => drop(links.remove(at)),
            2 => links.truncate(at),
            3 => links.insert(at, links[at].clone()),
            _ => {
                // Everything from here on sealed anew with another time.
                let mut head = match at {
                    0 => ChainHead::default(),
                    _ => recorded[at - 1].head(),
                };
                for (link, event) in links.iter_mut().zip(&recorded).skip(at) {
                    let mut entry = event.entry.clone();
                    entry.at = entry.at.plus_ms(1);
                    let again = RecordedEvent::seal(&head, entry);
                    head = again.head();
                    *link = again.link();
                }
            }
        }
        prop_assert!(verify_chain(links, Some(&noted)).is_err());
    }
}
