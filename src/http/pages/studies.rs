//! Arrivals, for radiographers: what came in the last hours and which phase failed, in words.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;

use super::frame::{Frame, Look};
use super::{page, see_other};
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::http::study_status::{Phase, Status, Tone, phases, status};
use crate::http::visible;
use crate::http::words;

/// One study in the list: the phase that it has reached, or the one that failed.
struct Line {
    uid: String,
    name: String,
    id: String,
    accession: String,
    exam: String,
    sender: String,
    arrived: String,
    phase: Phase,
    ai: Option<Phase>,
}

#[derive(Template)]
#[template(path = "studies.html")]
struct StudiesPage {
    frame: Frame,
    hours: i64,
    accession: String,
    lines: Vec<Line>,
    searched: bool,
}

#[derive(Template)]
#[template(path = "study.html")]
struct StudyPage {
    frame: Frame,
    name: String,
    facts: Vec<(&'static str, String)>,
    phases: Vec<Phase>,
    posts: Vec<(String, String)>,
    instances: Vec<InstanceLine>,
}

struct InstanceLine {
    uid: String,
    kind: String,
    view: String,
    size: String,
    arrived: String,
}

/// Which studies.
#[derive(serde::Deserialize)]
pub(super) struct Search {
    accession: Option<String>,
}

/// `GET /studies`.
pub(super) async fn list(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Query(search): Query<Search>,
) -> Result<Response, HttpError> {
    let hours = state.settings.arrivals_hours;
    let wanted = search.accession.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let mut studies = match wanted {
        Some(accession) => match accession.parse() {
            Ok(accession) => state.store.studies_by_accession(&accession).await?,
            Err(_) => Vec::new(),
        },
        None => {
            let since = look.now().plus_minutes(-hours * 60);
            let mut latest = crate::http::arrivals(&state, &caller, state.settings.page_rows).await?;
            latest.retain(|study| study.last_arrival_at >= since);
            latest
        }
    };
    studies.retain(|study| caller.may_see(&study.site));
    if wanted.is_some()
        && let [only] = studies.as_slice()
    {
        return Ok(see_other(&format!("/studies/{}", only.study_instance_uid)));
    }
    let mut lines = Vec::with_capacity(studies.len());
    for study in studies {
        lines.push(line(&look, status(&state, &caller, &study.study_instance_uid).await?));
    }
    let accession = wanted.unwrap_or_default().to_owned();
    page(&StudiesPage { frame: look.frame("Arrivals"), hours, lines, searched: wanted.is_some(), accession })
}

fn line(look: &Look, status: Status) -> Line {
    let all = phases(&status);
    let study = &status.study;
    let failing = all.iter().find(|phase| phase.tone == Tone::Bad);
    let phase = failing.or(all.iter().find(|phase| phase.tone == Tone::Waiting)).or(all.last());
    Line {
        uid: study.study_instance_uid.to_string(),
        name: words::person_name(study.patient_name.as_deref().unwrap_or_default()),
        id: study.patient_id.as_ref().map(|id| words::plain(id.as_str())).unwrap_or_default(),
        accession: study
            .accession_number
            .as_ref()
            .map(|number| words::plain(number.as_str()))
            .unwrap_or_default(),
        exam: match (&study.study_description, status.body.pathway) {
            (Some(description), _) => words::plain(description),
            (None, Some(pathway)) => words::pathway(pathway).to_owned(),
            (None, None) => words::plain(&study.modality),
        },
        sender: study.calling_ae.to_string(),
        arrived: look.time(study.last_arrival_at),
        ai: all.iter().find(|phase| phase.name == "AI").cloned(),
        phase: phase.cloned().unwrap_or(Phase {
            name: "Received",
            word: "Stored",
            words: String::new(),
            tone: Tone::Good,
        }),
    }
}

/// `GET /studies/{study_instance_uid}`.
pub(super) async fn one(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Path(uid): Path<String>,
) -> Result<Response, HttpError> {
    let uid = uid.parse().map_err(|_| HttpError::NotFound)?;
    let status = status(&state, &caller, &uid).await?;
    let study = &status.study;
    let mut facts = Vec::new();
    facts.extend(study.patient_id.as_ref().map(|id| ("Patient ID", words::plain(id.as_str()))));
    facts.extend(study.birth_date.as_deref().map(|born| ("Born", words::date(born))));
    facts.extend(study.accession_number.as_ref().map(|number| ("Accession", words::plain(number.as_str()))));
    facts.extend(study.study_description.as_ref().map(|text| ("Exam", words::plain(text))));
    facts.push(("Site", study.site.to_string()));
    facts.push(("Sent by", study.calling_ae.to_string()));
    facts.push(("Last image", look.time(study.last_arrival_at)));
    let (_, instances) = visible::study(&state, &caller, &uid).await?;
    let instances = instances
        .into_iter()
        .map(|instance| InstanceLine {
            uid: instance.sop_instance_uid.to_string(),
            kind: words::plain(&instance.tags.modality),
            view: words::plain(&format!(
                "{} {} {}",
                instance.tags.image_laterality, instance.tags.laterality, instance.tags.view_position
            )),
            size: format!("{:.1} MB", megabytes(instance.size_bytes)),
            arrived: look.time(instance.received_at),
        })
        .collect();
    let posts = status
        .body
        .posts
        .iter()
        .map(|post| {
            let note = post
                .receipt
                .as_deref()
                .or(post.last_failure.as_deref())
                .map(words::plain)
                .unwrap_or_default();
            (format!("{}: {}", words::capital(&words::code_words(post.kind)), post.state), note)
        })
        .collect();
    let name = words::person_name(study.patient_name.as_deref().unwrap_or_default());
    page(&StudyPage { frame: look.frame("Study"), name, facts, phases: phases(&status), posts, instances })
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
