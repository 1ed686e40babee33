//! Graphs of other forms: the views of an exam in one run, half precision, quantised, channels last.
//!
//! What the graphs compute is written in `tests/golden/graphs.py`.

use std::path::Path;
use std::sync::Arc;

use doubleread::infer::{
    CaseImage, Engine, InferError, Occlusion, Settings, Urgency, occlude, owes_places, score_case,
};
use doubleread::vocab::{AiOutcome, AiResult, Laterality, NotProcessedReason as Reason, Side, Timestamp};

use super::infer_fixture::{flat_image, no_runtime, refused_image, settings, tiny_manifest, write_model};

/// A graph of `tests/golden/graphs/`.
pub fn graph(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/graphs").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A manifest of the graph `exam.onnx`; the views of the right breast are shown mirrored.
pub fn exam_manifest(replace: &[(&str, &str)]) -> String {
    let label = |name: &str, side: &str, offered: bool| {
        format!(
            "{{ name = '{side}-{name}', feature = 'suspicious', side = '{side}', output = '{side}', offered = {offered} }}"
        )
    };
    let labels = [
        label("benign", "right", false),
        label("malignant", "right", true),
        label("benign", "left", false),
        label("malignant", "left", true),
    ];
    let inputs: String = ["LCC", "RCC", "LMLO", "RMLO"]
        .iter()
        .map(|view| {
            let (side, rest) = view.split_at(1);
            let mirror = side == "R";
            format!(
                "[[graph.inputs]]\nname = '{side}-{rest}'\nview = '{view}'\nmirror = {mirror}\nmap = '{side}-{rest}-map'\n"
            )
        })
        .collect();
    let from = tiny_manifest("exam", &graph("exam.onnx"), &[]);
    let mut text = from
        .replace("required_views = ['RCC', 'LCC', 'RMLO', 'LMLO']\n", "")
        .replace(
            "labels = [{ name = 'suspicious', feature = 'suspicious' }, { name = 'mass', feature = 'mass' }]",
            &format!("labels = [{}]", labels.join(", ")),
        )
        .replace(
            "{ rule = 'label', labels = ['suspicious'] }",
            "{ rule = 'maximum', labels = ['right-malignant', 'left-malignant'] }",
        )
        .replace("labels = { mass = 0.5 }", "labels = { right-malignant = 0.5, left-malignant = 0.5 }")
        .replace("input = 'image'\nscores = 'scores'\nmap = 'map'\n", "scores = ['right', 'left']\n")
        .replace("activation = 'probabilities'", "activation = 'softmax'");
    text.push_str(&inputs);
    for (from, to) in replace {
        assert!(text.contains(from), "{from} is not in the manifest");
        text = text.replace(from, to);
    }
    text
}

fn engine_of(
    file: &str,
    manifest: &str,
    change: impl FnOnce(&mut Settings),
) -> (tempfile::TempDir, Result<Engine, InferError>) {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = write_model(dir.path(), "m-1", manifest, Some(&graph(file)));
    let mut settings = settings(dir.path());
    change(&mut settings);
    let engine = Engine::load(&folder, &settings);
    (dir, engine)
}

fn exam_engine(replace: &[(&str, &str)]) -> (tempfile::TempDir, Arc<Engine>) {
    let (dir, engine) = engine_of("exam.onnx", &exam_manifest(replace), |_| {});
    (dir, Arc::new(engine.expect("the exam model")))
}

async fn scored(engine: &Engine, images: Vec<CaseImage>) -> AiResult {
    score_case(engine, images, Urgency::Routine, Timestamp::from_millis(0)).await.expect("a result")
}

fn views(values: &[(&str, f32)]) -> Vec<CaseImage> {
    (1..).zip(values).map(|(number, (view, value))| flat_image(number, view, *value)).collect()
}

const FOUR: [(&str, f32); 4] = [("RCC", 0.1), ("LCC", 0.2), ("RMLO", 0.8), ("LMLO", 0.3)];

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-5, "{a} is not {b}");
}

#[tokio::test]
async fn four_views_are_scored_in_one_run_with_a_score_for_each_breast() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) = exam_engine(&[]);
    let result = scored(&engine, views(&FOUR)).await;
    assert_eq!(result.outcome, AiOutcome::Abnormal);
    near(result.score.expect("a score"), 0.8);
    let breasts: Vec<_> = result.breasts.iter().map(|b| (b.side, b.flagged)).collect();
    assert_eq!(breasts, [(Side::Right, true), (Side::Left, false)]);
    near(result.breasts[1].score, 0.3);
    let findings: Vec<_> = result.findings.iter().map(|f| (f.label.as_str(), f.side, f.flagged)).collect();
    assert_eq!(
        findings,
        [
            ("right-malignant", Some(Laterality::Right), true),
            ("left-malignant", Some(Laterality::Left), false)
        ]
    );
    assert_eq!((result.views.len(), result.inputs.len(), result.heat_maps.len()), (4, 4, 4));
    assert!(result.regions.iter().all(|r| ["1.2.1", "1.2.3"].contains(&r.mark.sop_instance_uid.as_str())));
    assert!(result.left_out.is_empty());
}

#[tokio::test]
async fn what_a_mirrored_view_shows_is_marked_where_it_lies_on_the_image() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) =
        exam_engine(&[("overall = 0.5", "overall = 0.1"), ("malignant = 0.5", "malignant = 0.1")]);
    let mut images = views(&FOUR.map(|(view, _)| (view, 0.0)));
    // One bright corner of the right CC, up on the left of the image; the graph sees it on the right.
    if let Ok(prepared) = &mut images[0].prepared {
        for (i, pixel) in prepared.tensor.iter_mut().enumerate() {
            *pixel = if i % 8 < 4 && i / 8 < 4 { 1.0 } else { 0.0 };
        }
    }
    let result = scored(&engine, images).await;
    let [region] = result.regions.as_slice() else { panic!("{:?}", result.regions) };
    let mark = &region.mark;
    assert_eq!((mark.x, mark.y, mark.width, mark.height), (0.0, 0.0, 40.0, 80.0));
    assert_eq!(mark.sop_instance_uid.as_str(), "1.2.1");
}

#[tokio::test]
async fn an_exam_that_lacks_a_view_is_refused_or_scored_by_the_manifests_rule() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) = exam_engine(&[]);
    let result = scored(&engine, views(&FOUR[..3])).await;
    let AiOutcome::NotProcessed(why) = &result.outcome else { panic!("{:?}", result.outcome) };
    assert_eq!((why.reason, why.detail.as_str(), result.score), (Reason::MissingViews, "LMLO", None));
    let mut images = views(&FOUR[..3]);
    images.push(refused_image(4, "LMLO", Reason::Clipped));
    assert!(matches!(scored(&engine, images).await.outcome, AiOutcome::QualityFail { .. }));

    let (_dir, engine) = exam_engine(&[("view = ", "missing = 'black'\nview = ")]);
    let result = scored(&engine, views(&[("RMLO", 0.2), ("RCC", 0.1)])).await;
    assert_eq!(result.outcome, AiOutcome::Normal);
    near(result.score.expect("a score"), 0.2);
    assert_eq!(result.breasts.len(), 1, "a breast of which nothing was seen has no score");
    assert_eq!(result.findings.len(), 1);
    let result = scored(&engine, vec![refused_image(1, "RCC", Reason::Implant)]).await;
    let AiOutcome::NotProcessed(why) = &result.outcome else { panic!("{:?}", result.outcome) };
    assert_eq!(why.reason, Reason::Implant);
}

#[tokio::test]
async fn of_two_images_of_a_view_one_is_scored_and_the_other_is_said() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) = exam_engine(&[]);
    let mut images = views(&FOUR);
    images.insert(2, flat_image(7, "RMLO", 0.05));
    images.push(flat_image(8, "LXCCL", 0.9));
    let result = scored(&engine, images).await;
    near(result.score.expect("a score"), 0.8);
    let out: Vec<_> = result.left_out.iter().map(|(uid, why)| (uid.as_str(), why.reason)).collect();
    assert_eq!(out, [("1.2.7", Reason::ViewTwice), ("1.2.8", Reason::UnsupportedView)]);
}

#[tokio::test]
async fn an_exam_that_is_strange_or_gives_no_number_is_not_processed() {
    if no_runtime() {
        return;
    }
    let limit =
        "[out_of_distribution]\noutput = 'distance'\nrefuse_above = 0.5\nchosen_on = 'a test'\n[graph]";
    let (_dir, engine) = exam_engine(&[("[graph]", limit)]);
    for (value, reason) in [(0.9, Reason::OutOfDistribution), (f32::NAN, Reason::NonFiniteScore)] {
        // A distance that is no number is no reason to trust the image either.
        let result = scored(&engine, views(&FOUR.map(|(view, _)| (view, value)))).await;
        let AiOutcome::NotProcessed(why) = &result.outcome else { panic!("{:?}", result.outcome) };
        assert!([reason, Reason::OutOfDistribution].contains(&why.reason), "{value}: {}", why.reason);
        assert_eq!((result.score, result.breasts.len(), result.left_out.len()), (None, 0, 4));
    }
}

#[tokio::test]
async fn exams_run_together_and_a_run_that_takes_too_much_memory_is_refused() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) = engine_of("exam.onnx", &exam_manifest(&[]), |s| {
        s.max_batch_cpu = 4;
        s.max_wait_ms = 50;
        s.sessions = 1;
    });
    let engine = engine.expect("the exam model");
    let exams = [0.1_f32, 0.4, 0.9].map(|value| engine.score(vec![value; 256], Urgency::Routine));
    for (answer, value) in futures::future::join_all(exams).await.into_iter().zip([0.1_f64, 0.4, 0.9]) {
        let scored = answer.expect("a score");
        assert_eq!(scored.output.scores.len(), 4);
        near(f64::from(scored.output.scores[1]).exp(), value);
    }
    let (_dir, refused) = engine_of("exam.onnx", &exam_manifest(&[]), |s| s.max_run_bytes = 1000);
    let error = refused.expect_err("1024 bytes").to_string();
    assert!(error.contains("infer.max_run_bytes") && error.contains("1024 bytes"), "{error}");
}

#[tokio::test]
async fn half_precision_goes_in_and_comes_out() {
    if no_runtime() {
        return;
    }
    let bytes = graph("half.onnx");
    let single = tiny_manifest("half", &bytes, &[]);
    let (_dir, refused) = engine_of("half.onnx", &single, |_| {});
    let error = refused.expect_err("the manifest says f32").to_string();
    assert!(error.contains("input's type") && error.contains("f16"), "{error}");
    let (_dir, engine) =
        engine_of("half.onnx", &single.replace("width = 8", "dtype = 'f16'\nwidth = 8"), |_| {});
    let engine = engine.expect("the half model");
    let answer = engine.score(vec![0.25; 64], Urgency::Routine).await.expect("a score").output;
    assert_eq!(answer.scores, [0.5, 0.25]);
    assert_eq!(answer.maps[0].as_ref().expect("a map").values, vec![0.25; 16]);
}

#[tokio::test]
async fn a_quantised_graph_simply_works() {
    if no_runtime() {
        return;
    }
    let manifest = tiny_manifest("int8", &graph("int8.onnx"), &[("map = 'map'\n", "")]);
    let (_dir, engine) = engine_of("int8.onnx", &manifest, |_| {});
    let answer =
        engine.expect("the int8 model").score(vec![0.4; 64], Urgency::Routine).await.expect("a score");
    assert!((answer.output.scores[0] - 0.4).abs() < 0.004, "{:?}", answer.output.scores);
    assert!((answer.output.scores[1] - 0.2).abs() < 0.004, "{:?}", answer.output.scores);
}

#[tokio::test]
async fn three_channels_last_in_a_fixed_batch_are_read_as_logits() {
    if no_runtime() {
        return;
    }
    let replace = [
        (
            "scores = 'scores'\nmap = 'map'\nactivation = 'probabilities'",
            "scores = 'logits'\nactivation = 'logits'",
        ),
        ("{ dynamic = { max = 8 } }", "{ fixed = 2 }"),
        ("width = 8", "layout = 'nhwc'\nchannels = 3\nwidth = 8"),
    ];
    let manifest = tiny_manifest("nhwc", &graph("nhwc.onnx"), &replace);
    let (_dir, engine) = engine_of("nhwc.onnx", &manifest, |_| {});
    let engine = engine.expect("the channels-last model");
    let image: Vec<f32> = [1.0, 5.0, -2.0].repeat(64);
    let answer = engine.score(image.clone(), Urgency::Routine).await.expect("a score");
    assert_eq!(answer.output.scores, [1.0, -2.0]);
    let images = views(&FOUR).into_iter().map(|mut one| {
        if let Ok(prepared) = &mut one.prepared {
            prepared.tensor.clone_from(&image);
        }
        one
    });
    let result = scored(&engine, images.collect()).await;
    near(result.score.expect("a score"), 1.0 / (1.0 + (-1.0_f64).exp()));
}

#[tokio::test]
async fn a_model_without_a_map_is_asked_where_it_looked_by_hiding_parts_of_the_image() {
    if no_runtime() {
        return;
    }
    // The graph answers the mean of columns and rows 2 and 3 of 8.
    let replace = [
        ("map = 'map'\n", ""),
        ("required_views = ['RCC', 'LCC', 'RMLO', 'LMLO']\n", ""),
        (", { name = 'mass', feature = 'mass' }", ""),
        ("labels = { mass = 0.5 }", "labels = {}"),
    ];
    let manifest = tiny_manifest("plain", &graph("plain.onnx"), &replace);
    let (_dir, engine) = engine_of("plain.onnx", &manifest, |_| {});
    let engine = engine.expect("the plain model");
    let mut images = views(&[("RCC", 0.0), ("LCC", 0.0)]);
    if let Ok(prepared) = &mut images[0].prepared {
        for (i, pixel) in prepared.tensor.iter_mut().enumerate() {
            *pixel = if [2, 3].contains(&(i % 8)) && [2, 3].contains(&(i / 8)) { 1.0 } else { 0.0 };
        }
    }
    let result = scored(&engine, images.clone()).await;
    assert_eq!((result.outcome.clone(), result.heat_maps.len()), (AiOutcome::Abnormal, 0));
    assert!(owes_places(&engine, &result));
    let settings = Occlusion { patch: 0.25, stride: 0.25, ..Occlusion::default() };
    let places = occlude(&engine, images.clone(), &result, &settings).await.expect("places");
    let [heat] = places.heat_maps.as_slice() else { panic!("one image is flagged: {places:?}") };
    assert_eq!((heat.columns, heat.rows, heat.method.code()), (4, 4, "occlusion"));
    let [region] = places.regions.as_slice() else { panic!("{:?}", places.regions) };
    let mark = &region.mark;
    assert_eq!((mark.x, mark.y, mark.width, mark.height), (20.0, 40.0, 20.0, 40.0));
    assert_eq!((mark.sop_instance_uid.as_str(), region.score), ("1.2.1", 1.0));
    let never = Occlusion { max_passes: 0, ..settings };
    assert!(occlude(&engine, images, &result, &never).await.expect("nothing").heat_maps.is_empty());
}
