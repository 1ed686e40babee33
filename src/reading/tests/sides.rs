//! Sides that contradict each other stop the lock; what tells no side does not.

use crate::vocab::{
    Assessment, BreastFeature, ChestFinding, ChestOpinion, FindingCode, Laterality, LevelOfConcern,
    MammoMark, MammoOpinion, Mark, Opinion, Side,
};

use super::{Refusal, ShownImage, breast, check_sides, finding};

fn film(left_edge: Option<Side>) -> ShownImage {
    ShownImage {
        sop_instance_uid: "1.2.1".parse().unwrap(),
        columns: 1_000,
        rows: 1_200,
        frames: 1,
        breast: None,
        left_edge,
    }
}

fn mammogram(uid: &str, side: Side) -> ShownImage {
    ShownImage { sop_instance_uid: uid.parse().unwrap(), breast: Some(side), ..film(None) }
}

fn mark(uid: &str, x: f64, width: f64) -> Mark {
    Mark { sop_instance_uid: uid.parse().unwrap(), frame: 1, x, y: 100.0, width, height: 100.0 }
}

fn chest(code: FindingCode, side: Option<Laterality>, at: Option<(f64, f64)>) -> Opinion {
    let mark = at.map(|(x, width)| mark("1.2.1", x, width));
    let findings = vec![ChestFinding { side, mark, ..finding(code) }];
    Opinion::Chest(ChestOpinion::Abnormal { findings })
}

#[test]
fn a_chest_mark_on_the_other_side_of_a_frontal_film_contradicts_the_finding() {
    use FindingCode::{Cardiomegaly, Nodule};
    use Laterality::{Bilateral, Left, Midline, Right};
    let usual = Some(Side::Right);
    let table = [
        // The patient's right lies at the left edge of a frontal film.
        (Nodule, Some(Right), usual, (100.0, 100.0), true),
        (Nodule, Some(Left), usual, (100.0, 100.0), false),
        (Nodule, Some(Left), usual, (800.0, 100.0), true),
        (Nodule, Some(Right), usual, (800.0, 100.0), false),
        // A film that is turned round, and one of which nobody knows.
        (Nodule, Some(Left), Some(Side::Left), (100.0, 100.0), true),
        (Nodule, Some(Right), Some(Side::Left), (100.0, 100.0), false),
        (Nodule, Some(Left), None, (100.0, 100.0), true),
        // Near the midline, over it, without a side, on both sides.
        (Nodule, Some(Left), usual, (430.0, 60.0), true),
        (Nodule, Some(Left), usual, (200.0, 500.0), true),
        (Nodule, None, usual, (100.0, 100.0), true),
        (Nodule, Some(Bilateral), usual, (100.0, 100.0), true),
        (Nodule, Some(Midline), usual, (100.0, 100.0), true),
        (Cardiomegaly, Some(Left), usual, (100.0, 300.0), true),
    ];
    for (code, side, left_edge, at, fine) in table {
        let said = check_sides(&[film(left_edge)], &chest(code, side, Some(at)), "");
        assert_eq!(said.is_ok(), fine, "{code} {side:?} {left_edge:?} {at:?}: {said:?}");
    }
}

#[test]
fn a_comment_that_speaks_of_the_other_side_alone_contradicts_the_finding() {
    let table = [
        ("", true),
        ("nodule in the left upper zone", true),
        ("nodule in the right upper zone", false),
        ("Rt apex", false),
        ("left, larger than on the right", true),
        ("Nothing on the right", true),
        ("left and right", true),
        ("ring the ward right away", true),
        ("the right lung is clear", true),
    ];
    for (comment, fine) in table {
        let opinion = chest(FindingCode::Nodule, Some(Laterality::Left), None);
        let said = check_sides(&[film(Some(Side::Right))], &opinion, comment);
        assert_eq!(said.is_ok(), fine, "{comment}: {said:?}");
    }
    let no_side = chest(FindingCode::Nodule, None, None);
    assert!(check_sides(&[film(None)], &no_side, "right apex").is_ok());
}

#[test]
fn a_mark_of_one_breast_on_an_image_of_the_other_contradicts_the_recall() {
    let images = [mammogram("1.2.1", Side::Right), mammogram("1.2.2", Side::Left)];
    let recall = |uid: &str, assessment| {
        let mut right = breast(assessment);
        let mark = Some(mark(uid, 10.0, 50.0));
        right.marks =
            vec![MammoMark { feature: BreastFeature::Mass, concern: LevelOfConcern::Suspicious, mark }];
        Opinion::Mammo(MammoOpinion::Recall { right, left: breast(Assessment::Normal) })
    };
    assert!(check_sides(&images, &recall("1.2.1", Assessment::Abnormal), "right breast mass").is_ok());
    let other = check_sides(&images, &recall("1.2.2", Assessment::Abnormal), "").unwrap_err();
    assert!(other.to_string().contains("a mark of the right breast lies on an image of the left breast"));
    assert!(check_sides(&images, &recall("1.2.1", Assessment::Normal), "").is_err());
    assert!(check_sides(&images, &recall("1.2.1", Assessment::Abnormal), "mass on the left").is_err());
    assert_eq!(check_sides(&images, &recall("1.2.9", Assessment::Abnormal), ""), Err(Refusal::UnknownImage));
}

#[test]
fn a_mark_beyond_the_edge_of_its_image_is_refused() {
    let images = [film(None)];
    for at in [(-5.0, 50.0), (980.0, 50.0)] {
        let opinion = chest(FindingCode::Nodule, None, Some(at));
        assert_eq!(check_sides(&images, &opinion, ""), Err(Refusal::MarkOutside), "{at:?}");
    }
}
