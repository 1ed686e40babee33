//! One image as the viewer gets it: what it shows, where its pixels are, and what may be drawn on it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::names::names_of;
use crate::http::shown_image::{Shown, side_word};
use crate::http::state::AppState;
use crate::http::words;
use crate::reading::{BlindView, CaseView, Read};
use crate::vocab::{AiResult, ChestOpinion, MammoOpinion, Mark, Opinion, Spacing, SpacingKind, UserId};

/// A rectangle of the AI.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RegionBody {
    frame: u32,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    score: f64,
    words: String,
}

/// Where the heat map of an image is and lies.
#[derive(Debug, Clone, Serialize)]
pub(super) struct HeatMapBody {
    url: String,
    frame: u32,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A rectangle of a reader.
#[derive(Debug, Clone, Serialize)]
pub(super) struct MarkBody {
    frame: u32,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    words: String,
    reader: String,
}

/// One image.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ImageBody {
    label: String,
    view: Option<String>,
    side: Option<&'static str>,
    date: String,
    time: String,
    prior: bool,
    columns: u32,
    rows: u32,
    frames: u32,
    pixels: String,
    spacing_mm: Option<[f64; 2]>,
    spacing_kind: Option<SpacingKind>,
    orientation: Option<[String; 2]>,
    must_open: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    regions: Option<Vec<RegionBody>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heat_map: Option<HeatMapBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marks: Option<Vec<MarkBody>>,
}

/// What the caller's view of a case lets be drawn on its images.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    ai: Option<AiResult>,
    /// Marks of the reads that the view holds, each with its words and whose it is; `None` where it holds no read.
    marks: Option<Vec<(Mark, String, String)>>,
}

impl Drawn {
    pub(super) async fn of(
        state: &AppState,
        caller: &Caller,
        view: &CaseView,
        ai: Option<AiResult>,
    ) -> Result<Self, HttpError> {
        let marks = match view {
            CaseView::Blind(_) | CaseView::Assisted(_) => None,
            CaseView::Locked(locked) => Some(marks_of(&locked.own.current, "You")),
            CaseView::Revealed(all) => {
                let names =
                    names_of(state, all.reads.iter().flat_map(|read| read.authors.iter().copied())).await?;
                let of = |read: &Read| marks_of(&read.current, &reader(caller, read, &names));
                Some(all.reads.iter().flat_map(of).collect())
            }
        };
        Ok(Self { ai, marks })
    }
}

/// Who gave a read.
fn reader(caller: &Caller, read: &Read, names: &BTreeMap<UserId, String>) -> String {
    if read.is_by(caller.user_id) && read.authors.len() == 1 {
        return "You".to_owned();
    }
    let names: Vec<&str> =
        read.authors.iter().filter_map(|author| names.get(author)).map(String::as_str).collect();
    names.join(", ")
}

fn marks_of(opinion: &Opinion, reader: &str) -> Vec<(Mark, String, String)> {
    let reader = || reader.to_owned();
    match opinion {
        Opinion::Chest(ChestOpinion::Abnormal { findings }) => findings
            .iter()
            .filter_map(|finding| Some((finding.mark.clone()?, words::chest_finding(finding), reader())))
            .collect(),
        Opinion::Mammo(MammoOpinion::Recall { right, left }) => [right, left]
            .into_iter()
            .flat_map(|breast| &breast.marks)
            .filter_map(|mark| {
                let said = format!("{}, level of concern {}", mark.feature.words(), mark.concern.code());
                Some((mark.mark.clone()?, said, reader()))
            })
            .collect(),
        Opinion::Chest(ChestOpinion::Normal | ChestOpinion::Inadequate { .. })
        | Opinion::Mammo(MammoOpinion::Normal | MammoOpinion::TechnicalRecall { .. }) => Vec::new(),
    }
}

/// The body of an image.
pub(super) fn image_body(shown: &Shown<'_>, case: &BlindView, drawn: &Drawn) -> ImageBody {
    let instance = shown.instance;
    let (tags, uid) = (&instance.tags, &instance.sop_instance_uid);
    let spacing = Spacing::of(tags);
    let (date, time) = shown.taken();
    let here = |mark: &Mark| mark.sop_instance_uid == *uid;
    let view = match shown.mammo() {
        Some(view) => Some(view.to_string()),
        None => Some(words::plain(tags.view_position.trim())).filter(|view| !view.is_empty()),
    };
    ImageBody {
        label: shown.label(),
        view,
        side: shown.side().map(side_word),
        date: words::date(date),
        time: clock(time),
        prior: shown.prior,
        columns: tags.columns,
        rows: tags.rows,
        frames: tags.frames.max(1),
        pixels: format!(
            "/dicom-web/studies/{}/series/{}/instances/{uid}/frames/1",
            instance.study_instance_uid, instance.series_instance_uid
        ),
        spacing_mm: spacing.map(|spacing| spacing.mm),
        spacing_kind: spacing.map(|spacing| spacing.kind),
        orientation: orientation(&tags.patient_orientation),
        must_open: case.images_to_open.contains(uid),
        regions: drawn.ai.as_ref().filter(|_| !shown.prior).map(|ai| {
            let regions = ai.regions.iter().filter(|region| here(&region.mark));
            regions.map(|region| region_body(&region.mark, region.score)).collect()
        }),
        heat_map: drawn
            .ai
            .as_ref()
            .and_then(|ai| ai.heat_maps.iter().find(|map| map.place.sop_instance_uid == *uid))
            .map(|map| HeatMapBody {
                url: format!("/api/instances/{uid}/heat-map"),
                frame: map.place.frame.max(1),
                x: map.place.x,
                y: map.place.y,
                width: map.place.width,
                height: map.place.height,
            }),
        marks: drawn.marks.as_ref().filter(|_| !shown.prior).map(|marks| {
            let marks = marks.iter().filter(|(mark, ..)| here(mark));
            marks.map(|(mark, said, reader)| mark_body(mark, said, reader)).collect()
        }),
    }
}

fn region_body(mark: &Mark, score: f64) -> RegionBody {
    let words = format!("AI {}", words::score(score));
    RegionBody {
        frame: mark.frame.max(1),
        x: mark.x,
        y: mark.y,
        width: mark.width,
        height: mark.height,
        score,
        words,
    }
}

fn mark_body(mark: &Mark, said: &str, reader: &str) -> MarkBody {
    MarkBody {
        frame: mark.frame.max(1),
        x: mark.x,
        y: mark.y,
        width: mark.width,
        height: mark.height,
        words: said.to_owned(),
        reader: reader.to_owned(),
    }
}

/// Hours and minutes of a value of Value Representation TM.
fn clock(time: &str) -> String {
    match (time.get(..2), time.get(2..4)) {
        (Some(hours), Some(minutes)) if time.bytes().take(4).all(|b| b.is_ascii_digit()) => {
            format!("{hours}:{minutes}")
        }
        _ => String::new(),
    }
}

/// Patient Orientation (0020,0020), where it names both directions.
fn orientation(text: &str) -> Option<[String; 2]> {
    let (rows, columns) = text.split_once('\\')?;
    let is_direction = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase());
    let both = [rows.trim(), columns.trim()];
    both.iter().all(|part| is_direction(part)).then(|| both.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_and_a_time_are_said_only_where_they_were_sent() {
        assert_eq!(orientation(r"P\FL"), Some(["P".to_owned(), "FL".to_owned()]));
        assert_eq!(orientation(r"P\"), None);
        assert_eq!(orientation(r"P\<b>"), None);
        assert_eq!(
            (clock("104259.5").as_str(), clock("1").as_str(), clock("soon").as_str()),
            ("10:42", "", "")
        );
    }
}
