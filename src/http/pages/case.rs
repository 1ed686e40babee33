//! The case page: films, and beside them what this person may do or see now.
//!
//! Everything that it shows of other reads and of the AI comes out of the [`CaseView`]; a blind view has none of it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::acts_on_findings::{ActForm, act_form, acted};
use super::case_banner::{Banner, banner};
use super::films::{self, Films};
use super::frame::{Frame, Look};
use super::opinion::{OpinionForm, fields_of};
use super::page;
use super::shown::{AiBox, Outcome, OwnBox, ReadBox};
use crate::http::caller::Caller;
use crate::http::desk::{self, Subject};
use crate::http::error::HttpError;
use crate::http::history::History;
use crate::http::names::names_of;
use crate::http::opinion_form::Fields;
use crate::http::panel::colleagues;
use crate::http::reading_sessions::progress;
use crate::http::state::AppState;
use crate::http::words;
use crate::reading::{CaseView, DeferReason, OverruleReason};
use crate::store::StoredCase;
use crate::vocab::{CaseId, Role};

/// A short message at the top of a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Toast {
    pub class: &'static str,
    pub words: String,
    pub link: Option<ToastLink>,
}

/// Where a message leads.
#[derive(Debug, Clone)]
pub(super) struct ToastLink {
    pub path: String,
    pub words: &'static str,
    /// One step back: the read can still be changed.
    pub undo: bool,
}

/// One reason and its words.
#[derive(Debug, Clone)]
pub(super) struct Reason {
    pub code: &'static str,
    pub words: String,
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    frame: Frame,
    toast: Option<Toast>,
    case_id: String,
    pathway: &'static str,
    pathway_code: &'static str,
    /// What the person sees of the case, in a word; the viewer looks again where it changes.
    view: &'static str,
    /// Where the viewer finds what to show; empty while the images are not to be shown.
    display: String,
    banner: Banner,
    history: Vec<History>,
    films: Option<Films>,
    has_heat: bool,
    dead_ms: u32,
    heartbeat_ms: u32,
    claim: String,
    /// How far the session is that the reader is in: number of this case, and of all.
    progress: Option<(usize, u32)>,
    superseded_by: Option<String>,
    on_hold: bool,
    images_to_open: Vec<String>,
    /// Whether the case could be opened here, and else why not.
    may_open: bool,
    why_not: Option<String>,
    form: Option<OpinionForm>,
    own: Option<OwnBox>,
    /// What an urgent finding has set off, as far as this person may know.
    acted: Vec<String>,
    /// By which the author of a read that counts may set it off now.
    act: Option<ActForm>,
    may_reveal: bool,
    change: Option<OpinionForm>,
    change_open: bool,
    ai: Option<AiBox>,
    ai_absent: Option<String>,
    reads: Vec<ReadBox>,
    outcome: Option<Outcome>,
    revealed: bool,
    arbitration: bool,
    lead: bool,
    may_read: bool,
    defer_reasons: Vec<Reason>,
    overrule_reasons: Vec<Reason>,
    waits_for: String,
}

/// What an address may say beside the case.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Hints {
    /// What was just done here.
    said: Option<String>,
    /// The case that was read just before this one.
    after: Option<String>,
    /// One step back was asked for: the form that changes the own read stands open.
    change: Option<String>,
}

/// `GET /cases/{case_id}`.
pub(super) async fn show(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Path(case_id): Path<String>,
    Query(hints): Query<Hints>,
) -> Result<Response, HttpError> {
    let case = desk::find(&state, &caller, case_id.parse().map_err(|_| HttpError::NotFound)?).await?;
    let toast = match (&hints.after, hints.said.as_deref()) {
        (Some(after), _) => recorded(&state, &caller, after, true).await?,
        (None, Some("recorded")) => recorded(&state, &caller, &case_id, false).await?,
        (None, Some(said)) => {
            said_words(said).map(|words| Toast { words: words.to_owned(), ..Toast::default() })
        }
        (None, None) => None,
    };
    let shown = Shown { toast, change_open: hints.change.is_some(), ..Shown::default() };
    render(&state, &look, &caller, &case, shown).await
}

/// What a page of a case shows beside the case.
#[derive(Default)]
pub(super) struct Shown {
    /// A message.
    pub toast: Option<Toast>,
    /// What was sent, where it was refused.
    pub fields: Fields,
    /// Status of the answer; 200 where none is said.
    pub status: Option<StatusCode>,
    /// Whether the form that changes the own read stands open.
    pub change_open: bool,
}

fn said_words(said: &str) -> Option<&'static str> {
    Some(match said {
        "changed" => "Your read was changed; the earlier version is kept.",
        "kept" => "You kept your opinion.",
        "final" => "Your read counts now.",
        "seen" => "Noted that you looked at all images.",
        "deferred" => "Put aside. It is in no queue until someone undoes that.",
        "back" => "Back in the queue.",
        "priors" => "Waiting for earlier images.",
        "acted" => "Done: the second investigation is ordered and the referrer is being told.",
        "reason" => "The reason is recorded.",
        "addendum" => "The addendum is recorded.",
        "reopened" => "The case is open again for a fresh person or a panel.",
        "settled" => "The arbitration is recorded.",
        _ => return None,
    })
}

/// What this person has just recorded on a case, with the way back while it is not final.
pub(super) async fn recorded(
    state: &AppState,
    caller: &Caller,
    case_id: &str,
    elsewhere: bool,
) -> Result<Option<Toast>, HttpError> {
    let Ok(case_id) = case_id.parse::<CaseId>() else { return Ok(None) };
    let case = match desk::find(state, caller, case_id).await {
        Ok(case) => case,
        Err(HttpError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(own) = case.state.own_read(caller.user_id) else { return Ok(None) };
    let subject = desk::subject(state, &case).await?;
    let name = words::person_name(subject.study.patient_name.as_deref().unwrap_or_default());
    let link = elsewhere.then(|| match own.finalised_at {
        None => {
            let path = format!("/cases/{case_id}?change=1");
            ToastLink { path, words: "Look back, compare or change it", undo: true }
        }
        Some(_) => ToastLink { path: format!("/cases/{case_id}"), words: "Look back", undo: false },
    });
    Ok(Some(Toast {
        class: "",
        words: format!("Recorded for {name}: {}", words::opinion(&own.current)),
        link,
    }))
}

/// The page of a case as it stands, with a message and with the fields that were sent, if any.
pub(super) async fn render(
    state: &AppState,
    look: &Look,
    caller: &Caller,
    case: &StoredCase,
    shown: Shown,
) -> Result<Response, HttpError> {
    let subject = desk::subject(state, case).await?;
    let view = desk::view(caller, case);
    let status = shown.status.unwrap_or_default();
    let template = case_page(state, look, caller, case, &view, &subject, shown).await?;
    let mut response = page(&template)?;
    *response.status_mut() = status;
    Ok(response)
}

async fn case_page(
    state: &AppState,
    look: &Look,
    caller: &Caller,
    case: &StoredCase,
    view: &CaseView,
    subject: &Subject,
    shown: Shown,
) -> Result<CasePage, HttpError> {
    let Shown { toast, fields, change_open, .. } = shown;
    let blind = view.case();
    let case_id = blind.case_id.to_string();
    let frame = look.frame(words::pathway(blind.set.pathway));
    let claimed = blind.claim.as_ref().is_some_and(|claim| claim.expires_at > look.now());
    let revealed = matches!(view, CaseView::Revealed(_));
    let own_locked = matches!(view, CaseView::Locked(_));
    let arbitration = claimed && revealed;
    let colleagues = match arbitration {
        true => colleagues(state, caller, &blind.set.site).await?,
        false => Vec::new(),
    };
    let form = claimed.then(|| {
        let action = if arbitration { "arbitration" } else { "opinion" };
        let mut form = OpinionForm::new(blind, &format!("/cases/{case_id}/{action}"), &frame.csrf, &fields);
        form.arbitration = arbitration;
        form.colleagues = colleagues;
        if arbitration && view.ai().is_some() {
            form.overrules = reasons(OverruleReason::ALL, OverruleReason::code);
        }
        form
    });
    let opening = desk::could_open(caller, case, look.now());
    let may_read = desk::looking_role(caller).may_read();
    let (mut own, mut may_reveal, mut ai, mut reads, mut outcome) = (None, false, None, Vec::new(), None);
    let (mut ai_absent, mut waits_for) = (None, String::new());
    match view {
        CaseView::Blind(_) => {}
        CaseView::Assisted(assisted) => {
            ai = assisted.ai.as_ref().map(|shown| AiBox::new(state, look, &blind.set, shown))
        }
        CaseView::Locked(locked) => {
            own = Some(OwnBox::new(look, &locked.own, None));
            may_reveal = locked.may_reveal;
        }
        CaseView::Revealed(all) => {
            let names =
                names_of(state, all.reads.iter().flat_map(|read| read.authors.iter().copied())).await?;
            let own_full = all.own.as_ref().and_then(|own| all.reads.iter().find(|read| read.id == own.id));
            own = all.own.as_ref().map(|own| OwnBox::new(look, own, own_full));
            ai = all.ai.as_ref().map(|shown| AiBox::new(state, look, &blind.set, shown));
            ai_absent = all.ai_absent_at.map(|at| look.time(at));
            reads = all.reads.iter().map(|read| ReadBox::new(look, read, &names, caller.user_id)).collect();
            outcome = all.conclusion.as_ref().map(|conclusion| Outcome::new(look, all, conclusion));
            waits_for = words::code_words(all.next.word());
        }
    }
    let change = own.as_ref().filter(|own| !own.is_final).map(|own| {
        let was = if fields.0.is_empty() { fields_of(&own.current, &own.comment) } else { fields.clone() };
        let mut form = OpinionForm::new(blind, &format!("/cases/{case_id}/change"), &frame.csrf, &was);
        form.read = own.id.clone();
        form.at = "change-";
        form
    });
    let acted = acted(state, look, view).await?;
    let show_films = claimed || own_locked || revealed;
    let films = show_films.then(|| films::hang(view, subject));
    Ok(CasePage {
        toast,
        pathway: words::pathway(blind.set.pathway),
        view: view_word(view, claimed),
        pathway_code: blind.set.pathway.code(),
        display: if show_films { format!("/api/cases/{case_id}/display") } else { String::new() },
        banner: banner(look, case, subject),
        history: if show_films { subject.history() } else { Vec::new() },
        has_heat: films.as_ref().is_some_and(|films| films.films.iter().any(|film| film.heat.is_some())),
        films,
        dead_ms: if claimed { state.settings.dead_time_ms } else { 0 },
        heartbeat_ms: if claimed { state.settings.heartbeat_seconds.saturating_mul(1_000) } else { 0 },
        claim: blind.claim.as_ref().map(|claim| claim.token.to_string()).unwrap_or_default(),
        progress: progress(state, caller).await?.map(|now| (now.read + usize::from(claimed), now.size)),
        superseded_by: blind.superseded_by.map(|id| id.to_string()),
        on_hold: blind.on_hold,
        images_to_open: if claimed {
            blind.images_to_open.iter().map(ToString::to_string).collect()
        } else {
            Vec::new()
        },
        may_open: !claimed && opening.is_ok(),
        why_not: opening.err().filter(|_| !claimed).map(|refusal| words::capital(&refusal.to_string())),
        form,
        act: act_form(view, subject, &fields, acted.ordered),
        acted: acted.lines,
        own,
        may_reveal,
        change,
        change_open,
        ai,
        ai_absent,
        reads,
        outcome,
        revealed,
        arbitration,
        lead: caller.is(Role::Lead),
        may_read,
        defer_reasons: reasons(DeferReason::ALL, DeferReason::code),
        overrule_reasons: reasons(OverruleReason::ALL, OverruleReason::code),
        waits_for,
        case_id,
        frame,
    })
}

/// One word for how much of a case is shown.
fn view_word(view: &CaseView, claimed: bool) -> &'static str {
    match (view, claimed) {
        (CaseView::Blind(_) | CaseView::Assisted(_), true) => "open",
        (CaseView::Blind(_) | CaseView::Assisted(_), false) => "closed",
        (CaseView::Locked(_), _) => "locked",
        (CaseView::Revealed(_), _) => "revealed",
    }
}

fn reasons<T: Copy>(all: &[T], code: impl Fn(T) -> &'static str) -> Vec<Reason> {
    all.iter()
        .map(|one| Reason { code: code(*one), words: words::capital(&words::code_words(code(*one))) })
        .collect()
}
