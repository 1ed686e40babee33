//! `multipart/related` bodies (PS3.18 section 8.6, RFC 2387).

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// One part: its media type, where it is, and its bytes.
pub(super) struct Part {
    pub kind: &'static str,
    pub location: String,
    pub bytes: Vec<u8>,
}

/// What stands between parts: random, so that no part holds it but by a chance that nobody will see.
pub(super) fn boundary() -> String {
    format!("doubleread-{}", uuid::Uuid::new_v4().simple())
}

/// The media type of a body of parts of one media type.
pub(super) fn kind(parts: &str, boundary: &str) -> String {
    format!("multipart/related; type=\"{parts}\"; boundary={boundary}")
}

/// What comes before the bytes of a part.
pub(super) fn head(boundary: &str, kind: &str, length: u64, location: &str) -> String {
    format!(
        "--{boundary}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nContent-Location: {location}\r\n\r\n"
    )
}

/// An answer of several parts of one media type.
pub(super) fn related(parts_kind: &str, parts: Vec<Part>) -> Response {
    let boundary = boundary();
    let size: usize = parts.iter().map(|part| part.bytes.len() + 256).sum();
    let mut body = Vec::with_capacity(size + 64);
    for part in parts {
        body.extend_from_slice(
            head(&boundary, part.kind, part.bytes.len() as u64, &part.location).as_bytes(),
        );
        body.extend_from_slice(&part.bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let mut response = body.into_response();
    if let Ok(kind) = HeaderValue::from_str(&kind(parts_kind, &boundary)) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}
