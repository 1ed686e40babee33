//! The page of the second screen: images alone. It names no case; the main window tells it which to follow.

use askama::Template;
use axum::response::Response;

use super::frame::{Frame, Look};
use super::page;
use crate::http::assets;
use crate::http::error::HttpError;

#[derive(Template)]
#[template(path = "viewer.html")]
struct ViewerPage {
    frame: Frame,
    script: String,
}

/// `GET /viewer`.
pub(super) async fn show(look: Look) -> Result<Response, HttpError> {
    page(&ViewerPage { frame: look.frame("Images"), script: assets::address("viewer.js") })
}
