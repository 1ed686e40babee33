//! One session of one graph: opened, held against the manifest, run on batches.
//!
//! In: the bytes of a `model.onnx` whose hash was checked, and its manifest. Out: raw numbers
//! per image. Blocking; lives on the thread that opened it.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use ort::environment::Environment;
use ort::session::builder::SessionBuilder;
use ort::session::{Session, SessionInputValue};
use ort::value::{Outlet, TensorElementType, TensorRef};

use super::error::InferError;
use super::graph_check::check_session;
use super::half::{HalfCasts, is_half_value, sizes};
use super::manifest::Manifest;
use super::manifest_graph::Batch;
use super::provider_proof::{NodesByProvider, read_record};
use super::settings::{Provider, Settings};
use crate::prepare::Dtype;

/// What left the graph for one image, or one exam.
#[derive(Debug, Clone, PartialEq)]
pub struct RawOutput {
    /// One number per label, before activation and calibration.
    pub scores: Vec<f32>,
    /// Where the model looked, if it says; one place per input, in their order.
    pub maps: Vec<Option<ActivationMap>>,
    /// How far it is from what the model was made from, if it says.
    pub distance: Option<f32>,
}

/// A class-activation map of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivationMap {
    /// One per label, or 1 for all.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channel by channel, row by row.
    pub values: Vec<f32>,
}

/// A session that agrees with its manifest.
pub(super) struct GraphSession {
    session: Session,
    manifest: Arc<Manifest>,
    /// Turns numbers to half precision and back, where the graph wants them so.
    half: Option<HalfCasts>,
    /// Numbers of one image, or one exam.
    item_len: usize,
    /// The batch of an input as one piece; kept between runs.
    buffer: Vec<f32>,
}

impl GraphSession {
    /// Opens a session and holds names, types and shapes against the manifest; with `record`, keeps a
    /// record of what runs until [`GraphSession::end_record`].
    pub fn open(
        environment: &Environment,
        bytes: &[u8],
        manifest: Arc<Manifest>,
        provider: Provider,
        settings: &Settings,
        record: Option<&Path>,
    ) -> Result<Self, InferError> {
        let mut builder = builder(environment, provider, settings)?;
        if let Some(prefix) = record {
            builder =
                builder.with_profiling(prefix).map_err(|e| InferError::Graph(e.message().to_owned()))?;
        }
        let session = builder.commit_from_memory(bytes).map_err(|e| match e.code() {
            ort::ErrorCode::ExecutionProviderFailure => {
                InferError::ProviderUnavailable { provider, problem: e.message().to_owned() }
            }
            _ => InferError::Graph(e.message().to_owned()),
        })?;
        check_session(&session, &manifest)?;
        let is_half = |outlet: &Outlet| outlet.dtype().tensor_type() == Some(TensorElementType::Float16);
        let half = match session.inputs().iter().chain(session.outputs()).any(is_half) {
            true => Some(HalfCasts::open(environment)?),
            false => None,
        };
        let item_len = manifest.numbers();
        Ok(Self { session, manifest, half, item_len, buffer: Vec::new() })
    }

    /// Runs zeros through the graph: allocates what it needs, and shows that shapes and numbers hold.
    pub fn warm_up(&mut self) -> Result<(), InferError> {
        let zeros = vec![0.0; self.item_len];
        let outputs = self.run(&[&zeros])?;
        let finite = outputs.iter().flat_map(|o| &o.scores).all(|s| s.is_finite());
        finite.then_some(()).ok_or_else(|| InferError::Mismatch {
            what: "the output on a black image",
            expected: "finite numbers".into(),
            found: "a number that is none, or infinite".into(),
        })
    }

    /// Ends the record that [`GraphSession::open`] began, and reads it.
    pub fn end_record(&mut self) -> Result<NodesByProvider, String> {
        let path = self.session.end_profiling().map_err(|e| e.message().to_owned())?;
        read_record(Path::new(&path))
    }

    /// The raw outputs of each image or exam, in order. At most the manifest's batch.
    pub fn run(&mut self, items: &[&[f32]]) -> Result<Vec<RawOutput>, InferError> {
        let wanted = items.len();
        let rows = match self.manifest.graph.batch {
            Batch::Fixed(size) => size.max(wanted),
            Batch::Dynamic { .. } => wanted,
        };
        let fault = |e: ort::Error| InferError::Fault(e.message().to_owned());
        let (manifest, half) = (&self.manifest, &mut self.half);
        let slots = manifest.slots();
        // The tensors of one input after another; those of one item lie one after another in it.
        let mut places = Vec::with_capacity(slots.len());
        let mut start = 0;
        for slot in &slots {
            let [_, a, b, c] = slot.spec.shape();
            places.push((start..start + a * b * c, [rows, a, b, c]));
            start += a * b * c;
        }
        self.buffer.clear();
        if rows > 1 {
            for (place, _) in &places {
                // A fixed batch is filled up with copies of the last one.
                let last = items.last().copied().unwrap_or_default();
                for item in items.iter().copied().chain(std::iter::repeat(last)).take(rows) {
                    self.buffer.extend_from_slice(item.get(place.clone()).unwrap_or_default());
                }
            }
        }
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(slots.len());
        for (slot, (place, shape)) in slots.iter().zip(&places) {
            let numbers: &[f32] = match items {
                [only] if rows == 1 => only.get(place.clone()).unwrap_or(&[]),
                _ => self.buffer.get(place.start * rows..place.end * rows).unwrap_or(&[]),
            };
            let tensor = TensorRef::from_array_view((*shape, numbers)).map_err(fault)?;
            let value = match (slot.spec.dtype, half.as_mut()) {
                (Dtype::F16, Some(half)) => half.halve(tensor)?.into(),
                (Dtype::F32, _) | (Dtype::F16, None) => tensor.into(),
            };
            inputs.push((slot.name, value));
        }
        let outputs = self.session.run(inputs).map_err(fault)?;
        let mut read = |name: &str| -> Result<(Vec<usize>, Cow<'_, [f32]>), InferError> {
            let value = outputs.get(name).ok_or_else(|| InferError::Fault(format!("no output {name}")))?;
            match half.as_mut() {
                Some(half) if is_half_value(value) => {
                    let (shape, numbers) = half.read(value)?;
                    Ok((shape, Cow::Owned(numbers)))
                }
                _ => {
                    let (shape, numbers) = value.try_extract_tensor::<f32>().map_err(fault)?;
                    Ok((sizes(shape), Cow::Borrowed(numbers)))
                }
            }
        };
        let labels = manifest.labels.len();
        let mut scores = Vec::new();
        for (name, count) in manifest.labels_by_output() {
            let (shape, values) = read(name)?;
            if shape != [rows, count] {
                return Err(mismatch("the shape of a score output", &[rows, count], &shape));
            }
            scores.push((count, values));
        }
        let mut maps = Vec::with_capacity(slots.len());
        for slot in &slots {
            let Some(name) = slot.map else {
                maps.push(None);
                continue;
            };
            let (shape, values) = read(name)?;
            match shape.as_slice() {
                [n, channels, height, width] if *n == rows && (*channels == 1 || *channels == labels) => {
                    maps.push(Some(([*channels, *height, *width], values)));
                }
                _ => return Err(mismatch("the shape of the map output", &[rows, labels, 0, 0], &shape)),
            }
        }
        let distances = match &manifest.out_of_distribution {
            Some(limit) => match read(&limit.output)? {
                (_, values) if values.len() == rows => Some(values),
                (shape, _) => return Err(mismatch("the shape of the distance output", &[rows], &shape)),
            },
            None => None,
        };
        let of_row = |values: &[f32], row: usize, length: usize| -> Vec<f32> {
            values.iter().skip(row * length).take(length).copied().collect()
        };
        Ok((0..wanted)
            .map(|row| RawOutput {
                scores: scores.iter().flat_map(|(count, values)| of_row(values, row, *count)).collect(),
                maps: maps
                    .iter()
                    .map(|map| {
                        let ([channels, height, width], values) = map.as_ref()?;
                        let values = of_row(values, row, channels * height * width);
                        Some(ActivationMap { channels: *channels, height: *height, width: *width, values })
                    })
                    .collect(),
                distance: distances.as_ref().and_then(|values| values.get(row).copied()),
            })
            .collect())
    }
}

fn builder(
    environment: &Environment,
    provider: Provider,
    settings: &Settings,
) -> Result<SessionBuilder, InferError> {
    let refused = |e: ort::Error<SessionBuilder>| InferError::Graph(e.message().to_owned());
    let builder = Session::builder(environment)
        .map_err(|e| InferError::Graph(e.message().to_owned()))?
        .with_intra_threads(settings.intra_threads)
        .map_err(refused)?
        .with_inter_threads(1)
        .map_err(refused)?
        // A thread that spins between images takes a core from preparation.
        .with_intra_op_spinning(false)
        .map_err(refused)?;
    match provider {
        Provider::Cpu => Ok(builder),
        Provider::Cuda => {
            let mut cuda = ort::ep::CUDA::default().with_device_id(settings.cuda_device);
            if settings.cuda_memory_bytes > 0 {
                cuda = cuda.with_memory_limit(settings.cuda_memory_bytes);
            }
            builder
                .with_execution_providers([cuda.build().error_on_failure()])
                .map_err(|e| InferError::ProviderUnavailable { provider, problem: e.message().to_owned() })
        }
    }
}

fn mismatch(what: &'static str, expected: &[usize], found: &[usize]) -> InferError {
    InferError::Mismatch { what, expected: format!("{expected:?}"), found: format!("{found:?}") }
}
