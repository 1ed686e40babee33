//! The `score` job: the images of a case, prepared and scored, become an AI result of that case.

use std::sync::Arc;
use std::time::Instant;

use futures::future::join_all;

use super::{Pipeline, StageError};
use crate::archive::Archive;
use crate::infer::{self, Engine, InferError, Recogniser, Urgency};
use crate::prepare::Prepared;
use crate::prepare::worker::{self, Pool};
use crate::reading::{Actor, Command, Refusal};
use crate::store::{Store, StoredCase};
use crate::vocab::{
    AiOutcome, AiResult, CaseId, Instance, MammoView, NotProcessed, NotProcessedReason, Pathway,
    SopInstanceUid, Timestamp,
};

/// What it takes to prepare and score the images of a case.
#[derive(Clone)]
pub struct Scorer {
    /// The database.
    pub store: Store,
    /// The stored objects.
    pub archive: Archive,
    /// The child processes that decode.
    pub decoders: Arc<Pool>,
}

impl Scorer {
    /// What this model says of a case; nothing is recorded.
    pub async fn score(
        &self,
        engine: &Engine,
        case: &StoredCase,
        at: Timestamp,
    ) -> Result<AiResult, StageError> {
        self.score_with(engine, case, at, urgency_of(case), None).await
    }

    /// The same, and views and sides are held against their tags on the way. What disagrees is kept as a notice; it has
    /// no part in the result.
    async fn score_and_look(
        &self,
        engine: &Engine,
        case: &StoredCase,
        at: Timestamp,
        recogniser: &Recogniser,
    ) -> Result<AiResult, StageError> {
        match recogniser.engine().await {
            Some(looking) => {
                self.score_with(engine, case, at, urgency_of(case), Some((recogniser, &looking))).await
            }
            None => self.score(engine, case, at).await,
        }
    }

    /// The same after all other work.
    pub async fn score_in_background(
        &self,
        engine: &Engine,
        case: &StoredCase,
        at: Timestamp,
    ) -> Result<AiResult, StageError> {
        self.score_with(engine, case, at, Urgency::Background, None).await
    }

    async fn score_with(
        &self,
        engine: &Engine,
        case: &StoredCase,
        at: Timestamp,
        urgency: Urgency,
        recogniser: Option<(&Recogniser, &Engine)>,
    ) -> Result<AiResult, StageError> {
        let haste = match urgency {
            Urgency::Urgent => worker::Urgency::Urgent,
            Urgency::Routine | Urgency::Background => worker::Urgency::Routine,
        };
        let began = Instant::now();
        let also = recogniser.map(|(_, looking)| looking);
        let (images, looks): (Vec<_>, Vec<_>) =
            self.images_and_looks(engine, also, case, haste).await?.into_iter().unzip();
        metrics::histogram!("doubleread_stage_seconds", "stage" => "prepare")
            .record(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let scoring = async {
            infer::score_case(engine, images, urgency, at).await.map_err(|error| match error {
                error if error.passes() => StageError::NotYet(error.to_string()),
                error => StageError::Infer(error),
            })
        };
        let looking = async {
            match recogniser {
                Some(recogniser) => self.look(recogniser, case, looks, urgency, at).await,
                None => Ok(()),
            }
        };
        let (result, ()) = tokio::try_join!(scoring, looking)?;
        metrics::histogram!("doubleread_stage_seconds", "stage" => "infer")
            .record(began.elapsed().as_secs_f64());
        Ok(result)
    }

    /// Holds images that were prepared for the recogniser against their tags, and keeps what disagrees.
    async fn look(
        &self,
        (recogniser, looking): (&Recogniser, &Engine),
        case: &StoredCase,
        looks: Vec<Option<Look>>,
        urgency: Urgency,
        at: Timestamp,
    ) -> Result<(), StageError> {
        let comparing = looks.into_iter().flatten().map(|look| async move {
            // What the recogniser was not made for, it is silent about.
            let prepared = look.prepared.ok()?;
            recogniser.compare(looking, (&look.sop_instance_uid, look.tagged), prepared, urgency).await
        });
        let found: Vec<_> = join_all(comparing).await.into_iter().flatten().collect();
        if found.is_empty() {
            return Ok(());
        }
        metrics::counter!("doubleread_view_disagreements_total").increment(found.len() as u64);
        let (study, sha256) = (&case.state.set.study_instance_uid, &looking.manifest().sha256);
        Ok(self.store.keep_view_disagreements(study, &found, sha256, at).await?)
    }

    /// The images of a case, prepared for a model.
    pub(super) async fn images(
        &self,
        engine: &Engine,
        case: &StoredCase,
        haste: worker::Urgency,
    ) -> Result<Vec<infer::CaseImage>, StageError> {
        let images = self.images_and_looks(engine, None, case, haste).await?;
        Ok(images.into_iter().map(|(image, _)| image).collect())
    }

    /// The same, each also prepared for the recogniser, from the same pixels, where its tags say which view it is.
    async fn images_and_looks(
        &self,
        engine: &Engine,
        looking: Option<&Engine>,
        case: &StoredCase,
        haste: worker::Urgency,
    ) -> Result<Vec<(infer::CaseImage, Option<Look>)>, StageError> {
        let set = &case.state.set;
        let instances = self.store.instances_of_study(&set.study_instance_uid).await?;
        let manifest = engine.manifest();
        join_all(set.images.iter().map(|image| {
            let instance = instances.iter().find(|i| i.sop_instance_uid == image.sop_instance_uid);
            async move {
                let instance: &Instance = instance.ok_or(StageError::Gone("instance"))?;
                let path = self.archive.path_of(&instance.content_hash).map_err(StageError::Archive)?;
                let mut wanted = vec![(manifest.spec_for(image.view), &manifest.scope)];
                let looked = looking.map(|looking| looking.manifest()).zip(image.view);
                wanted.extend(looked.map(|(looking, view)| (looking.spec_for(Some(view)), &looking.scope)));
                let mut answers = self.decoders.prepare_for(&path, &wanted, haste).await.into_iter();
                let prepared = answers.next().ok_or(StageError::Gone("prepared image"))?;
                let look = looked.zip(answers.next()).map(|((_, tagged), prepared)| Look {
                    sop_instance_uid: image.sop_instance_uid.clone(),
                    tagged,
                    prepared,
                });
                let image = infer::CaseImage {
                    sop_instance_uid: image.sop_instance_uid.clone(),
                    content_hash: instance.content_hash.clone(),
                    view: image.view,
                    prepared,
                };
                Ok::<_, StageError>((image, look))
            }
        }))
        .await
        .into_iter()
        .collect()
    }
}

/// An image as the recogniser is to see it.
struct Look {
    sop_instance_uid: SopInstanceUid,
    /// What its tags say.
    tagged: MammoView,
    prepared: Result<Prepared, NotProcessed>,
}

fn urgency_of(case: &StoredCase) -> Urgency {
    if case.state.set.urgent { Urgency::Urgent } else { Urgency::Routine }
}

impl Pipeline {
    /// Scores a case and records the result; a case that has one, or was superseded, is left alone.
    pub(super) async fn score(&self, case_id: CaseId) -> Result<(), StageError> {
        let case = self.store.case(case_id).await?.ok_or(StageError::Gone("case"))?;
        if case.state.superseded_by.is_some() || case.state.ai.is_some() {
            return Ok(());
        }
        let study =
            self.store.study(&case.state.set.study_instance_uid).await?.ok_or(StageError::Gone("study"))?;
        if study.hold.is_some() {
            // Scored once a person has released the study: its assembly asks for it again.
            return Ok(());
        }
        let result = self.result_of(&case).await?;
        let (provider, outcome) = (result.provider.clone(), result.outcome.word());
        let actor = Actor::Ai { model: result.model.clone() };
        let command = Command::RecordAi { result: Box::new(result.clone()) };
        match self.act(case_id, command, &actor).await {
            // Another worker was faster, or newer images took the case's place: nothing is owed any more.
            Err(StageError::Refused(Refusal::AiAlreadyResulted | Refusal::Superseded { .. })) => {
                return Ok(());
            }
            outcome => outcome?,
        }
        // Where no model ran there is no provider.
        let provider = if provider.is_empty() { "none".to_owned() } else { provider };
        metrics::counter!("doubleread_ai_results_total", "provider" => provider, "outcome" => outcome)
            .increment(1);
        self.ask_places(&case, &result).await?;
        self.ask_shadows(&case).await
    }

    async fn result_of(&self, case: &StoredCase) -> Result<AiResult, StageError> {
        match self.models.in_force(case.state.set.pathway) {
            Ok(engines) => self.first_that_scores(&engines, case).await,
            Err(error) if !self.models.is_loaded() => Err(StageError::NotYet(error.to_string())),
            Err(error) => {
                tracing::error!(case.id = %case.state.case_id, %error, "no model for this case");
                metrics::counter!("doubleread_model_not_available_total").increment(1);
                let reason = NotProcessedReason::ModelNotAvailable;
                Ok(AiResult::not_processed(reason, error.to_string(), self.clock.now()))
            }
        }
    }

    /// What the first model says that scores the case; where none does, the reason that came nearest to being scored.
    /// A model that was made for others refuses by the tags, before anything is decoded.
    async fn first_that_scores(
        &self,
        engines: &[Arc<Engine>],
        case: &StoredCase,
    ) -> Result<AiResult, StageError> {
        let mut nearest: Option<(u8, AiResult)> = None;
        // Looked at once, beside the first model.
        let mut recogniser = self.recogniser.as_ref().filter(|_| case.state.set.pathway == Pathway::Mammo);
        for engine in engines {
            let now = self.clock.now();
            let result = match recogniser.take() {
                Some(recogniser) => self.scorer().score_and_look(engine, case, now, recogniser).await?,
                None => self.scorer().score(engine, case, now).await?,
            };
            let AiOutcome::NotProcessed(why) = &result.outcome else { return Ok(result) };
            let distance = infer::distance_from_scored(why.reason);
            if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
                nearest = Some((distance, result));
            }
        }
        nearest.map(|(_, result)| result).ok_or(StageError::Gone("model"))
    }

    pub(super) fn scorer(&self) -> Scorer {
        Scorer {
            store: self.store.clone(),
            archive: self.archive.clone(),
            decoders: Arc::clone(&self.decoders),
        }
    }
}

impl From<InferError> for StageError {
    fn from(error: InferError) -> Self {
        StageError::Infer(error)
    }
}
