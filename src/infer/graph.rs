//! One session of one graph: opened, held against the manifest, run on batches.
//!
//! In: the bytes of a `model.onnx` whose hash was checked, and its manifest. Out: raw numbers
//! per image. Blocking; lives on the thread that opened it.

use std::path::Path;
use std::sync::Arc;

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::{Outlet, TensorElementType, TensorRef};

use super::error::InferError;
use super::manifest::{Batch, Manifest};
use super::provider_proof::{NodesByProvider, read_record};
use super::settings::{Provider, Settings};
use crate::prepare::Layout;

/// What left the graph for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct RawOutput {
    /// One number per label, before activation and calibration.
    pub scores: Vec<f32>,
    /// Where the model looked, if it says.
    pub map: Option<ActivationMap>,
    /// How far the image is from those that the model was made from, if it says.
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
    /// Numbers of one image.
    image_len: usize,
    /// The batch as one piece; kept between runs.
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
        let image_len = manifest.input.shape().iter().product();
        Ok(Self { session, manifest, image_len, buffer: Vec::new() })
    }

    /// Runs zeros through the graph: allocates what it needs, and shows that shapes and numbers hold.
    pub fn warm_up(&mut self) -> Result<(), InferError> {
        let zeros = vec![0.0; self.image_len];
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

    /// The raw outputs of each image, in order. At most the manifest's batch.
    pub fn run(&mut self, images: &[&[f32]]) -> Result<Vec<RawOutput>, InferError> {
        let wanted = images.len();
        let rows = match self.manifest.graph.batch {
            Batch::Fixed(size) => size.max(wanted),
            Batch::Dynamic { .. } => wanted,
        };
        let [_, a, b, c] = self.manifest.input.shape();
        let shape = [rows, a, b, c];
        let input: &[f32] = match images {
            [only] if rows == 1 => only,
            _ => {
                self.buffer.clear();
                // A fixed batch is filled up with copies of the last image.
                for image in
                    images.iter().chain(std::iter::repeat(images.last().unwrap_or(&&[][..]))).take(rows)
                {
                    self.buffer.extend_from_slice(image);
                }
                &self.buffer
            }
        };
        let fault = |e: ort::Error| InferError::Fault(e.message().to_owned());
        let tensor = TensorRef::from_array_view((shape, input)).map_err(fault)?;
        let graph = &self.manifest.graph;
        let outputs = self.session.run(ort::inputs![graph.input.as_str() => tensor]).map_err(fault)?;
        let read = |name: &str| -> Result<(Vec<usize>, &[f32]), InferError> {
            let value = outputs.get(name).ok_or_else(|| InferError::Fault(format!("no output {name}")))?;
            let (shape, values) = value.try_extract_tensor::<f32>().map_err(fault)?;
            Ok((shape.iter().map(|d| usize::try_from(*d).unwrap_or(0)).collect(), values))
        };
        let labels = self.manifest.labels.len();
        let (shape, scores) = read(&graph.scores)?;
        if shape != [rows, labels] {
            return Err(mismatch("the shape of the score output", &[rows, labels], &shape));
        }
        let maps = match &graph.map {
            Some(name) => Some(read(name)?),
            None => None,
        };
        let map_shape = match &maps {
            Some((shape, _)) => match shape.as_slice() {
                [n, channels, height, width] if *n == rows && (*channels == 1 || *channels == labels) => {
                    Some((*channels, *height, *width))
                }
                _ => return Err(mismatch("the shape of the map output", &[rows, labels, 0, 0], shape)),
            },
            None => None,
        };
        let distances = match &self.manifest.out_of_distribution {
            Some(limit) => match read(&limit.output)? {
                (_, values) if values.len() == rows => Some(values),
                (shape, _) => return Err(mismatch("the shape of the distance output", &[rows], &shape)),
            },
            None => None,
        };
        let piece = |values: &[f32], row: usize, length: usize| -> Vec<f32> {
            values.iter().skip(row * length).take(length).copied().collect()
        };
        Ok((0..wanted)
            .map(|row| RawOutput {
                scores: piece(scores, row, labels),
                map: map_shape.zip(maps.as_ref()).map(|((channels, height, width), (_, values))| {
                    let values = piece(values, row, channels * height * width);
                    ActivationMap { channels, height, width, values }
                }),
                distance: distances.and_then(|values| values.get(row).copied()),
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

/// Holds the names, types and shapes of a session against the manifest; a difference is named.
fn check_session(session: &Session, manifest: &Manifest) -> Result<(), InferError> {
    let graph = &manifest.graph;
    let names =
        |outlets: &[Outlet]| outlets.iter().map(|o| o.name().to_owned()).collect::<Vec<_>>().join(", ");
    if session.inputs().len() != 1 || session.inputs().iter().any(|i| i.name() != graph.input) {
        return Err(InferError::Mismatch {
            what: "the input's name",
            expected: graph.input.clone(),
            found: names(session.inputs()),
        });
    }
    let rows: i64 = match graph.batch {
        Batch::Fixed(size) => i64::try_from(size).unwrap_or(i64::MAX),
        Batch::Dynamic { .. } => -1,
    };
    let [_, a, b, c] = manifest.input.shape().map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    let axes = match manifest.input.layout {
        Layout::Nchw | Layout::Nhwc => [rows, a, b, c],
    };
    for input in session.inputs() {
        check_outlet(input, "the input's type", "the input's shape", &axes)?;
    }
    let labels = i64::try_from(manifest.labels.len()).unwrap_or(i64::MAX);
    let output = |name: &str, what: &'static str| {
        session.outputs().iter().find(|o| o.name() == name).ok_or_else(|| InferError::Mismatch {
            what,
            expected: name.to_owned(),
            found: names(session.outputs()),
        })
    };
    let scores = output(&graph.scores, "the name of the score output")?;
    check_outlet(scores, "the type of the score output", "the number of labels", &[rows, labels])?;
    if let Some(name) = &graph.map {
        let map = output(name, "the name of the map output")?;
        let channels = map.dtype().tensor_shape().and_then(|s| s.get(1).copied());
        let channels = if channels == Some(1) { 1 } else { labels };
        check_outlet(
            map,
            "the type of the map output",
            "the shape of the map output",
            &[rows, channels, -1, -1],
        )?;
    }
    if let Some(limit) = &manifest.out_of_distribution {
        let distance = output(&limit.output, "the name of the distance output")?;
        let axes = distance.dtype().tensor_shape().map_or(1, |shape| shape.len());
        let expected: &[i64] = if axes == 2 { &[rows, 1] } else { &[rows] };
        check_outlet(
            distance,
            "the type of the distance output",
            "the shape of the distance output",
            expected,
        )?;
    }
    Ok(())
}

/// An axis that the graph leaves open (-1) fits any number; a dynamic batch (expected -1) fits only an open axis,
/// on the first place, and any number elsewhere.
fn check_outlet(
    outlet: &Outlet,
    type_of: &'static str,
    shape_of: &'static str,
    expected: &[i64],
) -> Result<(), InferError> {
    let found_type = outlet.dtype().tensor_type();
    if found_type != Some(TensorElementType::Float32) {
        let found = found_type.map_or_else(|| "no tensor".to_owned(), |t| t.to_string());
        return Err(InferError::Mismatch { what: type_of, expected: "f32".into(), found });
    }
    let found: &[i64] = outlet.dtype().tensor_shape().map_or(&[], |shape| shape);
    let fits = |place: usize, expected: i64, found: i64| {
        found == expected || (found == -1 && expected != -1) || (expected == -1 && place > 0)
    };
    let agrees = found.len() == expected.len()
        && expected.iter().zip(found).enumerate().all(|(place, (e, f))| fits(place, *e, *f));
    if agrees {
        Ok(())
    } else {
        Err(InferError::Mismatch { what: shape_of, expected: shape_text(expected), found: shape_text(found) })
    }
}

fn shape_text(shape: &[i64]) -> String {
    let axes: Vec<String> =
        shape.iter().map(|d| if *d < 0 { "any".to_owned() } else { d.to_string() }).collect();
    format!("[{}]", axes.join(", "))
}

fn mismatch(what: &'static str, expected: &[usize], found: &[usize]) -> InferError {
    InferError::Mismatch { what, expected: format!("{expected:?}"), found: format!("{found:?}") }
}
