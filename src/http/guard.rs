//! What every request passes: the table of access, requests from other sites, and the headers of the answer.
//!
//! In: a request with its route. Out: the same request with its [`Caller`], or a refusal.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{self, Who};
use super::caller::{Caller, identify};
use super::credentials::same;
use super::error::HttpError;
use super::state::AppState;

/// Header in which scripts send the token of their session.
const CSRF_HEADER: &str = "x-csrf-token";
/// Field in which forms send it.
const CSRF_FIELD: &str = "csrf";

/// Lets a request through to its route, or says why not.
pub(super) async fn admit(
    State(state): State<AppState>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(row) = access::row(request.method(), path.as_str()) else {
        tracing::error!(route = path.as_str(), "a route has no row in the table of access; refused");
        return HttpError::Forbidden("nobody may do this").into_response();
    };
    let caller = match identify(&state, request.headers()).await {
        Ok(caller) => caller,
        // A wrong token does not stand in the way of pages that anyone may see.
        Err(HttpError::Unauthenticated) if row.who == Who::Anyone => None,
        Err(error) => return error.into_response(),
    };
    if let Err(error) = allowed(row.who, caller.as_ref()) {
        return error.into_response();
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let by_token = caller.as_ref().is_some_and(|caller| caller.session.is_none());
    if changes && !by_token {
        if !from_this_site(request.headers()) {
            return HttpError::Forbidden("this request came from another site").into_response();
        }
        if let Some(caller) = &caller {
            request = match with_form_token(request, &caller.csrf).await {
                Ok(request) => request,
                Err(error) => return error.into_response(),
            };
        }
    }
    if let Some(caller) = caller {
        // A heartbeat keeps a claim alive, and a list that follows by itself is opened again by itself: neither keeps a
        // session that nobody sits at.
        if !path.as_str().ends_with("/heartbeat") && path.as_str() != "/api/arrivals" {
            extend(&state, &caller).await;
        }
        request.extensions_mut().insert(Arc::new(caller));
    }
    next.run(request).await
}

fn allowed(who: Who, caller: Option<&Caller>) -> Result<(), HttpError> {
    match (who, caller) {
        (Who::Anyone, _) | (Who::SignedIn, Some(_)) => Ok(()),
        (_, None) => Err(HttpError::Unauthenticated),
        (Who::Roles(roles), Some(caller)) if roles.iter().any(|role| caller.is(*role)) => Ok(()),
        (Who::Roles(_), Some(_)) => Err(HttpError::Forbidden("this is not for your role")),
    }
}

/// Whether a browser says that the request comes from our own pages (Fetch Metadata; else the Origin header).
/// A client that says neither is no browser, or an old one: the token of the session decides.
fn from_this_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, authority)| authority == host)
        }
        (Some(_), None) => false,
        (None, _) => true,
    }
}

/// The request again, once the token of its session was found in its header or its form.
async fn with_form_token(request: Request, expected: &str) -> Result<Request, HttpError> {
    const MISSING: HttpError = HttpError::Forbidden("the form is out of date: go back, load the page again");
    if let Some(token) = request.headers().get(CSRF_HEADER) {
        return match token.to_str() {
            Ok(token) if same(token, expected) => Ok(request),
            _ => Err(MISSING),
        };
    }
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !is_form {
        return Err(MISSING);
    }
    let (parts, body) = request.into_parts();
    let bytes = Bytes::from_request(Request::new(body), &())
        .await
        .map_err(|_| HttpError::BadRequest("the form is too large".to_owned()))?;
    let again = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    let axum::Form(fields) = axum::Form::<Vec<(String, String)>>::from_request(again, &())
        .await
        .map_err(|_| HttpError::BadRequest("the form can't be read".to_owned()))?;
    match fields.iter().find(|(name, _)| name == CSRF_FIELD) {
        Some((_, token)) if same(token, expected) => Ok(Request::from_parts(parts, Body::from(bytes))),
        _ => Err(MISSING),
    }
}

async fn extend(state: &AppState, caller: &Caller) {
    let Some(hash) = &caller.session else { return };
    let now = state.clock.now();
    let until = now.plus_minutes(state.settings.session_idle_minutes);
    let extended = match state.store.session(hash, now).await {
        Ok(Some(session)) => state.store.extend_session(hash, &session, until).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = extended {
        tracing::warn!(%error, "a session could not be extended");
    }
}

/// Headers of every answer. Scripts, styles and images come from here only; nothing is kept by caches unless the
/// route says so.
pub(super) async fn answer_headers(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: header::HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(
        header::HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    );
    if state.settings.behind_tls_proxy {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (header::HeaderName::from_static(k), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn s05_a_request_from_another_site_is_known_by_its_headers() {
        assert!(from_this_site(&headers(&[("sec-fetch-site", "same-origin")])));
        assert!(!from_this_site(&headers(&[("sec-fetch-site", "cross-site")])));
        assert!(!from_this_site(&headers(&[("sec-fetch-site", "same-site")])));
        assert!(from_this_site(&headers(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")])));
        assert!(!from_this_site(&headers(&[("origin", "http://evil.example"), ("host", "127.0.0.1:8080")])));
        assert!(!from_this_site(&headers(&[("origin", "null"), ("host", "127.0.0.1:8080")])));
        assert!(from_this_site(&headers(&[("host", "127.0.0.1:8080")])));
    }
}
