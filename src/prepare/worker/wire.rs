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
    Prepare { spec: Box<InputSpec>, scope: Box<Scope> },
    Render(RenderRequest),
    RawFrame { frame: u32 },
}

/// Header of an answer; the numbers and pixels are its body.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Prepared { shape: [usize; 4], mapping: PixelMapping, quality: QualityStatistics, timings: Timings },
    NotProcessed(NotProcessed),
    Rendered { width: u32, height: u32, grey_bytes: usize },
    Raw(FrameAttributes),
    NotRendered(RenderError),
}

impl Answer {
    /// Header and body of a prepared image: its tensor, little endian.
    pub fn of_prepared(result: Result<Prepared, NotProcessed>) -> (Self, Vec<u8>) {
        match result {
            Ok(Prepared { tensor, shape, mapping, quality, timings }) => {
                let mut body = vec![0; tensor.len() * 4];
                let (fours, _) = body.as_chunks_mut::<4>();
                fours.iter_mut().zip(&tensor).for_each(|(to, number)| *to = number.to_le_bytes());
                (Self::Prepared { shape, mapping, quality, timings }, body)
            }
            Err(refusal) => (Self::NotProcessed(refusal), Vec::new()),
        }
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
}

/// The numbers of a body.
pub(super) fn tensor_of(body: &[u8]) -> Vec<f32> {
    body.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}
