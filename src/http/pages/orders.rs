//! Orders, for radiographers and leads: above all those whose images have not come, so that nobody is lost.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::frame::{Frame, Look};
use super::page;
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::orders::{self, Listed};
use crate::http::state::AppState;
use crate::http::study_status::Tone;
use crate::http::words;
use crate::vocab::{Order, OrderState, OrderUrgency};

/// One tab.
struct Tab {
    path: &'static str,
    words: &'static str,
    current: bool,
}

/// One order.
struct Line {
    name: String,
    born: String,
    id: String,
    accession: String,
    placer: String,
    procedure: String,
    site: String,
    asked: String,
    urgent: bool,
    state: &'static str,
    tone: Tone,
    /// The study of its images, where there is one.
    study: Option<String>,
}

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    frame: Frame,
    tabs: Vec<Tab>,
    lines: Vec<Line>,
    nothing: &'static str,
    /// Whether the longest waiting stand first, rather than the latest.
    waits: bool,
    /// Whether there may be more than are shown.
    more: bool,
}

/// Which orders.
#[derive(serde::Deserialize)]
pub(super) struct Asked {
    state: Option<String>,
}

/// The tabs: what an address says, words, and what is said where there is none.
const TABS: [(&str, &str, Listed, &str, &str); 4] = [
    ("waiting", "/orders", Listed::Waiting, "Waiting for images", "No order waits for images."),
    (
        "images_in",
        "/orders?state=images_in",
        Listed::In(OrderState::ImagesIn),
        "Images are in",
        "No order has images that are still to be reported.",
    ),
    (
        "reported",
        "/orders?state=reported",
        Listed::In(OrderState::Reported),
        "Reported",
        "No order has been reported.",
    ),
    (
        "cancelled",
        "/orders?state=cancelled",
        Listed::In(OrderState::Cancelled),
        "Cancelled",
        "No order was cancelled.",
    ),
];

/// `GET /orders`.
pub(super) async fn show(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, HttpError> {
    let wanted = asked.state.as_deref().unwrap_or("waiting");
    let tab = TABS.iter().find(|(code, ..)| *code == wanted).ok_or(HttpError::NotFound)?;
    let (_, _, listed, _, nothing) = *tab;
    let found = orders::list(&state, &caller, listed, None, None).await?;
    let more = found.len() >= usize::try_from(state.settings.page_rows).unwrap_or(usize::MAX);
    let mut lines = Vec::with_capacity(found.len());
    for order in &found {
        let studies = match order.state.has_images() {
            true => state.store.studies_of_order(order.order_id).await?,
            false => Vec::new(),
        };
        lines.push(line(&look, order, studies.last().map(ToString::to_string)));
    }
    let tabs = TABS.iter().map(|(code, path, _, words, _)| Tab { path, words, current: *code == wanted });
    page(&OrdersPage {
        frame: look.frame("Orders"),
        tabs: tabs.collect(),
        lines,
        nothing,
        waits: listed == Listed::Waiting,
        more,
    })
}

/// How the state of an order is said.
pub(super) fn state_words(state: OrderState) -> (&'static str, Tone) {
    match state {
        OrderState::Requested => ("Waiting for images", Tone::Waiting),
        OrderState::ImagesIn => ("Images are in", Tone::Good),
        OrderState::RepeatNeeded => ("Repeat needed", Tone::Bad),
        OrderState::Reported => ("Reported", Tone::Good),
        OrderState::Cancelled => ("Cancelled", Tone::Quiet),
    }
}

fn line(look: &Look, order: &Order, study: Option<String>) -> Line {
    let content = &order.content;
    let (state, tone) = state_words(order.state);
    Line {
        name: words::person_name(&content.patient.name),
        born: words::date(&content.patient.birth_date),
        id: words::plain(content.patient.id.as_str()),
        accession: words::plain(content.accession_number.as_str()),
        placer: words::plain(content.placer_order_number.as_str()),
        procedure: words::plain(&content.procedure),
        site: content.site.to_string(),
        asked: look.time(content.requested_at),
        urgent: content.urgency == OrderUrgency::Urgent,
        state,
        tone,
        study,
    }
}
