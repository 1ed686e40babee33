//! Limits and choices of inference: the `[infer]` section of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::vocab::{Pathway, coded_enum};

coded_enum!(
    /// What executes a graph.
    Provider, "execution provider" {
        /// The processor.
        Cpu = "cpu",
        /// One NVIDIA device through the CUDA build of the ONNX Runtime.
        Cuda = "cuda",
    }
);

/// The `[infer]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Folder that holds one folder per model (`<name>-<version>`).
    pub models_dir: PathBuf,
    /// The ONNX Runtime library; absent: `ORT_DYLIB_PATH`, then `.runtime/libonnxruntime.so`.
    pub runtime_library: Option<PathBuf>,
    /// Execution providers in order of wish; the first that is named must be had.
    pub providers: Vec<Provider>,
    /// What may take the place of the first provider when it can't be had; absent: the model is refused.
    pub fallback: Option<Provider>,
    /// Which models speak on which pathway.
    pub active: Active,
    /// Sessions of one model, each on a thread of its own; 0: one per core on the processor, one on CUDA.
    pub sessions: usize,
    /// Threads inside one session; 1 costs the least processor time per image.
    pub intra_threads: usize,
    /// Images that wait for one model at most; one more is refused.
    pub queue_limit: usize,
    /// Memory of the images that wait for one model, in bytes; fewer than `queue_limit` may wait of a large size.
    pub queue_bytes: usize,
    /// Largest input of one run, in bytes: a batch holds no more than fit, and a model of which not one fits is refused.
    pub max_run_bytes: usize,
    /// Images of one batch on the processor, where larger batches bring nothing.
    pub max_batch_cpu: usize,
    /// Images of one batch on CUDA.
    pub max_batch_cuda: usize,
    /// Longest that an image waits for others to fill its batch, in milliseconds.
    pub max_wait_ms: u64,
    /// A routine image that has waited this long goes before an urgent one that has just come, in milliseconds.
    pub routine_ages_ms: u64,
    /// The same for images of shadow models and replays, in milliseconds.
    pub background_ages_ms: u64,
    /// Folder in `models_dir` of the recogniser, which holds view and side of mammograms against their tags; empty: none.
    /// The shipped one is used where it is there; any other that is missing is a fault.
    pub recogniser: String,
    /// How sure the recogniser must be of what it sees, 0.5 to 1; what its operating point asks for holds besides. The
    /// shipped one at 0.95, on DDSM films at 128 px: wrong of the view of 3 of 693 test films, of no side
    /// (`training/view_notices.py`).
    pub recogniser_certainty: f64,
    /// Where models without a map of their own are asked where they looked.
    pub occlusion: Occlusion,
    /// Largest `model.onnx`, in bytes.
    pub max_model_bytes: u64,
    /// Number of the CUDA device.
    pub cuda_device: i32,
    /// Device memory that one session may take, in bytes; 0: no limit.
    pub cuda_memory_bytes: usize,
}

/// Where a model without a map was moved: parts of an image are hidden, one after another, and the score is asked again.
///
/// Done after the result of the case, for its images at or above the threshold, with the lowest urgency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Occlusion {
    /// Most runs for one image; a larger stride is taken to stay below. 0: never done.
    pub max_passes: usize,
    /// Side of what is hidden, as a part of the input's shorter side.
    pub patch: f64,
    /// From one place to the next, as a part of the input's shorter side.
    pub stride: f64,
    /// Runs that are asked for together.
    pub at_once: usize,
    /// About as long as all runs for one case may keep a session busy, in seconds; fewer runs are made to stay below.
    pub most_seconds: f64,
}

impl Default for Occlusion {
    fn default() -> Self {
        Self { max_passes: 256, patch: 0.15, stride: 0.075, at_once: 8, most_seconds: 20.0 }
    }
}

/// Which models speak on which pathway, by the names of their folders; each to the patients of its scope, and the first
/// whose scope takes a patient's age speaks.
///
/// Where none is named, what people decided holds (`doubleread model activate`), and where nobody did, every model, if no
/// two speak for the same ages; a demonstration stands back for any other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Active {
    /// On the chest pathway.
    #[serde(deserialize_with = "one_or_several")]
    pub chest: Vec<String>,
    /// On the mammogram pathway.
    #[serde(deserialize_with = "one_or_several")]
    pub mammo: Vec<String>,
}

/// A name by itself, or a list of names.
pub(super) fn one_or_several<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::One(name) => vec![name],
        Names::Several(names) => names,
    })
}

impl Active {
    /// The folders that are named for a pathway.
    pub fn on(&self, pathway: Pathway) -> &[String] {
        match pathway {
            Pathway::Chest => &self.chest,
            Pathway::Mammo => &self.mammo,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            models_dir: PathBuf::from("models"),
            runtime_library: None,
            providers: vec![Provider::Cpu],
            fallback: None,
            active: Active::default(),
            sessions: 0,
            intra_threads: 1,
            queue_limit: 256,
            queue_bytes: 512 << 20,
            max_run_bytes: 512 << 20,
            max_batch_cpu: 1,
            max_batch_cuda: 16,
            max_wait_ms: 5,
            routine_ages_ms: 600_000,
            background_ages_ms: 3_600_000,
            recogniser: "mammo-view-1.0.1".to_owned(),
            recogniser_certainty: 0.95,
            occlusion: Occlusion::default(),
            max_model_bytes: 2_000_000_000,
            cuda_device: 0,
            cuda_memory_bytes: 0,
        }
    }
}

impl Settings {
    /// Checks what the types can't; the text names the key and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if self.providers.is_empty() {
            return Err("infer.providers is empty; name \"cpu\" or \"cuda\"".into());
        }
        if self.fallback.is_some_and(|f| f != Provider::Cpu) {
            return Err("infer.fallback can only be \"cpu\"".into());
        }
        for (key, value) in [
            ("queue_limit", self.queue_limit),
            ("queue_bytes", self.queue_bytes),
            ("max_run_bytes", self.max_run_bytes),
            ("occlusion.at_once", self.occlusion.at_once),
            ("max_batch_cpu", self.max_batch_cpu),
            ("max_batch_cuda", self.max_batch_cuda),
            ("intra_threads", self.intra_threads),
        ] {
            if value == 0 {
                return Err(format!("infer.{key} is 0; it must be at least 1"));
            }
        }
        if !(0.5..=1.0).contains(&self.recogniser_certainty) {
            return Err("infer.recogniser_certainty is not between 0.5 and 1".into());
        }
        let one_name = |name: &str| !name.contains(['/', '\\']) && name != "..";
        if !one_name(&self.recogniser) {
            return Err("infer.recogniser is the name of a folder in infer.models_dir".into());
        }
        let part = |value: f64| value > 0.0 && value <= 1.0;
        if !part(self.occlusion.patch) || !part(self.occlusion.stride) {
            return Err(
                "infer.occlusion.patch and stride are parts of the input, above 0 and at most 1".into()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_a_typo_is_refused() {
        assert_eq!(Settings::default().check(), Ok(()));
        let set: Settings =
            toml::from_str("providers = ['cuda', 'cpu']\nfallback = 'cpu'").expect("settings");
        assert_eq!(set.providers, [Provider::Cuda, Provider::Cpu]);
        assert!(toml::from_str::<Settings>("provider = ['cuda']").is_err());
        assert!(Settings { queue_limit: 0, ..Settings::default() }.check().is_err());
        assert!(Settings { fallback: Some(Provider::Cuda), ..Settings::default() }.check().is_err());
    }
}
