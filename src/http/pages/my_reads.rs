//! A reader's own reads and what became of them; private to the reader and to a lead of the same sites.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;

use super::frame::{Frame, Look};
use super::page;
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::own_history::{Became, Numbers, PastRead, numbers, past_reads, reader};
use crate::http::state::AppState;
use crate::http::words;
use crate::store::User;

/// One read as a line.
struct ReadLine {
    case_id: String,
    name: String,
    exam: &'static str,
    said: String,
    at: String,
    became: String,
    class: &'static str,
    ai: &'static str,
}

#[derive(Template)]
#[template(path = "my_reads.html")]
struct MyReadsPage {
    frame: Frame,
    /// Whose, where a lead looks.
    of: Option<String>,
    here: String,
    differed_only: bool,
    numbers: Numbers,
    lines: Vec<ReadLine>,
    next: Option<String>,
}

/// What an address may say beside the page.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// `differed` for those alone that came out differently.
    only: String,
    /// Where the page before ended.
    from: String,
}

/// `GET /my-reads`.
pub(super) async fn own(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, HttpError> {
    let user = reader(&state, &caller, &caller.user_id.to_string()).await?;
    show(&state, &look, &caller, &user, "/my-reads", &asked).await
}

/// `GET /readers/{user_id}/reads`.
pub(super) async fn of_reader(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Path(user_id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, HttpError> {
    let user = reader(&state, &caller, &user_id).await?;
    let here = format!("/readers/{}/reads", user.user_id);
    show(&state, &look, &caller, &user, &here, &asked).await
}

async fn show(
    state: &AppState,
    look: &Look,
    caller: &Caller,
    user: &User,
    here: &str,
    asked: &Asked,
) -> Result<Response, HttpError> {
    let before = match asked.from.split_once('~') {
        Some((at, read)) => Some((at.parse()?, read.parse()?)),
        None => None,
    };
    let (reads, next) = past_reads(state, caller, user.user_id, before, state.settings.page_rows).await?;
    let numbers = numbers(&reads);
    let differed_only = asked.only == "differed";
    let shown = |read: &&PastRead| !differed_only || matches!(read.became, Became::Differently(_));
    let lines = reads.iter().filter(shown).map(|read| line(look, read)).collect();
    let own = user.user_id == caller.user_id;
    page(&MyReadsPage {
        frame: look.frame("Reads"),
        of: (!own).then(|| words::plain(&user.display_name)),
        here: here.to_owned(),
        differed_only,
        numbers,
        lines,
        next: next.map(|(at, read)| format!("{here}?from={at}~{read}")),
    })
}

fn line(look: &Look, read: &PastRead) -> ReadLine {
    let (became, class) = match &read.became {
        Became::Open if read.is_final => ("no outcome yet".to_owned(), "dr-quiet"),
        Became::Open => ("can be changed".to_owned(), "dr-tag dr-tag--blue"),
        Became::AsSaid(outcome) => (format!("as you said: {outcome}"), ""),
        Became::Differently(outcome) => (format!("came out as {outcome}"), "dr-differed"),
        Became::Superseded => ("new images took its place".to_owned(), "dr-quiet"),
    };
    ReadLine {
        case_id: read.case_id.to_string(),
        name: read.patient.clone(),
        exam: words::pathway(read.pathway),
        said: if read.arbitration { format!("settled as {}", read.said) } else { read.said.clone() },
        at: look.time(read.at),
        became,
        class,
        ai: match read.ai_differed {
            Some(true) => "AI differed from you",
            Some(false) => "AI agreed with you",
            None => "",
        },
    }
}
