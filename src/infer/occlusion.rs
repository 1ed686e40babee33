//! Where a model without a map was moved by an image: parts are hidden one after another, and the score is asked again.
//!
//! In: a loaded model, the images of a case, and its result. Out: regions and heat maps of the images at or above the
//! threshold, in the form that activation maps have. Runs behind everything else (`Urgency::Background`); must never
//! change a score, or say where when a run gives no number.

use futures::future::join_all;

use super::aggregate::read_numbers;
use super::case::CaseImage;
use super::engine::Engine;
use super::error::InferError;
use super::graph::ActivationMap;
use super::heat_map::heat_map;
use super::manifest_graph::Unit;
use super::queue::Urgency;
use super::regions::{Place, regions};
use super::settings::Occlusion;
use crate::prepare::{InputSpec, Layout, Prepared};
use crate::vocab::{AiOutcome, AiResult, HeatMapMethod, Places, ViewScore};

/// Fewer runs than this give a map so coarse that it misleads.
const LEAST_PASSES: usize = 25;

/// Whether a result says too little of where: the model has no map, and an image is at or above the threshold.
pub fn owes_places(engine: &Engine, result: &AiResult) -> bool {
    let graph = &engine.manifest().graph;
    result.outcome == AiOutcome::Abnormal
        && graph.unit() == Unit::Image
        && graph.map.is_none()
        && result.views.iter().any(|view| is_flagged(result, view))
}

fn is_flagged(result: &AiResult, view: &ViewScore) -> bool {
    result.threshold.is_some_and(|threshold| view.score >= threshold)
}

/// Finds where the images at or above the threshold moved the model. Errors: those that pass.
pub async fn occlude(
    engine: &Engine,
    images: Vec<CaseImage>,
    result: &AiResult,
    settings: &Occlusion,
) -> Result<Places, InferError> {
    let mut places = Places::default();
    if settings.max_passes == 0 {
        return Ok(places);
    }
    let passes = passes_each(result, settings);
    if passes < LEAST_PASSES.min(settings.max_passes) {
        tracing::info!(
            passes,
            "no places are sought: the model takes too long for the time that they may take"
        );
        return Ok(places);
    }
    let spec = &engine.manifest().input;
    for image in images {
        let view = result.views.iter().find(|view| view.sop_instance_uid == image.sop_instance_uid);
        let Some(view) = view.filter(|view| is_flagged(result, view)) else { continue };
        let Ok(prepared) = &image.prepared else { continue };
        let Some(map) = map_of(engine, prepared, view.score, settings, passes).await? else { continue };
        let place = Place {
            image: &image.sop_instance_uid,
            input_width: spec.width,
            input_height: spec.height,
            mapping: &prepared.mapping,
        };
        places.heat_maps.extend(heat_map(&map, 0, HeatMapMethod::Occlusion, place));
        places.regions.extend(regions(&map, 0, view.score, engine.manifest().regions, place));
    }
    Ok(places)
}

/// Runs for each image that is flagged, by how long the result itself took.
fn passes_each(result: &AiResult, settings: &Occlusion) -> usize {
    let flagged = result.views.iter().filter(|view| is_flagged(result, view)).count().max(1);
    let one_ms = result.infer_ms / result.views.len().max(1) as f64;
    let passes = settings.most_seconds * 1000.0 / (one_ms * flagged as f64);
    // A time of nothing leaves the bound on runs alone; the cast is of a number between 0 and that bound.
    passes.clamp(0.0, settings.max_passes as f64) as usize
}

/// By how much the score falls where a cell is hidden, in the mean over the patches that hide it.
async fn map_of(
    engine: &Engine,
    prepared: &Prepared,
    score: f64,
    settings: &Occlusion,
    passes: usize,
) -> Result<Option<ActivationMap>, InferError> {
    let spec = &engine.manifest().input;
    let grid = Grid::new(spec, settings, passes);
    let fill = means(&prepared.tensor, spec);
    let mut falls = vec![0.0_f64; grid.columns * grid.rows];
    let mut counts = vec![0_u32; grid.columns * grid.rows];
    let patches: Vec<Patch> = grid.patches();
    for together in patches.chunks(settings.at_once.max(1)) {
        let runs = together.iter().map(|patch| {
            let mut hidden = prepared.tensor.clone();
            grid.hide(&mut hidden, *patch, &fill, spec);
            engine.score(hidden, Urgency::Background)
        });
        for (patch, scored) in together.iter().zip(join_all(runs).await) {
            let numbers = match scored {
                Ok(scored) => read_numbers(engine.manifest(), &scored.output.scores, |_| true).ok(),
                Err(error) if error.passes() => return Err(error),
                Err(_) => None,
            };
            // A run without a number says nothing of where, and a map with a hole in it misleads.
            let Some(numbers) = numbers else { return Ok(None) };
            for row in patch.top..patch.bottom {
                for column in patch.left..patch.right {
                    let cell = row * grid.columns + column;
                    if let (Some(fall), Some(count)) = (falls.get_mut(cell), counts.get_mut(cell)) {
                        *fall += score - numbers.overall;
                        *count += 1;
                    }
                }
            }
        }
    }
    let mean = |(fall, count): (&f64, &u32)| (fall / f64::from((*count).max(1))) as f32;
    let values = falls.iter().zip(&counts).map(mean).collect();
    Ok(Some(ActivationMap { channels: 1, height: grid.rows, width: grid.columns, values }))
}

/// Cells of an input, and how many of them a patch hides along a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grid {
    columns: usize,
    rows: usize,
    side: usize,
}

/// Cells from left to right and from top to bottom; the ends are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Patch {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Grid {
    /// The grid of the settings; coarser where that would take more runs than may be.
    fn new(spec: &InputSpec, settings: &Occlusion, passes: usize) -> Self {
        let (width, height) = (f64::from(spec.width), f64::from(spec.height));
        let shorter = width.min(height);
        let mut stride = (settings.stride * shorter).max(1.0);
        loop {
            // A side of the input is at most 8192 pixels: the numbers of cells are small and whole.
            let cells = |length: f64| (length / stride).round().max(1.0) as usize;
            let side = (settings.patch * shorter / stride).round().max(1.0) as usize;
            let grid = Self { columns: cells(width), rows: cells(height), side };
            if grid.passes() <= passes || grid.columns * grid.rows == 1 {
                return grid;
            }
            stride *= 1.1;
        }
    }

    fn passes(&self) -> usize {
        (self.columns + self.side - 1) * (self.rows + self.side - 1)
    }

    /// Every place of the patch that hides at least one cell, so that those at the edges are hidden as often as others.
    fn patches(&self) -> Vec<Patch> {
        let ends = |cells: usize| {
            let side = self.side;
            (1..cells + side).map(move |end| (end.saturating_sub(side), end.min(cells)))
        };
        ends(self.rows)
            .flat_map(|(top, bottom)| {
                ends(self.columns).map(move |(left, right)| Patch { left, top, right, bottom })
            })
            .collect()
    }

    /// Fills the pixels of a patch.
    fn hide(&self, tensor: &mut [f32], patch: Patch, fill: &[f32], spec: &InputSpec) {
        let (width, height) = (spec.width as usize, spec.height as usize);
        let across = patch.left * width / self.columns..patch.right * width / self.columns;
        for y in patch.top * height / self.rows..patch.bottom * height / self.rows {
            for x in across.clone() {
                for (channel, grey) in fill.iter().enumerate() {
                    let place = match spec.layout {
                        Layout::Nchw => (channel * height + y) * width + x,
                        Layout::Nhwc => (y * width + x) * fill.len() + channel,
                    };
                    if let Some(pixel) = tensor.get_mut(place) {
                        *pixel = *grey;
                    }
                }
            }
        }
    }
}

/// The mean of each channel: what a hidden part is filled with.
fn means(tensor: &[f32], spec: &InputSpec) -> Vec<f32> {
    let (channels, pixels) = (spec.channels as usize, spec.width as usize * spec.height as usize);
    let mean = |channel: usize| {
        let (start, step) = match spec.layout {
            Layout::Nchw => (channel * pixels, 1),
            Layout::Nhwc => (channel, channels),
        };
        let values = tensor.iter().skip(start).step_by(step.max(1)).take(pixels);
        (values.map(|value| f64::from(*value)).sum::<f64>() / pixels.max(1) as f64) as f32
    };
    (0..channels).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::{NotProcessedReason, SopInstanceUid};

    fn spec(width: u32, height: u32) -> InputSpec {
        toml::from_str(&format!(
            "preprocessing = 'x'\nwidth = {width}\nheight = {height}\nrange = 'unit'\nresize = 'area'\n\
             aspect = 'stretch'\nwindowing = 'voi'"
        ))
        .expect("a specification")
    }

    #[test]
    fn slow_models_are_asked_less_often() {
        let sop_instance_uid: SopInstanceUid = "2.25.1".parse().unwrap();
        let view = |score| ViewScore {
            sop_instance_uid: sop_instance_uid.clone(),
            raw: score,
            score,
            distance: None,
        };
        let at = "2026-11-24T12:00:00Z".parse().unwrap();
        let mut result = AiResult::not_processed(NotProcessedReason::Blank, "", at);
        result.threshold = Some(0.5);
        result.views = vec![view(0.9), view(0.1), view(0.7), view(0.2)];
        for (infer_ms, passes) in [(0.0, 256), (40.0, 256), (400.0, 100), (2_000.0, 20)] {
            result.infer_ms = infer_ms;
            assert_eq!(passes_each(&result, &Occlusion::default()), passes, "{infer_ms} ms");
        }
    }

    #[test]
    fn every_cell_is_hidden_as_often_as_the_others_and_the_bound_on_runs_holds() {
        for (width, height, max_passes) in [(8, 8, 256), (224, 224, 256), (1600, 2000, 100), (64, 64, 1)] {
            let settings = Occlusion { max_passes, ..Occlusion::default() };
            let grid = Grid::new(&spec(width, height), &settings, max_passes);
            let patches = grid.patches();
            assert_eq!(patches.len(), grid.passes());
            assert!(patches.len() <= max_passes, "{grid:?}");
            let hides = |column: usize, row: usize| {
                let over =
                    |p: &&Patch| (p.left..p.right).contains(&column) && (p.top..p.bottom).contains(&row);
                patches.iter().filter(over).count()
            };
            let often = grid.side * grid.side;
            assert_eq!((hides(0, 0), hides(grid.columns - 1, grid.rows / 2)), (often, often), "{grid:?}");
        }
    }
}
