//! One loaded model: its sessions on threads of their own, and the queue before them.
//!
//! In: a model's folder, then tensors from async callers. Out: raw outputs with what ran and how
//! long. A session is made, warmed up and dropped on one `std::thread`; images reach it through a
//! bounded queue and the answer goes back by a oneshot. Callers who left are skipped. Must never
//! block an async caller, or run on another provider than it says.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::error::InferError;
use super::graph::{GraphSession, RawOutput};
use super::manifest::Manifest;
use super::manifest_graph::Batch;
use super::provider_proof::{RecordFolder, prove};
use super::queue::{Ages, Queue, Urgency};
use super::runtime;
use super::settings::{Provider, Settings};
use crate::vocab::ModelStamp;

/// The answer for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// What left the graph.
    pub output: RawOutput,
    /// Milliseconds in the graph, of the whole batch.
    pub infer_ms: f64,
    /// Milliseconds in the queue.
    pub queue_ms: f64,
    /// Images that ran together.
    pub batch: usize,
}

/// One image on its way to a session.
struct Job {
    tensor: Vec<f32>,
    came: Instant,
    span: tracing::Span,
    answer: oneshot::Sender<Result<Scored, InferError>>,
}

/// A loaded model that answers.
pub struct Engine {
    manifest: Arc<Manifest>,
    folder: PathBuf,
    provider: Provider,
    sessions: usize,
    /// Numbers of one image, or one exam.
    item_len: usize,
    queue: Arc<Queue<Job>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("folder", &self.folder).field("provider", &self.provider).finish()
    }
}

impl Engine {
    /// Loads the model of a folder: manifest, hash, sessions, warm-up. Blocking, seconds for a large model.
    pub fn load(folder: &Path, settings: &Settings) -> Result<Self, InferError> {
        Self::load_manifest(folder, Manifest::load(folder)?, settings)
    }

    /// The same with a manifest that was read already.
    pub(super) fn load_manifest(
        folder: &Path,
        manifest: Manifest,
        settings: &Settings,
    ) -> Result<Self, InferError> {
        let manifest = Arc::new(manifest);
        let bytes = Arc::new(read_model(folder, &manifest, settings)?);
        let wished = settings.providers.first().copied().unwrap_or(Provider::Cpu);
        match Self::open(folder, &manifest, &bytes, wished, settings) {
            Err(InferError::ProviderUnavailable { provider, problem })
                if settings.fallback.is_some_and(|fallback| fallback != wished) =>
            {
                let fallback = settings.fallback.unwrap_or(Provider::Cpu);
                tracing::error!(
                    model = %manifest.folder_name(), %provider, %fallback, problem,
                    "the execution provider can't be had; the model runs on its fallback, slower than planned"
                );
                metrics::counter!("doubleread_infer_provider_fallbacks_total", "model" => manifest.folder_name())
                    .increment(1);
                Self::open(folder, &manifest, &bytes, fallback, settings)
            }
            answer => answer,
        }
    }

    fn open(
        folder: &Path,
        manifest: &Arc<Manifest>,
        bytes: &Arc<Vec<u8>>,
        provider: Provider,
        settings: &Settings,
    ) -> Result<Self, InferError> {
        let began = Instant::now();
        let environment = runtime::environment(settings.runtime_library.as_deref())?;
        let sessions = match (settings.sessions, provider) {
            (0, Provider::Cpu) => std::thread::available_parallelism().map_or(1, usize::from),
            (0, Provider::Cuda) => 1,
            (named, _) => named,
        };
        let ages = Ages {
            routine: Duration::from_millis(settings.routine_ages_ms),
            background: Duration::from_millis(settings.background_ages_ms),
        };
        let item_len = manifest.numbers();
        let most = most_per_run(manifest.graph.batch, provider, item_len, settings)?;
        let engine = Self {
            manifest: Arc::clone(manifest),
            folder: folder.to_owned(),
            provider,
            sessions,
            item_len,
            queue: Arc::new(Queue::new(places(item_len, settings), ages)),
            threads: Mutex::new(Vec::new()),
        };
        let (opened, openings) = mpsc::channel();
        for number in 0..sessions {
            let worker = Worker {
                queue: Arc::clone(&engine.queue),
                most,
                patience: Duration::from_millis(settings.max_wait_ms),
                model: manifest.folder_name(),
                provider,
            };
            let open = {
                let (environment, manifest, bytes) =
                    (environment.clone(), Arc::clone(manifest), Arc::clone(bytes));
                let settings = settings.clone();
                // One record is enough: every session of a model is made alike.
                let proves = number == 0;
                move || {
                    let record = proves.then(RecordFolder::create).flatten();
                    let prefix = record.as_ref().map(RecordFolder::prefix);
                    let prefix = prefix.as_deref();
                    let mut session =
                        GraphSession::open(&environment, &bytes, manifest, provider, &settings, prefix)?;
                    session.warm_up()?;
                    if proves {
                        let no_record = || Err("no place for a record".to_owned());
                        prove(provider, prefix.map_or_else(no_record, |_| session.end_record()))?;
                    }
                    Ok(session)
                }
            };
            let opened = opened.clone();
            let thread = std::thread::Builder::new()
                .name(format!("infer-{number}"))
                .spawn(move || match open() {
                    Ok(session) => {
                        // The caller may have given up on a sibling's failure; the queue is closed then.
                        let _ = opened.send(Ok(()));
                        drop(opened);
                        worker.serve(session);
                    }
                    Err(error) => drop(opened.send(Err(error))),
                })
                .map_err(|e| InferError::Thread(e.to_string()))?;
            engine.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        drop(opened);
        // On the first failure the engine is dropped, which closes the queue and joins the others.
        for answer in openings {
            answer?;
        }
        tracing::info!(
            model = %manifest.folder_name(), model.sha256 = %manifest.sha256, %provider, sessions,
            duration_ms = began.elapsed().as_millis(), "model ready"
        );
        Ok(engine)
    }

    /// The manifest.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The model's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What its sessions really run on.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Sessions, each on a thread of its own.
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    /// Images that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What a result says of the model.
    pub fn stamp(&self) -> ModelStamp {
        ModelStamp {
            name: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            sha256: self.manifest.sha256.clone(),
            operating_point: self.manifest.operating_point.clone(),
        }
    }

    /// Scores one image. Errors: [`InferError::QueueFull`] and [`InferError::Stopped`] pass;
    /// [`InferError::Fault`] is the graph's own. Dropping the future takes the image out of the queue.
    pub async fn score(&self, tensor: Vec<f32>, urgency: Urgency) -> Result<Scored, InferError> {
        if tensor.len() != self.item_len {
            return Err(InferError::TensorSize { expected: self.item_len, found: tensor.len() });
        }
        let (answer, answered) = oneshot::channel();
        let now = Instant::now();
        let job = Job { tensor, came: now, span: tracing::Span::current(), answer };
        self.queue.push(job, urgency, now).inspect_err(|error| {
            let model = self.manifest.folder_name();
            metrics::counter!("doubleread_infer_refused_total", "model" => model.clone()).increment(1);
            tracing::warn!(model, %error, "an image was not queued");
        })?;
        show_waiting(&self.manifest.folder_name(), &self.queue);
        answered.await.unwrap_or(Err(InferError::Stopped))
    }

    /// Ends the sessions after the run that each is in; what waits is answered with [`InferError::Stopped`].
    /// Blocks until the threads have ended.
    pub fn stop(&self) {
        self.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has said so; there is nothing left to end.
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Images, or exams, that may wait: `queue_limit`, fewer of a size of which so many would take more than `queue_bytes`,
/// but always as many as one mammogram has images.
fn places(item_len: usize, settings: &Settings) -> usize {
    let item_bytes = item_len.saturating_mul(size_of::<f32>()).max(1);
    settings.queue_limit.min((settings.queue_bytes / item_bytes).max(4))
}

fn show_waiting(model: &str, queue: &Queue<Job>) {
    let waiting = u32::try_from(queue.len()).unwrap_or(u32::MAX);
    metrics::gauge!("doubleread_infer_waiting_images", "model" => model.to_owned()).set(waiting);
}

/// Images, or exams, of one run: what the graph takes, what the provider gains from, what memory they may take.
///
/// Errors: [`InferError::Mismatch`] where not even one run fits into `max_run_bytes`.
fn most_per_run(
    batch: Batch,
    provider: Provider,
    item_len: usize,
    settings: &Settings,
) -> Result<usize, InferError> {
    let item_bytes = item_len.saturating_mul(size_of::<f32>()).max(1);
    let fit = settings.max_run_bytes / item_bytes;
    let (least, wished) = match (batch, provider) {
        (Batch::Fixed(size), _) => (size, size),
        (Batch::Dynamic { max }, Provider::Cpu) => (1, max.min(settings.max_batch_cpu)),
        (Batch::Dynamic { max }, Provider::Cuda) => (1, max.min(settings.max_batch_cuda)),
    };
    if fit < least {
        return Err(InferError::Mismatch {
            what: "the size of one run's input",
            expected: format!("at most {} bytes (infer.max_run_bytes)", settings.max_run_bytes),
            found: format!("{} bytes", item_bytes.saturating_mul(least)),
        });
    }
    Ok(wished.min(fit).max(1))
}

/// The bytes of the graph, once their SHA-256 is the manifest's. What is hashed is what is run.
fn read_model(folder: &Path, manifest: &Manifest, settings: &Settings) -> Result<Vec<u8>, InferError> {
    let path = folder.join(&manifest.file);
    let unreadable = |problem: String| InferError::Unreadable { path: path.clone(), problem };
    let size = std::fs::metadata(&path).map_err(|e| unreadable(e.to_string()))?.len();
    if size > settings.max_model_bytes {
        return Err(unreadable(format!(
            "{size} bytes, infer.max_model_bytes is {}",
            settings.max_model_bytes
        )));
    }
    let bytes = std::fs::read(&path).map_err(|e| unreadable(e.to_string()))?;
    let found = hex::encode(Sha256::digest(&bytes));
    if found != manifest.sha256 {
        let expected = manifest.sha256.clone();
        return Err(InferError::Mismatch { what: "the SHA-256 of the graph", expected, found });
    }
    Ok(bytes)
}

/// What a session thread knows beside its session.
struct Worker {
    queue: Arc<Queue<Job>>,
    most: usize,
    patience: Duration,
    model: String,
    provider: Provider,
}

impl Worker {
    /// Takes batches until the queue is closed.
    fn serve(&self, mut session: GraphSession) {
        while let Some(jobs) = self.queue.take(self.most, self.patience, |job: &Job| !job.answer.is_closed())
        {
            show_waiting(&self.model, &self.queue);
            let outputs = self.run(&mut session, &jobs);
            match outputs {
                Err(InferError::Fault(problem)) if jobs.len() > 1 => {
                    // One image may have spoilt the batch: each alone, so that the others get their scores.
                    tracing::warn!(model = self.model, problem, "a batch failed; its images run one by one");
                    for job in jobs {
                        let alone = self.run(&mut session, std::slice::from_ref(&job));
                        self.answer(vec![job], alone);
                    }
                }
                outputs => self.answer(jobs, outputs),
            }
        }
    }

    fn run(
        &self,
        session: &mut GraphSession,
        jobs: &[Job],
    ) -> Result<(Vec<RawOutput>, Instant, f64), InferError> {
        let _span = jobs.first().map(|job| job.span.clone().entered());
        let began = Instant::now();
        let images: Vec<&[f32]> = jobs.iter().map(|job| job.tensor.as_slice()).collect();
        let outputs = session.run(&images)?;
        let seconds = began.elapsed().as_secs_f64();
        let labels = [("model", self.model.clone()), ("provider", self.provider.code().to_owned())];
        metrics::histogram!("doubleread_infer_run_seconds", &labels).record(seconds);
        metrics::counter!("doubleread_infer_images_total", &labels).increment(jobs.len() as u64);
        for job in jobs {
            let waited = began.duration_since(job.came).as_secs_f64();
            metrics::histogram!("doubleread_infer_queue_seconds", &labels).record(waited);
        }
        tracing::debug!(model = self.model, images = jobs.len(), duration_ms = seconds * 1e3, "graph run");
        Ok((outputs, began, seconds * 1e3))
    }

    fn answer(&self, jobs: Vec<Job>, outputs: Result<(Vec<RawOutput>, Instant, f64), InferError>) {
        let batch = jobs.len();
        match outputs {
            Ok((outputs, began, infer_ms)) => {
                for (job, output) in jobs.into_iter().zip(outputs) {
                    let queue_ms = began.duration_since(job.came).as_secs_f64() * 1e3;
                    // A caller who left between the run and here wants no answer.
                    let _ = job.answer.send(Ok(Scored { output, infer_ms, queue_ms, batch }));
                }
            }
            Err(error) => {
                metrics::counter!("doubleread_infer_faults_total", "model" => self.model.clone())
                    .increment(1);
                for job in jobs {
                    let _ = job.answer.send(Err(error.clone()));
                }
            }
        }
    }
}
