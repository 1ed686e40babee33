//! What became of a reader's reads: for the reader, and for a lead of the same sites.

use axum::Json;
use axum::extract::{Path, Query, State};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::Caller;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::own_history::{Became, PastRead, past_reads, reader};
use crate::http::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(reads))
}

/// Which page.
#[derive(serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// `next` of the page before.
    from: Option<String>,
}

/// One read and what became of it.
#[derive(serde::Serialize, ToSchema)]
struct PastReadBody {
    case_id: String,
    read_id: String,
    /// `chest` or `mammo`.
    pathway: &'static str,
    /// Whether it settled a discordance.
    arbitration: bool,
    /// When it was locked.
    locked_at: String,
    /// The opinion in one line.
    said: String,
    /// Whether it counts.
    is_final: bool,
    /// `open`, `as_said`, `differently` or `superseded`.
    became: &'static str,
    /// The outcome in one line, once there is one.
    outcome: Option<String>,
    /// Whether the AI differed; to the reader alone, once there is an outcome.
    ai_differed: Option<bool>,
}

/// A page of reads, latest first.
#[derive(serde::Serialize, ToSchema)]
struct PastReads {
    reads: Vec<PastReadBody>,
    /// What to send as `from` for the page after this one.
    next: Option<String>,
}

/// Reads of a person and what became of them. Anybody's but the caller's own, or those of a reader of a lead's sites,
/// are not there; to a lead, a read appears once the lead may see everything of its case.
#[utoipa::path(get, path = "/api/readers/{user_id}/reads", tag = "reads", params(("user_id" = String, Path), Asked),
    responses((status = 200, body = PastReads), (status = 404, body = ErrorBody)))]
async fn reads(
    State(state): State<AppState>,
    caller: Caller,
    Path(user_id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<PastReads>, HttpError> {
    let user = reader(&state, &caller, &user_id).await?;
    let before = match asked.from.as_deref().and_then(|from| from.split_once('~')) {
        Some((at, read)) => Some((at.parse()?, read.parse()?)),
        None => None,
    };
    let (reads, next) = past_reads(&state, &caller, user.user_id, before, state.settings.page_rows).await?;
    Ok(Json(PastReads {
        reads: reads.into_iter().map(body).collect(),
        next: next.map(|(at, read)| format!("{at}~{read}")),
    }))
}

fn body(read: PastRead) -> PastReadBody {
    let (became, outcome) = match read.became {
        Became::Open => ("open", None),
        Became::AsSaid(outcome) => ("as_said", Some(outcome)),
        Became::Differently(outcome) => ("differently", Some(outcome)),
        Became::Superseded => ("superseded", None),
    };
    PastReadBody {
        case_id: read.case_id.to_string(),
        read_id: read.read_id.to_string(),
        pathway: read.pathway.code(),
        arbitration: read.arbitration,
        locked_at: read.at.to_string(),
        said: read.said,
        is_final: read.is_final,
        became,
        outcome,
        ai_differed: read.ai_differed,
    }
}
