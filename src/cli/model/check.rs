//! `doubleread model check`: a model is loaded, held against its manifest and its self-test vectors.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::shapes;
use crate::config::Config;
use crate::infer::{Engine, InferError, Recogniser, SelfTest, Settings, self_test};

pub(super) async fn run(model: &Path, config: &Config) -> anyhow::Result<ExitCode> {
    let folder = folder_of(model, config);
    let load = if Recogniser::lies_in(&folder) { Recogniser::load } else { Engine::load };
    let (engine, test) = check_by(load, &folder, config).await?;
    let manifest = engine.manifest();
    let mut out = std::io::stdout();
    writeln!(out, "{}: file, hash, names, types and shapes agree with the manifest", manifest.folder_name())?;
    writeln!(out, "ran on {}, input {}", engine.provider(), shapes(manifest))?;
    match test {
        Some(test) => writeln!(
            out,
            "{} self-test vectors agree, largest difference {:.1e}, {:.1} ms an image",
            test.vectors, test.largest_difference, test.infer_ms
        )?,
        None => writeln!(out, "no self_test.json beside it: its answers were not compared")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A folder among the models by its name, or any folder by its path.
fn folder_of(model: &Path, config: &Config) -> PathBuf {
    let named = config.infer.models_dir.join(model);
    if model.components().count() == 1 && named.is_dir() { named } else { model.to_owned() }
}

/// Loads a model and runs its vectors; the refusal names what differs.
pub(super) async fn check(folder: &Path, config: &Config) -> anyhow::Result<(Engine, Option<SelfTest>)> {
    check_by(Engine::load, folder, config).await
}

async fn check_by(
    load: fn(&Path, &Settings) -> Result<Engine, InferError>,
    folder: &Path,
    config: &Config,
) -> anyhow::Result<(Engine, Option<SelfTest>)> {
    let (folder, settings) = (folder.to_owned(), config.infer.clone());
    let engine = tokio::task::spawn_blocking(move || load(&folder, &settings)).await??;
    let test = self_test(&engine).await?;
    Ok((engine, test))
}
