//! The data set of a file as DICOM JSON (PS3.18 annex F), and single values of it as bytes.
//!
//! In: the path of a Part-10 file. Out: JSON without pixel data; long binary values of the data set itself are named by
//! an address that the caller completes. Runs in the supervised child only: it reads by `dicom-object`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dicom_core::header::Header as _;
use dicom_core::value::Value as DicomValue;
use dicom_core::{Tag, VR};
use dicom_object::mem::InMemElement;
use dicom_object::{DefaultDicomObject, InMemDicomObject, OpenFileOptions, StandardDataDictionary};
use serde_json::{Map, Value, json};

use super::limits::Limits;
use super::prepared::{RenderError, refusal};
use crate::vocab::NotProcessedReason as Reason;

/// Binary values up to this many bytes stand in the JSON itself; longer ones have an address.
const INLINE: usize = 16 << 10;
/// Start of the address of a longer value; its tag follows.
pub const BULK: &str = "bulkdata/";
const PIXEL_GROUP: u16 = 0x7FE0;
const CHARACTER_SET: Tag = Tag(0x0008, 0x0005);

/// The data set of the file at `path`, as the text of one JSON object.
pub fn metadata(path: &Path, limits: &Limits) -> Result<Vec<u8>, RenderError> {
    let file = open(path, limits)?;
    let mut object = object_of(&file, true);
    // The text below is UTF-8 whatever the file was in (PS3.18 section F.2).
    object.insert("00080005".to_owned(), json!({ "vr": "CS", "Value": ["ISO_IR 192"] }));
    serde_json::to_vec(&object).map_err(|error| unreadable(&error))
}

/// The bytes of one element of the data set itself, by its eight hexadecimal digits; `None` where it has no such value.
pub fn bulk_value(path: &Path, tag: u32, limits: &Limits) -> Result<Option<Vec<u8>>, RenderError> {
    let tag = Tag((tag >> 16) as u16, (tag & 0xFFFF) as u16);
    let file = open(path, limits)?;
    let Ok(element) = file.element(tag) else { return Ok(None) };
    Ok(element.to_bytes().ok().map(|bytes| bytes.into_owned()))
}

fn unreadable(error: &dyn std::fmt::Display) -> RenderError {
    // What a library says of hostile bytes is not repeated.
    let _ = error;
    RenderError::NotDecoded(refusal(Reason::Undecodable, "the data set can't be read"))
}

/// All that comes before the pixel data.
fn open(path: &Path, limits: &Limits) -> Result<DefaultDicomObject, RenderError> {
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > limits.max_file_bytes {
        return Err(RenderError::NotDecoded(refusal(Reason::TooLarge, "the file is over the limit")));
    }
    let pixels = Tag(PIXEL_GROUP, 0x0000);
    OpenFileOptions::new().read_until(pixels).open_file(path).map_err(|error| unreadable(&error))
}

fn object_of(object: &InMemDicomObject, is_root: bool) -> Map<String, Value> {
    let mut json = Map::new();
    for element in object {
        let tag = element.header().tag();
        let is_data = tag.element() != 0 && tag.group() > 2 && tag.group() != PIXEL_GROUP;
        if is_data && tag != CHARACTER_SET {
            json.insert(format!("{:04X}{:04X}", tag.group(), tag.element()), element_of(element, is_root));
        }
    }
    json
}

fn element_of(element: &InMemElement<StandardDataDictionary>, is_root: bool) -> Value {
    let tag = element.header().tag();
    let vr = element.vr();
    let mut json = Map::new();
    json.insert("vr".to_owned(), json!(vr.to_string()));
    if let DicomValue::Sequence(sequence) = element.value() {
        let items: Vec<Value> =
            sequence.items().iter().map(|item| Value::Object(object_of(item, false))).collect();
        if !items.is_empty() {
            json.insert("Value".to_owned(), Value::Array(items));
        }
        return Value::Object(json);
    }
    if is_binary(vr) {
        match element.to_bytes() {
            Ok(bytes) if bytes.is_empty() => {}
            Ok(bytes) if bytes.len() <= INLINE => {
                json.insert("InlineBinary".to_owned(), json!(STANDARD.encode(&bytes)));
            }
            // Of an item, which has no address, a long value is left out.
            Ok(_) if is_root => {
                let address = format!("{BULK}{:04X}{:04X}", tag.group(), tag.element());
                json.insert("BulkDataURI".to_owned(), json!(address));
            }
            Ok(_) | Err(_) => {}
        }
        return Value::Object(json);
    }
    let values = values_of(element, vr);
    if values.iter().any(|value| !value.is_null()) {
        json.insert("Value".to_owned(), Value::Array(values));
    }
    Value::Object(json)
}

fn is_binary(vr: VR) -> bool {
    matches!(vr, VR::OB | VR::OD | VR::OF | VR::OL | VR::OV | VR::OW | VR::UN)
}

/// Values by their representation (PS3.18 table F.2.3-1); empty ones are null (section F.2.5).
fn values_of(element: &InMemElement<StandardDataDictionary>, vr: VR) -> Vec<Value> {
    let texts = || -> Vec<String> {
        let texts = element.to_multi_str().map(|texts| texts.into_owned()).unwrap_or_default();
        texts.iter().map(|text| text.trim_end_matches(['\0', ' ']).trim_start().to_owned()).collect()
    };
    let text = |text: String| if text.is_empty() { Value::Null } else { Value::String(text) };
    match vr {
        VR::US | VR::SS | VR::UL | VR::SL | VR::SV | VR::UV => {
            element.to_multi_int::<i64>().unwrap_or_default().into_iter().map(|n| json!(n)).collect()
        }
        // Numbers that JSON does not have are left null.
        VR::FL | VR::FD => {
            element.to_multi_float64().unwrap_or_default().into_iter().map(|n| json!(n)).collect()
        }
        VR::IS => {
            texts().into_iter().map(|t| t.parse::<i64>().map_or_else(|_| text(t), |n| json!(n))).collect()
        }
        VR::DS => texts()
            .into_iter()
            .map(|t| match t.parse::<f64>() {
                Ok(number) if number.is_finite() => json!(number),
                _ => text(t),
            })
            .collect(),
        VR::AT => {
            let tags = element.value().to_multi_str().map(|tags| tags.into_owned()).unwrap_or_default();
            let digits = |tag: &String| tag.chars().filter(char::is_ascii_hexdigit).collect::<String>();
            tags.iter().map(|tag| json!(digits(tag).to_uppercase())).collect()
        }
        VR::PN => texts().into_iter().map(|name| person(&name)).collect(),
        _ => texts().into_iter().map(text).collect(),
    }
}

/// Component groups of a name (PS3.18 section F.2.2).
fn person(name: &str) -> Value {
    let groups = ["Alphabetic", "Ideographic", "Phonetic"].into_iter().zip(name.split('='));
    let json: Map<String, Value> = groups
        .filter(|(_, group)| !group.is_empty())
        .map(|(kind, group)| (kind.to_owned(), json!(group)))
        .collect();
    if json.is_empty() { Value::Null } else { Value::Object(json) }
}
