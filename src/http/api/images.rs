//! Images as a display would show them, by the same decode and window code that the models' inputs come from.
//!
//! In: an instance and how to show it. Out: a PNG. The AI's regions are drawn only where the caller's view of the case
//! holds them (PATHWAYS R5). Pixels are decoded in supervised worker processes, never in this one.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::Caller;
use crate::http::desk;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::state::AppState;
use crate::http::visible;
use crate::prepare::worker::Urgency;
use crate::prepare::{PixelRegion, RenderError, RenderRequest, RenderedImage, Window, png_of};
use crate::vocab::{AiResult, Instance, Region};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(rendered))
}

/// How to show it.
#[derive(Debug, Default, serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HowToShow {
    /// Frame number, from 1.
    frame: Option<u32>,
    /// `centre,width` in modality units; the object's own VOI LUT or window where absent.
    window: Option<String>,
    /// Longest side in pixels; the page's usual size where absent.
    size: Option<u32>,
    /// `x,y,width,height` in stored pixels; the whole frame where absent.
    region: Option<String>,
    /// Whether to turn black and white round.
    #[serde(default)]
    invert: bool,
    /// Whether to draw the AI's regions; refused where the caller may not see them.
    #[serde(default)]
    overlay: bool,
}

/// Numbers separated by commas.
fn numbers<const N: usize, T: std::str::FromStr>(text: &str, name: &str) -> Result<[T; N], HttpError> {
    let wrong = || HttpError::BadRequest(format!("{name} is not {N} numbers separated by commas"));
    let parsed: Vec<T> =
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
    parsed.try_into().map_err(|_| wrong())
}

impl HowToShow {
    fn request(&self, state: &AppState) -> Result<RenderRequest, HttpError> {
        let window = self.window.as_deref().map(|text| numbers::<2, f64>(text, "window")).transpose()?;
        let region = self.region.as_deref().map(|text| numbers::<4, u32>(text, "region")).transpose()?;
        if window.is_some_and(|[centre, width]| !centre.is_finite() || !width.is_finite() || width <= 0.0) {
            return Err(HttpError::BadRequest("the width of a window is above zero".to_owned()));
        }
        let most = state.settings.render_side_most;
        Ok(RenderRequest {
            frame: self.frame.unwrap_or(1),
            max_side: Some(self.size.unwrap_or(state.settings.render_side).clamp(16, most)),
            region: region.map(|[x, y, width, height]| PixelRegion { x, y, width, height }),
            window: window.map(|[centre, width]| Window { centre, width }),
            invert: self.invert,
        })
    }
}

/// An image as PNG.
#[utoipa::path(get, path = "/api/instances/{sop_instance_uid}/rendered", tag = "images",
    params(("sop_instance_uid" = String, Path), HowToShow), responses(
    (status = 200, description = "a PNG", content_type = "image/png"), (status = 404, body = ErrorBody),
    (status = 403, description = "the overlay is not for the caller's eyes yet", body = ErrorBody),
    (status = 422, description = "it can't be shown, with the coded reason", body = ErrorBody)))]
async fn rendered(
    State(state): State<AppState>,
    caller: Caller,
    Path(uid): Path<String>,
    Query(how): Query<HowToShow>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let instance = visible::instance(&state, &caller, &uid).await?;
    let request = how.request(&state)?;
    let regions = match how.overlay {
        true => {
            let here = |region: &Region| region.mark.sop_instance_uid == instance.sop_instance_uid;
            ai_for(&state, &caller, &instance).await?.regions.into_iter().filter(here).collect()
        }
        false => Vec::new(),
    };
    let tag =
        format!("\"{}\"", blake3::hash(format!("{}{request:?}", instance.content_hash).as_bytes()).to_hex());
    if !how.overlay
        && headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes())
    {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let path = state.archive.path_of(&instance.content_hash).map_err(|error| HttpError::internal(&error))?;
    let image = state.decode.render(&path, &request, Urgency::Urgent).await.map_err(not_shown)?;
    let png = if regions.is_empty() {
        image.png
    } else {
        let drawn = draw(image, &instance, &request, &regions);
        png_of(&drawn.grey, drawn.width, drawn.height).map_err(not_shown)?
    };
    let kept = if how.overlay { "no-store" } else { "private, max-age=600" };
    let headers =
        [(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, kept), (header::ETAG, tag.as_str())];
    Ok((headers, png).into_response())
}

/// The answer to an image that can't be shown.
pub(in crate::http) fn not_shown(error: RenderError) -> HttpError {
    match error {
        RenderError::NotDecoded(refusal) => HttpError::NotRenderable {
            code: refusal.reason.code(),
            message: refusal.reason.words().to_owned(),
        },
        RenderError::NoSuchFrame { frames, .. } => {
            HttpError::BadRequest(format!("the object has frames 1 to {frames}"))
        }
        RenderError::BadRequest(problem) => HttpError::BadRequest(problem),
    }
}

/// What the AI said of the case of an image, where the caller's view of that case holds it.
pub(super) async fn ai_for(
    state: &AppState,
    caller: &Caller,
    instance: &Instance,
) -> Result<AiResult, HttpError> {
    const NOT_YET: HttpError = HttpError::Forbidden("the AI's regions are not shown to you on this case");
    let rows = state.store.cases_of_study(&instance.study_instance_uid).await?;
    let Some(row) = rows.into_iter().max_by_key(|row| row.image_set) else { return Err(NOT_YET) };
    let case = desk::find(state, caller, row.case_id).await?;
    let view = desk::view(caller, &case);
    let Some(ai) = view.ai() else { return Err(NOT_YET) };
    Ok(desk::with_places(ai.result.clone(), state.store.places(row.case_id).await?))
}

/// Draws regions on a rendered frame: a white line within a black one, to be seen on any ground.
fn draw(
    mut image: RenderedImage,
    instance: &Instance,
    request: &RenderRequest,
    regions: &[Region],
) -> RenderedImage {
    let (left, top, width) = match request.region {
        Some(part) => (f64::from(part.x), f64::from(part.y), f64::from(part.width.max(1))),
        None => (0.0, 0.0, f64::from(instance.tags.columns.max(1))),
    };
    let scale = f64::from(image.width) / width;
    for region in regions.iter().filter(|region| region.mark.frame == request.frame.max(1)) {
        let mark = &region.mark;
        let (x0, y0) = ((mark.x - left) * scale, (mark.y - top) * scale);
        let (x1, y1) = (x0 + mark.width * scale, y0 + mark.height * scale);
        for (inset, grey) in [(-1.0, 0_u8), (0.0, 255), (1.0, 255), (2.0, 0)] {
            outline(&mut image, [x0 + inset, y0 + inset, x1 - inset, y1 - inset], grey);
        }
    }
    image
}

/// A rectangle one pixel wide, as far as it lies on the image.
fn outline(image: &mut RenderedImage, [x0, y0, x1, y1]: [f64; 4], grey: u8) {
    let (columns, rows) = (i64::from(image.width), i64::from(image.height));
    let [x0, y0, x1, y1] = [x0, y0, x1, y1].map(whole);
    let mut set = |x: i64, y: i64| {
        if (0..columns).contains(&x)
            && (0..rows).contains(&y)
            && let Some(pixel) = usize::try_from(y * columns + x).ok().and_then(|at| image.grey.get_mut(at))
        {
            *pixel = grey;
        }
    };
    for x in x0.max(0)..=x1.min(columns - 1) {
        set(x, y0);
        set(x, y1);
    }
    for y in y0.max(0)..=y1.min(rows - 1) {
        set(x0, y);
        set(x1, y);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to what a drawing needs; a float cast saturates"
)]
fn whole(value: f64) -> i64 {
    value.clamp(-1e6, 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_stays_on_the_image() {
        let mut image = RenderedImage { width: 4, height: 3, grey: vec![0; 12], png: Vec::new() };
        outline(&mut image, [-5.0, -5.0, 1.0, 1.0], 9);
        assert_eq!(image.grey, [0, 9, 0, 0, 9, 9, 0, 0, 0, 0, 0, 0]);
        outline(&mut image, [f64::NEG_INFINITY, 2.0, f64::INFINITY, 1e300], 7);
        assert_eq!(&image.grey[8..], [7; 4]);
    }

    #[test]
    fn numbers_are_as_many_as_asked_for() {
        assert_eq!(numbers::<2, f64>("40, 400.5", "window").unwrap(), [40.0, 400.5]);
        assert!(numbers::<2, f64>("40", "window").is_err());
        assert!(numbers::<4, u32>("1,2,3,-4", "region").is_err());
    }
}
