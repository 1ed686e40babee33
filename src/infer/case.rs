//! One case: its prepared images to an AI result.
//!
//! In: what preparation gave for every image of the case, tensors or refusals. Out: the
//! [`AiResult`] with the model, the thresholds, the inputs and what really ran. An error only
//! where trying again may help; a fault of the model is a result (`not_processed`).

use futures::future::join_all;

use super::aggregate::{self, ReadView};
use super::calibrate::NoScore;
use super::coverage::{self, LeftOut};
use super::engine::{Engine, Scored};
use super::error::InferError;
use super::queue::Urgency;
use crate::prepare::{PixelMapping, Prepared};
use crate::vocab::{
    AiOutcome, AiResult, InputImage, MammoView, NotProcessed, NotProcessedReason, SopInstanceUid, Timestamp,
};

/// One image of a case, as preparation left it.
#[derive(Debug, Clone)]
pub struct CaseImage {
    /// Which instance.
    pub sop_instance_uid: SopInstanceUid,
    /// BLAKE3 of its stored bytes, hexadecimal.
    pub content_hash: String,
    /// Its view, on the mammogram pathway.
    pub view: Option<MammoView>,
    /// The tensor by this model's input specification and scope, or the reason that there is none.
    pub prepared: Result<Prepared, NotProcessed>,
}

/// Scores a case.
///
/// Errors: those that pass ([`InferError::passes`]); whatever else goes wrong is in the result.
pub async fn score_case(
    engine: &Engine,
    images: Vec<CaseImage>,
    urgency: Urgency,
    at: Timestamp,
) -> Result<AiResult, InferError> {
    let mut result = AiResult::not_processed(NotProcessedReason::ModelFault, "", at);
    result.model = Some(engine.stamp());
    result.preprocessing = engine.manifest().input.preprocessing.clone();
    result.provider = engine.provider().code().into();

    let mut ready = Vec::new();
    let mut left_out = Vec::new();
    for image in images {
        let CaseImage { sop_instance_uid, content_hash, view, prepared } = image;
        match prepared {
            Ok(prepared) => {
                let timings = &prepared.timings;
                result.prepare_ms += timings.parse_ms + timings.decode_ms + timings.transform_ms;
                result.inputs.push(InputImage { sop_instance_uid: sop_instance_uid.clone(), content_hash });
                ready.push((sop_instance_uid, view, prepared));
            }
            Err(refusal) => left_out.push(LeftOut { sop_instance_uid, view, refusal }),
        }
    }
    let usable: Vec<Option<MammoView>> = ready.iter().map(|(_, view, _)| *view).collect();
    let refused = coverage::refuse(&engine.manifest().required_views, &usable, &left_out);
    if let Some(outcome) = refused {
        result.left_out = refusals(left_out);
        result.outcome = outcome;
        return Ok(result);
    }
    let runs = ready.into_iter().map(|(uid, view, prepared)| async move {
        let Prepared { tensor, mapping, .. } = prepared;
        (uid, view, mapping, engine.score(tensor, urgency).await)
    });
    let mut read = Vec::new();
    for (uid, view, mapping, scored) in join_all(runs).await {
        match read_image(engine, &mut result, (uid.clone(), view, mapping), scored)? {
            Ok(image) => match strange(engine, &image) {
                None => read.push(image),
                Some(refusal) => left_out.push(LeftOut { sop_instance_uid: uid, view, refusal }),
            },
            Err(refusal) => {
                metrics::counter!("doubleread_infer_unusable_scores_total", "reason" => refusal.reason.code())
                    .increment(1);
                tracing::error!(model = %engine.manifest().folder_name(), reason = %refusal.reason, detail = refusal.detail, "the model gave no usable score; the case goes on without it");
                result.outcome = AiOutcome::NotProcessed(refusal.clone());
                result.left_out = refusals(left_out);
                result.left_out.push((uid, refusal));
                return Ok(result);
            }
        }
    }
    // An image that turned out to be strange is left out like one that was refused before.
    let usable: Vec<Option<MammoView>> = read.iter().map(|image| image.view).collect();
    let refused = coverage::refuse(&engine.manifest().required_views, &usable, &left_out);
    result.left_out = refusals(left_out);
    if let Some(outcome) = refused {
        result.outcome = outcome;
        return Ok(result);
    }
    let point = engine.manifest().active_point()?;
    let conclusion = aggregate::conclude(engine.manifest(), point, &read);
    result.outcome = conclusion.outcome;
    result.score = Some(conclusion.score);
    result.threshold = Some(conclusion.threshold);
    result.findings = conclusion.findings;
    result.breasts = conclusion.breasts;
    result.views = conclusion.views;
    result.regions = conclusion.regions;
    result.heat_maps = conclusion.heat_maps;
    metrics::counter!(
        "doubleread_infer_results_total",
        "model" => engine.manifest().folder_name(), "provider" => result.provider.clone(), "result" => result.outcome.word()
    )
    .increment(1);
    Ok(result)
}

fn refusals(left_out: Vec<LeftOut>) -> Vec<(SopInstanceUid, NotProcessed)> {
    left_out.into_iter().map(|l| (l.sop_instance_uid, l.refusal)).collect()
}

/// Why an image is too unlike those that the model was made from, if it is.
fn strange(engine: &Engine, image: &ReadView) -> Option<NotProcessed> {
    let limit = engine.manifest().out_of_distribution.as_ref()?;
    let distance = image.distance.unwrap_or(f64::NAN);
    if distance <= limit.refuse_above {
        return None;
    }
    metrics::counter!("doubleread_infer_strange_images_total", "model" => engine.manifest().folder_name())
        .increment(1);
    let refuse_above = limit.refuse_above;
    Some(NotProcessed {
        reason: NotProcessedReason::OutOfDistribution,
        detail: format!("distance {distance:.2}, the model refuses above {refuse_above:.2}"),
    })
}

/// One image's numbers, or why it has none; an error where trying again may help.
fn read_image(
    engine: &Engine,
    result: &mut AiResult,
    (uid, view, mapping): (SopInstanceUid, Option<MammoView>, PixelMapping),
    scored: Result<Scored, InferError>,
) -> Result<Result<ReadView, NotProcessed>, InferError> {
    let scored = match scored {
        Ok(scored) => scored,
        Err(error) if error.passes() => return Err(error),
        Err(error) => {
            return Ok(Err(NotProcessed {
                reason: NotProcessedReason::ModelFault,
                detail: error.to_string(),
            }));
        }
    };
    result.infer_ms += scored.infer_ms / scored.batch.max(1) as f64;
    let read = aggregate::read_view(engine.manifest(), uid, view, mapping, scored.output);
    Ok(read.map_err(|none| match none {
        NoScore::NonFinite => NotProcessed {
            reason: NotProcessedReason::NonFiniteScore,
            detail: "a score is no number, or infinite".into(),
        },
        NoScore::OutOfRange => NotProcessed {
            reason: NotProcessedReason::ModelFault,
            detail: "a score that should be a probability is not between 0 and 1".into(),
        },
    }))
}
