//! What passes between pool and child: a length, a JSON header, and for answers a body of bytes.

use std::path::PathBuf;

use super::super::limits::Limits;
use super::super::mapping::PixelMapping;
use super::super::prepared::{
    FrameAttributes, Prepared, QualityStatistics, RawFrame, RenderError, RenderRequest, RenderedImage,
    Timings,
};
use super::super::scope::Scope;
use super::super::spec::InputSpec;
use crate::vocab::NotProcessed;

/// Longest JSON header of either side, in bytes.
pub(super) const MAX_HEADER_BYTES: u32 = 4 << 20;

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Request {
    pub path: PathBuf,
    pub limits: Limits,
    pub what: What,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// For each model its own answer, from one decoding.
    Prepare(Vec<(InputSpec, Scope)>),
    Render(RenderRequest),
    RawFrame {
        frame: u32,
    },
    VoiTable {
        frame: u32,
    },
    StoredFrame {
        frame: u32,
    },
    Metadata,
    Value {
        tag: u32,
    },
}

/// Header of an answer; the numbers and pixels are its body.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Prepared(Vec<Result<PreparedHeader, NotProcessed>>),
    Rendered { width: u32, height: u32, grey_bytes: usize },
    Raw(FrameAttributes),
    Bytes { present: bool },
    NotRendered(RenderError),
}

/// A prepared image without its tensor.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct PreparedHeader {
    /// Numbers of the tensor in the body.
    numbers: usize,
    shape: [usize; 4],
    mapping: PixelMapping,
    quality: QualityStatistics,
    rows_run_to: String,
    timings: Timings,
}

impl Answer {
    /// Header and body of prepared images: their tensors one after another, little endian.
    pub fn of_prepared(results: Vec<Result<Prepared, NotProcessed>>) -> (Self, Vec<u8>) {
        let mut body = Vec::new();
        let headers = results.into_iter().map(|result| {
            let Prepared { tensor, shape, mapping, quality, rows_run_to, timings } = result?;
            let start = body.len();
            body.resize(start + tensor.len() * 4, 0);
            let (fours, _) = body.get_mut(start..).unwrap_or_default().as_chunks_mut::<4>();
            fours.iter_mut().zip(&tensor).for_each(|(to, number)| *to = number.to_le_bytes());
            Ok(PreparedHeader { numbers: tensor.len(), shape, mapping, quality, rows_run_to, timings })
        });
        (Self::Prepared(headers.collect()), body)
    }

    /// Header and body of a rendered frame: its grey values, then its PNG.
    pub fn of_rendered(result: Result<RenderedImage, RenderError>) -> (Self, Vec<u8>) {
        match result {
            Ok(RenderedImage { width, height, grey, png }) => {
                (Self::Rendered { width, height, grey_bytes: grey.len() }, [grey, png].concat())
            }
            Err(error) => (Self::NotRendered(error), Vec::new()),
        }
    }

    /// Header and body of a raw frame: its samples.
    pub fn of_raw(result: Result<RawFrame, RenderError>) -> (Self, Vec<u8>) {
        match result {
            Ok(RawFrame { attributes, samples }) => (Self::Raw(attributes), samples),
            Err(error) => (Self::NotRendered(error), Vec::new()),
        }
    }

    /// Header and body of plain bytes, where there are any.
    pub fn of_bytes(result: Result<Option<Vec<u8>>, RenderError>) -> (Self, Vec<u8>) {
        match result {
            Ok(bytes) => (Self::Bytes { present: bytes.is_some() }, bytes.unwrap_or_default()),
            Err(error) => (Self::NotRendered(error), Vec::new()),
        }
    }
}

/// The images of a header and a body; `None` where the body does not hold what the header says.
pub(super) fn prepared_of(
    headers: Vec<Result<PreparedHeader, NotProcessed>>,
    body: &[u8],
) -> Option<Vec<Result<Prepared, NotProcessed>>> {
    let mut rest = body;
    let mut images = Vec::with_capacity(headers.len());
    for header in headers {
        images.push(match header {
            Err(refusal) => Err(refusal),
            Ok(PreparedHeader { numbers, shape, mapping, quality, rows_run_to, timings }) => {
                let (own, others) = rest.split_at_checked(numbers.checked_mul(4)?)?;
                rest = others;
                let tensor = own.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
                Ok(Prepared { tensor, shape, mapping, quality, rows_run_to, timings })
            }
        });
    }
    Some(images)
}
