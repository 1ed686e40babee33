//! DICOMweb (PS3.18): what we hold, for viewers and other systems.
//!
//! In: requests of PS3.18 sections 10.4 (WADO-RS) and 10.6 (QIDO-RS). Out: attributes, pixels and whole objects that the
//! caller may see (`visible`): roles and sites as for cases, and nothing to a blind reader but the images of the case.
//! Nothing is written here.

mod attributes;
mod frame_header;
mod frames;
mod levels;
mod metadata;
mod multipart;
mod place;
mod query;
mod studies;
mod whole;

use super::Pages;

/// Adds the routes.
pub(super) fn add(pages: Pages) -> Pages {
    pages
        .get("/dicom-web/studies", studies::search)
        .get("/dicom-web/studies/{study_instance_uid}", whole::retrieve)
        .get("/dicom-web/studies/{study_instance_uid}/metadata", metadata::retrieve)
        .get("/dicom-web/studies/{study_instance_uid}/series", levels::series)
        .get("/dicom-web/studies/{study_instance_uid}/instances", levels::instances)
        .get("/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}", whole::retrieve)
        .get(
            "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/metadata",
            metadata::retrieve,
        )
        .get(
            "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances",
            levels::instances,
        )
        .get(place::INSTANCE, whole::retrieve)
        .get(place::METADATA, metadata::retrieve)
        .get(place::VALUE, metadata::value)
        .get(place::RENDERED, frames::rendered)
        .get(place::FRAMES, frames::frames)
        .get(place::VOI_LUT, frames::voi_lut)
}
