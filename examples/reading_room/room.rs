//! The room: store, archive, receiver and pages, all on free ports.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use doubleread::archive::{Archive, Incoming};
use doubleread::http::{self, AppState, Parts};
use doubleread::pipeline::StoreRegister;
use doubleread::prepare::worker::Pool;
use doubleread::receive::{self, Receiver};
use doubleread::store::{Store, sqlite_url};
use doubleread::vocab::{Clock, FixedClock, Pathway};
use tokio_util::sync::CancellationToken;

/// When the room opens.
const OPENS_AT: &str = "2026-03-02T09:00:00.000Z";
/// How often the clock is moved on, in milliseconds.
const TICK_MS: u64 = 50;

/// A running room.
pub struct Room {
    pub store: Store,
    pub clock: FixedClock,
    /// Address of the pages.
    pub base: String,
    /// Address of the DICOM port.
    pub receiver: String,
    pub folder: tempfile::TempDir,
}

impl Room {
    /// Opens it. `READING_ROOM_DEAD_MS`: how long buttons stay dead after a case has loaded; `READING_ROOM_PACE`: how many
    /// times faster than the machine's the room's clock runs.
    pub async fn open() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let clock = FixedClock::at(OPENS_AT.parse()?);
        let store = Store::open(&sqlite_url(&folder.path().join("room.db")), Default::default()).await?;
        store.migrate(clock.now()).await?;
        let archive = Archive::open(folder.path().join("archive"))?;
        let receiver = receiver(&archive, &store, &clock)?;
        let settings = http::Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            dead_time_ms: number("READING_ROOM_DEAD_MS", http::Settings::default().dead_time_ms)?,
            ..http::Settings::default()
        };
        let listener = http::listen(&settings).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let state = AppState::new(Parts {
            store: store.clone(),
            archive,
            decode: Arc::new(Pool::start(Default::default(), program()?)),
            models: Arc::new(vec![test_model()]),
            clock: Arc::new(clock.clone()),
            settings,
            audit: Default::default(),
            metrics: doubleread::telemetry::start_metrics(),
            synthetic_patients: true,
            time_zone: jiff::tz::TimeZone::UTC,
        });
        tokio::spawn(http::serve(listener, state, CancellationToken::new()));
        let pace: u32 = number("READING_ROOM_PACE", 1)?;
        tokio::spawn(pass_time(clock.clone(), i64::from(pace)));
        Ok(Self { store, clock, base, receiver, folder })
    }
}

/// Opens the DICOM port and serves it; its address.
fn receiver(archive: &Archive, store: &Store, clock: &FixedClock) -> anyhow::Result<String> {
    let settings = receive::Settings { listen: ([127, 0, 0, 1], 0).into(), ..Default::default() };
    let incoming = Arc::new(Incoming::open(archive)?);
    let register = Arc::new(StoreRegister(store.clone()));
    let receiver = Receiver::bind(settings, incoming, register, Arc::new(clock.clone()))?;
    let address = receiver.local_address().to_string();
    tokio::spawn(receiver.serve(CancellationToken::new()));
    Ok(address)
}

/// Time passes for the room as well, or every opinion would be an accidental click.
async fn pass_time(clock: FixedClock, pace: i64) {
    let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
    loop {
        ticks.tick().await;
        clock.advance_ms(TICK_MS as i64 * pace);
    }
}

fn number(variable: &str, usual: u32) -> anyhow::Result<u32> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} is not a number")),
        Err(_) => Ok(usual),
    }
}

/// The service's program, which decodes in child processes; built beside the examples.
fn program() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().and_then(|examples| examples.parent()).context("no build folder")?;
    Ok(folder.join("doubleread"))
}

fn test_model() -> http::ModelStatus {
    http::ModelStatus {
        name: "test-model".to_owned(),
        version: "1".to_owned(),
        pathway: Pathway::Chest,
        trained_on: "phantoms".to_owned(),
        provider: Some("cpu".to_owned()),
        fault: String::new(),
        shadow: false,
    }
}
