//! The opinion form as a page shows it: rows of choices, filled with what was said before.

use crate::http::opinion_form::{FINDING_ROWS, Fields, MARK_ROWS};
use crate::http::words;
use crate::reading::BlindView;
use crate::vocab::{
    Assessment, BreastFeature, BreastOpinion, ChestOpinion, Confidence, FindingCode, InadequateReason,
    Laterality, LevelOfConcern, MammoOpinion, MammoView, Opinion, Pathway, TechnicalReason, Zone,
};

/// One way to answer.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub code: &'static str,
    pub words: String,
    pub chosen: bool,
}

/// One question with ready answers.
#[derive(Debug, Clone)]
pub(super) struct Choices {
    pub name: String,
    pub label: String,
    pub choices: Vec<Choice>,
}

/// One row for a finding.
#[derive(Debug, Clone)]
pub(super) struct FindingRow {
    pub number: usize,
    pub finding: Choices,
    pub side: Choices,
    pub zone: Choices,
    pub confidence: Choices,
    pub urgent_name: String,
    pub urgent: bool,
}

/// One row for a mark.
#[derive(Debug, Clone)]
pub(super) struct MarkRow {
    pub feature: Choices,
    pub concern: Choices,
}

/// The questions about one breast.
#[derive(Debug, Clone)]
pub(super) struct BreastRow {
    pub words: &'static str,
    pub assessment: Choices,
    pub marks: Vec<MarkRow>,
}

/// The form.
#[derive(Debug, Clone)]
pub(super) struct OpinionForm {
    pub action: String,
    pub csrf: String,
    pub claim: String,
    pub read: String,
    pub chest: bool,
    pub findings: Vec<FindingRow>,
    pub inadequate: Choices,
    pub views: Vec<Choices>,
    pub breasts: Vec<BreastRow>,
    /// The part that stands open: that of the opinion which was said before.
    pub open: String,
    /// Text of an arbitration: authors may be named and a note written.
    pub arbitration: bool,
    pub note: String,
}

fn choices<T: Copy>(
    fields: &Fields,
    name: String,
    label: &str,
    all: &[T],
    code: impl Fn(T) -> &'static str,
    said: impl Fn(T) -> String,
) -> Choices {
    let chosen = fields.get(&name).unwrap_or_default().to_owned();
    let choices = all
        .iter()
        .map(|one| Choice { code: code(*one), words: said(*one), chosen: code(*one) == chosen })
        .collect();
    Choices { name, label: label.to_owned(), choices }
}

impl OpinionForm {
    /// A form for a case that posts to `action`, filled from `fields`.
    pub(super) fn new(case: &BlindView, action: &str, csrf: &str, fields: &Fields) -> Self {
        let chest = case.set.pathway == Pathway::Chest;
        let mut views: Vec<MammoView> = MammoView::STANDARD.to_vec();
        for image in &case.set.images {
            if let Some(view) = image.view.filter(|view| !views.contains(view)) {
                views.push(view);
            }
        }
        Self {
            action: action.to_owned(),
            csrf: csrf.to_owned(),
            claim: case.claim.as_ref().map(|claim| claim.token.to_string()).unwrap_or_default(),
            read: String::new(),
            chest,
            findings: if chest {
                (0..FINDING_ROWS).map(|row| finding_row(fields, row)).collect()
            } else {
                Vec::new()
            },
            inadequate: choices(
                fields,
                "reason".to_owned(),
                "Reason",
                InadequateReason::ALL,
                InadequateReason::code,
                |reason| words::capital(&words::code_words(reason.code())),
            ),
            views: views
                .into_iter()
                .map(|view| {
                    choices(
                        fields,
                        format!("view_{view}"),
                        &view.to_string(),
                        TechnicalReason::ALL,
                        TechnicalReason::code,
                        |reason| words::capital(&words::code_words(reason.code())),
                    )
                })
                .collect(),
            breasts: ["right", "left"].into_iter().map(|side| breast_row(fields, side)).collect(),
            open: fields.get("opinion").unwrap_or_default().to_owned(),
            arbitration: false,
            note: fields.get("note").unwrap_or_default().to_owned(),
        }
    }
}

fn finding_row(fields: &Fields, row: usize) -> FindingRow {
    let capital = |text: &str| words::capital(text);
    FindingRow {
        number: row + 1,
        finding: choices(
            fields,
            format!("finding_{row}"),
            "Finding",
            FindingCode::ALL,
            FindingCode::code,
            |code| capital(code.words()),
        ),
        side: choices(fields, format!("side_{row}"), "Side", Laterality::ALL, Laterality::code, |side| {
            capital(words::side(Some(side)))
        }),
        zone: choices(fields, format!("zone_{row}"), "Zone", Zone::ALL, Zone::code, |zone| {
            capital(zone.code())
        }),
        confidence: choices(
            fields,
            format!("confidence_{row}"),
            "How sure",
            Confidence::ALL,
            Confidence::code,
            |confidence| capital(confidence.code()),
        ),
        urgent_name: format!("urgent_{row}"),
        urgent: fields.get(&format!("urgent_{row}")).is_some(),
    }
}

fn breast_row(fields: &Fields, side: &'static str) -> BreastRow {
    let mut assessment =
        choices(fields, side.to_owned(), "Assessment", Assessment::ALL, Assessment::code, |one| match one {
            Assessment::Normal => "Normal".to_owned(),
            Assessment::Clinical => "Clinical signs".to_owned(),
            Assessment::Abnormal => "Abnormal".to_owned(),
        });
    if !assessment.choices.iter().any(|choice| choice.chosen)
        && let Some(first) = assessment.choices.first_mut()
    {
        first.chosen = true;
    }
    let marks = (0..MARK_ROWS)
        .map(|row| MarkRow {
            feature: choices(
                fields,
                format!("{side}_feature_{row}"),
                "Feature",
                BreastFeature::ALL,
                BreastFeature::code,
                |feature| words::capital(feature.words()),
            ),
            concern: choices(
                fields,
                format!("{side}_concern_{row}"),
                "Level of concern",
                LevelOfConcern::ALL,
                LevelOfConcern::code,
                |concern| match concern {
                    LevelOfConcern::Normal => "1 normal".to_owned(),
                    LevelOfConcern::Benign => "2 benign".to_owned(),
                    LevelOfConcern::Indeterminate => "3 indeterminate".to_owned(),
                    LevelOfConcern::Suspicious => "4 suspicious".to_owned(),
                    LevelOfConcern::HighlySuspicious => "5 highly suspicious".to_owned(),
                },
            ),
        })
        .collect();
    BreastRow { words: if side == "right" { "Right breast" } else { "Left breast" }, assessment, marks }
}

/// The fields that say an opinion again, for changing it.
pub(super) fn fields_of(opinion: &Opinion) -> Fields {
    let mut fields = vec![("opinion".to_owned(), opinion.word().to_owned())];
    let mut say = |name: String, value: &str| fields.push((name, value.to_owned()));
    match opinion {
        Opinion::Chest(ChestOpinion::Normal) | Opinion::Mammo(MammoOpinion::Normal) => {}
        Opinion::Chest(ChestOpinion::Inadequate { reason }) => say("reason".to_owned(), reason.code()),
        Opinion::Chest(ChestOpinion::Abnormal { findings }) => {
            for (row, finding) in findings.iter().enumerate() {
                say(format!("finding_{row}"), finding.code.code());
                say(format!("side_{row}"), finding.side.map_or("", Laterality::code));
                say(format!("zone_{row}"), finding.zone.map_or("", Zone::code));
                say(format!("confidence_{row}"), finding.confidence.map_or("", Confidence::code));
                if finding.urgent {
                    say(format!("urgent_{row}"), "yes");
                }
            }
        }
        Opinion::Mammo(MammoOpinion::TechnicalRecall { views }) => {
            for one in views {
                say(format!("view_{}", one.view), one.reason.code());
            }
        }
        Opinion::Mammo(MammoOpinion::Recall { right, left }) => {
            for (side, breast) in [("right", right), ("left", left)] {
                say_breast(&mut say, side, breast);
            }
        }
    }
    Fields(fields)
}

fn say_breast(say: &mut impl FnMut(String, &str), side: &str, breast: &BreastOpinion) {
    say(side.to_owned(), breast.assessment.code());
    for (row, mark) in breast.marks.iter().enumerate() {
        say(format!("{side}_feature_{row}"), mark.feature.code());
        say(format!("{side}_concern_{row}"), mark.concern.code());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::opinion_form::opinion_of;

    #[test]
    fn an_opinion_survives_the_form() {
        let texts = [
            r#"{"pathway":"chest","opinion":"normal"}"#,
            r#"{"pathway":"chest","opinion":"inadequate","reason":"rotation"}"#,
            r#"{"pathway":"chest","opinion":"abnormal","findings":[{"code":"nodule","side":"left","zone":"upper",
                "confidence":"possible","urgent":true}]}"#,
            r#"{"pathway":"mammo","opinion":"technical_recall","views":[{"view":"RMLO","reason":"blurred"}]}"#,
            r#"{"pathway":"mammo","opinion":"recall","right":{"assessment":"abnormal","marks":
                [{"feature":"mass","concern":"4"}]},"left":{"assessment":"normal"}}"#,
        ];
        for text in texts {
            let opinion: Opinion = serde_json::from_str(text).unwrap();
            assert_eq!(opinion_of(opinion.pathway(), &fields_of(&opinion)).unwrap(), opinion, "{text}");
        }
    }
}
