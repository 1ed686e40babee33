//! Whether a case has the images that its model needs, and the reason when it has not. Pure.

use crate::vocab::{AiOutcome, MammoView, NotProcessed, NotProcessedReason, QualityFault, SopInstanceUid};

/// An image of the case that is not scored.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// Which.
    pub sop_instance_uid: SopInstanceUid,
    /// Its view, on the mammogram pathway.
    pub view: Option<MammoView>,
    /// Why.
    pub refusal: NotProcessed,
}

/// Why the case is not scored, if it is not. `usable` are the views of the images that are ready.
///
/// - No image is ready: the reason that came nearest to being scored (a child's frontal film says more
///   than the lateral beside it).
/// - A required view is missing because its image is not good enough: quality, with every view that fails.
/// - A required view is missing for another reason: that reason, or that it is missing.
pub(super) fn refuse(
    required: &[MammoView],
    usable: &[Option<MammoView>],
    left_out: &[LeftOut],
) -> Option<AiOutcome> {
    if usable.is_empty() {
        let nearest = left_out.iter().min_by_key(|l| distance_from_scored(l.refusal.reason));
        return Some(AiOutcome::NotProcessed(nearest.map_or_else(
            || NotProcessed { reason: NotProcessedReason::MissingViews, detail: "no image".into() },
            |l| l.refusal.clone(),
        )));
    }
    let missing: Vec<MammoView> =
        required.iter().copied().filter(|view| !usable.contains(&Some(*view))).collect();
    if missing.is_empty() {
        return None;
    }
    // An image that does not say its view may be the one that is missing.
    let in_place_of = |l: &&LeftOut| l.view.is_none_or(|view| missing.contains(&view));
    let faults: Vec<QualityFault> = left_out
        .iter()
        .filter(in_place_of)
        .filter(|l| is_quality(l.refusal.reason))
        .map(|l| QualityFault { view: l.view, reason: l.refusal.reason, detail: l.refusal.detail.clone() })
        .collect();
    if !faults.is_empty() {
        return Some(AiOutcome::QualityFail { faults });
    }
    let nearest = left_out.iter().filter(in_place_of).min_by_key(|l| distance_from_scored(l.refusal.reason));
    let names: Vec<String> = missing.iter().map(MammoView::to_string).collect();
    Some(AiOutcome::NotProcessed(NotProcessed {
        reason: nearest.map_or(NotProcessedReason::MissingViews, |l| l.refusal.reason),
        detail: match nearest {
            Some(l) if !l.refusal.detail.is_empty() => format!("{}: {}", names.join(", "), l.refusal.detail),
            _ => names.join(", "),
        },
    }))
}

/// Whether the radiographer could have made a better image: the fault is in the exposure.
pub fn is_quality(reason: NotProcessedReason) -> bool {
    use NotProcessedReason as R;
    match reason {
        R::Blank | R::Clipped | R::Inverted => true,
        R::WrongBodyPart
        | R::WrongModality
        | R::UnsupportedView
        | R::LateralView
        | R::UnderAge
        | R::OverAge
        | R::NotSynthetic
        | R::Implant
        | R::SpotOrMagnification
        | R::ForProcessing
        | R::UnsupportedObject
        | R::MissingPixels
        | R::MissingViews
        | R::ViewTwice
        | R::Undecodable
        | R::TooFewBits
        | R::TooSmall
        | R::TooLarge
        | R::NotGreyscale
        | R::OutOfDistribution
        | R::IdentityConflict
        | R::ModelNotAvailable
        | R::ModelFault
        | R::NonFiniteScore
        | R::NoResultByDeadline => false,
    }
}

/// How far an image was from being scored: small when it was the right kind of image and failed late.
pub fn distance_from_scored(reason: NotProcessedReason) -> u8 {
    use NotProcessedReason as R;
    match reason {
        R::IdentityConflict => 0,
        R::ModelFault | R::NonFiniteScore | R::ModelNotAvailable | R::NoResultByDeadline => 1,
        R::OutOfDistribution => 2,
        R::Blank | R::Clipped | R::Inverted => 3,
        R::Undecodable | R::TooFewBits | R::TooSmall | R::TooLarge | R::NotGreyscale => 4,
        R::UnderAge | R::OverAge | R::Implant => 5,
        R::ForProcessing | R::SpotOrMagnification => 6,
        R::WrongBodyPart => 7,
        R::LateralView | R::UnsupportedView => 8,
        R::MissingPixels | R::MissingViews | R::ViewTwice => 9,
        R::WrongModality | R::UnsupportedObject => 10,
        R::NotSynthetic => 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NotProcessedReason as R;

    fn left(view: Option<&str>, reason: R) -> LeftOut {
        LeftOut {
            sop_instance_uid: "1.2".parse().unwrap(),
            view: view.map(|v| v.parse().unwrap()),
            refusal: NotProcessed { reason, detail: "seen".into() },
        }
    }

    fn views(names: &[&str]) -> Vec<Option<MammoView>> {
        names.iter().map(|v| Some(v.parse().unwrap())).collect()
    }

    fn reason_of(outcome: Option<AiOutcome>) -> Option<(&'static str, R)> {
        outcome.map(|o| match o {
            AiOutcome::NotProcessed(n) => ("not_processed", n.reason),
            AiOutcome::QualityFail { faults } => ("quality_fail", faults[0].reason),
            AiOutcome::Normal | AiOutcome::Abnormal => panic!("a refusal is neither"),
        })
    }

    #[test]
    fn a_case_without_a_usable_image_gives_the_reason_that_came_nearest() {
        let table: &[(&[R], R)] = &[
            (&[R::LateralView, R::UnderAge], R::UnderAge),
            (&[R::LateralView, R::Blank], R::Blank),
            (&[R::UnsupportedObject, R::LateralView], R::LateralView),
            (&[R::WrongBodyPart], R::WrongBodyPart),
            (&[], R::MissingViews),
        ];
        for (reasons, expected) in table {
            let left_out: Vec<LeftOut> = reasons.iter().map(|r| left(None, *r)).collect();
            assert_eq!(
                reason_of(refuse(&[], &[], &left_out)),
                Some(("not_processed", *expected)),
                "{reasons:?}"
            );
        }
    }

    #[test]
    fn a_chest_film_beside_others_that_are_left_out_is_scored() {
        assert_eq!(refuse(&[], &[None], &[left(None, R::LateralView), left(None, R::Clipped)]), None);
    }

    #[test]
    fn a_mammogram_lacks_nothing_or_says_what() {
        let four = MammoView::STANDARD;
        let three = views(&["RCC", "LCC", "RMLO"]);
        assert_eq!(refuse(&four, &views(&["RCC", "LCC", "RMLO", "LMLO"]), &[]), None);
        let table = [
            (vec![], ("not_processed", R::MissingViews)),
            (vec![left(Some("LMLO"), R::Clipped)], ("quality_fail", R::Clipped)),
            (vec![left(None, R::Clipped)], ("quality_fail", R::Clipped)),
            (vec![left(Some("LMLO"), R::Implant)], ("not_processed", R::Implant)),
            // What is wrong with a view that is there twice does not explain the one that is not.
            (vec![left(Some("RCC"), R::Clipped)], ("not_processed", R::MissingViews)),
        ];
        for (left_out, expected) in table {
            assert_eq!(reason_of(refuse(&four, &three, &left_out)), Some(expected), "{left_out:?}");
        }
    }

    #[test]
    fn a_bad_exposure_that_was_repeated_counts_no_more() {
        let four = MammoView::STANDARD;
        let all = views(&["RCC", "LCC", "RMLO", "LMLO"]);
        assert_eq!(refuse(&four, &all, &[left(Some("RCC"), R::Clipped)]), None);
    }
}
