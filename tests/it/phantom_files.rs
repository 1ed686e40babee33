//! Phantoms as files: valid by dciodvfy, the same every time, and those of `sample-dicom/` up to date.

use std::path::{Path, PathBuf};
use std::process::Command;

use doubleread::phantom::{StudyOptions, generate_study, samples};
use doubleread::vocab::Pathway;

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

#[test]
fn the_samples_pass_dciodvfy() {
    if Command::new("dciodvfy").arg("-version").output().is_err() {
        assert!(
            std::env::var("REQUIRE_PEERS").as_deref() != Ok("1"),
            "dciodvfy is required: install dicom3tools"
        );
        println!("skipped: dciodvfy (Debian package dicom3tools) is not here");
        return;
    }
    let mut files = 0;
    for study in samples::all() {
        for instance in &study.instances {
            let path = sample_folder().join(study.folder).join(&instance.file_name);
            let output = Command::new("dciodvfy").arg(&path).output().expect("dciodvfy runs");
            let text = String::from_utf8_lossy(&output.stderr).into_owned()
                + &String::from_utf8_lossy(&output.stdout);
            let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("Error")).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
            files += 1;
        }
    }
    assert!(files >= 20);
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
