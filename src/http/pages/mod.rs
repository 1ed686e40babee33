//! Server-rendered pages for people; usable without a script and without a mouse.

mod acts_on_findings;
pub(super) mod arrivals;
mod audit;
mod case;
mod case_acts;
mod case_banner;
mod films;
pub(super) mod frame;
mod my_reads;
mod operations;
mod opinion;
mod orders;
mod refused;
mod sessions;
mod shown;
mod start;
mod studies;
mod viewer;
mod worklist;
pub(super) mod sign_in;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::Pages;
use super::error::HttpError;
use super::state::AppState;
use frame::Frame;

/// Adds the pages.
pub(super) fn add(pages: Pages) -> Pages {
    pages
        .get("/", start::start)
        .get("/sign-in", sign_in::form)
        .post("/sign-in", sign_in::submit)
        .post("/sign-out", sign_in::leave)
        .post("/theme", choose_theme)
        .get("/worklist", worklist::show)
        .post("/worklist/next", sessions::next)
        .post("/sessions", sessions::begin)
        .get("/sessions/{session_id}", sessions::show)
        .post("/sessions/{session_id}/end", sessions::end)
        .get("/my-reads", my_reads::own)
        .get("/readers/{user_id}/reads", my_reads::of_reader)
        .post("/preferences", sessions::prefer)
        .get("/cases/{case_id}", case::show)
        .post("/cases/{case_id}/open", case_acts::open)
        .post("/cases/{case_id}/opinion", case_acts::opinion)
        .post("/cases/{case_id}/change", case_acts::change)
        .post("/cases/{case_id}/arbitration", case_acts::arbitrate)
        .post("/cases/{case_id}/act", case_acts::act)
        .get("/viewer", viewer::show)
        .get("/studies", studies::list)
        .post("/studies/link-test", studies::test_link)
        .get("/studies/{study_instance_uid}", studies::one)
        .get("/orders", orders::show)
        .get("/refused", refused::show)
        .post("/refused/conflicts/{sop_instance_uid}/{refused_hash}/judge", refused::judge_conflict)
        .post("/refused/quarantine/{id}/judge", refused::judge_quarantined)
        .get("/audit", audit::show)
        .get("/operations", operations::show)
        .post("/operations/messages/{message_id}/retry", operations::retry)
        .post("/operations/studies/{study_instance_uid}/release", operations::release_study)
}

/// Renders a template as the answer.
fn page(template: &impl Template) -> Result<Response, HttpError> {
    let text = template.render().map_err(|error| HttpError::internal(&error))?;
    Ok(Html(text).into_response())
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    message: String,
}

/// A page that says what went wrong.
pub(super) fn error_page(error: &HttpError) -> Response {
    let template = ErrorPage { frame: Frame::bare("Not done"), message: error.to_string() };
    match template.render() {
        Ok(text) => (error.status(), Html(text)).into_response(),
        Err(_) => (error.status(), "something went wrong here\n").into_response(),
    }
}

/// A choice of theme.
#[derive(serde::Deserialize)]
struct ThemeChoice {
    theme: String,
    back: Option<String>,
}

/// `POST /theme`: dark or light, kept in a cookie for a year.
async fn choose_theme(
    State(state): State<AppState>,
    axum::Form(choice): axum::Form<ThemeChoice>,
) -> Response {
    let theme = if choice.theme == "light" { "light" } else { "dark" };
    let secure = if state.settings.behind_tls_proxy { "; Secure" } else { "" };
    let cookie =
        format!("{}={theme}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000{secure}", frame::THEME_COOKIE);
    let mut response = Redirect::to(local_path(choice.back.as_deref())).into_response();
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// A path of our own, or the home page: an address from outside must not lead away from here.
fn local_path(path: Option<&str>) -> &str {
    path.filter(|p| p.starts_with('/') && !p.starts_with("//") && !p.contains(['\\', '\r', '\n']))
        .unwrap_or("/")
}

/// An answer that sends the browser to another page of ours after a form.
fn see_other(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path.to_owned())]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_never_leads_to_another_site() {
        assert_eq!(local_path(Some("/worklist?x=1")), "/worklist?x=1");
        for bad in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", ""] {
            assert_eq!(local_path(Some(bad)), "/");
        }
    }
}
