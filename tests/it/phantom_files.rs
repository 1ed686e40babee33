//! Phantoms as files: valid by dciodvfy, the same every time, and those of `sample-dicom/` up to date.

use std::path::{Path, PathBuf};
use std::process::Command;

use doubleread::phantom::{BreastLesion, ChestLesion, LesionKind, StudyOptions, generate_study, samples};
use doubleread::vocab::{FindingCode, Pathway, Side};

fn sample_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-dicom")
}

#[test]
fn every_sample_study_is_there_with_its_truth() {
    for study in samples::all() {
        for instance in &study.instances {
            let path = sample_folder().join(study.folder).join(&instance.file_name);
            let kept = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            // Pixels may differ in the last bit between machines (sine and power of the system's library); the
            // size of an uncompressed file and the truth may not.
            assert!(kept.len() > 10_000, "{}", path.display());
            let truth =
                std::fs::read_to_string(path.with_extension("json")).expect("a truth beside the image");
            assert_eq!(truth.trim(), instance.truth_json().expect("truth"), "{}", path.display());
        }
    }
}

/// What dciodvfy calls an error in a file; nothing where the tool is not here.
fn errors_of(path: &Path) -> Option<Vec<String>> {
    let Ok(output) = Command::new("dciodvfy").arg(path).output() else {
        assert!(
            std::env::var("REQUIRE_PEERS").as_deref() != Ok("1"),
            "dciodvfy is required: install dicom3tools"
        );
        println!("skipped: dciodvfy (Debian package dicom3tools) is not here");
        return None;
    };
    let text =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    Some(text.lines().filter(|line| line.starts_with("Error")).map(str::to_owned).collect())
}

/// Small images of every finding that can be drawn.
fn every_finding() -> Vec<doubleread::phantom::GeneratedInstance> {
    let small = StudyOptions { size: Some((416, 512)), ..StudyOptions::default() };
    let chest = ChestLesion::DRAWN.map(|code| StudyOptions {
        chest_lesions: vec![ChestLesion { side: Some(Side::Left), ..ChestLesion::of(code) }],
        ..small.clone()
    });
    let breast = LesionKind::ALL.map(|kind| StudyOptions {
        breast_lesions: vec![(Side::Right, BreastLesion::of(kind))],
        ..small.clone()
    });
    let chest = (1..).zip(chest).flat_map(|(seed, options)| generate_study(Pathway::Chest, seed, &options));
    let breast = (1..).zip(breast).flat_map(|(seed, options)| generate_study(Pathway::Mammo, seed, &options));
    chest.chain(breast).collect()
}

#[test]
fn the_samples_pass_dciodvfy() {
    let mut files = 0;
    for study in samples::all() {
        for instance in &study.instances {
            let path = sample_folder().join(study.folder).join(&instance.file_name);
            let Some(errors) = errors_of(&path) else { return };
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
            files += 1;
        }
    }
    assert!(files >= 20);
}

#[test]
fn the_segmentation_of_every_finding_passes_dciodvfy() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = 0;
    for instance in every_finding() {
        let Some(bytes) = instance.segmentation().expect("a segmentation") else { continue };
        let path = folder.path().join("truth.dcm");
        std::fs::write(&path, bytes).expect("written");
        let Some(errors) = errors_of(&path) else { return };
        assert!(errors.is_empty(), "{}: {errors:?}", instance.file_name);
        files += 1;
    }
    // Six films, and both views of the one breast in four exams.
    assert_eq!(files, 6 + 8);
}

#[test]
fn the_outline_of_a_finding_fills_its_box_and_never_leaves_it() {
    for instance in every_finding() {
        let phantom = &instance.phantom;
        assert_eq!(phantom.masks.len(), phantom.truth.findings.len());
        for (mask, finding) in phantom.masks.iter().zip(&phantom.truth.findings) {
            let found = &finding.pixel_box;
            let bits = mask.on_image(phantom.width, phantom.height, found);
            let width = phantom.width as usize;
            let places: Vec<(f64, f64)> = (0..bits.len())
                .filter(|at| bits[*at])
                .map(|at| ((at % width) as f64 + 0.5, (at / width) as f64 + 0.5))
                .collect();
            let span = |values: &dyn Fn(&(f64, f64)) -> f64| {
                let low = places.iter().map(values).fold(f64::INFINITY, f64::min);
                let high = places.iter().map(values).fold(f64::NEG_INFINITY, f64::max);
                (low, high)
            };
            let ((left, right), (top, bottom)) = (span(&|p| p.0), span(&|p| p.1));
            let what = (&instance.file_name, finding, left, right, top, bottom);
            assert!(left >= found.x - 1.0 && right <= found.x + found.width + 1.0, "{what:?}");
            assert!(top >= found.y - 1.0 && bottom <= found.y + found.height + 1.0, "{what:?}");
            let filled = (right - left + 1.0) * (bottom - top + 1.0) / (found.width * found.height);
            assert!(filled > 0.4, "{filled} {what:?}");
        }
    }
}

#[test]
fn a_normal_image_has_no_segmentation_and_one_seed_gives_one_segmentation() {
    let small = StudyOptions { size: Some((208, 256)), normal: Some(true), ..StudyOptions::default() };
    let normal = generate_study(Pathway::Mammo, 3, &small);
    assert!(normal.iter().all(|image| image.segmentation().expect("none").is_none()));
    let options = StudyOptions {
        chest_lesions: vec![ChestLesion::of(FindingCode::Mass)],
        size: Some((208, 256)),
        ..small
    };
    let bytes = || generate_study(Pathway::Chest, 3, &options)[0].segmentation().expect("one").expect("one");
    assert_eq!(bytes(), bytes());
}

#[test]
fn one_seed_gives_one_study_and_another_seed_another() {
    let options = StudyOptions { size: Some((96, 120)), ..StudyOptions::default() };
    let bytes = |seed| -> Vec<Vec<u8>> {
        generate_study(Pathway::Chest, seed, &options).iter().map(|i| i.part10().expect("a file")).collect()
    };
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}
