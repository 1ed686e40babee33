//! `GET /`: where a reader begins. Others are sent to the page that their role works on.
//!
//! One press starts a session. Nothing of another read or of the AI stands here: what is listed as to be settled is
//! offered to those alone who did not read it.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::case::{Toast, recorded};
use super::frame::{Frame, Look};
use super::worklist::{Line, lines};
use super::{page, see_other};
use crate::http::caller::Caller;
use crate::http::desk;
use crate::http::error::HttpError;
use crate::http::reading_sessions::{Progress, progress, usual_size};
use crate::http::state::AppState;
use crate::http::words;
use crate::reading::Hold;
use crate::store::Targets;
use crate::vocab::{Pathway, Role};

/// Lines of each list on this page; the rest is in the worklist.
const SHORT: u32 = 6;
/// Rows that are counted before "or more" is said.
const COUNTED: u32 = 100;

/// How many cases of a pathway wait for this reader.
struct Waiting {
    code: &'static str,
    words: &'static str,
    /// The same beside their number.
    counted: &'static str,
    count: usize,
    more: bool,
}

/// One own read that can still be changed.
struct OpenRead {
    case_id: String,
    name: String,
    said: String,
    until: String,
}

/// One case that is out of the queues.
struct Held {
    case_id: String,
    name: String,
    exam: &'static str,
    why: String,
    act: &'static str,
    words: &'static str,
}

/// Own reads of this year against the own target.
struct Target {
    words: &'static str,
    read: i64,
    aim: u32,
}

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    frame: Frame,
    toast: Option<Toast>,
    session: Option<Progress>,
    /// Whether a case is open with the reader already.
    goes_on: bool,
    size: u32,
    most: u32,
    waiting: Vec<Waiting>,
    /// The one pathway on which anything waits.
    only: Option<&'static str>,
    sites: Vec<String>,
    arbitrations: Vec<Line>,
    open_reads: Vec<OpenRead>,
    held: Vec<Held>,
    owed: Vec<(String, String)>,
    targets: Vec<Target>,
    aims: Targets,
    /// Whether the images open in a window of their own with the press that starts reading.
    second_screen: bool,
    today: usize,
}

/// What an address may say beside the page.
#[derive(serde::Deserialize)]
pub(super) struct Hints {
    after: Option<String>,
}

/// `GET /`.
pub(super) async fn start(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Query(hints): Query<Hints>,
) -> Result<Response, HttpError> {
    if !caller.is(Role::Reader) && !caller.is(Role::Lead) {
        return Ok(see_other(first_page(&caller)));
    }
    let mut waiting = Vec::new();
    for pathway in Pathway::ALL {
        let count = desk::offered(&state, &caller, Some(*pathway), false, COUNTED).await?.len();
        let more = count >= usize::try_from(COUNTED).unwrap_or(usize::MAX);
        let (words, one) = match pathway {
            Pathway::Chest => ("chest X-rays", "chest X-ray"),
            Pathway::Mammo => ("mammograms", "mammogram"),
        };
        let counted = if count == 1 { one } else { words };
        waiting.push(Waiting { code: pathway.code(), words, counted, count, more });
    }
    let arbitrations = desk::offered(&state, &caller, None, true, SHORT).await?;
    let preferences = state.store.preferences(caller.user_id).await?;
    let year = look.start_of_year();
    let reads = state.store.own_read_counts(caller.user_id, year).await?;
    let count = |pathway| reads.get(&pathway).copied().unwrap_or_default();
    let targets = [
        ("mammograms", Pathway::Mammo, preferences.targets.mammo_per_year),
        ("chest X-rays", Pathway::Chest, preferences.targets.chest_per_year),
    ]
    .into_iter()
    .filter_map(|(words, pathway, aim)| Some(Target { words, read: count(pathway), aim: aim? }))
    .collect();
    let toast = match &hints.after {
        Some(after) => recorded(&state, &caller, after, true).await?,
        None => None,
    };
    let today =
        state.store.own_read_counts(caller.user_id, look.start_of_day()).await?.into_values().sum::<i64>();
    page(&StartPage {
        frame: look.frame("Start"),
        toast,
        session: progress(&state, &caller).await?,
        goes_on: !state.store.claimed_by(caller.user_id, look.now()).await?.is_empty(),
        size: usual_size(&state, &caller).await?,
        most: state.settings.session_size_most,
        only: only(&waiting),
        waiting,
        sites: state
            .store
            .sites()
            .await?
            .into_iter()
            .filter(|site| caller.may_see(site))
            .map(String::from)
            .collect(),
        arbitrations: lines(&state, &look, arbitrations).await?,
        open_reads: open_reads(&state, &look, &caller).await?,
        held: held(&state, &look, &caller).await?,
        owed: owed(&state, &caller).await?,
        targets,
        aims: preferences.targets,
        second_screen: preferences.second_screen,
        today: usize::try_from(today).unwrap_or_default(),
    })
}

/// The words of the pathway that waits alone.
fn only(waiting: &[Waiting]) -> Option<&'static str> {
    let mut some = waiting.iter().filter(|one| one.count > 0);
    let first = some.next()?;
    some.next().is_none().then_some(first.words)
}

/// The page of a role that does not read.
fn first_page(caller: &Caller) -> &'static str {
    if caller.is(Role::Auditor) {
        "/audit"
    } else if caller.is(Role::Admin) {
        "/operations"
    } else {
        "/studies"
    }
}

async fn open_reads(state: &AppState, look: &Look, caller: &Caller) -> Result<Vec<OpenRead>, HttpError> {
    let mut open = Vec::new();
    for one in state.store.own_reads_not_final(caller.user_id, COUNTED).await? {
        let Some(case) = state.store.case(one.case_id).await? else { continue };
        let Some(row) = state.store.case_row(one.case_id).await? else { continue };
        let view = desk::view(caller, &case);
        let until = view.own().and_then(|own| own.finalises_at);
        open.push(OpenRead {
            case_id: one.case_id.to_string(),
            name: words::person_name(row.patient_name.as_deref().unwrap_or_default()),
            said: words::opinion(&one.read.current),
            until: until
                .map_or_else(|| "until you say so".to_owned(), |at| format!("for {}", look.distance(at))),
        });
    }
    Ok(open)
}

/// Concluded cases that this reader took part in and that went against the AI without a reason so far (M9).
async fn owed(state: &AppState, caller: &Caller) -> Result<Vec<(String, String)>, HttpError> {
    let owed = state.store.owed_overrules(COUNTED).await?;
    let cases: Vec<_> = owed.iter().map(|one| one.case_id).collect();
    let mut own = Vec::new();
    for case_id in state.store.cases_read_by(caller.user_id, &cases).await? {
        let Some(row) = state.store.case_row(case_id).await? else { continue };
        if row.concluded_at.is_some() && caller.may_see(&row.site) {
            let name = words::person_name(row.patient_name.as_deref().unwrap_or_default());
            own.push((case_id.to_string(), name));
        }
    }
    Ok(own)
}

async fn held(state: &AppState, look: &Look, caller: &Caller) -> Result<Vec<Held>, HttpError> {
    let mut held = Vec::new();
    for pathway in Pathway::ALL {
        for row in state.store.cases_in_state(*pathway, "on_hold", &caller.sites, None, SHORT).await? {
            let Some(case) = state.store.case(row.case_id).await? else { continue };
            let (why, act, words) = match &case.state.hold {
                Some(Hold::AwaitingPriors { until, .. }) => {
                    let why = format!("waits for earlier images until {}", look.time(*until));
                    (why, "priors_arrived", "They have come")
                }
                Some(Hold::Deferred { since, .. }) => {
                    (format!("put aside {}", look.time(*since)), "undo_deferral", "Put it back")
                }
                None => continue,
            };
            held.push(Held {
                case_id: row.case_id.to_string(),
                name: words::person_name(row.patient_name.as_deref().unwrap_or_default()),
                exam: words::pathway(row.pathway),
                why,
                act,
                words,
            });
        }
    }
    Ok(held)
}
