//! Act, then review (PATHWAYS X7): what findings of a case have set off, and the form by which the author of a read that
//! counts sets it off later. Made from the view of the case, so that nobody learns of another's act before they may.

use super::frame::Look;
use crate::http::desk::Subject;
use crate::http::error::HttpError;
use crate::http::opinion_form::Fields;
use crate::http::shown_image;
use crate::http::state::AppState;
use crate::http::words;
use crate::reading::CaseView;
use crate::store::MessageKind;

/// What has been set off.
#[derive(Debug, Clone, Default)]
pub(super) struct Acted {
    pub lines: Vec<String>,
    /// Whether a CT is among it.
    pub ordered: bool,
}

/// What was set off by the own read, and by all once all are shown.
pub(super) async fn acted(state: &AppState, look: &Look, view: &CaseView) -> Result<Acted, HttpError> {
    let (own, all) = match view {
        CaseView::Blind(_) | CaseView::Assisted(_) => return Ok(Acted::default()),
        CaseView::Locked(view) => (Some(view.own.id), false),
        CaseView::Revealed(view) => (view.own.as_ref().map(|own| own.id), true),
    };
    let case_id = view.case().case_id;
    let theirs = |read| all || own == Some(read);
    let mut acted = Acted::default();
    for order in state.store.follow_up_orders(case_id).await? {
        if theirs(order.read_id) {
            acted.ordered = true;
            acted.lines.push(format!("CT of the chest ordered for today, {}", look.time(order.ordered_at)));
        }
    }
    for message in state.store.messages_of_case(case_id).await? {
        let urgent = message.kind == MessageKind::UrgentMessage && message.source_read.is_some_and(theirs);
        if urgent {
            acted.lines.push(match (message.delivered_at, message.dead_at) {
                (Some(at), _) => format!("Urgent message to the referrer accepted, {}", look.time(at)),
                (None, Some(_)) => "The urgent message could not be delivered: ring the referrer".to_owned(),
                (None, None) => "Urgent message to the referrer on its way".to_owned(),
            });
        }
    }
    Ok(acted)
}

/// One thing that can be chosen.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    pub value: String,
    pub words: String,
    pub chosen: bool,
}

/// The form.
#[derive(Debug, Clone)]
pub(super) struct ActForm {
    pub read: String,
    pub findings: Vec<Offered>,
    /// Images that may go along, those with a mark first.
    pub images: Vec<Offered>,
    pub reason: String,
    pub open: bool,
    /// Whether the CT is ordered already, so that the message alone is left.
    pub ordered: bool,
}

/// The form, where this person may still act.
pub(super) fn act_form(
    view: &CaseView,
    subject: &Subject,
    fields: &Fields,
    ordered: bool,
) -> Option<ActForm> {
    let offer = view.may_act()?;
    let sent = fields.get("act") == Some("act_now");
    let mut findings: Vec<Offered> = Vec::new();
    for finding in &offer.findings {
        let said = words::chest_finding(finding);
        match findings.iter_mut().find(|one| one.value == finding.code.code()) {
            Some(one) => one.words = format!("{}; {said}", one.words),
            None => findings.push(Offered {
                value: finding.code.code().to_owned(),
                words: words::capital(&said),
                chosen: fields.all("finding").any(|code| code == finding.code.code()),
            }),
        }
    }
    if let ([only], false) = (&mut findings[..], sent) {
        only.chosen = true;
    }
    let mut images: Vec<(bool, Offered)> = shown_image::of_case(&view.case().set, subject)
        .iter()
        .map(|shown| {
            let uid = &shown.instance.sop_instance_uid;
            let mut marks = offer.findings.iter().filter_map(|finding| finding.mark.as_ref());
            let marked = marks.any(|mark| mark.sop_instance_uid == *uid);
            let label = shown.label();
            let words = if marked { format!("{label}, with your mark") } else { label };
            let chosen = if sent { fields.get("key_image") == Some(uid.as_str()) } else { marked };
            (!marked, Offered { value: uid.to_string(), words, chosen })
        })
        .collect();
    images.sort_by_key(|(unmarked, _)| *unmarked);
    Some(ActForm {
        read: offer.read.to_string(),
        findings,
        images: images.into_iter().map(|(_, image)| image).collect(),
        reason: if sent { fields.get("reason").unwrap_or_default().to_owned() } else { String::new() },
        open: sent,
        ordered,
    })
}
