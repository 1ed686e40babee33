//! An object that proves a link and makes no case: a tiny secondary capture, always the same.
//!
//! In: nothing. Out: a Part-10 file. Must never become something that a reader has to look at.

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use super::PhantomError;
use super::identity::derived_uid;

/// The bytes of the probe.
pub fn probe_object() -> Result<Vec<u8>, PhantomError> {
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| PhantomError::DataSet(error);
    let mut object = InMemDicomObject::new_empty();
    let texts = [
        (tags::SOP_CLASS_UID, VR::UI, uids::SECONDARY_CAPTURE_IMAGE_STORAGE.to_owned()),
        (tags::SOP_INSTANCE_UID, VR::UI, derived_uid("probe/instance")),
        (tags::STUDY_INSTANCE_UID, VR::UI, derived_uid("probe/study")),
        (tags::SERIES_INSTANCE_UID, VR::UI, derived_uid("probe/series")),
        (tags::PATIENT_NAME, VR::PN, "SYNTHETIC^PROBE".to_owned()),
        (tags::PATIENT_ID, VR::LO, "SYN-PROBE".to_owned()),
        (tags::MODALITY, VR::CS, "OT".to_owned()),
        (tags::CONVERSION_TYPE, VR::CS, "SYN".to_owned()),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2".to_owned()),
    ];
    for (tag, vr, value) in texts {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1_u16),
        (tags::ROWS, 8),
        (tags::COLUMNS, 8),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(vec![128_u8; 64])));
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let mut bytes = Vec::new();
    object
        .with_meta(meta)
        .map_err(|e| refused(e.into()))?
        .write_all(&mut bytes)
        .map_err(|e| refused(e.into()))?;
    Ok(bytes)
}
