//! `doubleread model add`: a model that passes its check is copied to the others.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::check::check;
use crate::config::Config;

pub(super) async fn run(folder: &Path, config: &Config) -> anyhow::Result<ExitCode> {
    let (engine, _) = check(folder, config).await?;
    let manifest = engine.manifest();
    if !folder.join(&manifest.card).is_file() {
        bail!("{} has no {}: a model without a card is not added", folder.display(), manifest.card);
    }
    let target = config.infer.models_dir.join(manifest.folder_name());
    if target.exists() {
        bail!("{} is there already; another graph or threshold is another version", target.display());
    }
    // Copied beside, then renamed: the running service never meets half a folder.
    let half = config.infer.models_dir.join(format!(".{}-{}", manifest.folder_name(), uuid::Uuid::new_v4()));
    copy(folder, &half)
        .and_then(|()| std::fs::rename(&half, &target))
        .with_context(|| format!("can't copy to {}", target.display()))
        .inspect_err(|_| drop(std::fs::remove_dir_all(&half)))?;
    let name = manifest.folder_name();
    writeln!(
        std::io::stdout(),
        "{name} is added; it speaks after `doubleread model activate {name}`, a running service meets it by itself"
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Plain files of one folder; a model has no folders inside.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let target = to.join(entry.file_name());
            std::fs::copy(entry.path(), &target)?;
            std::fs::File::open(&target)?.sync_all()?;
        }
    }
    std::fs::File::open(to)?.sync_all()
}
