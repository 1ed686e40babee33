//! Preparation against pydicom and numpy (`scripts/goldens.py`), within 1e-3 of full range.

use std::path::{Path, PathBuf};

use doubleread::prepare::{
    AspectRule, InputSpec, Limits, PhotometricRule, QualityLimits, RenderRequest, ResizeFilter, Scope,
    ValueRange, WindowingRule, prepare_file, raw_frame, render_file,
};

/// Largest difference of a number from its golden, as a fraction of full range.
const TOLERANCE: f64 = 1e-3;

/// Colour in JPEG-LS is refused by name: it is never scored.
const REFUSED: [&str; 2] =
    ["syntax/pydicom-data__JLSL_RGB_ILV2.dcm", "syntax/pydicom__SC_rgb_jls_lossy_line.dcm"];

/// What `scripts/goldens.py` wrote of one file.
#[derive(serde::Deserialize)]
struct Golden {
    file: String,
    bytes_sha256: String,
    rows: u32,
    columns: u32,
    grid: Vec<f64>,
    stored_sum: Option<i64>,
    stored_low: Option<i64>,
    stored_high: Option<i64>,
    #[serde(default)]
    tensors: std::collections::BTreeMap<String, Vec<f64>>,
}

/// The folder of real files, where this machine has it.
pub fn real_files() -> Option<PathBuf> {
    let folder = std::env::var("DOUBLEREAD_TEST_DICOM").map_or_else(
        |_| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            // A worktree may lie beside the repository or one folder deeper.
            ["../shared/data/dicom", "../../shared/data/dicom"]
                .iter()
                .map(|relative| root.join(relative))
                .find(|folder| folder.is_dir())
                .unwrap_or_else(|| root.join("../shared/data/dicom"))
        },
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no folder of real DICOM files at {}", folder.display());
    None
}

/// A scope that lets everything through, so that decoding alone is looked at.
pub fn anything() -> Scope {
    Scope {
        allow_missing_body_part: true,
        allow_missing_view: true,
        refuse_lateral: false,
        allow_for_processing: true,
        allow_implants: true,
        allow_spot_or_magnification: true,
        min_bits_stored: 1,
        min_rows: 1,
        min_columns: 1,
        quality: QualityLimits {
            blank_min_distinct_values: 0,
            blank_min_spread: 0.0,
            clipped_max_bright_fraction: 1.0,
            clipped_max_dark_fraction: 1.0,
            refuse_inverted: false,
            inverted_min_score: 1.0,
        },
        ..Scope::default()
    }
}

/// The displayed image as means of a grid.
pub fn grid_spec(width: u32, height: u32) -> InputSpec {
    InputSpec {
        preprocessing: "golden-v1".into(),
        width,
        height,
        channels: 1,
        layout: Default::default(),
        dtype: Default::default(),
        range: ValueRange::Unit,
        resize: ResizeFilter::Area,
        aspect: AspectRule::Stretch,
        photometric: PhotometricRule::BrightIsDense,
        windowing: WindowingRule::Voi,
        min_oversampling: None,
    }
}

/// The specification that a golden tensor was made by, and its full range.
fn named_spec(name: &str) -> Option<(InputSpec, f64)> {
    let base = grid_spec(24, 24);
    Some(match name {
        "stretch_area_byte" => (InputSpec { range: ValueRange::Byte, ..base }, 255.0),
        "letterbox_triangle_unit" => (
            InputSpec {
                height: 20,
                resize: ResizeFilter::Triangle,
                aspect: AspectRule::Letterbox { pad: 0.25 },
                ..base
            },
            1.0,
        ),
        "crop_percentile_mean_std" => (
            InputSpec {
                width: 16,
                height: 16,
                range: ValueRange::MeanStd { mean: vec![0.5], std: vec![0.25] },
                aspect: AspectRule::CentreCrop,
                windowing: WindowingRule::MinMaxPercentile { low: 1.0, high: 99.0 },
                ..base
            },
            4.0,
        ),
        _ => return None,
    })
}

fn worst(found: &[f32], golden: &[f64], range: f64) -> f64 {
    assert_eq!(found.len(), golden.len(), "another size than the golden's");
    found.iter().zip(golden).map(|(f, g)| (f64::from(*f) - g).abs() / range).fold(0.0, f64::max)
}

/// Means of a rendered image over a grid, for objects that are shown but not scored.
fn grid_of(grey: &[u8], columns: usize, rows: usize, wide: usize, high: usize) -> Vec<f32> {
    let mut means = Vec::new();
    for y in 0..high {
        for x in 0..wide {
            let (top, bottom) =
                (y as f64 * rows as f64 / high as f64, (y + 1) as f64 * rows as f64 / high as f64);
            let (left, right) =
                (x as f64 * columns as f64 / wide as f64, (x + 1) as f64 * columns as f64 / wide as f64);
            let (mut sum, mut area) = (0.0, 0.0);
            for row in top.floor() as usize..(bottom.ceil() as usize).min(rows) {
                for column in left.floor() as usize..(right.ceil() as usize).min(columns) {
                    let part = (bottom.min(row as f64 + 1.0) - top.max(row as f64)).max(0.0)
                        * (right.min(column as f64 + 1.0) - left.max(column as f64)).max(0.0);
                    sum += part * f64::from(grey[row * columns + column]) / 255.0;
                    area += part;
                }
            }
            means.push((sum / area) as f32);
        }
    }
    means
}

/// Holds every file of a folder that is the file of its golden against it; returns how many, and the faults.
fn compare(folder: &Path, goldens: &str) -> (usize, Vec<String>) {
    let goldens: Vec<Golden> = serde_json::from_str(goldens).expect("the goldens are JSON");
    let limits = Limits::default();
    let mut faults = Vec::new();
    let mut compared = 0;
    for golden in &goldens {
        let path = folder.join(&golden.file);
        let Ok(bytes) = std::fs::read(&path) else {
            faults.push(format!("{}: is not there", golden.file));
            continue;
        };
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
        if hex::encode(digest) != golden.bytes_sha256 {
            faults.push(format!("{}: is another file than the golden's", golden.file));
            continue;
        }
        compared += 1;
        let (wide, high) = (golden.columns.min(16), golden.rows.min(16));
        match prepare_file(&path, &grid_spec(wide, high), &anything(), &limits) {
            Ok(prepared) => {
                let difference = worst(&prepared.tensor, &golden.grid, 1.0);
                if difference > TOLERANCE {
                    faults.push(format!("{}: displayed differs by {difference:.5}", golden.file));
                }
            }
            Err(refused) => match render_file(&path, &RenderRequest::default(), &limits) {
                Ok(image) => {
                    let (columns, rows) = (image.width as usize, image.height as usize);
                    let means = grid_of(&image.grey, columns, rows, wide as usize, high as usize);
                    let difference = worst(&means, &golden.grid, 1.0);
                    // Half a grey level of the 8-bit rendering, and one of luminance rounding.
                    if difference > TOLERANCE + 1.5 / 255.0 {
                        faults.push(format!("{}: rendered differs by {difference:.5}", golden.file));
                    }
                }
                Err(_) if REFUSED.contains(&golden.file.as_str()) => {}
                Err(error) => faults.push(format!("{}: {error} ({})", golden.file, refused.detail)),
            },
        }
        for (name, numbers) in &golden.tensors {
            let (spec, range) = named_spec(name).expect("a specification of this name");
            match prepare_file(&path, &spec, &anything(), &limits) {
                Ok(prepared) => {
                    let difference = worst(&prepared.tensor, numbers, range);
                    if difference > TOLERANCE {
                        faults.push(format!("{}: {name} differs by {difference:.5}", golden.file));
                    }
                }
                Err(refused) => faults.push(format!("{}: {name}: {}", golden.file, refused.detail)),
            }
        }
        if let Some(sum) = golden.stored_sum {
            match raw_frame(&path, 1, &limits) {
                // What went through a Modality LUT is no stored value any more; the display above holds it.
                Ok(raw) if raw.attributes.modality_lut_applied => {}
                Ok(raw) => {
                    let cells: Vec<i64> = match raw.attributes.bytes_per_sample {
                        1 => raw.samples.iter().map(|v| i64::from(*v)).collect(),
                        _ => raw
                            .samples
                            .chunks_exact(2)
                            .map(|pair| i64::from(u16::from_le_bytes([pair[0], pair[1]])))
                            .collect(),
                    };
                    // The golden counts patterns of Bits Stored; signed samples are extended beyond them.
                    let pattern = (1_i64 << raw.attributes.bits_stored) - 1;
                    let cells: Vec<i64> = cells.into_iter().map(|v| v & pattern).collect();
                    let total: i64 = cells.iter().sum();
                    let mean_difference = (total - sum).abs() as f64 / cells.len() as f64;
                    let full = f64::from(2_u32.pow(raw.attributes.bits_stored)) - 1.0;
                    if mean_difference / full > TOLERANCE {
                        let (low, high) = (cells.iter().min(), cells.iter().max());
                        faults.push(format!(
                            "{}: stored values differ by {mean_difference:.4} on average ({low:?} to {high:?}, golden {:?} to {:?})",
                            golden.file, golden.stored_low, golden.stored_high
                        ));
                    }
                }
                Err(error) => faults.push(format!("{}: raw frame: {error}", golden.file)),
            }
        }
    }
    (compared, faults)
}

#[test]
fn real_files_decode_and_display_as_pydicom_and_numpy_say() {
    let Some(folder) = real_files() else { return };
    let (compared, faults) = compare(&folder, include_str!("../golden/real_files.json"));
    println!("{compared} files compared");
    assert!(faults.is_empty(), "{} of {compared}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn sample_studies_decode_and_display_as_pydicom_and_numpy_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-dicom");
    let (compared, faults) = compare(&folder, include_str!("../golden/sample_dicom.json"));
    assert!(compared >= 22, "only {compared} files");
    assert!(faults.is_empty(), "{} of {compared}:\n{}", faults.len(), faults.join("\n"));
}
