//! What a viewer needs to hang a case: its images, how they lie, and what may be drawn on them.
//!
//! In: a case and who looks. Out: JSON. Regions, heat map and marks are there only where the caller's view of the case
//! holds them (PATHWAYS R5): everything is made from that view.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cases::parse_id;
use super::display_image::{Drawn, ImageBody, image_body};
use super::display_priors::{Prior, PriorFacts, beside, links, priors};
use crate::http::caller::Caller;
use crate::http::desk;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::hanging::{Stage, stages};
use crate::http::history::History;
use crate::http::shown_image::{self, Shown};
use crate::http::state::AppState;
use crate::http::words;
use crate::store::{StoredCase, Study};
use crate::vocab::{CaseId, Pathway, SopInstanceUid};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(display))
}

/// Whose images they are, as the viewer writes it beside them.
#[derive(Debug, Serialize)]
struct Patient {
    name: String,
    id: String,
    born: String,
    sex: &'static str,
}

/// The study in words.
#[derive(Debug, Serialize)]
struct StudyFacts {
    date: String,
    site: String,
    description: String,
    accession: String,
}

#[derive(Debug, Serialize)]
struct Display {
    case_id: CaseId,
    pathway: Pathway,
    synthetic: bool,
    patient: Patient,
    study: StudyFacts,
    history: Vec<History>,
    stages: Vec<Stage>,
    /// Earlier studies, in the order of their stages.
    priors: Vec<PriorFacts>,
    images: BTreeMap<SopInstanceUid, ImageBody>,
    linked: Vec<[SopInstanceUid; 2]>,
}

/// How the images of a case hang, where their pixels are, and what the caller may see drawn on them.
///
/// `stages` are screens of tiles, row by row; `images` are named by SOP Instance UID, with the address of their pixels
/// (`Accept: application/octet-stream`); `linked` images show the same view and move together. `regions`, `heat_map` and
/// `marks` are absent where the caller's view of the case does not hold them.
#[utoipa::path(get, path = "/api/cases/{case_id}/display", tag = "images",
    params(("case_id" = String, Path)), responses(
    (status = 200, description = "stages, images and links", body = Object), (status = 404, body = ErrorBody)))]
async fn display(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
) -> Result<Json<serde_json::Value>, HttpError> {
    let case = desk::find(&state, &caller, parse_id(&case_id)?).await?;
    let body = display_of(&state, &caller, &case).await?;
    Ok(Json(serde_json::to_value(body).map_err(|error| HttpError::internal(&error))?))
}

async fn display_of(state: &AppState, caller: &Caller, case: &StoredCase) -> Result<Display, HttpError> {
    let subject = desk::subject(state, case).await?;
    let view = desk::view(caller, case);
    let drawn = Drawn::of(state, caller, &view, subject.ai(&view)).await?;
    let set = &view.case().set;
    let current = shown_image::of_case(set, &subject);
    let priors = priors(state, caller, &subject.study, set.pathway).await?;
    let mut stages = stages(set.pathway, &current);
    let mut linked = Vec::new();
    for (number, prior) in priors.iter().enumerate() {
        stages.extend(beside(set.pathway, &current, prior, number == 0));
        linked.extend(links(&current, prior));
    }
    let earlier: Vec<Shown<'_>> = priors.iter().flat_map(Prior::shown).collect();
    let images = current
        .iter()
        .chain(&earlier)
        .map(|one| (one.instance.sop_instance_uid.clone(), image_body(one, view.case(), &drawn)))
        .collect();
    Ok(Display {
        case_id: case.state.case_id,
        pathway: set.pathway,
        synthetic: state.synthetic_patients,
        patient: patient(&subject.study),
        study: study_facts(&subject.study),
        history: subject.history(),
        stages,
        priors: priors.into_iter().map(|prior| prior.facts).collect(),
        images,
        linked,
    })
}

fn patient(study: &Study) -> Patient {
    Patient {
        name: words::person_name(study.patient_name.as_deref().unwrap_or_default()),
        id: study.patient_id.as_ref().map(|id| words::plain(id.as_str())).unwrap_or_default(),
        born: study.birth_date.as_deref().map(words::date).unwrap_or_default(),
        sex: study.sex.map_or("", words::sex),
    }
}

fn study_facts(study: &Study) -> StudyFacts {
    StudyFacts {
        date: study.study_date.as_deref().map(words::date).unwrap_or_default(),
        site: study.site.to_string(),
        description: study.study_description.as_deref().map(words::plain).unwrap_or_default(),
        accession: study.accession_number.as_ref().map(|n| words::plain(n.as_str())).unwrap_or_default(),
    }
}
