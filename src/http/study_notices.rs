//! What a radiographer should know of the objects of a study that are stored and not scored.
//!
//! In: the stored instances of a study. Out: notices in words. Pure; never decides what is scored.

use std::collections::BTreeSet;

use super::words;
use crate::vocab::{Instance, InstanceTags, SopClassUid};

const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
/// Computed and digital radiography and digital mammography, for presentation and for processing (PS3.4 table B.5-1).
const READ_HERE: [&str; 5] = ["1", "1.1", "1.1.1", "1.2", "1.2.1"];
/// Views that only mammograms have (PS3.3 section C.8.11.7).
const BREAST_VIEWS: [&str; 4] = ["MLO", "CC", "ML", "LM"];

/// What there is to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Notices {
    /// Whether any object is of a kind that is read here.
    pub reads_any: bool,
    /// In words, each once.
    pub words: Vec<String>,
}

/// The notices on the instances of a study.
pub(super) fn notices(instances: &[Instance]) -> Notices {
    let mut said = BTreeSet::new();
    for instance in instances {
        let disagreement = disagreement(&instance.tags);
        if is_secondary_capture(&instance.sop_class_uid) {
            let more = disagreement.map(|text| format!(" ({text})")).unwrap_or_default();
            said.insert(format!("A Secondary Capture is stored, not scored{more}"));
        } else if !is_read_here(&instance.sop_class_uid) {
            let modality = words::plain(&instance.tags.modality);
            let kind = if modality.is_empty() { String::new() } else { format!(" (modality {modality})") };
            said.insert(format!("An object that is not an X-ray image of ours{kind} is stored, not scored"));
        } else if let Some(text) = disagreement {
            said.insert(words::capital(&text));
        }
    }
    let reads_any = instances.iter().any(|instance| is_read_here(&instance.sop_class_uid));
    Notices { reads_any, words: said.into_iter().collect() }
}

fn is_secondary_capture(class: &SopClassUid) -> bool {
    let kind = class.as_str().strip_prefix(STORAGE);
    kind.is_some_and(|kind| kind == "7" || kind.starts_with("7."))
}

/// Whether objects of a class are images that are read here.
pub(super) fn is_read_here(class: &SopClassUid) -> bool {
    class.as_str().strip_prefix(STORAGE).is_some_and(|kind| READ_HERE.contains(&kind))
}

/// Tags that say breast beside a modality that is not mammography.
fn disagreement(tags: &InstanceTags) -> Option<String> {
    let is_breast = tags.body_part.trim().eq_ignore_ascii_case("BREAST");
    let is_breast_view =
        BREAST_VIEWS.contains(&tags.view_position.trim()) && tags.body_part.trim().is_empty();
    let modality = tags.modality.trim();
    if modality.is_empty() || modality == "MG" || !(is_breast || is_breast_view) {
        return None;
    }
    let mut said = vec![format!("Modality {}", words::plain(modality))];
    let others = [("body part", &tags.body_part), ("view", &tags.view_position)];
    said.extend(
        others
            .into_iter()
            .filter(|(_, value)| !value.trim().is_empty())
            .map(|(name, value)| format!("{name} {}", words::plain(value.trim()))),
    );
    Some(format!("its tags disagree: {}: looks like a mammogram", said.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(modality: &str, body_part: &str, view: &str) -> InstanceTags {
        InstanceTags {
            modality: modality.to_owned(),
            body_part: body_part.to_owned(),
            view_position: view.to_owned(),
            ..InstanceTags::default()
        }
    }

    #[test]
    fn a_film_of_a_breast_that_says_it_is_a_radiograph_disagrees_with_itself() {
        assert_eq!(
            disagreement(&tags("RG", "BREAST", "MLO")).unwrap(),
            "its tags disagree: Modality RG, body part BREAST, view MLO: looks like a mammogram"
        );
        assert_eq!(disagreement(&tags("MG", "BREAST", "MLO")), None);
        assert_eq!(disagreement(&tags("CR", "CHEST", "PA")), None);
        assert_eq!(disagreement(&tags("", "BREAST", "")), None, "nothing is said that could disagree");
    }

    #[test]
    fn only_radiographs_and_mammograms_are_read_here() {
        let is = |uid: &str| is_read_here(&uid.parse().unwrap());
        assert!(is("1.2.840.10008.5.1.4.1.1.1"));
        assert!(is("1.2.840.10008.5.1.4.1.1.1.2"));
        assert!(!is("1.2.840.10008.5.1.4.1.1.7"));
        assert!(!is("1.2.840.10008.5.1.4.1.1.13.1.3"));
        assert!(is_secondary_capture(&"1.2.840.10008.5.1.4.1.1.7.4".parse().unwrap()));
    }
}
