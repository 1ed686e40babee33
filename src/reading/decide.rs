//! Grants or refuses what is asked of a case.
//!
//! In: a state, its policy, a command, who asks, and the time. Out: the events that follow, in
//! their order, or a [`Refusal`]. It first does what the clock has made due, then the command,
//! then what the rules make of it. It must never change anything itself.

use crate::vocab::{Timestamp, UserId};

use super::actor::{Actor, Role};
use super::command::Command;
use super::draft::{Decided, Draft, open_slot};
use super::event::{ClaimToken, Event, ImageSet, Slot};
use super::opinion_check::check_opinion;
use super::policy::{Policy, RevealMode};
use super::read::Read;
use super::refusal::Refusal;
use super::state::{CaseState, Claim, Hold, Overrule};
use super::view::ai_in_view;

/// What a command leads to.
///
/// # Errors
/// The reason why it is not granted; then nothing is to be recorded.
pub fn decide(
    state: &CaseState,
    policy: &Policy,
    command: Command,
    actor: &Actor,
    now: Timestamp,
) -> Result<Vec<Decided>, Refusal> {
    let offered = policy.reference();
    if state.policy != offered {
        return Err(Refusal::WrongPolicy { kept: state.policy.clone(), offered });
    }
    let mut draft = Draft::new(state.clone(), policy, now);
    draft.settle();
    if let Some(by_case) = draft.state.superseded_by {
        let nothing_is_due = command == Command::Tick;
        return if nothing_is_due { Ok(Vec::new()) } else { Err(Refusal::Superseded { by_case }) };
    }
    draft.act(command, actor)?;
    draft.settle();
    Ok(draft.decided)
}

/// The events that make an image set a case. `qa_number` comes from `qa_number(secret, case_id)`.
pub fn open_case(
    case_id: crate::vocab::CaseId,
    set: ImageSet,
    policy: &Policy,
    qa_number: f64,
    now: Timestamp,
) -> Vec<Decided> {
    let opened = Event::CaseOpened { set, policy: policy.reference(), qa_number };
    let state = CaseState::open(case_id, now, &opened).expect("the event opens a case");
    let mut draft = Draft::new(state, policy, now);
    draft.decided.push(Decided { actor: Actor::System, event: opened });
    draft.settle();
    draft.decided
}

/// Whether this person may open the case now, and for which read.
///
/// # Errors
/// Why not, in words for that person.
pub fn may_claim(state: &CaseState, user: UserId, role: Role) -> Result<Slot, Refusal> {
    if !role.may_read() {
        return Err(Refusal::RoleNotAllowed { role });
    }
    if let Some(by_case) = state.superseded_by {
        return Err(Refusal::Superseded { by_case });
    }
    if state.hold.is_some() {
        return Err(Refusal::OnHold);
    }
    if let Some(claim) = &state.claim {
        let until = claim.expires_at;
        return Err(if claim.by == user {
            Refusal::ClaimedByYou { until }
        } else {
            Refusal::ClaimedByAnother { until }
        });
    }
    let own = state.own_read(user).is_some();
    let Some(slot) = open_slot(state) else {
        return Err(if own { Refusal::AlreadyRead } else { Refusal::NothingToRead });
    };
    match slot {
        Slot::First | Slot::Second | Slot::Third if own => Err(Refusal::AlreadyRead),
        Slot::First | Slot::Second | Slot::Third if state.shown.contains(&user) => Err(Refusal::NotBlind),
        // An earlier reader may open it to chair a panel; alone they are refused at the lock (R2).
        Slot::First | Slot::Second | Slot::Third | Slot::Arbitration => Ok(slot),
    }
}

/// Whether the queue offers the case to this person: what they may claim, less what they skipped,
/// and an arbitration only to those who did not read it.
pub fn is_offered(state: &CaseState, user: UserId, role: Role) -> Option<Slot> {
    let slot = may_claim(state, user, role).ok()?;
    let settles_own_read = slot == Slot::Arbitration && state.own_read(user).is_some();
    let left_to_others = state.skipped.contains(&user);
    (!settles_own_read && !left_to_others).then_some(slot)
}

/// The new end of a claim's lease for a heartbeat (R7).
///
/// A heartbeat decides nothing, so it is no event: the store moves the lease in the claim's row
/// (guarded by token and by the present lease) and lays it over the folded state with
/// [`CaseState::lay_lease`] before it asks `decide` anything.
///
/// # Errors
/// `ClaimLost` where the claim is over or another's.
pub fn renew_claim(
    state: &CaseState,
    policy: &Policy,
    token: ClaimToken,
    user: UserId,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    if let Some(by_case) = state.superseded_by {
        return Err(Refusal::Superseded { by_case });
    }
    match &state.claim {
        Some(claim) if claim.token == token && claim.by == user && claim.expires_at > now => {
            Ok(lease_end(policy, now))
        }
        Some(_) | None => Err(Refusal::ClaimLost),
    }
}

fn lease_end(policy: &Policy, now: Timestamp) -> Timestamp {
    now.plus_minutes(i64::from(policy.claim_lease_min))
}

impl Draft<'_> {
    fn act(&mut self, command: Command, actor: &Actor) -> Result<(), Refusal> {
        match command {
            Command::Tick => self.only_service(actor),
            Command::RecordAi { result } => {
                self.only_service(actor)?;
                if self.state.ai.is_some() {
                    return Err(Refusal::AiAlreadyResulted);
                }
                let late = self.state.ai_absent_at.is_some() || self.state.conclusion.is_some();
                self.record(actor, Event::AiResulted { result, late });
                Ok(())
            }
            Command::Claim { token } => self.claim(token, actor),
            Command::ReleaseClaim { token } => {
                let by = self.held_claim(token, actor)?.by;
                self.record(actor, Event::ClaimReleased { by });
                Ok(())
            }
            Command::Skip { token } => {
                let by = self.held_claim(token, actor)?.by;
                self.record(actor, Event::Skipped { by });
                Ok(())
            }
            Command::Defer { reason, note } => {
                self.may_hold(actor)?;
                self.record(actor, Event::Deferred { reason, note });
                Ok(())
            }
            Command::AwaitPriors => {
                self.may_hold(actor)?;
                let days = i64::from(self.policy.priors_wait_days);
                let until = self.now.plus_minutes(days.saturating_mul(24 * 60));
                self.record(actor, Event::PriorsAwaited { until });
                Ok(())
            }
            Command::UndoDeferral => match self.state.hold {
                Some(Hold::Deferred { .. }) => {
                    self.record(actor, Event::DeferralUndone);
                    Ok(())
                }
                Some(Hold::AwaitingPriors { .. }) | None => Err(Refusal::NotOnHold),
            },
            Command::RecordPriors => match self.state.hold {
                Some(Hold::AwaitingPriors { .. }) => {
                    self.record(actor, Event::PriorsArrived);
                    Ok(())
                }
                Some(Hold::Deferred { .. }) | None => Err(Refusal::NotOnHold),
            },
            Command::AcknowledgeImages { token, images } => {
                let by = self.held_claim(token, actor)?.by;
                let known = |uid: &crate::vocab::SopInstanceUid| {
                    self.state.set.images.iter().any(|image| image.sop_instance_uid == *uid)
                };
                if !images.iter().all(known) {
                    return Err(Refusal::UnknownImage);
                }
                self.record(actor, Event::ImagesAcknowledged { by, images });
                Ok(())
            }
            Command::LockRead { token, read, opinion, comment } => {
                let claim = self.held_claim(token, actor)?;
                if claim.slot == Slot::Arbitration {
                    return Err(Refusal::WrongSlot);
                }
                self.check_lock(&claim, read, &opinion)?;
                let (by, slot, mode) = (claim.by, claim.slot, self.policy.reveal);
                let reading_ms = self.now.ms_since(claim.at);
                self.record(actor, Event::ReadLocked { read, by, slot, opinion, mode, reading_ms, comment });
                Ok(())
            }
            Command::Reveal { read } => self.reveal(read, actor),
            Command::ChangeRead { read, opinion, comment } => {
                let own = self.own_open_read(read, actor)?;
                let version = u32::try_from(own.versions.len()).unwrap_or(u32::MAX).saturating_add(1);
                let after_reveal = own.revealed_at.is_some();
                check_opinion(&self.state.set, &opinion)?;
                self.record(actor, Event::ReadChanged { read, version, opinion, after_reveal, comment });
                Ok(())
            }
            Command::KeepRead { read } => {
                let own = self.own_open_read(read, actor)?;
                if own.revealed_at.is_none() {
                    return Err(Refusal::NotRevealed);
                }
                self.record(actor, Event::ReadKept { read });
                Ok(())
            }
            Command::Finalise { read } => {
                self.own_open_read(read, actor)?;
                self.record(actor, Event::ReadFinalised { read, by_window: false });
                Ok(())
            }
            Command::LockArbitration { token, read, opinion, authors, dissent, note, overrule } => {
                let claim = self.held_claim(token, actor)?;
                if claim.slot != Slot::Arbitration {
                    return Err(Refusal::WrongSlot);
                }
                self.check_lock(&claim, read, &opinion)?;
                if !authors.contains(&claim.by) {
                    return Err(Refusal::WrongAuthors { problem: "who locks it is not among them" });
                }
                if !dissent.is_subset(&authors) || dissent.len() == authors.len() {
                    return Err(Refusal::WrongAuthors {
                        problem: "dissent is of some of the authors, not all",
                    });
                }
                if authors.len() == 1 && self.state.own_read(claim.by).is_some() {
                    return Err(Refusal::PanelNeeded);
                }
                let reading_ms = self.now.ms_since(claim.at);
                let event =
                    Event::ArbitrationLocked { read, authors, dissent, opinion, note, reading_ms, overrule };
                self.record(actor, event);
                Ok(())
            }
            Command::ReasonOverrule { reason, note } => {
                self.reader(actor)?;
                match self.state.overrule {
                    Overrule::Owed => {
                        self.record(actor, Event::OverruleReasoned { reason, note });
                        Ok(())
                    }
                    Overrule::None | Overrule::Reasoned => Err(Refusal::NoReasonOwed),
                }
            }
            Command::ActNow { read, findings, reason, key_images } => {
                self.act_now(actor, read, &findings, reason, key_images)
            }
            Command::Release => self.release_by_hand(actor),
            Command::Addendum { reason, text, opinion } => self.add(actor, reason, text, opinion),
            Command::Reopen { reason } => self.reopen(actor, reason),
            Command::Supersede { by_case } => {
                self.only_service(actor)?;
                let claim_ended = self.state.claim.as_ref().map(|claim| claim.by);
                self.record(actor, Event::Superseded { by_case, claim_ended });
                Ok(())
            }
        }
    }

    fn only_service(&self, actor: &Actor) -> Result<(), Refusal> {
        match actor {
            Actor::System | Actor::Ai { .. } => Ok(()),
            Actor::Person { .. } => Err(Refusal::NotForPeople),
        }
    }

    /// The person, in a role that may read.
    pub(super) fn reader(&self, actor: &Actor) -> Result<(UserId, Role), Refusal> {
        let (user, role) = actor.person().ok_or(Refusal::NotAPerson)?;
        if role.may_read() { Ok((user, role)) } else { Err(Refusal::RoleNotAllowed { role }) }
    }

    fn claim(&mut self, token: ClaimToken, actor: &Actor) -> Result<(), Refusal> {
        let (by, role) = self.reader(actor)?;
        let slot = may_claim(&self.state, by, role)?;
        let expires_at = lease_end(self.policy, self.now);
        self.record(actor, Event::Claimed { by, slot, token, expires_at });
        Ok(())
    }

    /// The claim that the token proves; otherwise why not (R7: the loser of a double submit is told).
    fn held_claim(&self, token: ClaimToken, actor: &Actor) -> Result<Claim, Refusal> {
        let (user, _) = self.reader(actor)?;
        match &self.state.claim {
            Some(claim) if claim.token == token && claim.by == user => Ok(claim.clone()),
            Some(_) | None if self.state.own_read(user).is_some() => Err(Refusal::AlreadyRead),
            Some(_) | None => Err(Refusal::ClaimLost),
        }
    }

    /// Who has it open, a lead, or the service; not once there is an outcome.
    fn may_hold(&self, actor: &Actor) -> Result<(), Refusal> {
        if self.state.conclusion.is_some() {
            return Err(Refusal::AlreadyConcluded);
        }
        if self.state.hold.is_some() {
            return Err(Refusal::OnHold);
        }
        if *actor == Actor::System {
            return Ok(());
        }
        let (user, role) = self.reader(actor)?;
        let claims = self.state.claim.as_ref().is_some_and(|claim| claim.by == user);
        if claims || role == Role::Lead { Ok(()) } else { Err(Refusal::ClaimLost) }
    }

    /// What every lock of an opinion needs: time, eyes on all images, a complete opinion, a fresh id.
    fn check_lock(
        &self,
        claim: &Claim,
        read: crate::vocab::ReadId,
        opinion: &crate::vocab::Opinion,
    ) -> Result<(), Refusal> {
        let state = &self.state;
        if self.state.read(read).is_some() {
            return Err(Refusal::ReadIdTaken);
        }
        let seconds = self.policy.accidental_click_seconds;
        let loaded = state.first_loads.get(&claim.by).copied().unwrap_or(claim.at);
        if self.now.ms_since(loaded) < i64::from(seconds).saturating_mul(1_000) {
            return Err(Refusal::AccidentalClick { seconds });
        }
        let count = state.images_to_open(claim.by).len();
        if count > 0 {
            return Err(Refusal::ImagesNotOpened { count });
        }
        check_opinion(&state.set, opinion)
    }

    /// The person's own read, if it does not count yet.
    fn own_open_read(&self, read: crate::vocab::ReadId, actor: &Actor) -> Result<&Read, Refusal> {
        let (user, _) = self.reader(actor)?;
        let own = self.state.read(read).filter(|read| read.is_by(user)).ok_or(Refusal::NoSuchRead)?;
        if own.finalised_at.is_some() { Err(Refusal::AlreadyFinal) } else { Ok(own) }
    }

    fn reveal(&mut self, read: crate::vocab::ReadId, actor: &Actor) -> Result<(), Refusal> {
        let (by, _) = self.reader(actor)?;
        let state = &self.state;
        let own = state.read(read).filter(|read| read.is_by(by)).ok_or(Refusal::NoSuchRead)?;
        if state.conclusion.is_some() || own.revealed_at.is_some() || own.slot == Slot::Arbitration {
            return Err(Refusal::AlreadyRevealed);
        }
        if self.policy.reveal == RevealMode::Off {
            return Err(Refusal::RevealOff);
        }
        let ai_shown = ai_in_view(state, self.policy).is_some();
        let others = state.reads.iter().filter(|other| other.id != read).count();
        let reads_shown = u32::try_from(others).unwrap_or(u32::MAX);
        self.record(actor, Event::Revealed { read, by, ai_shown, reads_shown });
        Ok(())
    }

    fn release_by_hand(&mut self, actor: &Actor) -> Result<(), Refusal> {
        self.reader(actor)?;
        if self.state.hold.is_some() {
            return Err(Refusal::OnHold);
        }
        if self.state.conclusion.is_none() {
            return Err(Refusal::NotConcluded);
        }
        if self.state.released {
            return Err(Refusal::AlreadyReleased);
        }
        self.release(actor);
        Ok(())
    }

    fn add(
        &mut self,
        actor: &Actor,
        reason: String,
        text: String,
        opinion: Option<crate::vocab::Opinion>,
    ) -> Result<(), Refusal> {
        let (by, role) = self.reader(actor)?;
        let took_part = self.state.reads.iter().any(|read| read.is_by(by));
        if !took_part && role != Role::Lead {
            return Err(Refusal::NoSuchRead);
        }
        if !self.state.reads.iter().any(|read| read.finalised_at.is_some()) {
            return Err(Refusal::NoFinalRead);
        }
        if reason.trim().is_empty() || text.trim().is_empty() {
            return Err(Refusal::ReasonNeeded);
        }
        if let Some(opinion) = &opinion {
            check_opinion(&self.state.set, opinion)?;
        }
        let standing = self.state.conclusion.clone();
        if opinion.is_some() && standing.is_none() {
            return Err(Refusal::NotConcluded);
        }
        self.record(actor, Event::Addendum { by, reason, text, opinion: opinion.clone() });
        if let (Some(opinion), Some(standing)) = (opinion, standing) {
            self.follow_addendum(&opinion, &standing);
        }
        Ok(())
    }

    fn reopen(&mut self, actor: &Actor, reason: String) -> Result<(), Refusal> {
        let (by, role) = self.reader(actor)?;
        if role != Role::Lead {
            return Err(Refusal::RoleNotAllowed { role });
        }
        if reason.trim().is_empty() {
            return Err(Refusal::ReasonNeeded);
        }
        if self.state.read_in(Slot::Arbitration).is_some() || self.state.reopened {
            return Err(Refusal::ArbitrationExists);
        }
        if !self.state.reads.iter().any(|read| read.finalised_at.is_some()) {
            return Err(Refusal::NoFinalRead);
        }
        self.record(actor, Event::Reopened { by, reason });
        Ok(())
    }
}
