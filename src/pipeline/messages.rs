//! Bodies of messages, built from the case as it stood after the event that owes them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pipeline, StageError};
use crate::post::{
    self, PatientRecord, Person, ReleasedCase, RepeatAsk, RepeatReason, SeriesRecord, StudyRecord, UrgentAct,
    Verification,
};
use crate::reading::{self, Asked, CaseState, Event, RecordedEvent};
use crate::store::{MessageKind, MessageRow, Study};
use crate::vocab::{FindingCode, Instance, Opinion, Pathway, ReadId, SopInstanceUid, Timestamp, UserId};

/// What a message is made of.
struct Facts {
    state: CaseState,
    events: Vec<RecordedEvent>,
    patient: PatientRecord,
    study: StudyRecord,
}

impl Pipeline {
    /// The body of a message as JSON text; the same facts give the same text at every attempt.
    pub(super) async fn message_body(&self, row: &MessageRow) -> Result<String, StageError> {
        let facts = self.facts(row).await?;
        let cause = facts.events.last().map(|recorded| &recorded.entry.event);
        let systems = &self.post.systems;
        let body = match (row.kind, cause) {
            (MessageKind::FhirReport, Some(Event::Released { source, outcome, .. })) => {
                post::report_bundle(&self.released_case(&facts, *source, outcome).await?, systems)
            }
            (MessageKind::UrgentMessage, Some(Event::UrgentActed { read, findings, asked, .. })) => {
                post::urgent_message(
                    &self.urgent_act(&facts, *read, findings, asked.as_ref()).await?,
                    systems,
                )
            }
            (MessageKind::FollowUpOrder, Some(Event::UrgentActed { read, findings, asked, .. })) => {
                post::follow_up_order(
                    &self.urgent_act(&facts, *read, findings, asked.as_ref()).await?,
                    systems,
                )
            }
            (MessageKind::RepeatRequest, Some(Event::OrderReopened { read, inadequate, views })) => {
                let reason = match (facts.state.set.pathway, inadequate) {
                    (Pathway::Chest, Some(reason)) => RepeatReason::Chest { reason: *reason },
                    (Pathway::Chest, None) | (Pathway::Mammo, _) => {
                        RepeatReason::Mammo { views: views.clone() }
                    }
                };
                let (reader, at) = self.reader_of(&facts.state, *read).await?;
                let ask = RepeatAsk {
                    case_id: row.case_id,
                    read_id: *read,
                    reader,
                    reason,
                    at,
                    patient: facts.patient,
                    study: facts.study,
                };
                post::repeat_request(&ask, systems)
            }
            _ => return Err(StageError::Gone("event")),
        };
        Ok(body.to_string())
    }

    async fn facts(&self, row: &MessageRow) -> Result<Facts, StageError> {
        let mut events = self.store.events_of_case(row.case_id).await?;
        events.retain(|recorded| recorded.entry.position <= row.event_position);
        let history = events.iter().map(|recorded| (recorded.entry.at, &recorded.entry.event));
        let state = CaseState::fold(row.case_id, history).map_err(|_| StageError::Gone("case"))?;
        let uid = &state.set.study_instance_uid;
        let study = self.store.study(uid).await?.ok_or(StageError::Gone("study"))?;
        let shown: BTreeSet<_> = state.set.images.iter().map(|image| &image.sop_instance_uid).collect();
        let mut instances = self.store.instances_of_study(uid).await?;
        instances.retain(|instance| shown.contains(&instance.sop_instance_uid));
        let of_another = self.has_order_of_another(&study).await?;
        let nhs_number = study.patient_id.as_ref().and_then(|id| id.as_str().parse().ok());
        let patient = PatientRecord {
            patient_id: study.patient_id,
            nhs_number,
            name: study.patient_name.unwrap_or_default(),
            birth_date: study.birth_date.unwrap_or_default(),
            sex: study.sex,
        };
        let study = StudyRecord {
            uid: uid.clone(),
            // The record would file a result under the patient of the order.
            accession_number: study.accession_number.filter(|_| !of_another),
            site: study.site,
            date: study.study_date.unwrap_or_default(),
            received_at: state.set.last_image_at,
            series: series(&instances),
        };
        Ok(Facts { state, events, patient, study })
    }

    /// Whether the order with the accession number of the images is for somebody else, and a person has let them be read
    /// without it.
    async fn has_order_of_another(&self, study: &Study) -> Result<bool, StageError> {
        let Some(number) = &study.accession_number else { return Ok(false) };
        let orders = self.store.orders_of_accession(&study.site, number).await?;
        let found = reading::match_order(&study.imaged(), !orders.is_empty(), &orders);
        Ok(matches!(found, reading::OrderMatch::OtherPatient(_)))
    }

    async fn released_case(
        &self,
        facts: &Facts,
        source: ReadId,
        outcome: &Opinion,
    ) -> Result<ReleasedCase, StageError> {
        let state = &facts.state;
        // A late image set is a new case (R11): its releases count on, so that the record is amended.
        let mut outcomes = Vec::new();
        for earlier in self.store.cases_of_study(&state.set.study_instance_uid).await? {
            if earlier.pathway == state.set.pathway && earlier.image_set < i64::from(state.set.number) {
                outcomes.extend(released(&self.store.events_of_case(earlier.case_id).await?));
            }
        }
        let from_earlier_sets = !outcomes.is_empty();
        outcomes.extend(released(&facts.events));
        outcomes.pop();
        let amendment = match state.addenda.last() {
            _ if outcomes.is_empty() => None,
            Some(addendum) => Some(addendum.text.clone()),
            None if from_earlier_sets => Some("More images arrived and were read.".to_owned()),
            None => Some("The case was read again.".to_owned()),
        };
        let released_at = facts.events.last().map_or(state.opened_at, |recorded| recorded.entry.at);
        Ok(ReleasedCase {
            case_id: state.case_id,
            release_number: u32::try_from(outcomes.len() + 1).unwrap_or(u32::MAX),
            outcome: outcome.clone(),
            earlier_outcomes: outcomes,
            amendment,
            verification: self.verification(state, source).await?,
            released_at,
            patient: facts.patient.clone(),
            study: facts.study.clone(),
            ai: state.ai.as_ref().map(|record| record.result.clone()),
        })
    }

    async fn verification(&self, state: &CaseState, source: ReadId) -> Result<Verification, StageError> {
        let read = state.read(source).ok_or(StageError::Gone("read"))?;
        let finalised_at = read.finalised_at.ok_or(StageError::Gone("finalised read"))?;
        let (reader, _) = self.reader_of(state, source).await?;
        let mut others = BTreeSet::new();
        let sources = state.conclusion.as_ref().map(|c| c.sources.clone()).unwrap_or_default();
        for id in sources.into_iter().chain([source]) {
            let Some(read) = state.read(id) else { continue };
            others
                .extend(read.authors.difference(&read.dissent).copied().filter(|user| *user != reader.user));
        }
        let mut people = Vec::new();
        for user in others {
            people.push(self.person(user).await?);
        }
        Ok(Verification { read_id: source, reader, others: people, finalised_at })
    }

    async fn urgent_act(
        &self,
        facts: &Facts,
        read: ReadId,
        findings: &[FindingCode],
        asked: Option<&Asked>,
    ) -> Result<UrgentAct, StageError> {
        let (reader, counts_since) = self.reader_of(&facts.state, read).await?;
        // The window of the order begins with the act, which may come later than the read.
        let at = facts.events.last().map_or(counts_since, |recorded| recorded.entry.at);
        let (reason, key_images) = why(&facts.state, read, findings, asked, at);
        let policy = self.store.policy(&facts.state.policy).await?;
        Ok(UrgentAct {
            case_id: facts.state.case_id,
            read_id: read,
            reader,
            number: facts
                .events
                .iter()
                .filter(|recorded| matches!(recorded.entry.event, Event::UrgentActed { .. }))
                .count(),
            findings: findings.to_vec(),
            reason,
            key_images,
            at,
            due_by: reading::due_at(&policy, at),
            referrer: None,
            patient: facts.patient.clone(),
            study: facts.study.clone(),
        })
    }

    /// Who gave a read (of a panel, the first), and since when it counts.
    async fn reader_of(&self, state: &CaseState, read: ReadId) -> Result<(Person, Timestamp), StageError> {
        let read = state.read(read).ok_or(StageError::Gone("read"))?;
        let user = read.authors.iter().find(|user| !read.dissent.contains(user));
        let user = user.or_else(|| read.authors.first()).ok_or(StageError::Gone("reader"))?;
        Ok((self.person(*user).await?, read.finalised_at.unwrap_or(read.locked_at)))
    }

    async fn person(&self, user: UserId) -> Result<Person, StageError> {
        let account = self.store.user(user).await?.ok_or(StageError::Gone("account of a reader"))?;
        Ok(Person { user, name: account.display_name })
    }
}

fn released(events: &[RecordedEvent]) -> Vec<Opinion> {
    let outcome = |recorded: &RecordedEvent| match &recorded.entry.event {
        Event::Released { outcome, .. } => Some(outcome.clone()),
        _ => None,
    };
    events.iter().filter_map(outcome).collect()
}

fn series(instances: &[Instance]) -> Vec<SeriesRecord> {
    let mut by_uid: BTreeMap<_, SeriesRecord> = BTreeMap::new();
    for instance in instances {
        let uid = instance.series_instance_uid.clone();
        let record = by_uid.entry(uid.clone()).or_insert_with(|| SeriesRecord {
            uid,
            modality: instance.tags.modality.clone(),
            instances: Vec::new(),
        });
        record.instances.push((instance.sop_instance_uid.clone(), instance.sop_class_uid.clone()));
    }
    by_uid.into_values().collect()
}

/// The words and the images that go along with an act: those that its author asked for, those of the addendum that set
/// it off, or those of the read.
fn why(
    state: &CaseState,
    read: ReadId,
    findings: &[FindingCode],
    asked: Option<&Asked>,
    at: Timestamp,
) -> (String, Vec<SopInstanceUid>) {
    if let Some(asked) = asked {
        return (asked.reason.clone(), asked.key_images.clone());
    }
    let amended = state.addenda.last().filter(|addendum| addendum.at == at);
    if let Some((opinion, addendum)) = amended.and_then(|one| Some((one.opinion.as_ref()?, one))) {
        return (addendum.text.clone(), key_images(opinion, findings));
    }
    let said = state.read(read);
    said.map(|read| (read.comment.clone(), key_images(&read.current, findings))).unwrap_or_default()
}

/// Images on which a reader marked what is urgent, each once.
fn key_images(opinion: &Opinion, findings: &[FindingCode]) -> Vec<SopInstanceUid> {
    let mut images: Vec<SopInstanceUid> = Vec::new();
    let marks = opinion.urgent_findings().filter(|one| findings.contains(&one.code));
    for mark in marks.filter_map(|finding| finding.mark.as_ref()) {
        if !images.contains(&mark.sop_instance_uid) {
            images.push(mark.sop_instance_uid.clone());
        }
    }
    images
}
