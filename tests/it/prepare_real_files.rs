//! Every real file either decodes or gives the reason that is written here; one film in two guises agrees.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use doubleread::prepare::{
    BodyPart, InputSpec, Limits, QualityLimits, RenderError, RenderRequest, Scope, prepare_file, render_file,
};
use doubleread::vocab::NotProcessedReason as Reason;

use crate::prepare_goldens::{anything, grid_spec, real_files};

/// What is not prepared as one grey image: `shown` (colour or many frames, rendered all the same), or the reason.
const NOT_PREPARED: &[(&str, &str)] = &[
    ("pydicom-data__emri_small.dcm", "shown"),
    ("pydicom-data__emri_small_jpeg_2k_lossless.dcm", "shown"),
    ("fo-dicom__GH195.dcm", "shown"),
    ("fo-dicom__GH340.dcm", "undecodable: Bits Allocated of 12 bits is not decoded here"),
    ("fo-dicom__GH626.dcm", "undecodable: element"),
    ("highdicom__seg_image_ct_binary_fractional.dcm", "shown"),
    ("highdicom__sm_image_grayscale.dcm", "shown"),
    ("pydicom-data__HTJ2KLossless_08_RGB.dcm", "shown"),
    ("pydicom-data__HTJ2K_08_RGB.dcm", "shown"),
    ("pydicom-data__JLSL_RGB_ILV2.dcm", "undecodable: JPEG-LS"),
    ("pydicom-data__OBXXXX1A_expb.dcm", "shown"),
    ("pydicom-data__OT-PAL-8-face.dcm", "shown"),
    ("pydicom-data__SC_rgb_16bit.dcm", "shown"),
    ("pydicom-data__SC_rgb_expb_32bit.dcm", "undecodable: Bits Allocated of 32 bits is not decoded here"),
    ("pydicom-data__SC_ybr_full_uncompressed.dcm", "shown"),
    ("pydicom-data__US1_J2KI.dcm", "shown"),
    ("pydicom-data__emri_small_RLE.dcm", "shown"),
    ("pydicom-data__emri_small_big_endian.dcm", "shown"),
    ("pydicom-data__emri_small_jpeg_2k_lossless_too_short.dcm", "shown"),
    ("pydicom-data__emri_small_jpeg_ls_lossless.dcm", "shown"),
    ("pydicom-data__liver_deflate.dcm", "shown"),
    ("pydicom-data__liver_rle.dcm", "shown"),
    (
        "pydicom-data__parametric_map_float.dcm",
        "undecodable: floating point pixel data of 32 bits is not decoded here",
    ),
    ("pydicom__GDCMJ2K_TextGBR.dcm", "shown"),
    ("pydicom__JPEG2000-embedded-sequence-delimiter.dcm", "undecodable: the codestream holds"),
    ("pydicom__SC_rgb_dcmtk_+eb+cr.dcm", "shown"),
    ("pydicom__SC_rgb_dcmtk_+eb+cy+s2.dcm", "shown"),
    ("pydicom__SC_rgb_gdcm_KY.dcm", "shown"),
    ("pydicom__SC_rgb_jls_lossy_line.dcm", "undecodable: JPEG-LS"),
    ("pydicom__SC_rgb_jpeg_dcmd.dcm", "shown"),
    ("pydicom__SC_rgb_rle_16bit.dcm", "shown"),
    ("pydicom__SC_rgb_rle_32bit.dcm", "undecodable: Bits Allocated of 32 bits is not decoded here"),
    ("pydicom__SC_rgb_small_odd.dcm", "shown"),
    ("pydicom__SC_rgb_small_odd_jpeg.dcm", "shown"),
    ("pydicom__SC_ybr_full_422_uncompressed.dcm", "shown"),
    ("pydicom__badVR.dcm", "undecodable: Number of Frames is not a number"),
    ("pydicom__chrKoreanMulti.dcm", "missing_pixels: there is no Pixel Data"),
    ("pydicom__examples_palette.dcm", "shown"),
    ("pydicom__rtdose_expb_1frame.dcm", "undecodable: Bits Allocated of 32 bits is not decoded here"),
    ("pydicom__rtdose_rle_1frame.dcm", "undecodable: Bits Allocated of 32 bits is not decoded here"),
];

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder that can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "dcm") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn outcome(path: &Path) -> String {
    let limits = Limits::default();
    if prepare_file(path, &grid_spec(4, 4), &anything(), &limits).is_ok() {
        return "prepared".into();
    }
    match render_file(path, &RenderRequest::default(), &limits) {
        Ok(_) => "shown".into(),
        Err(RenderError::NotDecoded(refused)) => format!("{}: {}", refused.reason, refused.detail),
        Err(other) => other.to_string(),
    }
}

#[test]
fn every_real_file_decodes_or_gives_a_reason() {
    let Some(folder) = real_files() else { return };
    let expected: BTreeMap<&str, &str> = NOT_PREPARED.iter().copied().collect();
    let files = files_under(&folder);
    assert!(files.len() >= 89, "only {} files", files.len());
    let mut faults = Vec::new();
    for path in &files {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let (found, wanted) = (outcome(path), expected.get(name).copied().unwrap_or("prepared"));
        if !found.starts_with(wanted) {
            faults.push(format!("(\"{name}\", \"{found}\"), // not {wanted}"));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), files.len(), faults.join("\n"));
}

fn chest_scope() -> Scope {
    Scope {
        modalities: vec!["CR".into(), "DX".into()],
        body_parts: vec![BodyPart { name: "CHEST".into(), aliases: vec![] }],
        views: vec!["PA".into(), "AP".into()],
        ..Scope::default()
    }
}

fn chest_spec() -> InputSpec {
    grid_spec(128, 128)
}

fn largest_difference(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn one_film_in_two_syntaxes_gives_one_input() {
    let Some(folder) = real_files() else { return };
    let input = |name: &str| {
        prepare_file(&folder.join("cxr").join(name), &chest_spec(), &chest_scope(), &Limits::default())
            .expect("a chest film")
            .tensor
    };
    let difference =
        largest_difference(&input("pydicom-data__RG1_J2KI.dcm"), &input("dicom-test-files__RG1_JLSN.dcm"));
    assert!(difference < 0.01, "differ by {difference}");
}

#[test]
fn fewer_wavelet_levels_give_nearly_the_same_input() {
    let Some(folder) = real_files() else { return };
    let film = folder.join("cxr/pydicom-data__RG1_J2KI.dcm");
    let full = prepare_file(&film, &chest_spec(), &chest_scope(), &Limits::default()).expect("in full");
    let spec = InputSpec { min_oversampling: Some(2.0), ..chest_spec() };
    let reduced = prepare_file(&film, &spec, &chest_scope(), &Limits::default()).expect("reduced");
    let mean = full.tensor.iter().zip(&reduced.tensor).map(|(a, b)| (a - b).abs()).sum::<f32>() / 16_384.0;
    println!(
        "mean difference {mean:.5}, largest {:.5}; {:.0} ms against {:.0} ms",
        largest_difference(&full.tensor, &reduced.tensor),
        reduced.timings.decode_ms,
        full.timings.decode_ms
    );
    assert!(mean < 0.004, "differ by {mean} on average");
    assert_eq!(full.mapping, reduced.mapping);
}

#[test]
fn what_is_no_chest_film_says_why() {
    let Some(folder) = real_files() else { return };
    let refused = |name: &str, scope: &Scope| {
        prepare_file(&folder.join(name), &chest_spec(), scope, &Limits::default()).expect_err(name)
    };
    let chest = chest_scope();
    assert_eq!(refused("cr-other/dicom-test-files__RG2_JLSL.dcm", &chest).reason, Reason::WrongBodyPart);
    assert_eq!(refused("cr-other/dicom-test-files__RG3_RLE.dcm", &chest).reason, Reason::WrongBodyPart);
    // A dog whose tags say thorax: no view, and far too small.
    let any_view = Scope { views: vec![], ..chest_scope() };
    assert_eq!(refused("cxr/highdicom__dx_image.dcm", &any_view).reason, Reason::TooSmall);
    let mammo = Scope { modalities: vec!["MG".into()], ..Scope::default() };
    let radiograph = refused("mg/dicom-test-files__MG1_J2KI.dcm", &mammo);
    assert_eq!(radiograph.reason, Reason::WrongModality);
    assert!(radiograph.detail.contains("say mammogram"), "{}", radiograph.detail);
}

#[test]
fn a_film_turned_round_against_its_tag_is_refused_and_its_twin_is_not() {
    let Some(folder) = real_files() else { return };
    let film = folder.join("cxr/pydicom-data__RG1_J2KI.dcm");
    let right = prepare_file(&film, &chest_spec(), &chest_scope(), &Limits::default()).expect("a chest film");
    // The same file with the other photometric interpretation written over its own.
    let mut bytes = std::fs::read(&film).expect("the film");
    let at = bytes.windows(11).position(|w| w == b"MONOCHROME1").expect("its photometric interpretation");
    bytes[at + 10] = b'2';
    let folder = tempfile::tempdir().expect("a folder");
    let turned = folder.path().join("turned.dcm");
    std::fs::write(&turned, bytes).expect("a copy");
    let refused = prepare_file(&turned, &chest_spec(), &chest_scope(), &Limits::default());
    assert_eq!(refused.expect_err("turned round").reason, Reason::Inverted);
    let blind = Scope {
        quality: QualityLimits { refuse_inverted: false, ..QualityLimits::default() },
        ..chest_scope()
    };
    let wrong = prepare_file(&turned, &chest_spec(), &blind, &Limits::default()).expect("not looked at");
    let sums = right.tensor.iter().zip(&wrong.tensor).map(|(a, b)| (a + b - 1.0).abs()).fold(0.0, f32::max);
    assert!(sums < 1e-4, "not each other's negative: {sums}");
}

#[test]
fn hostile_files_give_a_reason_and_nothing_worse() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-dicom/hostile");
    let limits = Limits { max_inflated_bytes: 64 << 20, ..Limits::default() };
    let files = files_under(&folder);
    assert!(!files.is_empty(), "no hostile files");
    for path in &files {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let prepared = prepare_file(path, &grid_spec(8, 8), &anything(), &limits);
        let rendered = render_file(path, &RenderRequest::default(), &limits);
        // Some are whole images with a bad identity: those may decode, but then in both ways.
        assert_eq!(prepared.is_ok(), rendered.is_ok(), "{name}");
        if let Ok(prepared) = prepared {
            assert!(prepared.tensor.iter().all(|number| number.is_finite()), "{name}");
        }
    }
}

#[test]
fn a_real_file_cut_short_anywhere_never_panics() {
    let Some(folder) = real_files() else { return };
    let limits = Limits::default();
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("cut.dcm");
    // Small files, one for each way that pixels are written.
    for name in [
        "syntax/pydicom__MR_small_RLE.dcm",
        "syntax/pydicom__MR_small_jpeg_ls_lossless.dcm",
        "syntax/pydicom__MR_small_jp2klossless.dcm",
        "syntax/pydicom__JPEG-lossy.dcm",
        "syntax/pydicom__SC_rgb_small_odd_jpeg.dcm",
        "syntax/pydicom__image_dfl.dcm",
        "syntax/pydicom__MR_small_bigendian.dcm",
    ] {
        let whole = std::fs::read(folder.join(name)).expect(name);
        for part in 1..24 {
            std::fs::write(&path, &whole[..whole.len() * part / 24]).expect("a cut file");
            let _ = render_file(&path, &RenderRequest::default(), &limits);
            // And with a run of its bytes overwritten, deterministic in place and value.
            let mut damaged = whole.clone();
            let at = damaged.len() * part / 24;
            damaged
                .iter_mut()
                .skip(at)
                .take(7)
                .for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(17));
            std::fs::write(&path, &damaged).expect("a damaged file");
            let _ = render_file(&path, &RenderRequest::default(), &limits);
        }
    }
}
