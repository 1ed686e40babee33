//! The other side: a service class user that pushes files as a modality does.
//!
//! In: files on disk and where to send them. Out: what the peer answered for each. Files are
//! streamed in the transfer syntax that they are in; nothing is converted and nothing held
//! whole. Lost associations are opened again and the file in flight is sent again.

mod portions;
mod requester;

pub use super::part10::{Head, HeadError, read_head as read_head_of};

use super::part10;
use crate::vocab::AeTitle;
use requester::{Lost, Requester};
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest P-DATA-TF that we send, whatever the peer would take, in bytes.
const MOST_SENT: u32 = 256 * 1024;

/// Where to send, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// Host and port.
    pub address: String,
    /// Title of the peer.
    pub called_ae: AeTitle,
    /// Our title.
    pub calling_ae: AeTitle,
    /// Associations at a time.
    pub associations: usize,
    /// Times that one file is tried when the association is lost or the peer is out of resources.
    pub attempts: u32,
    /// Longest wait for the peer, in milliseconds.
    pub timeout_ms: u64,
}

impl Target {
    /// A peer with one association, three attempts and a minute's patience.
    pub fn new(address: impl Into<String>, called_ae: AeTitle, calling_ae: AeTitle) -> Self {
        Self {
            address: address.into(),
            called_ae,
            calling_ae,
            associations: 1,
            attempts: 3,
            timeout_ms: 60_000,
        }
    }
}

/// What came of one file.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The file.
    pub path: PathBuf,
    /// Its SOP Instance UID, where its head could be read.
    pub sop_instance_uid: Option<String>,
    /// Bytes of its data set.
    pub size_bytes: u64,
    /// From the first byte to the response.
    pub took: Duration,
    /// The status that the peer answered, or why it did not come to that.
    pub outcome: Outcome,
}

/// How sending one file ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The peer answered: 0x0000 is success (0xB000 and above up to 0xBFFF are warnings).
    Answered {
        /// Status code.
        status: u16,
        /// Error Comment, where the peer gave one.
        comment: String,
    },
    /// The peer accepts no presentation context for its class and syntax.
    NotAccepted,
    /// The file can't be sent.
    Unreadable(String),
    /// The association was lost and could not be had again.
    Lost(String),
}

impl Outcome {
    /// Success, or a warning.
    pub fn is_stored(&self) -> bool {
        matches!(self, Outcome::Answered { status, .. } if *status == 0 || status & 0xF000 == 0xB000)
    }
}

/// Why a peer could not be reached or did not take us.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection.
    #[error("can't connect to {address}")]
    Connect {
        /// Where.
        address: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The peer rejected the association.
    #[error("the peer rejected the association: {reason}")]
    Rejected {
        /// In words (PS3.8 table 9-21).
        reason: String,
    },
    /// The association was lost.
    #[error("the association was lost: {0}")]
    Lost(String),
    /// The peer does not offer the service.
    #[error("the peer does not accept {0}")]
    NotOffered(&'static str),
    /// The peer answered an echo with a failure.
    #[error("the peer answered the echo with status 0x{0:04X}")]
    Status(u16),
}

/// Echoes a peer; gives the time from the connection to the answer.
pub async fn echo(target: &Target) -> Result<Duration, SendError> {
    let started = Instant::now();
    let verification = (super::classes::VERIFICATION.to_owned(), super::classes::IMPLICIT_LITTLE.to_owned());
    let mut requester = Requester::open(target, &[verification]).await?;
    let status = requester.echo().await?;
    let took = started.elapsed();
    requester.release().await;
    if status == 0 { Ok(took) } else { Err(SendError::Status(status)) }
}

struct Job {
    path: PathBuf,
    head: Head,
    attempt: u32,
}

/// Sends the files; `progress` hears of each when it is done. One answer per file, in the order
/// in which they were done. Fails as a whole only if not one association could be had.
pub async fn push(
    target: &Target,
    files: &[PathBuf],
    progress: &(dyn Fn(&Sent) + Sync),
) -> Result<Vec<Sent>, SendError> {
    let sent = Mutex::new(Vec::new());
    let record = |one: Sent| {
        progress(&one);
        sent.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    };
    let mut jobs = VecDeque::new();
    for path in files {
        match read_head(path).await {
            Ok(head) => jobs.push_back(Job { path: path.clone(), head, attempt: 1 }),
            Err(error) => record(Sent {
                path: path.clone(),
                sop_instance_uid: None,
                size_bytes: 0,
                took: Duration::ZERO,
                outcome: Outcome::Unreadable(error.to_string()),
            }),
        }
    }
    while !jobs.is_empty() {
        let (contexts, group) = next_group(&mut jobs);
        let queue = Mutex::new(group);
        let workers = (0..target.associations.max(1)).map(|_| work(target, &contexts, &queue, &record));
        let ends = futures::future::join_all(workers).await;
        // What is left has no association to travel on.
        let left = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = ends.into_iter().find_map(Result::err).filter(|_| !left.is_empty()) {
            return Err(error);
        }
    }
    Ok(sent.into_inner().unwrap_or_else(PoisonError::into_inner))
}

async fn read_head(path: &Path) -> Result<Head, HeadError> {
    let path = path.to_owned();
    let read = move || part10::read_head(&mut std::fs::File::open(path)?);
    tokio::task::spawn_blocking(read).await.map_err(|e| HeadError::Io(std::io::Error::other(e)))?
}

type Pair = (String, String);

/// The next files whose classes and syntaxes fit into one association request.
fn next_group(jobs: &mut VecDeque<Job>) -> (Vec<Pair>, VecDeque<Job>) {
    let mut pairs = BTreeSet::new();
    let (mut group, mut later) = (VecDeque::new(), VecDeque::new());
    while let Some(job) = jobs.pop_front() {
        let pair = (job.head.class.clone(), job.head.syntax.clone());
        if pairs.contains(&pair) || pairs.len() < super::associate::MOST_CONTEXTS {
            pairs.insert(pair);
            group.push_back(job);
        } else {
            later.push_back(job);
        }
    }
    *jobs = later;
    (pairs.into_iter().collect(), group)
}

/// One association's work: takes files until none is left.
async fn work(
    target: &Target,
    contexts: &[Pair],
    queue: &Mutex<VecDeque<Job>>,
    record: &(dyn Fn(Sent) + Sync),
) -> Result<(), SendError> {
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let mut requester: Option<Requester> = None;
    while let Some(job) = next() {
        let association = match requester.take() {
            Some(association) => association,
            None => match open_patiently(target, contexts).await {
                Ok(association) => association,
                Err(error) => {
                    queue.lock().unwrap_or_else(PoisonError::into_inner).push_front(job);
                    return Err(error);
                }
            },
        };
        requester = send_one(target, association, job, queue, record).await;
    }
    if let Some(requester) = requester {
        requester.release().await;
    }
    Ok(())
}

async fn send_one(
    target: &Target,
    mut association: Requester,
    job: Job,
    queue: &Mutex<VecDeque<Job>>,
    record: &(dyn Fn(Sent) + Sync),
) -> Option<Requester> {
    let started = Instant::now();
    let mut size_bytes = 0;
    let answer = association.store(&job.path, &job.head, &mut size_bytes).await;
    let (outcome, keep) = match answer {
        Ok(outcome) => (outcome, true),
        Err(Lost(why)) => (Outcome::Lost(why), false),
    };
    let out_of_resources = matches!(outcome, Outcome::Answered { status, .. } if status & 0xFF00 == 0xA700);
    if (out_of_resources || !keep) && job.attempt < target.attempts {
        pause(job.attempt).await;
        let again = Job { attempt: job.attempt + 1, ..job };
        queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(again);
    } else {
        record(Sent {
            path: job.path,
            sop_instance_uid: Some(job.head.instance),
            size_bytes,
            took: started.elapsed(),
            outcome,
        });
    }
    keep.then_some(association)
}

async fn open_patiently(target: &Target, contexts: &[Pair]) -> Result<Requester, SendError> {
    let mut attempt = 1;
    loop {
        match Requester::open(target, contexts).await {
            Err(_) if attempt < target.attempts => {
                pause(attempt).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// A little longer each time.
async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(100) * 2_u32.saturating_pow(attempt.min(6))).await;
}
