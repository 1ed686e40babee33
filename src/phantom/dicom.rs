//! A phantom as a Part-10 file: CR for chest films in bed, DX for those standing, MG for mammograms.
//!
//! In: a phantom and an identity. Out: bytes. Must never write anything that could be taken for a real person, and
//! nothing that dciodvfy finds fault with.

use std::io::Write;

use dicom_core::value::{DataSetSequence, PixelFragmentSequence, PrimitiveValue, Value};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use super::encode::{Encoding, rle_frame};
use super::identity::birth_date;
use super::mammo::FIELD_HEIGHT_MM;
use super::{ChestView, GENERATOR, Identity, ImageKind, Phantom, PhantomError, Photometric};
use crate::vocab::{MammoView, Projection, Side};

/// Height of the field of a chest film, in millimetres (35 by 43 cm detector).
const CHEST_HEIGHT_MM: f32 = 430.0;
/// Height of the field of a film of a hand, in millimetres.
const HAND_HEIGHT_MM: f32 = 240.0;
/// Our Implementation Class UID for files that the generator writes.
pub(super) const IMPLEMENTATION: &str = "2.25.136245786712530246379045371204897330173";

pub(super) struct DataSet(pub(super) InMemDicomObject);

impl DataSet {
    pub(super) fn text(&mut self, tag: Tag, vr: VR, value: &str) {
        self.0.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    pub(super) fn several(&mut self, tag: Tag, vr: VR, values: &[&str]) {
        let strings = values.iter().map(|v| (*v).to_owned()).collect();
        self.0.put(DataElement::new(tag, vr, PrimitiveValue::Strs(strings)));
    }
    pub(super) fn empty(&mut self, tag: Tag, vr: VR) {
        self.0.put(DataElement::new(tag, vr, PrimitiveValue::Empty));
    }
    pub(super) fn number(&mut self, tag: Tag, value: u16) {
        self.0.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    pub(super) fn items(&mut self, tag: Tag, items: Vec<InMemDicomObject>) {
        self.0.put(DataElement::new(tag, VR::SQ, Value::from(DataSetSequence::from(items))));
    }
    pub(super) fn code(&mut self, tag: Tag, code: Code) {
        self.items(tag, vec![code.item().0]);
    }
}

/// A SNOMED CT concept: code and meaning.
#[derive(Clone, Copy)]
pub(super) struct Code(pub(super) &'static str, pub(super) &'static str);

impl Code {
    fn item(self) -> DataSet {
        let mut item = DataSet(InMemDicomObject::new_empty());
        item.text(tags::CODE_VALUE, VR::SH, self.0);
        item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "SCT");
        item.text(tags::CODE_MEANING, VR::LO, self.1);
        item
    }
}

/// Pixels that are turned into bytes at a time.
const PIXELS_AT_ONCE: usize = 1 << 14;

/// Writes a phantom as a Part-10 file (PS3.10 section 7).
pub fn write_dicom(
    phantom: &Phantom,
    identity: &Identity,
    encoding: Encoding,
    mut out: impl Write,
) -> Result<(), PhantomError> {
    let mut set = DataSet(InMemDicomObject::new_empty());
    let class = sop_class(phantom.kind);
    common(&mut set, phantom, identity, class);
    match phantom.kind {
        ImageKind::Chest { view } => chest(&mut set, phantom, view, class),
        ImageKind::Mammogram { view, implant } => mammogram(&mut set, phantom, view, implant),
        ImageKind::Hand { side } => hand(&mut set, phantom, side),
    }
    pixels(&mut set, phantom, encoding);
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| PhantomError::DataSet(e);
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(&identity.sop_instance_uid)
        .transfer_syntax(encoding.code())
        .implementation_class_uid(IMPLEMENTATION)
        .implementation_version_name("DOUBLEREAD_PH_1");
    let file = set.0.with_meta(meta).map_err(|e| failed(Box::new(e)))?;
    file.write_all(&mut out).map_err(|e| failed(Box::new(e)))?;
    write_native(&mut out, &phantom.pixels, encoding).map_err(|e| failed(Box::new(e)))
}

pub(super) fn sop_class(kind: ImageKind) -> &'static str {
    match kind {
        ImageKind::Chest { view: ChestView::Pa | ChestView::Lateral } => {
            uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION
        }
        ImageKind::Chest { view: ChestView::Ap } | ImageKind::Hand { .. } => {
            uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE
        }
        ImageKind::Mammogram { .. } => uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
    }
}

/// Patient, study, series, equipment, image: what every file has.
pub(super) fn common(set: &mut DataSet, phantom: &Phantom, identity: &Identity, class: &str) {
    let study = &identity.study;
    set.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    set.several(tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY"]);
    set.text(tags::SOP_CLASS_UID, VR::UI, class);
    set.text(tags::SOP_INSTANCE_UID, VR::UI, &identity.sop_instance_uid);
    for tag in [tags::STUDY_DATE, tags::SERIES_DATE, tags::ACQUISITION_DATE, tags::CONTENT_DATE] {
        set.text(tag, VR::DA, &study.study_date);
    }
    for tag in [tags::STUDY_TIME, tags::SERIES_TIME, tags::ACQUISITION_TIME, tags::CONTENT_TIME] {
        set.text(tag, VR::TM, &study.study_time);
    }
    set.text(tags::ACCESSION_NUMBER, VR::SH, &study.accession_number);
    set.text(tags::MANUFACTURER, VR::LO, "Doubleread");
    // A film that was only wrapped is no phantom; models tell the two apart by the equipment.
    let (institution, equipment) = match phantom.truth.synthetic {
        true => ("Synthetic phantom, no patient", "Phantom generator"),
        false => ("Published film, synthetic identity", "Film wrapper"),
    };
    set.text(tags::INSTITUTION_NAME, VR::LO, institution);
    set.empty(tags::REFERRING_PHYSICIAN_NAME, VR::PN);
    set.text(tags::MANUFACTURER_MODEL_NAME, VR::LO, equipment);
    set.text(tags::SOFTWARE_VERSIONS, VR::LO, GENERATOR);
    set.text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "0");
    set.text(tags::PATIENT_NAME, VR::PN, &study.patient_name);
    set.text(tags::PATIENT_ID, VR::LO, &study.patient_id);
    set.text(tags::ISSUER_OF_PATIENT_ID, VR::LO, "SYNTHETIC");
    set.text(tags::PATIENT_BIRTH_DATE, VR::DA, &birth_date(&study.study_date, phantom.age_years));
    set.text(tags::PATIENT_SEX, VR::CS, phantom.sex.code());
    set.text(tags::PATIENT_AGE, VR::AS, &format!("{:03}Y", phantom.age_years.min(999)));
    set.text(
        tags::PATIENT_COMMENTS,
        VR::LT,
        &match phantom.truth.synthetic {
            true => format!("Synthetic image, seed {}", phantom.truth.seed),
            false => "Published film under a synthetic identity".to_owned(),
        },
    );
    set.text(tags::STUDY_INSTANCE_UID, VR::UI, &study.study_instance_uid);
    set.text(tags::SERIES_INSTANCE_UID, VR::UI, &identity.series_instance_uid);
    set.text(tags::STUDY_ID, VR::SH, &study.accession_number);
    set.text(tags::SERIES_NUMBER, VR::IS, &identity.series_number.to_string());
    set.text(tags::INSTANCE_NUMBER, VR::IS, "1");
    set.text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
    set.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
}

/// What DX and MG share (PS3.3 sections C.8.11.1 to C.8.11.4).
fn presentation(set: &mut DataSet, phantom: &Phantom) {
    set.text(tags::PRESENTATION_INTENT_TYPE, VR::CS, "FOR PRESENTATION");
    set.text(tags::PIXEL_INTENSITY_RELATIONSHIP, VR::CS, "LOG");
    // Log of the exposure: a denser body gives a larger value in MONOCHROME2 (PS3.3 section C.8.11.3.1.2).
    set.0.put(DataElement::new(
        tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN,
        VR::SS,
        PrimitiveValue::from(if phantom.photometric == Photometric::Monochrome1 { 1_i16 } else { -1_i16 }),
    ));
    set.text(tags::RESCALE_INTERCEPT, VR::DS, "0");
    set.text(tags::RESCALE_SLOPE, VR::DS, "1");
    set.text(tags::RESCALE_TYPE, VR::LO, "US");
    let shape = if phantom.photometric == Photometric::Monochrome1 { "INVERSE" } else { "IDENTITY" };
    set.text(tags::PRESENTATION_LUT_SHAPE, VR::CS, shape);
    set.items(tags::ACQUISITION_CONTEXT_SEQUENCE, Vec::new());
    set.text(tags::DETECTOR_TYPE, VR::CS, "DIRECT");
    set.text(tags::DETECTOR_DESCRIPTION, VR::LT, "none: computed");
}

/// Distance of neighbouring pixels, in millimetres, as a decimal string.
pub(super) fn pitch_mm(phantom: &Phantom) -> String {
    let height_mm = match phantom.kind {
        ImageKind::Chest { .. } => CHEST_HEIGHT_MM,
        ImageKind::Mammogram { .. } => FIELD_HEIGHT_MM,
        ImageKind::Hand { .. } => HAND_HEIGHT_MM,
    };
    format!("{:.4}", height_mm / phantom.height.max(1) as f32)
}

fn spacing(set: &mut DataSet, phantom: &Phantom) {
    let pitch = pitch_mm(phantom);
    set.several(tags::IMAGER_PIXEL_SPACING, VR::DS, &[&pitch, &pitch]);
}

fn chest(set: &mut DataSet, phantom: &Phantom, view: ChestView, class: &str) {
    let (position, orientation, code) = match view {
        ChestView::Pa => ("PA", ["L", "F"], Code("272479007", "postero-anterior")),
        ChestView::Ap => ("AP", ["L", "F"], Code("399348003", "antero-posterior")),
        ChestView::Lateral => ("LL", ["P", "F"], Code("399173006", "left lateral")),
    };
    set.text(tags::STUDY_DESCRIPTION, VR::LO, "Chest X-ray (synthetic)");
    set.text(tags::SERIES_DESCRIPTION, VR::LO, &format!("Chest {position}"));
    set.text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST");
    set.text(tags::VIEW_POSITION, VR::CS, position);
    set.several(tags::PATIENT_ORIENTATION, VR::CS, &orientation);
    spacing(set, phantom);
    let kilovolts = if view == ChestView::Ap { "85" } else { "125" };
    set.text(tags::KVP, VR::DS, kilovolts);
    if class == uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION {
        presentation(set, phantom);
        set.several(tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY", ""]);
        set.text(tags::MODALITY, VR::CS, "DX");
        set.text(tags::IMAGE_LATERALITY, VR::CS, "U");
        set.text(tags::POSITIONER_TYPE, VR::CS, "COLUMN");
        set.code(tags::ANATOMIC_REGION_SEQUENCE, Code("816094009", "Chest"));
        set.code(tags::VIEW_CODE_SEQUENCE, code);
    } else {
        computed_radiography(set);
    }
}

fn computed_radiography(set: &mut DataSet) {
    set.text(tags::MODALITY, VR::CS, "CR");
}

fn hand(set: &mut DataSet, phantom: &Phantom, side: Side) {
    set.text(tags::STUDY_DESCRIPTION, VR::LO, "Hand X-ray (synthetic)");
    set.text(tags::SERIES_DESCRIPTION, VR::LO, "Hand PA");
    set.text(tags::BODY_PART_EXAMINED, VR::CS, "HAND");
    set.text(tags::VIEW_POSITION, VR::CS, "PA");
    set.text(tags::LATERALITY, VR::CS, side.code());
    set.several(
        tags::PATIENT_ORIENTATION,
        VR::CS,
        if side == Side::Left { &["L", "H"] } else { &["R", "H"] },
    );
    spacing(set, phantom);
    computed_radiography(set);
}

fn mammogram(set: &mut DataSet, phantom: &Phantom, view: MammoView, implant: bool) {
    let oblique = view.projection != Projection::Cc;
    let code =
        if oblique { Code("399368009", "medio-lateral oblique") } else { Code("399162004", "cranio-caudal") };
    // Chest wall towards the middle of the hanging (PS3.3 section C.7.6.1.1.1).
    let orientation = match (view.side, oblique) {
        (Side::Right, false) => ["P", "L"],
        (Side::Left, false) => ["A", "R"],
        (Side::Right, true) => ["P", "FL"],
        (Side::Left, true) => ["A", "FR"],
    };
    presentation(set, phantom);
    set.several(tags::IMAGE_TYPE, VR::CS, &["ORIGINAL", "PRIMARY", ""]);
    set.text(tags::MODALITY, VR::CS, "MG");
    set.text(tags::STUDY_DESCRIPTION, VR::LO, "Mammogram (synthetic)");
    set.text(tags::SERIES_DESCRIPTION, VR::LO, &view.to_string());
    set.text(tags::BODY_PART_EXAMINED, VR::CS, "BREAST");
    set.text(tags::VIEW_POSITION, VR::CS, if oblique { "MLO" } else { "CC" });
    set.text(tags::IMAGE_LATERALITY, VR::CS, view.side.code());
    set.text(tags::ORGAN_EXPOSED, VR::CS, "BREAST");
    set.several(tags::PATIENT_ORIENTATION, VR::CS, &orientation);
    set.text(tags::POSITIONER_TYPE, VR::CS, "MAMMOGRAPHIC");
    set.text(tags::POSITIONER_PRIMARY_ANGLE, VR::DS, if oblique { "45" } else { "0" });
    set.text(tags::BREAST_IMPLANT_PRESENT, VR::CS, if implant { "YES" } else { "NO" });
    set.text(tags::PARTIAL_VIEW, VR::CS, "NO");
    set.text(tags::KVP, VR::DS, "29");
    set.text(tags::ANODE_TARGET_MATERIAL, VR::CS, "TUNGSTEN");
    set.text(tags::BODY_PART_THICKNESS, VR::DS, "55");
    set.code(tags::ANATOMIC_REGION_SEQUENCE, Code("76752008", "Breast"));
    let mut item = code.item();
    item.items(tags::VIEW_MODIFIER_CODE_SEQUENCE, Vec::new());
    set.items(tags::VIEW_CODE_SEQUENCE, vec![item.0]);
    spacing(set, phantom);
}

/// Pixel Data (7FE0,0010) as OW without a second copy of 27 MB (PS3.5 section 7.1).
fn write_native(out: &mut impl Write, pixels: &[u16], encoding: Encoding) -> std::io::Result<()> {
    let explicit: &[u8] = match encoding {
        Encoding::ExplicitLittleEndian => b"OW\0\0",
        Encoding::ImplicitLittleEndian => b"",
        Encoding::RleLossless => return Ok(()),
    };
    // Rows and columns are 16 bits each and images at most some 10 MB a side, so that the length fits.
    let length = u32::try_from(pixels.len() * 2).unwrap_or(u32::MAX - 1);
    out.write_all(&[0xe0, 0x7f, 0x10, 0x00])?;
    out.write_all(explicit)?;
    out.write_all(&length.to_le_bytes())?;
    let mut bytes = [0_u8; 2 * PIXELS_AT_ONCE];
    for some in pixels.chunks(PIXELS_AT_ONCE) {
        for (two, pixel) in bytes.chunks_exact_mut(2).zip(some) {
            two.copy_from_slice(&pixel.to_le_bytes());
        }
        out.write_all(&bytes[..2 * some.len()])?;
    }
    Ok(())
}

/// The pixels and how they are to be read (PS3.3 sections C.7.6.3 and C.11.2).
fn pixels(set: &mut DataSet, phantom: &Phantom, encoding: Encoding) {
    let levels = 1_u32 << phantom.bits_stored;
    set.number(tags::SAMPLES_PER_PIXEL, 1);
    set.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, phantom.photometric.code());
    set.number(tags::ROWS, phantom.height as u16);
    set.number(tags::COLUMNS, phantom.width as u16);
    set.number(tags::BITS_ALLOCATED, 16);
    set.number(tags::BITS_STORED, phantom.bits_stored);
    set.number(tags::HIGH_BIT, phantom.bits_stored - 1);
    set.number(tags::PIXEL_REPRESENTATION, 0);
    set.text(tags::WINDOW_CENTER, VR::DS, &(levels / 2).to_string());
    set.text(tags::WINDOW_WIDTH, VR::DS, &levels.to_string());
    match encoding {
        // Written behind the data set, of which it is the last element.
        Encoding::ExplicitLittleEndian | Encoding::ImplicitLittleEndian => {}
        Encoding::RleLossless => {
            let frame = rle_frame(&phantom.pixels, phantom.width as usize);
            let fragments = PixelFragmentSequence::new(vec![0_u32], vec![frame]);
            set.0.put(DataElement::new(tags::PIXEL_DATA, VR::OB, Value::PixelSequence(fragments)));
        }
    }
}
