//! `doubleread doctor`: each part is proved by using it; what fails is named with its cause and the next step.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use serde_json::json;

use super::migrate::open_store;
use super::model::roles_by;
use crate::archive::{Archive, Incoming};
use crate::config::{Config, Duty};
use crate::infer::{
    CaseImage, Engine, InferError, ModelState, Registry, Roles, Urgency, score_case, self_test,
};
use crate::phantom::{BreastLesion, ChestLesion, LesionKind, StudyOptions, generate_study, probe_object};
use crate::prepare::worker::{self, Pool};
use crate::receive::send::{Target, echo, push};
use crate::vocab::{AiOutcome, Clock, FindingCode, NotProcessedReason, Pathway, Side, SystemClock};

/// Columns and rows of the images that are scored.
const CHEST_SIZE: (u32, u32) = (576, 704);
const MAMMO_SIZE: (u32, u32) = (832, 1024);
/// Age of the patients of the images that are scored, years, as far as the model was made for it.
const USUAL_AGE: f64 = 55.0;

/// Checks one part after another and counts what failed.
struct Doctor {
    failed: u32,
    passed: u32,
}

impl Doctor {
    /// Runs one check and prints its line; `next` is what to do when it fails.
    async fn check(
        &mut self,
        what: &str,
        next: &str,
        check: impl Future<Output = anyhow::Result<String>>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut out = std::io::stdout();
        match check.await {
            Ok(words) => {
                self.passed += 1;
                writeln!(out, "ok      {what}: {words} ({} ms)", started.elapsed().as_millis())?;
            }
            Err(error) => {
                self.failed += 1;
                let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
                writeln!(out, "FAILED  {what}: {}\n        next: {next}", causes.join(": "))?;
            }
        }
        Ok(())
    }
}

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let mut doctor = Doctor { failed: 0, passed: 0 };
    let d = &mut doctor;
    d.check("database", "check database.url, and that `doubleread migrate` has run", database(config))
        .await?;
    d.check("archive", "check that service.data_dir is there, writable and has space", archive(config))
        .await?;
    // Without a database, which was said above, the models are looked at as if nobody had decided anything.
    let models = Registry::start_with(config.infer.clone(), decided(config).await.unwrap_or_default());
    for pathway in Pathway::ALL {
        let what = format!("score a known {pathway} image");
        let next = "run `make runtime`, check infer.models_dir and what the model's refusal says";
        d.check(&what, next, score(config, models.as_ref(), *pathway)).await?;
    }
    if config.service.duties.contains(&Duty::Receive) {
        let next = "start `doubleread serve`, and check receive.listen, receive.ae_title and receive.sources";
        d.check("DICOM echo", next, dicom_echo(config)).await?;
        d.check("DICOM store", next, dicom_store(config)).await?;
    }
    if config.service.duties.contains(&Duty::Web) {
        d.check("pages", "start `doubleread serve`, and check http.listen", pages(config)).await?;
    }
    d.check("record", "check post.endpoint.url, its token file, and the server's own log", record(config))
        .await?;
    writeln!(std::io::stdout(), "{} passed, {} failed", doctor.passed, doctor.failed)?;
    Ok(match (doctor.failed, doctor.passed) {
        (0, _) => ExitCode::SUCCESS,
        (_, 0) => ExitCode::from(super::FAILED),
        _ => ExitCode::from(super::IN_PART),
    })
}

/// What people decided about the models.
async fn decided(config: &Config) -> anyhow::Result<Roles> {
    let store = open_store(config).await?;
    let roles = roles_by(&store, config).await;
    store.close().await;
    roles
}

async fn database(config: &Config) -> anyhow::Result<String> {
    let store = open_store(config).await?;
    let (found, known) = store.schema_version().await?;
    ensure!(found == known, "the schema is at version {found}, this program knows {known}");
    store.health(SystemClock.now()).await?;
    store.close().await;
    Ok(format!("schema {found}, a row written and read back"))
}

async fn archive(config: &Config) -> anyhow::Result<String> {
    let archive = Archive::open(config.service.data_dir.join("archive"))?;
    let checked = tokio::task::spawn_blocking(move || {
        let incoming = Incoming::open(&archive)?;
        let mut draft = incoming.begin()?;
        draft.append(&[b"doubleread doctor"])?;
        let hash = draft.seal()?.hash().to_owned();
        Ok::<_, crate::archive::ArchiveError>(hash)
    });
    let hash = checked.await.context("the check ended early")??;
    Ok(format!("a file written, synced and hashed ({})", hash.get(..8).unwrap_or_default()))
}

/// A phantom with a plain lesion goes through preparation and the model in force.
async fn score(
    config: &Config,
    models: Result<&Arc<Registry>, &InferError>,
    pathway: Pathway,
) -> anyhow::Result<String> {
    let models = models.map_err(|error| anyhow::anyhow!("{error}"))?;
    models.wait_until_loaded().await;
    for model in models.models() {
        if let ModelState::Refused(error) = &model.state {
            bail!("{} was refused: {error}", model.folder);
        }
    }
    let mut said = Vec::new();
    for engine in models.in_force(pathway)? {
        said.push(score_with(config, &engine, pathway).await?);
    }
    Ok(said.join("; "))
}

/// A phantom of an age that the model was made for.
async fn score_with(config: &Config, engine: &Engine, pathway: Pathway) -> anyhow::Result<String> {
    let scope = &engine.manifest().scope;
    let age = USUAL_AGE.min(scope.max_age_years.unwrap_or(USUAL_AGE)).max(scope.min_age_years.unwrap_or(0.0));
    // A limit of a manifest may be 5.99 years; whole years are what a phantom has.
    let age = age.clamp(0.0, 120.0).floor();
    let mut options = StudyOptions { age_years: Some(age as u32), ..StudyOptions::default() };
    match pathway {
        Pathway::Chest => {
            options.size = Some(CHEST_SIZE);
            options.chest_lesions =
                vec![ChestLesion { conspicuity: Some(1.0), ..ChestLesion::of(FindingCode::Mass) }];
        }
        Pathway::Mammo => {
            options.size = Some(MAMMO_SIZE);
            let lesion = BreastLesion { conspicuity: Some(1.0), ..BreastLesion::of(LesionKind::Spiculated) };
            options.breast_lesions = vec![(Side::Left, lesion)];
        }
    }
    let folder = std::env::temp_dir().join(format!("doubleread-doctor-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder)?;
    let decoders =
        Pool::start(config.prepare.clone(), std::env::current_exe().context("can't find this program")?);
    let mut images = Vec::new();
    for (number, instance) in generate_study(pathway, 7, &options).into_iter().enumerate() {
        let path = folder.join(format!("{number}.dcm"));
        std::fs::write(&path, instance.part10()?)?;
        let manifest = engine.manifest();
        let view = instance.phantom.kind.view().parse().ok();
        images.push(CaseImage {
            sop_instance_uid: instance.identity.sop_instance_uid.parse()?,
            content_hash: String::new(),
            view,
            prepared: decoders
                .prepare(&path, manifest.spec_for(view), &manifest.scope, worker::Urgency::Urgent)
                .await,
        });
    }
    std::fs::remove_dir_all(&folder)?;
    let result = score_case(engine, images, Urgency::Urgent, SystemClock.now()).await?;
    match &result.outcome {
        // A model of real images may well refuse a drawn one; then its own vectors are the known images.
        AiOutcome::NotProcessed(why) if why.reason == NotProcessedReason::OutOfDistribution => {
            let Some(test) = self_test(engine).await? else {
                bail!("it refuses the phantom ({}) and has no self-test vectors", why.detail)
            };
            return Ok(format!(
                "{} answers its {} self-test vectors on {} and refuses a phantom as unlike its films",
                engine.manifest().folder_name(),
                test.vectors,
                result.provider
            ));
        }
        AiOutcome::NotProcessed(why) => bail!("not processed: {} ({})", why.reason.words(), why.detail),
        AiOutcome::Normal | AiOutcome::Abnormal | AiOutcome::QualityFail { .. } => {}
    }
    Ok(format!(
        "{} {} says {} with score {:.3} on {}",
        engine.manifest().name,
        engine.manifest().version,
        result.outcome.word(),
        result.score.unwrap_or(f64::NAN),
        result.provider
    ))
}

fn target(config: &Config) -> anyhow::Result<Target> {
    let calling = match config.receive.sources.first() {
        Some(source) => source.calling_ae.clone(),
        None => "DOCTOR".parse()?,
    };
    Ok(Target::new(config.receive.listen.to_string(), config.receive.ae_title.clone(), calling))
}

async fn dicom_echo(config: &Config) -> anyhow::Result<String> {
    echo(&target(config)?).await?;
    Ok(format!("{} at {} answered", config.receive.ae_title, config.receive.listen))
}

async fn dicom_store(config: &Config) -> anyhow::Result<String> {
    let path = std::env::temp_dir().join(format!("doubleread-probe-{}.dcm", uuid::Uuid::new_v4()));
    std::fs::write(&path, probe_object()?)?;
    let sent = push(&target(config)?, std::slice::from_ref(&path), &|_| {}).await;
    std::fs::remove_file(&path)?;
    match sent?.first() {
        Some(one) if one.outcome.is_stored() => Ok("a probe object was stored (it makes no case)".to_owned()),
        Some(one) => bail!("the probe object was not stored: {:?}", one.outcome),
        None => bail!("nothing was sent"),
    }
}

async fn pages(config: &Config) -> anyhow::Result<String> {
    let client = crate::post::client(&config.post.endpoint)?;
    let address = format!("http://{}/health/ready", config.http.listen);
    let answer = client.get(&address).send().await?;
    ensure!(answer.status().is_success(), "{address} answered {}", answer.status());
    Ok(format!("{address} is ready"))
}

/// An empty transaction: the whole way to the record, with nothing to keep.
async fn record(config: &Config) -> anyhow::Result<String> {
    let endpoint = &config.post.endpoint;
    if endpoint.url.is_empty() {
        return Ok("post.endpoint.url is empty: results wait in the outbox".to_owned());
    }
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction" });
    crate::post::deliver(&crate::post::client(endpoint)?, endpoint, &bundle, "doctor").await?;
    Ok(format!("{} accepted an empty transaction", endpoint.url))
}
