//! Whole objects as they were received, in their own transfer syntax (PS3.18 section 10.4.1.1.1).
//!
//! In: a study, a series or an instance. Out: `multipart/related` of `application/dicom`, streamed from the archive a piece
//! at a time, however large the objects are.

use std::path::PathBuf;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::io::AsyncReadExt;

use super::multipart;
use super::place::{Place, address};
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::state::AppState;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// `GET` of a study, a series or an instance.
pub(super) async fn retrieve(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let fits = ["*/*", "application/dicom", "multipart/*"].iter().any(|kind| accept.contains(kind));
    if !fits {
        return Ok(StatusCode::NOT_ACCEPTABLE.into_response());
    }
    let boundary = multipart::boundary();
    let mut pieces: Vec<BoxStream<'static, std::io::Result<Bytes>>> = Vec::new();
    for instance in place.instances(&state, &caller).await? {
        let path =
            state.archive.path_of(&instance.content_hash).map_err(|error| HttpError::internal(&error))?;
        // What can't be read is said before the answer begins.
        let file_facts = tokio::fs::metadata(&path).await.map_err(|error| HttpError::internal(&error))?;
        let kind = format!("application/dicom; transfer-syntax={}", instance.transfer_syntax_uid);
        let head = multipart::head(&boundary, &kind, file_facts.len(), &address(&instance));
        pieces.push(stream::once(async move { Ok(Bytes::from(head)) }).boxed());
        pieces.push(file(path).boxed());
        pieces.push(stream::once(async { Ok(Bytes::from_static(b"\r\n")) }).boxed());
    }
    let end = Bytes::from(format!("--{boundary}--\r\n"));
    pieces.push(stream::once(async move { Ok(end) }).boxed());
    let kind = multipart::kind("application/dicom", &boundary);
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(stream::iter(pieces).flatten())).into_response())
}

/// The bytes of a file, a piece at a time; it is opened when the first is asked for.
fn file(path: PathBuf) -> impl futures::Stream<Item = std::io::Result<Bytes>> {
    enum At {
        Start(PathBuf),
        In(tokio::fs::File),
        End,
    }
    stream::unfold(At::Start(path), |at| async move {
        let mut file = match at {
            At::Start(path) => match tokio::fs::File::open(path).await {
                Ok(file) => file,
                Err(error) => return Some((Err(error), At::End)),
            },
            At::In(file) => file,
            At::End => return None,
        };
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some((Ok(Bytes::from(piece)), At::In(file)))
            }
            Err(error) => Some((Err(error), At::End)),
        }
    })
}
