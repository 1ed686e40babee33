//! The sign-in page.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::frame::{Frame, Look};
use super::{local_path, page, see_other};
use crate::http::caller::{Caller, ClientAddress};
use crate::http::error::HttpError;
use crate::http::sign_in;
use crate::http::state::AppState;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    next: String,
    name: String,
    problem: Option<String>,
}

/// Where to go after signing in.
#[derive(serde::Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

/// `GET /sign-in`.
pub(super) async fn form(look: Look, Query(next): Query<Next>) -> Result<Response, HttpError> {
    if look.caller.is_some() {
        return Ok(see_other("/"));
    }
    let next = local_path(next.next.as_deref()).to_owned();
    page(&SignInPage { frame: look.frame("Sign in"), next, name: String::new(), problem: None })
}

/// What the form sends.
#[derive(serde::Deserialize)]
pub(super) struct Fields {
    name: String,
    password: String,
    next: Option<String>,
}

/// `POST /sign-in`.
pub(super) async fn submit(
    State(state): State<AppState>,
    look: Look,
    ClientAddress(address): ClientAddress,
    axum::Form(fields): axum::Form<Fields>,
) -> Result<Response, HttpError> {
    let next = local_path(fields.next.as_deref()).to_owned();
    let old = look.caller.as_ref().and_then(|caller| caller.session.clone());
    match sign_in::sign_in(&state, &fields.name, &fields.password, &address, old.as_deref()).await {
        Ok(begun) => {
            let mut response = see_other(&next);
            response.headers_mut().insert(header::SET_COOKIE, begun.cookie);
            Ok(response)
        }
        Err(error @ (HttpError::WrongSignIn | HttpError::TooMany { .. })) => {
            let (status, problem) = (error.status(), Some(error.to_string()));
            let template = SignInPage { frame: look.frame("Sign in"), next, name: fields.name, problem };
            let mut response = page(&template)?;
            *response.status_mut() = status;
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

/// `POST /sign-out`.
pub(super) async fn leave(State(state): State<AppState>, caller: Caller) -> Result<Response, HttpError> {
    let cookie = sign_in::sign_out(&state, caller.session.as_deref()).await?;
    let mut response = see_other("/sign-in");
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    Ok(response)
}

/// Sends someone who has not signed in (or whose session has ended) to the sign-in page, and back afterwards.
pub(in crate::http) fn send_there(back: Option<&str>) -> Response {
    let path = match back.filter(|path| *path != "/") {
        Some(path) => {
            let encoded: String = path
                .bytes()
                .map(|b| match b {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' => {
                        char::from(b).to_string()
                    }
                    _ => format!("%{b:02X}"),
                })
                .collect();
            format!("/sign-in?next={encoded}")
        }
        None => "/sign-in".to_owned(),
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}
