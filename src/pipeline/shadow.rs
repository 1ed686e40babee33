//! Models in the shadow, and what people decided about models.
//!
//! In: cases that have their AI result, decisions in the store. Out: shadow results that no
//! reader sees, roles for the registry. Must never hold up a case: shadow jobs are taken when
//! nothing else is due.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Pipeline, StageError};
use crate::infer::{ModelRole, Registry, Roles};
use crate::store::{JobKind, ModelDecision, NewJob, StoredCase};
use crate::vocab::{CaseId, Timestamp};

/// The roles that have come into effect; of several decisions on one folder the latest holds.
pub fn roles_in_force(decisions: &[ModelDecision], now: Timestamp) -> Roles {
    let in_effect = decisions.iter().filter(|decision| decision.effective_at <= now);
    in_effect.filter_map(|d| Some((d.folder.clone(), d.role.parse::<ModelRole>().ok()?))).collect()
}

/// Leaves out decisions that were taken on another graph than the one that lies in the folder now.
fn of_the_same_graph(decisions: Vec<ModelDecision>, models: &Registry) -> Vec<ModelDecision> {
    let same = |decision: &ModelDecision| {
        let manifest = models.model(&decision.folder).and_then(|model| model.manifest);
        manifest.is_none_or(|manifest| manifest.sha256 == decision.sha256)
    };
    let (kept, changed): (Vec<_>, Vec<_>) = decisions.into_iter().partition(same);
    for decision in changed {
        metrics::counter!("doubleread_model_decisions_void_total").increment(1);
        tracing::error!(
            model = decision.folder,
            "the graph is not the one that was decided on; the decision is void"
        );
    }
    kept
}

impl Pipeline {
    /// Takes over new decisions and new folders until the stop.
    pub(super) async fn watch_models(self: Arc<Self>, stop: CancellationToken) {
        loop {
            match self.store.model_decisions().await {
                Ok(decisions) => {
                    let models = Arc::clone(&self.models);
                    let now = self.clock.now();
                    let taken_over = tokio::task::spawn_blocking(move || {
                        models.look_again();
                        models.assign(roles_in_force(&of_the_same_graph(decisions, &models), now));
                    });
                    if let Err(error) = taken_over.await {
                        tracing::error!(%error, "the folder of models could not be looked at");
                    }
                }
                Err(error) => tracing::warn!(%error, "decisions about models can't be read"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(self.settings.model_poll_ms)) => {}
            }
        }
    }

    /// Asks for what the shadow models say of a case that has its result.
    pub(super) async fn ask_shadows(&self, case: &StoredCase) -> Result<(), StageError> {
        let now = self.clock.now();
        for engine in self.models.shadows(case.state.set.pathway) {
            let subject = format!("{}/{}", case.state.case_id, engine.manifest().folder_name());
            let job = NewJob { kind: JobKind::Shadow, subject, priority: 0, run_at: now };
            self.store.enqueue(job, now).await?;
        }
        Ok(())
    }

    /// Lets one shadow model score one case.
    pub(super) async fn score_in_the_shadow(&self, subject: &str) -> Result<(), StageError> {
        let (case_id, folder) = subject.split_once('/').ok_or(StageError::Gone("model"))?;
        let case_id: CaseId = case_id.parse().map_err(StageError::Subject)?;
        let case = self.store.case(case_id).await?.ok_or(StageError::Gone("case"))?;
        let engines = self.models.shadows(case.state.set.pathway);
        let Some(engine) = engines.iter().find(|engine| engine.manifest().folder_name() == folder) else {
            // It is no shadow any more: nothing is owed.
            return Ok(());
        };
        if case.state.superseded_by.is_some() || self.store.has_shadow_result(case_id, folder).await? {
            return Ok(());
        }
        let result = self.scorer().score_in_background(engine, &case, self.clock.now()).await?;
        Ok(self.store.keep_shadow_result(case_id, folder, &result).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::UserId;

    fn decision(folder: &str, role: &str, effective: i64) -> ModelDecision {
        ModelDecision {
            folder: folder.into(),
            sha256: String::new(),
            role: role.into(),
            effective_at: Timestamp::from_millis(effective),
            decided_at: Timestamp::from_millis(0),
            decided_by: UserId::new(),
            confirmed_by: None,
            reason: "a test".into(),
        }
    }

    #[test]
    fn the_latest_decision_that_has_come_into_effect_holds() {
        let decisions =
            [decision("m-1", "active", 10), decision("m-1", "retired", 30), decision("m-2", "active", 30)];
        let at = |now| roles_in_force(&decisions, Timestamp::from_millis(now));
        assert!(at(5).is_empty());
        assert_eq!(at(20), Roles::from([("m-1".into(), ModelRole::Active)]));
        let later = Roles::from([("m-1".into(), ModelRole::Retired), ("m-2".into(), ModelRole::Active)]);
        assert_eq!(at(30), later);
    }
}
