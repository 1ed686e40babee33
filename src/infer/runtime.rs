//! The ONNX Runtime library of this process: found, loaded once, its messages sent to our log.
//!
//! In: `infer.runtime_library`, `ORT_DYLIB_PATH` or `.runtime/`. Out: the one
//! [`Environment`] that sessions are made in. Nothing of `ort` may be called before
//! [`environment`] has answered: it would load a library of its own choosing, or panic.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::error::InferError;

/// Where `scripts/runtime.sh` puts the library, below the working folder or above the binary.
const DEFAULT_LIBRARY: &str = ".runtime/libonnxruntime.so";

/// The runtime allows one environment per process, for good; a failure may be tried again.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// Where the library is looked for: the setting, else `ORT_DYLIB_PATH`, else `.runtime/`.
pub fn library_path(setting: Option<&Path>) -> PathBuf {
    let named = setting
        .map(Path::to_owned)
        .or_else(|| std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from));
    if let Some(path) = named {
        return std::path::absolute(&path).unwrap_or(path);
    }
    let executable = std::env::current_exe().unwrap_or_default();
    let mut places =
        std::env::current_dir().into_iter().chain(executable.ancestors().skip(1).take(4).map(Path::to_owned));
    let found = places.find(|folder| folder.join(DEFAULT_LIBRARY).is_file());
    let folder = found.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    folder.join(DEFAULT_LIBRARY)
}

/// The environment of this process; loads the library at the first call.
///
/// Errors: [`InferError::RuntimeMissing`] says what to run, [`InferError::RuntimeUnusable`] what the loader said.
pub(super) fn environment(setting: Option<&Path>) -> Result<Environment, InferError> {
    let mut known = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = known.as_ref() {
        return Ok(environment.clone());
    }
    let path = library_path(setting);
    if !path.is_file() {
        return Err(InferError::RuntimeMissing(path));
    }
    let unusable = |problem: String| InferError::RuntimeUnusable { path: path.clone(), problem };
    let environment = ort::init_from(&path)
        .map_err(|e| unusable(e.to_string()))?
        .with_name("doubleread")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, _category: &str, _id: &str, _at: &str, message: &str| match level {
            LogLevel::Verbose | LogLevel::Info => tracing::trace!(target: "ort", "{message}"),
            LogLevel::Warning => tracing::debug!(target: "ort", "{message}"),
            // What matters of these comes back as an error, and is logged where that is met.
            LogLevel::Error | LogLevel::Fatal => tracing::warn!(target: "ort", "{message}"),
        }))
        .build()
        .map_err(|e| unusable(e.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    tracing::info!(library = %path.display(), "ONNX Runtime loaded");
    *known = Some(environment.clone());
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_says_what_to_run() {
        let error = InferError::RuntimeMissing("/nowhere/libonnxruntime.so".into()).to_string();
        assert!(error.contains("make runtime") && error.contains("/nowhere/"), "{error}");
        assert_eq!(library_path(Some(Path::new("/a/b.so"))), Path::new("/a/b.so"));
    }
}
