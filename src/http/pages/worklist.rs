//! The worklist: "start reading" first, browsing second. Nothing of another read or of the AI stands on it.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::case::{Toast, recorded};
use super::frame::{Frame, Look};
use super::page;
use crate::http::caller::Caller;
use crate::http::desk;
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::http::words;
use crate::reading::{ClockLevel, clock_level};
use crate::store::CaseRow;
use crate::vocab::{Pathway, Timestamp};

/// One case in the list.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub case_id: String,
    pub name: String,
    pub id: String,
    pub born: String,
    pub exam: String,
    pub site: String,
    pub arrived: String,
    pub due: String,
    pub due_class: &'static str,
    pub urgent: bool,
}

/// The cases of a pathway.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub code: &'static str,
    pub title: &'static str,
    pub start: &'static str,
    pub lines: Vec<Line>,
    pub more: bool,
}

/// One of the person's own reads.
#[derive(Debug, Clone)]
struct OwnLine {
    case_id: String,
    name: String,
    opinion: String,
    at: String,
    open: bool,
}

#[derive(Template)]
#[template(path = "worklist.html")]
struct WorklistPage {
    frame: Frame,
    toast: Option<Toast>,
    open_here: Vec<Line>,
    queues: Vec<Queue>,
    arbitrations: Vec<Line>,
    own: Vec<OwnLine>,
    today: usize,
    nothing: bool,
}

/// What an address may say beside the list.
#[derive(serde::Deserialize)]
pub(super) struct Hints {
    after: Option<String>,
}

/// Reads shown below the queues.
const OWN_READS: u32 = 12;

/// `GET /worklist`.
pub(super) async fn show(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Query(hints): Query<Hints>,
) -> Result<Response, HttpError> {
    let limit = state.settings.page_rows;
    let mut queues = Vec::new();
    for pathway in Pathway::ALL {
        let rows = desk::offered(&state, &caller, Some(*pathway), false, limit).await?;
        let more = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let lines = lines(&state, &look, rows).await?;
        let (title, start) = match pathway {
            Pathway::Chest => ("Chest X-rays", "chest X-rays"),
            Pathway::Mammo => ("Mammograms", "mammograms"),
        };
        queues.push(Queue { code: pathway.code(), title, start, lines, more });
    }
    let arbitrations = desk::offered(&state, &caller, None, true, limit).await?;
    let arbitrations = lines(&state, &look, arbitrations).await?;
    let mut open_here = Vec::new();
    for case_id in state.store.claimed_by(caller.user_id, look.now()).await? {
        open_here.extend(state.store.case_row(case_id).await?);
    }
    let open_here = lines(&state, &look, open_here).await?;
    let mut own = Vec::new();
    let mut today = 0;
    for read in state.store.own_reads(caller.user_id, None, limit).await? {
        today += usize::from(look.is_today(read.read.locked_at));
        if own.len() >= usize::try_from(OWN_READS).unwrap_or(usize::MAX) {
            continue;
        }
        let Some(row) = state.store.case_row(read.case_id).await? else { continue };
        own.push(OwnLine {
            case_id: read.case_id.to_string(),
            name: words::person_name(row.patient_name.as_deref().unwrap_or_default()),
            opinion: words::opinion(&read.read.current),
            at: look.time(read.read.locked_at),
            open: read.read.finalised_at.is_none(),
        });
    }
    let toast = match &hints.after {
        Some(after) => recorded(&state, &caller, after, true).await?,
        None => None,
    };
    queues.retain(|queue| !queue.lines.is_empty());
    let nothing = queues.is_empty() && arbitrations.is_empty() && open_here.is_empty();
    let frame = look.frame("Worklist");
    page(&WorklistPage { frame, toast, open_here, queues, arbitrations, own, today, nothing })
}

async fn lines(state: &AppState, look: &Look, rows: Vec<CaseRow>) -> Result<Vec<Line>, HttpError> {
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let policy = state.store.policy(&row.policy).await?;
        let level = clock_level(&policy, row.last_image_at, look.now());
        let (due, due_class) = (due_words(look, row.due_at, level), due_class(level));
        lines.push(Line {
            case_id: row.case_id.to_string(),
            name: words::person_name(row.patient_name.as_deref().unwrap_or_default()),
            id: row.patient_id.as_ref().map(|id| words::plain(id.as_str())).unwrap_or_default(),
            born: row.birth_date.as_deref().map(words::date).unwrap_or_default(),
            exam: words::pathway(row.pathway).to_owned(),
            site: row.site.to_string(),
            arrived: look.time(row.last_image_at),
            due,
            due_class,
            urgent: row.urgent,
        });
    }
    Ok(lines)
}

/// How a case stands by its clock, in words.
pub(super) fn due_words(look: &Look, due: Timestamp, level: ClockLevel) -> String {
    let distance = look.distance(due);
    match level {
        ClockLevel::Breached => format!("{distance} late"),
        ClockLevel::Urgent | ClockLevel::DueSoon | ClockLevel::OnTime => format!("in {distance}"),
    }
}

fn due_class(level: ClockLevel) -> &'static str {
    match level {
        ClockLevel::OnTime => "",
        ClockLevel::DueSoon => "dr-tag dr-tag--blue",
        ClockLevel::Urgent => "dr-tag dr-tag--amber",
        ClockLevel::Breached => "dr-tag dr-tag--red",
    }
}
