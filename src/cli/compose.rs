//! The composition root: a configuration becomes a running service.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::link_test::OwnLink;
use super::migrate::open_store;
use crate::archive::{Archive, Incoming};
use crate::config::{Config, Duty};
use crate::http::{self, AppState, ModelDirectory, ModelStatus, Parts, RecogniserStatus};
use crate::infer::{ModelRole, ModelState, Recogniser, Registry, graph_hashes};
use crate::lifecycle::Lifecycle;
use crate::pipeline::{Pipeline, StoreRegister, decided};
use crate::prepare::worker::Pool;
use crate::reading::{Policy, SHIPPED_IDS};
use crate::receive::{Quarantine, Receiver};
use crate::store::Store;
use crate::vocab::{Clock, SystemClock};

/// A service that runs in this process.
pub(super) struct Service {
    /// Its database.
    pub store: Store,
    /// Where DICOM associations are accepted.
    pub receive_address: Option<SocketAddr>,
    /// Where pages and API are.
    pub http_address: Option<SocketAddr>,
    lifecycle: Lifecycle,
}

impl Service {
    /// Starts what the duties of the configuration name. Associations are accepted first; models load meanwhile.
    pub async fn start(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open_store(config).await.context("can't open the database")?;
        store.migrate(clock.now()).await.context("can't migrate the database")?;
        let archive = Archive::open(config.service.data_dir.join("archive"))?;
        let has = |duty: Duty| config.service.duties.contains(&duty);

        let mut receive_address = None;
        if has(Duty::Receive) {
            let incoming = Arc::new(Incoming::open(&archive)?);
            let register = Arc::new(StoreRegister(store.clone()));
            let quarantine = Quarantine::open(
                &config.service.data_dir.join("quarantine"),
                register.clone(),
                config.receive.quarantine.clone(),
                Arc::clone(&clock),
            )
            .await?;
            let receiver = Receiver::bind(config.receive.clone(), incoming, register, Arc::clone(&clock))?
                .with_quarantine(quarantine);
            receive_address = Some(receiver.local_address());
            lifecycle.spawn(receiver.serve(lifecycle.stop_signal()));
        }

        for id in SHIPPED_IDS {
            store.keep_policy(&Policy::shipped(id)?, clock.now()).await?;
        }
        let mut models: Arc<dyn ModelDirectory> = Arc::new(Vec::new());
        let mut decoders = None;
        let mut registered = None;
        if has(Duty::Work) || has(Duty::Web) {
            let program = std::env::current_exe().context("can't find this program")?;
            decoders = Some(Arc::new(Pool::start(config.prepare.clone(), program)));
        }
        if let (true, Some(decoders)) = (has(Duty::Work), &decoders) {
            config.infer.check().map_err(anyhow::Error::msg)?;
            // What is void is said at the first look of the pipeline.
            let graphs = graph_hashes(&config.infer.models_dir);
            let decided = decided(store.model_decisions().await?, &graphs, clock.now());
            let registry = Registry::start_with(config.infer.clone(), decided.roles)?;
            let loaded = Arc::clone(&registry);
            // A process that exits while a model loads or runs would tear the ONNX Runtime down under it.
            lifecycle.at_end(move || loaded.stop());
            let recogniser = Recogniser::start(&config.infer)?;
            if let Some(recogniser) = recogniser.clone() {
                lifecycle.at_end(move || recogniser.stop());
            }
            models = Arc::new(Models(Arc::clone(&registry), recogniser.clone()));
            registered = Some(Arc::clone(&registry));
            let pipeline = Arc::new(Pipeline {
                store: store.clone(),
                archive: archive.clone(),
                decoders: Arc::clone(decoders),
                models: registry,
                recogniser,
                occlusion: config.infer.occlusion.clone(),
                clock: Arc::clone(&clock),
                settings: config.pipeline.clone(),
                completeness: config.completeness.clone(),
                chest_policy: Policy::shipped(&config.pathways.chest_policy)?,
                mammo_policy: Policy::shipped(&config.pathways.mammo_policy)?,
                qa_secret: qa_secret(config)?,
                post: config.post.clone(),
            });
            pipeline.start(lifecycle);
        }

        let mut http_address = None;
        if let (true, Some(decoders)) = (has(Duty::Web), decoders) {
            let time_zone = jiff::tz::TimeZone::get(&config.service.time_zone)
                .with_context(|| format!("service.time_zone {:?} is not known", config.service.time_zone))?;
            let link = receive_address.map(|port| OwnLink {
                store: store.clone(),
                archive: archive.clone(),
                decoders: Arc::clone(&decoders),
                models: registered,
                clock: Arc::clone(&clock),
                receive: config.receive.clone(),
                port,
            });
            let mut state = AppState::new(Parts {
                store: store.clone(),
                archive,
                decode: decoders,
                models,
                clock,
                settings: config.http.clone(),
                audit: config.audit.clone(),
                metrics: crate::telemetry::start_metrics(),
                synthetic_patients: config.service.synthetic_patients,
                time_zone,
            });
            if let Some(link) = link {
                state = state.with_link(Arc::new(link));
            }
            let listener = http::listen(&config.http).await?;
            http_address = Some(listener.local_addr()?);
            let stop = lifecycle.stop_signal();
            lifecycle.spawn(async move {
                if let Err(error) = http::serve(listener, state, stop).await {
                    tracing::error!(%error, "the web side ended");
                }
            });
        }
        Ok(Self { store, receive_address, http_address, lifecycle: lifecycle.clone() })
    }

    /// Stops in order; `false` if something was still running at the bound.
    pub async fn stop(self) -> bool {
        let finished = self.lifecycle.finish().await;
        self.store.close().await;
        finished
    }
}

/// The key of the QA sampler, made at the first start of a service that has none.
fn qa_secret(config: &Config) -> anyhow::Result<[u8; 32]> {
    let named = &config.pathways.qa_secret_file;
    let path =
        if named.as_os_str().is_empty() { config.service.data_dir.join("qa-secret") } else { named.clone() };
    if named.as_os_str().is_empty() && !path.exists() {
        write_secret(&path)?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key)
        .with_context(|| format!("{} does not hold 64 hexadecimal digits", path.display()))?;
    Ok(key)
}

/// Writes a new key, whole or not at all; where another process was first, its key stands.
fn write_secret(path: &Path) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let key: [u8; 32] = rand::random();
    let draft = path.with_extension(uuid::Uuid::new_v4().to_string());
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(hex::encode(key).as_bytes())?;
    file.sync_all()?;
    let placed = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match placed {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

/// The registry as the pages see it.
struct Models(Arc<Registry>, Option<Arc<Recogniser>>);

impl ModelDirectory for Models {
    fn models(&self) -> Vec<ModelStatus> {
        let status = |model: crate::infer::Model| {
            let manifest = model.manifest.clone()?;
            let shadow = self.0.role(&model.folder) == Some(ModelRole::Shadow) && !model.active;
            Some(ModelStatus {
                name: manifest.name.clone(),
                version: manifest.version.clone(),
                pathway: manifest.pathway,
                trained_on: manifest.trained_on.clone(),
                provider: match &model.state {
                    ModelState::Ready(engine) => Some(engine.provider().code().to_owned()),
                    ModelState::Loading | ModelState::Refused(_) | ModelState::Retired => None,
                },
                fault: match &model.state {
                    ModelState::Ready(_) => String::new(),
                    ModelState::Loading => "still loading".to_owned(),
                    ModelState::Refused(error) => error.to_string(),
                    ModelState::Retired => "retired".to_owned(),
                },
                shadow,
            })
        };
        self.0.models().into_iter().filter_map(status).collect()
    }

    fn recogniser(&self) -> Option<RecogniserStatus> {
        let recogniser = self.1.as_ref()?;
        Some(match recogniser.state() {
            ModelState::Ready(engine) => RecogniserStatus {
                folder: recogniser.folder().to_owned(),
                trained_on: engine.manifest().trained_on.clone(),
                provider: Some(engine.provider().code().to_owned()),
                fault: String::new(),
            },
            state => RecogniserStatus {
                folder: recogniser.folder().to_owned(),
                trained_on: String::new(),
                provider: None,
                fault: match state {
                    ModelState::Refused(error) => error.to_string(),
                    ModelState::Loading | ModelState::Retired | ModelState::Ready(_) => {
                        "still loading".to_owned()
                    }
                },
            },
        })
    }
}
