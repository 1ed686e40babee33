//! Reads: locking an opinion, what may be done with it, arbitration, and what comes after the outcome.

use axum::Json;
use axum::extract::{Path, State};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bodies::CaseBody;
use super::cases::{body, parse_id};
use crate::http::caller::{Caller, ClientAddress};
use crate::http::desk::{self, READS, RUNS};
use crate::http::error::{ErrorBody, HttpError};
use crate::http::opinions::{self, Said, Settlement};
use crate::http::panel::{Panel, Signature, signed};
use crate::http::state::AppState;
use crate::reading::{ClaimToken, Command, OverruleReason};
use crate::vocab::{FindingCode, Opinion, ReadId, SopInstanceUid};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(lock))
        .routes(routes!(change))
        .routes(routes!(keep))
        .routes(routes!(finalise))
        .routes(routes!(reveal))
        .routes(routes!(arbitrate))
        .routes(routes!(act_now))
        .routes(routes!(overrule))
        .routes(routes!(addendum))
        .routes(routes!(reopen))
        .routes(routes!(release_outcome))
        .routes(routes!(own))
}

/// An opinion under a claim.
#[derive(serde::Deserialize, ToSchema)]
struct NewRead {
    /// Proof of the own claim.
    #[schema(value_type = String)]
    claim_token: ClaimToken,
    /// `{"pathway": "chest", "opinion": "normal" | "abnormal" | "inadequate", ...}` or `{"pathway": "mammo", "opinion":
    /// "normal" | "technical_recall" | "recall", ...}`: chest `findings` have `code`, `side`, `zone`, `confidence`,
    /// `urgent`, `mark`; `inadequate` has a `reason`; `technical_recall` has `views` of `view` and `reason`; `recall` has
    /// `right` and `left` of `assessment` (`normal`, `clinical`, `abnormal`) and `marks` of `feature`, `concern` (`1` to
    /// `5`) and `mark`.
    #[schema(value_type = Object, example = json!({"pathway": "chest", "opinion": "normal"}))]
    opinion: Opinion,
    /// In words; it counts nowhere.
    #[serde(default)]
    comment: String,
}

/// Locks the caller's blind opinion of the case that they have open.
#[utoipa::path(post, path = "/api/cases/{case_id}/reads", tag = "reads", params(("case_id" = String, Path)),
    request_body = NewRead, responses((status = 200, body = CaseBody), (status = 409, body = ErrorBody),
    (status = 422, description = "refused by the rules of reading, with a stable code", body = ErrorBody)))]
async fn lock(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
    Json(new): Json<NewRead>,
) -> Result<Json<CaseBody>, HttpError> {
    let said = Said { opinion: new.opinion, comment: new.comment };
    let acted = opinions::lock(&state, &caller, parse_id(&case_id)?, new.claim_token, said).await?;
    body(&state, &caller, &acted.case).await
}

/// Case and read of an address.
fn ids(case_id: &str, read_id: &str) -> Result<(crate::vocab::CaseId, ReadId), HttpError> {
    Ok((parse_id(case_id)?, read_id.parse().map_err(|_| HttpError::NotFound)?))
}

/// Another opinion.
#[derive(serde::Deserialize, ToSchema)]
struct OtherOpinion {
    /// As in `POST /api/cases/{case_id}/reads`.
    #[schema(value_type = Object)]
    opinion: Opinion,
    /// In words; it counts nowhere.
    #[serde(default)]
    comment: String,
}

/// Changes the caller's own read before it counts; every version is kept.
#[utoipa::path(post, path = "/api/cases/{case_id}/reads/{read_id}/change", tag = "reads",
    params(("case_id" = String, Path), ("read_id" = String, Path)), request_body = OtherOpinion,
    responses((status = 200, body = CaseBody), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Path((case_id, read_id)): Path<(String, String)>,
    Json(other): Json<OtherOpinion>,
) -> Result<Json<CaseBody>, HttpError> {
    let (case_id, read) = ids(&case_id, &read_id)?;
    let said = Said { opinion: other.opinion, comment: other.comment };
    let acted = opinions::change(&state, &caller, case_id, read, said).await?;
    body(&state, &caller, &acted.case).await
}

/// Keeps the caller's opinion after a reveal.
#[utoipa::path(post, path = "/api/cases/{case_id}/reads/{read_id}/keep", tag = "reads",
    params(("case_id" = String, Path), ("read_id" = String, Path)),
    responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn keep(
    State(state): State<AppState>,
    caller: Caller,
    Path((case_id, read_id)): Path<(String, String)>,
) -> Result<Json<CaseBody>, HttpError> {
    let (case_id, read) = ids(&case_id, &read_id)?;
    let acted = desk::act(&state, &caller, READS, case_id, Command::KeepRead { read }).await?;
    body(&state, &caller, &acted.case).await
}

/// Lets the caller's own read count now, before its window has passed.
#[utoipa::path(post, path = "/api/cases/{case_id}/reads/{read_id}/finalise", tag = "reads",
    params(("case_id" = String, Path), ("read_id" = String, Path)),
    responses((status = 200, body = CaseBody), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn finalise(
    State(state): State<AppState>,
    caller: Caller,
    Path((case_id, read_id)): Path<(String, String)>,
) -> Result<Json<CaseBody>, HttpError> {
    let (case_id, read) = ids(&case_id, &read_id)?;
    let acted = desk::act(&state, &caller, READS, case_id, Command::Finalise { read }).await?;
    body(&state, &caller, &acted.case).await
}

/// Shows the AI result and earlier reads to the caller, who has locked a read.
#[utoipa::path(post, path = "/api/cases/{case_id}/reads/{read_id}/reveal", tag = "reads",
    params(("case_id" = String, Path), ("read_id" = String, Path)),
    responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn reveal(
    State(state): State<AppState>,
    caller: Caller,
    Path((case_id, read_id)): Path<(String, String)>,
) -> Result<Json<CaseBody>, HttpError> {
    let (case_id, read) = ids(&case_id, &read_id)?;
    let acted = desk::act(&state, &caller, READS, case_id, Command::Reveal { read }).await?;
    body(&state, &caller, &acted.case).await
}

/// The opinion of an arbitration.
#[derive(serde::Deserialize, ToSchema)]
struct NewArbitration {
    /// Proof of the own claim.
    #[schema(value_type = String)]
    claim_token: ClaimToken,
    /// As in `POST /api/cases/{case_id}/reads`.
    #[schema(value_type = Object)]
    opinion: Opinion,
    /// Others on the panel, each with the own name and password; the caller alone where absent.
    #[serde(default)]
    signatures: Vec<Signature>,
    /// In words.
    #[serde(default)]
    note: String,
    /// Why, if it goes against the AI (as in `POST /api/cases/{case_id}/overrule-reason`); else that is owed afterwards.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    overrule: Option<OverruleReason>,
}

/// Settles a discordance, alone or as one of a panel.
#[utoipa::path(post, path = "/api/cases/{case_id}/arbitration", tag = "reads", params(("case_id" = String, Path)),
    request_body = NewArbitration, responses((status = 200, body = CaseBody), (status = 409, body = ErrorBody),
    (status = 422, body = ErrorBody)))]
async fn arbitrate(
    State(state): State<AppState>,
    caller: Caller,
    ClientAddress(address): ClientAddress,
    Path(case_id): Path<String>,
    Json(new): Json<NewArbitration>,
) -> Result<Json<CaseBody>, HttpError> {
    let case_id = parse_id(&case_id)?;
    let site = desk::find(&state, &caller, case_id).await?.state.set.site;
    let Panel { authors, dissent } = signed(&state, &caller, &site, &address, new.signatures).await?;
    let said = Said { opinion: new.opinion, comment: new.note };
    let settlement = Settlement { said, authors, dissent, overrule: new.overrule };
    let acted = opinions::settle(&state, &caller, case_id, new.claim_token, settlement).await?;
    body(&state, &caller, &acted.case).await
}

/// An order and a message beside a read that counts.
#[derive(serde::Deserialize, ToSchema)]
struct NewAct {
    /// Codes of findings of that read (`may_act` of the case lists those that are left).
    #[schema(value_type = Vec<String>)]
    findings: std::collections::BTreeSet<FindingCode>,
    /// Why, in words; it goes along with both.
    reason: String,
    /// SOP Instance UIDs of images that show it.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    key_images: Vec<SopInstanceUid>,
}

/// Orders a CT of the chest for the same day and tells the referrer, of findings of the caller's read that counts; once
/// for each finding of a case, with one CT for the case. A second read neither holds it up nor sees it.
#[utoipa::path(post, path = "/api/cases/{case_id}/reads/{read_id}/act", tag = "reads",
    params(("case_id" = String, Path), ("read_id" = String, Path)), request_body = NewAct,
    responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn act_now(
    State(state): State<AppState>,
    caller: Caller,
    Path((case_id, read_id)): Path<(String, String)>,
    Json(new): Json<NewAct>,
) -> Result<Json<CaseBody>, HttpError> {
    let (case_id, read) = ids(&case_id, &read_id)?;
    let NewAct { findings, reason, key_images } = new;
    let acted = opinions::act_now(&state, &caller, case_id, read, findings, reason, key_images).await?;
    body(&state, &caller, &acted.case).await
}

/// Why the AI was overruled.
#[derive(serde::Deserialize, ToSchema)]
struct Overruling {
    /// `benign_feature`, `normal_anatomy`, `unchanged_from_priors`, `artefact`, `missed_finding`, `clinical_history`,
    /// `not_seen` or `other`.
    #[schema(value_type = String)]
    reason: OverruleReason,
    /// In words.
    #[serde(default)]
    note: String,
}

/// Gives the reason that is owed where people overruled the AI.
#[utoipa::path(post, path = "/api/cases/{case_id}/overrule-reason", tag = "reads", params(("case_id" = String, Path)),
    request_body = Overruling, responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn overrule(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
    Json(given): Json<Overruling>,
) -> Result<Json<CaseBody>, HttpError> {
    let command = Command::ReasonOverrule { reason: given.reason, note: given.note };
    let acted = desk::act(&state, &caller, RUNS, parse_id(&case_id)?, command).await?;
    body(&state, &caller, &acted.case).await
}

/// A change or addition after a read counted.
#[derive(serde::Deserialize, ToSchema)]
struct NewAddendum {
    /// Why.
    reason: String,
    /// In words.
    text: String,
    /// The outcome from now on, if it changes.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    opinion: Option<Opinion>,
}

/// Adds to, or changes, the outcome; the old one stays in the chain.
#[utoipa::path(post, path = "/api/cases/{case_id}/addendum", tag = "reads", params(("case_id" = String, Path)),
    request_body = NewAddendum, responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn addendum(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
    Json(new): Json<NewAddendum>,
) -> Result<Json<CaseBody>, HttpError> {
    let case_id = parse_id(&case_id)?;
    let acted = opinions::add(&state, &caller, case_id, new.reason, new.text, new.opinion).await?;
    body(&state, &caller, &acted.case).await
}

/// Why a case is to be decided again.
#[derive(serde::Deserialize, ToSchema)]
struct Reopening {
    /// In words.
    reason: String,
}

/// Has a concluded case decided again by a fresh person or a panel.
#[utoipa::path(post, path = "/api/cases/{case_id}/reopen", tag = "reads", params(("case_id" = String, Path)),
    request_body = Reopening, responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn reopen(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
    Json(wish): Json<Reopening>,
) -> Result<Json<CaseBody>, HttpError> {
    let command = Command::Reopen { reason: wish.reason };
    let acted = desk::act(&state, &caller, RUNS, parse_id(&case_id)?, command).await?;
    body(&state, &caller, &acted.case).await
}

/// Lets a concluded outcome leave for the record, where the policy waits for a hand.
#[utoipa::path(post, path = "/api/cases/{case_id}/release-outcome", tag = "reads", params(("case_id" = String, Path)),
    responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn release_outcome(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
) -> Result<Json<CaseBody>, HttpError> {
    let acted = desk::act(&state, &caller, RUNS, parse_id(&case_id)?, Command::Release).await?;
    body(&state, &caller, &acted.case).await
}

/// The caller's own reads, latest first.
#[utoipa::path(get, path = "/api/reads", tag = "reads", responses((status = 200, body = Object)))]
async fn own(State(state): State<AppState>, caller: Caller) -> Result<Json<serde_json::Value>, HttpError> {
    let reads: Vec<serde_json::Value> = state
        .store
        .own_reads(caller.user_id, None, state.settings.page_rows)
        .await?
        .into_iter()
        .map(|one| {
            serde_json::json!({
                "case_id": one.case_id,
                "read_id": one.read.id,
                "slot_is_arbitration": one.read.slot == crate::reading::Slot::Arbitration,
                "opinion": one.read.current,
                "blind_opinion": one.read.blind,
                "locked_at": one.read.locked_at,
                "finalised_at": one.read.finalised_at,
            })
        })
        .collect();
    Ok(Json(serde_json::json!({ "reads": reads })))
}
