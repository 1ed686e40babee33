//! Sets by table: views that come, views that do not, and patients that do not agree.

use super::*;
use crate::vocab::InstanceTags;

const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
const MG: &str = "1.2.840.10008.5.1.4.1.1.1.2";
const MG_RAW: &str = "1.2.840.10008.5.1.4.1.1.1.2.1";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000).plus_seconds(seconds)
}

fn instance(number: u32, class: &str, second: i64, tags: InstanceTags) -> Instance {
    Instance {
        sop_instance_uid: format!("1.2.3.{number}").parse().unwrap(),
        sop_class_uid: class.parse().unwrap(),
        study_instance_uid: "1.2".parse().unwrap(),
        series_instance_uid: "1.2.1".parse().unwrap(),
        transfer_syntax_uid: "1.2.840.10008.1.2.1".parse().unwrap(),
        content_hash: "0".repeat(64),
        size_bytes: 1,
        calling_ae: "VAN".parse().unwrap(),
        site: "S".parse().unwrap(),
        pathway: None,
        received_at: at(second),
        tags,
    }
}

fn view(position: &str, side: &str) -> InstanceTags {
    InstanceTags { view_position: position.into(), image_laterality: side.into(), ..InstanceTags::default() }
}

fn assess_at(second: i64, instances: &[Instance]) -> StudyAssessment {
    assess(instances, &Settings::default(), at(second))
}

const BY_VIEWS: Completeness = Completeness::Complete(CompletenessReason::ExpectedViews);
const BY_QUIET: Completeness = Completeness::Complete(CompletenessReason::QuietTime);

#[test]
fn a_chest_set_is_complete_with_a_frontal_view_or_after_the_quiet_time() {
    let frontal = instance(1, DX, 0, view("PA", ""));
    let lateral = instance(2, DX, 10, view("LL", ""));
    let one = assess_at(0, std::slice::from_ref(&frontal));
    assert_eq!(one.sets[0].completeness, BY_VIEWS);
    assert_eq!(one.sets[0].pathway, Pathway::Chest);
    let waiting = assess_at(129, std::slice::from_ref(&lateral));
    assert_eq!(waiting.sets[0].completeness, Completeness::Waiting { until: at(130) });
    assert_eq!(waiting.sets[0].missing, ["frontal"]);
    assert_eq!(assess_at(130, std::slice::from_ref(&lateral)).sets[0].completeness, BY_QUIET);
    let both = assess_at(10, &[lateral.clone(), frontal]);
    assert_eq!(both.sets[0].completeness, BY_VIEWS);
    assert_eq!(both.sets[0].extras, [lateral.sop_instance_uid]);
}

#[test]
fn a_mammogram_is_complete_with_four_views_and_lists_what_is_more() {
    let mut instances = vec![
        instance(1, MG, 0, view("CC", "R")),
        instance(2, MG, 1, view("CC", "L")),
        instance(3, MG, 2, view("RMLO", "")),
    ];
    let three = assess_at(3, &instances);
    assert_eq!(three.sets[0].missing, ["LMLO"]);
    assert!(matches!(three.sets[0].completeness, Completeness::Waiting { .. }));
    let by_code = InstanceTags {
        view_code: "399368009^medio-lateral oblique".into(),
        laterality: "L".into(),
        ..InstanceTags::default()
    };
    instances.push(instance(4, MG, 3, by_code.clone()));
    assert_eq!(assess_at(3, &instances).sets[0].completeness, BY_VIEWS);
    instances.push(instance(5, MG, 4, view("CC", "L")));
    let spot = InstanceTags { view_modifiers: "399055006^Spot Compression".into(), ..by_code };
    instances.push(instance(6, MG, 5, spot));
    let all = assess_at(5, &instances);
    assert_eq!(all.sets[0].repeats, ["1.2.3.5".parse().unwrap()]);
    assert_eq!(all.sets[0].extras, ["1.2.3.6".parse().unwrap()]);
}

#[test]
fn raw_images_are_part_of_the_case_but_stand_in_for_no_view() {
    let raw: Vec<_> = [("CC", "R"), ("CC", "L"), ("MLO", "R"), ("MLO", "L")]
        .iter()
        .zip(1..)
        .map(|((position, side), n)| instance(n, MG_RAW, 0, view(position, side)))
        .collect();
    let set = &assess_at(0, &raw).sets[0];
    assert_eq!((set.images.len(), set.for_processing.len(), set.missing.len()), (0, 4, 4));
    assert_eq!(assess_at(120, &raw).sets[0].completeness, BY_QUIET);
}

#[test]
fn objects_that_are_only_stored_make_no_case() {
    for class in [
        "1.2.840.10008.5.1.4.1.1.7",
        "1.2.840.10008.5.1.4.1.1.88.33",
        "1.2.840.10008.5.1.4.1.1.11.1",
        "1.2.840.10008.5.1.4.1.1.13.1.3",
        "1.2.840.10008.5.1.4.1.1.2",
    ] {
        let study = assess_at(0, &[instance(1, class, 0, view("PA", ""))]);
        assert!(study.sets.is_empty(), "{class}");
        assert_eq!(study.stored_only.len(), 1);
    }
}

#[test]
fn a_mammogram_in_another_class_is_noticed_and_a_source_profile_decides() {
    let breast = InstanceTags { modality: "RG".into(), ..view("MLO", "L") };
    let mut odd = instance(1, "1.2.840.10008.5.1.4.1.1.1", 0, breast);
    assert_eq!(pathway_of(&odd), Some(Pathway::Mammo));
    odd.pathway = Some(Pathway::Chest);
    assert_eq!(pathway_of(&odd), Some(Pathway::Chest));
    assert_eq!(pathway_of(&instance(1, DX, 0, view("PA", "L"))), Some(Pathway::Chest));
}
