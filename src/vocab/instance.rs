//! One stored DICOM object: its identity, and the attributes that later stages ask for.

use super::{
    AccessionNumber, AeTitle, PatientId, SeriesInstanceUid, Sex, SiteCode, SopClassUid, SopInstanceUid,
    StudyInstanceUid, Timestamp, TransferSyntaxUid,
};

/// Attributes picked out of the data set while it was received.
///
/// Free text is kept as decoded by the Specific Character Set (0008,0005); absent or
/// unusable values are `None` or empty, never an error.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct InstanceTags {
    /// Patient ID (0010,0020).
    pub patient_id: Option<PatientId>,
    /// Issuer of Patient ID (0010,0021).
    pub issuer_of_patient_id: String,
    /// Patient's Name (0010,0010), component groups as sent.
    pub patient_name: String,
    /// Patient's Birth Date (0010,0030), `YYYYMMDD`.
    pub birth_date: String,
    /// Patient's Sex (0010,0040).
    pub sex: Option<Sex>,
    /// Patient's Age (0010,1010), such as `034Y`.
    pub patient_age: String,
    /// Accession Number (0008,0050).
    pub accession_number: Option<AccessionNumber>,
    /// Study Date (0008,0020), `YYYYMMDD`.
    pub study_date: String,
    /// Study Time (0008,0030).
    pub study_time: String,
    /// Study Description (0008,1030).
    pub study_description: String,
    /// Series Description (0008,103E).
    pub series_description: String,
    /// Series Number (0020,0011).
    pub series_number: Option<i64>,
    /// Instance Number (0020,0013).
    pub instance_number: Option<i64>,
    /// Modality (0008,0060).
    pub modality: String,
    /// Body Part Examined (0018,0015).
    pub body_part: String,
    /// View Position (0018,5101).
    pub view_position: String,
    /// Code value and meaning of View Code Sequence (0054,0220), `value^meaning`.
    pub view_code: String,
    /// Code values of View Modifier Code Sequence (0054,0222), `value^meaning`, separated by `\`.
    pub view_modifiers: String,
    /// Laterality (0020,0060).
    pub laterality: String,
    /// Image Laterality (0020,0062).
    pub image_laterality: String,
    /// Presentation Intent Type (0008,0068).
    pub presentation_intent: String,
    /// Image Type (0008,0008), backslash separated.
    pub image_type: String,
    /// Photometric Interpretation (0028,0004).
    pub photometric: String,
    /// Rows (0028,0010).
    pub rows: u32,
    /// Columns (0028,0011).
    pub columns: u32,
    /// Bits Stored (0028,0101).
    pub bits_stored: u32,
    /// Number of Frames (0028,0008); 1 where absent.
    pub frames: u32,
    /// Breast Implant Present (0028,1300).
    pub implant_present: String,
    /// Manufacturer (0008,0070).
    pub manufacturer: String,
    /// Manufacturer's Model Name (0008,1090).
    pub manufacturer_model: String,
    /// Whether the object has Pixel Data, Float Pixel Data or Double Float Pixel Data.
    pub has_pixels: bool,
    /// Pixel Spacing (0028,0030), row spacing, then column spacing, in mm, backslash separated as sent.
    pub pixel_spacing: String,
    /// Imager Pixel Spacing (0018,1164), the same at the front of the detector.
    pub imager_pixel_spacing: String,
    /// Estimated Radiographic Magnification Factor (0018,1114).
    pub magnification: String,
    /// Pixel Spacing Calibration Type (0028,0A02): `GEOMETRY` or `FIDUCIAL`.
    pub spacing_calibration: String,
    /// Patient Orientation (0020,0020), where rows and columns run to, backslash separated.
    pub patient_orientation: String,
    /// Acquisition Date (0008,0022), `YYYYMMDD`.
    pub acquisition_date: String,
    /// Acquisition Time (0008,0032).
    pub acquisition_time: String,
    /// Content Date (0008,0023), `YYYYMMDD`.
    pub content_date: String,
    /// Content Time (0008,0033).
    pub content_time: String,
    /// Acquisition Number (0020,0012).
    pub acquisition_number: Option<i64>,
    /// Additional Patient History (0010,21B0), with its line breaks.
    pub patient_history: String,
    /// Reason for Study (0032,1030), else Reason for the Requested Procedure (0040,1002), at the root or in the first
    /// item of Request Attributes Sequence (0040,0275).
    pub reason_for_study: String,
}

/// A stored instance, as registered by the receiver.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Instance {
    /// SOP Instance UID.
    pub sop_instance_uid: SopInstanceUid,
    /// SOP Class UID.
    pub sop_class_uid: SopClassUid,
    /// Study Instance UID.
    pub study_instance_uid: StudyInstanceUid,
    /// Series Instance UID.
    pub series_instance_uid: SeriesInstanceUid,
    /// Transfer syntax in which it came and in which it is kept.
    pub transfer_syntax_uid: TransferSyntaxUid,
    /// BLAKE3 of the stored file, 64 hexadecimal digits: its name in the archive.
    pub content_hash: String,
    /// Bytes of the stored file.
    pub size_bytes: u64,
    /// Who sent it.
    pub calling_ae: AeTitle,
    /// The site of the source profile.
    pub site: SiteCode,
    /// Pathway that the source profile fixes, if it does.
    pub pathway: Option<super::Pathway>,
    /// When it was durable.
    pub received_at: Timestamp,
    /// Attributes.
    pub tags: InstanceTags,
}

/// What registering an instance came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// New, and durable.
    Stored,
    /// The same UID with the same bytes was there already: success, nothing to do.
    AlreadyStored,
    /// The same UID with other bytes was there already: the first stands, both are kept, a person judges.
    Conflict,
}
