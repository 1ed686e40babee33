//! The opinion form as a page shows it: rows of choices, filled with what was said before.

use super::case::Reason;
use crate::http::opinion_form::{FINDING_ROWS, Fields, MARK_ROWS};
use crate::http::panel::SIGNERS;
use crate::http::words;
use crate::reading::BlindView;
use crate::vocab::{
    Assessment, BreastFeature, BreastOpinion, ChestOpinion, Confidence, FindingCode, InadequateReason,
    Laterality, LevelOfConcern, MammoOpinion, MammoView, Mark, Opinion, Pathway, TechnicalReason, Zone,
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

/// A mark on an image: the hidden field that the viewer fills.
#[derive(Debug, Clone)]
pub(super) struct MarkField {
    pub name: String,
    pub value: String,
}

fn mark_field(fields: &Fields, name: String) -> MarkField {
    MarkField { value: fields.get(&name).unwrap_or_default().to_owned(), name }
}

/// A finding that can be searched for, with the number key of a common one.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub code: &'static str,
    pub words: String,
    pub also: String,
    pub digit: Option<usize>,
}

/// Findings with a number key, in the order of the keys from 1.
const COMMON: [FindingCode; 9] = [
    FindingCode::Nodule,
    FindingCode::Consolidation,
    FindingCode::PleuralEffusion,
    FindingCode::Pneumothorax,
    FindingCode::Cardiomegaly,
    FindingCode::Atelectasis,
    FindingCode::PulmonaryOedema,
    FindingCode::Mass,
    FindingCode::RibFracture,
];

/// The common ones first, then the others.
fn terms() -> Vec<Term> {
    let others = FindingCode::ALL.iter().filter(|code| !COMMON.contains(code));
    COMMON
        .iter()
        .chain(others)
        .map(|code| Term {
            code: code.code(),
            words: words::capital(code.words()),
            also: code.also().join("|"),
            digit: COMMON.iter().position(|common| common == code).map(|at| at + 1),
        })
        .collect()
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
    pub mark: MarkField,
}

/// One row for a mark.
#[derive(Debug, Clone)]
pub(super) struct MarkRow {
    pub number: usize,
    pub feature: Choices,
    pub concern: Choices,
    pub mark: MarkField,
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
    /// Start of the ids of this form's fields: there may be two forms on a page.
    pub at: &'static str,
    pub chest: bool,
    pub terms: Vec<Term>,
    pub findings: Vec<FindingRow>,
    pub inadequate: Choices,
    pub views: Vec<Choices>,
    pub breasts: Vec<BreastRow>,
    /// The part that stands open: that of the opinion which was said before.
    pub open: String,
    /// An arbitration: others may sign, and a note is written.
    pub arbitration: bool,
    /// Who may sign with the reader: sign-in name, and the name that is shown.
    pub colleagues: Vec<(String, String)>,
    /// Reasons for going against the AI, where it has spoken.
    pub overrules: Vec<Reason>,
    /// Numbers of the rows for signatures.
    pub signers: std::ops::Range<usize>,
    pub comment: String,
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
            at: "",
            chest,
            terms: if chest { terms() } else { Vec::new() },
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
            colleagues: Vec::new(),
            overrules: Vec::new(),
            signers: 0..SIGNERS,
            comment: fields.get("comment").unwrap_or_default().to_owned(),
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
        mark: mark_field(fields, format!("mark_{row}")),
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
            number: row + 1,
            mark: mark_field(fields, format!("{side}_mark_{row}")),
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
pub(super) fn fields_of(opinion: &Opinion, comment: &str) -> Fields {
    let mut fields =
        vec![("opinion".to_owned(), opinion.word().to_owned()), ("comment".to_owned(), comment.to_owned())];
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
                say(format!("mark_{row}"), &mark_text(finding.mark.as_ref()));
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
        say(format!("{side}_mark_{row}"), &mark_text(mark.mark.as_ref()));
    }
}

/// A mark as its field carries it.
fn mark_text(mark: Option<&Mark>) -> String {
    mark.and_then(|mark| serde_json::to_string(mark).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::opinion_form::opinion_of;

    #[test]
    fn every_finding_can_be_searched_for_and_the_common_ones_have_a_number() {
        let terms = terms();
        assert_eq!(terms.len(), FindingCode::ALL.len());
        let digits: Vec<usize> = terms.iter().filter_map(|term| term.digit).collect();
        assert_eq!(digits, (1..=9).collect::<Vec<_>>());
    }

    #[test]
    fn an_opinion_survives_the_form() {
        let texts = [
            r#"{"pathway":"chest","opinion":"normal"}"#,
            r#"{"pathway":"chest","opinion":"inadequate","reason":"rotation"}"#,
            r#"{"pathway":"chest","opinion":"abnormal","findings":[{"code":"nodule","side":"left","zone":"upper",
                "confidence":"possible","urgent":true}]}"#,
            r#"{"pathway":"mammo","opinion":"technical_recall","views":[{"view":"RMLO","reason":"blurred"}]}"#,
            r#"{"pathway":"mammo","opinion":"recall","right":{"assessment":"abnormal","marks":
                [{"feature":"mass","concern":"4","mark":{"sop_instance_uid":"1.2","x":1.5,"y":2,"width":3,"height":4}}
                ]},"left":{"assessment":"normal"}}"#,
        ];
        for text in texts {
            let opinion: Opinion = serde_json::from_str(text).unwrap();
            let fields = fields_of(&opinion, "words");
            assert_eq!(opinion_of(opinion.pathway(), &fields).unwrap(), opinion, "{text}");
            assert_eq!(fields.get("comment"), Some("words"));
        }
    }
}
