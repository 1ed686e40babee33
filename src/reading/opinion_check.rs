//! Whether an opinion says all that it must, of this image set.

use std::collections::BTreeSet;

use crate::vocab::{Assessment, ChestOpinion, MammoOpinion, Mark, Opinion};

use super::event::ImageSet;
use super::refusal::Refusal;

/// Refuses an opinion of another pathway, or without what makes it one (PATHWAYS, Words; R10).
pub(super) fn check_opinion(set: &ImageSet, opinion: &Opinion) -> Result<(), Refusal> {
    let incomplete = |problem| Err(Refusal::OpinionIncomplete { problem });
    if opinion.pathway() != set.pathway {
        return incomplete("it is for another pathway");
    }
    match opinion {
        Opinion::Chest(ChestOpinion::Normal | ChestOpinion::Inadequate { .. })
        | Opinion::Mammo(MammoOpinion::Normal) => Ok(()),
        Opinion::Chest(ChestOpinion::Abnormal { findings }) => {
            if findings.is_empty() {
                return incomplete("abnormal needs at least one finding");
            }
            check_marks(set, findings.iter().filter_map(|finding| finding.mark.as_ref()))
        }
        Opinion::Mammo(MammoOpinion::TechnicalRecall { views }) => {
            if views.is_empty() {
                return incomplete("a technical recall names at least one view");
            }
            let distinct: BTreeSet<_> = views.iter().map(|recall| recall.view).collect();
            if distinct.len() == views.len() { Ok(()) } else { incomplete("a view is named twice") }
        }
        Opinion::Mammo(MammoOpinion::Recall { right, left }) => {
            if right.assessment == Assessment::Normal && left.assessment == Assessment::Normal {
                return incomplete("a recall needs a breast that is not normal");
            }
            let marks = right.marks.iter().chain(&left.marks);
            check_marks(set, marks.filter_map(|mark| mark.mark.as_ref()))
        }
    }
}

fn check_marks<'a>(set: &ImageSet, marks: impl Iterator<Item = &'a Mark>) -> Result<(), Refusal> {
    for mark in marks {
        if !set.images.iter().any(|image| image.sop_instance_uid == mark.sop_instance_uid) {
            return Err(Refusal::UnknownImage);
        }
        let sizes = [mark.x, mark.y, mark.width, mark.height];
        if !sizes.iter().all(|size| size.is_finite()) || mark.width <= 0.0 || mark.height <= 0.0 {
            return Err(Refusal::OpinionIncomplete { problem: "a mark has no area" });
        }
    }
    Ok(())
}
