//! The recogniser: which view and side of a breast a mammogram shows, to be held against its tags.
//!
//! In: a folder with a `recogniser.toml`, then prepared images. Out: a [`ViewDisagreement`] where the picture is sure to
//! show something else than the tags say. It says nothing of disease, is no AI result and weighs nothing in one. Must
//! never stop the service or an image: one that is missing or broken says so and is silent.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::aggregate::read_numbers;
use super::case::strange;
use super::engine::Engine;
use super::error::InferError;
use super::manifest::Manifest;
use super::manifest_graph::Unit;
use super::queue::Urgency;
use super::registry::ModelState;
use super::settings::{Provider, Settings};
use crate::prepare::Prepared;
use crate::vocab::{MammoView, Pathway, Projection, Side, SopInstanceUid, ViewDisagreement};

/// Name of its manifest: it is no model of a pathway, so the registry must not take it for one.
const FILE: &str = "recogniser.toml";
/// The labels that it answers with: the probability of MLO (else CC), and of the left (else the right) breast.
const LABELS: [&str; 2] = ["mlo", "left"];

/// The recogniser of a service; loads in the background.
pub struct Recogniser {
    folder: String,
    certainty: f64,
    state: watch::Sender<ModelState>,
    loader: Mutex<Option<JoinHandle<()>>>,
}

impl Recogniser {
    /// Starts to load the one that `infer.recogniser` names, on a thread of its own; `None` where none is named, or the
    /// shipped one is named and not there.
    pub fn start(settings: &Settings) -> Result<Option<Arc<Self>>, InferError> {
        let folder = settings.recogniser.clone();
        let path = settings.models_dir.join(&folder);
        if folder.is_empty() || (folder == Settings::default().recogniser && !path.exists()) {
            tracing::info!("no recogniser: views and sides of mammograms are not held against their tags");
            return Ok(None);
        }
        let recogniser = Arc::new(Self {
            folder,
            certainty: settings.recogniser_certainty,
            state: watch::Sender::new(ModelState::Loading),
            loader: Mutex::new(None),
        });
        let (loading, settings) = (Arc::clone(&recogniser), settings.clone());
        let thread = std::thread::Builder::new()
            .name("recogniser-loader".into())
            .spawn(move || {
                let state = match Self::load(&path, &settings) {
                    Ok(engine) => ModelState::Ready(Arc::new(engine)),
                    Err(error) => {
                        tracing::error!(recogniser = loading.folder, %error, "recogniser refused");
                        metrics::counter!("doubleread_infer_models_refused_total").increment(1);
                        ModelState::Refused(error)
                    }
                };
                loading.state.send_replace(state);
            })
            .map_err(|e| InferError::Thread(e.to_string()))?;
        *recogniser.loader.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Some(recogniser))
    }

    /// Whether a folder holds one.
    pub fn lies_in(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Loads the one in a folder: its graph is small and nobody waits for it, so one session on the processor. Blocking.
    pub fn load(folder: &Path, settings: &Settings) -> Result<Engine, InferError> {
        let settings =
            Settings { sessions: 1, providers: vec![Provider::Cpu], fallback: None, ..settings.clone() };
        let manifest = Manifest::load_named(folder, FILE)?;
        if manifest.pathway != Pathway::Mammo || manifest.graph.unit() != Unit::Image {
            return Err(InferError::invalid("pathway, graph", "of a recogniser: one mammogram a run"));
        }
        if let Some(missing) = LABELS.iter().find(|name| manifest.label_index(name).is_none()) {
            return Err(InferError::invalid("labels", format!("of a recogniser: {missing:?} is missing")));
        }
        Engine::load_manifest(folder, manifest, &settings)
    }

    /// Name of its folder.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Where it has got to.
    pub fn state(&self) -> ModelState {
        self.state.borrow().clone()
    }

    /// What answers, once it has loaded; `None` where it was refused.
    pub async fn engine(&self) -> Option<Arc<Engine>> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, ModelState::Loading)).await.ok()?;
        match &*settled {
            ModelState::Ready(engine) => Some(Arc::clone(engine)),
            ModelState::Loading | ModelState::Refused(_) | ModelState::Retired => None,
        }
    }

    /// Holds an image, prepared by the recogniser's own specification and scope, against the view that its tags say.
    ///
    /// Silent (`None`) where they agree, where it is not sure, where the image is unlike those that it was made from,
    /// and where it fails.
    pub async fn compare(
        &self,
        engine: &Engine,
        (image, tagged): (&SopInstanceUid, MammoView),
        prepared: Prepared,
        urgency: Urgency,
    ) -> Option<ViewDisagreement> {
        let Prepared { tensor, rows_run_to, .. } = prepared;
        let output = match engine.score(tensor, urgency).await {
            Ok(scored) => scored.output,
            Err(error) => {
                tracing::warn!(recogniser = self.folder, %error, "an image was not looked at by the recogniser");
                return None;
            }
        };
        let manifest = engine.manifest();
        if strange(engine, output.distance.map(f64::from)).is_some() {
            return None;
        }
        let numbers = read_numbers(manifest, &output.scores, |_| true).ok()?;
        let point = manifest.active_point().ok()?;
        let [mlo, left] = LABELS.map(|name| {
            let index = manifest.label_index(name)?;
            let threshold = manifest.threshold_of(point, manifest.labels.get(index)?)?;
            which(numbers.labels.get(index).copied()?, threshold, self.certainty)
        });
        let seen = Seen {
            projection: mlo.map(|mlo| if mlo { Projection::Mlo } else { Projection::Cc }),
            side: left.map(|left| if left { Side::Left } else { Side::Right }),
        };
        disagreement(image, tagged, seen, &rows_run_to)
    }

    /// Ends its session after the run that it is in. Blocks.
    pub fn stop(&self) {
        let loader = self.loader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(loader) = loader {
            // A loader that panicked has said so.
            let _ = loader.join();
        }
        if let ModelState::Ready(engine) = self.state() {
            engine.stop();
        }
    }
}

/// Whether a label holds, where its probability is sure enough: by the operating point, and by the certainty asked for.
fn which(probability: f64, threshold: f64, certainty: f64) -> Option<bool> {
    if probability >= threshold.max(certainty) {
        Some(true)
    } else if probability <= threshold.min(1.0 - certainty) {
        Some(false)
    } else {
        None
    }
}

/// What a picture is sure to show.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    projection: Option<Projection>,
    side: Option<Side>,
}

/// What a picture shows against what its tags say; `None` where nothing that is sure contradicts them.
///
/// The side is told by the edge on which the chest wall lies: rows of a left breast run from it to the front (`A`), those
/// of a right one from the front (`P`). A picture that says by its orientation that it is kept otherwise round has no
/// side that could be seen.
fn disagreement(
    image: &SopInstanceUid,
    tagged: MammoView,
    seen: Seen,
    rows_run_to: &str,
) -> Option<ViewDisagreement> {
    // Other projections are not known to the recogniser, and their scope keeps them away.
    if !matches!(tagged.projection, Projection::Cc | Projection::Mlo) {
        return None;
    }
    let turned = match tagged.side {
        Side::Left => rows_run_to.starts_with('P'),
        Side::Right => rows_run_to.starts_with('A'),
    };
    let side = seen.side.filter(|_| !turned);
    let other_side = side.is_some_and(|side| side != tagged.side);
    let other_projection = seen.projection.is_some_and(|projection| projection != tagged.projection);
    (other_side || other_projection).then(|| ViewDisagreement {
        sop_instance_uid: image.clone(),
        tagged,
        side,
        projection: seen.projection,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_holds_only_where_operating_point_and_certainty_agree() {
        let table = [
            (0.95, 0.845, 0.9, Some(true)),
            (0.88, 0.845, 0.9, None),
            (0.88, 0.845, 0.5, Some(true)),
            (0.92, 0.95, 0.9, None),
            (0.5, 0.5, 0.9, None),
            (0.09, 0.845, 0.9, Some(false)),
            (0.2, 0.845, 0.9, None),
            (0.04, 0.05, 0.9, Some(false)),
            (0.06, 0.05, 0.9, None),
            (f64::NAN, 0.5, 0.9, None),
        ];
        for (probability, threshold, certainty, expected) in table {
            assert_eq!(which(probability, threshold, certainty), expected, "{probability} {threshold}");
        }
    }

    #[test]
    fn only_what_is_sure_and_contradicts_the_tags_is_said() {
        let (cc, mlo) = (Some(Projection::Cc), Some(Projection::Mlo));
        let (left, right) = (Some(Side::Left), Some(Side::Right));
        // Tags, what is seen, where rows run to; what is said.
        let table = [
            ("RCC", (cc, right), "P", None),
            ("RCC", (mlo, left), "P", Some((mlo, left))),
            ("RCC", (cc, left), "", Some((cc, left))),
            ("RCC", (mlo, right), "P", Some((mlo, right))),
            ("RCC", (mlo, None), "P", Some((mlo, None))),
            ("RCC", (None, left), "P", Some((None, left))),
            ("RCC", (None, None), "P", None),
            ("LMLO", (mlo, left), "A", None),
            ("LMLO", (None, right), "A", Some((None, right))),
            // Kept the other way round, and says so.
            ("LMLO", (mlo, right), "P", None),
            ("RMLO", (mlo, left), "A", None),
            ("LMLO", (cc, right), "P", Some((cc, None))),
            // Views that it does not know.
            ("LML", (mlo, right), "A", None),
            ("RXCCL", (cc, left), "P", None),
        ];
        let image: SopInstanceUid = "1.2.3".parse().unwrap();
        for (tags, (projection, side), rows_run_to, expected) in table {
            let tagged: MammoView = tags.parse().unwrap();
            let said = disagreement(&image, tagged, Seen { projection, side }, rows_run_to);
            assert!(said.iter().all(|said| said.tagged == tagged && said.sop_instance_uid == image));
            let said = said.map(|said| (said.projection, said.side));
            assert_eq!(said, expected, "{tags}, {projection:?} {side:?}, rows to {rows_run_to}");
        }
    }

    #[test]
    fn the_shipped_recogniser_describes_itself() {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(Settings::default().recogniser);
        let manifest = Manifest::load_named(&folder, FILE).unwrap();
        assert_eq!(manifest.folder_name(), Settings::default().recogniser);
        let point = manifest.active_point().unwrap();
        for name in LABELS {
            let label = &manifest.labels[manifest.label_index(name).unwrap()];
            assert!(manifest.threshold_of(point, label).is_some(), "{name}");
        }
    }
}
