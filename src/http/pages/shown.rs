//! What a page shows once it may: the AI's result, reads, the outcome. Made from views of `reading` only.

use std::collections::BTreeMap;

use super::frame::Look;
use crate::http::state::AppState;
use crate::http::study_status::refusal_of;
use crate::http::words;
use crate::reading::{AiShown, Conclusion, ImageSet, Overrule, OwnRead, Read, RevealedView, Slot};
use crate::vocab::{AiOutcome, AiResult, Opinion, Side, UserId};

/// One region of the AI, to jump to.
#[derive(Debug, Clone)]
pub(super) struct RegionLine {
    /// The mark as JSON, for the viewer.
    pub place: String,
    pub words: String,
}

/// The AI's result.
#[derive(Debug, Clone)]
pub(super) struct AiBox {
    pub headline: String,
    pub lines: Vec<String>,
    pub regions: Vec<RegionLine>,
    pub comparison: Option<(&'static str, String)>,
    pub model: Option<String>,
    pub trained_on: Option<String>,
    pub at: String,
    pub late: bool,
}

impl AiBox {
    pub(super) fn new(state: &AppState, look: &Look, set: &ImageSet, shown: &AiShown) -> Self {
        let result = &shown.result;
        let reason = refusal_of(result).map(|(_, words)| words).unwrap_or_default();
        let headline = match &result.outcome {
            AiOutcome::Normal => "Normal".to_owned(),
            AiOutcome::Abnormal => "Abnormal".to_owned(),
            AiOutcome::QualityFail { .. } => format!("Image quality: {reason}"),
            AiOutcome::NotProcessed(_) => format!("Not scored: {reason}"),
        };
        let mut lines = Vec::new();
        if let (Some(score), Some(threshold)) = (result.score, result.threshold) {
            let side = if score >= threshold { "at or above" } else { "below" };
            lines.push(format!(
                "Score {}, {side} the threshold of {}",
                words::score(score),
                words::score(threshold)
            ));
        }
        for finding in result.findings.iter().filter(|finding| finding.flagged) {
            let name =
                finding.code.map_or_else(|| words::plain(&finding.label), |code| code.words().to_owned());
            let side = words::side(finding.side);
            lines.push(format!("{} {side} {}", words::capital(&name), words::score(finding.score)));
        }
        for breast in &result.breasts {
            let side = match breast.side {
                Side::Right => "Right",
                Side::Left => "Left",
            };
            let flag = if breast.flagged { "flagged" } else { "not flagged" };
            lines.push(format!("{side} breast {} ({flag})", words::score(breast.score)));
        }
        let comparison = shown.against_own.as_ref().map(|compared| {
            if compared.discordant {
                ("dr-tag dr-tag--amber", "The AI and you differ".to_owned())
            } else if compared.location_discordant {
                ("dr-tag dr-tag--amber", "You agree, but in different places".to_owned())
            } else if compared.finding_discordant {
                ("dr-tag dr-tag--amber", "You agree, with different findings".to_owned())
            } else {
                ("dr-tag dr-tag--green", "The AI and you agree".to_owned())
            }
        });
        let model = result.model.as_ref();
        let trained_on = model.and_then(|stamp| {
            let known = state.models.models();
            known
                .into_iter()
                .find(|m| m.name == stamp.name && m.version == stamp.version)
                .map(|m| m.trained_on)
        });
        let regions = regions_of(set, result);
        Self {
            headline,
            lines,
            regions,
            comparison,
            model: model.map(|model| format!("{} {}, {}", model.name, model.version, model.operating_point)),
            trained_on: trained_on
                .filter(|text| !text.is_empty())
                .map(|text| format!("Trained on: {}.", words::trained_on(&text))),
            at: look.time(shown.at),
            late: shown.late,
        }
    }
}

fn regions_of(set: &ImageSet, result: &AiResult) -> Vec<RegionLine> {
    result
        .regions
        .iter()
        .zip(1..)
        .filter_map(|(region, number)| {
            let place = serde_json::to_string(&region.mark).ok()?;
            let view = set.images.iter().find(|one| one.sop_instance_uid == region.mark.sop_instance_uid);
            let view = view.and_then(|one| one.view).map(|view| format!(" on {view}")).unwrap_or_default();
            Some(RegionLine { place, words: format!("Place {number}{view}, {}", words::score(region.score)) })
        })
        .collect()
}

/// The person's own read.
#[derive(Debug, Clone)]
pub(super) struct OwnBox {
    pub id: String,
    pub words: String,
    pub blind_words: Option<String>,
    pub current: Opinion,
    pub comment: String,
    pub locked: String,
    pub counts: String,
    pub is_final: bool,
    /// After a reveal, before the person has said whether they keep or change.
    pub must_choose: bool,
}

impl OwnBox {
    pub(super) fn new(look: &Look, own: &OwnRead, full: Option<&Read>) -> Self {
        let counts = match (own.finalised_at, own.finalises_at) {
            (Some(at), _) => format!("Counts since {}", look.time(at)),
            (None, Some(at)) => format!("Counts from {} on", look.time(at)),
            (None, None) => "Counts when you say so".to_owned(),
        };
        let changed = own.blind != own.current;
        let undecided = full.is_some_and(|read| {
            read.revealed_at.is_some()
                && read.kept_at.is_none()
                && !read.versions.iter().any(|v| v.after_reveal)
        });
        Self {
            id: own.id.to_string(),
            words: words::opinion(&own.current),
            blind_words: changed.then(|| words::opinion(&own.blind)),
            current: own.current.clone(),
            comment: words::plain_lines(&own.comment),
            locked: look.time(own.locked_at),
            counts,
            is_final: own.finalised_at.is_some(),
            must_choose: undecided && own.finalised_at.is_none(),
        }
    }
}

/// One read, beside others.
#[derive(Debug, Clone)]
pub(super) struct ReadBox {
    pub title: String,
    pub who: String,
    pub words: String,
    pub blind_words: Option<String>,
    pub at: String,
    pub note: String,
    pub dissent: String,
    pub own: bool,
    /// Id of an own arbitration that does not count yet and may be let count by hand (R3).
    pub may_count: Option<String>,
}

impl ReadBox {
    pub(super) fn new(look: &Look, read: &Read, names: &BTreeMap<UserId, String>, me: UserId) -> Self {
        let name = |id: &UserId| names.get(id).cloned().unwrap_or_else(|| "someone".to_owned());
        let title = match read.slot {
            Slot::First => "First read",
            Slot::Second => "Second read",
            Slot::Third => "Third read",
            Slot::Arbitration => "Arbitration",
        };
        let who: Vec<String> = read.authors.iter().map(name).collect();
        let dissent: Vec<String> = read.dissent.iter().map(name).collect();
        Self {
            title: title.to_owned(),
            who: who.join(", "),
            words: words::opinion(&read.current),
            blind_words: (read.blind != read.current).then(|| words::opinion(&read.blind)),
            at: look.time(read.locked_at),
            note: words::plain_lines(if read.note.is_empty() { &read.comment } else { &read.note }),
            dissent: dissent.join(", "),
            own: read.is_by(me),
            may_count: (read.slot == Slot::Arbitration && read.is_by(me) && read.finalised_at.is_none())
                .then(|| read.id.to_string()),
        }
    }
}

/// The outcome.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub words: String,
    pub at: String,
    pub rule: &'static str,
    pub released: bool,
    pub reason_owed: bool,
    pub addenda: Vec<String>,
}

impl Outcome {
    pub(super) fn new(look: &Look, view: &RevealedView, conclusion: &Conclusion) -> Self {
        Self {
            words: words::opinion(&conclusion.outcome),
            at: look.time(conclusion.at),
            rule: conclusion.rule.code(),
            released: view.released,
            reason_owed: view.overrule == Overrule::Owed,
            addenda: view
                .addenda
                .iter()
                .map(|one| {
                    format!(
                        "{}: {} ({})",
                        look.time(one.at),
                        words::plain(&one.text),
                        words::plain(&one.reason)
                    )
                })
                .collect(),
        }
    }
}
