//! The `places` job: where a model without a map of its own was moved, found by occlusion after the result.
//!
//! In: a case whose result was recorded. Out: regions and heat maps beside the result, never in it: they are of no
//! weight in what comes next. Must never hold up the scoring of a case.

use super::{Pipeline, StageError};
use crate::infer::{self, Engine};
use crate::prepare::worker::Urgency;
use crate::store::{JobKind, NewJob, StoredCase};
use crate::vocab::{AiResult, CaseId};

impl Pipeline {
    /// Asks for the places of a result that says none.
    pub(super) async fn ask_places(&self, case: &StoredCase, result: &AiResult) -> Result<(), StageError> {
        let Some(stamp) = &result.model else { return Ok(()) };
        let owed = match self.models.stamped(case.state.set.pathway, stamp) {
            Ok(engine) => infer::owes_places(&engine, result),
            Err(_) => false,
        };
        if !owed || self.occlusion.max_passes == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let job = NewJob {
            kind: JobKind::Places,
            subject: case.state.case_id.to_string(),
            priority: 0,
            run_at: now,
        };
        Ok(self.store.enqueue(job, now).await?)
    }

    /// Finds and keeps the places of a case.
    pub(super) async fn find_places(&self, case_id: CaseId) -> Result<(), StageError> {
        let case = self.store.case(case_id).await?.ok_or(StageError::Gone("case"))?;
        let stored = self.store.ai_result(case_id).await?.ok_or(StageError::Gone("result"))?;
        if case.state.superseded_by.is_some() || self.store.places(case_id).await?.is_some() {
            return Ok(());
        }
        let Some(stamp) = &stored.result.model else { return Ok(()) };
        // A model that was taken out of use meanwhile is not asked any more.
        let Ok(engine) = self.models.stamped(case.state.set.pathway, stamp) else { return Ok(()) };
        let engine: &Engine = &engine;
        let images = self.scorer().images(engine, &case, Urgency::Routine).await?;
        let places = infer::occlude(engine, images, &stored.result, &self.occlusion);
        let places = places.await.map_err(|error| match error {
            error if error.passes() => StageError::NotYet(error.to_string()),
            error => StageError::Infer(error),
        })?;
        Ok(self.store.keep_places(case_id, &stamp.sha256, &places, self.clock.now()).await?)
    }
}
