//! Arrivals, for radiographers: what came in the last hours and which phase failed, in words.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;

use super::arrivals::{self, Line};
use super::frame::{Frame, Look};
use super::{page, see_other};
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::link_test::{self, LinkReport};
use crate::http::orders::{self, Listed};
use crate::http::state::AppState;
use crate::http::study_status::{Phase, phases, status};
use crate::http::visible;
use crate::http::words;
use crate::vocab::{Order, OrderUrgency, Role};

#[derive(Template)]
#[template(path = "studies.html")]
struct StudiesPage {
    frame: Frame,
    hours: i64,
    accession: String,
    lines: Vec<Line>,
    searched: bool,
    /// Objects that were refused and that nobody has judged.
    refused: usize,
    /// Orders whose images have not come, and whether there may be more.
    waiting: usize,
    waiting_more: bool,
    may_test: bool,
    link: Option<LinkReport>,
}

#[derive(Template)]
#[template(path = "study.html")]
struct StudyPage {
    frame: Frame,
    name: String,
    facts: Vec<(&'static str, String)>,
    phases: Vec<Phase>,
    order: Option<OrderCard>,
    posts: Vec<(String, String)>,
    instances: Vec<InstanceLine>,
}

/// The order that the accession number leads to.
struct OrderCard {
    title: &'static str,
    facts: Vec<(&'static str, String)>,
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
    let wanted = search.accession.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let Some(accession) = wanted else {
        let lines = arrivals::latest(&state, &look, &caller).await?;
        return arrivals_page(&state, &look, &caller, lines, None, None).await;
    };
    let mut studies = match accession.parse() {
        Ok(accession) => state.store.studies_by_accession(&accession).await?,
        Err(_) => Vec::new(),
    };
    studies.retain(|study| caller.may_see(&study.site));
    if let [only] = studies.as_slice() {
        return Ok(see_other(&format!("/studies/{}", only.study_instance_uid)));
    }
    let lines = arrivals::lines_of(&state, &look, &caller, studies).await?;
    arrivals_page(&state, &look, &caller, lines, Some(accession), None).await
}

/// `POST /studies/link-test`: the page again, with what came of the test.
pub(super) async fn test_link(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
) -> Result<Response, HttpError> {
    let report = link_test::run(&state).await?;
    let look = look.at(state.clock.now());
    let lines = arrivals::latest(&state, &look, &caller).await?;
    arrivals_page(&state, &look, &caller, lines, None, Some(report)).await
}

async fn arrivals_page(
    state: &AppState,
    look: &Look,
    caller: &Caller,
    lines: Vec<Line>,
    accession: Option<&str>,
    link: Option<LinkReport>,
) -> Result<Response, HttpError> {
    let looks_after = [Role::Radiographer, Role::Lead, Role::Admin].into_iter().any(|role| caller.is(role));
    let (refused, waiting) = match looks_after {
        true => (
            crate::http::refused::quarantine(state, caller, true).await?.len(),
            orders::list(state, caller, Listed::Waiting, None, None).await?.len(),
        ),
        false => (0, 0),
    };
    page(&StudiesPage {
        frame: look.frame("Arrivals"),
        hours: state.settings.arrivals_hours,
        lines,
        searched: accession.is_some(),
        accession: accession.unwrap_or_default().to_owned(),
        refused,
        waiting,
        waiting_more: waiting >= usize::try_from(state.settings.page_rows).unwrap_or(usize::MAX),
        may_test: looks_after && state.link.is_some(),
        link,
    })
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
    let order = order_card(&look, &caller, status.order.order.as_ref());
    page(&StudyPage {
        frame: look.frame("Study"),
        name,
        facts,
        phases: phases(&status),
        order,
        posts,
        instances,
    })
}

/// What the order says; where it is for somebody else, to those alone who may settle it.
fn order_card(look: &Look, caller: &Caller, order: Option<&(Order, bool)>) -> Option<OrderCard> {
    let (order, is_own) = order?;
    let looks_after = [Role::Radiographer, Role::Lead, Role::Admin].into_iter().any(|role| caller.is(role));
    if !is_own && !looks_after {
        return None;
    }
    let content = &order.content;
    let mut facts = Vec::new();
    if !is_own {
        facts.push(("For", words::person_name(&content.patient.name)));
        facts.push(("Patient ID", words::plain(content.patient.id.as_str())));
        facts.push(("Born", words::date(&content.patient.birth_date)));
    }
    facts.push(("Exam", words::plain(&content.procedure)));
    if content.urgency == OrderUrgency::Urgent {
        facts.push(("Urgency", "urgent".to_owned()));
    }
    let said = [("Clinical question", &content.reason), ("Symptoms", &content.symptoms)];
    facts.extend(
        said.into_iter().filter(|(_, text)| !text.is_empty()).map(|(n, text)| (n, words::plain_lines(text))),
    );
    facts.push(("Order number", words::plain(content.placer_order_number.as_str())));
    facts.push(("Asked for", look.time(content.requested_at)));
    facts.push(("State", super::orders::state_words(order.state).0.to_owned()));
    let title = if *is_own { "Order" } else { "Order with this accession number, for another patient" };
    Some(OrderCard { title, facts })
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
