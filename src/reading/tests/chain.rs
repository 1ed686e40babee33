//! R18: the chain finds every edit, gap, reorder and truncation.

use super::*;

pub(super) fn sealed(play: &Play) -> Vec<RecordedEvent> {
    let mut head = ChainHead::default();
    play.events
        .iter()
        .map(|(at, actor, event)| {
            let recorded = RecordedEvent::seal(
                &head,
                Entry {
                    position: 0,
                    case_id: play.state.case_id,
                    at: *at,
                    actor: actor.clone(),
                    policy: play.state.policy.clone(),
                    event: event.clone(),
                },
            );
            head = recorded.head();
            recorded
        })
        .collect()
}

fn example() -> (Vec<ChainLink>, ChainHead) {
    let mut play = after_first(&plain("mammo-ai-second"), Ai::Abnormal, mammo_normal());
    play.read(2, recall()).unwrap();
    play.arbitrate(3, recall()).unwrap();
    let recorded = sealed(&play);
    let head = recorded.last().unwrap().head();
    (recorded.iter().map(RecordedEvent::link).collect(), head)
}

#[test]
fn r18_a_whole_chain_verifies_and_reads_back_to_the_same_state() {
    let mut play = after_first(&plain("mammo-ai-second"), Ai::Abnormal, mammo_normal());
    play.read(2, recall()).unwrap();
    let recorded = sealed(&play);
    let head = verify_chain(recorded.iter().map(RecordedEvent::link), None).unwrap();
    assert_eq!(head, recorded.last().unwrap().head());
    let read: Vec<_> = recorded.iter().map(|event| RecordedEvent::read(event.link()).unwrap()).collect();
    let state =
        CaseState::fold(play.state.case_id, read.iter().map(|event| (event.entry.at, &event.entry.event)));
    assert_eq!(state.unwrap(), play.state);
    assert_eq!(verify_chain([], None).unwrap(), ChainHead::default());
}

#[test]
fn r18_an_edit_is_found_where_it_was_made() {
    let (links, head) = example();
    for place in 0..links.len() {
        let mut edited = links.clone();
        edited[place].text = edited[place].text.replacen("2026", "2025", 1);
        let position = edited[place].position;
        assert_eq!(verify_chain(edited.clone(), Some(&head)), Err(ChainFault::Edited { position }));
        // Whoever recomputes the hash breaks the link of the next, or the noted head.
        edited[place].hash = event_hash(&edited[place].prev_hash, &edited[place].text);
        let fault = verify_chain(edited, Some(&head)).unwrap_err();
        let expected = match links.get(place + 1) {
            Some(next) => ChainFault::Broken { position: next.position },
            None => ChainFault::Rewritten { position },
        };
        assert_eq!(fault, expected);
        let mut moved = links.clone();
        moved[place].case_id = CaseId::from_number(77);
        assert_eq!(verify_chain(moved, None), Err(ChainFault::Edited { position }));
    }
}

#[test]
fn r18_gaps_reorders_repeats_and_truncation_are_found() {
    let (links, head) = example();
    let mut gap = links.clone();
    gap.remove(3);
    assert_eq!(verify_chain(gap, Some(&head)), Err(ChainFault::Gap { expected: 4, found: 5 }));
    let mut reordered = links.clone();
    reordered.swap(2, 3);
    assert_eq!(verify_chain(reordered, Some(&head)), Err(ChainFault::Gap { expected: 3, found: 4 }));
    let mut renumbered = links.clone();
    renumbered.swap(2, 3);
    renumbered[2].position = 3;
    renumbered[3].position = 4;
    assert_eq!(verify_chain(renumbered, Some(&head)), Err(ChainFault::Broken { position: 3 }));
    let mut repeated = links.clone();
    repeated.insert(3, links[2].clone());
    assert_eq!(verify_chain(repeated, Some(&head)), Err(ChainFault::Reordered { expected: 4, found: 3 }));
    let cut = links[..links.len() - 2].to_vec();
    let fault = ChainFault::Truncated { expected: head.position, found: head.position - 2 };
    assert_eq!(verify_chain(cut, Some(&head)), Err(fault));
    let mut headless = links.clone();
    headless.remove(0);
    assert_eq!(verify_chain(headless, None), Err(ChainFault::Gap { expected: 1, found: 2 }));
}

#[test]
fn r18_canonical_json_does_not_depend_on_the_order_of_keys() {
    let one: serde_json::Value =
        serde_json::from_str(r#"{"b":1,"a":{"d":[2,{"z":0,"y":1}],"c":null}}"#).unwrap();
    assert_eq!(canonical_json(&one), r#"{"a":{"c":null,"d":[2,{"y":1,"z":0}]},"b":1}"#);
    // SHA-256 of 64 zeros, a line feed and `{}`, by `printf '%064d\n{}' 0 | sha256sum`.
    assert_eq!(
        event_hash(GENESIS_HASH, "{}"),
        "5649d09ed68c17156095d175eef152856c5b1a81c117c409c1e00f096aa6838e"
    );
}
