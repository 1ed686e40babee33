//! The pool: requests wait in two queues, urgent before routine, for one of a fixed number of children.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::super::prepared::{Prepared, RawFrame, RenderError, RenderRequest, RenderedImage, refusal};
use super::super::scope::Scope;
use super::super::spec::InputSpec;
use super::wire::{Answer, MAX_HEADER_BYTES, Request, What, prepared_of};
use super::{ARGUMENT, Settings, Urgency};
use crate::vocab::{NotProcessed, NotProcessedReason as Reason};

/// A fixed number of supervised children. Dropping it kills them.
pub struct Pool {
    queues: Arc<Queues>,
    settings: Settings,
    /// Ends the tasks, and with them the children, when the pool is dropped.
    _stop: DropGuard,
}

/// Why a request got no answer from a child.
#[derive(Debug, Clone, thiserror::Error)]
enum Fault {
    #[error("the decode worker could not be started: {0}")]
    NotStarted(std::io::ErrorKind),
    #[error("the decode worker ended: it crashed, or needed more memory than it may have")]
    Died,
    #[error("decoding took longer than {0} ms")]
    TimedOut(u64),
    #[error("the decode worker answered what can't be read")]
    BadAnswer,
    #[error("the decode workers are stopping")]
    Stopped,
}

type Reply = Result<(Answer, Vec<u8>), Fault>;

struct Job {
    /// The request as it goes to a child.
    header: Vec<u8>,
    reply: oneshot::Sender<Reply>,
    /// The place in the queue, given back when the job is taken or dropped.
    _place: OwnedSemaphorePermit,
}

struct Queues {
    urgent: Mutex<VecDeque<Job>>,
    routine: Mutex<VecDeque<Job>>,
    urgent_places: Arc<Semaphore>,
    routine_places: Arc<Semaphore>,
    arrived: Notify,
}

impl Queues {
    fn next(&self) -> Option<Job> {
        let pop =
            |queue: &Mutex<VecDeque<Job>>| queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        pop(&self.urgent).or_else(|| pop(&self.routine))
    }
}

impl Pool {
    /// Starts the tasks that keep the children; `program` is this program's own file (it is called again with
    /// `decode-worker`). Children start with their first request. Needs a tokio runtime.
    pub fn start(settings: Settings, program: PathBuf) -> Self {
        let places = || Arc::new(Semaphore::new(settings.queue_length.max(1) as usize));
        let queues = Arc::new(Queues {
            urgent: Mutex::default(),
            routine: Mutex::default(),
            urgent_places: places(),
            routine_places: places(),
            arrived: Notify::new(),
        });
        let stop = CancellationToken::new();
        for _ in 0..settings.children.max(1) {
            let keeper = Keeper {
                queues: queues.clone(),
                settings: settings.clone(),
                program: program.clone(),
                running: None,
            };
            tokio::spawn(stop.clone().run_until_cancelled_owned(keeper.run()));
        }
        Self { queues, settings, _stop: stop.drop_guard() }
    }

    /// [`super::super::prepare_file`] in a child.
    pub async fn prepare(
        &self,
        path: &Path,
        spec: &InputSpec,
        scope: &Scope,
        urgency: Urgency,
    ) -> Result<Prepared, NotProcessed> {
        let nothing = || Err(undecodable(&Fault::BadAnswer));
        self.prepare_for(path, &[(spec, scope)], urgency).await.pop().unwrap_or_else(nothing)
    }

    /// [`super::super::prepare_file_for`] in a child: an answer for each, from one decoding.
    pub async fn prepare_for(
        &self,
        path: &Path,
        wanted: &[(&InputSpec, &Scope)],
        urgency: Urgency,
    ) -> Vec<Result<Prepared, NotProcessed>> {
        let owned = |(spec, scope): &(&InputSpec, &Scope)| ((*spec).clone(), (*scope).clone());
        let what = What::Prepare(wanted.iter().map(owned).collect());
        let images = match self.ask(path, what, urgency).await {
            Ok((Answer::Prepared(headers), body)) if headers.len() == wanted.len() => {
                prepared_of(headers, &body).ok_or(Fault::BadAnswer)
            }
            Ok(_) => Err(Fault::BadAnswer),
            Err(fault) => Err(fault),
        };
        images.unwrap_or_else(|fault| wanted.iter().map(|_| Err(undecodable(&fault))).collect())
    }

    /// [`super::super::render_file`] in a child.
    pub async fn render(
        &self,
        path: &Path,
        request: &RenderRequest,
        urgency: Urgency,
    ) -> Result<RenderedImage, RenderError> {
        match self.ask(path, What::Render(request.clone()), urgency).await {
            Ok((Answer::Rendered { width, height, grey_bytes }, mut grey)) if grey_bytes <= grey.len() => {
                let png = grey.split_off(grey_bytes);
                Ok(RenderedImage { width, height, grey, png })
            }
            Ok((Answer::NotRendered(error), _)) => Err(error),
            Ok(_) => Err(RenderError::NotDecoded(undecodable(&Fault::BadAnswer))),
            Err(fault) => Err(RenderError::NotDecoded(undecodable(&fault))),
        }
    }

    /// [`super::super::raw_frame`] in a child; frames count from 1.
    pub async fn raw_frame(
        &self,
        path: &Path,
        frame: u32,
        urgency: Urgency,
    ) -> Result<RawFrame, RenderError> {
        match self.ask(path, What::RawFrame { frame }, urgency).await {
            Ok((Answer::Raw(attributes), samples)) => Ok(RawFrame { attributes, samples }),
            Ok((Answer::NotRendered(error), _)) => Err(error),
            Ok(_) => Err(RenderError::NotDecoded(undecodable(&Fault::BadAnswer))),
            Err(fault) => Err(RenderError::NotDecoded(undecodable(&fault))),
        }
    }

    /// [`super::super::voi_table`] in a child; frames count from 1.
    pub async fn voi_table(
        &self,
        path: &Path,
        frame: u32,
        urgency: Urgency,
    ) -> Result<Option<Vec<u8>>, RenderError> {
        self.bytes(path, What::VoiTable { frame }, urgency).await
    }

    /// [`super::super::stored_frame`] in a child; frames count from 1.
    pub async fn stored_frame(
        &self,
        path: &Path,
        frame: u32,
        urgency: Urgency,
    ) -> Result<Vec<u8>, RenderError> {
        Ok(self.bytes(path, What::StoredFrame { frame }, urgency).await?.unwrap_or_default())
    }

    /// [`super::super::metadata`] in a child.
    pub async fn metadata(&self, path: &Path, urgency: Urgency) -> Result<Vec<u8>, RenderError> {
        Ok(self.bytes(path, What::Metadata, urgency).await?.unwrap_or_default())
    }

    /// [`super::super::bulk_value`] in a child.
    pub async fn value(
        &self,
        path: &Path,
        tag: u32,
        urgency: Urgency,
    ) -> Result<Option<Vec<u8>>, RenderError> {
        self.bytes(path, What::Value { tag }, urgency).await
    }

    async fn bytes(&self, path: &Path, what: What, urgency: Urgency) -> Result<Option<Vec<u8>>, RenderError> {
        match self.ask(path, what, urgency).await {
            Ok((Answer::Bytes { present }, bytes)) => Ok(present.then_some(bytes)),
            Ok((Answer::NotRendered(error), _)) => Err(error),
            Ok(_) => Err(RenderError::NotDecoded(undecodable(&Fault::BadAnswer))),
            Err(fault) => Err(RenderError::NotDecoded(undecodable(&fault))),
        }
    }

    /// Queues a request and waits for its answer. A caller who leaves takes the request out of the queue.
    async fn ask(&self, path: &Path, what: What, urgency: Urgency) -> Reply {
        let request = Request { path: path.to_owned(), limits: self.settings.limits.clone(), what };
        let header = serde_json::to_vec(&request).map_err(|_| Fault::BadAnswer)?;
        let (queue, places) = match urgency {
            Urgency::Urgent => (&self.queues.urgent, &self.queues.urgent_places),
            Urgency::Routine => (&self.queues.routine, &self.queues.routine_places),
        };
        let place = places.clone().acquire_owned().await.map_err(|_| Fault::Stopped)?;
        let (reply, answer) = oneshot::channel();
        let job = Job { header, reply, _place: place };
        queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        self.queues.arrived.notify_one();
        answer.await.unwrap_or(Err(Fault::Stopped))
    }
}

fn undecodable(fault: &Fault) -> NotProcessed {
    refusal(Reason::Undecodable, fault.to_string())
}

/// One task with one child.
struct Keeper {
    queues: Arc<Queues>,
    settings: Settings,
    program: PathBuf,
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    answered: u32,
}

impl Keeper {
    async fn run(mut self) {
        let queues = self.queues.clone();
        loop {
            // Registered before the look, so that what arrives in between wakes this task.
            let arrived = queues.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            match queues.next() {
                None => arrived.await,
                Some(job) if job.reply.is_closed() => {}
                Some(Job { header, reply, _place }) => {
                    drop(_place);
                    let answer = self.answer(&header).await;
                    // The caller may have left meanwhile.
                    let _ = reply.send(answer);
                }
            }
        }
    }

    /// Asks the child; where it dies, a fresh one is asked once more, so that nobody pays for another's crash, or for
    /// a child that the system killed. What kills two children is the file.
    async fn answer(&mut self, header: &[u8]) -> Reply {
        match self.ask_child(header).await {
            Err(Fault::Died) => self.ask_child(header).await,
            other => other,
        }
    }

    async fn ask_child(&mut self, header: &[u8]) -> Reply {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start_child().map_err(|error| Fault::NotStarted(error.kind()))?,
        };
        let limit_ms = self.settings.request_timeout_ms;
        let exchange = running.exchange(header, self.settings.max_answer_bytes);
        let fault = match tokio::time::timeout(Duration::from_millis(limit_ms), exchange).await {
            Ok(Ok(answer)) => {
                running.answered += 1;
                if running.answered < self.settings.requests_per_child.max(1) {
                    self.running = Some(running);
                }
                return Ok(answer);
            }
            Ok(Err(fault)) => fault,
            Err(_) => Fault::TimedOut(limit_ms),
        };
        tracing::warn!(fault = %fault, "a decode worker is replaced");
        // Killed and reaped here: a child with an answer half written is of no more use.
        let _ = running.child.kill().await;
        Err(fault)
    }

    fn start_child(&self) -> std::io::Result<Running> {
        let mut child = Command::new(&self.program)
            .arg(ARGUMENT)
            .arg(self.settings.memory_limit_bytes.to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What a codec prints about hostile bytes belongs in no log.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Running { child, input, output, answered: 0 }),
            _ => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Running {
    async fn exchange(&mut self, header: &[u8], max_answer_bytes: u64) -> Reply {
        let died = |_| Fault::Died;
        let length = u32::try_from(header.len()).map_err(|_| Fault::BadAnswer)?;
        self.input.write_all(&length.to_le_bytes()).await.map_err(died)?;
        self.input.write_all(header).await.map_err(died)?;
        self.input.flush().await.map_err(died)?;
        let header_length = self.output.read_u32_le().await.map_err(died)?;
        let body_length = self.output.read_u64_le().await.map_err(died)?;
        if header_length > MAX_HEADER_BYTES || body_length > max_answer_bytes {
            return Err(Fault::BadAnswer);
        }
        let mut header = vec![0; header_length as usize];
        self.output.read_exact(&mut header).await.map_err(died)?;
        let mut body = vec![0; usize::try_from(body_length).map_err(|_| Fault::BadAnswer)?];
        self.output.read_exact(&mut body).await.map_err(died)?;
        let answer = serde_json::from_slice(&header).map_err(|_| Fault::BadAnswer)?;
        Ok((answer, body))
    }
}
