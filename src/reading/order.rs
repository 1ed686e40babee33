//! Which order a study is for, and where an order has got to.
//!
//! In: what the images say of themselves, the orders that are known, and what has become of matched images. Out: a
//! verdict. A missing order never stands in the way of a patient: it is said, and the images are read. An order for
//! somebody else under the same accession number is another matter: one of the two names the wrong patient, so nothing
//! goes on until a person has settled which.

use std::collections::BTreeSet;

use crate::vocab::{
    AccessionNumber, NhsNumber, Order, OrderState, OrderedPatient, Pathway, PatientId, Timestamp,
};

/// What images say of themselves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Imaged {
    /// Accession Number (0008,0050).
    pub accession_number: Option<AccessionNumber>,
    /// Patient ID (0010,0020).
    pub patient_id: Option<PatientId>,
    /// Issuer of Patient ID (0010,0021).
    pub issuer_of_patient_id: Option<String>,
    /// Patient's Name (0010,0010).
    pub patient_name: Option<String>,
    /// Patient's Birth Date (0010,0030), `YYYYMMDD`.
    pub birth_date: Option<String>,
    /// How they are read, as far as it is known.
    pub pathway: Option<Pathway>,
}

/// Which order images are for.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderMatch<'a> {
    /// No order of this site was ever sent here: nothing is missing.
    NotSentHere,
    /// The images carry no accession number.
    NoAccessionNumber,
    /// No order of this site has the accession number of the images.
    NoOrder,
    /// The order was cancelled, and its images came all the same.
    Cancelled(&'a Order),
    /// The order with this accession number is for another patient.
    OtherPatient(&'a Order),
    /// These orders, at least one, the one that fits best first.
    Matched {
        /// The orders.
        orders: Vec<&'a Order>,
        /// Whether the images say anything of the patient that could be compared.
        compared: bool,
    },
}

/// Finds the order of images among the `orders` of their site.
///
/// `site_has_orders`: whether any order of the site is known at all.
pub fn match_order<'a>(imaged: &Imaged, site_has_orders: bool, orders: &'a [Order]) -> OrderMatch<'a> {
    if !site_has_orders {
        return OrderMatch::NotSentHere;
    }
    let Some(number) = &imaged.accession_number else { return OrderMatch::NoAccessionNumber };
    let of_number = || orders.iter().filter(|order| order.content.accession_number == *number);
    let is_same = |order: &&Order| compare(&order.content.patient, imaged) != Comparison::Other;
    let is_live = |order: &&Order| order.cancelled_at.is_none();

    let mut same: Vec<&Order> = of_number().filter(is_live).filter(is_same).collect();
    if !same.is_empty() {
        let fits = |order: &&Order| Some(order.content.pathway) == imaged.pathway;
        // Several exams may share a number; where one of them is of this kind, the others wait for their own images.
        if same.iter().any(fits) {
            same.retain(fits);
        }
        same.sort_by_key(|order| std::cmp::Reverse((order.content.requested_at, order.order_id)));
        let compared = same.iter().any(|order| compare(&order.content.patient, imaged) == Comparison::Same);
        return OrderMatch::Matched { orders: same, compared };
    }
    // A wrong line of a worklist may have been cancelled since: it is the wrong patient still.
    if let Some(other) = of_number().filter(is_live).chain(of_number()).find(|order| !is_same(order)) {
        return OrderMatch::OtherPatient(other);
    }
    match of_number().max_by_key(|order| order.cancelled_at) {
        Some(cancelled) => OrderMatch::Cancelled(cancelled),
        None => OrderMatch::NoOrder,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Something agrees and nothing differs.
    Same,
    /// There is nothing to compare.
    Nothing,
    /// Something differs.
    Other,
}

/// Whether two orders can be for one person.
pub fn same_patient(one: &OrderedPatient, other: &OrderedPatient) -> bool {
    let both_numbered = one.nhs_number.is_some() && other.nhs_number.is_some();
    if both_numbered && one.nhs_number != other.nhs_number {
        return false;
    }
    let imaged = Imaged {
        patient_id: Some(other.id.clone()),
        issuer_of_patient_id: filled(&other.issuer).map(str::to_owned),
        patient_name: filled(&other.name).map(str::to_owned),
        birth_date: filled(&other.birth_date).map(str::to_owned),
        ..Imaged::default()
    };
    compare(one, &imaged) != Comparison::Other
}

/// Identifier, birth date and name are each held against each other where both sides say them. Any one that differs is
/// enough: what is wrong may be the other two.
fn compare(ordered: &OrderedPatient, imaged: &Imaged) -> Comparison {
    let agreements = [
        identifiers_agree(ordered, imaged),
        imaged.birth_date.as_deref().and_then(filled).map(|born| born == ordered.birth_date),
        names_agree(&ordered.name, imaged.patient_name.as_deref().unwrap_or_default()),
    ];
    if agreements.contains(&Some(false)) {
        Comparison::Other
    } else if agreements.contains(&Some(true)) {
        Comparison::Same
    } else {
        Comparison::Nothing
    }
}

/// An NHS number is compared with an NHS number, another identifier with one that may be of the same issuer.
fn identifiers_agree(ordered: &OrderedPatient, imaged: &Imaged) -> Option<bool> {
    let id = imaged.patient_id.as_ref()?;
    let issuer = imaged.issuer_of_patient_id.as_deref().and_then(filled);
    let one_issuer = match (issuer, filled(&ordered.issuer)) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        // Modalities seldom say who gave the number; within a site it is the one that the order has.
        (Some(_) | None, None) | (None, Some(_)) => true,
    };
    if one_issuer && *id == ordered.id {
        return Some(true);
    }
    let as_nhs_number = id.as_str().parse::<NhsNumber>().ok();
    if let Some((one, other)) = as_nhs_number.as_ref().zip(ordered.nhs_number.as_ref()) {
        return Some(one == other);
    }
    one_issuer.then_some(false)
}

/// Names of two systems seldom agree to the letter (a second given name, a married name, a title): they differ where
/// not one word is the same.
fn names_agree(one: &str, other: &str) -> Option<bool> {
    let (one, other) = (words_of(one), words_of(other));
    if one.is_empty() || other.is_empty() { None } else { Some(!one.is_disjoint(&other)) }
}

/// Words of the first component group that is filled (PS3.5 section 6.2.1), without initials.
fn words_of(name: &str) -> BTreeSet<String> {
    let group = name.split('=').find(|group| !group.trim().is_empty()).unwrap_or_default().to_lowercase();
    let words = group.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 1);
    words.map(str::to_owned).collect()
}

fn filled(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
}

/// What has become of one study of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderedStudy {
    /// When its first image came.
    pub first_arrival_at: Timestamp,
    /// Its cases that no newer image set replaced.
    pub cases: Vec<OrderedCase>,
}

/// What has become of one case of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderedCase {
    /// When people concluded.
    pub concluded_at: Option<Timestamp>,
    /// Whether they ask for new images.
    pub asks_again: bool,
}

/// Where an order has got to.
pub fn order_state(is_cancelled: bool, studies: &[OrderedStudy]) -> OrderState {
    if is_cancelled {
        return OrderState::Cancelled;
    }
    if studies.is_empty() {
        return OrderState::Requested;
    }
    let cases = || studies.iter().flat_map(|study| &study.cases);
    // Newer images of the same study take the case's place, or are none yet; those of another study may be the repeat.
    let is_unanswered = |(own, study): (usize, &OrderedStudy)| {
        let asked_at =
            study.cases.iter().filter(|case| case.asks_again).filter_map(|case| case.concluded_at).max();
        let came_since =
            |at| studies.iter().enumerate().any(|(other, study)| other != own && study.first_arrival_at > at);
        asked_at.is_some_and(|at| !came_since(at))
    };
    let is_settled = |case: &OrderedCase| case.concluded_at.is_some() && !case.asks_again;
    if studies.iter().enumerate().any(is_unanswered) {
        OrderState::RepeatNeeded
    } else if cases().all(|case| case.concluded_at.is_some()) && cases().any(is_settled) {
        OrderState::Reported
    } else {
        OrderState::ImagesIn
    }
}
