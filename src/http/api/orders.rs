//! Orders: sent by other systems with a token, listed, taken back.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::Caller;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::order_request::OrderRequest;
use crate::http::orders::{self, Listed};
use crate::http::state::AppState;
use crate::store::OrderChange;
use crate::vocab::{Order, OrderContent, OrderedPatient};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(post, list)).routes(routes!(one)).routes(routes!(cancel))
}

/// Whom an order is for.
#[derive(Serialize, ToSchema)]
struct OrderPatientBody {
    id: String,
    /// Empty where it is not said.
    issuer: String,
    nhs_number: Option<String>,
    name: String,
    /// `YYYYMMDD`.
    birth_date: String,
}

impl From<&OrderedPatient> for OrderPatientBody {
    fn from(patient: &OrderedPatient) -> Self {
        Self {
            id: patient.id.to_string(),
            issuer: patient.issuer.clone(),
            nhs_number: patient.nhs_number.as_ref().map(ToString::to_string),
            name: patient.name.clone(),
            birth_date: patient.birth_date.clone(),
        }
    }
}

/// What an order says.
#[derive(Serialize, ToSchema)]
struct OrderContentBody {
    placer_order_number: String,
    accession_number: String,
    site: String,
    patient: OrderPatientBody,
    pathway: &'static str,
    procedure: String,
    reason: String,
    symptoms: String,
    /// `routine` or `urgent`.
    urgency: &'static str,
    requested_at: String,
}

impl From<&OrderContent> for OrderContentBody {
    fn from(content: &OrderContent) -> Self {
        Self {
            placer_order_number: content.placer_order_number.to_string(),
            accession_number: content.accession_number.to_string(),
            site: content.site.to_string(),
            patient: OrderPatientBody::from(&content.patient),
            pathway: content.pathway.code(),
            procedure: content.procedure.clone(),
            reason: content.reason.clone(),
            symptoms: content.symptoms.clone(),
            urgency: content.urgency.code(),
            requested_at: content.requested_at.to_string(),
        }
    }
}

/// An order.
#[derive(Serialize, ToSchema)]
struct OrderBody {
    order_id: String,
    #[serde(flatten)]
    content: OrderContentBody,
    /// `requested`, `images_in`, `repeat_needed` (it waits for images again), `reported` or `cancelled`.
    state: &'static str,
    received_at: String,
    /// When what it says last changed.
    changed_at: String,
    cancelled_at: Option<String>,
}

impl From<&Order> for OrderBody {
    fn from(order: &Order) -> Self {
        Self {
            order_id: order.order_id.to_string(),
            content: OrderContentBody::from(&order.content),
            state: order.state.code(),
            received_at: order.received_at.to_string(),
            changed_at: order.changed_at.to_string(),
            cancelled_at: order.cancelled_at.map(|at| at.to_string()),
        }
    }
}

/// One act on an order.
#[derive(Serialize, ToSchema)]
struct ChangeBody {
    /// From 1.
    version: i64,
    at: String,
    /// `received`, `changed`, `cancelled`, `matched` or `parted`.
    act: &'static str,
    /// Account; none where it followed from images.
    by: Option<String>,
    /// The study that was matched or parted.
    study_instance_uid: Option<String>,
    /// Why it was cancelled.
    reason: String,
    /// What the order said from then on.
    content: OrderContentBody,
}

impl From<&OrderChange> for ChangeBody {
    fn from(change: &OrderChange) -> Self {
        Self {
            version: change.version,
            at: change.at.to_string(),
            act: change.act.code(),
            by: change.by.map(|user| user.to_string()),
            study_instance_uid: change.study.as_ref().map(ToString::to_string),
            reason: change.reason.clone(),
            content: OrderContentBody::from(&change.content),
        }
    }
}

/// An order with its images and its history.
#[derive(Serialize, ToSchema)]
struct WholeOrder {
    #[serde(flatten)]
    order: OrderBody,
    /// Study Instance UIDs of its images.
    studies: Vec<String>,
    /// Every act on it, the first first.
    changes: Vec<ChangeBody>,
}

/// Takes an order in. The same `placer_order_number` and `accession_number` at a site are the same order: with the same words
/// it is answered as it is, with other words it is changed while no images of it are here.
#[utoipa::path(post, path = "/api/orders", tag = "orders", request_body = OrderRequest, responses(
    (status = 200, description = "the order as it stands", body = OrderBody),
    (status = 400, description = "no JSON of this form", body = ErrorBody),
    (status = 404, description = "a site that is not the caller's", body = ErrorBody),
    (status = 409, description = "accession number of another patient's order, or images are here", body = ErrorBody),
    (status = 422, description = "faults, each with the name of its field", body = ErrorBody)))]
async fn post(
    State(state): State<AppState>,
    caller: Caller,
    sent: Result<Json<OrderRequest>, JsonRejection>,
) -> Result<Json<OrderBody>, HttpError> {
    let Json(sent) = sent.map_err(|rejection| HttpError::BadRequest(rejection.body_text()))?;
    Ok(Json(OrderBody::from(&orders::post(&state, &caller, &sent).await?)))
}

/// Which orders.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `waiting` (for images, first ones or a repeat), `all`, or one state.
    #[serde(default)]
    state: String,
    /// Accession Number.
    accession: Option<String>,
    /// Rows at most.
    limit: Option<u32>,
}

/// Orders: of those that wait for images the urgent ones first, then those that were asked for first; of others the latest first.
#[utoipa::path(get, path = "/api/orders", tag = "orders", params(ListQuery), responses(
    (status = 200, body = [OrderBody]), (status = 400, body = ErrorBody)))]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<OrderBody>>, HttpError> {
    let listed: Listed = query.state.parse()?;
    let accession = query.accession.as_deref().map(str::parse).transpose()?;
    let found = orders::list(&state, &caller, listed, accession, query.limit).await?;
    Ok(Json(found.iter().map(OrderBody::from).collect()))
}

/// An order with its images and its history.
#[utoipa::path(get, path = "/api/orders/{order_id}", tag = "orders", params(("order_id" = String, Path)), responses(
    (status = 200, body = WholeOrder), (status = 404, body = ErrorBody)))]
async fn one(
    State(state): State<AppState>,
    caller: Caller,
    Path(order_id): Path<String>,
) -> Result<Json<WholeOrder>, HttpError> {
    let order = orders::one(&state, &caller, &order_id).await?;
    let changes = state.store.changes_of_order(order.order_id).await?;
    let studies = state.store.studies_of_order(order.order_id).await?;
    Ok(Json(WholeOrder {
        order: OrderBody::from(&order),
        studies: studies.iter().map(ToString::to_string).collect(),
        changes: changes.iter().map(ChangeBody::from).collect(),
    }))
}

/// Why an order is taken back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelRequest {
    /// In words.
    #[serde(default)]
    reason: String,
}

/// Takes an order back; again is fine. Images that are here or come later are read all the same.
#[utoipa::path(post, path = "/api/orders/{order_id}/cancel", tag = "orders", params(("order_id" = String, Path)),
    request_body = CancelRequest, responses((status = 200, body = OrderBody), (status = 400, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 409, description = "it has been reported", body = ErrorBody)))]
async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    Path(order_id): Path<String>,
    sent: Result<Json<CancelRequest>, JsonRejection>,
) -> Result<Json<OrderBody>, HttpError> {
    let Json(sent) = sent.map_err(|rejection| HttpError::BadRequest(rejection.body_text()))?;
    Ok(Json(OrderBody::from(&orders::cancel(&state, &caller, &order_id, &sent.reason).await?)))
}
