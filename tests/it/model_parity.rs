//! The service's preparation and runtime against the training side, and one film in several guises.
//!
//! The goldens are `training/parity_goldens.py`'s: pydicom, numpy and PyTorch. Films come from the shared folder, where
//! this machine has it; phantoms are drawn here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use doubleread::infer::{Engine, Settings, Urgency};
use doubleread::phantom::{
    ChestLesion, ChestParams, ChestView, Encoding, GeneratedInstance, Identity, Photometric, StudyIdentity,
    chest, wrapped_film,
};
use doubleread::prepare::{Limits, prepare_file};

use crate::infer_fixture::{no_runtime, settings, skipped};
use crate::prepare_goldens::anything;

/// Largest difference of a probability from the training side's.
const TOLERANCE: f32 = 1e-4;
/// Largest difference of a probability between two guises of one film.
const GUISE_TOLERANCE: f32 = 0.01;

/// What the training side said of one image.
#[derive(serde::Deserialize)]
struct Golden {
    model: String,
    /// First digits of the graph's SHA-256.
    sha256: String,
    source: String,
    file: String,
    /// First digits of the picture's SHA-256; none of a phantom.
    bytes: Option<String>,
    scores: Vec<f32>,
}

fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("DOUBLEREAD_SHARED_DATA").map_or_else(
        || {
            // A worktree may lie beside the repository or one folder deeper.
            let places = ["../shared/data", "../../shared/data"].map(|relative| root.join(relative));
            places
                .iter()
                .find(|folder| folder.is_dir())
                .cloned()
                .unwrap_or_else(|| root.join("../shared/data"))
        },
        PathBuf::from,
    );
    folder.is_dir().then_some(folder)
}

/// Loads a shipped model, a recogniser too.
fn shipped(name: &str) -> Engine {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let one = Settings { sessions: 1, ..settings(&models) };
    let folder = models.join(name);
    if folder.join("manifest.toml").is_file() {
        return Engine::load(&folder, &one).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let copy = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{name}: {e}")).flatten() {
        let called = entry.file_name().into_string().expect("a name");
        let called = if called == "recogniser.toml" { "manifest.toml".into() } else { called };
        std::fs::copy(entry.path(), copy.path().join(called)).expect("a copy");
    }
    Engine::load(copy.path(), &one).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The score output of a model for a DICOM file; tags are not looked at.
async fn scores(engine: &Engine, file: &Path) -> Vec<f32> {
    let prepared = prepare_file(file, &engine.manifest().input, &anything(), &Limits::default())
        .unwrap_or_else(|refused| panic!("{}: {} {}", file.display(), refused.reason, refused.detail));
    engine.score(prepared.tensor, Urgency::Background).await.expect("scores").output.scores
}

fn largest(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len(), "as many labels");
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// A file out of a tar archive of plain names (POSIX.1-1988 ustar).
fn member<'a>(tar: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let word = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_owned();
    let mut at = 0;
    while let Some(header) = tar.get(at..at + 512) {
        let length = usize::from_str_radix(&word(&header[124..136]), 8).ok()?;
        if word(&header[..100]) == name {
            return tar.get(at + 512..at + 512 + length);
        }
        at += 512 + length.div_ceil(512) * 512;
    }
    None
}

fn wrapped(picture: &[u8]) -> GeneratedInstance {
    let when = ("20260105".to_owned(), "090000".to_owned());
    wrapped_film(picture, ChestView::Pa, 50, &when).expect("a picture")
}

#[tokio::test]
async fn every_shipped_model_says_of_a_dicom_file_what_its_training_says() {
    if no_runtime() {
        return;
    }
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/model_parity.jsonl"),
    );
    let goldens: Vec<Golden> = text
        .expect("the goldens")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a golden"))
        .collect();
    let films = shared();
    if films.is_none() {
        println!("skipped: no shared films, so parity is tested on phantoms alone");
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("film.dcm");
    let mut engines: BTreeMap<&str, Engine> = BTreeMap::new();
    let mut tars: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let mut drawn: Vec<&str> = Vec::new();
    let mut faults = Vec::new();
    let mut worst: BTreeMap<&str, (usize, f32)> = BTreeMap::new();
    for golden in &goldens {
        let path = match (&golden.bytes, &films) {
            (Some(_), None) => continue,
            (Some(hash), Some(films)) => {
                let picture = if golden.source == "films" {
                    std::fs::read(films.join("films").join(&golden.file)).expect("a film")
                } else {
                    let tar = tars.entry(&golden.source).or_insert_with(|| {
                        std::fs::read(films.join("train").join(&golden.source)).expect("a tar")
                    });
                    member(tar, &golden.file).unwrap_or_else(|| panic!("no {}", golden.file)).to_vec()
                };
                use sha2::Digest;
                let found = hex::encode(sha2::Sha256::digest(&picture));
                assert!(found.starts_with(hash), "{}: another picture", golden.file);
                std::fs::write(&file, wrapped(&picture).part10().expect("a file")).expect("written");
                file.clone()
            }
            (None, _) => {
                if !drawn.contains(&golden.source.as_str()) {
                    let program = Command::new(env!("CARGO_BIN_EXE_doubleread"))
                        .args(golden.source.split(' '))
                        .arg("--out")
                        .arg(scratch.path())
                        .output()
                        .expect("the program");
                    assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));
                    drawn.push(&golden.source);
                }
                scratch.path().join(&golden.file)
            }
        };
        let engine = engines.entry(&golden.model).or_insert_with(|| shipped(&golden.model));
        assert!(
            engine.manifest().sha256.starts_with(&golden.sha256),
            "{}: the goldens are of another graph; run training/parity_goldens.py",
            golden.model
        );
        let difference = largest(&scores(engine, &path).await, &golden.scores);
        let entry = worst.entry(&golden.model).or_default();
        *entry = (entry.0 + 1, entry.1.max(difference));
        if difference.is_nan() || difference > TOLERANCE {
            faults.push(format!("{} {}: {difference:.2e}", golden.model, golden.file));
        }
    }
    for (model, (images, difference)) in &worst {
        println!("{model}: {images} images, at most {difference:.1e} from the training side");
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), goldens.len(), faults.join("\n"));
}

/// The same film with columns from right to left, and Patient Orientation (0020,0020) that says so.
fn mirrored(film: &GeneratedInstance) -> Vec<u8> {
    let mut other = film.clone();
    let width = other.phantom.width as usize;
    other.phantom.pixels.chunks_exact_mut(width).for_each(<[u16]>::reverse);
    let mut bytes = other.part10().expect("a file");
    let tag = [&[0x20, 0, 0x20, 0][..], b"CS", &[4, 0]].concat();
    let at = bytes.windows(tag.len()).position(|w| w == tag).expect("Patient Orientation") + tag.len();
    assert_eq!(&bytes[at..at + 3], b"L\\F");
    bytes[at] = b'R';
    bytes
}

/// The same film with the lowest value white.
fn dark_is_dense(film: &GeneratedInstance) -> Vec<u8> {
    let mut other = film.clone();
    let most = ((1_u32 << other.phantom.bits_stored) - 1) as u16;
    other.phantom.pixels.iter_mut().for_each(|pixel| *pixel = most - *pixel);
    other.phantom.photometric = match other.phantom.photometric {
        Photometric::Monochrome1 => Photometric::Monochrome2,
        Photometric::Monochrome2 => Photometric::Monochrome1,
    };
    other.part10().expect("a file")
}

/// The same film with another number of bits; fewer of them round.
fn with_bits(film: &GeneratedInstance, bits: u16) -> Vec<u8> {
    let mut other = film.clone();
    let levels = |bits: u16| f64::from((1_u32 << bits) - 1);
    let scale = levels(bits) / levels(film.phantom.bits_stored);
    other.phantom.pixels.iter_mut().for_each(|pixel| *pixel = (f64::from(*pixel) * scale).round() as u16);
    other.phantom.bits_stored = bits;
    other.part10().expect("a file")
}

/// Compresses a file without loss, or says why it can't.
fn compressed(plain: &Path, out: &Path, how: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = match how {
        "JPEG-LS" => Command::new("dcmcjpls"),
        _ => {
            let mut python = Command::new(root.join(".venv/bin/python"));
            python.args([
                "-c",
                "import sys, pydicom; d = pydicom.dcmread(sys.argv[1]); \
                 d.compress('1.2.840.10008.1.2.4.90', encoding_plugin='pylibjpeg'); d.save_as(sys.argv[2])",
            ]);
            python
        }
    };
    match command.arg(plain).arg(out).output() {
        Ok(done) if done.status.success() => true,
        Ok(done) => panic!("{how}: {}", String::from_utf8_lossy(&done.stderr)),
        Err(error) => !skipped(&format!("nothing here encodes {how} ({error})")),
    }
}

fn drawn_film() -> GeneratedInstance {
    let mut params = ChestParams::normal(77);
    (params.width, params.height, params.age_years) = (512, 640, 40);
    params.lesions.push(ChestLesion::of(ChestLesion::DRAWN[0]));
    let phantom = chest(&params);
    let study = StudyIdentity::of(77, "guises", "20260105", "090000");
    let identity = Identity::of(&study, 1, phantom.kind);
    GeneratedInstance {
        file_name: String::new(),
        identity,
        phantom,
        encoding: Encoding::ExplicitLittleEndian,
    }
}

#[tokio::test]
async fn one_film_in_several_guises_has_one_score() {
    if no_runtime() {
        return;
    }
    let mut films = vec![("a phantom", drawn_film())];
    match shared() {
        Some(shared) => {
            for folder in ["nih", "kermany"] {
                let mut paths: Vec<PathBuf> = std::fs::read_dir(shared.join("films").join(folder))
                    .expect("films")
                    .flatten()
                    .map(|e| e.path())
                    .collect();
                paths.sort();
                let picture = std::fs::read(paths.first().expect("a film")).expect("a film");
                films.push((folder, wrapped(&picture)));
            }
        }
        None => println!("skipped: no shared films, so guises are tested on a phantom alone"),
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let plain = scratch.path().join("plain.dcm");
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let chest_models: Vec<Engine> = std::fs::read_dir(&models)
        .expect("models")
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("chest-"))
        .map(|name| shipped(&name))
        .collect();
    assert!(chest_models.len() >= 3, "two models of films and one of phantoms");
    let mut faults = Vec::new();
    for (called, film) in &films {
        std::fs::write(&plain, film.part10().expect("a file")).expect("written");
        let bits = film.phantom.bits_stored;
        let mut guises = vec![
            ("MONOCHROME1", dark_is_dense(film)),
            ("16 bits", with_bits(film, 16)),
            ("8 bits", with_bits(film, 8)),
        ];
        guises.push((
            "RLE",
            GeneratedInstance { encoding: Encoding::RleLossless, ..film.clone() }.part10().expect("a file"),
        ));
        guises.push(("mirrored", mirrored(film)));
        for how in ["JPEG-LS", "JPEG 2000"] {
            let out = scratch.path().join("compressed.dcm");
            if compressed(&plain, &out, how) {
                guises.push((how, std::fs::read(&out).expect("a file")));
            }
        }
        for engine in &chest_models {
            let of_plain = scores(engine, &plain).await;
            for (guise, bytes) in &guises {
                // Only the models of films look at the mirror image besides; the other knows no flipped phantom.
                if *guise == "mirrored" && engine.manifest().demonstration {
                    continue;
                }
                let other = scratch.path().join("guise.dcm");
                std::fs::write(&other, bytes).expect("written");
                let difference = largest(&of_plain, &scores(engine, &other).await);
                println!("{called} ({bits} bits), {guise}, {}: {difference:.1e}", engine.manifest().name);
                if difference.is_nan() || difference >= GUISE_TOLERANCE {
                    faults.push(format!("{called}, {guise}, {}: {difference}", engine.manifest().name));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
