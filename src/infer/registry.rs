//! The models of a folder: loaded in the background, each with its role.
//!
//! In: the `[infer]` section, and what people decided. Out: the state of each model, and the
//! engines in force on a pathway. A model that is refused says why and takes nothing else down. Must never hold up
//! the start: associations are accepted while models still load.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::engine::Engine;
use super::error::InferError;
use super::manifest::Manifest;
use super::roles::{ModelRole, Roles, in_force};
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
    /// People took it out of use.
    Retired,
}

impl ModelState {
    /// `loading`, `ready`, `refused` or `retired`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Ready(_) => "ready",
            Self::Refused(_) => "refused",
            Self::Retired => "retired",
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
    /// Whether it speaks on its pathway.
    pub active: bool,
}

/// Every model, by folder.
pub struct Registry {
    settings: Settings,
    models: RwLock<BTreeMap<String, Model>>,
    roles: RwLock<Roles>,
    /// Whether every folder that was met is loaded.
    loaded: watch::Sender<bool>,
    /// Folders to load, in order; the loader ends when this does.
    to_load: Mutex<Option<mpsc::Sender<String>>>,
    loader: Mutex<Option<JoinHandle<()>>>,
    stopping: AtomicBool,
}

impl Registry {
    /// Starts to load every model of `settings.models_dir` on a thread of its own, and returns at once.
    pub fn start(settings: Settings) -> Result<Arc<Self>, InferError> {
        Self::start_with(settings, Roles::new())
    }

    /// The same with what people decided about the models; those that are retired are listed and not loaded.
    pub fn start_with(settings: Settings, roles: Roles) -> Result<Arc<Self>, InferError> {
        let (to_load, folders) = mpsc::channel();
        let registry = Arc::new(Self {
            settings,
            models: RwLock::new(BTreeMap::new()),
            roles: RwLock::new(roles),
            loaded: watch::Sender::new(false),
            to_load: Mutex::new(Some(to_load)),
            loader: Mutex::new(None),
            stopping: AtomicBool::new(false),
        });
        // Weak, so that a registry that is dropped while it loads does not live on.
        let weak = Arc::downgrade(&registry);
        let thread = std::thread::Builder::new()
            .name("infer-loader".into())
            .spawn(move || {
                if let Some(registry) = weak.upgrade() {
                    registry.look_again();
                    if registry.nothing_loads() {
                        registry.say_loaded();
                    }
                }
                while let Ok(folder) = folders.recv() {
                    let settings = match weak.upgrade() {
                        Some(registry) if !registry.stopping.load(Ordering::Relaxed) => {
                            registry.settings.clone()
                        }
                        _ => return,
                    };
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
                    if registry.nothing_loads() {
                        registry.say_loaded();
                    }
                }
            })
            .map_err(|e| InferError::Thread(e.to_string()))?;
        *registry.loader.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(registry)
    }

    /// Lists folders that were not there before, and loads them in the background; blocks for reading manifests.
    pub fn look_again(&self) {
        for path in model_folders(&self.settings.models_dir) {
            let Some(folder) = path.file_name().and_then(|n| n.to_str()).map(str::to_owned) else { continue };
            let known = self.read(|models| models.contains_key(&folder));
            if !known && self.announce(&folder, &path) {
                self.ask_to_load(folder);
            }
        }
    }

    /// Takes over what people decided; a model that is retired ends after the run that it is in.
    pub fn assign(&self, roles: Roles) {
        let changed = *self.roles.read().unwrap_or_else(PoisonError::into_inner) != roles;
        if !changed {
            return;
        }
        *self.roles.write().unwrap_or_else(PoisonError::into_inner) = roles.clone();
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        for model in models.values_mut() {
            let retired = roles.get(&model.folder) == Some(&ModelRole::Retired);
            match (&model.state, retired) {
                // Cases that hold the engine finish with it; it stops when the last of them lets go.
                (ModelState::Ready(_) | ModelState::Loading, true) => model.state = ModelState::Retired,
                (ModelState::Retired, false) => {
                    model.state = ModelState::Loading;
                    self.loaded.send_replace(false);
                    self.ask_to_load(model.folder.clone());
                }
                _ => {}
            }
        }
        self.choose(&mut models);
    }

    fn read<T>(&self, read: impl FnOnce(&BTreeMap<String, Model>) -> T) -> T {
        read(&self.models.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a folder on the list, with what its manifest says, before its graph is opened; whether it is to be loaded.
    fn announce(&self, folder: &str, path: &Path) -> bool {
        let manifest = Manifest::load(path);
        let retired = self.role(folder) == Some(ModelRole::Retired);
        let state = match &manifest {
            Ok(_) if retired => ModelState::Retired,
            Ok(_) => ModelState::Loading,
            Err(error) => {
                tracing::error!(model = folder, %error, "model refused");
                metrics::counter!("doubleread_infer_models_refused_total").increment(1);
                ModelState::Refused(error.clone())
            }
        };
        let loads = matches!(state, ModelState::Loading);
        if loads {
            self.loaded.send_replace(false);
        }
        let folder = folder.to_owned();
        let model =
            Model { folder: folder.clone(), manifest: manifest.ok().map(Arc::new), state, active: false };
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        models.insert(folder, model);
        self.choose(&mut models);
        loads
    }

    /// Marks the models that are in force.
    fn choose(&self, models: &mut BTreeMap<String, Model>) {
        for pathway in Pathway::ALL {
            let chosen = self.chosen(*pathway, models).unwrap_or_default();
            for model in models.values_mut() {
                if model.manifest.as_ref().is_some_and(|m| m.pathway == *pathway) {
                    model.active = chosen.contains(&model.folder);
                }
            }
        }
    }

    fn chosen(&self, pathway: Pathway, models: &BTreeMap<String, Model>) -> Result<Vec<String>, String> {
        let roles = self.roles.read().unwrap_or_else(PoisonError::into_inner);
        let with_manifest = models
            .values()
            .filter_map(|m| m.manifest.as_deref().map(|manifest| (m.folder.as_str(), manifest)));
        in_force(pathway, self.settings.active.on(pathway), &roles, with_manifest)
    }

    /// What people decided about a model.
    pub fn role(&self, folder: &str) -> Option<ModelRole> {
        self.roles.read().unwrap_or_else(PoisonError::into_inner).get(folder).copied()
    }

    fn ask_to_load(&self, folder: String) {
        if let Some(to_load) = &*self.to_load.lock().unwrap_or_else(PoisonError::into_inner) {
            // A loader that has ended belongs to a registry that stops.
            let _ = to_load.send(folder);
        }
    }

    fn nothing_loads(&self) -> bool {
        self.read(|models| !models.values().any(|m| matches!(m.state, ModelState::Loading)))
    }

    fn say_loaded(&self) {
        self.warn_of_silent_pathways();
        self.loaded.send_replace(true);
    }

    fn set(&self, folder: &str, state: ModelState) {
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        // It may have been retired while it loaded.
        if let Some(model) = models.get_mut(folder).filter(|m| matches!(m.state, ModelState::Loading)) {
            model.state = state;
        }
    }

    fn warn_of_silent_pathways(&self) {
        for pathway in Pathway::ALL {
            if let Err(error) = self.in_force(*pathway) {
                tracing::warn!(%pathway, %error, "cases of this pathway go to their readers without an AI result");
            }
        }
    }

    /// Every model with its state, by folder.
    pub fn models(&self) -> Vec<Model> {
        self.read(|models| models.values().cloned().collect())
    }

    /// The SHA-256 of each graph by its manifest, by folder.
    pub fn graph_hashes(&self) -> BTreeMap<String, String> {
        let hash = |m: &Model| Some((m.folder.clone(), m.manifest.as_ref()?.sha256.clone()));
        self.read(|models| models.values().filter_map(hash).collect())
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
            ModelState::Ready(_) | ModelState::Loading | ModelState::Refused(_) | ModelState::Retired => None,
        };
        self.read(|models| models.values().find_map(ready)).ok_or_else(|| InferError::NoModel {
            pathway,
            reason: format!(
                "{} {} ({}, operating point {}) is not here or not ready",
                stamp.name, stamp.version, stamp.sha256, stamp.operating_point
            ),
        })
    }

    /// The engines in force on a pathway, in order: the first whose scope takes the patient speaks. A refused one is
    /// left out where another is ready. Error: [`InferError::NoModel`] with the reason in words.
    pub fn in_force(&self, pathway: Pathway) -> Result<Vec<Arc<Engine>>, InferError> {
        let none = |reason: String| InferError::NoModel { pathway, reason };
        let loaded = self.is_loaded();
        self.read(|models| {
            if !loaded && models.is_empty() {
                return Err(none("the models are still loading".into()));
            }
            let folder = self.settings.models_dir.display();
            let chosen = self
                .chosen(pathway, models)
                .map_err(|reason| none(format!("{reason} (models are looked for in {folder})")))?;
            let mut ready = Vec::new();
            let mut refused = None;
            for name in chosen {
                match models.get(&name).map(|m| &m.state) {
                    Some(ModelState::Ready(engine)) => ready.push(Arc::clone(engine)),
                    // Another one must not speak in its place meanwhile.
                    Some(ModelState::Loading) => return Err(none(format!("{name} is still loading"))),
                    Some(ModelState::Refused(error)) => {
                        refused = Some(format!("{name} was refused: {error}"))
                    }
                    Some(ModelState::Retired) => refused = Some(format!("{name} is retired")),
                    None => {
                        refused = Some(format!("infer.active.{pathway} names {name}, which is not there"));
                    }
                }
            }
            match (ready.is_empty(), refused) {
                (true, reason) => Err(none(reason.unwrap_or_else(|| "none is there".into()))),
                (false, _) => Ok(ready),
            }
        })
    }

    /// The ready engines that score cases of a pathway in the shadow.
    pub fn shadows(&self, pathway: Pathway) -> Vec<Arc<Engine>> {
        let roles = self.roles.read().unwrap_or_else(PoisonError::into_inner);
        self.read(|models| {
            let shadow = |m: &&Model| roles.get(&m.folder) == Some(&ModelRole::Shadow) && !m.active;
            let on_pathway = |m: &&Model| m.manifest.as_ref().is_some_and(|m| m.pathway == pathway);
            let ready = |m: &Model| match &m.state {
                ModelState::Ready(engine) => Some(Arc::clone(engine)),
                ModelState::Loading | ModelState::Refused(_) | ModelState::Retired => None,
            };
            models.values().filter(shadow).filter(on_pathway).filter_map(ready).collect()
        })
    }

    /// Whether every model is ready or refused.
    pub fn is_loaded(&self) -> bool {
        *self.loaded.borrow()
    }

    /// Returns once every model is ready or refused.
    pub async fn wait_until_loaded(&self) {
        // The sender lives in the registry itself.
        let _ = self.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    /// Ends every session after the run that it is in. Blocks.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        drop(self.to_load.lock().unwrap_or_else(PoisonError::into_inner).take());
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

/// The SHA-256 of each graph of a folder of models by its manifest, by folder; blocks for reading them.
pub fn graph_hashes(models_dir: &Path) -> BTreeMap<String, String> {
    let hash = |path: PathBuf| {
        let folder = path.file_name()?.to_str()?.to_owned();
        Some((folder, Manifest::load(&path).ok()?.sha256))
    };
    model_folders(models_dir).into_iter().filter_map(hash).collect()
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
