//! Arrivals of the last hours, as a list or as a stream of server-sent events (HTML Living Standard, section 9.2).
//!
//! In: who looks. Out: lines in words; in a stream, all of them again whenever one has changed. A stream looks whether its
//! session or token is still in force each time, keeps neither alive, and ends with it and with the service. Streams are
//! limited in number.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::OwnedSemaphorePermit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::{Caller, identify};
use crate::http::error::{ErrorBody, HttpError};
use crate::http::link_test::{self, LinkReport};
use crate::http::pages::arrivals::{latest, rows};
use crate::http::pages::frame::Look;
use crate::http::state::AppState;
use crate::store::ArrivalsMark;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(arrivals)).routes(routes!(test_link))
}

/// The studies of the last hours in words, those whose patient is needed once more first.
///
/// With `Accept: text/event-stream` a stream: an event `arrivals` with `{"lines", "rows"}` at once and after each change,
/// and `ended` when the session or token is no longer in force.
#[utoipa::path(get, path = "/api/arrivals", tag = "studies", responses(
    (status = 200, description = "lines, or events", body = Object),
    (status = 503, description = "too many streams", body = ErrorBody)))]
async fn arrivals(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/event-stream") {
        let lines = latest(&state, &look, &caller).await?;
        return Ok(Json(serde_json::json!({ "lines": lines })).into_response());
    }
    let place = state.arrival_streams.clone().try_acquire_owned().map_err(|_| {
        HttpError::Unavailable("too many pages follow the arrivals at once: reload this one by hand")
    })?;
    let (mark, said, ended) = (None, String::new(), false);
    let following = Following { state, look, headers, mark, said, ended, _place: place };
    let events = stream::unfold(following, |following| async move {
        let (event, following) = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// A stream that is open.
struct Following {
    state: AppState,
    look: Look,
    headers: HeaderMap,
    /// How arrivals stood at the last look.
    mark: Option<ArrivalsMark>,
    /// What the last event said: one that would say the same is none, for its time alone would tell a blind reader that
    /// something was said of some case (PATHWAYS R5).
    said: String,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Following {
    /// The next event; `None` once the stream is over.
    async fn next(mut self) -> Option<(Event, Self)> {
        let pause = Duration::from_millis(self.state.settings.arrivals_look_ms);
        loop {
            if self.ended || self.state.stopping.is_cancelled() {
                return None;
            }
            match self.look_once().await {
                Ok(Some(event)) => return Some((event, self)),
                Ok(None) => {}
                // The browser opens it again by itself once the database is back.
                Err(error) => {
                    tracing::warn!(code = error.code(), "a stream of arrivals ends");
                    return None;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.state.stopping.cancelled() => {}
            }
        }
    }

    async fn look_once(&mut self) -> Result<Option<Event>, HttpError> {
        let caller = match identify(&self.state, &self.headers).await {
            Ok(Some(caller)) => caller,
            Ok(None) | Err(HttpError::Unauthenticated) => {
                self.ended = true;
                return Ok(Some(Event::default().event("ended").data("{}")));
            }
            Err(error) => return Err(error),
        };
        let now = self.state.clock.now();
        let since = now.plus_minutes(-self.state.settings.arrivals_hours * 60);
        let mark = self.state.store.arrivals_mark(since).await?;
        if self.mark.as_ref() == Some(&mark) {
            return Ok(None);
        }
        let lines = latest(&self.state, &self.look.at(now), &caller).await?;
        self.mark = Some(mark);
        let rows = rows(&lines)?;
        let said = serde_json::json!({ "lines": lines, "rows": rows }).to_string();
        if said == self.said {
            return Ok(None);
        }
        self.said = said;
        Ok(Some(Event::default().event("arrivals").data(&self.said)))
    }
}

/// Pushes an image that is plainly nobody's through the real port, and says what came of each phase. It makes no case.
#[utoipa::path(post, path = "/api/link-test", tag = "studies", responses(
    (status = 200, body = LinkReport),
    (status = 409, description = "one is running", body = ErrorBody),
    (status = 429, description = "too soon after the one before", body = ErrorBody),
    (status = 503, description = "this process has no DICOM port", body = ErrorBody)))]
async fn test_link(State(state): State<AppState>, _caller: Caller) -> Result<Json<LinkReport>, HttpError> {
    Ok(Json(link_test::run(&state).await?))
}
