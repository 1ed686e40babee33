//! Where the AI looked, in shades, as a small transparent picture to be laid over the image.
//!
//! In: an instance. Out: a PNG of one pixel per cell, where the caller's view of the case holds the AI result
//! (PATHWAYS R5). The page lays it out by the place that the result names.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::images::ai_for;
use crate::http::caller::Caller;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::state::AppState;
use crate::http::visible;
use crate::prepare::png_of_colour;

/// Amber, which no grey of a film is.
const COLOUR: [u8; 3] = [242, 150, 40];
/// Opacity of the strongest cell, so that the film is seen through it.
const MOST_OPAQUE: u16 = 150;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(heat_map))
}

/// The heat map of an image as PNG, one pixel per cell; where it lies is in the AI result (`heat_maps`).
#[utoipa::path(get, path = "/api/instances/{sop_instance_uid}/heat-map", tag = "images",
    params(("sop_instance_uid" = String, Path)), responses(
    (status = 200, description = "a PNG", content_type = "image/png"),
    (status = 403, description = "the AI result is not for the caller's eyes yet", body = ErrorBody),
    (status = 404, description = "no such image, or the model gave no heat map", body = ErrorBody)))]
async fn heat_map(
    State(state): State<AppState>,
    caller: Caller,
    Path(uid): Path<String>,
) -> Result<Response, HttpError> {
    let instance = visible::instance(&state, &caller, &uid).await?;
    let result = ai_for(&state, &caller, &instance).await?;
    let map =
        result.heat_maps.into_iter().find(|map| map.place.sop_instance_uid == instance.sop_instance_uid);
    let map = map.ok_or(HttpError::NotFound)?;
    let weights = STANDARD.decode(&map.weights).map_err(|error| HttpError::internal(&error))?;
    let png = png_of_colour(&shades(&weights), map.columns, map.rows)
        .map_err(|error| HttpError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "no-store")], png).into_response())
}

/// One colour whose opacity grows with the weight.
fn shades(weights: &[u8]) -> Vec<u8> {
    let pixel = |weight: &u8| {
        let opacity = u16::from(*weight) * MOST_OPAQUE / 255;
        [COLOUR[0], COLOUR[1], COLOUR[2], u8::try_from(opacity).unwrap_or(u8::MAX)]
    };
    weights.iter().flat_map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_weight_is_clear_and_the_strongest_is_seen_through() {
        assert_eq!(shades(&[0, 255]), [242, 150, 40, 0, 242, 150, 40, 150]);
    }
}
