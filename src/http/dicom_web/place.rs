//! Where an address points: study, series, instance, frames.
//!
//! In: the names of a route. Out: the instances that are meant and that the caller may see, in hanging order of their
//! numbers; one that is not the caller's to see is not there.

use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::http::visible;
use crate::vocab::{Instance, StudyInstanceUid};

pub(super) const INSTANCE: &str =
    "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}";
pub(super) const METADATA: &str = "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/metadata";
pub(super) const VALUE: &str = "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/bulkdata/{tag}";
pub(super) const RENDERED: &str = "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/rendered";
pub(super) const FRAMES: &str = "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/frames/{frames}";
pub(super) const VOI_LUT: &str = "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/frames/{frames}/voi-lut";

/// Names of an address, as far as it has them.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Place {
    study_instance_uid: String,
    series_instance_uid: Option<String>,
    sop_instance_uid: Option<String>,
    frames: Option<String>,
    pub tag: Option<String>,
}

impl Place {
    /// The one instance that is meant.
    pub(super) async fn instance(&self, state: &AppState, caller: &Caller) -> Result<Instance, HttpError> {
        let uid = self.sop_instance_uid.as_deref().ok_or(HttpError::NotFound)?;
        let instance = visible::instance(state, caller, uid).await?;
        let series = Some(instance.series_instance_uid.as_str());
        let meant = instance.study_instance_uid.as_str() == self.study_instance_uid
            && self.series_instance_uid.as_deref() == series;
        if meant { Ok(instance) } else { Err(HttpError::NotFound) }
    }

    /// All instances that are meant, by the numbers of their series and their own; at least one.
    pub(super) async fn instances(
        &self,
        state: &AppState,
        caller: &Caller,
    ) -> Result<Vec<Instance>, HttpError> {
        if self.sop_instance_uid.is_some() {
            return Ok(vec![self.instance(state, caller).await?]);
        }
        let study: StudyInstanceUid = self.study_instance_uid.parse().map_err(|_| HttpError::NotFound)?;
        let (_, mut instances) = visible::study(state, caller, &study).await?;
        if let Some(series) = &self.series_instance_uid {
            instances.retain(|one| one.series_instance_uid.as_str() == series);
        }
        instances.sort_by(|a, b| {
            let key = |one: &Instance| {
                (one.tags.series_number, one.series_instance_uid.clone(), one.tags.instance_number)
            };
            key(a).cmp(&key(b)).then_with(|| a.sop_instance_uid.cmp(&b.sop_instance_uid))
        });
        if instances.is_empty() { Err(HttpError::NotFound) } else { Ok(instances) }
    }

    /// The frames that are meant, in the order of the address.
    pub(super) fn numbers(&self, most: usize) -> Result<Vec<u32>, HttpError> {
        let wrong = || HttpError::BadRequest("frames are numbers from 1, separated by commas".to_owned());
        let text = self.frames.as_deref().unwrap_or_default();
        let numbers: Vec<u32> =
            text.split(',').map(|one| one.trim().parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
        if numbers.contains(&0) {
            return Err(wrong());
        }
        if numbers.len() > most {
            return Err(HttpError::BadRequest(format!("at most {most} frames are sent at once")));
        }
        Ok(numbers)
    }
}

/// The address of an instance.
pub(super) fn address(instance: &Instance) -> String {
    format!(
        "/dicom-web/studies/{}/series/{}/instances/{}",
        instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid
    )
}
