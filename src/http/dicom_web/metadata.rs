//! Metadata: the data sets of stored objects without their pixels (PS3.18 section 10.4.1.1.2), read in the supervised
//! child, and the long values that they name by an address.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::place::{Place, address};
use super::studies::answer;
use crate::http::api::not_shown;
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::prepare::BULK;
use crate::prepare::worker::Urgency;
use crate::vocab::Instance;

/// `GET .../metadata` of a study, a series or an instance.
pub(super) async fn retrieve(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Response, HttpError> {
    let instances = place.instances(&state, &caller).await?;
    let mut found = Vec::with_capacity(instances.len());
    for instance in &instances {
        found.push(data_set(&state, instance).await?);
    }
    Ok(answer(found))
}

async fn data_set(state: &AppState, instance: &Instance) -> Result<Value, HttpError> {
    let path = state.archive.path_of(&instance.content_hash).map_err(|error| HttpError::internal(&error))?;
    let text = state.decode.metadata(&path, Urgency::Urgent).await.map_err(not_shown)?;
    let mut set: Value = serde_json::from_slice(&text).map_err(|error| HttpError::internal(&error))?;
    let base = address(instance);
    if let Value::Object(elements) = &mut set {
        for element in elements.values_mut() {
            if let Some(Value::String(address)) = element.get_mut("BulkDataURI")
                && address.starts_with(BULK)
            {
                *address = format!("{base}/{address}");
            }
        }
        if instance.tags.has_pixels {
            let pixels = json!({ "vr": "OW", "BulkDataURI": format!("{base}/frames/1") });
            elements.insert("7FE00010".to_owned(), pixels);
        }
    }
    Ok(set)
}

/// `GET .../bulkdata/{tag}`: one long value, as it is stored.
pub(super) async fn value(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Response, HttpError> {
    let instance = place.instance(&state, &caller).await?;
    let tag = place.tag.as_deref().filter(|tag| tag.len() == 8);
    let tag = tag.and_then(|tag| u32::from_str_radix(tag, 16).ok()).ok_or(HttpError::NotFound)?;
    let path = state.archive.path_of(&instance.content_hash).map_err(|error| HttpError::internal(&error))?;
    let bytes = state.decode.value(&path, tag, Urgency::Urgent).await.map_err(not_shown)?;
    let bytes = bytes.ok_or(HttpError::NotFound)?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}
