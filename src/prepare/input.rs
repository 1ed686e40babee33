//! The path of one image: parse, scope, decode, quality, window and resize, range.
//!
//! Quality, window and resize see each row once, while it is in the processor's cache.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use super::attributes::{Attributes, PixelLayout, Reader};
use super::dataset::{DataSet, ParseError, SourceBytes};
use super::decode::{self, DecodeError, Frame};
use super::greyscale::{Choice, Display, Histogram, looks_at_values};
use super::limits::Limits;
use super::mapping::PixelMapping;
use super::prepared::{Prepared, Timings, refusal};
use super::quality::{self, Thumbnail};
use super::resample::{Axis, Resampler};
use super::scope::Scope;
use super::scope_check::check_scope;
use super::spec::{AspectRule, InputSpec, Layout, PhotometricRule, ValueRange, WindowingRule};
use crate::uncached::{self, LARGE};
use crate::vocab::{NotProcessed, NotProcessedReason as Reason};

/// Rows, and columns of them, that the histogram of an image with a window of its own looks at.
const SAMPLED_ROWS: usize = 256;
const SAMPLED_COLUMNS: usize = 1024;

/// First bytes of a file that are read before it is known whether more of it has to be in memory.
const HEAD_BYTES: usize = 64 << 10;
/// Bytes of a large file that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Makes a model's input of the first frame of the file at `path`, or says why it must not be scored.
///
/// Blocking: reads, decodes and resizes on the calling thread. The answer depends on the bytes of the file and the
/// arguments alone.
pub fn prepare_file(
    path: &Path,
    spec: &InputSpec,
    scope: &Scope,
    limits: &Limits,
) -> Result<Prepared, NotProcessed> {
    let nothing = || Err(refusal(Reason::ModelFault, "nothing was asked for"));
    prepare_file_for(path, &[(spec, scope)], limits).pop().unwrap_or_else(nothing)
}

/// The same for several models at once, in their order: the file is read and decoded once, and not at all where no
/// scope takes it. What one asks for changes no answer to another, but for wavelet levels: the first whose scope takes
/// the image decides how many are decoded.
pub fn prepare_file_for(
    path: &Path,
    wanted: &[(&InputSpec, &Scope)],
    limits: &Limits,
) -> Vec<Result<Prepared, NotProcessed>> {
    match prepare_each(path, wanted, limits) {
        Ok(answers) => answers,
        Err(refusal) => wanted.iter().map(|_| Err(refusal.clone())).collect(),
    }
}

/// An answer each, or the refusal that all of them share.
fn prepare_each(
    path: &Path,
    wanted: &[(&InputSpec, &Scope)],
    limits: &Limits,
) -> Result<Vec<Result<Prepared, NotProcessed>>, NotProcessed> {
    let started = Instant::now();
    let source = read_source(path, limits)?;
    let set = source.parse(limits).map_err(|error| undecodable(&error))?;
    let reader = Reader { set: &set, big_endian: source.encoding.big_endian };
    if !has_pixels(&set) {
        return Err(refusal(Reason::MissingPixels, "there is no Pixel Data"));
    }
    let layout =
        PixelLayout::read(&reader).map_err(|error| refusal(Reason::Undecodable, error.to_string()))?;
    let attributes = Attributes::read(&reader, 0, layout.signed);
    let fit = |(spec, scope): &(&InputSpec, &Scope)| {
        spec.check().map_err(|error| refusal(Reason::ModelFault, error.to_string()))?;
        check_scope(&attributes, &layout, scope)?;
        Ok(Fit::new(spec, &layout, &attributes))
    };
    let fits: Vec<Result<Fit, NotProcessed>> = wanted.iter().map(fit).collect();
    let parse_ms = milliseconds(started);
    let first = wanted.iter().zip(&fits).find_map(|((spec, _), fit)| Some((spec, fit.as_ref().ok()?)));
    let Some((spec, fit)) = first else {
        return Ok(fits.into_iter().filter_map(Result::err).map(Err).collect());
    };

    let started = Instant::now();
    let drop_levels = levels_to_drop(spec, fit);
    let frame =
        decode::decode_frame(&set, &layout, &attributes, &source.transfer_syntax, 0, drop_levels, limits)
            .map_err(refused)?;
    let decode_ms = milliseconds(started);

    let started = Instant::now();
    let all = 0..frame.rows as usize;
    let looks_at_all = |spec: &InputSpec| looks_at_values(choice(spec), &attributes);
    let taken = || wanted.iter().zip(&fits).filter(|(_, fit)| fit.is_ok());
    let mut whole = Histogram::new(&frame);
    if taken().any(|((spec, _), _)| looks_at_all(spec)) {
        frame.each_row(all.clone(), |_, row| whole.add(row, 1)).map_err(refused)?;
    }
    let mut sampled = Histogram::new(&frame);
    let samples = taken().any(|((spec, _), _)| !looks_at_all(spec));
    let windows: Vec<Option<Windowed>> = wanted
        .iter()
        .zip(&fits)
        .map(|((spec, _), fit)| {
            let histogram = if looks_at_all(spec) { &whole } else { &sampled };
            Some(Windowed::new(spec, fit.as_ref().ok()?, &layout, &attributes, &frame, histogram))
        })
        .collect();
    let mut passes: Vec<Option<(Resampler<'_>, Thumbnail<'_>)>> =
        windows.iter().map(|windowed| windowed.as_ref().map(|w| w.pass(&frame))).collect();
    let row_step = (frame.rows as usize / SAMPLED_ROWS).max(1);
    let column_step = (frame.columns as usize / SAMPLED_COLUMNS).max(1);
    frame
        .each_row(all, |y, row| {
            if samples && y.is_multiple_of(row_step) {
                sampled.add(row, column_step);
            }
            for (resampler, thumbnail) in passes.iter_mut().flatten() {
                thumbnail.add(y, row);
                resampler.add(y, row);
            }
        })
        .map_err(refused)?;
    let finish = |(((spec, scope), fit), (windowed, pass)): PassOf<'_, '_>| {
        let fit = fit?;
        let (Some(windowed), Some((resampler, thumbnail))) = (windowed, pass) else {
            return Err(refusal(Reason::ModelFault, "no pass over the pixels"));
        };
        let histogram = if looks_at_all(spec) { &whole } else { &sampled };
        let measured = quality::measure(&frame, &attributes, histogram, &thumbnail, &windowed.dense_bright);
        quality::check(&measured, &scope.quality)?;
        let padded = fit.boxed(resampler.finish(), spec.width as usize, spec.height as usize, spec);
        Ok(Prepared {
            tensor: ranged(padded, spec),
            shape: spec.shape(),
            mapping: fit.mapping(&layout),
            quality: measured,
            rows_run_to: attributes.rows_run_to.clone(),
            timings: Timings { parse_ms, decode_ms, transform_ms: milliseconds(started) },
        })
    };
    Ok(wanted.iter().zip(fits).zip(windows.iter().zip(passes)).map(finish).collect())
}

/// What is wanted, how it fits, its windows, and what its pass over the rows has gathered.
type PassOf<'w, 'p> = (
    (&'w (&'w InputSpec, &'w Scope), Result<Fit, NotProcessed>),
    (&'p Option<Windowed>, Option<(Resampler<'p>, Thumbnail<'p>)>),
);

fn choice(spec: &InputSpec) -> Choice {
    match spec.windowing {
        WindowingRule::Voi => Choice::Object,
        WindowingRule::MinMaxPercentile { low, high } => Choice::Percentiles(f64::from(low), f64::from(high)),
        WindowingRule::FullRange => Choice::FullRange,
    }
}

/// How the stored values become grey for one model, and where each goes.
struct Windowed {
    /// Quality is judged with dense tissue bright, whatever way round the model wants it.
    dense_bright: Display,
    turned: Option<Display>,
    across: Axis,
    down: Axis,
}

impl Windowed {
    fn new(
        spec: &InputSpec,
        fit: &Fit,
        layout: &PixelLayout,
        attributes: &Attributes,
        frame: &Frame<'_>,
        histogram: &Histogram,
    ) -> Self {
        let turn_round = layout.is_monochrome1();
        let display = |turn| Display::new(frame, attributes, choice(spec), turn, histogram);
        Self {
            dense_bright: display(turn_round),
            turned: match spec.photometric {
                PhotometricRule::BrightIsDense => None,
                PhotometricRule::DarkIsDense => Some(display(!turn_round)),
            },
            across: fit.axis(spec, Side::Across, frame),
            down: fit.axis(spec, Side::Down, frame),
        }
    }

    fn pass(&self, frame: &Frame<'_>) -> (Resampler<'_>, Thumbnail<'_>) {
        let display = self.turned.as_ref().unwrap_or(&self.dense_bright);
        (Resampler::new(display, &self.across, &self.down), Thumbnail::new(frame, &self.dense_bright))
    }
}

/// Reads a file no larger than the limit and finds its data set; native pixel data stay in the file.
pub(super) fn read_source(path: &Path, limits: &Limits) -> Result<SourceBytes, NotProcessed> {
    let unreadable = |error: std::io::Error| refusal(Reason::Undecodable, format!("file: {}", error.kind()));
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if size > limits.max_file_bytes {
        let detail = format!("{size} bytes, the limit is {}", limits.max_file_bytes);
        return Err(refusal(Reason::TooLarge, detail));
    }
    let mut bytes = Vec::new();
    file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut bytes).map_err(unreadable)?;
    if size > bytes.len() as u64 {
        if let Ok(same) = file.try_clone()
            && let Some(source) = SourceBytes::open_head(bytes.clone(), same, size, limits)
        {
            return Ok(source);
        }
        bytes.reserve_exact(usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(bytes.len()));
        read_rest(&file, size, &mut bytes).map_err(unreadable)?;
    }
    SourceBytes::open(bytes, limits).map_err(|error| undecodable(&error))
}

/// Reads what is behind `bytes` up to byte `size`, past the page cache where it is much.
fn read_rest(mut file: &File, size: u64, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let mut left = usize::try_from(size.saturating_sub(bytes.len() as u64)).unwrap_or(usize::MAX);
    if left < LARGE {
        return file.read_to_end(bytes).map(|_| ());
    }
    let mut reader = uncached::Reader::new(file, READ_BYTES);
    while left > 0 {
        let length = left.min(READ_BYTES);
        bytes.extend_from_slice(reader.read(bytes.len() as u64, length)?);
        left -= length;
    }
    Ok(())
}

/// Whether there is Pixel Data, Float Pixel Data or Double Float Pixel Data.
pub(super) fn has_pixels(set: &DataSet<'_>) -> bool {
    [0x7FE0_0010, 0x7FE0_0008, 0x7FE0_0009].iter().any(|tag| set.value(*tag).is_some())
}

pub(super) fn undecodable(error: &ParseError) -> NotProcessed {
    refusal(Reason::Undecodable, error.to_string())
}

pub(super) fn refused(error: DecodeError) -> NotProcessed {
    let reason = match &error {
        DecodeError::MissingPixels => Reason::MissingPixels,
        DecodeError::OverLimit { .. } => Reason::TooLarge,
        DecodeError::UnknownSyntax(_)
        | DecodeError::UnsupportedBits { .. }
        | DecodeError::TooShort
        | DecodeError::Unreadable(_)
        | DecodeError::Mismatch { .. }
        | DecodeError::Codec { .. } => Reason::Undecodable,
    };
    refusal(reason, error.to_string())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Across,
    Down,
}

/// Which part of the original goes to which part of the input.
struct Fit {
    /// Original columns and rows that are used: start and length.
    x: (f64, f64),
    y: (f64, f64),
    /// Columns and rows of the input that they fill, and where those start.
    width: usize,
    height: usize,
    left: usize,
    top: usize,
    columns: u32,
    rows: u32,
}

impl Fit {
    fn new(spec: &InputSpec, layout: &PixelLayout, attributes: &Attributes) -> Self {
        let (width, height) = (spec.width as usize, spec.height as usize);
        let (columns, rows) = (f64::from(layout.columns), f64::from(layout.rows));
        // Shape as a person would see it: pixels need not be square (PS3.3 C.7.6.3.1.7).
        let tall = attributes.pixel_height_over_width.filter(|r| (0.1..=10.0).contains(r)).unwrap_or(1.0);
        let (wide, high) = (columns, rows * tall);
        let mut fit = Self {
            x: (0.0, columns),
            y: (0.0, rows),
            width,
            height,
            left: 0,
            top: 0,
            columns: layout.columns,
            rows: layout.rows,
        };
        match spec.aspect {
            AspectRule::Stretch => {}
            AspectRule::Letterbox { .. } => {
                let scale = (width as f64 / wide).min(height as f64 / high);
                fit.width = ((wide * scale).round() as usize).clamp(1, width);
                fit.height = ((high * scale).round() as usize).clamp(1, height);
                fit.left = (width - fit.width) / 2;
                fit.top = (height - fit.height) / 2;
            }
            AspectRule::CentreCrop => {
                let scale = (width as f64 / wide).max(height as f64 / high);
                let (used_x, used_y) = (width as f64 / scale, height as f64 / scale / tall);
                fit.x = ((columns - used_x) / 2.0, used_x);
                fit.y = ((rows - used_y) / 2.0, used_y);
            }
        }
        fit
    }

    /// Weights along one side, over the frame that was decoded, which may be smaller than the original.
    fn axis(&self, spec: &InputSpec, side: Side, frame: &Frame<'_>) -> Axis {
        let (part, outputs, original, decoded) = match side {
            Side::Across => (self.x, self.width, self.columns, frame.columns),
            Side::Down => (self.y, self.height, self.rows, frame.rows),
        };
        let (mut start, mut end) = (part.0, part.0 + part.1);
        if decoded != original {
            // Dropping wavelet levels keeps samples 0, 2^n, 2 x 2^n ...: their centres stay where they were.
            let per_sample = f64::from(original.div_ceil(decoded).next_power_of_two());
            let moved = |at: f64| (at - 0.5) / per_sample + 0.5;
            (start, end) = (moved(start), moved(end));
        }
        Axis::new(spec.resize, outputs, start, end, decoded as usize)
    }

    /// Puts the resized image into the input, with bars where it doesn't fill it.
    fn boxed(&self, grey: Vec<f32>, width: usize, height: usize, spec: &InputSpec) -> Vec<f32> {
        if (self.width, self.height) == (width, height) {
            return grey;
        }
        let pad = match spec.aspect {
            AspectRule::Letterbox { pad } => pad,
            AspectRule::Stretch | AspectRule::CentreCrop => 0.0,
        };
        let mut filled = vec![pad; width * height];
        let rows = filled.chunks_exact_mut(width).skip(self.top);
        for (to, from) in rows.zip(grey.chunks_exact(self.width)) {
            to.iter_mut().skip(self.left).zip(from).for_each(|(to, from)| *to = *from);
        }
        filled
    }

    fn mapping(&self, layout: &PixelLayout) -> PixelMapping {
        let (scale_x, scale_y) = (self.x.1 / self.width as f64, self.y.1 / self.height as f64);
        PixelMapping {
            original_width: layout.columns,
            original_height: layout.rows,
            offset_x: self.x.0 - self.left as f64 * scale_x,
            offset_y: self.y.0 - self.top as f64 * scale_y,
            scale_x,
            scale_y,
        }
    }
}

/// How many wavelet levels can go while the image stays `min_oversampling` times the input.
fn levels_to_drop(spec: &InputSpec, fit: &Fit) -> u32 {
    let Some(least) = spec.min_oversampling else { return 0 };
    let room = (fit.x.1 / fit.width as f64).min(fit.y.1 / fit.height as f64) / f64::from(least);
    if room >= 2.0 { (room.log2().floor() as u32).min(5) } else { 0 }
}

/// Grey 0 to 1 to the numbers that the model was trained on, channel by channel.
fn ranged(mut grey: Vec<f32>, spec: &InputSpec) -> Vec<f32> {
    let channels = spec.channels as usize;
    let one = |channel: usize, grey: &mut [f32]| match &spec.range {
        ValueRange::Unit => {}
        ValueRange::Byte => grey.iter_mut().for_each(|v| *v *= 255.0),
        ValueRange::MeanStd { mean, std } => {
            let mean = mean.get(channel).copied().unwrap_or(0.0);
            let std = std.get(channel).copied().unwrap_or(1.0);
            grey.iter_mut().for_each(|v| *v = (*v - mean) / std);
        }
    };
    if channels == 1 {
        one(0, &mut grey);
        return grey;
    }
    let mut planes = grey.repeat(channels);
    for (channel, plane) in planes.chunks_exact_mut(grey.len().max(1)).enumerate() {
        one(channel, plane);
    }
    match spec.layout {
        Layout::Nchw => planes,
        Layout::Nhwc => {
            let mut out = vec![0.0; planes.len()];
            for (channel, plane) in planes.chunks_exact(grey.len().max(1)).enumerate() {
                let to = out.iter_mut().skip(channel).step_by(channels);
                to.zip(plane).for_each(|(to, from)| *to = *from);
            }
            out
        }
    }
}
