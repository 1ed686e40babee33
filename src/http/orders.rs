//! Orders, for pages and API: sent, taken back, listed, within the caller's sites.

use super::caller::Caller;
use super::error::HttpError;
use super::order_request::{OrderRequest, content};
use super::state::AppState;
use crate::store::{OrderError, OrderQuery};
use crate::vocab::{AccessionNumber, Order, OrderId, OrderState};

/// Which orders are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// Those that wait for images: for the first ones or for a repeat.
    Waiting,
    /// Those in one state.
    In(OrderState),
    /// All.
    All,
}

impl Listed {
    /// The states.
    pub(super) fn states(self) -> Vec<OrderState> {
        match self {
            Self::Waiting => {
                OrderState::ALL.iter().copied().filter(|state| state.waits_for_images()).collect()
            }
            Self::In(state) => vec![state],
            Self::All => Vec::new(),
        }
    }
}

impl std::str::FromStr for Listed {
    type Err = HttpError;
    fn from_str(text: &str) -> Result<Self, HttpError> {
        match text {
            "" | "all" => Ok(Self::All),
            "waiting" => Ok(Self::Waiting),
            text => text.parse().map(Self::In).map_err(|_| {
                let states: Vec<&str> = OrderState::ALL.iter().map(|state| state.code()).collect();
                HttpError::BadRequest(format!("state is none of waiting, all, {}", states.join(", ")))
            }),
        }
    }
}

impl From<OrderError> for HttpError {
    fn from(error: OrderError) -> Self {
        let (code, message) = match error {
            OrderError::AccessionOfAnother => (
                "accession_of_another_patient",
                "accession_number belongs to an order for another patient at this site: cancel or correct that order first, \
                 or give this one another number",
            ),
            OrderError::HasImages => (
                "order_has_images",
                "images of this order are here, so it can't be changed any more: send a new order, or cancel this one",
            ),
            OrderError::IsCancelled => (
                "order_cancelled",
                "this order was cancelled and can't be changed: send it with another placer_order_number",
            ),
            OrderError::IsReported => (
                "order_reported",
                "people have reported on this order's images, so it can't be cancelled any more",
            ),
            OrderError::Store(error) => return error.into(),
        };
        HttpError::Conflict { code, message: message.to_owned() }
    }
}

/// Takes an order in.
pub(super) async fn post(state: &AppState, caller: &Caller, sent: &OrderRequest) -> Result<Order, HttpError> {
    let now = state.clock.now();
    let content = content(sent, state.settings.order_text_characters, now)?;
    if !caller.may_see(&content.site) {
        return Err(HttpError::NotFound);
    }
    let posted = state.store.post_order(&content, caller.user_id, now).await?;
    Ok(posted.into_order())
}

/// Takes an order back, for a reason.
pub(super) async fn cancel(
    state: &AppState,
    caller: &Caller,
    order_id: &str,
    reason: &str,
) -> Result<Order, HttpError> {
    let order = one(state, caller, order_id).await?;
    let (reason, most) = (reason.trim(), state.settings.order_text_characters);
    if reason.is_empty() {
        return Err(HttpError::BadRequest("reason is missing: say why the order is cancelled".to_owned()));
    }
    if reason.chars().count() > most {
        return Err(HttpError::BadRequest(format!("reason is longer than {most} characters")));
    }
    Ok(state.store.cancel_order(order.order_id, reason, caller.user_id, state.clock.now()).await?)
}

/// An order of the caller's sites; another is not there.
pub(super) async fn one(state: &AppState, caller: &Caller, order_id: &str) -> Result<Order, HttpError> {
    let order_id: OrderId = order_id.parse().map_err(|_| HttpError::NotFound)?;
    let order = state.store.order(order_id).await?;
    order.filter(|order| caller.may_see(&order.content.site)).ok_or(HttpError::NotFound)
}

/// Orders of the caller's sites: of those that wait the urgent ones first, then those that were asked for first; of others the
/// latest first.
pub(super) async fn list(
    state: &AppState,
    caller: &Caller,
    listed: Listed,
    accession_number: Option<AccessionNumber>,
    limit: Option<u32>,
) -> Result<Vec<Order>, HttpError> {
    let most = state.settings.page_rows;
    let wanted = OrderQuery {
        states: listed.states(),
        sites: caller.sites.iter().cloned().collect(),
        accession_number,
        latest_first: listed != Listed::Waiting,
        limit: limit.unwrap_or(most).min(most),
    };
    Ok(state.store.orders(&wanted).await?)
}
