//! Which stored objects a caller may see: those of their sites, and nothing that speaks of a case that they may still
//! read.
//!
//! In: a caller, a study or an instance. Out: the instances that may be shown, listed or counted. A reader who is blind
//! to a case gets the images of its sets only: a Secondary Capture, an SR or a presentation state of the same study may
//! be what another AI or another reader said (PATHWAYS R5).

use super::caller::Caller;
use super::desk::looking_role;
use super::error::HttpError;
use super::state::AppState;
use super::study_notices::is_read_here;
use crate::reading::sees_everything;
use crate::store::{StoredCase, Study};
use crate::vocab::{Instance, SopInstanceUid, StudyInstanceUid};

/// What decides for one caller and one study.
pub(super) struct Sight {
    /// Whether nothing of the study is kept from the caller.
    everything: bool,
    /// The cases of the study; left out where everything may be seen.
    cases: Vec<StoredCase>,
}

impl Sight {
    /// The sight of a caller on a study whose site they may see.
    pub(super) async fn of(
        state: &AppState,
        caller: &Caller,
        study: &StudyInstanceUid,
    ) -> Result<Self, HttpError> {
        let role = looking_role(caller);
        if !role.may_read() {
            return Ok(Self { everything: true, cases: Vec::new() });
        }
        let mut cases = Vec::new();
        for row in state.store.cases_of_study(study).await? {
            cases.extend(state.store.case(row.case_id).await?);
        }
        let shown = |case: &StoredCase| {
            case.state.superseded_by.is_some() || sees_everything(caller.user_id, role, &case.state)
        };
        let everything = !cases.is_empty() && cases.iter().all(shown);
        Ok(Self { everything, cases })
    }

    /// Whether an instance of the study may be shown.
    pub(super) fn allows(&self, instance: &Instance) -> bool {
        let in_set = |case: &StoredCase| {
            case.state.set.images.iter().any(|image| image.sop_instance_uid == instance.sop_instance_uid)
        };
        // Before there is a case, images of the kinds that become one are those that its readers will see.
        self.everything
            || self.cases.iter().any(in_set)
            || self.cases.is_empty() && is_read_here(&instance.sop_class_uid)
    }
}

/// An instance that the caller may see; another one is not there (S08).
pub(super) async fn instance(state: &AppState, caller: &Caller, uid: &str) -> Result<Instance, HttpError> {
    let uid: SopInstanceUid = uid.parse().map_err(|_| HttpError::NotFound)?;
    let instance = state.store.instance(&uid).await?.ok_or(HttpError::NotFound)?;
    if !caller.may_see(&instance.site) {
        return Err(HttpError::NotFound);
    }
    let sight = Sight::of(state, caller, &instance.study_instance_uid).await?;
    if sight.allows(&instance) { Ok(instance) } else { Err(HttpError::NotFound) }
}

/// A study of the caller's sites with the instances of it that the caller may see, in order of arrival.
pub(super) async fn study(
    state: &AppState,
    caller: &Caller,
    uid: &StudyInstanceUid,
) -> Result<(Study, Vec<Instance>), HttpError> {
    let study = state.store.study(uid).await?.filter(|study| caller.may_see(&study.site));
    let study = study.ok_or(HttpError::NotFound)?;
    let sight = Sight::of(state, caller, uid).await?;
    let mut instances = state.store.instances_of_study(uid).await?;
    instances.retain(|instance| sight.allows(instance) && caller.may_see(&instance.site));
    Ok((study, instances))
}
