//! Cases through a real session of the tiny graph: scores, refusals, faults, load, replay.
//!
//! The tiny graph answers (square root of the mean, mean): 0.25 gives 0.5, 0.04 gives 0.2; a
//! negative mean gives no number, a pixel of 2 makes it fail.

use std::sync::Arc;

use doubleread::infer::{
    CaseImage, Engine, InferError, REPLAY_TOLERANCE, Settings, Urgency, compare, score_case,
};
use doubleread::vocab::{AiOutcome, AiResult, NotProcessedReason as Reason, Side, Timestamp};

use super::infer_fixture::{
    flat_image, no_runtime, refused_image, settings, tiny_graph, tiny_manifest, write_model,
};

/// An engine of the tiny graph, and the folder that it lives in.
fn engine(change: impl FnOnce(&mut Settings), replace: &[(&str, &str)]) -> (tempfile::TempDir, Arc<Engine>) {
    let dir = tempfile::tempdir().expect("a folder");
    let graph = tiny_graph();
    let folder = write_model(dir.path(), "tiny-1", &tiny_manifest("tiny", &graph, replace), Some(&graph));
    let mut settings = settings(dir.path());
    change(&mut settings);
    (dir, Arc::new(Engine::load(&folder, &settings).expect("the tiny model")))
}

async fn scored(engine: &Engine, images: Vec<CaseImage>) -> AiResult {
    score_case(engine, images, Urgency::Routine, Timestamp::from_millis(0)).await.expect("a result")
}

fn four(values: [f32; 4]) -> Vec<CaseImage> {
    let views = ["RCC", "LCC", "RMLO", "LMLO"];
    (1..).zip(views).zip(values).map(|((number, view), value)| flat_image(number, view, value)).collect()
}

#[tokio::test]
async fn a_mammogram_gets_scores_for_views_breasts_and_the_exam_and_says_where() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) = engine(|_| {}, &[]);
    let mut images = four([0.04, 0.04, 0.04, 0.0]);
    // One bright corner of the left oblique view: 4 x 4 pixels of the input, up on the left.
    if let Ok(prepared) = &mut images[3].prepared {
        for (i, pixel) in prepared.tensor.iter_mut().enumerate() {
            *pixel = if i % 8 < 4 && i / 8 < 4 { 1.0 } else { 0.0 };
        }
    }
    let result = scored(&engine, images).await;
    assert_eq!(result.outcome, AiOutcome::Abnormal);
    let score = result.score.expect("a score");
    assert!((score - 0.5).abs() < 1e-6, "{score}");
    assert_eq!(
        result.breasts.iter().map(|b| (b.side, b.flagged)).collect::<Vec<_>>(),
        [(Side::Right, false), (Side::Left, true)]
    );
    let [region] = result.regions.as_slice() else { panic!("{:?}", result.regions) };
    let mark = &region.mark;
    assert_eq!(
        (mark.x, mark.y, mark.width, mark.height),
        (0.0, 0.0, 40.0, 80.0),
        "in pixels of the original"
    );
    assert_eq!(mark.sop_instance_uid.as_str(), "1.2.4");

    assert_eq!(result.provider, "cpu");
    assert_eq!(result.preprocessing, "tiny-v1");
    assert_eq!((result.inputs.len(), result.views.len()), (4, 4));
    let model = result.model.expect("a stamp");
    assert_eq!(
        (model.name.as_str(), model.operating_point.as_str(), model.sha256.len()),
        ("tiny", "only", 64)
    );
}

#[tokio::test]
async fn an_image_unlike_those_of_the_training_is_left_out_with_its_distance() {
    if no_runtime() {
        return;
    }
    let limit =
        "[out_of_distribution]\noutput = 'distance'\nrefuse_above = 0.5\nchosen_on = 'a test'\n[graph]";
    let (_dir, engine) = engine(|_| {}, &[("[graph]", limit)]);
    let near = scored(&engine, four([0.04, 0.04, 0.04, 0.25])).await;
    assert_eq!(near.outcome, AiOutcome::Abnormal);
    assert_eq!(near.views[0].distance.map(|d| (d * 100.0).round()), Some(4.0));
    assert_eq!(near.heat_maps.len(), 4, "one for each image");

    let far = scored(&engine, four([0.04, 0.04, 0.04, 0.81])).await;
    let AiOutcome::NotProcessed(why) = &far.outcome else { panic!("{:?}", far.outcome) };
    assert_eq!(why.reason, Reason::OutOfDistribution);
    assert!(why.detail.contains("0.81") && why.detail.contains("0.50"), "{}", why.detail);
    assert_eq!(far.left_out.len(), 1);
    assert_eq!(far.score, None, "a refusal is never a low score");
}

#[tokio::test]
async fn the_same_images_give_the_same_result() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) = engine(|s| s.max_batch_cpu = 4, &[]);
    let stored = scored(&engine, four([0.01, 0.3, 0.2, 0.5])).await;
    let again = scored(&engine, four([0.01, 0.3, 0.2, 0.5])).await;
    assert_eq!(compare(&stored, &again, REPLAY_TOLERANCE), []);
    let other = scored(&engine, four([0.01, 0.3, 0.2, 0.4])).await;
    assert!(compare(&stored, &other, REPLAY_TOLERANCE).iter().any(|d| d.place == "score"));
}

#[tokio::test]
async fn a_number_that_is_none_or_a_fault_is_not_processed_never_a_low_score() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) = engine(|_| {}, &[]);
    for (value, reason) in
        [(-0.5, Reason::NonFiniteScore), (1.5, Reason::ModelFault), (2.5, Reason::ModelFault)]
    {
        let result = scored(&engine, four([0.01, 0.01, value, 0.01])).await;
        let AiOutcome::NotProcessed(refusal) = &result.outcome else {
            panic!("{value}: {:?}", result.outcome)
        };
        assert_eq!(refusal.reason, reason, "{value}: {}", refusal.detail);
        assert_eq!((result.score, result.views.len(), result.breasts.len()), (None, 0, 0));
        assert_eq!(result.left_out[0].0.as_str(), "1.2.3", "the image that it happened on is named");
    }
    assert_eq!(scored(&engine, four([0.01; 4])).await.outcome, AiOutcome::Normal, "and the session goes on");
}

#[tokio::test]
async fn a_case_that_lacks_a_view_says_which_or_why() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) = engine(|_| {}, &[]);
    let mut images = four([0.9; 4]);
    images[1] = refused_image(2, "LCC", Reason::Clipped);
    let result = scored(&engine, images).await;
    let AiOutcome::QualityFail { faults } = &result.outcome else { panic!("{:?}", result.outcome) };
    assert_eq!(faults[0].view.map(|v| v.to_string()).as_deref(), Some("LCC"));
    assert_eq!(result.score, None);

    let mut images = four([0.9; 4]);
    images.truncate(3);
    let result = scored(&engine, images).await;
    let AiOutcome::NotProcessed(refusal) = &result.outcome else { panic!("{:?}", result.outcome) };
    assert_eq!((refusal.reason, refusal.detail.as_str()), (Reason::MissingViews, "LMLO"));

    let lateral = vec![refused_image(1, "", Reason::LateralView), refused_image(2, "", Reason::UnderAge)];
    let result = scored(&engine, lateral).await;
    let AiOutcome::NotProcessed(refusal) = &result.outcome else { panic!("{:?}", result.outcome) };
    assert_eq!(refusal.reason, Reason::UnderAge);
    assert_eq!(result.left_out.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_give_each_caller_its_own_answer_and_a_bad_image_spoils_no_other() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) = engine(
        |s| {
            s.max_batch_cpu = 8;
            s.max_wait_ms = 20;
        },
        &[],
    );
    let calls: Vec<_> = (0..64_u8)
        .map(|i| {
            let engine = Arc::clone(&engine);
            let value = if i % 16 == 7 { 2.5 } else { f32::from(i) / 64.0 };
            tokio::spawn(async move { (i, value, engine.score(vec![value; 64], Urgency::Routine).await) })
        })
        .collect();
    let mut largest = 0;
    for call in calls {
        let (i, value, answer) = call.await.expect("no panic");
        if i % 16 == 7 {
            assert!(matches!(answer, Err(InferError::Fault(_))), "{answer:?}");
        } else {
            let scored = answer.expect("a score");
            assert!((scored.output.scores[1] - value).abs() < 1e-6, "{i}: {:?}", scored.output.scores);
            largest = largest.max(scored.batch);
        }
    }
    assert!(largest > 1, "some ran together");
}

#[tokio::test]
async fn a_fixed_batch_is_filled_up_and_answers_only_what_was_asked() {
    if no_runtime() {
        return;
    }
    // The graph's batch is open; a manifest that fixes it is served by filling up.
    let (_dir, engine) = engine(|_| {}, &[("{ dynamic = { max = 8 } }", "{ fixed = 3 }")]);
    let answer = engine.score(vec![0.25; 64], Urgency::Routine).await.expect("a score");
    assert_eq!((answer.output.scores.as_slice(), answer.batch), ([0.5, 0.25].as_slice(), 1));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_a_stopped_model_says_so() {
    if no_runtime() {
        return;
    }
    let (_dir, engine) = engine(|s| s.queue_limit = 1, &[]);
    assert!(matches!(
        engine.score(vec![0.0; 63], Urgency::Routine).await,
        Err(InferError::TensorSize { expected: 64, found: 63 })
    ));
    // Enough at once that the one place of the queue is taken; those that got in are answered.
    let calls = (0..2000).map(|_| engine.score(vec![0.25; 64], Urgency::Urgent));
    let answers = futures::future::join_all(calls).await;
    let full = answers.iter().filter(|a| matches!(a, Err(InferError::QueueFull { limit: 1 }))).count();
    let scored = answers.iter().filter(|a| a.is_ok()).count();
    assert!(full > 0 && scored > 0 && full + scored == answers.len(), "{full} refused, {scored} scored");

    engine.stop();
    let error = engine.score(vec![0.25; 64], Urgency::Urgent).await.expect_err("stopped");
    assert!(matches!(error, InferError::Stopped) && error.passes());
}
