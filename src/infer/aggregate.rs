//! Scores of images to breasts, findings and the word of the case. Pure.
//!
//! In: raw outputs of every image of a case, and the manifest. Out: a [`Conclusion`] at the
//! operating point in force. Nothing here invents a number: what the graph did not give is a
//! [`NoScore`].

use super::calibrate::NoScore;
use super::graph::{ActivationMap, RawOutput};
use super::heat_map::heat_map;
use super::manifest::{Label, Manifest, OperatingPoint, OverallRule, Pooling, SideRule};
use super::regions::{Place, regions};
use crate::prepare::PixelMapping;
use crate::vocab::{
    AiFinding, AiOutcome, BreastScore, HeatMap, HeatMapMethod, Laterality, MammoView, Pathway, Region, Side,
    SopInstanceUid, ViewScore,
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
    pub distance: Option<f64>,
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
    pub heat_maps: Vec<HeatMap>,
}

impl Conclusion {
    /// Abnormal where the case, a breast or a finding is at or above its threshold; where, by the views.
    pub fn of(
        manifest: &Manifest,
        point: &OperatingPoint,
        (score, findings, breasts): (f64, Vec<AiFinding>, Vec<BreastScore>),
        views: &[ReadView],
    ) -> Self {
        let abnormal = score >= point.overall
            || breasts.iter().any(|breast| breast.flagged)
            || findings.iter().any(|finding| finding.flagged);
        Self {
            outcome: if abnormal { AiOutcome::Abnormal } else { AiOutcome::Normal },
            score,
            threshold: point.overall,
            findings,
            breasts,
            views: views
                .iter()
                .map(|v| ViewScore {
                    sop_instance_uid: v.sop_instance_uid.clone(),
                    raw: v.raw,
                    score: v.overall,
                    distance: v.distance,
                })
                .collect(),
            regions: views.iter().flat_map(|v| regions_of(manifest, point, v)).collect(),
            heat_maps: views.iter().filter_map(|v| heat_map_of(manifest, point, v)).collect(),
        }
    }
}

/// What the numbers of one run say, read by the manifest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbers {
    /// As it left the graph, where the overall rule takes one label; else its probability before calibration.
    pub raw: f64,
    /// The one number, calibrated.
    pub overall: f64,
    /// One per label, calibrated.
    pub labels: Vec<f64>,
}

/// Reads scores: activation of each output, calibration, the overall rule over the labels that count.
pub(super) fn read_numbers(
    manifest: &Manifest,
    scores: &[f32],
    counts: impl Fn(&Label) -> bool,
) -> Result<Numbers, NoScore> {
    if scores.len() != manifest.labels.len() {
        return Err(NoScore::NonFinite);
    }
    let mut probabilities = Vec::with_capacity(scores.len());
    let mut rest = scores;
    for (_, labels) in manifest.labels_by_output() {
        let (own, others) = rest.split_at_checked(labels).ok_or(NoScore::NonFinite)?;
        probabilities.extend(manifest.graph.activation.apply(own)?);
        rest = others;
    }
    let calibrated: Vec<f64> = manifest
        .labels
        .iter()
        .zip(&probabilities)
        .map(|(label, p)| label.calibration.as_ref().map_or(*p, |c| c.apply(*p)))
        .collect();
    let of = |values: &[f64], name: &String| {
        manifest.label_index(name).and_then(|index| values.get(index).copied()).ok_or(NoScore::NonFinite)
    };
    let counted = |name: &&String| manifest.labels.iter().any(|label| label.name == **name && counts(label));
    let named: Vec<&String> = manifest.overall.labels.iter().filter(counted).collect();
    let first = *named.first().ok_or(NoScore::NonFinite)?;
    let largest = |values: &[f64]| -> Result<f64, NoScore> {
        named.iter().try_fold(0.0, |largest: f64, name| Ok(largest.max(of(values, name)?)))
    };
    let graph_numbers: Vec<f64> = scores.iter().map(|s| f64::from(*s)).collect();
    let (raw, combined) = match manifest.overall.rule {
        OverallRule::Label => (of(&graph_numbers, first)?, of(&calibrated, first)?),
        OverallRule::Complement => (1.0 - of(&probabilities, first)?, 1.0 - of(&calibrated, first)?),
        OverallRule::Maximum => (largest(&probabilities)?, largest(&calibrated)?),
    };
    let overall = manifest.overall.calibration.as_ref().map_or(combined, |c| c.apply(combined));
    if !overall.is_finite() || calibrated.iter().any(|c| !c.is_finite()) {
        return Err(NoScore::NonFinite);
    }
    Ok(Numbers { raw, overall, labels: calibrated })
}

/// Reads one image's raw output.
pub(super) fn read_view(
    manifest: &Manifest,
    sop_instance_uid: SopInstanceUid,
    view: Option<MammoView>,
    mapping: PixelMapping,
    output: RawOutput,
) -> Result<ReadView, NoScore> {
    let Numbers { raw, overall, labels } = read_numbers(manifest, &output.scores, |_| true)?;
    Ok(ReadView {
        sop_instance_uid,
        view,
        raw,
        overall,
        labels,
        map: output.maps.into_iter().next().flatten(),
        distance: output.distance.map(f64::from),
        mapping,
    })
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
    Conclusion::of(manifest, point, (score, findings, breasts), images)
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
        let rule = manifest.side_rule(label);
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

/// The map of the image where it has one: of the image for a map of one channel, else of the label that exceeds its
/// threshold the most, and where none does, of the first label.
fn heat_map_of(manifest: &Manifest, point: &OperatingPoint, view: &ReadView) -> Option<HeatMap> {
    let map = view.map.as_ref()?;
    let excess = |(index, label): (usize, &Label)| {
        let score = view.labels.get(index).copied()?;
        (label.offered).then_some((index, score - manifest.threshold_of(point, label)?))
    };
    let channel = match map.channels {
        1 => 0,
        _ => manifest
            .labels
            .iter()
            .enumerate()
            .filter_map(excess)
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .map_or(0, |(index, _)| index),
    };
    let place = Place {
        image: &view.sop_instance_uid,
        input_width: manifest.spec_for(view.view).width,
        input_height: manifest.spec_for(view.view).height,
        mapping: &view.mapping,
    };
    heat_map(map, channel, HeatMapMethod::Activation, place)
}

/// Where the image itself is at or above a threshold: of the image for a map of one channel, of each label else.
fn regions_of(manifest: &Manifest, point: &OperatingPoint, view: &ReadView) -> Vec<Region> {
    let Some(map) = &view.map else { return Vec::new() };
    let place = Place {
        image: &view.sop_instance_uid,
        input_width: manifest.spec_for(view.view).width,
        input_height: manifest.spec_for(view.view).height,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::{Aggregation, Calibration};

    const INPUT: &str = "[input]\npreprocessing = 'tiny-v1'\nwidth = 4\nheight = 4\nrange = 'unit'\nresize = 'area'\n\
                         aspect = 'stretch'\nwindowing = 'voi'\n";

    fn manifest(pathway: &str, labels: &str, overall: &str, thresholds: &str) -> Manifest {
        Manifest::parse(&format!(
            "name = 'tiny'\nversion = '1'\npathway = '{pathway}'\nfile = 'model.onnx'\nsha256 = '{}'\n\
             card = 'CARD.md'\ntrained_on = 'nothing'\noperating_point = 'only'\nlabels = [{labels}]\n\
             overall = {overall}\noperating_points = [{{ name = 'only', chosen_on = 'a test', {thresholds} }}]\n\
             graph = {{ input = 'image', scores = 'scores', activation = 'probabilities', batch = {{ fixed = 1 }} }}\n\
             {INPUT}",
            "0".repeat(64)
        ))
        .expect("a manifest")
    }

    fn chest() -> Manifest {
        manifest(
            "chest",
            "{ name = 'abnormal', code = 'abnormality' }, { name = 'mass', code = 'mass' }",
            "{ rule = 'label', labels = ['abnormal'] }",
            "overall = 0.5, labels = { mass = 0.4 }",
        )
    }

    fn mammo(pooling: Pooling) -> Manifest {
        let labels = "{ name = 'malignant', feature = 'suspicious' }";
        let overall = "{ rule = 'label', labels = ['malignant'] }";
        let mut manifest = manifest("mammo", labels, overall, "overall = 0.5");
        manifest.aggregation = Aggregation { views: pooling, breasts: Pooling::Maximum };
        manifest
    }

    fn image(manifest: &Manifest, view: Option<&str>, scores: &[f32]) -> Result<ReadView, NoScore> {
        let mapping = PixelMapping {
            original_width: 4,
            original_height: 4,
            offset_x: 0.0,
            offset_y: 0.0,
            scale_x: 1.0,
            scale_y: 1.0,
        };
        let output = RawOutput { scores: scores.to_vec(), maps: Vec::new(), distance: None };
        read_view(manifest, "1.2".parse().unwrap(), view.map(|v| v.parse().unwrap()), mapping, output)
    }

    fn concluded(manifest: &Manifest, images: &[(Option<&str>, &[f32])]) -> Conclusion {
        let read: Vec<ReadView> = images.iter().map(|(v, s)| image(manifest, *v, s).unwrap()).collect();
        conclude(manifest, manifest.active_point().unwrap(), &read)
    }

    #[test]
    fn a_chest_film_is_abnormal_when_any_score_is_at_its_threshold() {
        for (scores, outcome, mass_flagged) in [
            ([0.49, 0.39], AiOutcome::Normal, false),
            ([0.5, 0.0], AiOutcome::Abnormal, false),
            ([0.1, 0.5], AiOutcome::Abnormal, true),
        ] {
            let conclusion = concluded(&chest(), &[(None, &scores)]);
            assert_eq!(conclusion.outcome, outcome, "{scores:?}");
            assert_eq!(conclusion.findings[1].flagged, mass_flagged, "{scores:?}");
            assert_eq!(conclusion.findings[1].threshold, 0.4);
            assert!(conclusion.breasts.is_empty());
        }
    }

    #[test]
    fn several_films_of_a_chest_count_as_the_worst_of_them() {
        let conclusion = concluded(&chest(), &[(None, &[0.25, 0.0]), (None, &[0.75, 0.0])]);
        assert_eq!((conclusion.score, conclusion.views.len()), (0.75, 2));
    }

    #[test]
    fn views_become_breasts_and_the_worse_breast_is_the_exam() {
        type Row = (Pooling, [f32; 4], f64, f64, [bool; 2]);
        let table: &[Row] = &[
            (Pooling::Maximum, [0.1, 0.2, 0.3, 0.6], 0.3, 0.6, [false, true]),
            (Pooling::Mean, [0.1, 0.2, 0.3, 0.6], 0.2, 0.4, [false, false]),
            (Pooling::Mean, [0.6, 0.1, 0.8, 0.1], 0.7, 0.1, [true, false]),
        ];
        for (pooling, scores, right, left, flagged) in table {
            let views = ["RCC", "LCC", "RMLO", "LMLO"].map(Some);
            let images: Vec<(Option<&str>, &[f32])> =
                views.into_iter().zip(scores.iter().map(std::slice::from_ref)).collect();
            let conclusion = concluded(&mammo(*pooling), &images);
            let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}: {scores:?}");
            near(conclusion.breasts[0].score, *right);
            near(conclusion.breasts[1].score, *left);
            near(conclusion.score, right.max(*left));
            assert_eq!([conclusion.breasts[0].flagged, conclusion.breasts[1].flagged], *flagged);
            let sides: Vec<_> = conclusion.findings.iter().map(|f| f.side).collect();
            assert_eq!(sides, [Some(Laterality::Right), Some(Laterality::Left)]);
            assert_eq!(conclusion.outcome == AiOutcome::Abnormal, flagged.contains(&true));
        }
    }

    #[test]
    fn a_flagged_breast_makes_the_exam_abnormal_whatever_the_mean_of_breasts() {
        let mut manifest = mammo(Pooling::Maximum);
        manifest.aggregation.breasts = Pooling::Mean;
        let conclusion = concluded(&manifest, &[(Some("RCC"), &[0.6]), (Some("LCC"), &[0.1])]);
        assert!(conclusion.score < 0.5);
        assert_eq!(conclusion.outcome, AiOutcome::Abnormal);
    }

    #[test]
    fn the_overall_number_follows_its_rule_and_its_calibration() {
        let three = "{ name = 'a', code = 'mass' }, { name = 'normal', offered = false }, { name = 'b', code = 'nodule' }";
        let point = "overall = 0.5, labels = { a = 0.5, b = 0.5 }";
        for (overall, expected) in [
            ("{ rule = 'complement', labels = ['normal'] }", 0.75),
            ("{ rule = 'maximum', labels = ['a', 'b'] }", 0.5),
            (
                "{ rule = 'maximum', labels = ['a', 'b'], calibration = { isotonic = { x = [0.0, 1.0], y = [0.0, 0.5] } } }",
                0.25,
            ),
        ] {
            let manifest = manifest("chest", three, overall, point);
            assert_eq!(image(&manifest, None, &[0.125, 0.25, 0.5]).unwrap().overall, expected, "{overall}");
            let names: Vec<String> = concluded(&manifest, &[(None, &[0.125, 0.25, 0.5])])
                .findings
                .into_iter()
                .map(|f| f.label)
                .collect();
            assert_eq!(names, ["a", "b"], "a label that is not offered is not shown");
        }
    }

    #[test]
    fn the_raw_number_is_kept_beside_the_calibrated_one() {
        let mut manifest = chest();
        manifest.labels[0].calibration = Some(Calibration::Isotonic { x: vec![0.0, 1.0], y: vec![0.0, 0.5] });
        let read = image(&manifest, None, &[0.5, 0.0]).unwrap();
        assert_eq!((read.raw, read.overall), (0.5, 0.25));
    }

    #[test]
    fn a_number_that_is_none_is_never_a_low_score() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(image(&chest(), None, &[0.1, bad]).unwrap_err(), NoScore::NonFinite);
        }
        assert_eq!(image(&chest(), None, &[0.1]).unwrap_err(), NoScore::NonFinite, "a number too few");
    }

    #[test]
    fn regions_are_drawn_only_where_the_image_itself_is_flagged() {
        let manifest = chest();
        let map =
            |channels| ActivationMap { channels, height: 1, width: 2, values: vec![0.0, 1.0, 1.0, 0.0] };
        let count = |scores: &[f32], channels| {
            let mut read = image(&manifest, None, scores).unwrap();
            read.map = Some(map(channels));
            conclude(&manifest, manifest.active_point().unwrap(), &[read]).regions.len()
        };
        assert_eq!(count(&[0.4, 0.1], 1), 0);
        assert_eq!(count(&[0.6, 0.1], 1), 1);
        assert_eq!(count(&[0.6, 0.5], 2), 2);
        assert_eq!(count(&[0.4, 0.1], 2), 0);
    }
}
