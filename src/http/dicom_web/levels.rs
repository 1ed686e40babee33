//! Search for series and instances of a study (QIDO-RS, PS3.18 section 10.6).

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde_json::Value;

use super::attributes::Attributes;
use super::place::{Place, address};
use super::query::{Search, search as read};
use super::studies::answer;
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::vocab::Instance;

/// `GET /dicom-web/studies/{study}/series`.
pub(super) async fn series(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, HttpError> {
    let search = read(&pairs)?;
    let instances = place.instances(&state, &caller).await?;
    let mut by_series: BTreeMap<_, Vec<&Instance>> = BTreeMap::new();
    for instance in instances.iter().filter(|one| is_meant(one, &search)) {
        let key = (instance.tags.series_number, &instance.series_instance_uid);
        by_series.entry(key).or_default().push(instance);
    }
    let found = by_series.values().filter_map(|members| series_attributes(members)).collect();
    Ok(answer(page(found, &search, state.settings.page_rows)))
}

/// `GET /dicom-web/studies/{study}/instances` and `.../series/{series}/instances`.
pub(super) async fn instances(
    State(state): State<AppState>,
    caller: Caller,
    Path(place): Path<Place>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, HttpError> {
    let search = read(&pairs)?;
    let instances = place.instances(&state, &caller).await?;
    let found = instances.iter().filter(|one| is_meant(one, &search)).map(instance_attributes).collect();
    Ok(answer(page(found, &search, state.settings.page_rows)))
}

fn is_meant(instance: &Instance, search: &Search) -> bool {
    let series = search.series.as_deref().is_none_or(|uid| uid == instance.series_instance_uid.as_str());
    let object = search.instance.as_deref().is_none_or(|uid| uid == instance.sop_instance_uid.as_str());
    let modality = search.modalities.is_empty() || search.modalities.contains(&instance.tags.modality);
    series && object && modality
}

fn page(found: Vec<Value>, search: &Search, most: u32) -> Vec<Value> {
    let limit = search.limit.unwrap_or(most).min(most);
    let places = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    found.into_iter().skip(places(search.offset)).take(places(limit)).collect()
}

/// The attributes of a series (PS3.18 table 10.6.3-4).
fn series_attributes(members: &[&Instance]) -> Option<Value> {
    let first = members.first()?;
    let tags = &first.tags;
    let base = format!("/dicom-web/studies/{}", first.study_instance_uid);
    let set = Attributes::default()
        .text(0x0008_0005, "CS", "ISO_IR 192")
        .text(0x0008_0060, "CS", &tags.modality)
        .text(0x0008_103E, "LO", &tags.series_description)
        .text(0x0008_1190, "UR", &format!("{base}/series/{}", first.series_instance_uid))
        .text(0x0018_0015, "CS", &tags.body_part)
        .text(0x0020_000D, "UI", first.study_instance_uid.as_str())
        .text(0x0020_000E, "UI", first.series_instance_uid.as_str())
        .number(0x0020_0011, "IS", tags.series_number)
        .text(0x0020_0060, "CS", &tags.laterality)
        .number(0x0020_1209, "IS", i64::try_from(members.len()).ok());
    Some(set.finish())
}

/// The attributes of an instance (PS3.18 table 10.6.3-5).
fn instance_attributes(instance: &Instance) -> Value {
    let tags = &instance.tags;
    let set = Attributes::default()
        .text(0x0008_0005, "CS", "ISO_IR 192")
        .text(0x0008_0016, "UI", instance.sop_class_uid.as_str())
        .text(0x0008_0018, "UI", instance.sop_instance_uid.as_str())
        .text(0x0008_0056, "CS", "ONLINE")
        .text(0x0008_0060, "CS", &tags.modality)
        .text(0x0008_1190, "UR", &address(instance))
        .text(0x0020_000D, "UI", instance.study_instance_uid.as_str())
        .text(0x0020_000E, "UI", instance.series_instance_uid.as_str())
        .number(0x0020_0011, "IS", tags.series_number)
        .number(0x0020_0013, "IS", tags.instance_number);
    if !tags.has_pixels {
        return set.finish();
    }
    set.number(0x0028_0008, "IS", Some(i64::from(tags.frames)))
        .number(0x0028_0010, "US", Some(i64::from(tags.rows)))
        .number(0x0028_0011, "US", Some(i64::from(tags.columns)))
        .finish()
}
