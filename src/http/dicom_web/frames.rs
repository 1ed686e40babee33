//! Frames at their original depth (PS3.18 section 10.4.1.1.6), and the VOI LUT that belongs to one.
//!
//! In: an instance and frame numbers. Out: samples as the supervised child decoded them, little endian: alone for a
//! viewer that asks for `application/octet-stream`, with the facts in `Doubleread-Frame`; else as `multipart/related`.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::frame_header;
use super::multipart::{Part, related};
use crate::http::api::not_shown;
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::http::visible;
use crate::prepare::worker::Urgency;
use crate::vocab::Instance;

pub(super) const PATH: &str = "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/frames/{frames}";
pub(super) const VOI_LUT_PATH: &str = "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/frames/{frames}/voi-lut";

/// Samples as they leave: Explicit VR Little Endian, not compressed (PS3.18 table 8.7.3-5).
const SAMPLES: &str = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1";
/// Browsers may keep them, and ask each time whether they still may be seen.
const KEPT: &str = "private, no-cache";

/// Names of an address.
#[derive(serde::Deserialize)]
pub(super) struct Where {
    study_instance_uid: String,
    series_instance_uid: String,
    sop_instance_uid: String,
    frames: String,
}

impl Where {
    /// The instance that is meant, where the caller may see it.
    async fn instance(&self, state: &AppState, caller: &Caller) -> Result<Instance, HttpError> {
        let instance = visible::instance(state, caller, &self.sop_instance_uid).await?;
        let meant = instance.study_instance_uid.as_str() == self.study_instance_uid
            && instance.series_instance_uid.as_str() == self.series_instance_uid;
        if meant { Ok(instance) } else { Err(HttpError::NotFound) }
    }

    /// The frames that are meant, in the order of the address.
    fn numbers(&self, most: usize) -> Result<Vec<u32>, HttpError> {
        let wrong = || HttpError::BadRequest("frames are numbers from 1, separated by commas".to_owned());
        let numbers: Vec<u32> = self
            .frames
            .split(',')
            .map(|text| text.trim().parse())
            .collect::<Result<_, _>>()
            .map_err(|_| wrong())?;
        if numbers.contains(&0) {
            return Err(wrong());
        }
        if numbers.len() > most {
            return Err(HttpError::BadRequest(format!("at most {most} frames are sent at once")));
        }
        Ok(numbers)
    }
}

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

/// `GET .../frames/{frames}`.
pub(super) async fn frames(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Where>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let instance = place.instance(&state, &caller).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(form) = form(accept) else { return Ok(StatusCode::NOT_ACCEPTABLE.into_response()) };
    let numbers = place.numbers(state.settings.frames_per_request)?;
    let path = state.archive.path_of(&instance.content_hash).map_err(|error| HttpError::internal(&error))?;
    let base = format!(
        "/dicom-web/studies/{}/series/{}/instances/{}/frames",
        instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid
    );
    if form == Form::Alone {
        let [number] = numbers[..] else {
            return Err(HttpError::BadRequest(
                "one frame is sent alone; several are multipart/related".to_owned(),
            ));
        };
        let tag = format!("\"{}-{number}\"", instance.content_hash);
        if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
        }
        let frame = state.decode.raw_frame(&path, number, Urgency::Urgent).await.map_err(not_shown)?;
        let facts = frame_header::value(&frame.attributes, &instance, &format!("{base}/{number}/voi-lut"))?;
        let kind = (header::CONTENT_TYPE, "application/octet-stream");
        let told =
            [kind, (header::CACHE_CONTROL, KEPT), (header::ETAG, tag.as_str()), (header::VARY, "Accept")];
        let mut response = (told, frame.samples).into_response();
        response.headers_mut().insert(frame_header::NAME, facts);
        return Ok(response);
    }
    let mut parts = Vec::with_capacity(numbers.len());
    for number in numbers {
        let frame = state.decode.raw_frame(&path, number, Urgency::Urgent).await.map_err(not_shown)?;
        parts.push(Part { kind: SAMPLES, location: format!("{base}/{number}"), bytes: frame.samples });
    }
    Ok(related("application/octet-stream", parts))
}

/// `GET .../frames/{frames}/voi-lut`: the entries of the object's VOI LUT, 16-bit little endian (PS3.3 C.11.2.1.1).
pub(super) async fn voi_lut(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Where>,
) -> Result<Response, HttpError> {
    let instance = place.instance(&state, &caller).await?;
    let [number] = place.numbers(1)?[..] else { return Err(HttpError::NotFound) };
    let path = state.archive.path_of(&instance.content_hash).map_err(|error| HttpError::internal(&error))?;
    let table = state.decode.voi_table(&path, number, Urgency::Urgent).await.map_err(not_shown)?;
    let entries = table.ok_or(HttpError::NotFound)?;
    let told = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, KEPT)];
    Ok((told, entries).into_response())
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
