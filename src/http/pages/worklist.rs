//! The worklist: what waits, what is to be settled, what is held, what has concluded, and a search by patient.
//!
//! Nothing of another read or of the AI stands on it: of a case without an outcome a reader sees its clock and whether
//! they read it, and no more.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::case::{Toast, recorded};
use super::frame::{Frame, Look};
use super::page;
use crate::http::caller::Caller;
use crate::http::case_search::{Found, Search, Wanted, find};
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::http::words;
use crate::reading::{ClockLevel, clock_level};
use crate::store::CaseRow;
use crate::vocab::{CaseId, Pathway, Timestamp};

/// One case in a list.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub case_id: String,
    pub name: String,
    pub id: String,
    pub accession: String,
    pub born: String,
    pub exam: String,
    pub site: String,
    pub arrived: String,
    pub due: String,
    pub due_class: &'static str,
    pub urgent: bool,
    /// How it stands, as far as the reader may know.
    pub stands: String,
    /// Whether it can be opened to be read from here.
    pub offered: bool,
}

/// One choice of a filter.
struct Tab {
    path: String,
    words: &'static str,
    current: bool,
}

#[derive(Template)]
#[template(path = "worklist.html")]
struct WorklistPage {
    frame: Frame,
    toast: Option<Toast>,
    tabs: Vec<Tab>,
    search: Search,
    /// How many studies were searched, where the name fits more.
    only_latest: Option<u32>,
    pathways: Vec<(&'static str, &'static str, bool)>,
    sites: Vec<(String, bool)>,
    lines: Vec<Line>,
    words: &'static str,
    next: Option<String>,
    nothing: &'static str,
}

/// `GET /worklist`.
pub(super) async fn show(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Query(search): Query<Search>,
) -> Result<Response, HttpError> {
    let wanted = search.wanted();
    let Found { rows, next, only_latest } = find(&state, &caller, &search, state.settings.page_rows).await?;
    let read = read_by(&state, &caller, &rows).await?;
    let mut lines = lines(&state, &look, rows).await?;
    for line in &mut lines {
        let own = line.case_id.parse::<CaseId>().is_ok_and(|id| read.contains(&id));
        line.offered = matches!(wanted, Wanted::Open | Wanted::Settle) && search.q.trim().is_empty();
        if own && line.stands == OPEN {
            line.stands = "read by you".to_owned();
        }
    }
    let toast = match &search.said_after {
        Some(after) => recorded(&state, &caller, after, true).await?,
        None => None,
    };
    let sites = state.store.sites().await?.into_iter().filter(|site| caller.may_see(site));
    let sites = sites.map(|site| (site.to_string(), search.site == site.to_string())).collect();
    let pathways = Pathway::ALL
        .iter()
        .map(|one| (one.code(), words::pathway(*one), search.pathway == one.code()))
        .collect();
    page(&WorklistPage {
        frame: look.frame("Worklist"),
        toast,
        tabs: Wanted::ALL
            .iter()
            .map(|one| Tab { path: search.address(*one, None), words: one.words(), current: *one == wanted })
            .collect(),
        next: next.map(|after| search.address(wanted, Some(&after))),
        pathways,
        sites,
        lines,
        words: if wanted == Wanted::Settle { "Settle" } else { "Open" },
        nothing: wanted.nothing(),
        search,
        only_latest,
    })
}

async fn read_by(state: &AppState, caller: &Caller, rows: &[CaseRow]) -> Result<BTreeSet<CaseId>, HttpError> {
    let ids: Vec<CaseId> = rows.iter().map(|row| row.case_id).collect();
    Ok(state.store.cases_read_by(caller.user_id, &ids).await?)
}

const OPEN: &str = "open";

/// Rows as lists show them.
pub(super) async fn lines(state: &AppState, look: &Look, rows: Vec<CaseRow>) -> Result<Vec<Line>, HttpError> {
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let policy = state.store.policy(&row.policy).await?;
        let level = clock_level(&policy, row.last_image_at, look.now());
        let concluded = row.concluded_at.filter(|_| row.superseded_by.is_none());
        let (due, due_class) = match concluded {
            Some(_) => (String::new(), ""),
            None => (due_words(look, row.due_at, level), due_class(level)),
        };
        let stands = match concluded {
            Some(at) => {
                let outcome = row.outcome.as_deref().map(words::code_words).unwrap_or_default();
                format!("{outcome}, {}", look.time(at))
            }
            None if row.state == "on_hold" => "on hold".to_owned(),
            None => OPEN.to_owned(),
        };
        lines.push(Line {
            case_id: row.case_id.to_string(),
            name: words::person_name(row.patient_name.as_deref().unwrap_or_default()),
            id: row.patient_id.as_ref().map(|id| words::plain(id.as_str())).unwrap_or_default(),
            accession: row.accession_number.as_ref().map(|n| words::plain(n.as_str())).unwrap_or_default(),
            born: row.birth_date.as_deref().map(words::date).unwrap_or_default(),
            exam: words::pathway(row.pathway).to_owned(),
            site: row.site.to_string(),
            arrived: look.time(row.last_image_at),
            due,
            due_class,
            urgent: row.urgent,
            stands,
            offered: true,
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
