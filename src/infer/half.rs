//! Numbers to half precision (IEEE 754 binary16) and back, for graphs that take or give them.
//!
//! In: tensors of 32 bits, or outputs of 16. Out: the other. The runtime does it, by two graphs of one Cast node each
//! (`tests/golden/tiny_onnx.py` writes them), so that rounding is the runtime's own.

use ort::environment::Environment;
use ort::session::Session;
use ort::value::{DynValue, TensorElementType, TensorRef};

use super::error::InferError;

const TO_HALF: &[u8] = include_bytes!("half/to_half.onnx");
const FROM_HALF: &[u8] = include_bytes!("half/from_half.onnx");
/// Names of both graphs' input and output.
const INPUT: &str = "x";
const OUTPUT: &str = "y";

/// The two graphs, opened.
pub(super) struct HalfCasts {
    to_half: Session,
    from_half: Session,
}

impl HalfCasts {
    /// Opens both.
    pub fn open(environment: &Environment) -> Result<Self, InferError> {
        let open = |bytes: &[u8]| {
            let mut builder = Session::builder(environment)
                .map_err(|e| InferError::Graph(e.message().to_owned()))?
                .with_intra_threads(1)
                .map_err(|e| InferError::Graph(e.message().to_owned()))?;
            builder.commit_from_memory(bytes).map_err(|e| InferError::Graph(e.message().to_owned()))
        };
        Ok(Self { to_half: open(TO_HALF)?, from_half: open(FROM_HALF)? })
    }

    /// A tensor in half precision.
    pub fn halve(&mut self, tensor: TensorRef<'_, f32>) -> Result<DynValue, InferError> {
        let mut outputs = self.to_half.run(ort::inputs![INPUT => tensor]).map_err(fault)?;
        outputs.remove(OUTPUT).ok_or_else(|| InferError::Fault("no tensor in half precision".into()))
    }

    /// Shape and numbers of an output in half precision.
    pub fn read(&mut self, value: &DynValue) -> Result<(Vec<usize>, Vec<f32>), InferError> {
        let outputs = self.from_half.run(ort::inputs![INPUT => value]).map_err(fault)?;
        let value = outputs.get(OUTPUT).ok_or_else(|| InferError::Fault("no tensor out of half".into()))?;
        let (shape, numbers) = value.try_extract_tensor::<f32>().map_err(fault)?;
        Ok((sizes(shape), numbers.to_vec()))
    }
}

/// Whether an output is in half precision.
pub(super) fn is_half_value(value: &DynValue) -> bool {
    value.dtype().tensor_type() == Some(TensorElementType::Float16)
}

/// A shape of the runtime as sizes.
pub(super) fn sizes(shape: &[i64]) -> Vec<usize> {
    shape.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect()
}

fn fault(error: ort::Error) -> InferError {
    InferError::Fault(error.message().to_owned())
}
