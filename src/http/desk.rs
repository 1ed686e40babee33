//! What pages and API share about cases: finding, looking, acting, taking the next one.
//!
//! In: a caller and a case. Out: the view that `reading` gives that caller, or what a command came to. Nothing is
//! decided here: `reading` decides, `store` keeps.

use std::collections::BTreeSet;

use super::caller::Caller;
use super::error::HttpError;
use super::history::{History, history};
use super::state::AppState;
use crate::reading::{Actor, CaseState, CaseView, ClaimToken, Command, Refusal, Slot, may_claim, view_for};
use crate::store::{
    ActError, Acted, CaseRow, MachineTimes, QueueKey, StoreError, StoredCase, Study, WorklistQuery,
};
use crate::vocab::{AiResult, CaseId, Instance, Order, Pathway, Places, Role, SiteCode, Timestamp};

/// Roles in which people read.
pub(super) const READS: &[Role] = &[Role::Reader, Role::Lead];
/// Roles in which people act on a case without reading it; a lead first.
pub(super) const RUNS: &[Role] = &[Role::Lead, Role::Reader];

/// Cases that are tried before "nothing to read" is said; others may be taking them at the same moment.
const NEXT_TRIED: u32 = 20;

/// Reads that "start reading" takes by itself; an arbitration is chosen.
const BLIND_READS: [Slot; 3] = [Slot::First, Slot::Second, Slot::Third];

impl From<ActError> for HttpError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(refusal) => refusal.into(),
            ActError::Store(error) => error.into(),
        }
    }
}

/// The role in which a person looks at cases: the one that is kept blind, where they have it.
pub(super) fn looking_role(caller: &Caller) -> Role {
    [Role::Reader, Role::Lead, Role::Auditor, Role::Admin, Role::Radiographer]
        .into_iter()
        .find(|role| caller.is(*role))
        .unwrap_or(Role::Reader)
}

/// A case of a site that the caller may see.
pub(super) async fn find(
    state: &AppState,
    caller: &Caller,
    case_id: CaseId,
) -> Result<StoredCase, HttpError> {
    let case = state.store.case(case_id).await?.ok_or(HttpError::NotFound)?;
    if caller.may_see(&case.state.set.site) { Ok(case) } else { Err(HttpError::NotFound) }
}

/// What the caller may see of a case.
pub(super) fn view(caller: &Caller, case: &StoredCase) -> CaseView {
    view_for(caller.user_id, looking_role(caller), &case.state, &case.policy)
}

/// Acts on a case in the first of `roles` that the caller has.
pub(super) async fn act(
    state: &AppState,
    caller: &Caller,
    roles: &[Role],
    case_id: CaseId,
    command: Command,
) -> Result<Acted, HttpError> {
    let actor = caller.acting(roles)?;
    find(state, caller, case_id).await?;
    Ok(state.store.act(case_id, command, &actor, state.clock.now()).await?)
}

/// A study and its images, as a case page needs them.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub study: Study,
    /// Images of the case, in hanging order.
    pub images: Vec<Instance>,
    /// The orders that it is for.
    orders: Vec<Order>,
    /// Where the model was moved, found after its result; for those alone who see that.
    places: Option<Places>,
}

impl Subject {
    /// What was said of the patient when the images were asked for.
    pub fn history(&self) -> Vec<History> {
        history(&self.orders, &self.images)
    }

    /// The AI result that a view holds, if it holds one, with what was found of its places afterwards.
    pub fn ai(&self, view: &CaseView) -> Option<AiResult> {
        view.ai().map(|ai| with_places(ai.result.clone(), self.places.clone()))
    }
}

/// A result with the places that were found after it.
pub(super) fn with_places(mut result: AiResult, places: Option<Places>) -> AiResult {
    if let Some(places) = places.filter(|_| result.heat_maps.is_empty() && result.regions.is_empty()) {
        result.heat_maps = places.heat_maps;
        result.regions = places.regions;
    }
    result
}

/// The study of a case, and the case's images in the order of the case.
pub(super) async fn subject(state: &AppState, case: &StoredCase) -> Result<Subject, HttpError> {
    let uid = &case.state.set.study_instance_uid;
    let study = state.store.study(uid).await?.ok_or(HttpError::NotFound)?;
    let mut instances = state.store.instances_of_study(uid).await?;
    let images = case
        .state
        .set
        .images
        .iter()
        .filter_map(|image| {
            let at = instances.iter().position(|one| one.sop_instance_uid == image.sop_instance_uid)?;
            Some(instances.swap_remove(at))
        })
        .collect();
    let orders = state.store.orders_of_study(uid).await?;
    let places = state.store.places(case.state.case_id).await?;
    Ok(Subject { study, images, orders, places })
}

/// What a reader is offered.
pub(super) async fn offered(
    state: &AppState,
    caller: &Caller,
    pathway: Option<Pathway>,
    arbitrations: bool,
    limit: u32,
) -> Result<Vec<CaseRow>, HttpError> {
    let offer = Offer { pathway, arbitrations, ..Offer::default() };
    offered_of(state, caller, offer, limit).await
}

/// Which of the cases that a reader is offered.
#[derive(Debug, Clone, Default)]
pub(super) struct Offer {
    /// On this pathway; on either where none.
    pub pathway: Option<Pathway>,
    /// Of this site; of any that the reader may see where none.
    pub site: Option<SiteCode>,
    /// To settle, rather than to read.
    pub arbitrations: bool,
    /// After this place in the queue.
    pub after: Option<QueueKey>,
}

/// What a reader is offered of that.
pub(super) async fn offered_of(
    state: &AppState,
    caller: &Caller,
    offer: Offer,
    limit: u32,
) -> Result<Vec<CaseRow>, HttpError> {
    let Offer { pathway, site, arbitrations, after } = offer;
    let slots = if arbitrations { BTreeSet::from([Slot::Arbitration]) } else { BTreeSet::from(BLIND_READS) };
    let sites = match site {
        Some(site) if caller.may_see(&site) => BTreeSet::from([site]),
        Some(_) => return Ok(Vec::new()),
        None => caller.sites.clone(),
    };
    let pathways = pathway.into_iter().collect();
    let query = WorklistQuery { pathways, sites, slots, reader: Some(caller.user_id), after };
    Ok(state.store.worklist(&query, state.clock.now(), limit).await?)
}

/// Opens the next right case for a reader: one that they have open already, else the first of the queue that `reading`
/// lets them open. `None` where nothing waits for them.
pub(super) async fn take_next(
    state: &AppState,
    caller: &Caller,
    pathway: Option<Pathway>,
) -> Result<Option<CaseId>, HttpError> {
    let actor = caller.acting(READS)?;
    for open in state.store.claimed_by(caller.user_id, state.clock.now()).await? {
        let Some(case) = state.store.case(open).await? else { continue };
        if pathway.is_none_or(|pathway| pathway == case.state.set.pathway) {
            return Ok(Some(open));
        }
    }
    for row in offered(state, caller, pathway, false, NEXT_TRIED).await? {
        match claim(state, caller, &actor, row.case_id).await {
            Ok(_) => return Ok(Some(row.case_id)),
            // Somebody else was faster, or the list is a moment old: the next one.
            Err(HttpError::Conflict { .. } | HttpError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Opens one case (R7).
pub(super) async fn claim(
    state: &AppState,
    caller: &Caller,
    actor: &Actor,
    case_id: CaseId,
) -> Result<Acted, HttpError> {
    find(state, caller, case_id).await?;
    let command = Command::Claim { token: ClaimToken::new() };
    Ok(state.store.act(case_id, command, actor, state.clock.now()).await?)
}

/// Opens a chosen case, or goes on with it where this person has it open already.
pub(super) async fn open(
    state: &AppState,
    caller: &Caller,
    case_id: CaseId,
) -> Result<StoredCase, HttpError> {
    let actor = caller.acting(READS)?;
    let case = find(state, caller, case_id).await?;
    let now = state.clock.now();
    let open_here = case.state.claim.as_ref().is_some_and(|c| c.by == caller.user_id && c.expires_at > now);
    if open_here {
        return Ok(case);
    }
    Ok(claim(state, caller, &actor, case_id).await?.case)
}

/// Beats between two notes of a machine that has a case open, and beats of silence after which it counts as gone.
const BEATS: (i64, i64) = (4, 10);

/// Keeps the caller's claim for a heartbeat: when it now ends, and whether another machine of theirs has the case open too.
pub(super) async fn keep_open(
    state: &AppState,
    caller: &Caller,
    case_id: CaseId,
    token: ClaimToken,
    machine: Option<uuid::Uuid>,
) -> Result<(Timestamp, bool), HttpError> {
    let now = state.clock.now();
    let expires_at = match state.store.renew_claim(case_id, token, caller.user_id, now).await {
        Err(StoreError::LeaseLost { .. }) => {
            let case = find(state, caller, case_id).await?;
            let has_read = case.state.reads.iter().any(|read| read.is_by(caller.user_id));
            return Err(match (case.state.superseded_by, could_open(caller, &case, now)) {
                (Some(by_case), _) => Refusal::Superseded { by_case },
                // Locked meanwhile, at another machine or in another window.
                (None, Err(_)) if has_read => Refusal::AlreadyRead,
                (None, Ok(_) | Err(_)) => Refusal::ClaimLost,
            }
            .into());
        }
        renewed => renewed?,
    };
    let Some(machine) = machine else { return Ok((expires_at, false)) };
    let beat_ms = i64::from(state.settings.heartbeat_seconds).saturating_mul(1_000);
    let times = MachineTimes {
        written_ms: beat_ms.saturating_mul(BEATS.0),
        gone_ms: beat_ms.saturating_mul(BEATS.1),
    };
    let elsewhere = state.store.note_machine(case_id, token, &machine.to_string(), times, now).await?;
    Ok((expires_at, elsewhere))
}

/// Whether the caller could open the case now; the words of the refusal are made for readers who are still blind.
///
/// A claim whose lease has ended stands in the way of nobody: opening the case takes it back first (R7).
pub(super) fn could_open(caller: &Caller, case: &StoredCase, now: Timestamp) -> Result<Slot, Refusal> {
    let role = looking_role(caller);
    if case.state.claim.as_ref().is_some_and(|claim| claim.expires_at <= now) {
        let free = CaseState { claim: None, ..case.state.clone() };
        return may_claim(&free, caller.user_id, role);
    }
    may_claim(&case.state, caller.user_id, role)
}
