//! `multipart/related` bodies (PS3.18 section 8.6, RFC 2387).

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// One part: its media type, where it is, and its bytes.
pub(super) struct Part {
    pub kind: &'static str,
    pub location: String,
    pub bytes: Vec<u8>,
}

/// An answer of several parts of one media type.
pub(super) fn related(kind: &str, parts: Vec<Part>) -> Response {
    // Random, so that no bytes of a part can hold it but by a chance that nobody will see.
    let boundary = format!("doubleread-{}", uuid::Uuid::new_v4().simple());
    let size: usize = parts.iter().map(|part| part.bytes.len() + 256).sum();
    let mut body = Vec::with_capacity(size + 64);
    for part in parts {
        let head = format!(
            "--{boundary}\r\nContent-Type: {}\r\nContent-Length: {}\r\nContent-Location: {}\r\n\r\n",
            part.kind,
            part.bytes.len(),
            part.location
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&part.bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let mut response = body.into_response();
    let name = format!("multipart/related; type=\"{kind}\"; boundary={boundary}");
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_TYPE, name);
    }
    response
}
