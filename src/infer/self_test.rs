//! Self-test vectors: what a model must answer on inputs that anyone can make again.
//!
//! In: `self_test.json` beside a model, written where the model was made (by another runtime).
//! Out: the largest difference from what this runtime answers. The inputs are noise from a seed,
//! so that no image of a person has to travel with a model.

use std::path::Path;

use super::engine::Engine;
use super::error::InferError;
use super::queue::Urgency;

/// Name of the file in a model's folder.
const FILE: &str = "self_test.json";
/// Largest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The file.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    /// Largest difference of a score that passes.
    tolerance: f32,
    /// At least one.
    vectors: Vec<Vector>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    /// Seed of the input's noise.
    seed: u32,
    /// The score output, before activation and calibration.
    scores: Vec<f32>,
}

/// What a self-test came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfTest {
    /// Vectors that were run.
    pub vectors: usize,
    /// Largest difference of a score.
    pub largest_difference: f32,
    /// Milliseconds in the graph, mean of an image.
    pub infer_ms: f64,
}

/// Value `index` of the noise of a seed, 0 to 1: the integer hash `lowbias32` (C. Wellons, 2018) over 2^32.
fn noise(seed: u32, index: u32) -> f32 {
    let mut x = index.wrapping_mul(0x9E37_79B1).wrapping_add(seed.wrapping_mul(0x85EB_CA77));
    x ^= x >> 16;
    x = x.wrapping_mul(0x7FEB_352D);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846C_A68B);
    x ^= x >> 16;
    (f64::from(x) / 4_294_967_296.0) as f32
}

/// The input of a seed: `length` numbers, 0 to 1.
pub fn noise_image(seed: u32, length: usize) -> Vec<f32> {
    (0..u32::try_from(length).unwrap_or(u32::MAX)).map(|index| noise(seed, index)).collect()
}

/// Runs the vectors of a model's folder; none where it has no such file.
///
/// Errors: [`InferError::Unreadable`] for a file that is not what it should be, [`InferError::Mismatch`] where an
/// answer differs by more than the file allows.
pub async fn self_test(engine: &Engine) -> Result<Option<SelfTest>, InferError> {
    let Some(file) = read(engine.folder())? else { return Ok(None) };
    let length = engine.manifest().numbers();
    let mut test = SelfTest { vectors: file.vectors.len(), largest_difference: 0.0, infer_ms: 0.0 };
    for vector in &file.vectors {
        let scored = engine.score(noise_image(vector.seed, length), Urgency::Background).await?;
        test.infer_ms += scored.infer_ms / scored.batch.max(1) as f64 / file.vectors.len().max(1) as f64;
        let found = &scored.output.scores;
        let difference = if found.len() == vector.scores.len() {
            let pairs = found.iter().zip(&vector.scores);
            pairs
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, |most: f32, d| if d.is_nan() { f32::INFINITY } else { most.max(d) })
        } else {
            f32::INFINITY
        };
        test.largest_difference = test.largest_difference.max(difference);
        if difference > file.tolerance {
            return Err(InferError::Mismatch {
                what: "the answer to a self-test vector",
                expected: format!("{:?} within {} (seed {})", vector.scores, file.tolerance, vector.seed),
                found: format!("{found:?}"),
            });
        }
    }
    Ok(Some(test))
}

fn read(folder: &Path) -> Result<Option<Vectors>, InferError> {
    let path = folder.join(FILE);
    let unreadable = |problem: String| InferError::Unreadable { path: path.clone(), problem };
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
        Ok(found) if found.len() > MAX_BYTES => {
            return Err(unreadable(format!("{} bytes, at most {MAX_BYTES} are read", found.len())));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(&path).map_err(|e| unreadable(e.to_string()))?;
    let file: Vectors = serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?;
    if file.vectors.is_empty() || file.tolerance.is_nan() || file.tolerance < 0.0 {
        return Err(unreadable("no vector, or no tolerance".into()));
    }
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_is_what_the_training_scripts_make() {
        // Printed by training/self_test.py --noise 7 4.
        assert_eq!(noise_image(7, 4), [0.071_371_46, 0.492_820_08, 0.959_544_5, 0.324_487]);
    }
}
