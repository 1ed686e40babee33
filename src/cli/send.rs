//! `doubleread send`: a modality emulator.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::generate::{Generate, TRUTH_ENDING, chest_view, wrap_film, write_studies};
use super::output::push_with_progress;
use crate::phantom::ChestView;
use crate::receive::send::{Outcome, Sent, Target};
use crate::vocab::AeTitle;

/// Arguments of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  doubleread send ./studies --to DOUBLEREAD@127.0.0.1:11112\n  \
                        doubleread send --generate mammo --count 20 --to DOUBLEREAD@127.0.0.1:11112 --associations 4\n  \
                        doubleread send films/ --wrap-films --to DOUBLEREAD@127.0.0.1:11112")]
pub(super) struct Send {
    /// DICOM files, or folders that are searched for them
    paths: Vec<PathBuf>,
    /// Where to: AE@HOST:PORT
    #[arg(long, value_name = "AE@HOST:PORT")]
    to: Peer,
    /// AE title to call from
    #[arg(long, default_value = "DOUBLEREAD_SCU")]
    from: AeTitle,
    /// Associations at the same time
    #[arg(long, default_value_t = 1)]
    associations: usize,
    /// Print one JSON object per object sent
    #[arg(long)]
    json: bool,
    /// Wrap PNG and JPEG films as DICOM (computed radiography of a chest) before they are sent; the view is that of
    /// the columns file and view of a labels.csv beside or above them, or --film-view
    #[arg(long)]
    wrap_films: bool,
    /// View of the films that no labels.csv tells of: PA, AP or LAT
    #[arg(long, value_name = "VIEW", requires = "wrap_films", value_parser = chest_view)]
    film_view: Option<ChestView>,
    /// Age in years that wrapped films get
    #[arg(long, default_value_t = 40, requires = "wrap_films")]
    film_age: u32,
    /// Folder in which wrapped films are kept; without it they are removed after sending
    #[arg(long, value_name = "FOLDER", requires = "wrap_films")]
    keep_wrapped: Option<PathBuf>,
    #[command(flatten)]
    generate: Generate,
}

/// An application entity and where it listens.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Called AE title.
    pub ae_title: AeTitle,
    /// `HOST:PORT`.
    pub address: String,
}

impl std::str::FromStr for Peer {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ae_title, address) = text.split_once('@').ok_or("needs the form AE@HOST:PORT")?;
        if !address.contains(':') {
            return Err("needs a port: AE@HOST:PORT".into());
        }
        let ae_title = ae_title.parse().map_err(|error: crate::vocab::InvalidValue| error.to_string())?;
        Ok(Self { ae_title, address: address.to_owned() })
    }
}

pub(super) async fn run(arguments: Send) -> anyhow::Result<ExitCode> {
    let made = tempfile_dir()?;
    let mut files = Vec::new();
    for path in &arguments.paths {
        collect(path, &mut files).with_context(|| format!("can't read {}", path.display()))?;
    }
    if arguments.wrap_films {
        let folder = arguments.keep_wrapped.as_deref().unwrap_or(made.path());
        std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
        let wrap = |film: &PathBuf| wrap_film(film, arguments.film_view, arguments.film_age, folder);
        files = files.iter().map(wrap).collect::<Result<_, _>>()?;
    }
    files.extend(write_studies(&arguments.generate, made.path())?);
    if files.is_empty() {
        bail!("nothing to send: name files or folders, or --generate chest or mammo");
    }
    let mut target = Target::new(arguments.to.address, arguments.to.ae_title, arguments.from);
    target.associations = arguments.associations;
    let sent = push_with_progress(&target, &files, "sent").await?;
    report(&sent, arguments.json)
}

/// One line per object (JSON), or the counts by outcome; the code says whether all were stored.
fn report(sent: &[Sent], json: bool) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for one in sent {
        let words = words(&one.outcome);
        if json {
            let status = match &one.outcome {
                Outcome::Answered { status, .. } => Some(*status),
                Outcome::NotAccepted | Outcome::Lost(_) | Outcome::Unreadable(_) => None,
            };
            let line = serde_json::json!({
                "file": one.path, "sop_instance_uid": one.sop_instance_uid, "status": status, "outcome": words,
                "bytes": one.size_bytes, "milliseconds": one.took.as_secs_f64() * 1_000.0,
            });
            writeln!(out, "{line}")?;
        } else if !one.outcome.is_stored() {
            writeln!(out, "{}: {words}", one.path.display())?;
        }
        *counts.entry(words).or_default() += 1;
    }
    if !json {
        for (words, count) in counts {
            writeln!(out, "{count} {words}")?;
        }
    }
    let stored = sent.iter().filter(|one| one.outcome.is_stored()).count();
    Ok(match stored {
        n if n == sent.len() => ExitCode::SUCCESS,
        0 => ExitCode::from(super::FAILED),
        _ => ExitCode::from(super::IN_PART),
    })
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered { status: 0, .. } => "stored".into(),
        Outcome::Answered { status, comment } if comment.is_empty() => {
            format!("refused with status 0x{status:04X}")
        }
        Outcome::Answered { status, comment } => format!("refused with status 0x{status:04X} ({comment})"),
        Outcome::NotAccepted => "not accepted: the peer does not take this class in this syntax".into(),
        Outcome::Lost(why) => format!("lost: {why}"),
        Outcome::Unreadable(why) => format!("not sent: {why}"),
    }
}

/// Every file at or below `path`, in order of name; hidden ones and texts beside the images are left out.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let text = [".md", ".json", ".csv", ".txt", ".toml", TRUTH_ENDING]
            .iter()
            .any(|ending| name.ends_with(ending));
        if !name.starts_with('.') && !text {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

/// A folder that goes when it is dropped.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn path(&self) -> &Path {
        &self.0
    }
}
impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What can't be removed is left to the system's own cleaning of its temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tempfile_dir() -> std::io::Result<TemporaryFolder> {
    let path = std::env::temp_dir().join(format!("doubleread-send-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&path)?;
    Ok(TemporaryFolder(path))
}
