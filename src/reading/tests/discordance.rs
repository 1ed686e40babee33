//! Discordance: every opinion against every opinion, and the AI against people.

use crate::vocab::{AiFinding, BreastFeature, Laterality, LevelOfConcern, MammoMark, Mark, Region};

use super::*;

const A: Assessment = Assessment::Abnormal;
const C: Assessment = Assessment::Clinical;
const N: Assessment = Assessment::Normal;

#[test]
fn every_mammo_opinion_against_every_mammo_opinion() {
    let opinions = [
        mammo_normal(),
        technical(&["RCC"]),
        technical(&["RCC", "LCC"]),
        recall_of(A, N),
        recall_of(N, A),
        recall_of(A, A),
        recall_of(C, N),
        recall_of(N, C),
        recall_of(C, C),
        recall_of(A, C),
        recall_of(C, A),
    ];
    for (i, one) in opinions.iter().enumerate() {
        for (j, other) in opinions.iter().enumerate() {
            // Each of these is concordant with itself alone.
            assert_eq!(compare_reads(one, other).discordant, i != j, "{one:?} {other:?}");
            assert_eq!(compare_reads(one, other), compare_reads(other, one));
        }
    }
    assert_eq!(compare_reads(&opinions[3], &opinions[5]).breasts, [Side::Left]);
    assert_eq!(compare_reads(&opinions[0], &opinions[5]).breasts, [Side::Right, Side::Left]);
}

#[test]
fn reasons_marks_and_comments_do_not_make_a_pair_discordant() {
    let view = |reason| ViewRecall { view: "RCC".parse().unwrap(), reason };
    let technical = |reason| Opinion::Mammo(MammoOpinion::TechnicalRecall { views: vec![view(reason)] });
    assert!(
        !compare_reads(&technical(TechnicalReason::Blurred), &technical(TechnicalReason::Other)).discordant
    );
    let marked = Opinion::Mammo(MammoOpinion::Recall { right: marked_breast("1.2.1", 5.0), left: breast(N) });
    assert!(!compare_reads(&marked, &recall_of(A, N)).discordant);
}

#[test]
fn every_chest_opinion_against_every_chest_opinion() {
    let nodule = |side| {
        Opinion::Chest(ChestOpinion::Abnormal {
            findings: vec![ChestFinding { side, ..finding(FindingCode::Nodule) }],
        })
    };
    let opinions = [
        chest_normal(),
        inadequate(),
        nodule(Some(Laterality::Left)),
        nodule(Some(Laterality::Right)),
        chest_abnormal(FindingCode::Mass),
    ];
    for (i, one) in opinions.iter().enumerate() {
        for (j, other) in opinions.iter().enumerate() {
            let compared = compare_reads(one, other);
            let both_abnormal = i >= 2 && j >= 2;
            assert_eq!(compared.discordant, i != j && !both_abnormal, "{one:?} {other:?}");
            assert_eq!(compared.finding_discordant, i != j && both_abnormal, "{one:?} {other:?}");
        }
    }
    assert!(compare_reads(&chest_normal(), &mammo_normal()).discordant);
}

fn flagged(right: bool, left: bool) -> AiResult {
    let at = Timestamp::from_millis(T0);
    let mut result = ai(if right || left { Ai::Abnormal } else { Ai::Normal }, at);
    result.breasts = vec![
        BreastScore { side: Side::Right, score: 0.5, flagged: right },
        BreastScore { side: Side::Left, score: 0.5, flagged: left },
    ];
    result
}

#[test]
fn every_ai_result_against_every_mammo_opinion_per_breast() {
    let set = image_set(Pathway::Mammo);
    let opinions = [
        (mammo_normal(), false, false),
        (recall_of(A, N), true, false),
        (recall_of(C, N), true, false),
        (recall_of(N, A), false, true),
        (recall_of(A, C), true, true),
    ];
    for (right, left) in [(false, false), (true, false), (false, true), (true, true)] {
        let result = flagged(right, left);
        for (opinion, human_right, human_left) in &opinions {
            let compared = compare_ai(&result, opinion, &set.images).unwrap();
            let mut differ = Vec::new();
            if right != *human_right {
                differ.push(Side::Right);
            }
            if left != *human_left {
                differ.push(Side::Left);
            }
            assert_eq!(compared.discordant, !differ.is_empty(), "{right} {left} {opinion:?}");
            assert_eq!(compared.breasts, differ);
        }
        assert!(compare_ai(&result, &technical(&["RCC"]), &set.images).unwrap().discordant);
    }
    for said in [Ai::QualityFail, Ai::NotProcessed] {
        let result = ai(said, Timestamp::from_millis(T0));
        assert_eq!(compare_ai(&result, &mammo_normal(), &set.images), None);
    }
}

#[test]
fn an_ai_result_without_scores_per_breast_is_compared_as_a_whole() {
    let set = image_set(Pathway::Mammo);
    let mut result = flagged(true, false);
    result.breasts.clear();
    assert!(!compare_ai(&result, &recall_of(N, A), &set.images).unwrap().discordant);
    assert!(compare_ai(&result, &mammo_normal(), &set.images).unwrap().discordant);
}

#[test]
fn every_ai_result_against_every_chest_opinion() {
    let at = Timestamp::from_millis(T0);
    let opinions = [chest_normal(), chest_abnormal(FindingCode::Mass), inadequate()];
    for (said, expected) in [(Ai::Normal, [false, true, true]), (Ai::Abnormal, [true, false, true])] {
        for (opinion, expected) in opinions.iter().zip(expected) {
            assert_eq!(compare_ai(&ai(said, at), opinion, &[]).unwrap().discordant, expected);
        }
    }
    let mut fine = ai(Ai::Abnormal, at);
    fine.findings = vec![AiFinding {
        label: "mass".into(),
        code: Some(FindingCode::Mass),
        feature: None,
        side: None,
        score: 0.9,
        threshold: 0.5,
        flagged: true,
    }];
    assert!(!compare_ai(&fine, &chest_abnormal(FindingCode::Mass), &[]).unwrap().finding_discordant);
    assert!(compare_ai(&fine, &chest_abnormal(FindingCode::Nodule), &[]).unwrap().finding_discordant);
}

fn mark(uid: &str, x: f64) -> Mark {
    Mark { sop_instance_uid: uid.parse().unwrap(), frame: 1, x, y: 0.0, width: 10.0, height: 10.0 }
}
fn marked_breast(uid: &str, x: f64) -> BreastOpinion {
    let mark = MammoMark {
        feature: BreastFeature::Mass,
        concern: LevelOfConcern::Suspicious,
        mark: Some(mark(uid, x)),
    };
    BreastOpinion { assessment: A, marks: vec![mark] }
}

#[test]
fn the_same_breast_in_different_places_is_location_discordant_and_does_not_route() {
    let set = image_set(Pathway::Mammo);
    let mut result = flagged(true, false);
    // 1.2.1 is RCC, 1.2.2 is LCC.
    result.regions = vec![Region { mark: mark("1.2.1", 0.0), score: 0.9 }];
    let at = |x| Opinion::Mammo(MammoOpinion::Recall { right: marked_breast("1.2.1", x), left: breast(N) });
    let compared = |opinion: &Opinion| compare_ai(&result, opinion, &set.images).unwrap();
    assert!(!compared(&at(2.0)).location_discordant);
    // Overlap of 1 in 19 columns is below 0.1, and the centre is outside.
    assert!(compared(&at(9.0)).location_discordant);
    assert!(!compared(&at(9.0)).discordant);
    // Without a mark nobody pointed anywhere.
    assert!(!compared(&recall_of(A, N)).location_discordant);
    // A region on the other breast says nothing about this one.
    let mut other = result.clone();
    other.regions = vec![Region { mark: mark("1.2.2", 0.0), score: 0.9 }];
    assert!(!compare_ai(&other, &at(2.0), &set.images).unwrap().location_discordant);
}

#[test]
fn chest_places_are_compared_where_both_call_the_same_side_abnormal() {
    let mut result = ai(Ai::Abnormal, Timestamp::from_millis(T0));
    result.regions = vec![Region { mark: mark("1.2.1", 0.0), score: 0.9 }];
    let at = |x, side| {
        Opinion::Chest(ChestOpinion::Abnormal {
            findings: vec![ChestFinding { side, mark: Some(mark("1.2.1", x)), ..finding(FindingCode::Mass) }],
        })
    };
    assert!(compare_ai(&result, &at(50.0, None), &[]).unwrap().location_discordant);
    assert!(!compare_ai(&result, &at(1.0, None), &[]).unwrap().location_discordant);
    result.findings = vec![AiFinding {
        label: "abnormality".into(),
        code: Some(FindingCode::Abnormality),
        feature: None,
        side: Some(Laterality::Left),
        score: 0.9,
        threshold: 0.5,
        flagged: true,
    }];
    assert!(!compare_ai(&result, &at(50.0, Some(Laterality::Right)), &[]).unwrap().location_discordant);
    assert!(compare_ai(&result, &at(50.0, Some(Laterality::Left)), &[]).unwrap().location_discordant);
}
