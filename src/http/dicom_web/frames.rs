//! Frames at their original depth (PS3.18 section 10.4.1.1.6), and the VOI LUT that belongs to one.
//!
//! In: an instance and frame numbers. Out: samples as the supervised child decoded them, little endian: alone for a
//! viewer that asks for `application/octet-stream`, with the facts in `Doubleread-Frame` and a Modality LUT applied; else
//! as `multipart/related` of stored values, as the metadata describe them.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::frame_header;
use super::multipart::{Part, related};
use super::place::{Place, address};
use crate::http::api::not_shown;
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::prepare::RenderRequest;
use crate::prepare::worker::Urgency;

/// Samples as they leave: Explicit VR Little Endian, not compressed (PS3.18 table 8.7.3-5).
const SAMPLES: &str = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1";
/// Browsers may keep them, and ask each time whether they still may be seen.
const KEPT: &str = "private, no-cache";

/// How an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The samples alone.
    Alone,
    /// Parts of `multipart/related`.
    Related,
}

/// The form that `Accept` asks for; `None` where it asks for what is not made here.
fn form(accept: &str) -> Option<Form> {
    let mut wanted =
        accept.split(',').map(|one| one.trim().to_ascii_lowercase()).filter(|one| !one.is_empty());
    let Some(first) = wanted.next() else { return Some(Form::Related) };
    std::iter::once(first).chain(wanted).find_map(|one| {
        let kind = one.split(';').next().unwrap_or_default().trim();
        // The media type of the parts; without one, any.
        let parts = one
            .split_once("type=")
            .map_or("*/*", |(_, value)| value.split(';').next().unwrap_or_default().trim().trim_matches('"'));
        match kind {
            "application/octet-stream" => Some(Form::Alone),
            "multipart/related" if ["application/octet-stream", "*/*"].contains(&parts) => {
                Some(Form::Related)
            }
            "*/*" | "multipart/*" => Some(Form::Related),
            _ => None,
        }
    })
}

/// Whether a client takes Zstandard (RFC 9110 section 12.5.3).
fn takes_zstd(headers: &HeaderMap) -> bool {
    let accepted =
        headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        name.trim().eq_ignore_ascii_case("zstd") && !matches!(weight.trim(), "q=0" | "q=0.0")
    })
}

/// `GET .../frames/{frames}`.
pub(super) async fn frames(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let instance = place.instance(&state, &caller).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(form) = form(accept) else { return Ok(StatusCode::NOT_ACCEPTABLE.into_response()) };
    let numbers = place.numbers(state.settings.frames_per_request)?;
    let path = state.archive.path_of(&instance.content_hash).map_err(|error| HttpError::internal(&error))?;
    let base = format!("{}/frames", address(&instance));
    if form == Form::Alone {
        let [number] = numbers[..] else {
            return Err(HttpError::BadRequest(
                "one frame is sent alone; several are multipart/related".to_owned(),
            ));
        };
        let level = state.settings.frame_zstd_level;
        let packs = level != 0 && takes_zstd(&headers);
        let tag = format!("\"{}-{number}{}\"", instance.content_hash, if packs { "-zstd" } else { "" });
        if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
        }
        let frame = state.decode.raw_frame(&path, number, Urgency::Urgent).await.map_err(not_shown)?;
        let facts = frame_header::value(&frame.attributes, &instance, &format!("{base}/{number}/voi-lut"))?;
        let kind = (header::CONTENT_TYPE, "application/octet-stream");
        let kept = (header::CACHE_CONTROL, KEPT);
        let told = [kind, kept, (header::ETAG, tag.as_str()), (header::VARY, "Accept, Accept-Encoding")];
        let mut response = match packs {
            true => {
                let samples = frame.samples;
                let packed = tokio::task::spawn_blocking(move || zstd::bulk::compress(&samples, level));
                let packed = packed.await.map_err(|error| HttpError::internal(&error))?;
                let packed = packed.map_err(|error| HttpError::internal(&error))?;
                (told, [(header::CONTENT_ENCODING, "zstd")], packed).into_response()
            }
            false => (told, frame.samples).into_response(),
        };
        response.headers_mut().insert(frame_header::NAME, facts);
        return Ok(response);
    }
    let mut parts = Vec::with_capacity(numbers.len());
    for number in numbers {
        let bytes = state.decode.stored_frame(&path, number, Urgency::Urgent).await.map_err(not_shown)?;
        parts.push(Part { kind: SAMPLES, location: format!("{base}/{number}"), bytes });
    }
    Ok(related("application/octet-stream", parts))
}

/// `GET .../frames/{frames}/voi-lut`: the entries of the object's VOI LUT, 16-bit little endian (PS3.3 C.11.2.1.1).
pub(super) async fn voi_lut(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Response, HttpError> {
    let instance = place.instance(&state, &caller).await?;
    let [number] = place.numbers(1)?[..] else { return Err(HttpError::NotFound) };
    let path = state.archive.path_of(&instance.content_hash).map_err(|error| HttpError::internal(&error))?;
    let table = state.decode.voi_table(&path, number, Urgency::Urgent).await.map_err(not_shown)?;
    let entries = table.ok_or(HttpError::NotFound)?;
    let told = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, KEPT)];
    Ok((told, entries).into_response())
}

/// `GET .../rendered`: the first frame as the object asks to be shown, as PNG (PS3.18 section 10.4.1.1.3).
pub(super) async fn rendered(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Response, HttpError> {
    let instance = place.instance(&state, &caller).await?;
    let path = state.archive.path_of(&instance.content_hash).map_err(|error| HttpError::internal(&error))?;
    let side = Some(state.settings.render_side_most);
    let request = RenderRequest { frame: 1, max_side: side, ..RenderRequest::default() };
    let image = state.decode.render(&path, &request, Urgency::Urgent).await.map_err(not_shown)?;
    Ok(([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, KEPT)], image.png).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_gets_samples_alone_and_others_get_parts() {
        assert_eq!(form(""), Some(Form::Related));
        assert_eq!(form("*/*"), Some(Form::Related));
        assert_eq!(form("application/octet-stream"), Some(Form::Alone));
        assert_eq!(
            form("multipart/related; type=\"application/octet-stream\"; transfer-syntax=*"),
            Some(Form::Related)
        );
        assert_eq!(form("multipart/related; type=application/octet-stream"), Some(Form::Related));
        assert_eq!(form("multipart/related; type=\"image/jpeg\""), None);
        assert_eq!(
            form("multipart/related; type=\"image/jls\", multipart/related; type=\"*/*\""),
            Some(Form::Related)
        );
        assert_eq!(form("image/png"), None);
    }
}
