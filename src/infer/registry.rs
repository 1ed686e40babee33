//! The models of a folder: loaded in the background at start, one active per pathway.
//!
//! In: the `[infer]` section. Out: the state of each model, and the engine in force on a
//! pathway. A model that is refused says why and takes nothing else down. Must never hold up
//! the start: associations are accepted while models still load.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::engine::Engine;
use super::error::InferError;
use super::manifest::Manifest;
use super::settings::Settings;
use crate::vocab::{ModelStamp, Pathway};

/// Where a model has got to.
#[derive(Debug, Clone)]
pub enum ModelState {
    /// Being read, opened, warmed up.
    Loading,
    /// It answers.
    Ready(Arc<Engine>),
    /// It does not, and why.
    Refused(InferError),
}

impl ModelState {
    /// `loading`, `ready` or `refused`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Ready(_) => "ready",
            Self::Refused(_) => "refused",
        }
    }
}

/// A model of the folder.
#[derive(Debug, Clone)]
pub struct Model {
    /// Name of its folder.
    pub folder: String,
    /// Its manifest, where that could be read.
    pub manifest: Option<Arc<Manifest>>,
    /// Where it has got to.
    pub state: ModelState,
    /// Whether it is the one that speaks on its pathway.
    pub active: bool,
}

/// Every model, by folder.
pub struct Registry {
    settings: Settings,
    models: RwLock<BTreeMap<String, Model>>,
    loaded: watch::Receiver<bool>,
    loader: Mutex<Option<JoinHandle<()>>>,
    stopping: AtomicBool,
}

impl Registry {
    /// Starts to load every model of `settings.models_dir` on a thread of its own, and returns at once.
    pub fn start(settings: Settings) -> Result<Arc<Self>, InferError> {
        let (done, loaded) = watch::channel(false);
        let registry = Arc::new(Self {
            settings,
            models: RwLock::new(BTreeMap::new()),
            loaded,
            loader: Mutex::new(None),
            stopping: AtomicBool::new(false),
        });
        // Weak, so that a registry that is dropped while it loads does not live on.
        let weak = Arc::downgrade(&registry);
        let thread = std::thread::Builder::new()
            .name("infer-loader".into())
            .spawn(move || {
                let Some(settings) = weak.upgrade().map(|registry| registry.settings.clone()) else { return };
                for folder in model_folders(&settings.models_dir) {
                    let Some(registry) = weak.upgrade() else { return };
                    registry.announce(&folder);
                }
                let folders: Vec<String> = weak
                    .upgrade()
                    .map(|r| r.read(|models| models.keys().cloned().collect()))
                    .unwrap_or_default();
                for folder in folders {
                    if weak.upgrade().is_none_or(|registry| registry.stopping.load(Ordering::Relaxed)) {
                        return;
                    }
                    let state = match Engine::load(&settings.models_dir.join(&folder), &settings) {
                        Ok(engine) => ModelState::Ready(Arc::new(engine)),
                        Err(error) => {
                            tracing::error!(model = folder, %error, "model refused");
                            metrics::counter!("doubleread_infer_models_refused_total").increment(1);
                            ModelState::Refused(error)
                        }
                    };
                    let Some(registry) = weak.upgrade() else { return };
                    registry.set(&folder, state);
                }
                if let Some(registry) = weak.upgrade() {
                    registry.warn_of_silent_pathways();
                }
                // Nobody may be waiting for it.
                let _ = done.send(true);
            })
            .map_err(|e| InferError::Thread(e.to_string()))?;
        *registry.loader.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(registry)
    }

    fn read<T>(&self, read: impl FnOnce(&BTreeMap<String, Model>) -> T) -> T {
        read(&self.models.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a folder on the list, with what its manifest says, before its graph is opened.
    fn announce(&self, path: &Path) {
        let Some(folder) = path.file_name().and_then(|n| n.to_str()).map(str::to_owned) else { return };
        let manifest = Manifest::load(path);
        let state = match &manifest {
            Ok(_) => ModelState::Loading,
            Err(error) => ModelState::Refused(error.clone()),
        };
        let model =
            Model { folder: folder.clone(), manifest: manifest.ok().map(Arc::new), state, active: false };
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        models.insert(folder, model);
        for pathway in Pathway::ALL {
            let on_pathway = |m: &Model| m.manifest.as_ref().is_some_and(|m| m.pathway == *pathway);
            let only = match models.values().filter(|m| on_pathway(m)).count() {
                1 => models.values().find(|m| on_pathway(m)).map(|m| m.folder.clone()),
                _ => None,
            };
            let active = self.settings.active.on(*pathway).map(str::to_owned).or(only);
            for model in models.values_mut().filter(|m| on_pathway(m)) {
                model.active = Some(&model.folder) == active.as_ref();
            }
        }
    }

    fn set(&self, folder: &str, state: ModelState) {
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = models.get_mut(folder) {
            model.state = state;
        }
    }

    fn warn_of_silent_pathways(&self) {
        for pathway in Pathway::ALL {
            if let Err(error) = self.active(*pathway) {
                tracing::warn!(%pathway, %error, "cases of this pathway go to their readers without an AI result");
            }
        }
    }

    /// Every model with its state, by folder.
    pub fn models(&self) -> Vec<Model> {
        self.read(|models| models.values().cloned().collect())
    }

    /// One model by the name of its folder.
    pub fn model(&self, folder: &str) -> Option<Model> {
        self.read(|models| models.get(folder).cloned())
    }

    /// The engine that made a stored result, to replay it. Error: [`InferError::NoModel`] where that very
    /// version, down to its hash and operating point, is not here or not ready.
    pub fn stamped(&self, pathway: Pathway, stamp: &ModelStamp) -> Result<Arc<Engine>, InferError> {
        let ready = |m: &Model| match &m.state {
            ModelState::Ready(engine) if engine.stamp() == *stamp => Some(Arc::clone(engine)),
            ModelState::Ready(_) | ModelState::Loading | ModelState::Refused(_) => None,
        };
        self.read(|models| models.values().find_map(ready)).ok_or_else(|| InferError::NoModel {
            pathway,
            reason: format!(
                "{} {} ({}, operating point {}) is not here or not ready",
                stamp.name, stamp.version, stamp.sha256, stamp.operating_point
            ),
        })
    }

    /// The engine in force on a pathway. Error: [`InferError::NoModel`] with the reason in words.
    pub fn active(&self, pathway: Pathway) -> Result<Arc<Engine>, InferError> {
        let none = |reason: String| InferError::NoModel { pathway, reason };
        let named = self.settings.active.on(pathway);
        let loaded = *self.loaded.borrow();
        self.read(|models| {
            let on_pathway =
                |m: &&Model| m.manifest.as_ref().is_some_and(|manifest| manifest.pathway == pathway);
            let active = models.values().filter(on_pathway).find(|m| m.active);
            match active.map(|m| (&m.folder, &m.state)) {
                Some((_, ModelState::Ready(engine))) => Ok(Arc::clone(engine)),
                Some((folder, ModelState::Loading)) => Err(none(format!("{folder} is still loading"))),
                Some((folder, ModelState::Refused(error))) => {
                    Err(none(format!("{folder} was refused: {error}")))
                }
                None if !loaded && models.is_empty() => Err(none("the models are still loading".into())),
                None => Err(none(match (named, models.values().filter(on_pathway).count()) {
                    (Some(named), _) => format!("infer.active.{pathway} names {named}, which is not there"),
                    (None, 0) => format!("none in {}", self.settings.models_dir.display()),
                    (None, several) => format!("{several} are there; name one in infer.active.{pathway}"),
                })),
            }
        })
    }

    /// Whether every model is ready or refused.
    pub fn is_loaded(&self) -> bool {
        *self.loaded.borrow()
    }

    /// Returns once every model is ready or refused.
    pub async fn wait_until_loaded(&self) {
        // The sender is gone only when the loader has ended, with or without a panic.
        let _ = self.loaded.clone().wait_for(|loaded| *loaded).await;
    }

    /// Ends every session after the run that it is in. Blocks.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let loader = self.loader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(loader) = loader {
            // A loader that panicked has said so.
            let _ = loader.join();
        }
        for model in self.models() {
            if let ModelState::Ready(engine) = model.state {
                engine.stop();
            }
        }
    }
}

/// Folders with a `manifest.toml`, by name.
fn model_folders(models_dir: &Path) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(models_dir) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(folder = %models_dir.display(), %error, "no folder of models; the service runs without AI");
            return Vec::new();
        }
    };
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.join("manifest.toml").is_file()).collect();
    folders.sort();
    folders
}
