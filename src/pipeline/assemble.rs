//! The `assemble` job: what has arrived of a study becomes a case when its image set is whole.

use std::collections::BTreeSet;

use super::{Next, Pipeline, StageError};
use crate::reading::{self, Actor, CaseImage, Command, CompleteReason, DeferReason, Hold, qa_number};
use crate::receive::completeness::{self, Completeness, CompletenessReason, ImageSet};
use crate::store::{
    CaseRow, CompletenessRule, HoldReason, JobKind, NewJob, StoredCase, Study, is_taken_image_set,
};
use crate::vocab::{CaseId, ChestView, MammoView, OrderUrgency, SopInstanceUid, Timestamp, View};

impl Pipeline {
    /// Opens the cases of a study whose image sets are whole, or says when to look again.
    ///
    /// A study that is held (its images, or they and their order, disagree about the patient) makes no case and its cases
    /// are taken out of the queues, until a person has released it; releasing it asks for this job again.
    pub(super) async fn assemble(
        &self,
        study_uid: &crate::vocab::StudyInstanceUid,
    ) -> Result<Next, StageError> {
        // An order that came in the same instant as the images may not have been seen when they were stored.
        self.store.match_study(study_uid, self.clock.now()).await?;
        let study = self.store.study(study_uid).await?.ok_or(StageError::Gone("study"))?;
        // Pushed to test the link: it makes no case, so that no queue, figure or record can hold it.
        if self.store.is_link_test(study_uid).await? {
            return Ok(Next::Done);
        }
        let cases = self.store.cases_of_study(study_uid).await?;
        self.follow_hold(&study, &cases).await?;
        if study.hold.is_some() {
            return Ok(Next::Done);
        }
        let instances = self.store.instances_of_study(study_uid).await?;
        let assessed = completeness::assess(&instances, &self.completeness, self.clock.now());
        let mut look_again: Option<Timestamp> = None;
        for set in assessed.sets {
            let earlier =
                cases.iter().filter(|case| case.pathway == set.pathway).max_by_key(|case| case.image_set);
            let images = images_of(&set);
            if let Some(earlier) = earlier {
                let stored = self.store.case(earlier.case_id).await?.ok_or(StageError::Gone("case"))?;
                if has_the_same_images(&stored, &images) {
                    self.score_if_owed(&stored).await?;
                    continue;
                }
            }
            match set.completeness {
                Completeness::Complete(reason) => {
                    let last = instances
                        .iter()
                        .filter(|i| images.iter().any(|c| c.sop_instance_uid == i.sop_instance_uid));
                    let last_image_at = last.map(|i| i.received_at).max().unwrap_or_else(|| self.clock.now());
                    self.open(&study, &set, images, reason, last_image_at, earlier).await?;
                }
                Completeness::Waiting { until } => {
                    look_again = Some(look_again.map_or(until, |at| at.min(until)))
                }
            }
        }
        Ok(look_again.map_or(Next::Done, Next::At))
    }

    /// Takes the live cases of a held study out of the queues, and puts them back once it is released.
    async fn follow_hold(&self, study: &Study, cases: &[CaseRow]) -> Result<(), StageError> {
        for row in cases.iter().filter(|case| case.superseded_by.is_none() && case.concluded_at.is_none()) {
            let case = self.store.case(row.case_id).await?.ok_or(StageError::Gone("case"))?;
            let deferred =
                matches!(case.state.hold, Some(Hold::Deferred { reason: DeferReason::IdentityConflict, .. }));
            let command = match (study.hold, deferred) {
                (Some((reason, _)), false) => {
                    Command::Defer { reason: DeferReason::IdentityConflict, note: note_of(reason).to_owned() }
                }
                (None, true) => Command::UndoDeferral,
                (Some(_), true) | (None, false) => continue,
            };
            self.act(row.case_id, command, &Actor::System).await?;
        }
        Ok(())
    }

    async fn open(
        &self,
        study: &Study,
        set: &ImageSet,
        images: Vec<CaseImage>,
        reason: CompletenessReason,
        last_image_at: Timestamp,
        earlier: Option<&CaseRow>,
    ) -> Result<(), StageError> {
        let case_id = CaseId::new();
        let (complete_reason, rule) = match reason {
            CompletenessReason::ExpectedViews => {
                (CompleteReason::ExpectedViews, CompletenessRule::ExpectedViews)
            }
            CompletenessReason::QuietTime => (CompleteReason::QuietTime, CompletenessRule::QuietTime),
        };
        let image_set = reading::ImageSet {
            study_instance_uid: study.study_instance_uid.clone(),
            pathway: set.pathway,
            site: study.site.clone(),
            number: earlier.map_or(1, |case| u32::try_from(case.image_set).unwrap_or(0).saturating_add(1)),
            supersedes: earlier.map(|case| case.case_id),
            images,
            complete_reason,
            last_image_at,
            urgent: self.is_urgent(study).await?,
        };
        let urgent = image_set.urgent;
        let draw = qa_number(&self.qa_secret, case_id);
        let now = self.clock.now();
        match self.store.open_case(case_id, image_set, self.policy(set.pathway), draw, now).await {
            Ok(_) => {}
            // Another worker opened the same image set: its case stands.
            Err(error) if is_taken_image_set(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        // A case that was opened just now has no AI result.
        let score = self.score_job(case_id, urgent, now);
        self.store.complete_study(&study.study_instance_uid, rule, &[score], now).await?;
        metrics::counter!("doubleread_cases_opened_total", "pathway" => set.pathway.code()).increment(1);
        Ok(())
    }

    /// Whether an order that the study is the images of says urgent.
    async fn is_urgent(&self, study: &Study) -> Result<bool, StageError> {
        let orders = self.store.orders_of_study(&study.study_instance_uid).await?;
        Ok(orders.iter().any(|order| order.content.urgency == OrderUrgency::Urgent))
    }

    /// Asks for the AI result of a case that has none.
    async fn score_if_owed(&self, case: &StoredCase) -> Result<(), StageError> {
        if case.state.ai.is_some() || case.state.superseded_by.is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        Ok(self.store.enqueue(self.score_job(case.state.case_id, case.state.set.urgent, now), now).await?)
    }

    fn score_job(&self, case_id: CaseId, urgent: bool, now: Timestamp) -> NewJob {
        let priority = if urgent { self.settings.urgent_priority } else { 0 };
        NewJob { kind: JobKind::Score, subject: case_id.to_string(), priority, run_at: now }
    }
}

fn note_of(reason: HoldReason) -> &'static str {
    match reason {
        HoldReason::IdentityConflict => "The images of this study disagree about the patient.",
        HoldReason::OrderOfAnotherPatient => {
            "The order with the accession number of this study is for another patient."
        }
        HoldReason::ByHand => "A person has put this study on hold.",
    }
}

fn has_the_same_images(case: &StoredCase, images: &[CaseImage]) -> bool {
    let uids = |images: &[CaseImage]| -> BTreeSet<SopInstanceUid> {
        images.iter().map(|image| image.sop_instance_uid.clone()).collect()
    };
    uids(&case.state.set.images) == uids(images)
}

/// The images of a set in hanging order: standard views first, then others, then those for processing.
fn images_of(set: &ImageSet) -> Vec<CaseImage> {
    let place = |view: &Option<View>| match view {
        Some(View::Mammo(view)) => {
            MammoView::STANDARD.iter().position(|standard| standard == view).unwrap_or(4)
        }
        Some(View::Chest(ChestView::Frontal)) => 0,
        Some(View::Chest(ChestView::Lateral)) => 1,
        None => 5,
    };
    let mut shown: Vec<_> = set.images.iter().collect();
    shown.sort_by_key(|(_, view)| place(view));
    let shown = shown.into_iter().map(|(uid, view)| CaseImage {
        sop_instance_uid: uid.clone(),
        view: match view {
            Some(View::Mammo(view)) => Some(*view),
            Some(View::Chest(_)) | None => None,
        },
    });
    let raw = set.for_processing.iter().map(|uid| CaseImage { sop_instance_uid: uid.clone(), view: None });
    shown.chain(raw).collect()
}
