//! The job loop: lease a job, run its stage, record what came of it, release.
//!
//! In: jobs, timers and messages that are due in the store. Out: cases, AI results, deliveries.
//! Must never hold a job past its lease without renewing it, decide what `reading` decides, or
//! send anything inside a transaction.

mod assemble;
mod deliver;
mod messages;
mod places;
mod register;
mod score;
mod settings;
mod shadow;
mod timers;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::archive::{Archive, ArchiveError};
use crate::infer::{InferError, Occlusion, Recogniser, Registry};
use crate::lifecycle::Lifecycle;
use crate::prepare::worker::Pool;
use crate::reading::{Actor, Command, Policy, Refusal};
use crate::store::{ActError, Job, JobFate, JobKind, Store, StoreError};
use crate::vocab::{CaseId, Clock, Pathway, StudyInstanceUid};

pub use register::StoreRegister;
pub use score::Scorer;
pub use settings::Settings;
pub use shadow::{Decided, decided};

/// What the stages share, made once by the composition root.
pub struct Pipeline {
    /// The database.
    pub store: Store,
    /// The stored objects.
    pub archive: Archive,
    /// The child processes that decode.
    pub decoders: Arc<Pool>,
    /// The models.
    pub models: Arc<Registry>,
    /// What holds views and sides of mammograms against their tags; none where there is none.
    pub recogniser: Option<Arc<Recogniser>>,
    /// How models without a map are asked where they looked.
    pub occlusion: Occlusion,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Limits and waiting times.
    pub settings: Settings,
    /// When an image set is complete.
    pub completeness: crate::receive::completeness::Settings,
    /// Policy of new chest cases.
    pub chest_policy: Policy,
    /// Policy of new mammogram cases.
    pub mammo_policy: Policy,
    /// Key of the QA sampler (PATHWAYS R16).
    pub qa_secret: [u8; 32],
    /// Where messages go; without an address they wait in the outbox.
    pub post: crate::post::Settings,
}

/// Why a stage did not finish.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Something that it waits for is not there yet; no fault.
    #[error("not yet: {0}")]
    NotYet(String),
    /// What the job is about is not in the store.
    #[error("the {0} of the job is gone")]
    Gone(&'static str),
    /// The reading core refused what the stage asked for.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The store failed.
    #[error("store")]
    Store(#[from] StoreError),
    /// The archive failed.
    #[error("archive")]
    Archive(#[source] ArchiveError),
    /// Inference failed.
    #[error("inference")]
    Infer(#[source] InferError),
    /// The subject of a job can't be read.
    #[error("the subject of the job is not valid")]
    Subject(#[source] crate::vocab::InvalidValue),
}

/// Jobs that nobody waits for, in order.
const BACKGROUND: [JobKind; 2] = [JobKind::Places, JobKind::Shadow];

/// Who of the workers may do what.
struct Turns {
    /// Looking for work.
    look: Semaphore,
    /// Working on a job that nobody waits for; without a permit nobody of these does.
    background: Arc<Semaphore>,
    /// Whether these work on what people wait for.
    foreground: bool,
}

impl Turns {
    fn new(foreground: bool, background: bool) -> Arc<Self> {
        let background = Arc::new(Semaphore::new(usize::from(background)));
        Arc::new(Self { look: Semaphore::new(1), background, foreground })
    }
}

/// What becomes of a job whose stage ran.
enum Next {
    /// Nothing more to do.
    Done,
    /// Look again then.
    At(crate::vocab::Timestamp),
}

impl Pipeline {
    /// Starts every loop of the pipeline; each ends when the lifecycle stops.
    pub fn start(self: Arc<Self>, lifecycle: &Lifecycle) {
        let count = self.settings.worker_count();
        // A lone worker would hold a new study up while it seeks places for an old one: that has a worker of its own then.
        let turns = Turns::new(true, count > 1);
        for _ in 0..count {
            lifecycle.spawn(Arc::clone(&self).work(Arc::clone(&turns), lifecycle.stop_signal()));
        }
        if count == 1 {
            lifecycle.spawn(Arc::clone(&self).work(Turns::new(false, true), lifecycle.stop_signal()));
        }
        lifecycle.spawn(Arc::clone(&self).keep_time(lifecycle.stop_signal()));
        lifecycle.spawn(Arc::clone(&self).watch_models(lifecycle.stop_signal()));
        if !self.post.endpoint.url.is_empty() {
            for _ in 0..self.settings.deliveries.max(1) {
                lifecycle.spawn(Arc::clone(&self).deliver(lifecycle.stop_signal()));
            }
        }
    }

    /// The policy of new cases on a pathway.
    fn policy(&self, pathway: Pathway) -> &Policy {
        match pathway {
            Pathway::Chest => &self.chest_policy,
            Pathway::Mammo => &self.mammo_policy,
        }
    }

    /// Takes jobs one after another until the stop.
    async fn work(self: Arc<Self>, turns: Arc<Turns>, stop: CancellationToken) {
        while let Some((job, _background)) = self.next_job(&turns, &stop).await {
            self.run(job).await;
        }
    }

    /// The next job; `None` once it is time to stop.
    ///
    /// One idle worker at a time looks for work, so that each job is looked for once and not by all of them.
    ///
    /// Of what can wait, one job at a time: the other workers stay free for what people wait for.
    async fn next_job(
        &self,
        turns: &Turns,
        stop: &CancellationToken,
    ) -> Option<(Job, Option<OwnedSemaphorePermit>)> {
        let _turn = stop.run_until_cancelled(turns.look.acquire()).await?.ok()?;
        let mut bell = self.store.work_bell();
        while !stop.is_cancelled() {
            bell.mark_unchanged();
            let background = Arc::clone(&turns.background).try_acquire_owned().ok();
            match self.due_job(turns.foreground, background.is_some()).await {
                Ok(Some(job)) => {
                    let permit = background.filter(|_| BACKGROUND.contains(&job.kind));
                    return Some((job, permit));
                }
                Ok(None) => match background {
                    Some(_) => self.wait(&mut bell, stop, self.settings.poll_ms).await,
                    None => tokio::select! {
                        () = self.wait(&mut bell, stop, self.settings.poll_ms) => {}
                        _ = turns.background.acquire() => {}
                    },
                },
                Err(error) => {
                    tracing::warn!(%error, "jobs can't be claimed; trying again");
                    self.wait(&mut bell, stop, self.settings.poll_ms).await;
                }
            }
        }
        None
    }

    /// The job that is due; what can wait only where nothing else is, and where it may be done at all.
    async fn due_job(&self, foreground: bool, background: bool) -> Result<Option<Job>, StoreError> {
        let at_once: &[JobKind] = if foreground { &[JobKind::Assemble, JobKind::Score] } else { &[] };
        let waits: &[JobKind] = if background { &BACKGROUND } else { &[] };
        for kinds in at_once.chunks(2).chain(waits.chunks(1)) {
            let job = self.store.claim_job(kinds, self.clock.now(), self.settings.lease_ms).await?;
            if job.is_some() {
                return Ok(job);
            }
        }
        Ok(None)
    }

    /// Waits for work of this process, for the poll interval, or for the stop.
    async fn wait(&self, bell: &mut watch::Receiver<u64>, stop: &CancellationToken, poll_ms: u64) {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = bell.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(poll_ms)) => {}
        }
    }

    /// Runs one job to its end, renewing the lease meanwhile.
    async fn run(&self, mut job: Job) {
        let started = std::time::Instant::now();
        let kind = job.kind;
        let outcome = {
            let stage = self.stage(job.kind, job.subject.clone());
            tokio::pin!(stage);
            let third =
                Duration::from_millis(u64::try_from(self.settings.lease_ms / 3).unwrap_or(1_000).max(1));
            loop {
                tokio::select! {
                    outcome = &mut stage => break outcome,
                    () = tokio::time::sleep(third) => {
                        if let Err(error) = self.store.renew_job(&mut job, self.clock.now(), self.settings.lease_ms).await {
                            tracing::warn!(job.kind = %kind, %error, "a lease could not be renewed");
                        }
                    }
                }
            }
        };
        metrics::histogram!("doubleread_stage_seconds", "stage" => kind.code())
            .record(started.elapsed().as_secs_f64());
        let settled = match outcome {
            Ok(Next::Done) => self.store.complete_job(&job, self.clock.now()).await.map(|()| None),
            Ok(Next::At(at)) => self.store.postpone_job(&job, at).await.map(|()| None),
            Err(StageError::NotYet(_)) => {
                let again = self.clock.now().plus_ms(i64::try_from(self.settings.poll_ms).unwrap_or(1_000));
                self.store.postpone_job(&job, again).await.map(|()| None)
            }
            Err(error) => {
                let reason = reason(&error);
                self.store.fail_job(&job, &reason, self.clock.now()).await.map(|fate| Some((reason, fate)))
            }
        };
        match settled {
            Ok(None) => {}
            Ok(Some((reason, JobFate::RetryAt(_)))) => {
                tracing::warn!(job.kind = %kind, reason, "a job failed and is tried again")
            }
            Ok(Some((reason, JobFate::GivenUp))) => {
                metrics::counter!("doubleread_jobs_given_up_total", "kind" => kind.code()).increment(1);
                tracing::error!(job.kind = %kind, reason, "a job was given up");
            }
            Err(error) => {
                tracing::warn!(job.kind = %kind, %error, "a job could not be settled; its lease will run out")
            }
        }
    }

    async fn stage(&self, kind: JobKind, subject: String) -> Result<Next, StageError> {
        match kind {
            JobKind::Assemble => {
                let study: StudyInstanceUid = subject.parse().map_err(StageError::Subject)?;
                self.assemble(&study).await
            }
            JobKind::Score => {
                let case_id: CaseId = subject.parse().map_err(StageError::Subject)?;
                self.score(case_id).await.map(|()| Next::Done)
            }
            JobKind::Places => {
                let case_id: CaseId = subject.parse().map_err(StageError::Subject)?;
                self.find_places(case_id).await.map(|()| Next::Done)
            }
            JobKind::Shadow => self.score_in_the_shadow(&subject).await.map(|()| Next::Done),
        }
    }

    /// Puts a command to a case.
    async fn act(&self, case_id: CaseId, command: Command, actor: &Actor) -> Result<(), StageError> {
        self.store.act(case_id, command, actor, self.clock.now()).await?;
        Ok(())
    }
}

impl From<ActError> for StageError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(refusal) => StageError::Refused(refusal),
            ActError::Store(error) => StageError::Store(error),
        }
    }
}

/// An error with its causes in one line, for the record of the job.
fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
