//! Scores of images to breasts, findings and the word of the case. Pure.
//!
//! In: raw outputs of every image of a case, and the manifest. Out: a [`Conclusion`] at the
//! operating point in force. Nothing here invents a number: what the graph did not give is a
//! [`NoScore`].

use super::calibrate::NoScore;
use super::graph::{ActivationMap, RawOutput};
use super::manifest::{Label, Manifest, OperatingPoint, OverallRule, Pooling, SideRule};
use super::regions::{Place, regions};
use crate::prepare::PixelMapping;
use crate::vocab::{
    AiFinding, AiOutcome, BreastScore, Laterality, MammoView, Pathway, Region, Side, SopInstanceUid,
    ViewScore,
};

/// One image's numbers, read by the manifest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ReadView {
    pub sop_instance_uid: SopInstanceUid,
    pub view: Option<MammoView>,
    /// As it left the graph, where the overall rule takes one label; else its probability before calibration.
    pub raw: f64,
    /// The one number of the image, calibrated.
    pub overall: f64,
    /// One per label, calibrated.
    pub labels: Vec<f64>,
    pub map: Option<ActivationMap>,
    pub mapping: PixelMapping,
}

/// What the numbers of a case come to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conclusion {
    pub outcome: AiOutcome,
    pub score: f64,
    pub threshold: f64,
    pub findings: Vec<AiFinding>,
    pub breasts: Vec<BreastScore>,
    pub views: Vec<ViewScore>,
    pub regions: Vec<Region>,
}

/// Reads one image's raw output: activation, calibration, the overall rule.
pub(super) fn read_view(
    manifest: &Manifest,
    sop_instance_uid: SopInstanceUid,
    view: Option<MammoView>,
    mapping: PixelMapping,
    output: RawOutput,
) -> Result<ReadView, NoScore> {
    let probabilities = manifest.graph.activation.apply(&output.scores)?;
    let calibrated: Vec<f64> = manifest
        .labels
        .iter()
        .zip(&probabilities)
        .map(|(label, p)| label.calibration.as_ref().map_or(*p, |c| c.apply(*p)))
        .collect();
    let of = |values: &[f64], name: &String| {
        manifest.label_index(name).and_then(|index| values.get(index).copied()).ok_or(NoScore::NonFinite)
    };
    let named = &manifest.overall.labels;
    let first = named.first().ok_or(NoScore::NonFinite)?;
    let largest = |values: &[f64]| -> Result<f64, NoScore> {
        named.iter().try_fold(0.0, |largest: f64, name| Ok(largest.max(of(values, name)?)))
    };
    let graph_numbers: Vec<f64> = output.scores.iter().map(|s| f64::from(*s)).collect();
    let (raw, combined) = match manifest.overall.rule {
        OverallRule::Label => (of(&graph_numbers, first)?, of(&calibrated, first)?),
        OverallRule::Complement => (1.0 - of(&probabilities, first)?, 1.0 - of(&calibrated, first)?),
        OverallRule::Maximum => (largest(&probabilities)?, largest(&calibrated)?),
    };
    let overall = manifest.overall.calibration.as_ref().map_or(combined, |c| c.apply(combined));
    if !overall.is_finite() || calibrated.iter().any(|c| !c.is_finite()) {
        return Err(NoScore::NonFinite);
    }
    Ok(ReadView { sop_instance_uid, view, raw, overall, labels: calibrated, map: output.map, mapping })
}

/// What the images come to at an operating point. At least one image.
pub(super) fn conclude(manifest: &Manifest, point: &OperatingPoint, images: &[ReadView]) -> Conclusion {
    let groups = groups(manifest.pathway, images);
    let in_views = manifest.aggregation.views;
    let sides: Vec<(Option<Side>, f64)> =
        groups.iter().map(|(side, group)| (*side, pool(in_views, group.iter().map(|v| v.overall)))).collect();
    let score = pool(manifest.aggregation.breasts, sides.iter().map(|(_, score)| *score));
    let breasts: Vec<BreastScore> = sides
        .iter()
        .filter_map(|(side, score)| {
            side.map(|side| BreastScore { side, score: *score, flagged: *score >= point.overall })
        })
        .collect();
    let findings = findings(manifest, point, images, &groups);
    let abnormal = score >= point.overall
        || breasts.iter().any(|breast| breast.flagged)
        || findings.iter().any(|finding| finding.flagged);
    Conclusion {
        outcome: if abnormal { AiOutcome::Abnormal } else { AiOutcome::Normal },
        score,
        threshold: point.overall,
        findings,
        breasts,
        views: images
            .iter()
            .map(|v| ViewScore { sop_instance_uid: v.sop_instance_uid.clone(), raw: v.raw, score: v.overall })
            .collect(),
        regions: images.iter().flat_map(|v| regions_of(manifest, point, v)).collect(),
    }
}

type Group<'a> = (Option<Side>, Vec<&'a ReadView>);

/// The images by breast; all together on the chest pathway. An image without a side stands by itself.
fn groups(pathway: Pathway, images: &[ReadView]) -> Vec<Group<'_>> {
    let side_of = |v: &ReadView| match pathway {
        Pathway::Chest => None,
        Pathway::Mammo => v.view.map(|view| view.side),
    };
    [Some(Side::Right), Some(Side::Left), None]
        .into_iter()
        .map(|side| (side, images.iter().filter(|v| side_of(v) == side).collect::<Vec<_>>()))
        .filter(|(_, group)| !group.is_empty())
        .collect()
}

fn pool(pooling: Pooling, scores: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = scores.len().max(1) as f64;
    match pooling {
        Pooling::Maximum => scores.fold(0.0, f64::max),
        Pooling::Mean => scores.sum::<f64>() / count,
    }
}

/// Every offered label, by breast where its side is the breast's, else over all images.
fn findings(
    manifest: &Manifest,
    point: &OperatingPoint,
    images: &[ReadView],
    groups: &[Group<'_>],
) -> Vec<AiFinding> {
    let mut findings = Vec::new();
    for (index, label) in manifest.labels.iter().enumerate().filter(|(_, label)| label.offered) {
        // A manifest without this threshold was refused.
        let Some(threshold) = manifest.threshold_of(point, label) else { continue };
        let score_of = |v: &ReadView| v.labels.get(index).copied().unwrap_or(0.0);
        let rule = label.side.unwrap_or(match manifest.pathway {
            Pathway::Chest => SideRule::Unsaid,
            Pathway::Mammo => SideRule::Breast,
        });
        let mut add = |side: Option<Laterality>, score: f64| {
            findings.push(AiFinding {
                label: label.name.clone(),
                code: label.code,
                feature: label.feature,
                side,
                score,
                threshold,
                flagged: score >= threshold,
            });
        };
        if rule == SideRule::Breast {
            for (side, group) in groups {
                let scores = group.iter().map(|v| score_of(v));
                add(side.map(Laterality::from), pool(manifest.aggregation.views, scores));
            }
        } else {
            add(rule.fixed(), pool(manifest.aggregation.views, images.iter().map(score_of)));
        }
    }
    findings
}

/// Where the image itself is at or above a threshold: of the image for a map of one channel, of each label else.
fn regions_of(manifest: &Manifest, point: &OperatingPoint, view: &ReadView) -> Vec<Region> {
    let Some(map) = &view.map else { return Vec::new() };
    let place = Place {
        image: &view.sop_instance_uid,
        input_width: manifest.input.width,
        input_height: manifest.input.height,
        mapping: &view.mapping,
    };
    if map.channels == 1 {
        if view.overall < point.overall {
            return Vec::new();
        }
        return regions(map, 0, view.overall, manifest.regions, place);
    }
    let flagged = |(index, label): (usize, &Label)| {
        let score = view.labels.get(index).copied()?;
        let threshold = manifest.threshold_of(point, label)?;
        (score >= threshold).then_some((index, score))
    };
    let mut all: Vec<Region> = manifest
        .labels
        .iter()
        .enumerate()
        .filter_map(flagged)
        .flat_map(|(channel, score)| regions(map, channel, score, manifest.regions, place))
        .collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all.truncate(manifest.regions.max_per_image);
    all
}
