//! One case: its prepared images to an AI result.
//!
//! In: what preparation gave for every image of the case, tensors or refusals. Out: the
//! [`AiResult`] with the model, the thresholds, the inputs and what really ran. An error only
//! where trying again may help; a fault of the model is a result (`not_processed`).

use futures::future::join_all;

use super::aggregate::{self, Conclusion, ReadView};
use super::calibrate::NoScore;
use super::coverage::{self, LeftOut};
use super::engine::{Engine, Scored};
use super::error::InferError;
use super::exam::{self, Exam};
use super::graph::RawOutput;
use super::manifest_graph::Unit;
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
    result.preprocessing = engine.manifest().preprocessing();
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
    let refused = coverage::refuse(&engine.manifest().needed_views(), &usable, &left_out);
    if let Some(outcome) = refused {
        result.left_out = refusals(left_out);
        result.outcome = outcome;
        return Ok(result);
    }
    let ready = Ready { images: ready, left_out };
    let concluded = match engine.manifest().graph.unit() {
        Unit::Image => images_alone(engine, &mut result, ready, urgency).await?,
        Unit::Exam => exam_together(engine, &mut result, ready, urgency).await?,
    };
    let conclusion = match concluded {
        Ok(conclusion) => conclusion,
        Err(outcome) => {
            result.outcome = outcome;
            return Ok(result);
        }
    };
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

/// The images of a case that can be scored, and those that can't.
struct Ready {
    images: Vec<(SopInstanceUid, Option<MammoView>, Prepared)>,
    left_out: Vec<LeftOut>,
}

/// Scores each image by itself; the reason where the case comes to nothing.
async fn images_alone(
    engine: &Engine,
    result: &mut AiResult,
    ready: Ready,
    urgency: Urgency,
) -> Result<Result<Conclusion, AiOutcome>, InferError> {
    let Ready { images, mut left_out } = ready;
    let runs = images.into_iter().map(|(uid, view, prepared)| async move {
        let Prepared { tensor, mapping, .. } = prepared;
        (uid, view, mapping, engine.score(tensor, urgency).await)
    });
    let mut read = Vec::new();
    for (uid, view, mapping, scored) in join_all(runs).await {
        match read_image(engine, result, (uid.clone(), view, mapping), scored)? {
            Ok(image) => match strange(engine, image.distance) {
                None => read.push(image),
                Some(refusal) => left_out.push(LeftOut { sop_instance_uid: uid, view, refusal }),
            },
            Err(refusal) => {
                say_unusable(engine, &refusal);
                result.left_out = refusals(left_out);
                result.left_out.push((uid, refusal.clone()));
                return Ok(Err(AiOutcome::NotProcessed(refusal)));
            }
        }
    }
    // An image that turned out to be strange is left out like one that was refused before.
    let usable: Vec<Option<MammoView>> = read.iter().map(|image| image.view).collect();
    let refused = coverage::refuse(&engine.manifest().needed_views(), &usable, &left_out);
    result.left_out = refusals(left_out);
    if let Some(outcome) = refused {
        return Ok(Err(outcome));
    }
    Ok(Ok(aggregate::conclude(engine.manifest(), engine.manifest().active_point()?, &read)))
}

/// Scores the views of an exam in one run.
async fn exam_together(
    engine: &Engine,
    result: &mut AiResult,
    ready: Ready,
    urgency: Urgency,
) -> Result<Result<Conclusion, AiOutcome>, InferError> {
    let manifest = engine.manifest();
    let (exam, unseated) = Exam::assemble(manifest, ready.images);
    result.left_out = refusals(ready.left_out);
    result.left_out.extend(unseated);
    let Exam { tensor, seats } = exam;
    if let Some(refusal) = exam::lacks(manifest, &seats) {
        return Ok(Err(AiOutcome::NotProcessed(refusal)));
    }
    let scored = engine.score(tensor, urgency).await;
    let read = match answer_of(result, scored)? {
        Ok(output) => match strange(engine, output.distance.map(f64::from)) {
            Some(refusal) => Err(refusal),
            None => exam::conclude(manifest, manifest.active_point()?, &seats, output).map_err(no_score),
        },
        Err(refusal) => Err(refusal),
    };
    match read {
        Ok(conclusion) => Ok(Ok(conclusion)),
        Err(refusal) => {
            if refusal.reason != NotProcessedReason::OutOfDistribution {
                say_unusable(engine, &refusal);
            }
            let seated = seats.iter().flatten();
            result.left_out.extend(seated.map(|seat| (seat.sop_instance_uid.clone(), refusal.clone())));
            Ok(Err(AiOutcome::NotProcessed(refusal)))
        }
    }
}

/// The alarm: a model that runs and gives nothing that can be used.
fn say_unusable(engine: &Engine, refusal: &NotProcessed) {
    metrics::counter!("doubleread_infer_unusable_scores_total", "reason" => refusal.reason.code())
        .increment(1);
    tracing::error!(model = %engine.manifest().folder_name(), reason = %refusal.reason, detail = refusal.detail, "the model gave no usable score; the case goes on without it");
}

fn refusals(left_out: Vec<LeftOut>) -> Vec<(SopInstanceUid, NotProcessed)> {
    left_out.into_iter().map(|l| (l.sop_instance_uid, l.refusal)).collect()
}

/// Why an image, or an exam, is too unlike those that the model was made from, if it is.
pub(super) fn strange(engine: &Engine, distance: Option<f64>) -> Option<NotProcessed> {
    let limit = engine.manifest().out_of_distribution.as_ref()?;
    let distance = distance.unwrap_or(f64::NAN);
    if distance <= limit.refuse_above {
        return None;
    }
    metrics::counter!("doubleread_infer_strange_images_total", "model" => engine.manifest().folder_name())
        .increment(1);
    let refuse_above = limit.refuse_above;
    Some(NotProcessed {
        reason: NotProcessedReason::OutOfDistribution,
        detail: refused_words(distance, refuse_above),
    })
}

/// Both numbers with as few digits as tell them apart, two at least: never `0.69, refuses above 0.69`.
fn refused_words(distance: f64, refuse_above: f64) -> String {
    let words = |digits: usize| (format!("{distance:.digits$}"), format!("{refuse_above:.digits$}"));
    let told = (2..=17).map(words).find(|(distance, limit)| distance != limit);
    let (distance, limit) = told.unwrap_or_else(|| words(2));
    format!("distance {distance}, the model refuses above {limit}")
}

/// One image's numbers, or why it has none; an error where trying again may help.
fn read_image(
    engine: &Engine,
    result: &mut AiResult,
    (uid, view, mapping): (SopInstanceUid, Option<MammoView>, PixelMapping),
    scored: Result<Scored, InferError>,
) -> Result<Result<ReadView, NotProcessed>, InferError> {
    let output = match answer_of(result, scored)? {
        Ok(output) => output,
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(aggregate::read_view(engine.manifest(), uid, view, mapping, output).map_err(no_score))
}

/// What left the graph, or the fault of the model; an error where trying again may help.
fn answer_of(
    result: &mut AiResult,
    scored: Result<Scored, InferError>,
) -> Result<Result<RawOutput, NotProcessed>, InferError> {
    match scored {
        Ok(scored) => {
            result.infer_ms += scored.infer_ms / scored.batch.max(1) as f64;
            Ok(Ok(scored.output))
        }
        Err(error) if error.passes() => Err(error),
        Err(error) => {
            Ok(Err(NotProcessed { reason: NotProcessedReason::ModelFault, detail: error.to_string() }))
        }
    }
}

fn no_score(none: NoScore) -> NotProcessed {
    match none {
        NoScore::NonFinite => NotProcessed {
            reason: NotProcessedReason::NonFiniteScore,
            detail: "a score is no number, or infinite".into(),
        },
        NoScore::OutOfRange => NotProcessed {
            reason: NotProcessedReason::ModelFault,
            detail: "a score that should be a probability is not between 0 and 1".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::refused_words;

    #[test]
    fn a_distance_just_above_the_limit_is_told_apart_from_it() {
        let says = |distance, limit: &str| format!("distance {distance}, the model refuses above {limit}");
        assert_eq!(refused_words(1.234, 0.6851), says("1.23", "0.69"));
        assert_eq!(refused_words(0.6893, 0.6851), says("0.689", "0.685"));
        assert_eq!(refused_words(0.685_100_000_1, 0.6851), says("0.6851000001", "0.6851000000"));
        assert_eq!(refused_words(f64::NAN, 0.6851), says("NaN", "0.69"));
    }
}
