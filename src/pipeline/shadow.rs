//! Models in the shadow, and what people decided about models.
//!
//! In: cases that have their AI result, decisions in the store. Out: shadow results that no
//! reader sees, roles for the registry. Must never hold up a case: shadow jobs are taken when
//! nothing else is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Pipeline, StageError};
use crate::infer::{ModelRole, Roles};
use crate::store::{JobKind, ModelDecision, NewJob, StoredCase};
use crate::vocab::{CaseId, Timestamp};

/// What people's decisions come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The roles that have come into effect; of several decisions on one folder the latest holds.
    pub roles: Roles,
    /// Decisions that were taken on another graph than the one that lies in the folder now.
    pub void: Vec<ModelDecision>,
}

/// What decisions come to at an instant, with the hashes of the graphs that are there (see [`infer::graph_hashes`]).
pub fn decided(decisions: Vec<ModelDecision>, graphs: &BTreeMap<String, String>, now: Timestamp) -> Decided {
    let same = |d: &ModelDecision| graphs.get(&d.folder).is_none_or(|sha256| *sha256 == d.sha256);
    let (kept, void): (Vec<_>, Vec<_>) = decisions.into_iter().partition(same);
    let in_effect = kept.iter().filter(|decision| decision.effective_at <= now);
    let roles =
        in_effect.filter_map(|d| Some((d.folder.clone(), d.role.parse::<ModelRole>().ok()?))).collect();
    Decided { roles, void }
}

/// Says that decisions are void, each once in the life of the process.
fn say_void(void: &[ModelDecision], said: &mut BTreeSet<(String, String, Timestamp)>) {
    for decision in void {
        if said.insert((decision.folder.clone(), decision.sha256.clone(), decision.decided_at)) {
            metrics::counter!("doubleread_model_decisions_void_total").increment(1);
            tracing::error!(
                model = decision.folder,
                "the graph is not the one that was decided on; the decision is void"
            );
        }
    }
}

impl Pipeline {
    /// Takes over new decisions and new folders until the stop.
    pub(super) async fn watch_models(self: Arc<Self>, stop: CancellationToken) {
        let mut said = BTreeSet::new();
        loop {
            match self.store.model_decisions().await {
                Ok(decisions) => {
                    let models = Arc::clone(&self.models);
                    let now = self.clock.now();
                    let taken_over = tokio::task::spawn_blocking(move || {
                        models.look_again();
                        let decided = decided(decisions, &models.graph_hashes(), now);
                        models.assign(decided.roles);
                        decided.void
                    });
                    match taken_over.await {
                        Ok(void) => say_void(&void, &mut said),
                        Err(error) => tracing::error!(%error, "the folder of models could not be looked at"),
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
        let at = |now| decided(decisions.to_vec(), &BTreeMap::new(), Timestamp::from_millis(now)).roles;
        assert!(at(5).is_empty());
        assert_eq!(at(20), Roles::from([("m-1".into(), ModelRole::Active)]));
        let later = Roles::from([("m-1".into(), ModelRole::Retired), ("m-2".into(), ModelRole::Active)]);
        assert_eq!(at(30), later);
    }

    #[test]
    fn a_decision_on_another_graph_is_void_and_said_once() {
        let decisions = vec![decision("m-1", "active", 10), decision("m-2", "active", 10)];
        let graphs = BTreeMap::from([("m-1".to_owned(), "another".to_owned())]);
        let decided = decided(decisions, &graphs, Timestamp::from_millis(20));
        assert_eq!(decided.roles, Roles::from([("m-2".into(), ModelRole::Active)]));
        assert_eq!(decided.void.len(), 1);
        let mut said = BTreeSet::new();
        say_void(&decided.void, &mut said);
        say_void(&decided.void, &mut said);
        assert_eq!(said.len(), 1);
    }
}
