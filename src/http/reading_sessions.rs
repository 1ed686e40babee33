//! Sessions of reading, as pages and API run them: begin, the next case, how far, the end.
//!
//! In: a reader and what they wish to read. Out: the next case by the rules of the queue, or the end of the session.
//! Which read of a case is due tells of another read, and where the AI routes, of the AI: a session of first or of
//! second reads alone has only cases whose policy has two people read each of them anyway (PATHWAYS R5, M8).

use super::caller::Caller;
use super::desk::{self, Offer, READS};
use super::error::HttpError;
use super::history::history;
use super::state::AppState;
use crate::reading::{AiRole, Slot};
use crate::store::{CaseRow, ReadingSession, SessionCase, SessionFilter};
use crate::vocab::{CaseId, Opinion, ReadingSessionId};

/// Cases of the queue that are looked through for one that a filter lets pass.
const LOOKED_THROUGH: u32 = 200;

/// What comes next.
pub(super) enum Next {
    /// A case, which is now open with the reader.
    Case(CaseId),
    /// The session is over: it has its cases, or no more wait.
    SessionOver(ReadingSessionId),
    /// Nothing waits, and there is no session.
    Nothing,
}

/// What a reader wishes to read.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    /// How many; by preference or as shipped where none.
    pub size: Option<u32>,
    /// Which.
    pub filter: SessionFilter,
}

/// Begins a session.
pub(super) async fn begin(
    state: &AppState,
    caller: &Caller,
    wish: Wish,
) -> Result<ReadingSession, HttpError> {
    caller.acting(READS)?;
    if let Some(site) = &wish.filter.site
        && !caller.may_see(site)
    {
        return Err(HttpError::NotFound);
    }
    if matches!(wish.filter.slot, Some(Slot::Third | Slot::Arbitration)) {
        return Err(HttpError::BadRequest("a session is of first or of second reads".to_owned()));
    }
    let size = match wish.size {
        Some(size) => size,
        None => usual_size(state, caller).await?,
    };
    let most = state.settings.session_size_most;
    if size == 0 || size > most {
        return Err(HttpError::BadRequest(format!("a session has from 1 to {most} cases")));
    }
    let now = state.clock.now();
    Ok(state.store.begin_reading_session(caller.user_id, size, wish.filter, now).await?)
}

/// Cases of a session that names no number.
pub(super) async fn usual_size(state: &AppState, caller: &Caller) -> Result<u32, HttpError> {
    let preferred = state.store.preferences(caller.user_id).await?.session_size;
    Ok(preferred.unwrap_or(state.settings.session_size).clamp(1, state.settings.session_size_most))
}

/// The next right case of the session that the reader is in, or of the queue where they are in none.
pub(super) async fn go_on(state: &AppState, caller: &Caller) -> Result<Next, HttpError> {
    let Some(session) = state.store.open_reading_session(caller.user_id).await? else {
        return Ok(match desk::take_next(state, caller, None).await? {
            Some(case_id) => Next::Case(case_id),
            None => Next::Nothing,
        });
    };
    let actor = caller.acting(READS)?;
    let now = state.clock.now();
    if let Some(open) = state.store.claimed_by(caller.user_id, now).await?.first().copied() {
        state.store.take_in_session(session.session_id, open, now).await?;
        return Ok(Next::Case(open));
    }
    let taken = state.store.cases_of_session(session.session_id).await?;
    if read_count(&taken) < usize::try_from(session.size).unwrap_or(usize::MAX) {
        for row in candidates(state, caller, &session).await? {
            // Somebody else was faster, or the list is a moment old: the next one.
            match desk::claim(state, caller, &actor, row.case_id).await {
                Ok(_) => {
                    state.store.take_in_session(session.session_id, row.case_id, now).await?;
                    return Ok(Next::Case(row.case_id));
                }
                Err(HttpError::Conflict { .. } | HttpError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    state.store.end_reading_session(session.session_id, now).await?;
    Ok(Next::SessionOver(session.session_id))
}

/// Cases that would come next for a reader, in or out of a session; none is claimed.
pub(super) async fn to_come(
    state: &AppState,
    caller: &Caller,
    limit: u32,
) -> Result<Vec<CaseRow>, HttpError> {
    match state.store.open_reading_session(caller.user_id).await? {
        Some(session) => candidates(state, caller, &session).await,
        None => desk::offered(state, caller, None, false, limit).await,
    }
}

/// Cases that the session may take, in the order of the queue.
async fn candidates(
    state: &AppState,
    caller: &Caller,
    session: &ReadingSession,
) -> Result<Vec<CaseRow>, HttpError> {
    let filter = &session.filter;
    let mut found = Vec::new();
    let offer = Offer { pathway: filter.pathway, site: filter.site.clone(), ..Offer::default() };
    for row in desk::offered_of(state, caller, offer, LOOKED_THROUGH).await? {
        if lets_pass(state, filter, &row).await? {
            found.push(row);
        }
    }
    Ok(found)
}

async fn lets_pass(state: &AppState, filter: &SessionFilter, row: &CaseRow) -> Result<bool, HttpError> {
    if let Some(slot) = filter.slot {
        let policy = state.store.policy(&row.policy).await?;
        if row.open_slot != Some(slot) || policy.ai_role == AiRole::Routes {
            return Ok(false);
        }
    }
    if filter.with_history {
        let images = state.store.instances_of_study(&row.study_instance_uid).await?;
        let orders = state.store.orders_of_study(&row.study_instance_uid).await?;
        return Ok(!history(&orders, &images).is_empty());
    }
    Ok(true)
}

/// How far a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// Which session.
    pub session_id: ReadingSessionId,
    /// Cases read so far.
    pub read: usize,
    /// Cases that it is to have.
    pub size: u32,
}

/// How far the session is that the reader is in.
pub(super) async fn progress(state: &AppState, caller: &Caller) -> Result<Option<Progress>, HttpError> {
    let Some(session) = state.store.open_reading_session(caller.user_id).await? else { return Ok(None) };
    let cases = state.store.cases_of_session(session.session_id).await?;
    Ok(Some(Progress { session_id: session.session_id, read: read_count(&cases), size: session.size }))
}

/// Cases of a session that have the reader's own read.
pub(super) fn read_count(cases: &[SessionCase]) -> usize {
    cases.iter().filter(|case| case.read.is_some()).count()
}

/// What a reader made of a session, from their own reads alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Cases with an own read.
    pub read: usize,
    /// Reads of normal.
    pub normal: usize,
    /// Reads of recall or abnormal.
    pub recalled: usize,
    /// Reads that ask for new images.
    pub technical: usize,
    /// Left for others.
    pub skipped: usize,
    /// Put aside or waiting for earlier images.
    pub aside: usize,
    /// Own reads that can still be changed.
    pub not_final: usize,
    /// Middle of the times from opening to opinion, milliseconds.
    pub median_ms: Option<i64>,
}

/// Counts a session.
pub(super) fn tally(cases: &[SessionCase]) -> Tally {
    let mut tally = Tally::default();
    let mut times = Vec::new();
    for case in cases {
        match &case.read {
            Some(read) => {
                tally.read += 1;
                times.push(read.reading_ms);
                tally.not_final += usize::from(read.finalised_at.is_none());
                match kind(&read.current) {
                    Kind::Normal => tally.normal += 1,
                    Kind::Recalled => tally.recalled += 1,
                    Kind::Technical => tally.technical += 1,
                }
            }
            None if case.on_hold => tally.aside += 1,
            None if case.skipped => tally.skipped += 1,
            None => {}
        }
    }
    times.sort_unstable();
    tally.median_ms = times.get(times.len() / 2).copied();
    tally
}

enum Kind {
    Normal,
    Recalled,
    Technical,
}

fn kind(opinion: &Opinion) -> Kind {
    match opinion.word() {
        "normal" => Kind::Normal,
        "inadequate" | "technical_recall" => Kind::Technical,
        _ => Kind::Recalled,
    }
}

/// A session of the caller's own; another's is not there.
pub(super) async fn own(state: &AppState, caller: &Caller, id: &str) -> Result<ReadingSession, HttpError> {
    let id: ReadingSessionId = id.parse().map_err(|_| HttpError::NotFound)?;
    let session = state.store.reading_session(id).await?.filter(|found| found.reader == caller.user_id);
    session.ok_or(HttpError::NotFound)
}
