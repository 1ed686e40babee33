//! The studies of `sample-dicom/`, made again by one command.
//!
//! In: a folder. Out: files in it, the same bytes every time. Must never touch a file that it did not make.

use std::path::Path;

use super::draws::Draws;
use super::study::{GeneratedInstance, StudyOptions, generate_study};
use super::{
    BreastLesion, ChestLesion, ChestView, Encoding, Identity, LesionKind, PhantomError, Photometric,
    StudyIdentity, hand,
};
use crate::vocab::{FindingCode, MammoView, Pathway, Projection, Side};

/// One study of the samples.
#[derive(Debug)]
pub struct SampleStudy {
    /// Name of its folder.
    pub folder: &'static str,
    /// What it is for, in a sentence.
    pub purpose: &'static str,
    /// Its images.
    pub instances: Vec<GeneratedInstance>,
}

/// Size of the chest samples, columns and rows.
const CHEST_SIZE: (u32, u32) = (576, 704);
/// Size of the mammogram samples, columns and rows.
const MAMMO_SIZE: (u32, u32) = (520, 640);

/// Every study of the samples, in order.
pub fn all() -> Vec<SampleStudy> {
    let date = |day: u32, time: &str| (format!("202601{day:02}"), time.to_owned());
    let chest = |day| StudyOptions {
        normal: Some(true),
        size: Some(CHEST_SIZE),
        age_years: Some(54),
        encoding: Encoding::RleLossless,
        date_time: date(day, "101500"),
        ..StudyOptions::default()
    };
    let mammo = |day| StudyOptions {
        normal: Some(true),
        size: Some(MAMMO_SIZE),
        age_years: Some(57),
        encoding: Encoding::RleLossless,
        date_time: date(day, "112000"),
        ..StudyOptions::default()
    };
    let lesion = |code, side, plain| ChestLesion { code, side: Some(side), conspicuity: Some(plain) };
    let view = |side, projection| MammoView { side, projection };
    let without_left_oblique = vec![
        view(Side::Right, Projection::Cc),
        view(Side::Left, Projection::Cc),
        view(Side::Right, Projection::Mlo),
    ];
    let mass = BreastLesion { kind: LesionKind::Spiculated, conspicuity: Some(0.9) };
    vec![
        SampleStudy {
            folder: "chest-normal",
            purpose: "A normal chest, PA.",
            instances: generate_study(Pathway::Chest, 101, &chest(5)),
        },
        SampleStudy {
            folder: "chest-nodule-two-views",
            purpose: "A nodule in the right lung, PA and left lateral. The lateral view is not scored.",
            instances: generate_study(
                Pathway::Chest,
                102,
                &StudyOptions {
                    chest_lesions: vec![lesion(FindingCode::Nodule, Side::Right, 1.0)],
                    chest_views: vec![ChestView::Pa, ChestView::Lateral],
                    ..chest(5)
                },
            ),
        },
        SampleStudy {
            folder: "chest-pneumothorax-ap",
            purpose: "A left pneumothorax, AP in bed, computed radiography, uncompressed.",
            instances: generate_study(
                Pathway::Chest,
                103,
                &StudyOptions {
                    chest_lesions: vec![lesion(FindingCode::Pneumothorax, Side::Left, 0.9)],
                    chest_views: vec![ChestView::Ap],
                    encoding: Encoding::ExplicitLittleEndian,
                    ..chest(6)
                },
            ),
        },
        SampleStudy {
            folder: "chest-effusion-monochrome1",
            purpose: "A right pleural effusion; MONOCHROME1, implicit little endian.",
            instances: generate_study(
                Pathway::Chest,
                104,
                &StudyOptions {
                    chest_lesions: vec![lesion(FindingCode::PleuralEffusion, Side::Right, 0.7)],
                    photometric: Photometric::Monochrome1,
                    encoding: Encoding::ImplicitLittleEndian,
                    ..chest(6)
                },
            ),
        },
        SampleStudy {
            folder: "chest-child",
            purpose: "A child of 6: younger than the shipped chest model was made for.",
            instances: generate_study(
                Pathway::Chest,
                105,
                &StudyOptions { age_years: Some(6), chest_views: vec![ChestView::Ap], ..chest(7) },
            ),
        },
        SampleStudy {
            folder: "hand",
            purpose: "A left hand: not a chest, and must not be scored as one.",
            instances: hand_study(106, date(7, "142000")),
        },
        SampleStudy {
            folder: "mammo-normal",
            purpose: "A normal screening exam of four views, density b.",
            instances: generate_study(Pathway::Mammo, 201, &StudyOptions { density: Some(2), ..mammo(8) }),
        },
        SampleStudy {
            folder: "mammo-mass-left",
            purpose: "A spiculated mass in the left breast, seen on both its views.",
            instances: generate_study(
                Pathway::Mammo,
                202,
                &StudyOptions { density: Some(2), breast_lesions: vec![(Side::Left, mass)], ..mammo(8) },
            ),
        },
        SampleStudy {
            folder: "mammo-missing-view",
            purpose: "A screening exam without the left MLO view.",
            instances: generate_study(
                Pathway::Mammo,
                203,
                &StudyOptions { density: Some(3), mammo_views: without_left_oblique, ..mammo(9) },
            ),
        },
        SampleStudy {
            folder: "mammo-implant",
            purpose: "Both breasts with implants: outside the shipped mammogram model's scope.",
            instances: generate_study(
                Pathway::Mammo,
                204,
                &StudyOptions { density: Some(2), implant: true, ..mammo(9) },
            ),
        },
    ]
}

fn hand_study(seed: u64, (date, time): (String, String)) -> Vec<GeneratedInstance> {
    let phantom = hand(seed, Side::Left, CHEST_SIZE.0, CHEST_SIZE.1);
    let study = StudyIdentity::of(Draws::new(seed, "hand").next() % 100_000, "hand", &date, &time);
    vec![GeneratedInstance {
        file_name: format!("hand-{seed}-PA.dcm"),
        identity: Identity::of(&study, 1, phantom.kind),
        phantom,
        encoding: Encoding::RleLossless,
    }]
}

/// Writes every sample study under a folder: one folder a study, each image with its truth as JSON beside it.
/// Returns the number of images.
pub fn write_all(folder: &Path) -> Result<usize, PhantomError> {
    let mut written = 0;
    for study in all() {
        let place = folder.join(study.folder);
        std::fs::create_dir_all(&place).map_err(|e| file_error(&place, e))?;
        for instance in &study.instances {
            let path = place.join(&instance.file_name);
            std::fs::write(&path, instance.part10()?).map_err(|e| file_error(&path, e))?;
            let truth = path.with_extension("json");
            std::fs::write(&truth, instance.truth_json()? + "\n").map_err(|e| file_error(&truth, e))?;
            written += 1;
        }
    }
    Ok(written)
}

fn file_error(path: &Path, source: std::io::Error) -> PhantomError {
    PhantomError::File { path: path.display().to_string(), source }
}
