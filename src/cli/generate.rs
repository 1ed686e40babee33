//! Synthetic studies for `send` and `phantom`, and films wrapped as DICOM.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::phantom::{
    BreastLesion, ChestLesion, ChestView, GeneratedInstance, LesionKind, StudyOptions, generate_study,
    wrapped_film,
};
use crate::vocab::{Clock, FindingCode, Pathway, Side, SystemClock};

/// What to generate, as `send` takes it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Generate {
    /// Generate studies with synthetic patients: chest or mammo
    #[arg(long = "generate", value_name = "PATHWAY")]
    pathway: Option<Pathway>,
    #[command(flatten)]
    details: Details,
}

/// How the studies are made.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Details {
    /// Number of studies
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Seed of the first study; each next one adds 1
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Finding to put in; may be repeated. Chest: consolidation, pleural_effusion, pneumothorax, nodule, mass,
    /// cardiomegaly. Mammo: mass, spiculated, calcification, distortion
    #[arg(long = "finding", value_name = "FINDING")]
    findings: Vec<String>,
    /// Side of the findings: left or right (default: the seed decides)
    #[arg(long)]
    side: Option<String>,
    /// Columns and rows, such as 512x640 (default: the size of a detector)
    #[arg(long, value_name = "COLUMNSxROWS")]
    size: Option<String>,
    /// Normal studies only
    #[arg(long, conflicts_with = "findings")]
    normal: bool,
}

/// Arguments of `doubleread phantom`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  doubleread phantom chest --seed 7 --finding mass --side left --out ./phantoms"
)]
pub(super) struct Phantom {
    /// chest or mammo
    pathway: Pathway,
    #[command(flatten)]
    details: Details,
    /// Folder to write to; each image has its truth as JSON beside it
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run_phantom(arguments: &Phantom) -> anyhow::Result<ExitCode> {
    use std::io::Write;
    let files = write(arguments.pathway, &arguments.details, &arguments.out)?;
    let mut out = std::io::stdout().lock();
    for file in files {
        writeln!(out, "{}", file.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes what `--generate` asks for; the files.
pub(super) fn write_studies(generate: &Generate, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    match generate.pathway {
        Some(pathway) => write(pathway, &generate.details, folder),
        None => Ok(Vec::new()),
    }
}

/// A PNG or JPEG film as a DICOM file in `folder`.
pub(super) fn wrap_film(film: &Path, age_years: u32, folder: &Path) -> anyhow::Result<PathBuf> {
    let now = SystemClock.now();
    let bytes = std::fs::read(film).with_context(|| format!("can't read {}", film.display()))?;
    let wrapped = wrapped_film(&bytes, ChestView::Pa, age_years, &date_time(now))
        .with_context(|| format!("can't wrap {}", film.display()))?;
    let path = folder.join(&wrapped.file_name);
    std::fs::write(&path, wrapped.part10()?)?;
    Ok(path)
}

fn write(pathway: Pathway, details: &Details, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let options = options(pathway, details)?;
    let mut files = Vec::new();
    for seed in (0..details.count).map(|n| details.seed.wrapping_add(n)) {
        for instance in generate_study(pathway, seed, &options) {
            files.push(write_instance(&instance, folder)?);
        }
    }
    Ok(files)
}

fn write_instance(instance: &GeneratedInstance, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join(&instance.file_name);
    std::fs::write(&path, instance.part10()?)?;
    std::fs::write(path.with_extension("json"), instance.truth_json()?)?;
    Ok(path)
}

fn options(pathway: Pathway, details: &Details) -> anyhow::Result<StudyOptions> {
    let side = match details.side.as_deref() {
        None => None,
        Some("left") => Some(Side::Left),
        Some("right") => Some(Side::Right),
        Some(other) => bail!("--side is left or right, not {other:?}"),
    };
    let mut options = StudyOptions { date_time: date_time(SystemClock.now()), ..StudyOptions::default() };
    if details.normal {
        options.normal = Some(true);
    }
    for finding in &details.findings {
        match pathway {
            Pathway::Chest => {
                let code: FindingCode = finding.parse()?;
                if !ChestLesion::DRAWN.contains(&code) {
                    bail!(
                        "{code} can't be drawn; one of consolidation, pleural_effusion, pneumothorax, nodule, mass, cardiomegaly can"
                    );
                }
                options.chest_lesions.push(ChestLesion { side, ..ChestLesion::of(code) });
            }
            Pathway::Mammo => {
                let kind = lesion_kind(finding)?;
                options.breast_lesions.push((side.unwrap_or(Side::Left), BreastLesion::of(kind)));
            }
        }
    }
    if let Some(size) = &details.size {
        let parsed = size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
        let (columns, rows): (u32, u32) = parsed.context("--size needs the form COLUMNSxROWS")?;
        anyhow::ensure!(
            (64..=8192).contains(&columns) && (64..=8192).contains(&rows),
            "--size is 64 to 8192 each way"
        );
        options.size = Some((columns, rows));
    }
    Ok(options)
}

fn lesion_kind(word: &str) -> anyhow::Result<LesionKind> {
    let found = LesionKind::ALL.into_iter().find(|kind| kind.code() == word);
    found.with_context(|| {
        let known: Vec<&str> = LesionKind::ALL.iter().map(|kind| kind.code()).collect();
        format!("{word} can't be drawn; one of {} can", known.join(", "))
    })
}

/// Study Date and Study Time of an instant, in UTC.
fn date_time(at: crate::vocab::Timestamp) -> (String, String) {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let text = at.to_string();
    (digits(text.get(..10).unwrap_or_default()), digits(text.get(11..19).unwrap_or_default()))
}
