//! `Doubleread-Frame`: the facts that a viewer needs beside the samples of a frame, as JSON in a header.

use axum::http::HeaderValue;
use serde_json::{Value, json};

use crate::http::error::HttpError;
use crate::prepare::FrameAttributes;
use crate::vocab::{Instance, Spacing};

/// Name of the header.
pub(super) const NAME: &str = "doubleread-frame";

/// Its value; the VOI LUT's entries are at `voi_lut_url`.
pub(super) fn value(
    attributes: &FrameAttributes,
    instance: &Instance,
    voi_lut_url: &str,
) -> Result<HeaderValue, HttpError> {
    let internal = |error: &(dyn std::error::Error + 'static)| HttpError::internal(error);
    let mut facts = serde_json::to_value(attributes).map_err(|error| internal(&error))?;
    if let Value::Object(facts) = &mut facts {
        facts.remove("pixel_spacing_mm");
        if let Some(Value::Object(table)) = facts.get_mut("voi_lut") {
            table.insert("url".to_owned(), json!(voi_lut_url));
        }
        let spacing = Spacing::of(&instance.tags);
        facts.insert("spacing".to_owned(), json!(spacing));
    }
    HeaderValue::from_str(&ascii(&facts.to_string())).map_err(|error| internal(&error))
}

/// JSON whose text is within ASCII, as a header has to be (RFC 8259 section 7).
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_beyond_ascii_survive_a_header() {
        let text = json!({ "explanation": "Weichteil größer 𝄞" }).to_string();
        let sent = ascii(&text);
        assert!(sent.is_ascii());
        assert_eq!(serde_json::from_str::<Value>(&sent).unwrap()["explanation"], "Weichteil größer 𝄞");
    }
}
