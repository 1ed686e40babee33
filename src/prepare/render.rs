//! Frames for the viewer, by the decode and window code that the tensor went through.

use std::path::Path;

use super::attributes::{Attributes, PixelLayout, Reader};
use super::dataset::SourceBytes;
use super::decode::{self, Frame};
use super::greyscale::{Choice, Display, Histogram, looks_at_values};
use super::input::{has_pixels, read_source, refused, undecodable};
use super::limits::Limits;
use super::prepared::{PixelRegion, RenderError, RenderRequest, RenderedImage, refusal};
use super::resample::{Axis, Resampler};
use super::spec::ResizeFilter;
use crate::vocab::NotProcessedReason as Reason;

/// Renders one frame (or a part of it) as a display would show it: 8-bit grey, colour as luminance.
pub fn render_file(
    path: &Path,
    request: &RenderRequest,
    limits: &Limits,
) -> Result<RenderedImage, RenderError> {
    let source = read_source(path, limits).map_err(RenderError::NotDecoded)?;
    let opened = open_frame(&source, request.frame, limits)?;
    let (frame, layout, attributes) = (opened.frame, opened.layout, opened.attributes);
    let region =
        request.region.unwrap_or(PixelRegion { x: 0, y: 0, width: layout.columns, height: layout.rows });
    let fits = |start: u32, length: u32, whole: u32| {
        length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
    };
    if !fits(region.x, region.width, layout.columns) || !fits(region.y, region.height, layout.rows) {
        return Err(RenderError::BadRequest("the region does not lie on the image".into()));
    }
    let choice = match request.window {
        Some(window) if window.width.is_finite() && window.width > 0.0 && window.centre.is_finite() => {
            Choice::Reader(window)
        }
        Some(_) => return Err(RenderError::BadRequest("a window needs a width above zero".into())),
        None => Choice::Object,
    };
    let longest = region.width.max(region.height);
    let bound = request.max_side.unwrap_or(longest).min(limits.max_render_side).max(1);
    let scale = (f64::from(bound) / f64::from(longest)).min(1.0);
    let side = |length: u32| ((f64::from(length) * scale).round() as usize).max(1);
    let (width, height) = (side(region.width), side(region.height));

    let unreadable = |error| RenderError::NotDecoded(refused(error));
    let mut histogram = Histogram::new(&frame);
    if looks_at_values(choice, &attributes) {
        frame.each_row(0..frame.rows as usize, |_, row| histogram.add(row, 1)).map_err(unreadable)?;
    }
    let turn_round = layout.is_monochrome1() && !frame.colour;
    let mut display = Display::new(&frame, &attributes, choice, turn_round, &histogram);
    if request.invert {
        display.table.iter_mut().for_each(|grey| *grey = 1.0 - *grey);
        display.ramp = None;
    }
    let axis = |outputs: usize, start: u32, length: u32, size: u32| {
        let (start, end) = (f64::from(start), f64::from(start) + f64::from(length));
        Axis::new(ResizeFilter::Area, outputs, start, end, size as usize)
    };
    let across = axis(width, region.x, region.width, frame.columns);
    let down = axis(height, region.y, region.height, frame.rows);
    let mut resampler = Resampler::new(&display, &across, &down);
    frame.each_row(resampler.rows(), |y, row| resampler.add(y, row)).map_err(unreadable)?;
    let grey: Vec<u8> = resampler.finish().iter().map(|v| (v * 255.0 + 0.5) as u8).collect();
    let (width, height) = (width as u32, height as u32);
    let png = png_of(&grey, width, height)?;
    Ok(RenderedImage { width, height, grey, png })
}

/// A decoded frame with what was read beside it.
pub(super) struct Opened<'a> {
    pub frame: Frame<'a>,
    pub layout: PixelLayout,
    pub attributes: Attributes,
}

/// Decodes frame `number` (from 1) of a file that was read.
pub(super) fn open_frame<'a>(
    source: &'a SourceBytes,
    number: u32,
    limits: &Limits,
) -> Result<Opened<'a>, RenderError> {
    let set = source.parse(limits).map_err(|error| RenderError::NotDecoded(undecodable(&error)))?;
    let reader = Reader { set: &set, big_endian: source.encoding.big_endian };
    if !has_pixels(&set) {
        let missing = refusal(Reason::MissingPixels, "there is no Pixel Data");
        return Err(RenderError::NotDecoded(missing));
    }
    let layout = PixelLayout::read(&reader)
        .map_err(|error| RenderError::NotDecoded(refusal(Reason::Undecodable, error.to_string())))?;
    let number = number.max(1);
    if number > layout.frames {
        return Err(RenderError::NoSuchFrame { frame: number, frames: layout.frames });
    }
    let attributes = Attributes::read(&reader, number - 1, layout.signed);
    let syntax = &source.transfer_syntax;
    let frame = decode::decode_frame(&set, &layout, &attributes, syntax, number - 1, 0, limits)
        .map_err(|error| RenderError::NotDecoded(refused(error)))?;
    let mut attributes = attributes;
    if frame.colour {
        // Windows and tables of a colour object are not for its luminance.
        attributes.windows.clear();
        attributes.voi_lut = None;
        attributes.modality_lut = None;
        attributes.padding = None;
    }
    Ok(Opened { frame, layout, attributes })
}

/// A grey picture as a PNG file.
pub fn png_of(grey: &[u8], width: u32, height: u32) -> Result<Vec<u8>, RenderError> {
    png(grey, width, height, image::ExtendedColorType::L8)
}

/// A picture of four bytes a pixel, red, green, blue and opacity, as a PNG file.
pub fn png_of_colour(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, RenderError> {
    png(pixels, width, height, image::ExtendedColorType::Rgba8)
}

fn png(
    bytes: &[u8],
    width: u32,
    height: u32,
    kind: image::ExtendedColorType,
) -> Result<Vec<u8>, RenderError> {
    use image::ImageEncoder;
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Up)
        .write_image(bytes, width, height, kind)
        .map_err(|error| RenderError::BadRequest(error.to_string()))?;
    Ok(png)
}
