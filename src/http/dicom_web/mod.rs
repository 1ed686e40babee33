//! DICOMweb (PS3.18): what we hold, for viewers and other systems.
//!
//! In: requests of PS3.18 sections 10.4 and 10.6. Out: pixels and attributes of the objects that the caller may see
//! (`visible`): roles and sites as for cases, and nothing to a blind reader but the images of the case.

mod frame_header;
mod frames;
mod multipart;

use super::Pages;

/// Adds the routes.
pub(super) fn add(pages: Pages) -> Pages {
    pages.get(frames::PATH, frames::frames).get(frames::VOI_LUT_PATH, frames::voi_lut)
}
