//! When is an image set complete? Pure.
//!
//! In: the instances of one study, and the time. Out: for each pathway what is there, what is
//! missing and whether to wait. Objects that are only stored (tomosynthesis, secondary capture,
//! SR, presentation states, classes without an entry) make no case.

use super::classes::{self, Use};
use crate::vocab::{
    ChestView, Instance, MammoView, Pathway, SopInstanceUid, Timestamp, View, coded_enum, is_mammogram,
    view_of,
};

/// Settings of completeness.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds without a new instance after which a set is taken as it is.
    pub quiet_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { quiet_seconds: 120 }
    }
}

coded_enum!(
    /// What made a set complete; stored and shown.
    CompletenessReason, "completeness reason" {
        /// Every expected view is there.
        ExpectedViews = "expected_views",
        /// Nothing came for the quiet time.
        QuietTime = "quiet_time",
    }
);

/// How far an image set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// It can be read.
    Complete(CompletenessReason),
    /// Not yet; at `until` the quiet time is over, if nothing comes before.
    Waiting {
        /// When to look again.
        until: Timestamp,
    },
}

/// The images of one pathway in a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    /// How they are read.
    pub pathway: Pathway,
    /// Images for presentation with what they show, oldest first.
    pub images: Vec<(SopInstanceUid, Option<View>)>,
    /// Images for processing: part of the case, never scored.
    pub for_processing: Vec<SopInstanceUid>,
    /// Expected views that are not there, such as `LMLO` or `frontal`.
    pub missing: Vec<String>,
    /// Images that show an expected view again.
    pub repeats: Vec<SopInstanceUid>,
    /// Images of other views, and of views that are not known.
    pub extras: Vec<SopInstanceUid>,
    /// How far it is.
    pub completeness: Completeness,
}

/// What a study comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyAssessment {
    /// One per pathway that has images; none where everything is only stored.
    pub sets: Vec<ImageSet>,
    /// Objects that make no case.
    pub stored_only: Vec<SopInstanceUid>,
}

/// Assesses the instances of one study at the instant `now`.
pub fn assess(instances: &[Instance], settings: &Settings, now: Timestamp) -> StudyAssessment {
    let mut ordered: Vec<&Instance> = instances.iter().collect();
    ordered.sort_by(|a, b| {
        (a.received_at, a.tags.instance_number, &a.sop_instance_uid).cmp(&(
            b.received_at,
            b.tags.instance_number,
            &b.sop_instance_uid,
        ))
    });
    let stored_only = ordered
        .iter()
        .filter(|instance| pathway_of(instance).is_none())
        .map(|instance| instance.sop_instance_uid.clone())
        .collect();
    let sets = Pathway::ALL
        .iter()
        .filter_map(|pathway| {
            let members: Vec<&Instance> =
                ordered.iter().copied().filter(|i| pathway_of(i) == Some(*pathway)).collect();
            image_set(*pathway, &members, settings, now)
        })
        .collect();
    StudyAssessment { sets, stored_only }
}

/// The pathway that an instance belongs to; none where it is only stored.
pub fn pathway_of(instance: &Instance) -> Option<Pathway> {
    match classes::use_of(instance.sop_class_uid.as_str()) {
        None | Some(Use::StoredOnly) => None,
        Some(Use::Scored | Use::ForProcessing) => {
            let shown = if is_mammogram(instance) { Pathway::Mammo } else { Pathway::Chest };
            Some(instance.pathway.unwrap_or(shown))
        }
    }
}

fn is_for_processing(instance: &Instance) -> bool {
    classes::use_of(instance.sop_class_uid.as_str()) == Some(Use::ForProcessing)
        || instance.tags.presentation_intent.eq_ignore_ascii_case("FOR PROCESSING")
}

fn image_set(
    pathway: Pathway,
    members: &[&Instance],
    settings: &Settings,
    now: Timestamp,
) -> Option<ImageSet> {
    let last = members.iter().map(|instance| instance.received_at).max()?;
    let (raw, shown): (Vec<&Instance>, Vec<&Instance>) = members.iter().partition(|i| is_for_processing(i));
    let images: Vec<_> = shown.iter().map(|i| (i.sop_instance_uid.clone(), view_of(pathway, i))).collect();
    let expected: Vec<View> = match pathway {
        Pathway::Chest => vec![View::Chest(ChestView::Frontal)],
        Pathway::Mammo => MammoView::STANDARD.iter().map(|view| View::Mammo(*view)).collect(),
    };
    let (mut seen, mut repeats, mut extras) = (Vec::new(), Vec::new(), Vec::new());
    for (uid, view) in &images {
        match view {
            Some(view) if expected.contains(view) && seen.contains(view) => repeats.push(uid.clone()),
            Some(view) if expected.contains(view) => seen.push(*view),
            _ => extras.push(uid.clone()),
        }
    }
    let missing: Vec<String> =
        expected.iter().filter(|view| !seen.contains(view)).map(ToString::to_string).collect();
    let until = last.plus_seconds(i64::from(settings.quiet_seconds));
    let completeness = if missing.is_empty() {
        Completeness::Complete(CompletenessReason::ExpectedViews)
    } else if now >= until {
        Completeness::Complete(CompletenessReason::QuietTime)
    } else {
        Completeness::Waiting { until }
    };
    let for_processing = raw.iter().map(|i| i.sop_instance_uid.clone()).collect();
    Some(ImageSet { pathway, images, for_processing, missing, repeats, extras, completeness })
}

#[cfg(test)]
mod tests;
