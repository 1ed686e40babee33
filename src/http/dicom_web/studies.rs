//! Search for studies (QIDO-RS, PS3.18 section 10.6).

use std::collections::BTreeSet;

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::attributes::Attributes;
use super::query::{Search, search as read};
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::http::visible;
use crate::store::Study;
use crate::vocab::Instance;

/// `GET /dicom-web/studies`.
pub(super) async fn search(
    State(state): State<AppState>,
    caller: Caller,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, HttpError> {
    let Search { mut studies, modalities, limit, offset, .. } = read(&pairs)?;
    studies.sites = caller.sites.clone();
    studies.modalities = modalities.clone();
    let most = state.settings.page_rows;
    studies.limit = limit.unwrap_or(most).min(most);
    studies.offset = offset;
    let mut found = Vec::new();
    for study in state.store.find_studies(&studies).await? {
        let (study, instances) = visible::study(&state, &caller, &study.study_instance_uid).await?;
        // A study is matched by what the caller may see of it, or a match would tell of the rest.
        let seen = |modality: &String| instances.iter().any(|one| one.tags.modality == *modality);
        if modalities.is_empty() || modalities.iter().any(seen) {
            found.push(attributes(&study, &instances));
        }
    }
    Ok(answer(found))
}

/// A list of data sets.
pub(super) fn answer(found: Vec<Value>) -> Response {
    ([(header::CONTENT_TYPE, "application/dicom+json")], Value::Array(found).to_string()).into_response()
}

/// The attributes of a study (PS3.18 table 10.6.3-3).
pub(super) fn attributes(study: &Study, instances: &[Instance]) -> Value {
    let series: BTreeSet<_> = instances.iter().map(|one| &one.series_instance_uid).collect();
    let modalities: BTreeSet<&str> = instances.iter().map(|one| one.tags.modality.as_str()).collect();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let time = instances.first().map(|one| one.tags.study_time.clone()).unwrap_or_default();
    let count = |number: usize| i64::try_from(number).ok();
    Attributes::default()
        .text(0x0008_0005, "CS", "ISO_IR 192")
        .text(0x0008_0020, "DA", &text(&study.study_date))
        .text(0x0008_0030, "TM", &time)
        .texts(0x0008_0050, "SH", study.accession_number.iter().map(ToString::to_string))
        .text(0x0008_0056, "CS", "ONLINE")
        .texts(0x0008_0061, "CS", modalities.into_iter().map(str::to_owned))
        .text(0x0008_1030, "LO", &text(&study.study_description))
        .text(0x0008_1190, "UR", &format!("/dicom-web/studies/{}", study.study_instance_uid))
        .name(0x0010_0010, &text(&study.patient_name))
        .texts(0x0010_0020, "LO", study.patient_id.iter().map(ToString::to_string))
        .text(0x0010_0030, "DA", &text(&study.birth_date))
        .texts(0x0010_0040, "CS", study.sex.iter().map(ToString::to_string))
        .text(0x0020_000D, "UI", study.study_instance_uid.as_str())
        .number(0x0020_1206, "IS", count(series.len()))
        .number(0x0020_1208, "IS", count(instances.len()))
        .finish()
}
