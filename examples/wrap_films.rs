//! Wraps pictures as DICOM files as `doubleread send --wrap-films` does, for `training/parity_goldens.py`.
//!
//! `wrap_films FOLDER`: beside every `NAME.picture` of the folder (PNG or JPEG) it writes `NAME.dcm`.

use anyhow::{Context, bail};
use doubleread::phantom::{ChestView, wrapped_film};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        bail!("wrap_films FOLDER");
    };
    let when = ("20260105".to_owned(), "090000".to_owned());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "picture") {
            let film = wrapped_film(&std::fs::read(&path)?, ChestView::Pa, 50, &when)
                .with_context(|| path.display().to_string())?;
            std::fs::write(path.with_extension("dcm"), film.part10()?)?;
        }
    }
    Ok(())
}
