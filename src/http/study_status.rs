//! What has become of a study, for radiographers and for other systems: which phase it has reached, and which one
//! failed, in words.
//!
//! In: a study and who asks. Out: the status as `reading` lets that person see it. Never: an AI result to someone who
//! may still read the case (PATHWAYS R5), a spinner, or the word "timeout".

use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::desk::looking_role;
use super::error::HttpError;
use super::state::AppState;
use super::study_notices::{Notices, notices};
use super::study_order::{Found, OrderOfStudy, order_of};
use super::study_views::Views;
use super::visible;
use super::words;
use crate::reading::{AiStatus, StudyStatusView, sees_everything, study_status};
use crate::store::{CompletenessRule, MessageRow, Study};
use crate::vocab::{
    AiOutcome, AiResult, CaseId, ChestOpinion, MammoOpinion, Opinion, Pathway, StudyInstanceUid, Timestamp,
};

/// How the AI stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct AiBody {
    /// `none` (no case yet), `not_shown` (the caller may still read the case), `pending`, `absent` or `resulted`.
    pub state: &'static str,
    /// `normal`, `abnormal`, `quality_fail` or `not_processed`.
    pub decision: Option<&'static str>,
    /// Coded reason, where the images were not scored or are not good enough.
    pub reason: Option<&'static str>,
    /// The same in plain words.
    pub reason_words: Option<String>,
    /// Overall score, 0 to 1.
    pub score: Option<f64>,
    /// Name and version of the model.
    pub model: Option<String>,
    /// Execution provider that really ran.
    pub provider: Option<String>,
}

/// The case of the latest image set.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct StatusCase {
    /// Its id.
    #[schema(value_type = String)]
    pub id: CaseId,
    /// What it waits for; `open` to people who may still read it.
    pub state: &'static str,
    /// Word of the outcome.
    pub outcome: Option<&'static str>,
    /// The policy that it keeps.
    pub policy: String,
}

/// One message to another system.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct PostBody {
    /// Its id.
    pub message_id: String,
    /// What it says: `fhir_report`, `urgent_message` ...
    pub kind: &'static str,
    /// Who gets it.
    pub audience: &'static str,
    /// `waiting`, `delivered` or `dead`.
    pub state: &'static str,
    /// Attempts so far.
    pub attempts: i64,
    /// What the receiver answered.
    pub receipt: Option<String>,
    /// Why the last attempt failed.
    pub last_failure: Option<String>,
    /// When it was accepted.
    #[schema(value_type = Option<String>)]
    pub delivered_at: Option<Timestamp>,
}

impl From<&MessageRow> for PostBody {
    fn from(row: &MessageRow) -> Self {
        let state = match (row.delivered_at, row.dead_at) {
            (Some(_), _) => "delivered",
            (None, Some(_)) => "dead",
            (None, None) => "waiting",
        };
        Self {
            message_id: row.message_id.to_string(),
            kind: row.kind.code(),
            audience: row.audience.code(),
            state,
            attempts: row.attempts,
            receipt: row.receipt.clone(),
            last_failure: row.last_failure.clone(),
            delivered_at: row.delivered_at,
        }
    }
}

/// Status of a study.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct StatusBody {
    /// Study Instance UID.
    #[schema(value_type = String)]
    pub study_instance_uid: StudyInstanceUid,
    /// Instances stored, as far as the caller may see them.
    pub received_instances: i64,
    /// Whether the image set is complete.
    pub complete: bool,
    /// By which rule: `expected_views` or `quiet_time`.
    pub completeness_reason: Option<&'static str>,
    /// `chest` or `mammo`, once it is known.
    #[schema(value_type = Option<String>)]
    pub pathway: Option<Pathway>,
    /// Why nothing of it is scored or posted, where a person has to look first.
    pub held: Option<&'static str>,
    /// Objects that were refused because others are stored under their identifiers.
    pub conflicts: usize,
    /// Which order it is for.
    pub order: OrderOfStudy,
    /// What there is to know of objects that are stored and not scored, and of mammograms whose view or marker should be
    /// checked, in words.
    pub notices: Vec<String>,
    /// Arrival of the last instance.
    #[schema(value_type = String)]
    pub last_arrival_at: Timestamp,
    /// The AI.
    pub ai: AiBody,
    /// The case of the latest image set.
    pub case: Option<StatusCase>,
    /// Messages to other systems.
    pub posts: Vec<PostBody>,
}

/// What stands behind a status, for the page.
pub(super) struct Status {
    pub study: Study,
    pub body: StatusBody,
    /// What there is to say of its order.
    pub order: Found,
    /// Notices on objects that are stored and not scored.
    pub not_scored: Vec<String>,
    /// Notices on images whose picture and tags disagree.
    pub to_check: Vec<String>,
    /// Whether any of its objects is of a kind that is read here.
    pub reads_any: bool,
    /// Which views of it are there.
    pub views: Views,
    pub view: Option<StudyStatusView>,
}

/// The status of a study that the caller may see.
pub(super) async fn status(
    state: &AppState,
    caller: &Caller,
    uid: &StudyInstanceUid,
) -> Result<Status, HttpError> {
    // A count of objects that are kept from a blind reader would tell of them, too.
    let (study, instances) = visible::study(state, caller, uid).await?;
    let Notices { reads_any, words: not_scored } = notices(&instances);
    let found = state.store.view_disagreements_of_study(uid).await?;
    let to_check: Vec<String> = found.iter().map(words::view_disagreement).collect();
    let conflicts = state.store.conflicts_of_study(uid).await?;
    let role = looking_role(caller);
    let mut view = None;
    let mut posts = Vec::new();
    if let Some(row) = state.store.cases_of_study(uid).await?.into_iter().max_by_key(|row| row.image_set)
        && let Some(case) = state.store.case(row.case_id).await?
    {
        if sees_everything(caller.user_id, role, &case.state) {
            posts = state.store.messages_of_case(row.case_id).await?.iter().map(PostBody::from).collect();
        }
        view = Some((study_status(caller.user_id, role, &case.state, &case.policy), row.policy.to_string()));
    }
    let case = view.as_ref().map(|(view, policy)| StatusCase {
        id: view.case_id,
        state: view.state,
        outcome: view.outcome.as_ref().map(|outcome| outcome.word()),
        policy: policy.clone(),
    });
    let view = view.map(|(view, _)| view);
    let order = order_of(state, &study).await?;
    let body = StatusBody {
        study_instance_uid: study.study_instance_uid.clone(),
        received_instances: i64::try_from(instances.len()).unwrap_or(i64::MAX),
        complete: study.complete.is_some(),
        completeness_reason: study.complete.map(|(_, rule)| rule.code()),
        pathway: view.as_ref().map(|view| view.set.pathway).or(study.pathway),
        held: study.hold.map(|(reason, _)| reason.code()),
        conflicts: conflicts.iter().filter(|conflict| conflict.judged.is_none()).count(),
        order: order.body.clone(),
        notices: not_scored.iter().chain(&to_check).cloned().collect(),
        last_arrival_at: study.last_arrival_at,
        ai: view.as_ref().map_or_else(|| AiBody::plain("none"), |view| ai_body(&view.ai)),
        case,
        posts,
    };
    let views = Views::of(body.pathway, &instances);
    Ok(Status { study, body, order, not_scored, to_check, reads_any, views, view })
}

impl AiBody {
    fn plain(state: &'static str) -> Self {
        Self {
            state,
            decision: None,
            reason: None,
            reason_words: None,
            score: None,
            model: None,
            provider: None,
        }
    }
}

fn ai_body(status: &AiStatus) -> AiBody {
    match status {
        AiStatus::NotShown => AiBody::plain("not_shown"),
        AiStatus::Pending { .. } => AiBody::plain("pending"),
        AiStatus::Absent { .. } => AiBody::plain("absent"),
        AiStatus::Resulted { result, .. } => {
            let reason = refusal_of(result);
            AiBody {
                state: "resulted",
                decision: Some(result.outcome.word()),
                reason: reason.map(|(code, _)| code),
                reason_words: reason.map(|(_, words)| words.to_owned()),
                score: result.score,
                model: result.model.as_ref().map(|model| format!("{} {}", model.name, model.version)),
                provider: Some(result.provider.clone()).filter(|provider| !provider.is_empty()),
            }
        }
    }
}

/// Why the images were not scored, or are not good enough: code and words of the first reason.
pub(super) fn refusal_of(result: &AiResult) -> Option<(&'static str, &'static str)> {
    let reason = match &result.outcome {
        AiOutcome::Normal | AiOutcome::Abnormal => return None,
        AiOutcome::QualityFail { faults } => faults.first()?.reason,
        AiOutcome::NotProcessed(refusal) => refusal.reason,
    };
    Some((reason.code(), reason.words()))
}

/// How a line of the status is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tone {
    Good,
    Waiting,
    Bad,
    Quiet,
}

impl Tone {
    /// Class of the tag.
    pub(super) fn class(self) -> &'static str {
        match self {
            Tone::Good => "dr-tag dr-tag--green",
            Tone::Waiting => "dr-tag dr-tag--blue",
            Tone::Bad => "dr-tag dr-tag--red",
            Tone::Quiet => "dr-tag",
        }
    }
}

/// One phase on the way of a study: its name, a short word, and what there is to say.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Phase {
    pub name: &'static str,
    pub word: &'static str,
    pub words: String,
    pub tone: Tone,
}

impl Phase {
    /// Whether the short word alone leaves the reader asking why.
    pub(super) fn needs_words(&self) -> bool {
        matches!(self.tone, Tone::Bad | Tone::Quiet)
    }
}

/// The phases of a study in their order, each with where it stands.
pub(super) fn phases(status: &Status) -> Vec<Phase> {
    let mut phases = vec![received(status)];
    if status.reads_any || status.view.is_some() {
        phases.push(complete(status));
    }
    phases.extend(status.order.phase.clone());
    if !status.not_scored.is_empty() {
        let words = status.not_scored.join("; ");
        phases.push(Phase { name: "Not for reading", word: "Stored", words, tone: Tone::Quiet });
    }
    if let Some(held) = held(&status.study) {
        phases.push(held);
    }
    if !status.to_check.is_empty() {
        let words = status.to_check.join(" ");
        phases.push(Phase { name: "View or marker", word: "Check", words, tone: Tone::Bad });
    }
    phases.extend(status.view.as_ref().and_then(|view| ai(&view.ai)));
    phases.extend(status.body.case.as_ref().map(read));
    phases.extend(posted(&status.body.posts));
    phases
}

fn received(status: &Status) -> Phase {
    let count = status.body.received_instances;
    let images = if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
    if status.body.conflicts > 0 {
        let words = format!(
            "{images} stored; {} refused: another object is stored under the same identifier. A person has to look.",
            status.body.conflicts
        );
        return Phase { name: "Received", word: "Conflict", words, tone: Tone::Bad };
    }
    Phase { name: "Received", word: "Stored", words: images, tone: Tone::Good }
}

fn complete(status: &Status) -> Phase {
    let seen = status.views.words();
    let (word, words, tone) = match status.study.complete {
        Some((_, CompletenessRule::ExpectedViews)) => ("Whole", seen, Tone::Good),
        Some((_, CompletenessRule::QuietTime)) => {
            ("Not whole", format!("{seen}; no more came, so it is read as it is"), Tone::Quiet)
        }
        None => ("Waiting", format!("{seen}; more images are expected"), Tone::Waiting),
    };
    Phase { name: "Image set", word, words, tone }
}

/// Why the images have to be taken again, as far as this person may know: the AI refuses their quality, or a reader found
/// them inadequate.
pub(super) fn repeat_needed(status: &Status) -> Option<String> {
    let view = status.view.as_ref()?;
    match (&view.outcome, &view.ai) {
        (Some(Opinion::Chest(ChestOpinion::Inadequate { reason })), _) => {
            Some(format!("a reader can't report it: {}", words::code_words(reason.code())))
        }
        (Some(Opinion::Mammo(MammoOpinion::TechnicalRecall { views })), _) => {
            let views: Vec<String> = views
                .iter()
                .map(|one| format!("{} ({})", one.view, words::code_words(one.reason.code())))
                .collect();
            Some(format!("a reader asks for {} again", views.join(", ")))
        }
        (None, AiStatus::Resulted { result, .. }) => match &result.outcome {
            AiOutcome::QualityFail { .. } => ai(&view.ai).map(|phase| phase.words),
            AiOutcome::Normal | AiOutcome::Abnormal | AiOutcome::NotProcessed(_) => None,
        },
        (Some(_), _) | (None, AiStatus::NotShown | AiStatus::Pending { .. } | AiStatus::Absent { .. }) => {
            None
        }
    }
}

fn held(study: &Study) -> Option<Phase> {
    let words = words::hold(study.hold?.0);
    let words = format!("{words}: not scored, not read, not posted until a person has settled it");
    Some(Phase { name: "Held", word: "Held", words, tone: Tone::Bad })
}

fn ai(status: &AiStatus) -> Option<Phase> {
    let (word, words, tone) = match status {
        AiStatus::NotShown => return None,
        AiStatus::Pending { .. } => ("Waiting", "the AI has not looked yet".to_owned(), Tone::Waiting),
        AiStatus::Absent { .. } => {
            ("Absent", "no AI result by the deadline: people read it without the AI".to_owned(), Tone::Quiet)
        }
        AiStatus::Resulted { result, .. } => match &result.outcome {
            AiOutcome::Normal | AiOutcome::Abnormal => {
                ("Accepted", "the AI accepted the images".to_owned(), Tone::Good)
            }
            AiOutcome::QualityFail { faults } => {
                let words: Vec<String> = faults
                    .iter()
                    .map(|fault| match fault.view {
                        Some(view) => format!("{view}: {}", fault.reason.words()),
                        None => fault.reason.words().to_owned(),
                    })
                    .collect();
                ("Image quality", words.join("; "), Tone::Bad)
            }
            AiOutcome::NotProcessed(refusal) => {
                ("Not scored", refusal.reason.words().to_owned(), Tone::Quiet)
            }
        },
    };
    Some(Phase { name: "AI", word, words, tone })
}

fn read(case: &StatusCase) -> Phase {
    let (word, words, tone) = match case.state {
        "concluded" => ("Verified", "people have verified it".to_owned(), Tone::Good),
        "on_hold" => ("On hold", "put aside, or waiting for earlier images".to_owned(), Tone::Quiet),
        "superseded" => ("Replaced", "newer images took its place".to_owned(), Tone::Quiet),
        "first_read" => ("Waiting", "nobody has read it yet".to_owned(), Tone::Waiting),
        "second_read" | "third_read" => {
            ("Being read", "one more person is to read it".to_owned(), Tone::Waiting)
        }
        "finalisation" => ("Being read", "read; the read can still be changed".to_owned(), Tone::Waiting),
        "arbitration" => {
            ("Being read", "readers differ: one more person settles it".to_owned(), Tone::Waiting)
        }
        "ai" => ("Being read", "read; the AI has not looked yet".to_owned(), Tone::Waiting),
        _ => ("Open", "on the worklist".to_owned(), Tone::Waiting),
    };
    Phase { name: "Reading", word, words, tone }
}

fn posted(posts: &[PostBody]) -> Option<Phase> {
    let dead = posts.iter().find(|post| post.state == "dead");
    let waiting = posts.iter().find(|post| post.state == "waiting");
    let (word, words, tone) = match (dead, waiting, posts.first()) {
        (Some(post), _, _) => {
            let why = post.last_failure.as_deref().map(words::plain).unwrap_or_default();
            ("Refused", format!("the record did not take it: {why}"), Tone::Bad)
        }
        (None, Some(post), _) => match &post.last_failure {
            Some(why) => ("Retrying", format!("not delivered yet: {}", words::plain(why)), Tone::Bad),
            None => ("Sending", "on its way to the record".to_owned(), Tone::Waiting),
        },
        (None, None, Some(_)) => ("Posted", "the record has it".to_owned(), Tone::Good),
        (None, None, None) => return None,
    };
    Some(Phase { name: "Record", word, words, tone })
}
