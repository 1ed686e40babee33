//! Whether two opinions differ (PATHWAYS, Discordance): one function for routing, statistics and pages.
//!
//! In: two human opinions, or the AI's result and a human opinion. Out: a [`Comparison`].
//! It must never look at who said it, or when.

use std::collections::BTreeSet;

use crate::vocab::{
    AiOutcome, AiResult, Assessment, BreastOpinion, ChestOpinion, FindingCode, Laterality, MammoOpinion,
    Mark, Opinion, Region, Side,
};

use super::event::CaseImage;

/// A mark and a region overlap from this intersection over union on, or where the mark's centre is inside.
const OVERLAP_IOU: f64 = 0.1;

/// How two opinions compare.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Comparison {
    /// They differ by the rules that route.
    pub discordant: bool,
    /// Chest, both abnormal: the sets of findings or their sides differ. Recorded, does not route.
    pub finding_discordant: bool,
    /// AI and reader call the same breast or side abnormal, in different places. Recorded, does not route.
    pub location_discordant: bool,
    /// The breasts on which they differ.
    pub breasts: Vec<Side>,
}

impl Comparison {
    fn differ() -> Self {
        Self { discordant: true, ..Self::default() }
    }
}

/// Compares two human opinions.
pub fn compare_reads(one: &Opinion, other: &Opinion) -> Comparison {
    match (one, other) {
        (Opinion::Chest(one), Opinion::Chest(other)) => compare_chest(one, other),
        (Opinion::Mammo(one), Opinion::Mammo(other)) => compare_mammo(one, other),
        (Opinion::Chest(_), Opinion::Mammo(_)) | (Opinion::Mammo(_), Opinion::Chest(_)) => {
            Comparison::differ()
        }
    }
}

fn compare_chest(one: &ChestOpinion, other: &ChestOpinion) -> Comparison {
    match (one, other) {
        (ChestOpinion::Normal, ChestOpinion::Normal)
        | (ChestOpinion::Inadequate { .. }, ChestOpinion::Inadequate { .. }) => Comparison::default(),
        (ChestOpinion::Abnormal { findings: one }, ChestOpinion::Abnormal { findings: other }) => {
            let set = |findings: &[crate::vocab::ChestFinding]| -> BTreeSet<_> {
                findings.iter().map(|finding| (finding.code, finding.side)).collect()
            };
            Comparison { finding_discordant: set(one) != set(other), ..Comparison::default() }
        }
        (ChestOpinion::Normal | ChestOpinion::Abnormal { .. } | ChestOpinion::Inadequate { .. }, _) => {
            Comparison::differ()
        }
    }
}

fn compare_mammo(one: &MammoOpinion, other: &MammoOpinion) -> Comparison {
    match (one, other) {
        (MammoOpinion::Normal, MammoOpinion::Normal) => Comparison::default(),
        (MammoOpinion::TechnicalRecall { views: one }, MammoOpinion::TechnicalRecall { views: other }) => {
            let set = |views: &[crate::vocab::ViewRecall]| -> BTreeSet<_> {
                views.iter().map(|recall| recall.view).collect()
            };
            Comparison { discordant: set(one) != set(other), ..Comparison::default() }
        }
        (MammoOpinion::Recall { .. }, MammoOpinion::Recall { .. }) => {
            let breasts = differing(|side| one.assessment(side) != other.assessment(side));
            Comparison { discordant: !breasts.is_empty(), breasts, ..Comparison::default() }
        }
        (MammoOpinion::Normal, MammoOpinion::Recall { .. })
        | (MammoOpinion::Recall { .. }, MammoOpinion::Normal) => Comparison {
            discordant: true,
            breasts: differing(|side| one.assessment(side) != other.assessment(side)),
            ..Comparison::default()
        },
        (MammoOpinion::Normal | MammoOpinion::TechnicalRecall { .. } | MammoOpinion::Recall { .. }, _) => {
            Comparison::differ()
        }
    }
}

fn differing(differs: impl Fn(Side) -> bool) -> Vec<Side> {
    Side::ALL.iter().copied().filter(|side| differs(*side)).collect()
}

/// Compares the AI's result with a human opinion; nothing where the AI has no verdict
/// (`quality_fail`, `not_processed`).
///
/// On mammo the comparison is per breast: a breast that a reader does not call normal is held
/// against whether the AI flagged it. A result without scores per breast is compared as a whole.
pub fn compare_ai(ai: &AiResult, human: &Opinion, images: &[CaseImage]) -> Option<Comparison> {
    let abnormal = match ai.outcome {
        AiOutcome::Normal => false,
        AiOutcome::Abnormal => true,
        AiOutcome::QualityFail { .. } | AiOutcome::NotProcessed(_) => return None,
    };
    Some(match human {
        Opinion::Chest(ChestOpinion::Normal) => Comparison { discordant: abnormal, ..Comparison::default() },
        Opinion::Chest(ChestOpinion::Inadequate { .. })
        | Opinion::Mammo(MammoOpinion::TechnicalRecall { .. }) => Comparison::differ(),
        Opinion::Chest(ChestOpinion::Abnormal { findings }) if abnormal => Comparison {
            discordant: false,
            finding_discordant: chest_findings_differ(ai, findings),
            location_discordant: chest_sides_meet(ai, findings)
                && apart(&ai.regions, &findings.iter().filter_map(|f| f.mark.as_ref()).collect::<Vec<_>>()),
            breasts: Vec::new(),
        },
        Opinion::Chest(ChestOpinion::Abnormal { .. }) => Comparison::differ(),
        Opinion::Mammo(opinion @ (MammoOpinion::Normal | MammoOpinion::Recall { .. })) => {
            compare_ai_mammo(ai, abnormal, opinion, images)
        }
    })
}

fn compare_ai_mammo(
    ai: &AiResult,
    abnormal: bool,
    opinion: &MammoOpinion,
    images: &[CaseImage],
) -> Comparison {
    let recalled = |side| opinion.assessment(side).is_some_and(|assessment| assessment != Assessment::Normal);
    let flagged = |side| abnormal && ai.breasts.iter().any(|breast| breast.side == side && breast.flagged);
    let per_breast = !abnormal || Side::ALL.iter().any(|side| flagged(*side));
    let mut comparison = Comparison::default();
    if per_breast {
        comparison.breasts = differing(|side| recalled(side) != flagged(side));
        comparison.discordant = !comparison.breasts.is_empty();
    } else {
        comparison.discordant = !Side::ALL.iter().any(|side| recalled(*side));
    }
    if let MammoOpinion::Recall { right, left } = opinion {
        let both_abnormal = |side| recalled(side) && abnormal && (flagged(side) || !per_breast);
        comparison.location_discordant = [(Side::Right, right), (Side::Left, left)]
            .into_iter()
            .any(|(side, breast)| both_abnormal(side) && breast_apart(ai, side, breast, images));
    }
    comparison
}

fn breast_apart(ai: &AiResult, side: Side, breast: &BreastOpinion, images: &[CaseImage]) -> bool {
    let on_side = |region: &&Region| {
        images
            .iter()
            .find(|image| image.sop_instance_uid == region.mark.sop_instance_uid)
            .and_then(|image| image.view)
            .is_none_or(|view| view.side == side)
    };
    let regions: Vec<Region> = ai.regions.iter().filter(on_side).cloned().collect();
    apart(&regions, &breast.marks.iter().filter_map(|mark| mark.mark.as_ref()).collect::<Vec<_>>())
}

/// Both point somewhere, and nowhere to the same place.
fn apart(regions: &[Region], marks: &[&Mark]) -> bool {
    let meets = |region: &Region, mark: &Mark| {
        region.mark.iou(mark) >= OVERLAP_IOU || region.mark.holds_centre_of(mark)
    };
    !regions.is_empty()
        && !marks.is_empty()
        && !regions.iter().any(|region| marks.iter().any(|mark| meets(region, mark)))
}

/// The finer findings of the AI; one that says no more than `abnormality` can't be held against a list.
fn chest_findings_differ(ai: &AiResult, findings: &[crate::vocab::ChestFinding]) -> bool {
    let flagged: Vec<_> = ai
        .findings
        .iter()
        .filter(|finding| finding.flagged)
        .filter_map(|finding| finding.code.map(|code| (code, finding.side)))
        .filter(|(code, _)| *code != FindingCode::Abnormality)
        .collect();
    if flagged.is_empty() {
        return false;
    }
    let with_side = flagged.iter().all(|(_, side)| side.is_some());
    let key = |code: FindingCode, side: Option<Laterality>| (code, if with_side { side } else { None });
    let theirs: BTreeSet<_> = flagged.iter().map(|(code, side)| key(*code, *side)).collect();
    let ours: BTreeSet<_> = findings.iter().map(|finding| key(finding.code, finding.side)).collect();
    theirs != ours
}

/// Whether AI and reader may mean the same side; one who names no side may mean any.
fn chest_sides_meet(ai: &AiResult, findings: &[crate::vocab::ChestFinding]) -> bool {
    let theirs: Vec<_> = ai.findings.iter().filter(|f| f.flagged).filter_map(|f| f.side).collect();
    let ours: Vec<_> = findings.iter().filter_map(|finding| finding.side).collect();
    let same = |a: Laterality, b: Laterality| {
        a == b || matches!(a, Laterality::Bilateral) || matches!(b, Laterality::Bilateral)
    };
    theirs.is_empty() || ours.is_empty() || theirs.iter().any(|a| ours.iter().any(|b| same(*a, *b)))
}
