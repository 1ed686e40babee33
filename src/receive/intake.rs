//! The data set of one C-STORE: gathered in two buffers, one filling from the socket while
//! blocking code scans, hashes and writes the other.
//!
//! In: fragments, named by where they lie in the buffer. Out: the response. Memory is the two
//! buffers, whatever the size of the object.

use super::association::{Shared, response_to};
use super::command::Command;
use super::frames::{Frame, FrameError, Frames};
use super::object::{Announced, Arrived, Object, Refusal};
use super::quarantine::{Quarantine, Refused};
use super::scan::{Picked, ScanError};
use super::settings::{Profile, Timeouts};
use super::status::Status;
use crate::archive::Sealed;
use crate::vocab::{Instance, TransferSyntaxUid};
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, spawn_blocking};

/// How the comment begins where a copy is kept: it stands first, since comments are cut at 64 characters.
const KEPT: &str = "copy kept: ";
/// Size of the first buffer, before an object comes: enough for a request or an echo.
const SMALL: usize = 8 * 1024;

/// The bytes of a connection that have been read.
pub(super) struct Buffers {
    current: Vec<u8>,
    filled: usize,
    at: usize,
    spare: Option<Vec<u8>>,
    large: usize,
}

impl Buffers {
    pub fn new() -> Self {
        Self { current: vec![0; SMALL], filled: 0, at: 0, spare: None, large: SMALL }
    }

    pub fn next_frame(&mut self, frames: &mut Frames) -> Result<Frame, FrameError> {
        frames.next(self.current.get(..self.filled).unwrap_or_default(), &mut self.at)
    }

    /// Room for a read; never empty after [`Buffers::rewind`] or while not full.
    pub fn room(&mut self) -> &mut [u8] {
        self.current.get_mut(self.filled..).unwrap_or_default()
    }

    /// Notes a read of `n` bytes.
    pub fn filled_by(&mut self, n: usize) -> usize {
        self.filled = self.filled.saturating_add(n).min(self.current.len());
        n
    }

    pub fn is_full(&self) -> bool {
        self.filled == self.current.len()
    }

    pub fn slice(&self, range: Range<usize>) -> &[u8] {
        self.current.get(range).unwrap_or_default()
    }

    /// Starts again at the front, when all bytes have been taken and none are needed any more.
    pub fn rewind(&mut self) {
        if self.at == self.filled {
            (self.at, self.filled) = (0, 0);
        }
    }

    /// Makes the buffers as large as an object is to be taken in; what has been read stays.
    pub fn make_large(&mut self, size: usize) {
        self.large = size.max(SMALL);
        if self.current.len() != self.large {
            self.current.resize(self.large.max(self.filled), 0);
            self.current.shrink_to_fit();
        }
    }

    /// Gives the current buffer away and goes on with `next`, where bytes not yet taken go.
    fn replace(&mut self, mut next: Vec<u8>) -> Vec<u8> {
        let rest = self.current.get(self.at..self.filled).unwrap_or_default();
        if let Some(front) = next.get_mut(..rest.len()) {
            front.copy_from_slice(rest);
        }
        (self.at, self.filled) = (0, rest.len());
        std::mem::replace(&mut self.current, next)
    }

    fn take_spare(&mut self) -> Vec<u8> {
        // Never smaller than what has been read and not yet taken.
        let size = self.large.max(self.filled.saturating_sub(self.at));
        self.spare.take().filter(|spare| spare.len() == size).unwrap_or_else(|| vec![0; size])
    }
}

type Absorbed = (Result<Object, Refusal>, Vec<u8>);
type Finished = (Result<Arrived, Refusal>, Vec<u8>);

enum Progress {
    /// Ready for more.
    Ready(Box<Object>),
    /// A buffer is with blocking code.
    Busy(JoinHandle<Absorbed>),
    /// Refused; what still comes is dropped.
    Refused(Status, String),
}

/// One object being received.
pub(super) struct Intake {
    pub context: u8,
    command: Command,
    progress: Progress,
    announced: Option<Announced>,
    ranges: Vec<Range<usize>>,
    received: u64,
    limit: u64,
    started: Instant,
}

impl Intake {
    pub fn new(
        context: u8,
        command: Command,
        announced: Result<Announced, (Status, String)>,
        shared: &Shared,
    ) -> Self {
        let known = announced.as_ref().ok().cloned();
        let mut limits = shared.limits;
        if known.as_ref().is_some_and(|a| a.syntax == super::classes::DEFLATED) {
            limits.total = shared.settings.inflated_size;
        }
        let progress = match announced {
            Ok(announced) => {
                let keep_bytes = shared.quarantine.as_ref().map_or(0, Quarantine::room_bytes);
                Progress::Ready(Box::new(Object::new(shared.incoming.clone(), announced, limits, keep_bytes)))
            }
            Err((status, comment)) => Progress::Refused(status, comment),
        };
        Self {
            context,
            command,
            progress,
            announced: known,
            ranges: Vec::new(),
            received: 0,
            limit: shared.settings.object_size,
            started: Instant::now(),
        }
    }

    /// Whether the sender stays below the slowest rate that is borne.
    pub fn is_slow(&self, timeouts: &Timeouts) -> bool {
        let elapsed = self.started.elapsed();
        let due = elapsed.as_secs().saturating_mul(timeouts.object_bytes_per_second);
        elapsed > Duration::from_millis(timeouts.object_grace_ms) && self.received < due
    }

    /// Notes bytes of the data set; gives the size so far.
    pub fn take(&mut self, range: Range<usize>) -> u64 {
        self.received = self.received.saturating_add(range.len() as u64);
        if self.received > self.limit {
            self.refuse(&Refusal::TooLarge);
        }
        let refused = matches!(self.progress, Progress::Refused(..));
        if !refused && !range.is_empty() {
            self.ranges.push(range);
        }
        self.received
    }

    fn syntax(&self) -> &'static str {
        self.announced.as_ref().map(|announced| announced.syntax).unwrap_or_default()
    }

    fn refuse(&mut self, refusal: &Refusal) {
        if let Progress::Refused(..) = self.progress {
            return;
        }
        self.ranges.clear();
        self.progress = Progress::Refused(refusal.status(), describe(refusal));
    }

    /// Gives the full buffer to blocking code and makes room.
    pub async fn hand_over(&mut self, buffers: &mut Buffers) {
        let Some(mut object) = self.ready(buffers).await else {
            self.ranges.clear();
            buffers.rewind();
            return;
        };
        let ranges = std::mem::take(&mut self.ranges);
        let next = buffers.take_spare();
        let full = buffers.replace(next);
        self.progress = Progress::Busy(spawn_blocking(move || {
            let absorbed = object.absorb(&full, &ranges).map(|()| *object);
            (absorbed, full)
        }));
    }

    /// Waits for blocking code to give the object back; `None` if it was refused.
    async fn ready(&mut self, buffers: &mut Buffers) -> Option<Box<Object>> {
        let fault = || Progress::Refused(Status::ProcessingFailure, Refusal::Fault.to_string());
        match std::mem::replace(&mut self.progress, fault()) {
            Progress::Ready(object) => Some(object),
            Progress::Busy(job) => match job.await {
                Ok((absorbed, buffer)) => {
                    buffers.spare = Some(buffer);
                    match absorbed {
                        Ok(object) => Some(Box::new(object)),
                        Err(refusal) => {
                            self.progress = Progress::Refused(refusal.status(), describe(&refusal));
                            None
                        }
                    }
                }
                Err(_) => None,
            },
            refused @ Progress::Refused(..) => {
                self.progress = refused;
                None
            }
        }
    }

    /// The last byte is here: seals, commits, and gives the response.
    pub async fn conclude(mut self, buffers: &mut Buffers, shared: &Shared, profile: &Profile) -> Command {
        let mut handed_on = false;
        let outcome = match self.ready(buffers).await {
            Some(object) => match self.finish(object, buffers).await {
                Ok(Arrived::Whole(sealed, picked)) => self.commit(sealed, &picked, shared, profile).await,
                Ok(Arrived::Broken(sealed, error)) => {
                    handed_on = true;
                    Err(self.keep(sealed, error, shared, profile).await)
                }
                Err(refusal) => Err((refusal.status(), describe(&refusal))),
            },
            None => match &self.progress {
                Progress::Refused(status, comment) => Err((*status, comment.clone())),
                Progress::Ready(_) | Progress::Busy(_) => {
                    Err((Status::ProcessingFailure, Refusal::Fault.to_string()))
                }
            },
        };
        let (status, comment) = outcome.err().unwrap_or((Status::Success, String::new()));
        if status == Status::CannotUnderstand
            && !handed_on
            && self.received > 0
            && let Some(quarantine) = &shared.quarantine
        {
            quarantine.pass_over(profile).await;
        }
        let code = status.to_string();
        metrics::counter!("receive_instances_total", "status" => code.clone()).increment(1);
        metrics::counter!("receive_bytes_total").increment(self.received);
        metrics::histogram!("doubleread_stage_seconds", "stage" => "receive")
            .record(self.started.elapsed().as_secs_f64());
        if status != Status::Success {
            tracing::warn!(
                status = code,
                reason = comment,
                calling_ae = %profile.calling_ae,
                size_bytes = self.received,
                "an object was refused"
            );
        }
        response_to(&self.command, status, &comment)
    }

    async fn finish(&mut self, mut object: Box<Object>, buffers: &mut Buffers) -> Result<Arrived, Refusal> {
        let ranges = std::mem::take(&mut self.ranges);
        let next = buffers.take_spare();
        let last = buffers.replace(next);
        let job: JoinHandle<Finished> = spawn_blocking(move || {
            let sealed = object.absorb(&last, &ranges).and_then(|()| object.seal());
            (sealed, last)
        });
        let (sealed, buffer) = job.await.map_err(|_| Refusal::Fault)?;
        buffers.spare = Some(buffer);
        sealed
    }

    /// Keeps a copy of what was refused for its content; the sender is told both.
    async fn keep(
        &self,
        sealed: Sealed,
        error: ScanError,
        shared: &Shared,
        profile: &Profile,
    ) -> (Status, String) {
        let mut kept = false;
        if let (Some(quarantine), Some(Announced { class, instance, syntax })) =
            (&shared.quarantine, &self.announced)
            && self.received > 0
        {
            let refused = Refused { error: &error, class, instance, syntax, profile };
            let most = Duration::from_millis(shared.settings.timeouts.commit_ms);
            kept = tokio::time::timeout(most, quarantine.keep(sealed, refused)).await.unwrap_or(false);
        }
        let refusal = Refusal::Scan(error);
        let comment = describe(&refusal);
        (refusal.status(), if kept { format!("{KEPT}{comment}") } else { comment })
    }

    async fn commit(
        &self,
        sealed: Sealed,
        picked: &Picked,
        shared: &Shared,
        profile: &Profile,
    ) -> Result<(), (Status, String)> {
        let instance = instance_of(&sealed, picked, self.syntax(), profile, shared)
            .map_err(|refusal| (refusal.status(), describe(&refusal)))?;
        let most = Duration::from_millis(shared.settings.timeouts.commit_ms);
        let committed = tokio::time::timeout(most, shared.committer.commit(instance, sealed)).await;
        committed
            .unwrap_or(Err(Refusal::CommitTimeout))
            .map_err(|refusal| (refusal.status(), describe(&refusal)))
    }
}

fn instance_of(
    sealed: &Sealed,
    picked: &Picked,
    syntax: &str,
    profile: &Profile,
    shared: &Shared,
) -> Result<Instance, Refusal> {
    let transfer_syntax_uid: TransferSyntaxUid = syntax.parse().map_err(|_| Refusal::Fault)?;
    Ok(Instance {
        sop_instance_uid: picked.sop_instance_uid()?,
        sop_class_uid: picked.sop_class_uid()?,
        study_instance_uid: picked.study_instance_uid()?,
        series_instance_uid: picked.series_instance_uid()?,
        transfer_syntax_uid,
        content_hash: sealed.hash().to_owned(),
        size_bytes: sealed.size_bytes(),
        calling_ae: profile.calling_ae.clone(),
        site: profile.site.clone(),
        pathway: profile.pathway,
        received_at: shared.clock.now(),
        tags: picked.tags(),
    })
}

/// What the log and the sender are told; the causes of our own faults go to the log alone.
fn describe(refusal: &Refusal) -> String {
    if let Some(cause) = std::error::Error::source(refusal) {
        tracing::debug!(%cause, "cause of a refusal");
    }
    refusal.to_string()
}
