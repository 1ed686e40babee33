//! Attributes in DICOM JSON (PS3.18 annex F), made of what was picked out of objects.

use serde_json::{Map, Value, json};

/// One data set of an answer.
#[derive(Debug, Default)]
pub(super) struct Attributes(Map<String, Value>);

impl Attributes {
    /// Adds texts; empty ones leave an attribute without a value, as one that is known to be empty.
    pub(super) fn texts(
        mut self,
        tag: u32,
        vr: &'static str,
        texts: impl IntoIterator<Item = String>,
    ) -> Self {
        let texts: Vec<Value> =
            texts.into_iter().filter(|text| !text.is_empty()).map(Value::String).collect();
        self.insert(tag, vr, texts);
        self
    }

    /// Adds one text.
    pub(super) fn text(self, tag: u32, vr: &'static str, text: &str) -> Self {
        self.texts(tag, vr, [text.to_owned()])
    }

    /// Adds a number.
    pub(super) fn number(mut self, tag: u32, vr: &'static str, number: Option<i64>) -> Self {
        self.insert(tag, vr, number.into_iter().map(|number| json!(number)).collect());
        self
    }

    /// Adds a name with its component groups.
    pub(super) fn name(mut self, tag: u32, name: &str) -> Self {
        let groups = ["Alphabetic", "Ideographic", "Phonetic"].into_iter().zip(name.split('='));
        let groups: Map<String, Value> = groups
            .filter(|(_, group)| !group.is_empty())
            .map(|(kind, group)| (kind.to_owned(), json!(group)))
            .collect();
        let values = if groups.is_empty() { Vec::new() } else { vec![Value::Object(groups)] };
        self.insert(tag, "PN", values);
        self
    }

    fn insert(&mut self, tag: u32, vr: &'static str, values: Vec<Value>) {
        let mut element = Map::new();
        element.insert("vr".to_owned(), json!(vr));
        if !values.is_empty() {
            element.insert("Value".to_owned(), Value::Array(values));
        }
        self.0.insert(format!("{tag:08X}"), Value::Object(element));
    }

    /// The data set, its elements in the order of their tags.
    pub(super) fn finish(mut self) -> Value {
        self.0.sort_keys();
        Value::Object(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_without_a_value_has_none() {
        let set = Attributes::default()
            .name(0x0010_0010, "Yamada^Tarou=山田^太郎")
            .text(0x0008_0050, "SH", "")
            .number(0x0020_1208, "IS", Some(4))
            .finish();
        let expected = json!({
            "00080050": { "vr": "SH" },
            "00100010": { "vr": "PN", "Value": [{ "Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎" }] },
            "00201208": { "vr": "IS", "Value": [4] },
        });
        assert_eq!(set.to_string(), expected.to_string());
    }
}
