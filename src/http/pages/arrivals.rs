//! Lines of the list of arrivals: each study in words, what failed first, and whether the patient is needed once more.
//!
//! In: the studies of the last hours and who looks. Out: lines, and the rows of the table made of them. What the AI or a
//! reader said is in a line only where `study_status` lets this person see it.

use askama::Template;

use super::frame::Look;
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::http::study_status::{Phase, Status, Tone, phases, repeat_needed, status};
use crate::http::words;
use crate::store::Study;

/// One study.
#[derive(Debug, Clone, serde::Serialize)]
pub(in crate::http) struct Line {
    pub study_instance_uid: String,
    pub name: String,
    pub id: String,
    pub accession: String,
    pub exam: String,
    pub sender: String,
    pub arrived: String,
    /// Whether all views are there.
    pub whole: Option<Phase>,
    /// Which order it is for, where orders are sent here.
    pub order: Option<Phase>,
    /// Whether the AI took the images.
    pub ai: Option<Phase>,
    /// The phase that it has reached, or the one that failed.
    pub place: Phase,
    /// Why the images have to be taken again, where they have.
    pub repeat: Option<String>,
}

#[derive(Template)]
#[template(path = "arrivals_rows.html")]
struct Rows<'a> {
    lines: &'a [Line],
}

/// The rows of the table.
pub(in crate::http) fn rows(lines: &[Line]) -> Result<String, HttpError> {
    Rows { lines }.render().map_err(|error| HttpError::internal(&error))
}

/// Lines of the arrivals of the last hours, newest first; those whose patient is needed once more stand first.
pub(in crate::http) async fn latest(
    state: &AppState,
    look: &Look,
    caller: &Caller,
) -> Result<Vec<Line>, HttpError> {
    let since = look.now().plus_minutes(-state.settings.arrivals_hours * 60);
    let mut studies = crate::http::arrivals(state, caller, state.settings.arrival_lines).await?;
    studies.retain(|study| study.last_arrival_at >= since && caller.may_see(&study.site));
    let mut lines = lines_of(state, look, caller, studies).await?;
    lines.sort_by_key(|line| line.repeat.is_none());
    Ok(lines)
}

/// Lines of studies, in their order.
pub(super) async fn lines_of(
    state: &AppState,
    look: &Look,
    caller: &Caller,
    studies: Vec<Study>,
) -> Result<Vec<Line>, HttpError> {
    let mut lines = Vec::with_capacity(studies.len());
    for study in studies {
        lines.push(line(look, &status(state, caller, &study.study_instance_uid).await?));
    }
    Ok(lines)
}

fn line(look: &Look, status: &Status) -> Line {
    let all = phases(status);
    let study = &status.study;
    // An order that is missing stops nothing, and has a column of its own.
    let failing = all.iter().find(|phase| phase.tone == Tone::Bad && phase.name != "Order");
    let place = failing.or(all.iter().find(|phase| phase.tone == Tone::Waiting)).or(all.last());
    let named = |name: &str| all.iter().find(|phase| phase.name == name).cloned();
    let accession = study.accession_number.as_ref();
    Line {
        study_instance_uid: study.study_instance_uid.to_string(),
        name: words::person_name(study.patient_name.as_deref().unwrap_or_default()),
        id: study.patient_id.as_ref().map(|id| words::plain(id.as_str())).unwrap_or_default(),
        accession: accession.map(|number| words::plain(number.as_str())).unwrap_or_default(),
        exam: match (&study.study_description, status.body.pathway) {
            (Some(description), _) => words::plain(description),
            (None, Some(pathway)) => words::pathway(pathway).to_owned(),
            (None, None) => words::plain(&study.modality),
        },
        sender: study.calling_ae.to_string(),
        arrived: look.time(study.last_arrival_at),
        whole: named("Image set"),
        order: named("Order"),
        ai: named("AI"),
        place: place.cloned().unwrap_or(Phase {
            name: "Received",
            word: "Stored",
            words: String::new(),
            tone: Tone::Good,
        }),
        repeat: repeat_needed(status),
    }
}
