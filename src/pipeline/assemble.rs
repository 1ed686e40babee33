//! The `assemble` job: what has arrived of a study becomes a case when its image set is whole.

use std::collections::BTreeSet;

use super::{Next, Pipeline, StageError};
use crate::reading::{CaseImage, CompleteReason, ImageSet, qa_number};
use crate::receive::completeness::{self, ArrivingSet, CompleteBy, SetState};
use crate::store::{ActError, CaseRow, CompletenessRule, JobKind, NewJob, is_taken_image_set};
use crate::vocab::{CaseId, SiteCode, SopInstanceUid, StudyInstanceUid};

/// Priority of scoring a case that the order calls urgent, and of any other.
const URGENT: i64 = -10;
const ROUTINE: i64 = 0;

impl Pipeline {
    /// Opens the cases of a study whose image sets are whole, or says when to look again.
    ///
    /// A study that is held (its images disagree about the patient) makes no case until a person
    /// has released it; releasing it asks for this job again.
    pub(super) async fn assemble(&self, study_uid: &StudyInstanceUid) -> Result<Next, StageError> {
        let study = self.store.study(study_uid).await?.ok_or(StageError::Gone("study"))?;
        if study.hold.is_some() {
            return Ok(Next::Done);
        }
        let instances = self.store.instances_of_study(study_uid).await?;
        let cases = self.store.cases_of_study(study_uid).await?;
        let mut look_again = None;
        for set in completeness::assess(&instances, &self.completeness, self.clock.now()) {
            let earlier =
                cases.iter().filter(|case| case.pathway == set.pathway).max_by_key(|case| case.image_set);
            if let Some(earlier) = earlier
                && self.has_the_same_images(earlier, &set).await?
            {
                self.score_if_owed(earlier.case_id, false).await?;
                continue;
            }
            match set.state {
                SetState::Complete(rule) => self.open(study_uid, &study.site, set, rule, earlier).await?,
                SetState::LookAgainAt(at) => look_again = look_again.into_iter().chain([at]).min(),
            }
        }
        Ok(look_again.map_or(Next::Done, Next::At))
    }

    async fn has_the_same_images(&self, case: &CaseRow, set: &ArrivingSet) -> Result<bool, StageError> {
        let stored = self.store.case(case.case_id).await?.ok_or(StageError::Gone("case"))?;
        let read: BTreeSet<&SopInstanceUid> =
            stored.state.set.images.iter().map(|i| &i.sop_instance_uid).collect();
        Ok(read == set.images.iter().map(|i| &i.sop_instance_uid).collect())
    }

    async fn open(
        &self,
        study_uid: &StudyInstanceUid,
        site: &SiteCode,
        set: ArrivingSet,
        rule: CompleteBy,
        earlier: Option<&CaseRow>,
    ) -> Result<(), StageError> {
        let case_id = CaseId::new();
        let number = earlier.map_or(1, |case| u32::try_from(case.image_set).unwrap_or(0).saturating_add(1));
        let (reason, stored_rule) = match rule {
            CompleteBy::ExpectedViews => (CompleteReason::ExpectedViews, CompletenessRule::ExpectedViews),
            CompleteBy::QuietTime => (CompleteReason::QuietTime, CompletenessRule::QuietTime),
        };
        let images = set
            .images
            .into_iter()
            .map(|image| CaseImage { sop_instance_uid: image.sop_instance_uid, view: image.view })
            .collect();
        let image_set = ImageSet {
            study_instance_uid: study_uid.clone(),
            pathway: set.pathway,
            site: site.clone(),
            number,
            supersedes: earlier.map(|case| case.case_id),
            images,
            complete_reason: reason,
            last_image_at: set.last_image_at,
            urgent: false,
        };
        let draw = qa_number(&self.qa_secret, case_id);
        let now = self.clock.now();
        match self.store.open_case(case_id, image_set, self.policy(set.pathway), draw, now).await {
            Ok(_) => {}
            // Another worker opened the same image set: its case stands.
            Err(error) if is_taken_image_set(&error) => return Ok(()),
            Err(ActError::Store(error)) => return Err(error.into()),
            Err(ActError::Refused(refusal)) => return Err(StageError::Refused(refusal)),
        }
        self.store.complete_study(study_uid, stored_rule, now).await?;
        metrics::counter!("doubleread_cases_opened_total", "pathway" => set.pathway.code()).increment(1);
        self.score_if_owed(case_id, false).await
    }

    /// Asks for the AI result of a case that has none.
    async fn score_if_owed(&self, case_id: CaseId, urgent: bool) -> Result<(), StageError> {
        let case = self.store.case(case_id).await?.ok_or(StageError::Gone("case"))?;
        if case.state.ai.is_some() || case.state.superseded_by.is_some() {
            return Ok(());
        }
        let priority = if urgent { URGENT } else { ROUTINE };
        let now = self.clock.now();
        let job = NewJob { kind: JobKind::Score, subject: case_id.to_string(), priority, run_at: now };
        Ok(self.store.enqueue(job, now).await?)
    }
}
