//! One image as the viewer gets it: what it shows, where its pixels are, and what may be drawn on it.

use serde::Serialize;

use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::http::words;
use crate::reading::{BlindView, CaseView, Read};
use crate::vocab::{
    AiResult, ChestOpinion, Instance, MammoOpinion, MammoView, Mark, Opinion, Pathway, Side, Spacing,
    SpacingKind, View,
};

/// An image that hangs: of the case, or of an earlier study.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub instance: &'a Instance,
    pub pathway: Pathway,
    pub view: Option<View>,
    pub prior: bool,
}

impl Shown<'_> {
    /// The mammographic view.
    pub(super) fn mammo(&self) -> Option<MammoView> {
        match self.view {
            Some(View::Mammo(view)) => Some(view),
            Some(View::Chest(_)) | None => None,
        }
    }

    /// The side, by the view or else by the tags.
    pub(super) fn side(&self) -> Option<Side> {
        let tags = &self.instance.tags;
        let tagged = || [&tags.image_laterality, &tags.laterality].into_iter().find_map(|t| t.parse().ok());
        self.mammo().map(|view| view.side).or_else(tagged)
    }

    /// Short name of what it shows.
    pub(super) fn label(&self) -> String {
        let tags = &self.instance.tags;
        let label = match (self.mammo(), self.pathway) {
            (Some(view), _) => view.to_string(),
            (None, Pathway::Chest) => words::plain(tags.view_position.trim()),
            (None, Pathway::Mammo) => {
                let side =
                    if tags.image_laterality.is_empty() { &tags.laterality } else { &tags.image_laterality };
                words::plain(format!("{side} {}", tags.view_position).trim())
            }
        };
        if label.is_empty() { "view not given".to_owned() } else { label }
    }

    /// When it was taken, as text that sorts: acquisition, else content, else study.
    pub(super) fn taken(&self) -> (&str, &str) {
        let tags = &self.instance.tags;
        let times = [
            (&tags.acquisition_date, &tags.acquisition_time),
            (&tags.content_date, &tags.content_time),
            (&tags.study_date, &tags.study_time),
        ];
        let (date, time) = times.into_iter().find(|(date, _)| !date.is_empty()).unwrap_or(times[2]);
        (date, time)
    }
}

/// A rectangle of the AI.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RegionBody {
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
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A rectangle of a reader.
#[derive(Debug, Clone, Serialize)]
pub(super) struct MarkBody {
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
                let mut marks = Vec::new();
                for read in &all.reads {
                    marks.extend(marks_of(&read.current, &reader(state, caller, read).await?));
                }
                Some(marks)
            }
        };
        Ok(Self { ai, marks })
    }
}

/// Who gave a read.
async fn reader(state: &AppState, caller: &Caller, read: &Read) -> Result<String, HttpError> {
    if read.is_by(caller.user_id) && read.authors.len() == 1 {
        return Ok("You".to_owned());
    }
    let mut names = Vec::with_capacity(read.authors.len());
    for author in &read.authors {
        names.extend(state.store.user(*author).await?.map(|user| words::plain(&user.display_name)));
    }
    Ok(names.join(", "))
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
    let here = |mark: &Mark| mark.sop_instance_uid == *uid && mark.frame <= 1;
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

/// A side in full.
pub(super) fn side_word(side: Side) -> &'static str {
    match side {
        Side::Right => "right",
        Side::Left => "left",
    }
}

fn region_body(mark: &Mark, score: f64) -> RegionBody {
    let words = format!("AI {}", words::score(score));
    RegionBody { x: mark.x, y: mark.y, width: mark.width, height: mark.height, score, words }
}

fn mark_body(mark: &Mark, said: &str, reader: &str) -> MarkBody {
    MarkBody {
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
