//! Synthetic studies for `send` and `phantom`, and films wrapped as DICOM.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::phantom::{
    BreastLesion, ChestLesion, ChestView, GeneratedInstance, LesionKind, Photometric, StudyOptions,
    images_of_study, wrapped_film,
};
use crate::vocab::{Clock, FindingCode, MammoView, Pathway, Side, SystemClock};

/// How the name of a segmentation beside its image ends; `send` leaves such files out.
pub(super) const TRUTH_ENDING: &str = ".truth.dcm";

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
    /// cardiomegaly. Mammo: mass, spiculated, calcifications, distortion
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
    #[command(flatten)]
    look: Look,
    /// Folder to write to; each image has its truth beside it: JSON, and a DICOM Segmentation (.truth.dcm) where
    /// something was put in
    #[arg(long)]
    out: PathBuf,
    /// Draw and encode, but write nothing: how fast is it?
    #[arg(long)]
    dry_run: bool,
}

/// What else `phantom` can be told.
#[derive(Debug, Clone, clap::Args)]
struct Look {
    /// View, may be repeated. Chest: PA, AP, LAT (default PA). Mammo: RCC, LCC, RMLO, LMLO (default: all four)
    #[arg(long = "view", value_name = "VIEW")]
    views: Vec<String>,
    /// Breast density, BI-RADS a to d (default: the seed decides)
    #[arg(long, value_parser = ["a", "b", "c", "d"])]
    density: Option<String>,
    /// Breasts with implants
    #[arg(long)]
    implant: bool,
    /// Age in years (default: the seed decides)
    #[arg(long)]
    age: Option<u32>,
    /// Bits Stored
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(8..=16))]
    bits: u16,
    /// The lowest value is white (MONOCHROME1)
    #[arg(long)]
    monochrome1: bool,
    /// Study Date and Time, such as 20260105093000 (default: now); with it the same seed gives the same bytes
    #[arg(long, value_name = "YYYYMMDDHHMMSS")]
    date_time: Option<String>,
}

impl Look {
    fn put_into(&self, pathway: Pathway, options: &mut StudyOptions) -> anyhow::Result<()> {
        if !self.views.is_empty() {
            match pathway {
                Pathway::Chest => {
                    let named = self.views.iter().map(|word| chest_view(word).context("--view"));
                    options.chest_views = named.collect::<anyhow::Result<_>>()?;
                }
                Pathway::Mammo => {
                    let named = |word: &String| {
                        let mut all = MammoView::STANDARD.into_iter();
                        let found = all.find(|view| view.to_string() == word.to_uppercase());
                        found.with_context(|| format!("--view is RCC, LCC, RMLO or LMLO, not {word:?}"))
                    };
                    options.mammo_views = self.views.iter().map(named).collect::<anyhow::Result<_>>()?;
                }
            }
        }
        let letters = ["a", "b", "c", "d"].into_iter().zip(1_u8..);
        options.density = letters.into_iter().find(|l| Some(l.0) == self.density.as_deref()).map(|l| l.1);
        options.implant = self.implant;
        options.age_years = self.age;
        options.bits_stored = self.bits;
        if self.monochrome1 {
            options.photometric = Photometric::Monochrome1;
        }
        if let Some(text) = &self.date_time {
            let digits = text.len() == 14 && text.bytes().all(|byte| byte.is_ascii_digit());
            anyhow::ensure!(digits, "--date-time needs fourteen digits, YYYYMMDDHHMMSS");
            let (date, time) = text.split_at(8);
            options.date_time = (date.to_owned(), time.to_owned());
        }
        Ok(())
    }
}

pub(super) fn run_phantom(arguments: &Phantom) -> anyhow::Result<ExitCode> {
    let mut options = options(arguments.pathway, &arguments.details)?;
    arguments.look.put_into(arguments.pathway, &mut options)?;
    if !arguments.dry_run {
        std::fs::create_dir_all(&arguments.out)?;
    }
    let mut out = std::io::stdout().lock();
    let (mut images, started) = (0_u32, std::time::Instant::now());
    for seed in seeds(&arguments.details) {
        for instance in images_of_study(arguments.pathway, seed, &options) {
            images += 1;
            if arguments.dry_run {
                instance.write_part10(std::io::sink())?;
                continue;
            }
            let path = write_instance(&instance, &arguments.out)?;
            if let Some(truth) = instance.segmentation()? {
                let mut name = path.with_extension("").into_os_string();
                name.push(TRUTH_ENDING);
                std::fs::write(name, truth)?;
            }
            writeln!(out, "{}", path.display())?;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    // One thread draws and writes, so this is the figure of one core.
    eprintln!("{images} images in {seconds:.2} s, {:.1} a second on one core", f64::from(images) / seconds);
    Ok(ExitCode::SUCCESS)
}

/// Writes what `--generate` asks for; the files.
pub(super) fn write_studies(generate: &Generate, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    match generate.pathway {
        Some(pathway) => write(pathway, &generate.details, folder),
        None => Ok(Vec::new()),
    }
}

/// The view that a word names.
pub(super) fn chest_view(word: &str) -> anyhow::Result<ChestView> {
    let all = [ChestView::Pa, ChestView::Ap, ChestView::Lateral];
    let found = all.into_iter().find(|view| view.code() == word.to_uppercase());
    found.with_context(|| format!("a view is PA, AP or LAT, not {word:?}"))
}

/// A PNG or JPEG film as a DICOM file in `folder`; `view` is that of films of which no table tells.
pub(super) fn wrap_film(
    film: &Path,
    view: Option<ChestView>,
    age_years: u32,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let now = SystemClock.now();
    // A view that is made up would decide which model scores the film.
    let view = view_of_film(film).or(view).with_context(|| {
        format!(
            "the view of {} is not known: no labels.csv tells it; say --film-view PA, AP or LAT",
            film.display()
        )
    })?;
    let bytes = std::fs::read(film).with_context(|| format!("can't read {}", film.display()))?;
    let wrapped = wrapped_film(&bytes, view, age_years, &date_time(now))
        .with_context(|| format!("can't wrap {}", film.display()))?;
    let path = folder.join(&wrapped.file_name);
    std::fs::write(&path, wrapped.part10()?)?;
    Ok(path)
}

/// The view of a film: what `labels.csv` says, in its folder or one of the two above.
fn view_of_film(film: &Path) -> Option<ChestView> {
    film.ancestors().skip(1).take(3).find_map(|folder| {
        let table = std::fs::read_to_string(folder.join("labels.csv")).ok()?;
        let name = film.strip_prefix(folder).ok()?.to_str()?.to_owned();
        view_in_table(&table, &name)
    })
}

/// The view of a file in a table with the columns `file` and `view`; the last column alone may hold quoted commas.
fn view_in_table(table: &str, file: &str) -> Option<ChestView> {
    let mut lines = table.lines();
    let heads: Vec<&str> = lines.next()?.split(',').map(str::trim).collect();
    let column = |name: &str| heads.iter().position(|head| *head == name);
    let (file_column, view_column) = (column("file")?, column("view")?);
    let cells = |line: &str| line.split(',').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let row = lines.map(cells).find(|cells| cells.get(file_column).is_some_and(|cell| cell == file))?;
    match row.get(view_column)?.as_str() {
        "PA" => Some(ChestView::Pa),
        "AP" => Some(ChestView::Ap),
        "LL" | "LATERAL" => Some(ChestView::Lateral),
        _ => None,
    }
}

fn write(pathway: Pathway, details: &Details, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let options = options(pathway, details)?;
    let mut files = Vec::new();
    for seed in seeds(details) {
        for instance in images_of_study(pathway, seed, &options) {
            files.push(write_instance(&instance, folder)?);
        }
    }
    Ok(files)
}

fn seeds(details: &Details) -> impl Iterator<Item = u64> {
    let first = details.seed;
    (0..details.count).map(move |n| first.wrapping_add(n))
}

fn write_instance(instance: &GeneratedInstance, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join(&instance.file_name);
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    instance.write_part10(&mut file)?;
    file.flush()?;
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
    let short = match word {
        "mass" | "round" => Some(LesionKind::Mass),
        "spiculated" => Some(LesionKind::Spiculated),
        "calcification" | "calcifications" => Some(LesionKind::Calcifications),
        _ => None,
    };
    let found = short.or_else(|| LesionKind::ALL.into_iter().find(|kind| kind.code() == word));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_has_the_view_that_the_table_beside_it_says() {
        let folder = std::env::temp_dir().join(format!("doubleread-films-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(folder.join("children")).unwrap();
        let table =
            "file,width,view,licence\nchildren/a.png,8,AP,\"free, with attribution\"\nb.png,8,PA,free\n";
        std::fs::write(folder.join("labels.csv"), table).unwrap();
        assert_eq!(view_of_film(&folder.join("children/a.png")), Some(ChestView::Ap));
        assert_eq!(view_of_film(&folder.join("b.png")), Some(ChestView::Pa));
        let unknown = folder.join("children/c.png");
        assert_eq!(view_of_film(&unknown), None);
        let said = wrap_film(&unknown, None, 40, &folder).unwrap_err().to_string();
        assert!(said.contains("say --film-view"), "{said}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
