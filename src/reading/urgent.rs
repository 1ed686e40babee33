//! Act, then review (PATHWAYS X7): what urgent findings set off, and what the author of a read that counts sets off later.
//!
//! In: a case under change. Out: [`Event::UrgentActed`], once for each finding of a case, with one CT for the case.
//! Nothing but doubt about who the patient is holds it up; a second read never does, nor does the outcome change.

use std::collections::BTreeSet;

use crate::vocab::{ChestFinding, ChestOpinion, FindingCode, Opinion, ReadId, SopInstanceUid, UserId};

use super::actor::Actor;
use super::draft::Draft;
use super::event::{Asked, DeferReason, Event, FollowUp};
use super::read::Read;
use super::refusal::Refusal;
use super::state::{CaseState, Hold};

/// What the author of a read that counts may still order and tell the referrer of.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ActOffer {
    /// The own read.
    pub read: ReadId,
    /// Findings of it that were not acted on in its name.
    pub findings: Vec<ChestFinding>,
}

impl CaseState {
    /// What this person may still act on: findings of their newest read that counts. Where `all` is not shown to them, what
    /// was acted on in the name of other reads is not told by this.
    pub(super) fn act_offer(&self, user: UserId, all: bool) -> Option<ActOffer> {
        if self.superseded_by.is_some() || self.patient_in_doubt() {
            return None;
        }
        let counts =
            |read: &&Read| read.finalised_at.is_some() && read.is_by(user) && !read.dissent.contains(&user);
        let own = self.reads.iter().rev().find(counts)?;
        let findings: Vec<ChestFinding> = self
            .findings_that_stand(own)
            .filter(|finding| !self.was_told(finding, (!all).then_some(own.id)))
            .cloned()
            .collect();
        (!findings.is_empty()).then_some(ActOffer { read: own.id, findings })
    }

    /// Findings of a read, unless the outcome says that there is nothing abnormal.
    fn findings_that_stand<'a>(&self, read: &'a Read) -> impl Iterator<Item = &'a ChestFinding> {
        let overruled =
            self.conclusion.as_ref().is_some_and(|standing| findings(&standing.outcome).is_empty());
        findings(&read.current).iter().filter(move |_| !overruled)
    }

    /// Whether the referrer was told of a finding, on that side or without a side; by one read, or by any.
    fn was_told(&self, finding: &ChestFinding, by: Option<ReadId>) -> bool {
        self.urgent_acted.iter().any(|((code, side), read)| {
            let same_side = side.is_none() || finding.side.is_none() || *side == finding.side;
            *code == finding.code && same_side && by.is_none_or(|by| by == *read)
        })
    }

    /// The urgent findings of an opinion that the referrer was not told of yet: neither on that side nor without a side.
    pub(super) fn urgent_findings_to_tell(&self, opinion: &Opinion) -> Vec<FindingCode> {
        opinion
            .urgent_findings()
            .filter(|one| !self.was_told(one, None))
            .map(|finding| finding.code)
            .collect()
    }

    fn patient_in_doubt(&self) -> bool {
        matches!(self.hold, Some(Hold::Deferred { reason: DeferReason::IdentityConflict, .. }))
    }

    /// Notes what was told in the name of a read.
    pub(super) fn note_urgent_act(&mut self, read: ReadId, codes: &[FindingCode], asked: bool) {
        let said = self.read(read).map(|read| &read.current);
        // An addendum acts in the name of the read behind the outcome that it amends.
        let amended = self.conclusion.as_ref().map(|standing| &standing.outcome);
        let told: Vec<_> = said
            .into_iter()
            .chain(amended)
            .flat_map(findings)
            .filter(|finding| (asked || finding.urgent) && codes.contains(&finding.code))
            .map(|finding| (finding.code, finding.side))
            .collect();
        for finding in told {
            self.urgent_acted.entry(finding).or_insert(read);
        }
    }
}

impl Draft<'_> {
    /// Acts on the urgent findings of every read that counts.
    pub(super) fn act_on_urgent_findings(&mut self) {
        if self.state.patient_in_doubt() {
            return;
        }
        let finalised: Vec<(ReadId, Opinion)> = self
            .state
            .reads
            .iter()
            .filter(|read| read.finalised_at.is_some())
            .map(|read| (read.id, read.current.clone()))
            .collect();
        for (read, opinion) in finalised {
            self.tell_of_urgent_findings(read, &opinion);
        }
    }

    /// One message for each finding of the case, one CT for the case: a later read or an arbitration that
    /// says the same sends nothing more.
    pub(super) fn tell_of_urgent_findings(&mut self, read: ReadId, opinion: &Opinion) {
        let findings = self.state.urgent_findings_to_tell(opinion);
        if findings.is_empty() {
            return;
        }
        let follow_up = self.follow_up();
        self.record(&Actor::System, Event::UrgentActed { read, findings, follow_up, asked: None });
    }

    /// The author of a read that counts has the second investigation ordered and the referrer told.
    pub(super) fn act_now(
        &mut self,
        actor: &Actor,
        read: ReadId,
        codes: &BTreeSet<FindingCode>,
        reason: String,
        key_images: Vec<SopInstanceUid>,
    ) -> Result<(), Refusal> {
        let (by, _) = self.reader(actor)?;
        let state = &self.state;
        let own = state.read(read).filter(|read| read.is_by(by)).ok_or(Refusal::NoSuchRead)?;
        if own.finalised_at.is_none() {
            return Err(Refusal::NoFinalRead);
        }
        if state.patient_in_doubt() {
            return Err(Refusal::OnHold);
        }
        if reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded);
        }
        let in_set =
            |uid: &SopInstanceUid| state.set.images.iter().any(|image| image.sop_instance_uid == *uid);
        if !key_images.iter().all(in_set) {
            return Err(Refusal::UnknownImage);
        }
        let standing: Vec<&ChestFinding> =
            state.findings_that_stand(own).filter(|finding| codes.contains(&finding.code)).collect();
        let is_said = |code: &FindingCode| standing.iter().any(|finding| finding.code == *code);
        if codes.is_empty() || !codes.iter().all(is_said) {
            return Err(Refusal::NoSuchFinding);
        }
        // A code that was told of on one side only is told of again, for the other.
        let is_new = |code: &&FindingCode| {
            standing.iter().any(|finding| finding.code == **code && !state.was_told(finding, None))
        };
        let findings: Vec<FindingCode> = codes.iter().filter(is_new).copied().collect();
        if findings.is_empty() {
            return Err(Refusal::AlreadyTold);
        }
        let follow_up = self.follow_up();
        let asked = Some(Asked { by, reason, key_images });
        self.record(actor, Event::UrgentActed { read, findings, follow_up, asked });
        Ok(())
    }

    fn follow_up(&self) -> FollowUp {
        if self.state.urgent_acted.is_empty() { FollowUp::CtSameDay } else { FollowUp::AlreadyOrdered }
    }
}

/// The findings of an opinion; none where it is not an abnormal chest film.
fn findings(opinion: &Opinion) -> &[ChestFinding] {
    match opinion {
        Opinion::Chest(ChestOpinion::Abnormal { findings }) => findings,
        Opinion::Chest(ChestOpinion::Normal | ChestOpinion::Inadequate { .. }) | Opinion::Mammo(_) => &[],
    }
}
