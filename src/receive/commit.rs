//! Group commit: many associations share one rename-and-sync round and one transaction.
//!
//! In: sealed files with their instances. Out: an answer to each, after it is durable. While
//! one batch is on its way, the next one gathers; nothing waits for company.

use super::object::Refusal;
use crate::archive::{ArchiveError, Incoming, Published, Sealed};
use crate::vocab::{Clock, Instance, Registration};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Where instances are registered; the composition root implements it with the store.
pub trait InstanceRegister: Send + Sync + 'static {
    /// Registers the instances in one durable transaction, with one answer each, in order.
    ///
    /// Two of one call may be the same instance (the second is `AlreadyStored`, or `Conflict` if
    /// its hash differs). A `Conflict` is recorded, so that a person sees both.
    fn register(&self, instances: Vec<Instance>) -> BoxFuture<'_, Result<Vec<Registration>, RegisterError>>;

    /// Whether a row names the bytes of this instance: its own or that of a conflict.
    fn is_named(&self, instance: Instance) -> BoxFuture<'_, Result<bool, RegisterError>>;
}

/// Why instances were not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Certainly no row was written; the files are taken back.
    #[error("the database refused the instances")]
    NotRegistered(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The transaction may have been committed; the files stay, the sender is told to try again.
    #[error("it is not known whether the instances were registered")]
    Unknown(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One object that waits for its commit.
struct Waiting {
    instance: Instance,
    sealed: Sealed,
    answer: oneshot::Sender<Result<(), Refusal>>,
}

/// An object under its final name that waits for its row.
type Placed = (Instance, oneshot::Sender<Result<(), Refusal>>, Published);

/// An object that is refused after it was placed.
struct Refused {
    instance: Instance,
    answer: oneshot::Sender<Result<(), Refusal>>,
    /// Whether a file that this process made stands under its name.
    left_file: bool,
    why: Refusal,
}

/// The way to the committer.
#[derive(Clone)]
pub(super) struct Committer {
    queue: mpsc::Sender<Waiting>,
}

impl Committer {
    /// Starts the committer; it ends when the last handle is dropped.
    pub fn start(
        incoming: Arc<Incoming>,
        register: Arc<dyn InstanceRegister>,
        clock: Arc<dyn Clock>,
        batch: usize,
        queue: usize,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let round = Round { incoming, register, clock };
        let task = tokio::spawn(round.run(receiver, batch.max(1)));
        (Self { queue: sender }, task)
    }

    /// Hands an object in; the answer comes when it is durable or refused.
    pub async fn commit(&self, instance: Instance, sealed: Sealed) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { instance, sealed, answer }).map_err(|_| Refusal::Busy)?;
        answered.await.unwrap_or(Err(Refusal::Fault))
    }
}

struct Round {
    incoming: Arc<Incoming>,
    register: Arc<dyn InstanceRegister>,
    clock: Arc<dyn Clock>,
}

impl Round {
    async fn run(self, mut queue: mpsc::Receiver<Waiting>, batch: usize) {
        let mut waiting = Vec::new();
        while queue.recv_many(&mut waiting, batch).await > 0 {
            metrics::histogram!("receive_commit_batch").record(waiting.len() as f64);
            self.commit(std::mem::take(&mut waiting)).await;
        }
    }

    async fn commit(&self, batch: Vec<Waiting>) {
        let started = std::time::Instant::now();
        let (mut instances, mut answers, mut files) = (Vec::new(), Vec::new(), Vec::new());
        for Waiting { instance, sealed, answer } in batch {
            instances.push(instance);
            answers.push(answer);
            files.push(sealed);
        }
        let incoming = Arc::clone(&self.incoming);
        let Ok(published) = tokio::task::spawn_blocking(move || incoming.publish(files)).await else {
            // Dropped answers are a fault to those who wait.
            return;
        };
        let now = self.clock.now();
        let (mut durable, mut refused) = (Vec::new(), Vec::new());
        for ((mut instance, answer), published) in instances.into_iter().zip(answers).zip(published) {
            match published {
                Ok(published) => {
                    instance.received_at = now;
                    durable.push((instance, answer, published));
                }
                Err(error @ ArchiveError::NotDurable { .. }) => {
                    refused.push(Refused { instance, answer, left_file: true, why: error.into() });
                }
                Err(error) => answer_to(answer, Err(error.into())),
            }
        }
        self.register(durable, &mut refused).await;
        for refused in refused {
            self.refuse(refused).await;
        }
        metrics::histogram!("receive_commit_seconds").record(started.elapsed().as_secs_f64());
    }

    /// Registers what is durable. What is refused comes back in `refused` and holds its file no longer.
    async fn register(&self, durable: Vec<Placed>, refused: &mut Vec<Refused>) {
        if durable.is_empty() {
            return;
        }
        let instances: Vec<Instance> = durable.iter().map(|(instance, _, _)| instance.clone()).collect();
        match self.register.register(instances).await {
            Ok(registrations) => {
                for ((_, answer, _), registration) in durable.into_iter().zip(registrations) {
                    answer_to(answer, outcome_of(registration));
                }
            }
            // One instance that the database can't take must not refuse the others: one by one.
            Err(RegisterError::NotRegistered(error)) if durable.len() > 1 => {
                tracing::warn!(%error, "a batch was refused by the database; its instances are tried one by one");
                for one in durable {
                    Box::pin(self.register(vec![one], refused)).await;
                }
            }
            Err(error) => {
                let unknown = matches!(error, RegisterError::Unknown(_));
                tracing::error!(%error, cause = cause_of(&error), "instances were not registered");
                let text = error.to_string();
                for (instance, answer, published) in durable {
                    let why = match unknown {
                        true => RegisterError::Unknown(text.clone().into()),
                        false => RegisterError::NotRegistered(text.clone().into()),
                    };
                    let left_file = !unknown && published.created;
                    refused.push(Refused { instance, answer, left_file, why: why.into() });
                }
            }
        }
    }

    /// Takes the file of a refused instance back, unless somebody registers those bytes or has done so, and answers.
    async fn refuse(&self, refused: Refused) {
        let Refused { instance, answer, left_file, why } = refused;
        if left_file {
            match self.incoming.take_back(&instance.content_hash) {
                Ok(Some(removal)) => match self.register.is_named(instance).await {
                    Ok(false) => removal.remove(),
                    Ok(true) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a refused object stays in the archive without a row")
                    }
                },
                Ok(None) => {
                    tracing::info!("a refused object stays: another association or process has it in hand")
                }
                Err(error) => tracing::warn!(%error, "a refused object stays in the archive without a row"),
            }
        }
        answer_to(answer, Err(why));
    }
}

/// The causes of an error in one line; a database's own words name columns and files, never values.
fn cause_of(error: &RegisterError) -> String {
    let first = std::error::Error::source(error);
    let all = std::iter::successors(first, |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn outcome_of(registration: Registration) -> Result<(), Refusal> {
    match registration {
        Registration::Stored | Registration::AlreadyStored => Ok(()),
        Registration::Conflict => {
            metrics::counter!("receive_conflicts_total").increment(1);
            Err(Refusal::Conflict)
        }
    }
}

fn answer_to(answer: oneshot::Sender<Result<(), Refusal>>, outcome: Result<(), Refusal>) {
    // A sender that left hears of it by sending again.
    let _ = answer.send(outcome);
}
