//! What was said of the patient when the images were asked for: shown before the opinion, and never logged.
//!
//! In: the images of a case and the orders that they are for. Out: lines of text, each once. It is no read of the case: it
//! came with the order or with the images.

use serde::Serialize;

use super::words;
use crate::vocab::{Instance, Order};

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(super) struct History {
    /// `Clinical question`, `Symptoms`, `Reason for study` or `History`.
    pub what: &'static str,
    /// As it was sent, with its line breaks.
    pub words: String,
}

/// What the orders say, then reasons for the study, then the patient's history, in the order of the images.
pub(super) fn history(orders: &[Order], images: &[Instance]) -> Vec<History> {
    let mut said: Vec<History> = Vec::new();
    let questions = orders.iter().map(|order| ("Clinical question", &order.content.reason));
    let symptoms = orders.iter().map(|order| ("Symptoms", &order.content.symptoms));
    let reasons = images.iter().map(|image| ("Reason for study", &image.tags.reason_for_study));
    let histories = images.iter().map(|image| ("History", &image.tags.patient_history));
    for (what, text) in questions.chain(symptoms).chain(reasons).chain(histories) {
        let lines: Vec<String> = text.lines().map(|line| words::plain(line.trim_end())).collect();
        let one = History { what, words: lines.join("\n").trim().to_owned() };
        // The images often repeat the order.
        if !one.words.is_empty() && said.iter().all(|earlier| earlier.words != one.words) {
            said.push(one);
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::InstanceTags;

    #[test]
    fn each_thing_is_said_once_the_reason_first() {
        let image = |reason: &str, history: &str| {
            let mut image = crate::http::test_instance("1.2.3.1");
            image.tags = InstanceTags {
                reason_for_study: reason.to_owned(),
                patient_history: history.to_owned(),
                ..InstanceTags::default()
            };
            image
        };
        let said = history(&[], &[image("", "Lump\nleft  "), image("Screening\u{202e}", "Lump\nleft")]);
        assert_eq!(
            said,
            [
                History { what: "Reason for study", words: "Screening".to_owned() },
                History { what: "History", words: "Lump\nleft".to_owned() },
            ]
        );
    }
}
