//! The attributes that are picked out of a data set on its way through.
//!
//! In: raw values, in pieces. Out: identity UIDs and [`InstanceTags`]. Values are kept up to
//! a bound; what is longer is cut, except UIDs, which are refused.

use super::{ScanError, Tag, text};
use crate::vocab::{InstanceTags, SeriesInstanceUid, SopClassUid, SopInstanceUid, StudyInstanceUid};
use dicom_core::VR;
use std::collections::BTreeMap;

/// Most bytes kept of one value.
const MOST_KEPT: usize = 1024;
/// Most bytes kept of a long text (LT holds at most 10,240 characters, PS3.5 section 6.2).
const MOST_KEPT_OF_TEXT: usize = 40_960;
/// Most code items kept of the view sequences.
const MOST_CODES: usize = 16;

/// The data set that a value stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Root,
    /// An item of View Code Sequence (0054,0220).
    ViewCode,
    /// An item of View Modifier Code Sequence (0054,0222), at the root or in View Code Sequence.
    ViewModifier,
    /// An item of Request Attributes Sequence (0040,0275).
    Request,
    Elsewhere,
}

impl Place {
    pub fn of_path(path: (Option<Tag>, Option<Tag>, Option<Tag>)) -> Self {
        const VIEW: Option<Tag> = Some(Tag(0x0054, 0x0220));
        const MODIFIER: Option<Tag> = Some(Tag(0x0054, 0x0222));
        const REQUEST: Option<Tag> = Some(Tag(0x0040, 0x0275));
        match path {
            (None, _, _) => Self::Root,
            (VIEW, None, _) => Self::ViewCode,
            (VIEW, MODIFIER, None) | (MODIFIER, None, _) => Self::ViewModifier,
            (REQUEST, None, _) => Self::Request,
            _ => Self::Elsewhere,
        }
    }
}

/// A value that is being kept: its place in the list of kept values.
pub(super) type Wanted = usize;

#[derive(Debug, Clone)]
struct Value {
    place: Place,
    item: usize,
    tag: Tag,
    vr: VR,
    big_endian: bool,
    bytes: Vec<u8>,
    cut: bool,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Picked {
    values: Vec<Value>,
    items: BTreeMap<Place, usize>,
    has_pixels: bool,
}

const CLASS: Tag = Tag(0x0008, 0x0016);
const INSTANCE: Tag = Tag(0x0008, 0x0018);
const STUDY: Tag = Tag(0x0020, 0x000D);
const SERIES: Tag = Tag(0x0020, 0x000E);
const CHARACTER_SET: Tag = Tag(0x0008, 0x0005);
const CODE_VALUE: Tag = Tag(0x0008, 0x0100);
const CODE_MEANING: Tag = Tag(0x0008, 0x0104);
const HISTORY: Tag = Tag(0x0010, 0x21B0);
const REASON_FOR_PROCEDURE: Tag = Tag(0x0040, 0x1002);

/// Tags kept of the data set itself.
const ROOT_TAGS: &[Tag] = &[
    CHARACTER_SET,
    Tag(0x0008, 0x0008),
    CLASS,
    INSTANCE,
    Tag(0x0008, 0x0020),
    Tag(0x0008, 0x0022),
    Tag(0x0008, 0x0023),
    Tag(0x0008, 0x0030),
    Tag(0x0008, 0x0032),
    Tag(0x0008, 0x0033),
    Tag(0x0008, 0x0050),
    Tag(0x0008, 0x0060),
    Tag(0x0008, 0x0068),
    Tag(0x0008, 0x0070),
    Tag(0x0008, 0x1030),
    Tag(0x0008, 0x103E),
    Tag(0x0008, 0x1090),
    Tag(0x0010, 0x0010),
    Tag(0x0010, 0x0020),
    Tag(0x0010, 0x0021),
    Tag(0x0010, 0x0030),
    Tag(0x0010, 0x0040),
    Tag(0x0010, 0x1010),
    HISTORY,
    Tag(0x0018, 0x0015),
    Tag(0x0018, 0x1114),
    Tag(0x0018, 0x1164),
    Tag(0x0018, 0x5101),
    STUDY,
    SERIES,
    Tag(0x0020, 0x0011),
    Tag(0x0020, 0x0012),
    Tag(0x0020, 0x0013),
    Tag(0x0020, 0x0020),
    Tag(0x0020, 0x0060),
    Tag(0x0020, 0x0062),
    Tag(0x0028, 0x0004),
    Tag(0x0028, 0x0008),
    Tag(0x0028, 0x0010),
    Tag(0x0028, 0x0011),
    Tag(0x0028, 0x0030),
    Tag(0x0028, 0x0101),
    Tag(0x0028, 0x0A02),
    Tag(0x0028, 0x1300),
    Tag(0x0032, 0x1030),
    REASON_FOR_PROCEDURE,
];

/// Attributes that must not be there twice: a second reader might take the other one.
const IDENTITY: &[(Tag, &str)] = &[
    (CLASS, "SOP Class UID"),
    (INSTANCE, "SOP Instance UID"),
    (STUDY, "Study Instance UID"),
    (SERIES, "Series Instance UID"),
    (Tag(0x0010, 0x0010), "Patient's Name"),
    (Tag(0x0010, 0x0020), "Patient ID"),
    (Tag(0x0008, 0x0050), "Accession Number"),
];

impl Picked {
    /// Notes an element of the data set itself, before its value.
    pub(super) fn note_element(&mut self, tag: Tag, length: u32) -> Result<(), ScanError> {
        // Pixel Data, Float Pixel Data, Double Float Pixel Data.
        if tag.0 == 0x7FE0 && matches!(tag.1, 0x0008..=0x0010) && length > 0 {
            self.has_pixels = true;
        }
        let Some((_, attribute)) = IDENTITY.iter().find(|(t, _)| *t == tag) else { return Ok(()) };
        if self.value(Place::Root, tag).is_some() {
            return Err(ScanError::Twice { attribute });
        }
        Ok(())
    }

    /// Whether a value is to be kept, and as which one.
    pub(super) fn want(&mut self, place: Place, tag: Tag, vr: VR, big_endian: bool) -> Option<Wanted> {
        let item = self.items.get(&place).copied().unwrap_or(0);
        let wanted = match place {
            Place::Root => ROOT_TAGS.contains(&tag),
            Place::ViewCode | Place::ViewModifier => {
                (tag == CODE_VALUE || tag == CODE_MEANING) && item <= MOST_CODES
            }
            Place::Request => tag == REASON_FOR_PROCEDURE && item <= 1,
            Place::Elsewhere => false,
        };
        if !wanted || self.values.iter().any(|v| v.place == place && v.item == item && v.tag == tag) {
            return None;
        }
        self.values.push(Value { place, item, tag, vr, big_endian, bytes: Vec::new(), cut: false });
        Some(self.values.len() - 1)
    }

    /// Appends a piece of a value that is kept.
    pub(super) fn append(&mut self, wanted: Wanted, piece: &[u8]) {
        let Some(value) = self.values.get_mut(wanted) else { return };
        let most = if value.tag == HISTORY { MOST_KEPT_OF_TEXT } else { MOST_KEPT };
        let room = most.saturating_sub(value.bytes.len());
        value.cut |= piece.len() > room;
        value.bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    /// Notes that an item begins in `place`.
    pub(super) fn begin_item(&mut self, place: Place) {
        *self.items.entry(place).or_insert(0) += 1;
    }

    /// Refuses data sets without usable identity.
    pub(super) fn check_identity(&self) -> Result<(), ScanError> {
        self.sop_class_uid()?;
        self.sop_instance_uid()?;
        self.study_instance_uid()?;
        self.series_instance_uid()?;
        Ok(())
    }

    /// SOP Class UID (0008,0016).
    pub fn sop_class_uid(&self) -> Result<SopClassUid, ScanError> {
        self.uid(CLASS, "SOP Class UID")
    }
    /// SOP Instance UID (0008,0018).
    pub fn sop_instance_uid(&self) -> Result<SopInstanceUid, ScanError> {
        self.uid(INSTANCE, "SOP Instance UID")
    }
    /// Study Instance UID (0020,000D).
    pub fn study_instance_uid(&self) -> Result<StudyInstanceUid, ScanError> {
        self.uid(STUDY, "Study Instance UID")
    }
    /// Series Instance UID (0020,000E).
    pub fn series_instance_uid(&self) -> Result<SeriesInstanceUid, ScanError> {
        self.uid(SERIES, "Series Instance UID")
    }

    fn uid<U>(&self, tag: Tag, attribute: &'static str) -> Result<U, ScanError>
    where
        U: std::str::FromStr<Err = crate::vocab::InvalidValue>,
    {
        let value = self.value(Place::Root, tag).ok_or(ScanError::Missing { attribute })?;
        if value.cut {
            return Err(ScanError::InvalidUid { attribute, problem: "is longer than 64 characters" });
        }
        let text = std::str::from_utf8(&value.bytes)
            .map_err(|_| ScanError::InvalidUid { attribute, problem: "is not plain text" })?;
        text.parse()
            .map_err(|e: crate::vocab::InvalidValue| ScanError::InvalidUid { attribute, problem: e.problem })
    }

    fn value(&self, place: Place, tag: Tag) -> Option<&Value> {
        self.values.iter().find(|v| v.place == place && v.tag == tag)
    }

    /// The attributes for later stages; what is absent or can't be used is empty.
    pub fn tags(&self) -> InstanceTags {
        let sets = self.value(Place::Root, CHARACTER_SET).map(|v| v.bytes.as_slice()).unwrap_or_default();
        let decoder = text::Decoder::new(sets);
        let root = |group: u16, element: u16| {
            self.value(Place::Root, Tag(group, element))
                .map(|v| decoder.decode(&v.bytes, v.vr))
                .unwrap_or_default()
        };
        let number = |group: u16, element: u16| {
            self.value(Place::Root, Tag(group, element)).and_then(number_of).unwrap_or(0)
        };
        let history = self.value(Place::Root, HISTORY).map(|v| {
            let text = decoder.decode_lines(&v.bytes, v.vr);
            // What was cut must not read as the whole.
            if v.cut { format!("{text} [cut]") } else { text }
        });
        let in_request = self
            .value(Place::Request, REASON_FOR_PROCEDURE)
            .map(|v| decoder.decode(&v.bytes, v.vr))
            .unwrap_or_default();
        let reasons = [root(0x0032, 0x1030), root(0x0040, 0x1002), in_request];
        let codes = |place: Place| {
            let last = self.items.get(&place).copied().unwrap_or(0).min(MOST_CODES);
            let one = |item: usize, tag: Tag| {
                self.values
                    .iter()
                    .find(|v| v.place == place && v.item == item && v.tag == tag)
                    .map(|v| decoder.decode(&v.bytes, VR::SH))
                    .unwrap_or_default()
            };
            (1..=last)
                .map(|item| format!("{}^{}", one(item, CODE_VALUE), one(item, CODE_MEANING)))
                .filter(|code| code != "^")
                .collect::<Vec<_>>()
        };
        InstanceTags {
            patient_id: root(0x0010, 0x0020).parse().ok(),
            issuer_of_patient_id: root(0x0010, 0x0021),
            patient_name: root(0x0010, 0x0010),
            birth_date: root(0x0010, 0x0030),
            sex: root(0x0010, 0x0040).parse().ok(),
            patient_age: root(0x0010, 0x1010),
            accession_number: root(0x0008, 0x0050).parse().ok(),
            study_date: root(0x0008, 0x0020),
            study_time: root(0x0008, 0x0030),
            study_description: root(0x0008, 0x1030),
            series_description: root(0x0008, 0x103E),
            series_number: root(0x0020, 0x0011).parse().ok(),
            instance_number: root(0x0020, 0x0013).parse().ok(),
            modality: root(0x0008, 0x0060),
            body_part: root(0x0018, 0x0015),
            view_position: root(0x0018, 0x5101),
            view_code: codes(Place::ViewCode).into_iter().next().unwrap_or_default(),
            view_modifiers: codes(Place::ViewModifier).join("\\"),
            laterality: root(0x0020, 0x0060),
            image_laterality: root(0x0020, 0x0062),
            presentation_intent: root(0x0008, 0x0068),
            image_type: root(0x0008, 0x0008),
            photometric: root(0x0028, 0x0004),
            rows: number(0x0028, 0x0010),
            columns: number(0x0028, 0x0011),
            bits_stored: number(0x0028, 0x0101),
            frames: root(0x0028, 0x0008).parse().unwrap_or(1),
            implant_present: root(0x0028, 0x1300),
            manufacturer: root(0x0008, 0x0070),
            manufacturer_model: root(0x0008, 0x1090),
            has_pixels: self.has_pixels,
            pixel_spacing: root(0x0028, 0x0030),
            imager_pixel_spacing: root(0x0018, 0x1164),
            magnification: root(0x0018, 0x1114),
            spacing_calibration: root(0x0028, 0x0A02),
            patient_orientation: root(0x0020, 0x0020),
            acquisition_date: root(0x0008, 0x0022),
            acquisition_time: root(0x0008, 0x0032),
            content_date: root(0x0008, 0x0023),
            content_time: root(0x0008, 0x0033),
            acquisition_number: root(0x0020, 0x0012).parse().ok(),
            patient_history: history.unwrap_or_default(),
            reason_for_study: reasons.into_iter().find(|reason| !reason.is_empty()).unwrap_or_default(),
        }
    }
}

/// An unsigned number of two or four bytes (US, UL).
fn number_of(value: &Value) -> Option<u32> {
    match (value.bytes.as_slice(), value.big_endian) {
        (&[a, b], false) => Some(u32::from(u16::from_le_bytes([a, b]))),
        (&[a, b], true) => Some(u32::from(u16::from_be_bytes([a, b]))),
        (&[a, b, c, d], false) => Some(u32::from_le_bytes([a, b, c, d])),
        (&[a, b, c, d], true) => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}
