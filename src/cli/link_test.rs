//! The way of a test image through this service: echo, store, row, preparation, score.
//!
//! In: the parts of a running service. Out: what came of each phase. The study is named in the database before it is sent,
//! so that it makes no case; nothing is recorded of its score.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::archive::Archive;
use crate::http::{LinkPhase, LinkTest};
use crate::infer::{CaseImage, Engine, Registry, Urgency, score_case};
use crate::phantom::{GeneratedInstance, StudyOptions, generate_study};
use crate::prepare::Prepared;
use crate::prepare::worker::{self, Pool};
use crate::receive;
use crate::receive::send::{Target, echo, push};
use crate::store::Store;
use crate::vocab::{AiOutcome, Clock, NotProcessed, Pathway, SopInstanceUid};

/// Columns and rows of the test image.
const SIZE: (u32, u32) = (576, 704);
/// Age of who is drawn, as far as the model was made for it.
const USUAL_AGE: f64 = 55.0;
/// Longest time for one phase, in milliseconds.
const PATIENCE_MS: u64 = 6_000;
/// Names of the phases, in their order.
const PHASES: [&str; 5] = ["Echo", "Push", "Stored", "Preparation", "AI"];

/// A way to test this service.
pub(super) struct OwnLink {
    pub store: Store,
    pub archive: Archive,
    pub decoders: Arc<Pool>,
    /// The models of this process, where it has the duty to work.
    pub models: Option<Arc<Registry>>,
    pub clock: Arc<dyn Clock>,
    pub receive: receive::Settings,
    /// Where this process listens for associations.
    pub port: std::net::SocketAddr,
}

impl LinkTest for OwnLink {
    fn run(&self) -> Pin<Box<dyn Future<Output = Vec<LinkPhase>> + Send + '_>> {
        Box::pin(self.go())
    }
}

/// What the phases hand on.
#[derive(Default)]
struct Walk {
    phases: Vec<LinkPhase>,
    failed: bool,
}

impl Walk {
    /// One phase, unless one before it has failed.
    async fn phase<T>(&mut self, step: impl Future<Output = anyhow::Result<(String, T)>>) -> Option<T> {
        let name = PHASES.get(self.phases.len()).copied().unwrap_or("More");
        if self.failed {
            let words = "not tried".to_owned();
            self.phases.push(LinkPhase { name, passed: None, words, milliseconds: 0 });
            return None;
        }
        let began = Instant::now();
        let patience = Duration::from_millis(PATIENCE_MS);
        let came = match tokio::time::timeout(patience, step).await {
            Ok(came) => came,
            Err(_) => Err(anyhow::anyhow!("no answer within {} seconds", PATIENCE_MS / 1_000)),
        };
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (passed, words, made) = match came {
            Ok((words, made)) => (true, words, Some(made)),
            Err(error) => {
                let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
                (false, causes.join(": "), None)
            }
        };
        self.failed |= !passed;
        self.phases.push(LinkPhase { name, passed: Some(passed), words, milliseconds });
        made
    }
}

impl OwnLink {
    async fn go(&self) -> Vec<LinkPhase> {
        let mut walk = Walk::default();
        let target = walk.phase(self.greet()).await;
        let engine = self.engine();
        let age = engine.as_ref().map_or(USUAL_AGE, |engine| {
            let scope = &engine.manifest().scope;
            USUAL_AGE.min(scope.max_age_years.unwrap_or(USUAL_AGE)).max(scope.min_age_years.unwrap_or(0.0))
        });
        let sent = walk.phase(self.send(target, age)).await;
        let kept = walk.phase(self.row(sent)).await;
        let prepared = walk.phase(self.prepare(kept, engine.as_deref())).await;
        walk.phase(self.score(prepared, engine.as_deref())).await;
        walk.phases
    }

    async fn greet(&self) -> anyhow::Result<(String, Target)> {
        let loopback = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let may_call = |source: &&receive::settings::Source| {
            source.addresses.is_empty() || source.addresses.iter().any(|range| range.holds(loopback))
        };
        let calling = match self.receive.sources.iter().find(may_call) {
            Some(source) => source.calling_ae.clone(),
            None if self.receive.accepts_unknown() => "LINKTEST".parse()?,
            None => bail!(
                "no source of the allow-list may call from this machine: add one with address 127.0.0.1 to receive.sources"
            ),
        };
        let address = match self.port.ip().is_unspecified() {
            true => std::net::SocketAddr::new(loopback, self.port.port()),
            false => self.port,
        };
        let mut target = Target::new(address.to_string(), self.receive.ae_title.clone(), calling);
        (target.attempts, target.timeout_ms) = (1, PATIENCE_MS);
        echo(&target).await.context("the DICOM port did not answer an echo")?;
        Ok((format!("{} answered", self.receive.ae_title), target))
    }

    async fn send(
        &self,
        target: Option<Target>,
        age: f64,
    ) -> anyhow::Result<(String, (SopInstanceUid, GeneratedInstance))> {
        let target = target.context("there is nowhere to send to")?;
        let (film, bytes) = tokio::task::spawn_blocking(move || drawn(age)).await??;
        self.store
            .expect_link_test(&film.identity.study.study_instance_uid.parse()?, self.clock.now())
            .await?;
        let path: PathBuf =
            std::env::temp_dir().join(format!("doubleread-link-{}.dcm", uuid::Uuid::new_v4()));
        tokio::fs::write(&path, &bytes).await.context("the test image can't be written")?;
        let sent = push(&target, std::slice::from_ref(&path), &|_| {}).await;
        tokio::fs::remove_file(&path).await?;
        let sent = sent?;
        let one = sent.first().context("nothing was sent")?;
        if !one.outcome.is_stored() {
            bail!("the receiver did not take it: {:?}", one.outcome);
        }
        let uid = film.identity.sop_instance_uid.parse()?;
        Ok((format!("a test image of {} kB was taken", bytes.len() / 1_000), (uid, film)))
    }

    async fn row(
        &self,
        sent: Option<(SopInstanceUid, GeneratedInstance)>,
    ) -> anyhow::Result<(String, (PathBuf, SopInstanceUid))> {
        let (uid, _) = sent.context("nothing was sent")?;
        let instance = self.store.instance(&uid).await?.context("there is no row of it in the database")?;
        let path = self.archive.path_of(&instance.content_hash)?;
        let size = tokio::fs::metadata(&path).await.context("its file is not in the archive")?.len();
        if size != instance.size_bytes {
            bail!("its file has {size} bytes, its row says {}", instance.size_bytes);
        }
        Ok(("its row is in the database, its file in the archive".to_owned(), (path, uid)))
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        self.models.as_ref()?.in_force(Pathway::Chest).ok()?.into_iter().next()
    }

    async fn prepare(
        &self,
        kept: Option<(PathBuf, SopInstanceUid)>,
        engine: Option<&Engine>,
    ) -> anyhow::Result<(String, (SopInstanceUid, Option<Result<Prepared, NotProcessed>>))> {
        let (path, uid) = kept.context("nothing was kept")?;
        let Some(engine) = engine else {
            // Without a model the pixels are decoded as for a reader.
            let frame = self.decoders.raw_frame(&path, 1, worker::Urgency::Urgent).await?;
            let size = format!("{} x {}", frame.attributes.columns, frame.attributes.rows);
            return Ok((format!("its pixels were decoded ({size})"), (uid, None)));
        };
        let manifest = engine.manifest();
        let prepared = self
            .decoders
            .prepare(&path, manifest.spec_for(None), &manifest.scope, worker::Urgency::Urgent)
            .await;
        match &prepared {
            Ok(_) => Ok(("its pixels were decoded and made ready".to_owned(), (uid, Some(prepared)))),
            Err(refusal) => bail!("{} ({})", refusal.reason.words(), refusal.detail),
        }
    }

    async fn score(
        &self,
        prepared: Option<(SopInstanceUid, Option<Result<Prepared, NotProcessed>>)>,
        engine: Option<&Engine>,
    ) -> anyhow::Result<(String, ())> {
        let (uid, prepared) = prepared.context("nothing was prepared")?;
        let (Some(engine), Some(prepared)) = (engine, prepared) else {
            bail!("no model for chest images is loaded here: people read without the AI");
        };
        let image = CaseImage { sop_instance_uid: uid, content_hash: String::new(), view: None, prepared };
        let result = score_case(engine, vec![image], Urgency::Urgent, self.clock.now()).await?;
        let name = format!("{} {}", engine.manifest().name, engine.manifest().version);
        match &result.outcome {
            AiOutcome::Normal | AiOutcome::Abnormal => Ok((format!("{name} gave a score"), ())),
            // A refusal in time is an answer: a model of real images may well refuse a drawn one.
            AiOutcome::NotProcessed(why) => Ok((format!("{name} answered: {}", why.reason.words()), ())),
            AiOutcome::QualityFail { .. } => Ok((format!("{name} answered: image quality"), ())),
        }
    }
}

/// A chest film of nobody, with identifiers that nobody can know before.
fn drawn(age: f64) -> anyhow::Result<(GeneratedInstance, Vec<u8>)> {
    let options = StudyOptions {
        size: Some(SIZE),
        normal: Some(true),
        // A limit of a manifest may be 5.99 years; whole years are what a drawing has.
        age_years: Some(age.clamp(0.0, 120.0).floor() as u32),
        ..StudyOptions::default()
    };
    let mut film = generate_study(Pathway::Chest, 7, &options).into_iter().next().context("no film")?;
    let fresh = || format!("2.25.{}", uuid::Uuid::new_v4().as_u128());
    film.identity.study.study_instance_uid = fresh();
    film.identity.series_instance_uid = fresh();
    film.identity.sop_instance_uid = fresh();
    film.identity.study.patient_name = "SYNTHETIC^LINK TEST".to_owned();
    film.identity.study.patient_id = "SYN-LINK-TEST".to_owned();
    film.identity.study.accession_number = "SYNLINKTEST".to_owned();
    let bytes = film.part10()?;
    Ok((film, bytes))
}
