//! Stylesheets and scripts, embedded in the binary at build time.
//!
//! In: a file name. Out: the file of `web/dist`, cached by content. Never: a file from disk.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::HttpError;

#[derive(rust_embed::RustEmbed)]
#[folder = "web/dist"]
struct Dist;

/// The address of an asset, with a piece of its hash, so that browsers may keep it for good.
pub(super) fn address(name: &str) -> String {
    match Dist::get(name) {
        Some(file) => {
            let hash = hex::encode(file.metadata.sha256_hash());
            format!("/assets/{name}?v={}", hash.get(..12).unwrap_or_default())
        }
        None => format!("/assets/{name}"),
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

/// `GET /assets/{name}`.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, HttpError> {
    let file = Dist::get(&name).ok_or(HttpError::NotFound)?;
    let tag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash()));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let kept = "public, max-age=31536000, immutable";
    let headers =
        [(header::CONTENT_TYPE, kind(&name)), (header::ETAG, tag.as_str()), (header::CACHE_CONTROL, kept)];
    Ok((headers, file.data.into_owned()).into_response())
}
