//! The opinion form: its fields, and the opinion that they say.
//!
//! In: the fields that a page sent. Out: an [`Opinion`], or what is missing in words. Whether the opinion is one that
//! may be given is for `reading` to say.

use std::str::FromStr;

use super::error::HttpError;
use super::opinions::{Said, too_long};
use crate::vocab::{
    Assessment, BreastOpinion, ChestFinding, ChestOpinion, InvalidValue, MammoMark, MammoOpinion, MammoView,
    Mark, Opinion, Pathway, ViewRecall,
};

/// Findings that the chest form has rows for.
pub(super) const FINDING_ROWS: usize = 6;
/// Marks that the form has rows for, per breast.
pub(super) const MARK_ROWS: usize = 4;
/// Longest comment, in characters; a comment is a line or two beside an opinion.
pub(super) const LONGEST_COMMENT: usize = 2_000;

/// The fields of a form, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first value of a field that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// All values of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.trim())
    }

    /// A field that must be there.
    pub(super) fn need<T>(&self, name: &'static str) -> Result<T, HttpError>
    where
        T: FromStr<Err = InvalidValue>,
    {
        self.optional(name)?.ok_or_else(|| HttpError::BadRequest(format!("{name} is missing")))
    }

    /// A field that may be there.
    pub(super) fn optional<T>(&self, name: &str) -> Result<Option<T>, HttpError>
    where
        T: FromStr<Err = InvalidValue>,
    {
        Ok(self.get(name).map(str::parse).transpose()?)
    }
}

/// The opinion and the words that the fields say.
///
/// # Errors
/// As [`opinion_of`], and a comment that is too long to be one.
pub(super) fn said(pathway: Pathway, fields: &Fields) -> Result<Said, HttpError> {
    let comment = fields.get("comment").unwrap_or_default().to_owned();
    if comment.chars().count() > LONGEST_COMMENT {
        return Err(too_long("comment"));
    }
    Ok(Said { opinion: opinion_of(pathway, fields)?, comment })
}

/// A mark as the viewer wrote it into its field.
fn mark(fields: &Fields, name: &str) -> Result<Option<Mark>, HttpError> {
    let wrong = |_| HttpError::BadRequest(format!("{name} is not a mark on an image"));
    fields.get(name).map(|text| serde_json::from_str::<Mark>(text).map_err(wrong)).transpose()
}

/// The opinion that the fields say.
///
/// # Errors
/// A code that is not one of the known ones, or a field that is missing.
pub(super) fn opinion_of(pathway: Pathway, fields: &Fields) -> Result<Opinion, HttpError> {
    match pathway {
        Pathway::Chest => chest(fields).map(Opinion::Chest),
        Pathway::Mammo => mammo(fields).map(Opinion::Mammo),
    }
}

pub(super) fn incomplete(message: &str) -> HttpError {
    HttpError::Refused { code: "opinion_incomplete", message: message.to_owned() }
}

fn chest(fields: &Fields) -> Result<ChestOpinion, HttpError> {
    match fields.get("opinion") {
        Some("normal") => Ok(ChestOpinion::Normal),
        Some("inadequate") => Ok(ChestOpinion::Inadequate { reason: fields.need("reason")? }),
        Some("abnormal") => {
            let mut findings = Vec::new();
            for row in 0..FINDING_ROWS {
                let Some(code) = fields.optional(&format!("finding_{row}"))? else { continue };
                findings.push(ChestFinding {
                    code,
                    side: fields.optional(&format!("side_{row}"))?,
                    zone: fields.optional(&format!("zone_{row}"))?,
                    confidence: fields.optional(&format!("confidence_{row}"))?,
                    urgent: fields.get(&format!("urgent_{row}")).is_some(),
                    mark: mark(fields, &format!("mark_{row}"))?,
                });
            }
            if findings.is_empty() {
                return Err(incomplete("choose at least one finding"));
            }
            Ok(ChestOpinion::Abnormal { findings })
        }
        _ => Err(incomplete("choose normal, abnormal or inadequate")),
    }
}

fn mammo(fields: &Fields) -> Result<MammoOpinion, HttpError> {
    match fields.get("opinion") {
        Some("normal") => Ok(MammoOpinion::Normal),
        Some("technical_recall") => {
            let mut views = Vec::new();
            for (name, reason) in &fields.0 {
                let Some(view) = name.strip_prefix("view_").filter(|_| !reason.trim().is_empty()) else {
                    continue;
                };
                views.push(ViewRecall { view: view.parse::<MammoView>()?, reason: reason.trim().parse()? });
            }
            if views.is_empty() {
                return Err(incomplete("name at least one view and the reason"));
            }
            Ok(MammoOpinion::TechnicalRecall { views })
        }
        Some("recall") => {
            let (right, left) = (breast(fields, "right")?, breast(fields, "left")?);
            if right.assessment == Assessment::Normal && left.assessment == Assessment::Normal {
                return Err(incomplete("say which breast to recall for"));
            }
            Ok(MammoOpinion::Recall { right, left })
        }
        _ => Err(incomplete("choose normal, technical recall or recall")),
    }
}

fn breast(fields: &Fields, side: &str) -> Result<BreastOpinion, HttpError> {
    let mut marks = Vec::new();
    for row in 0..MARK_ROWS {
        let feature = fields.optional(&format!("{side}_feature_{row}"))?;
        let concern = fields.optional(&format!("{side}_concern_{row}"))?;
        let mark = mark(fields, &format!("{side}_mark_{row}"))?;
        match (feature, concern, &mark) {
            (Some(feature), Some(concern), _) => marks.push(MammoMark { feature, concern, mark }),
            (None, None, None) => {}
            _ => return Err(incomplete("a mark needs both its feature and its level of concern")),
        }
    }
    Ok(BreastOpinion { assessment: fields.optional(side)?.unwrap_or(Assessment::Normal), marks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn one_field_is_enough_for_normal() {
        let form = fields(&[("opinion", "normal")]);
        assert_eq!(opinion_of(Pathway::Chest, &form).unwrap(), Opinion::Chest(ChestOpinion::Normal));
        assert_eq!(opinion_of(Pathway::Mammo, &form).unwrap(), Opinion::Mammo(MammoOpinion::Normal));
    }

    #[test]
    fn empty_rows_are_no_findings_and_none_at_all_is_incomplete() {
        let form = fields(&[
            ("opinion", "abnormal"),
            ("finding_0", ""),
            ("finding_2", "nodule"),
            ("side_2", "left"),
        ]);
        let Opinion::Chest(ChestOpinion::Abnormal { findings }) = opinion_of(Pathway::Chest, &form).unwrap()
        else {
            panic!("not abnormal")
        };
        assert_eq!(findings.len(), 1);
        let none = opinion_of(Pathway::Chest, &fields(&[("opinion", "abnormal")])).unwrap_err();
        assert_eq!(none.code(), "opinion_incomplete");
        assert!(opinion_of(Pathway::Chest, &fields(&[])).is_err());
    }

    #[test]
    fn a_mark_comes_with_its_finding_and_what_is_none_is_refused() {
        let mark = r#"{"sop_instance_uid":"1.2.3","frame":1,"x":10.5,"y":20,"width":30,"height":40}"#;
        let form = |mark| {
            fields(&[("opinion", "abnormal"), ("finding_0", "nodule"), ("mark_0", mark), ("comment", "apex")])
        };
        let said = said(Pathway::Chest, &form(mark)).unwrap();
        assert_eq!(said.comment, "apex");
        let Opinion::Chest(ChestOpinion::Abnormal { findings }) = said.opinion else {
            panic!("not abnormal")
        };
        assert_eq!(findings[0].mark.as_ref().map(|mark| mark.x), Some(10.5));
        for wrong in ["x", "{}", r#"{"sop_instance_uid":"../1","x":1,"y":1,"width":1,"height":1}"#] {
            assert_eq!(
                super::said(Pathway::Chest, &form(wrong)).map(|_| ()).unwrap_err().code(),
                "bad_request"
            );
        }
        let long = "x".repeat(LONGEST_COMMENT + 1);
        let wordy = fields(&[("opinion", "normal"), ("comment", &long)]);
        assert_eq!(super::said(Pathway::Chest, &wordy).map(|_| ()).unwrap_err().code(), "comment_too_long");
    }

    #[test]
    fn a_technical_recall_names_views_and_reasons() {
        let form = fields(&[("opinion", "technical_recall"), ("view_RCC", ""), ("view_LMLO", "blurred")]);
        let Opinion::Mammo(MammoOpinion::TechnicalRecall { views }) =
            opinion_of(Pathway::Mammo, &form).unwrap()
        else {
            panic!("not a technical recall")
        };
        assert_eq!(views.len(), 1);
        assert_eq!(views[0].view.to_string(), "LMLO");
    }

    #[test]
    fn a_recall_needs_a_breast_and_a_mark_needs_both_parts() {
        let nothing = fields(&[("opinion", "recall"), ("right", "normal")]);
        assert!(opinion_of(Pathway::Mammo, &nothing).is_err());
        let half = fields(&[("opinion", "recall"), ("right", "abnormal"), ("right_feature_0", "mass")]);
        assert!(opinion_of(Pathway::Mammo, &half).is_err());
        let whole = fields(&[
            ("opinion", "recall"),
            ("right", "abnormal"),
            ("right_feature_0", "mass"),
            ("right_concern_0", "4"),
        ]);
        assert!(opinion_of(Pathway::Mammo, &whole).is_ok());
    }
}
