//! What the forms of the case page do. A refusal shows the same page again with the reason and what was typed.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::Response;

use super::case::{Shown, Toast, render};
use super::frame::Look;
use super::see_other;
use super::sessions::next_path;
use crate::http::caller::{Caller, ClientAddress};
use crate::http::desk::{self, READS, RUNS};
use crate::http::error::HttpError;
use crate::http::opinion_form::{Fields, incomplete, said};
use crate::http::opinions::{self, Settlement};
use crate::http::panel::{Panel, signatures, signed};
use crate::http::state::AppState;
use crate::http::words;
use crate::reading::Command;
use crate::vocab::{CaseId, FindingCode, Role, SopInstanceUid};

type Form = axum::Form<Vec<(String, String)>>;

fn id(text: &str) -> Result<CaseId, HttpError> {
    text.parse().map_err(|_| HttpError::NotFound)
}

/// Shows the case again with the words of a refusal; anything else that went wrong is an error page.
async fn or_again(
    state: &AppState,
    look: &Look,
    caller: &Caller,
    case_id: CaseId,
    fields: Fields,
    result: Result<String, HttpError>,
) -> Result<Response, HttpError> {
    let error = match result {
        Ok(path) => return Ok(see_other(&path)),
        Err(error @ (HttpError::Refused { .. } | HttpError::Conflict { .. } | HttpError::BadRequest(_))) => {
            error
        }
        Err(error) => return Err(error),
    };
    let case = desk::find(state, caller, case_id).await?;
    let said = words::capital(&error.to_string());
    let toast = Toast { class: "dr-toast--red", words: format!("Not recorded: {said}."), link: None };
    let status = Some(error.status());
    let shown = Shown { toast: Some(toast), fields, status, change_open: true };
    render(state, look, caller, &case, shown).await
}

/// `POST /cases/{case_id}/open`.
pub(super) async fn open(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Path(case_id): Path<String>,
) -> Result<Response, HttpError> {
    let case_id = id(&case_id)?;
    let result = desk::open(&state, &caller, case_id).await.map(|_| format!("/cases/{case_id}"));
    or_again(&state, &look, &caller, case_id, Fields::default(), result).await
}

/// `POST /cases/{case_id}/opinion`: locks an opinion. After a normal one the next case is opened; after any other the
/// case stays, for comparing.
pub(super) async fn opinion(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Path(case_id): Path<String>,
    axum::Form(fields): Form,
) -> Result<Response, HttpError> {
    let (case_id, fields) = (id(&case_id)?, Fields(fields));
    let result = lock(&state, &caller, case_id, &fields).await;
    or_again(&state, &look, &caller, case_id, fields, result).await
}

async fn lock(
    state: &AppState,
    caller: &Caller,
    case_id: CaseId,
    fields: &Fields,
) -> Result<String, HttpError> {
    let case = desk::find(state, caller, case_id).await?;
    let said = said(case.state.set.pathway, fields)?;
    let stays = said.opinion.word() != "normal";
    opinions::lock(state, caller, case_id, fields.need("claim")?, said).await?;
    if stays {
        return Ok(format!("/cases/{case_id}?said=recorded"));
    }
    Ok(format!("{}?after={case_id}", next_path(state, caller).await?))
}

/// `POST /cases/{case_id}/change`: another opinion in the place of the own one that does not count yet.
pub(super) async fn change(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Path(case_id): Path<String>,
    axum::Form(fields): Form,
) -> Result<Response, HttpError> {
    let (case_id, fields) = (id(&case_id)?, Fields(fields));
    let result = async {
        let case = desk::find(&state, &caller, case_id).await?;
        let said = said(case.state.set.pathway, &fields)?;
        opinions::change(&state, &caller, case_id, fields.need("read")?, said).await?;
        Ok(format!("/cases/{case_id}?said=changed"))
    }
    .await;
    or_again(&state, &look, &caller, case_id, fields, result).await
}

/// `POST /cases/{case_id}/arbitration`.
pub(super) async fn arbitrate(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    ClientAddress(address): ClientAddress,
    Path(case_id): Path<String>,
    axum::Form(fields): Form,
) -> Result<Response, HttpError> {
    let (case_id, fields) = (id(&case_id)?, Fields(fields));
    let result = async {
        let case = desk::find(&state, &caller, case_id).await?;
        let said = said(case.state.set.pathway, &fields)?;
        let site = &case.state.set.site;
        let Panel { authors, dissent } = signed(&state, &caller, site, &address, signatures(&fields)).await?;
        let settlement = Settlement { said, authors, dissent, overrule: fields.optional("overrule")? };
        opinions::settle(&state, &caller, case_id, fields.need("claim")?, settlement).await?;
        Ok(format!("/cases/{case_id}?said=settled"))
    }
    .await;
    or_again(&state, &look, &caller, case_id, fields, result).await
}

/// `POST /cases/{case_id}/act`: everything that needs no opinion form; the field `act` says what.
pub(super) async fn act(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Path(case_id): Path<String>,
    axum::Form(fields): Form,
) -> Result<Response, HttpError> {
    let (case_id, fields) = (id(&case_id)?, Fields(fields));
    let result = async {
        if fields.get("act") == Some("act_now") {
            return act_now(&state, &caller, case_id, &fields).await;
        }
        let (roles, command, path) = wish(case_id, &fields)?;
        desk::act(&state, &caller, roles, case_id, command).await?;
        Ok(path)
    }
    .await;
    or_again(&state, &look, &caller, case_id, fields, result).await
}

/// Orders the second investigation and tells the referrer, beside the own read that counts.
async fn act_now(
    state: &AppState,
    caller: &Caller,
    case_id: CaseId,
    fields: &Fields,
) -> Result<String, HttpError> {
    let findings = fields.all("finding").map(str::parse).collect::<Result<BTreeSet<FindingCode>, _>>()?;
    if findings.is_empty() {
        return Err(incomplete("choose the finding that it is for"));
    }
    let key_images = fields.all("key_image").filter(|uid| !uid.is_empty()).map(str::parse);
    let key_images = key_images.collect::<Result<Vec<SopInstanceUid>, _>>()?;
    let reason = fields.get("reason").unwrap_or_default().to_owned();
    let read = fields.need("read")?;
    opinions::act_now(state, caller, case_id, read, findings, reason, key_images).await?;
    Ok(format!("/cases/{case_id}?said=acted"))
}

/// The command that a form asks for, the roles that it is asked in, and the page after it.
fn wish(case_id: CaseId, fields: &Fields) -> Result<(&'static [Role], Command, String), HttpError> {
    let here = |said: &str| format!("/cases/{case_id}?said={said}");
    let text = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    let list = || "/".to_owned();
    Ok(match fields.get("act").unwrap_or_default() {
        "release" => (READS, Command::ReleaseClaim { token: fields.need("claim")? }, list()),
        "skip" => (READS, Command::Skip { token: fields.need("claim")? }, list()),
        "defer" => {
            (RUNS, Command::Defer { reason: fields.need("reason")?, note: text("note") }, here("deferred"))
        }
        "undo_deferral" => (RUNS, Command::UndoDeferral, here("back")),
        "await_priors" => (RUNS, Command::AwaitPriors, here("priors")),
        "priors_arrived" => (RUNS, Command::RecordPriors, here("back")),
        "acknowledge" => {
            let images = fields.all("image").map(str::parse).collect::<Result<BTreeSet<_>, _>>()?;
            (READS, Command::AcknowledgeImages { token: fields.need("claim")?, images }, here("seen"))
        }
        "reveal" => (READS, Command::Reveal { read: fields.need("read")? }, here("")),
        "keep" => (READS, Command::KeepRead { read: fields.need("read")? }, here("kept")),
        "finalise" => (READS, Command::Finalise { read: fields.need("read")? }, here("final")),
        "overrule" => (
            RUNS,
            Command::ReasonOverrule { reason: fields.need("reason")?, note: text("note") },
            here("reason"),
        ),
        "addendum" => {
            let command = Command::Addendum { reason: text("reason"), text: text("text"), opinion: None };
            (RUNS, command, here("addendum"))
        }
        "reopen" => (RUNS, Command::Reopen { reason: text("reason") }, here("reopened")),
        "release_outcome" => (RUNS, Command::Release, here("")),
        _ => return Err(HttpError::BadRequest("act is not one of the known acts".to_owned())),
    })
}
