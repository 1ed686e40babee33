//! The views of one exam, scored in one run of a graph with several inputs. Pure.
//!
//! In: prepared images with their views, a manifest with `graph.inputs`. Out: the one tensor of the run, and what its
//! numbers come to for each breast and the exam. A breast of which no view is there has no score, whatever stands in
//! its place in the graph.

use super::aggregate::{Conclusion, Numbers, ReadView, read_numbers};
use super::calibrate::NoScore;
use super::graph::{ActivationMap, RawOutput};
use super::manifest::{Label, Manifest, OperatingPoint, OverallRule};
use crate::prepare::{InputSpec, Layout, PixelMapping, Prepared, ValueRange};
use crate::vocab::{
    AiFinding, BreastScore, Laterality, MammoView, NotProcessed, NotProcessedReason, Side, SopInstanceUid,
};

/// The image that stands at one input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seat {
    pub sop_instance_uid: SopInstanceUid,
    pub view: MammoView,
    pub mapping: PixelMapping,
    /// Whether the graph was shown its mirror image.
    pub mirrored: bool,
}

/// An exam as a graph takes it: the tensors of its inputs one after another, and what stands at each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exam {
    pub tensor: Vec<f32>,
    pub seats: Vec<Option<Seat>>,
}

impl Exam {
    /// Puts images to the inputs; those that have none are said. Of several images of a view the last stands.
    pub fn assemble(
        manifest: &Manifest,
        mut images: Vec<(SopInstanceUid, Option<MammoView>, Prepared)>,
    ) -> (Self, Vec<(SopInstanceUid, NotProcessed)>) {
        let mut exam = Self { tensor: Vec::with_capacity(manifest.numbers()), seats: Vec::new() };
        for input in &manifest.graph.inputs {
            let spec = input.input.as_ref().unwrap_or(&manifest.input);
            let found = images.iter().rposition(|(_, view, _)| *view == Some(input.view));
            exam.seats.push(found.map(|place| {
                let (sop_instance_uid, _, prepared) = images.remove(place);
                let Prepared { mut tensor, mapping, .. } = prepared;
                if input.mirror {
                    mirror(&mut tensor, spec);
                }
                exam.tensor.extend_from_slice(&tensor);
                Seat { sop_instance_uid, view: input.view, mapping, mirrored: input.mirror }
            }));
            if found.is_none() {
                exam.tensor.extend(black(spec));
            }
        }
        let takes = |view: &Option<MammoView>| manifest.graph.inputs.iter().any(|i| Some(i.view) == *view);
        let refusal = |view: Option<MammoView>| {
            let name = view.map_or_else(|| "no view".to_owned(), |view| view.to_string());
            let reason = match takes(&view) {
                true => NotProcessedReason::ViewTwice,
                false => NotProcessedReason::UnsupportedView,
            };
            NotProcessed { reason, detail: name }
        };
        let unseated = images.into_iter().map(|(uid, view, _)| (uid, refusal(view))).collect();
        (exam, unseated)
    }
}

/// Whether a breast has an image.
fn has_side(seats: &[Option<Seat>], side: Side) -> bool {
    seats.iter().flatten().any(|seat| seat.view.side == side)
}

/// Whether a label speaks of something that was seen: it names no breast, or one with an image.
fn counts(manifest: &Manifest, seats: &[Option<Seat>], label: &Label) -> bool {
    match manifest.side_rule(label).fixed() {
        Some(Laterality::Right) => has_side(seats, Side::Right),
        Some(Laterality::Left) => has_side(seats, Side::Left),
        Some(Laterality::Bilateral | Laterality::Midline) | None => true,
    }
}

/// What an exam lacks without which nothing can be said of it, if anything.
pub(super) fn lacks(manifest: &Manifest, seats: &[Option<Seat>]) -> Option<NotProcessed> {
    let missing = |detail: String| NotProcessed { reason: NotProcessedReason::MissingViews, detail };
    if seats.iter().flatten().next().is_none() {
        return Some(missing("no image of a view that the model takes".to_owned()));
    }
    let named = |label: &&Label| manifest.overall.labels.contains(&label.name);
    let speaks = manifest.labels.iter().filter(named).any(|label| counts(manifest, seats, label));
    (!speaks).then(|| missing("no image of the breast that the model speaks of".to_owned()))
}

/// What an exam comes to at an operating point.
pub(super) fn conclude(
    manifest: &Manifest,
    point: &OperatingPoint,
    seats: &[Option<Seat>],
    output: RawOutput,
) -> Result<Conclusion, NoScore> {
    let RawOutput { scores, maps, distance } = output;
    let counted = |label: &Label| counts(manifest, seats, label);
    let Numbers { raw, overall, labels } = read_numbers(manifest, &scores, counted)?;
    let mut breasts = Vec::new();
    for side in [Side::Right, Side::Left].into_iter().filter(|side| has_side(seats, *side)) {
        if let Some(score) = breast_score(manifest, &labels, side) {
            breasts.push(BreastScore { side, score, flagged: score >= point.overall });
        }
    }
    let findings: Vec<AiFinding> = manifest
        .labels
        .iter()
        .zip(&labels)
        .filter(|(label, _)| label.offered && counted(label))
        .filter_map(|(label, score)| {
            // A manifest without this threshold was refused.
            let threshold = manifest.threshold_of(point, label)?;
            Some(AiFinding {
                label: label.name.clone(),
                code: label.code,
                feature: label.feature,
                side: manifest.side_rule(label).fixed(),
                score: *score,
                threshold,
                flagged: *score >= threshold,
            })
        })
        .collect();
    let views = read_views(manifest, seats, (&labels, raw, overall, distance), maps, &breasts);
    Ok(Conclusion::of(manifest, point, (overall, findings, breasts), &views))
}

/// The number of one breast: the largest of the overall rule's labels that are of this breast; none where none is.
fn breast_score(manifest: &Manifest, labels: &[f64], side: Side) -> Option<f64> {
    let of_breast = |label: &Label| manifest.side_rule(label).fixed() == Some(Laterality::from(side));
    let named = |label: &Label| manifest.overall.labels.contains(&label.name) && of_breast(label);
    let own = manifest.labels.iter().zip(labels).filter(|(label, _)| named(label));
    let largest = own.map(|(_, score)| *score).reduce(f64::max)?;
    let combined = match manifest.overall.rule {
        OverallRule::Label | OverallRule::Maximum => largest,
        OverallRule::Complement => 1.0 - largest,
    };
    Some(manifest.overall.calibration.as_ref().map_or(combined, |c| c.apply(combined)))
}

/// Each image with the numbers of its breast (of the exam, where the model names no breasts); the labels of the other
/// breast are below every threshold, so that they draw nothing on it.
fn read_views(
    manifest: &Manifest,
    seats: &[Option<Seat>],
    (labels, raw, overall, distance): (&[f64], f64, f64, Option<f32>),
    maps: Vec<Option<ActivationMap>>,
    breasts: &[BreastScore],
) -> Vec<ReadView> {
    let mut views = Vec::new();
    for (seat, map) in seats.iter().zip(maps) {
        let Some(seat) = seat else { continue };
        let other = Laterality::from(match seat.view.side {
            Side::Right => Side::Left,
            Side::Left => Side::Right,
        });
        let of_view = |(label, score): (&Label, &f64)| match manifest.side_rule(label).fixed() {
            Some(side) if side == other => f64::NEG_INFINITY,
            _ => *score,
        };
        let breast = breasts.iter().find(|breast| breast.side == seat.view.side);
        views.push(ReadView {
            sop_instance_uid: seat.sop_instance_uid.clone(),
            view: Some(seat.view),
            raw,
            overall: breast.map_or(overall, |breast| breast.score),
            labels: manifest.labels.iter().zip(labels).map(of_view).collect(),
            map: map.map(|map| if seat.mirrored { mirrored(map) } else { map }),
            distance: distance.map(f64::from),
            mapping: seat.mapping,
        });
    }
    views
}

/// Turns a tensor left to right.
fn mirror(tensor: &mut [f32], spec: &InputSpec) {
    let (width, channels) = (spec.width as usize, spec.channels as usize);
    match spec.layout {
        Layout::Nchw => tensor.chunks_exact_mut(width).for_each(<[f32]>::reverse),
        Layout::Nhwc => {
            for row in tensor.chunks_exact_mut(width * channels) {
                // Pixels change places, the channels of each keep theirs.
                row.reverse();
                row.chunks_exact_mut(channels).for_each(<[f32]>::reverse);
            }
        }
    }
}

/// A map of a mirrored image as one of the image.
fn mirrored(mut map: ActivationMap) -> ActivationMap {
    map.values.chunks_exact_mut(map.width.max(1)).for_each(<[f32]>::reverse);
    map
}

/// The tensor of an image that is black all over.
fn black(spec: &InputSpec) -> Vec<f32> {
    let (pixels, channels) = (spec.width as usize * spec.height as usize, spec.channels as usize);
    let of_channel = |channel: usize| match &spec.range {
        ValueRange::Unit | ValueRange::Byte => 0.0,
        ValueRange::MeanStd { mean, std } => {
            -mean.get(channel).copied().unwrap_or(0.0) / std.get(channel).copied().unwrap_or(1.0)
        }
    };
    let channel_of = |index: usize| match spec.layout {
        Layout::Nchw => index / pixels.max(1),
        Layout::Nhwc => index % channels.max(1),
    };
    (0..pixels * channels).map(|index| of_channel(channel_of(index))).collect()
}
