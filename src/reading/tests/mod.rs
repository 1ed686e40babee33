//! Tests of the reading core: a table test per row of PATHWAYS, and properties over random histories.

mod chain;
mod chest;
mod discordance;
mod mammo;
mod orders;
mod property;
mod replay;
mod rules;
mod rules_after;
mod sides;
mod urgent;
mod views;

use std::collections::BTreeSet;

use crate::vocab::{
    AiOutcome, AiResult, Assessment, BreastOpinion, BreastScore, CaseId, ChestFinding, ChestOpinion,
    FindingCode, InadequateReason, MammoOpinion, MammoView, NotProcessedReason, Opinion, Pathway,
    QualityFault, ReadId, Side, TechnicalReason, Timestamp, UserId, ViewRecall,
};

use super::*;

pub(super) const T0: i64 = 1_767_323_040_000; // 2026-01-02T03:04:00Z

pub(super) fn user(n: u128) -> UserId {
    UserId::from_number(n)
}
pub(super) fn reader(n: u128) -> Actor {
    Actor::Person { user: user(n), role: Role::Reader }
}
pub(super) fn lead(n: u128) -> Actor {
    Actor::Person { user: user(n), role: Role::Lead }
}

pub(super) fn policy(id: &str) -> Policy {
    Policy::shipped(id).unwrap()
}

/// A policy that counts every read at once and draws nobody for QA, so that a table stays a table.
pub(super) fn plain(id: &str) -> Policy {
    let mut policy = policy(id);
    policy.finalisation = Finalisation::Minutes(0);
    policy.qa.rate = 0.0;
    policy
}

pub(super) fn image_set(pathway: Pathway) -> ImageSet {
    let images = match pathway {
        Pathway::Chest => vec![CaseImage { sop_instance_uid: "1.2.1".parse().unwrap(), view: None }],
        Pathway::Mammo => MammoView::STANDARD
            .iter()
            .zip(1..)
            .map(|(view, n)| CaseImage {
                sop_instance_uid: format!("1.2.{n}").parse().unwrap(),
                view: Some(*view),
            })
            .collect(),
    };
    ImageSet {
        study_instance_uid: "1.2".parse().unwrap(),
        pathway,
        site: "CDC1".parse().unwrap(),
        number: 1,
        supersedes: None,
        images,
        complete_reason: CompleteReason::ExpectedViews,
        last_image_at: Timestamp::from_millis(T0),
        urgent: false,
    }
}

/// What the AI says, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ai {
    Normal,
    /// Abnormal, flagged on the right where there are breasts.
    Abnormal,
    QualityFail,
    NotProcessed,
    /// No result by the deadline.
    Absent,
}

pub(super) fn ai(said: Ai, at: Timestamp) -> AiResult {
    let mut result = AiResult::not_processed(NotProcessedReason::ModelFault, "", at);
    let score = match said {
        Ai::Normal => 0.1,
        Ai::Abnormal => 0.9,
        Ai::QualityFail => {
            let faults =
                vec![QualityFault { view: None, reason: NotProcessedReason::Clipped, detail: String::new() }];
            result.outcome = AiOutcome::QualityFail { faults };
            return result;
        }
        Ai::NotProcessed | Ai::Absent => return result,
    };
    result.outcome = if said == Ai::Abnormal { AiOutcome::Abnormal } else { AiOutcome::Normal };
    result.score = Some(score);
    result.threshold = Some(0.5);
    result.breasts = vec![
        BreastScore { side: Side::Right, score, flagged: said == Ai::Abnormal },
        BreastScore { side: Side::Left, score: 0.1, flagged: false },
    ];
    result
}

pub(super) fn chest_normal() -> Opinion {
    Opinion::Chest(ChestOpinion::Normal)
}
pub(super) fn finding(code: FindingCode) -> ChestFinding {
    ChestFinding { code, side: None, zone: None, confidence: None, urgent: false, mark: None }
}
pub(super) fn chest_abnormal(code: FindingCode) -> Opinion {
    Opinion::Chest(ChestOpinion::Abnormal { findings: vec![finding(code)] })
}
pub(super) fn chest_urgent() -> Opinion {
    let findings = vec![ChestFinding { urgent: true, ..finding(FindingCode::Pneumothorax) }];
    Opinion::Chest(ChestOpinion::Abnormal { findings })
}
pub(super) fn inadequate() -> Opinion {
    Opinion::Chest(ChestOpinion::Inadequate { reason: InadequateReason::Rotation })
}
pub(super) fn mammo_normal() -> Opinion {
    Opinion::Mammo(MammoOpinion::Normal)
}
pub(super) fn breast(assessment: Assessment) -> BreastOpinion {
    BreastOpinion { assessment, marks: Vec::new() }
}
pub(super) fn recall_of(right: Assessment, left: Assessment) -> Opinion {
    Opinion::Mammo(MammoOpinion::Recall { right: breast(right), left: breast(left) })
}
pub(super) fn recall() -> Opinion {
    recall_of(Assessment::Abnormal, Assessment::Normal)
}
pub(super) fn technical(views: &[&str]) -> Opinion {
    let view = |name: &&str| ViewRecall { view: name.parse().unwrap(), reason: TechnicalReason::Blurred };
    Opinion::Mammo(MammoOpinion::TechnicalRecall { views: views.iter().map(view).collect() })
}

/// A case that is played through: state, policy, clock, and every event so far.
#[derive(Debug, Clone)]
pub(super) struct Play {
    pub policy: Policy,
    pub state: CaseState,
    pub events: Vec<(Timestamp, Actor, Event)>,
    pub now: Timestamp,
    tokens: u128,
}

impl Play {
    pub fn new(policy: Policy) -> Play {
        let set = image_set(policy.pathway);
        Play::of(policy, set, 0.5)
    }

    pub fn of(policy: Policy, set: ImageSet, qa_number: f64) -> Play {
        policy.check().unwrap();
        let now = Timestamp::from_millis(T0);
        let case_id = CaseId::from_number(1);
        let decided = open_case(case_id, set, &policy, qa_number, now);
        let state = CaseState::open(case_id, now, &decided[0].event).unwrap();
        let mut play = Play { policy, state, events: Vec::new(), now, tokens: 0 };
        play.events.push((now, Actor::System, decided[0].event.clone()));
        play.keep(decided.into_iter().skip(1).collect());
        play
    }

    fn keep(&mut self, decided: Vec<Decided>) -> Vec<Event> {
        let mut kept = Vec::new();
        for Decided { actor, event } in decided {
            self.state.apply(self.now, &event).unwrap();
            kept.push(event.clone());
            self.events.push((self.now, actor, event));
        }
        kept
    }

    pub fn ask(&mut self, actor: &Actor, command: Command) -> Result<Vec<Event>, Refusal> {
        let decided = decide(&self.state, &self.policy, command, actor, self.now)?;
        Ok(self.keep(decided))
    }

    pub fn wait(&mut self, minutes: i64) -> Vec<Event> {
        self.now = self.now.plus_minutes(minutes);
        self.ask(&Actor::System, Command::Tick).unwrap()
    }

    pub fn ai(&mut self, said: Ai) {
        if said == Ai::Absent {
            self.wait(121);
            return;
        }
        let result = Box::new(ai(said, self.now));
        self.ask(&Actor::System, Command::RecordAi { result }).unwrap();
    }

    pub fn token(&mut self) -> ClaimToken {
        self.tokens += 1;
        ClaimToken::from_number(self.tokens)
    }

    pub fn claim(&mut self, n: u128) -> Result<ClaimToken, Refusal> {
        let token = self.token();
        self.ask(&reader(n), Command::Claim { token }).map(|_| token)
    }

    /// Claims, looks at every image for a while, and locks; the id of the read is 100 + n.
    pub fn read(&mut self, n: u128, opinion: Opinion) -> Result<ReadId, Refusal> {
        let token = self.claim(n)?;
        self.now = self.now.plus_seconds(30);
        let images: BTreeSet<_> = self.state.set.images.iter().map(|i| i.sop_instance_uid.clone()).collect();
        self.ask(&reader(n), Command::AcknowledgeImages { token, images })?;
        let read = ReadId::from_number(100 + n);
        self.ask(&reader(n), Command::LockRead { token, read, opinion, comment: String::new() })?;
        Ok(read)
    }

    pub fn arbitrate(&mut self, n: u128, opinion: Opinion) -> Result<ReadId, Refusal> {
        let token = self.claim(n)?;
        self.now = self.now.plus_seconds(30);
        let read = ReadId::from_number(200 + n);
        let command = Command::LockArbitration {
            token,
            read,
            opinion,
            authors: [user(n)].into(),
            dissent: BTreeSet::new(),
            overrule: None,
            note: String::new(),
        };
        self.ask(&reader(n), command)?;
        Ok(read)
    }

    /// What it waits for, or the word of the outcome and the rule that it came by.
    pub fn stands(&self) -> String {
        match &self.state.conclusion {
            Some(conclusion) => format!("{} by {}", conclusion.outcome.word(), conclusion.rule),
            None => {
                let rule = self.state.arbitration_due.or(self.state.third_due).or(self.state.second_due);
                let step = next_step(&self.state, &self.policy).word();
                rule.map_or(step.to_owned(), |rule| format!("{step} by {rule}"))
            }
        }
    }

    pub fn has(&self, kind: &str) -> bool {
        self.count(kind) > 0
    }

    pub fn count(&self, kind: &str) -> usize {
        let is = |event: &Event| serde_json::to_value(event).unwrap()["kind"] == kind;
        self.events.iter().filter(|(_, _, event)| is(event)).count()
    }
}

/// How a case stands after the AI and one reader have spoken.
pub(super) fn after_first(policy: &Policy, said: Ai, opinion: Opinion) -> Play {
    let mut play = Play::new(policy.clone());
    play.ai(said);
    play.read(1, opinion).unwrap();
    play
}
