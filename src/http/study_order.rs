//! Which order a study is for, in words: for radiographers while the patient is there, and for other systems.
//!
//! In: a study. Out: the verdict of `reading::match_order` on the orders as they are known now. A missing order is said and
//! blocks nothing.

use serde::Serialize;
use utoipa::ToSchema;

use super::error::HttpError;
use super::state::AppState;
use super::study_status::{Phase, Tone};
use super::words;
use crate::reading::{OrderMatch, match_order};
use crate::store::Study;
use crate::vocab::{Order, OrderUrgency, Pathway};

/// Which order a study is for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct OrderOfStudy {
    /// `matched`, `cancelled`, `other_patient` (nothing is scored, read or posted until a person has settled it),
    /// `no_order`, `no_accession_number`, or `not_sent_here` (no order of this site was ever sent here).
    #[serde(rename = "match")]
    pub found: &'static str,
    /// The same in plain words.
    pub words: String,
    /// The order: the one that was matched or cancelled, or the one that is for somebody else.
    pub order_id: Option<String>,
    /// Number of the system that asked, of an order that was matched or cancelled; likewise below.
    pub placer_order_number: Option<String>,
    /// What was asked for.
    pub procedure: Option<String>,
    /// `routine` or `urgent`.
    pub urgency: Option<&'static str>,
    /// `requested`, `images_in`, `repeat_needed`, `reported` or `cancelled`.
    pub state: Option<&'static str>,
}

/// What there is to say of the order of a study.
pub(super) struct Found {
    pub body: OrderOfStudy,
    /// As a phase of the study; none where orders are not sent here.
    pub phase: Option<Phase>,
    /// The order, and whether it is the patient's own.
    pub order: Option<(Order, bool)>,
}

/// Finds the order of a study.
pub(super) async fn order_of(state: &AppState, study: &Study) -> Result<Found, HttpError> {
    let orders = match &study.accession_number {
        Some(number) => state.store.orders_of_accession(&study.site, number).await?,
        None => Vec::new(),
    };
    let known_here = !orders.is_empty() || state.store.site_has_orders(&study.site).await?;
    Ok(found(study, &match_order(&study.imaged(), known_here, &orders)))
}

fn found(study: &Study, verdict: &OrderMatch<'_>) -> Found {
    let code = match verdict {
        OrderMatch::NotSentHere => "not_sent_here",
        OrderMatch::NoAccessionNumber => "no_accession_number",
        OrderMatch::NoOrder => "no_order",
        OrderMatch::Cancelled(_) => "cancelled",
        OrderMatch::OtherPatient(_) => "other_patient",
        OrderMatch::Matched { .. } => "matched",
    };
    let (word, words, tone) = said(study, verdict);
    let order = match verdict {
        OrderMatch::Matched { orders, .. } => orders.first().map(|order| ((*order).clone(), true)),
        OrderMatch::Cancelled(order) => Some(((*order).clone(), true)),
        OrderMatch::OtherPatient(order) => Some(((*order).clone(), false)),
        OrderMatch::NotSentHere | OrderMatch::NoAccessionNumber | OrderMatch::NoOrder => None,
    };
    let own = order.as_ref().filter(|(_, is_own)| *is_own).map(|(order, _)| order);
    let body = OrderOfStudy {
        found: code,
        words: words.clone(),
        order_id: order.as_ref().map(|(order, _)| order.order_id.to_string()),
        placer_order_number: own.map(|order| order.content.placer_order_number.to_string()),
        procedure: own.map(|order| order.content.procedure.clone()),
        urgency: own.map(|order| order.content.urgency.code()),
        state: own.map(|order| order.state.code()),
    };
    let phase = (*verdict != OrderMatch::NotSentHere).then_some(Phase { name: "Order", word, words, tone });
    Found { body, phase, order }
}

fn said(study: &Study, verdict: &OrderMatch<'_>) -> (&'static str, String, Tone) {
    match verdict {
        OrderMatch::NotSentHere => {
            ("", "orders are not sent to this service for this site".to_owned(), Tone::Quiet)
        }
        OrderMatch::NoAccessionNumber => (
            "No number",
            "no accession number in the images; they are read all the same".to_owned(),
            Tone::Bad,
        ),
        OrderMatch::NoOrder => {
            ("No order", "no order has this accession number; it is read all the same".to_owned(), Tone::Bad)
        }
        OrderMatch::Cancelled(order) => {
            let what = words::plain(&order.content.procedure);
            (
                "Cancelled",
                format!("the order was cancelled ({what}); the images are read all the same"),
                Tone::Bad,
            )
        }
        OrderMatch::OtherPatient(order) => {
            let words = "the order with this accession number is for another patient";
            if study.is_settled_with(order) {
                let words = format!("{words}; a person has settled that the images are read without it");
                return ("Not its order", words, Tone::Quiet);
            }
            ("Other patient", words.to_owned(), Tone::Bad)
        }
        OrderMatch::Matched { orders, compared } => matched(study, orders, *compared),
    }
}

fn matched(study: &Study, orders: &[&Order], compared: bool) -> (&'static str, String, Tone) {
    let Some(order) = orders.first() else { return ("", String::new(), Tone::Quiet) };
    let content = &order.content;
    let mut what: Vec<String> = orders.iter().map(|order| words::plain(&order.content.procedure)).collect();
    what.dedup();
    let urgent = if content.urgency == OrderUrgency::Urgent { "urgent: " } else { "" };
    let what = format!("{urgent}{}", what.join("; "));
    if study.imaged().pathway.is_some_and(|pathway| pathway != content.pathway) {
        let asked = match content.pathway {
            Pathway::Chest => "a chest X-ray",
            Pathway::Mammo => "a mammogram",
        };
        return ("Other exam", format!("the order asks for {asked} ({what})"), Tone::Bad);
    }
    if !compared {
        let words =
            format!("{what}; by the accession number alone: the images do not say who the patient is");
        return ("Matched", words, Tone::Quiet);
    }
    ("Matched", what, Tone::Good)
}
