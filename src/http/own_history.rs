//! What became of a reader's reads, for the reader and for the lead who helps them learn from it.
//!
//! In: whose, and who looks. Out: reads with the outcome of their case. Never: anything of a case without an outcome but
//! the own read; to a lead, a read of a case to which the lead is still blind (PATHWAYS R5); to anybody else, anything.

use super::caller::Caller;
use super::desk;
use super::error::HttpError;
use super::state::AppState;
use super::words;
use crate::reading::{CaseView, Slot, compare_reads};
use crate::store::{StoredRead, User};
use crate::vocab::{CaseId, Pathway, ReadId, Role, Timestamp, UserId};

/// What became of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Became {
    /// The case has no outcome yet.
    Open,
    /// The outcome is what the reader said.
    AsSaid(String),
    /// The outcome is another.
    Differently(String),
    /// New images took the place of these.
    Superseded,
}

/// One read.
#[derive(Debug, Clone)]
pub(super) struct PastRead {
    pub case_id: CaseId,
    pub read_id: ReadId,
    pub patient: String,
    pub pathway: Pathway,
    pub arbitration: bool,
    pub at: Timestamp,
    pub said: String,
    pub is_final: bool,
    pub became: Became,
    /// Whether the AI differed from the blind opinion; nothing where it had no verdict or may not be shown.
    pub ai_differed: Option<bool>,
}

/// Whose reads the caller may look back at: their own, or as a lead those of a reader of the same sites. Anybody
/// else's are not there.
pub(super) async fn reader(state: &AppState, caller: &Caller, id: &str) -> Result<User, HttpError> {
    let id: UserId = id.parse().map_err(|_| HttpError::NotFound)?;
    let user = state.store.user(id).await?.ok_or(HttpError::NotFound)?;
    let same_sites = caller.sites.is_empty()
        || user.sites.is_empty()
        || caller.sites.intersection(&user.sites).next().is_some();
    let reads = user.has_role(Role::Reader) || user.has_role(Role::Lead);
    let may = id == caller.user_id || (caller.is(Role::Lead) && same_sites && reads);
    if may { Ok(user) } else { Err(HttpError::NotFound) }
}

/// Reads of a person, latest first, as the caller may see them.
pub(super) async fn past_reads(
    state: &AppState,
    caller: &Caller,
    of: UserId,
    before: Option<(Timestamp, ReadId)>,
    limit: u32,
) -> Result<(Vec<PastRead>, Option<(Timestamp, ReadId)>), HttpError> {
    let stored = state.store.own_reads(of, before, limit).await?;
    let full = stored.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = stored.last().filter(|_| full).map(|last| (last.read.locked_at, last.read.id));
    let mut past = Vec::with_capacity(stored.len());
    for one in stored {
        past.extend(past_read(state, caller, of, one).await?);
    }
    Ok((past, next))
}

async fn past_read(
    state: &AppState,
    caller: &Caller,
    of: UserId,
    stored: StoredRead,
) -> Result<Option<PastRead>, HttpError> {
    let case = match desk::find(state, caller, stored.case_id).await {
        Ok(case) => case,
        Err(HttpError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let view = desk::view(caller, &case);
    let revealed = match &view {
        CaseView::Revealed(revealed) => Some(revealed),
        CaseView::Blind(_) | CaseView::Assisted(_) | CaseView::Locked(_) if of == caller.user_id => None,
        CaseView::Blind(_) | CaseView::Assisted(_) | CaseView::Locked(_) => return Ok(None),
    };
    let read = &stored.read;
    let conclusion = revealed.and_then(|revealed| revealed.conclusion.as_ref());
    let became = match (&view.case().superseded_by, conclusion) {
        (Some(_), _) => Became::Superseded,
        (None, None) => Became::Open,
        (None, Some(conclusion)) => {
            let outcome = words::opinion(&conclusion.outcome);
            if compare_reads(&read.blind, &conclusion.outcome).discordant {
                Became::Differently(outcome)
            } else {
                Became::AsSaid(outcome)
            }
        }
    };
    let own = of == caller.user_id && conclusion.is_some();
    let ai = revealed.filter(|_| own).and_then(|revealed| revealed.ai.as_ref());
    let row = state.store.case_row(stored.case_id).await?;
    Ok(Some(PastRead {
        case_id: stored.case_id,
        read_id: read.id,
        patient: words::person_name(&row.and_then(|row| row.patient_name).unwrap_or_default()),
        pathway: view.case().set.pathway,
        arbitration: read.slot == Slot::Arbitration,
        at: read.locked_at,
        said: words::opinion(&read.current),
        is_final: read.finalised_at.is_some(),
        became,
        ai_differed: ai.and_then(|ai| ai.against_own.as_ref()).map(|compared| compared.discordant),
    }))
}

/// Numbers over a page of reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Reads.
    pub reads: usize,
    /// Of cases with an outcome.
    pub concluded: usize,
    /// Of which the outcome is another than the read.
    pub differently: usize,
}

/// Counts.
pub(super) fn numbers(reads: &[PastRead]) -> Numbers {
    let mut numbers = Numbers { reads: reads.len(), ..Numbers::default() };
    for read in reads {
        match read.became {
            Became::Open | Became::Superseded => {}
            Became::AsSaid(_) => numbers.concluded += 1,
            Became::Differently(_) => {
                numbers.concluded += 1;
                numbers.differently += 1;
            }
        }
    }
    numbers
}
