//! What a session really runs on, out of the runtime's own record of a run.
//!
//! A provider that registers may still be given no node of the graph, and the runtime then runs
//! on the processor without a word. So the first session of a model keeps a record of its warm-up
//! run, in which every node names its provider. In: that record. Out: nodes by provider.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::InferError;
use super::settings::Provider;

/// Longest record that is read, in bytes; about 1 kB a node.
const MAX_RECORD_BYTES: u64 = 256 << 20;

/// One node of the record that ran.
#[derive(serde::Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    args: Args,
}

#[derive(Default, serde::Deserialize)]
struct Args {
    #[serde(default)]
    provider: Option<String>,
}

/// Nodes that ran, by the runtime's name of their provider.
pub(super) type NodesByProvider = BTreeMap<String, usize>;

/// A folder of its own for a record, removed with what is in it.
#[derive(Debug)]
pub(super) struct RecordFolder(PathBuf);

impl RecordFolder {
    /// A new folder among the temporary files; `None` where there can be none.
    pub fn create() -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("doubleread-warm-up-{}-{number}", std::process::id()));
        match std::fs::create_dir(&path) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                tracing::warn!(folder = %path.display(), %error, "no place for the record of a warm-up run");
                None
            }
        }
    }

    /// What the runtime's file names begin with.
    pub fn prefix(&self) -> PathBuf {
        self.0.join("run")
    }
}

impl Drop for RecordFolder {
    fn drop(&mut self) {
        // What can't be removed lies among the temporary files, a few kilobytes.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Reads a record.
pub(super) fn read_record(path: &Path) -> Result<NodesByProvider, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > MAX_RECORD_BYTES {
        return Err(format!("a record of {size} bytes"));
    }
    count(&std::fs::read_to_string(path).map_err(|e| e.to_string())?)
}

fn count(text: &str) -> Result<NodesByProvider, String> {
    let events: Vec<Event> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let mut nodes = NodesByProvider::new();
    for provider in events.into_iter().filter(|e| e.cat == "Node").filter_map(|e| e.args.provider) {
        *nodes.entry(provider).or_default() += 1;
    }
    Ok(nodes)
}

/// Refuses a provider that ran no node at all. Nodes that only shape tensors may run on the processor.
pub(super) fn prove(provider: Provider, record: Result<NodesByProvider, String>) -> Result<(), InferError> {
    let named = match provider {
        Provider::Cpu => "CPUExecutionProvider",
        Provider::Cuda => "CUDAExecutionProvider",
    };
    match record {
        Ok(nodes) if nodes.contains_key(named) => {
            tracing::info!(%provider, ?nodes, "the warm-up run, nodes by provider");
            Ok(())
        }
        Ok(nodes) => Err(InferError::ProviderUnavailable {
            provider,
            problem: format!("it ran no node of the graph; what did: {nodes:?}"),
        }),
        // On the processor there is nothing to mistake it for.
        Err(problem) if provider == Provider::Cpu => {
            tracing::debug!(problem, "no record of the warm-up run");
            Ok(())
        }
        Err(problem) => Err(InferError::ProviderUnavailable {
            provider,
            problem: format!("nothing shows that it ran: {problem}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"[
        {"cat": "Session", "name": "model_run", "args": {}},
        {"cat": "Node", "name": "Conv_kernel_time", "args": {"provider": "CUDAExecutionProvider", "op_name": "Conv"}},
        {"cat": "Node", "name": "Relu_kernel_time", "args": {"provider": "CUDAExecutionProvider"}},
        {"cat": "Node", "name": "Shape_kernel_time", "args": {"provider": "CPUExecutionProvider"}},
        {"cat": "Node", "name": "Conv_fence_before", "args": {"op_name": "Conv"}}
    ]"#;

    #[test]
    fn nodes_are_counted_by_the_provider_that_ran_them() {
        let nodes = count(RECORD).unwrap();
        assert_eq!(nodes.get("CUDAExecutionProvider"), Some(&2));
        assert_eq!(nodes.get("CPUExecutionProvider"), Some(&1));
    }

    #[test]
    fn a_record_is_read_once_and_leaves_nothing_behind() {
        let folder = RecordFolder::create().expect("a folder");
        let path = folder.prefix().with_extension("json");
        std::fs::write(&path, RECORD).unwrap();
        assert_eq!(read_record(&path).map(|nodes| nodes.len()), Ok(2));
        drop(folder);
        assert!(!path.exists());
        assert!(read_record(&path).is_err());
    }

    #[test]
    fn a_provider_that_ran_nothing_is_not_said_to_have_run() {
        let on_cpu = || count(&RECORD.replace("CUDA", "CPU"));
        assert!(prove(Provider::Cuda, count(RECORD)).is_ok());
        assert!(prove(Provider::Cpu, on_cpu()).is_ok());
        for record in [on_cpu(), Err("no file".to_owned()), count("[]")] {
            let refused = prove(Provider::Cuda, record);
            assert!(matches!(refused, Err(InferError::ProviderUnavailable { .. })), "{refused:?}");
        }
    }
}
