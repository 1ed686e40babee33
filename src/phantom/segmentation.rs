//! The truth of one image as a DICOM Segmentation (PS3.3 section A.51): a binary frame for each finding.
//!
//! In: an image with its masks. Out: a Part-10 file that points at the image. Must never show a finding that the
//! truth does not name, nor be made for an image without one: a segmentation has at least one segment.

use dicom_core::value::PrimitiveValue;
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use super::dicom::{Code, DataSet, IMPLEMENTATION, common, pitch_mm, sop_class};
use super::identity::derived_uid;
use super::{GENERATOR, Identity, Phantom, PhantomError, TrueFinding};

/// Instance Number and series offset: the segmentation is a series of its own, after those of the images.
const SERIES_OFFSET: u32 = 100;
/// Segmented Property Category of every finding (PS3.16 CID 7150).
const ABNORMAL: Code = Code("49755003", "Morphologically Abnormal Structure");

/// Writes the masks of an image as a Segmentation object; none for an image without findings.
pub fn write_segmentation(phantom: &Phantom, identity: &Identity) -> Result<Option<Vec<u8>>, PhantomError> {
    if phantom.truth.findings.is_empty() {
        return Ok(None);
    }
    let class = uids::SEGMENTATION_STORAGE;
    let own = Identity {
        study: identity.study.clone(),
        series_instance_uid: derived_uid(&format!("truth-series/{}", identity.sop_instance_uid)),
        series_number: identity.series_number + SERIES_OFFSET,
        sop_instance_uid: derived_uid(&format!("truth/{}", identity.sop_instance_uid)),
    };
    let mut set = DataSet(InMemDicomObject::new_empty());
    common(&mut set, phantom, &own, class);
    set.several(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "PRIMARY"]);
    // The image says it; here only that its locations are preserved.
    set.empty(tags::PATIENT_ORIENTATION, VR::CS);
    set.text(tags::MODALITY, VR::CS, "SEG");
    set.text(tags::SERIES_DESCRIPTION, VR::LO, "Truth of the phantom");
    set.text(tags::CONTENT_LABEL, VR::CS, "TRUTH");
    set.text(tags::CONTENT_DESCRIPTION, VR::LO, "Findings that the generator put in");
    set.text(tags::CONTENT_CREATOR_NAME, VR::PN, "SYNTHETIC^GENERATOR");
    set.0.remove_element(tags::BURNED_IN_ANNOTATION);
    references(&mut set, phantom, identity);
    let organization = derived_uid(&format!("truth-dimension/{}", identity.sop_instance_uid));
    dimensions(&mut set, &organization);
    let segments = phantom.truth.findings.iter().zip(1_u16..);
    set.items(tags::SEGMENT_SEQUENCE, segments.clone().map(|(finding, n)| segment(finding, n)).collect());
    set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared(phantom, identity)]);
    set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, segments.map(|(_, n)| frame(n)).collect());
    set.text(tags::NUMBER_OF_FRAMES, VR::IS, &phantom.truth.findings.len().to_string());
    pixels(&mut set, phantom);
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| PhantomError::DataSet(e);
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(&own.sop_instance_uid)
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .implementation_class_uid(IMPLEMENTATION)
        .implementation_version_name("DOUBLEREAD_PH_1");
    let file = set.0.with_meta(meta).map_err(|e| failed(Box::new(e)))?;
    let mut bytes = Vec::new();
    file.write_all(&mut bytes).map_err(|e| failed(Box::new(e)))?;
    Ok(Some(bytes))
}

fn coding(code: &str, scheme: &str, meaning: &str) -> InMemDicomObject {
    let mut item = DataSet(InMemDicomObject::new_empty());
    item.text(tags::CODE_VALUE, VR::SH, code);
    item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme);
    item.text(tags::CODE_MEANING, VR::LO, meaning);
    item.0
}

fn reference(phantom: &Phantom, identity: &Identity) -> DataSet {
    let mut item = DataSet(InMemDicomObject::new_empty());
    item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, sop_class(phantom.kind));
    item.text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, &identity.sop_instance_uid);
    item
}

/// Which image it is of (PS3.3 section C.12.2).
fn references(set: &mut DataSet, phantom: &Phantom, identity: &Identity) {
    let mut series = DataSet(InMemDicomObject::new_empty());
    series.text(tags::SERIES_INSTANCE_UID, VR::UI, &identity.series_instance_uid);
    series.items(tags::REFERENCED_INSTANCE_SEQUENCE, vec![reference(phantom, identity).0]);
    set.items(tags::REFERENCED_SERIES_SEQUENCE, vec![series.0]);
}

/// Frames are counted by segment (PS3.3 section C.7.6.17).
fn dimensions(set: &mut DataSet, organization: &str) {
    let mut own = DataSet(InMemDicomObject::new_empty());
    own.text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, organization);
    set.items(tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![own.0]);
    let mut index = DataSet(InMemDicomObject::new_empty());
    index.text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, organization);
    let mut pointer = |tag: Tag, to: Tag| {
        index.0.put(DataElement::new(tag, VR::AT, PrimitiveValue::Tags(vec![to].into())));
    };
    pointer(tags::DIMENSION_INDEX_POINTER, tags::REFERENCED_SEGMENT_NUMBER);
    pointer(tags::FUNCTIONAL_GROUP_POINTER, tags::SEGMENT_IDENTIFICATION_SEQUENCE);
    index.text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, "Segment");
    set.items(tags::DIMENSION_INDEX_SEQUENCE, vec![index.0]);
}

/// One finding (PS3.3 section C.8.20.4).
fn segment(finding: &TrueFinding, number: u16) -> InMemDicomObject {
    let mut item = DataSet(InMemDicomObject::new_empty());
    item.number(tags::SEGMENT_NUMBER, number);
    let what = [finding.code.map(|c| c.code()), finding.feature.map(|f| f.code())];
    let what = what.into_iter().flatten().next().unwrap_or("finding");
    let label = if finding.kind.is_empty() { what } else { &finding.kind };
    item.text(tags::SEGMENT_LABEL, VR::LO, label);
    item.text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC");
    item.text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, GENERATOR);
    item.code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE, ABNORMAL);
    let (code, meaning) = concept(finding);
    item.items(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, vec![coding(code, "SCT", meaning)]);
    item.0
}

/// The concept of a finding; the category where none was verified (`vocab::codes`).
fn concept(finding: &TrueFinding) -> (&'static str, &'static str) {
    let coded = finding.code.and_then(|c| c.coded()).or(finding.feature.and_then(|f| f.coded()));
    coded.map_or((ABNORMAL.0, ABNORMAL.1), |coded| (coded.sct, coded.term))
}

/// What all frames share: the image they come from and its pixel size (PS3.3 section C.7.6.16.2).
fn shared(phantom: &Phantom, identity: &Identity) -> InMemDicomObject {
    let mut source = reference(phantom, identity);
    let purpose = coding("121322", "DCM", "Source of Image for Image Processing Operation");
    source.items(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, vec![purpose]);
    source.text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES");
    let mut derivation = DataSet(InMemDicomObject::new_empty());
    derivation.items(tags::SOURCE_IMAGE_SEQUENCE, vec![source.0]);
    derivation.items(tags::DERIVATION_CODE_SEQUENCE, vec![coding("113076", "DCM", "Segmentation")]);
    let mut measures = DataSet(InMemDicomObject::new_empty());
    let pitch = pitch_mm(phantom);
    measures.several(tags::PIXEL_SPACING, VR::DS, &[&pitch, &pitch]);
    measures.text(tags::SLICE_THICKNESS, VR::DS, "1");
    let mut item = DataSet(InMemDicomObject::new_empty());
    item.items(tags::DERIVATION_IMAGE_SEQUENCE, vec![derivation.0]);
    item.items(tags::PIXEL_MEASURES_SEQUENCE, vec![measures.0]);
    item.0
}

fn frame(number: u16) -> InMemDicomObject {
    let mut content = DataSet(InMemDicomObject::new_empty());
    let values = PrimitiveValue::U32(vec![u32::from(number)].into());
    content.0.put(DataElement::new(tags::DIMENSION_INDEX_VALUES, VR::UL, values));
    let mut named = DataSet(InMemDicomObject::new_empty());
    named.number(tags::REFERENCED_SEGMENT_NUMBER, number);
    let mut item = DataSet(InMemDicomObject::new_empty());
    item.items(tags::FRAME_CONTENT_SEQUENCE, vec![content.0]);
    item.items(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![named.0]);
    item.0
}

/// One bit a pixel, lowest bit first, frames without a gap between them (PS3.5 section 8.1.1).
fn pixels(set: &mut DataSet, phantom: &Phantom) {
    set.text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY");
    set.number(tags::SAMPLES_PER_PIXEL, 1);
    set.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    set.number(tags::ROWS, phantom.height as u16);
    set.number(tags::COLUMNS, phantom.width as u16);
    set.number(tags::BITS_ALLOCATED, 1);
    set.number(tags::BITS_STORED, 1);
    set.number(tags::HIGH_BIT, 0);
    set.number(tags::PIXEL_REPRESENTATION, 0);
    let size = phantom.width as usize * phantom.height as usize;
    let mut bytes = vec![0_u8; (size * phantom.truth.findings.len()).div_ceil(16) * 2];
    for (number, finding) in phantom.truth.findings.iter().enumerate() {
        let Some(mask) = phantom.masks.get(number) else { continue };
        let bits = mask.on_image(phantom.width, phantom.height, &finding.pixel_box);
        for (at, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            let at = number * size + at;
            if let Some(byte) = bytes.get_mut(at / 8) {
                *byte |= 1 << (at % 8);
            }
        }
    }
    set.0.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(bytes.into())));
}
