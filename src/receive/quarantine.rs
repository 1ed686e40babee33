//! Copies of objects that arrived whole and were refused for their content, for a person to judge.
//!
//! In: sealed files that the scanner refused. Out: files in a folder of their own, each with a row in a
//! [`QuarantineRegister`], both durable before the sender is told that a copy is kept; never more than the settings
//! allow. Where the room is used up, copies that a person has judged go first. Must never mix with accepted objects,
//! change what the sender is answered, give up a copy that nobody has judged, or hold a file without a row: what a kill
//! leaves between the two is swept at the next start.

use super::commit::RegisterError;
use super::scan::ScanError;
use super::settings::Profile;
use super::status::Status;
use crate::archive::{Archive, ArchiveError, Incoming, Sealed};
use crate::vocab::{AeTitle, Clock, RefusedObject, RefusedUsage, SopClassUid, SopInstanceUid, Timestamp};
use futures::future::BoxFuture;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const HOUR_MINUTES: i64 = 60;
const DAY_MINUTES: i64 = 24 * HOUR_MINUTES;
/// How long the room that was measured is believed: a person may have judged a copy since.
const ROOM_KNOWN_FOR: Duration = Duration::from_secs(1);

/// Bounds of the quarantine; a zero in `bytes` or `objects` turns it off.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuarantineSettings {
    /// Most bytes kept in all.
    pub bytes: u64,
    /// Most objects kept in all.
    pub objects: u64,
    /// Most objects kept of one calling AE title within an hour.
    pub objects_per_source_hour: u64,
    /// Days that a copy stays once a person has judged it, even where its room is wanted; it stays longer where it is not.
    pub judged_days: u32,
}

impl Default for QuarantineSettings {
    fn default() -> Self {
        Self { bytes: 1 << 30, objects: 1_000, objects_per_source_hour: 200, judged_days: 7 }
    }
}

/// Where refused objects are recorded; the composition root implements it with the store.
pub trait QuarantineRegister: Send + Sync + 'static {
    /// What is kept; `of_source` counts what `calling_ae` sent from `since` on, `judged` what was judged before `judged_before`.
    fn usage<'a>(
        &'a self,
        content_hash: &'a str,
        calling_ae: &'a AeTitle,
        since: Timestamp,
        judged_before: Timestamp,
    ) -> BoxFuture<'a, Result<RefusedUsage, RegisterError>>;

    /// Gives up rows of copies that were judged before `judged_before`, first judged first, for so many bytes and objects; the
    /// hashes of the files to remove, none where all of them would not be enough.
    fn make_room(
        &self,
        bytes: u64,
        objects: u64,
        judged_before: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<String>, RegisterError>>;

    /// Records a kept object durably; bytes that are there already are counted up, in one row.
    fn record(&self, object: RefusedObject) -> BoxFuture<'_, Result<(), RegisterError>>;

    /// Those of `hashes` that have a row.
    fn known(&self, hashes: Vec<String>) -> BoxFuture<'_, Result<HashSet<String>, RegisterError>>;
}

/// Why the quarantine can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// Its folder can't be used.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Its rows can't be read.
    #[error("the rows of the quarantine can't be read")]
    Register(#[from] RegisterError),
}

/// The quarantine of this process.
pub struct Quarantine {
    incoming: Arc<Incoming>,
    register: Arc<dyn QuarantineRegister>,
    settings: QuarantineSettings,
    clock: Arc<dyn Clock>,
    /// One object at a time, so that the bounds hold within this process.
    turn: tokio::sync::Mutex<()>,
    /// Bytes that were free when last asked, and when that was.
    room: AtomicU64,
    opened: Instant,
    asked_ms: AtomicU64,
}

/// What the command and its association said of a refused object.
pub(super) struct Refused<'a> {
    pub error: &'a ScanError,
    pub class: &'a SopClassUid,
    pub instance: &'a SopInstanceUid,
    pub syntax: &'a str,
    pub profile: &'a Profile,
}

impl Quarantine {
    /// Opens the quarantine in the folder `root` and sweeps files without a row that no process is about to record.
    pub async fn open(
        root: &Path,
        register: Arc<dyn QuarantineRegister>,
        settings: QuarantineSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, QuarantineError> {
        let archive = Archive::open(root)?;
        let incoming = Arc::new(Incoming::open(&archive)?);
        sweep(&incoming, &archive, register.as_ref()).await?;
        let turn = tokio::sync::Mutex::new(());
        let (room, opened, asked_ms) = (AtomicU64::new(0), Instant::now(), AtomicU64::new(0));
        let quarantine = Self { incoming, register, settings, clock, turn, room, opened, asked_ms };
        let nobody = "NOBODY".parse().map_err(|_| ArchiveError::NotAHash)?;
        quarantine.usage("", &nobody).await?;
        Ok(quarantine)
    }

    /// Most bytes of an object that may be kept, as far as is known without asking; what is known for long may be too little.
    pub(super) fn room_bytes(&self) -> u64 {
        let asked = Duration::from_millis(self.asked_ms.load(Ordering::Relaxed));
        if self.opened.elapsed().saturating_sub(asked) < ROOM_KNOWN_FOR {
            self.room.load(Ordering::Relaxed)
        } else {
            self.settings.bytes
        }
    }

    /// Keeps a refused object; whether a copy is durable now. A failure is logged and changes nothing for the sender.
    pub(super) async fn keep(&self, sealed: Sealed, refused: Refused<'_>) -> bool {
        let calling_ae = refused.profile.calling_ae.clone();
        let outcome = match self.try_keep(sealed, refused).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "the copy of a refused object could not be kept");
                "failed"
            }
        };
        metrics::counter!("receive_quarantine_total", "outcome" => outcome).increment(1);
        let kept = outcome == "kept";
        if !kept && outcome != "failed" {
            tracing::error!(%calling_ae, why = outcome, "the bytes of a refused object were not kept");
        }
        kept
    }

    /// Says that an object was not even written for lack of room or for its size, and looks for room for the next one.
    pub(super) async fn pass_over(&self, profile: &Profile) {
        metrics::counter!("receive_quarantine_total", "outcome" => "no_room").increment(1);
        tracing::error!(calling_ae = %profile.calling_ae, why = "no room, or over a limit",
            "the bytes of a refused object were not kept");
        if let Err(error) = self.usage("", &profile.calling_ae).await {
            tracing::warn!(%error, "the quarantine can't be measured");
        }
    }

    async fn try_keep(&self, sealed: Sealed, refused: Refused<'_>) -> Result<&'static str, QuarantineError> {
        let _turn = self.turn.lock().await;
        let Refused { error, class, instance, syntax, profile } = refused;
        let (hash, size_bytes) = (sealed.hash().to_owned(), sealed.size_bytes());
        let usage = self.usage(&hash, &profile.calling_ae).await?;
        if usage.of_source >= self.settings.objects_per_source_hour && !usage.holds_it {
            return Ok("too_many_of_source");
        }
        if !usage.holds_it && !self.has_room(size_bytes, usage).await? {
            return Ok("full");
        }
        let incoming = Arc::clone(&self.incoming);
        let published = tokio::task::spawn_blocking(move || incoming.publish(vec![sealed]).pop())
            .await
            .unwrap_or_default()
            .unwrap_or(Err(ArchiveError::NotAHash))?;
        let object = RefusedObject {
            content_hash: hash,
            size_bytes,
            sop_instance_uid: instance.clone(),
            sop_class_uid: class.clone(),
            transfer_syntax_uid: syntax.parse().map_err(|_| ArchiveError::NotAHash)?,
            calling_ae: profile.calling_ae.clone(),
            address: profile.address,
            site: profile.site.clone(),
            status: Status::CannotUnderstand.code(),
            phase: error.phase(),
            reason: error.to_string(),
            received_at: self.clock.now(),
        };
        if let Err(error) = self.register.record(object).await {
            // Where it is not known whether there is a row, the file stays: the next start looks.
            if let RegisterError::NotRegistered(_) = error {
                let hash = published.hash.clone();
                drop(published);
                remove_without_row(&self.incoming, &hash, self.register.as_ref()).await?;
            }
            return Err(error.into());
        }
        self.room
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| {
                Some(if usage.holds_it { room } else { room.saturating_sub(size_bytes) })
            })
            .ok();
        Ok("kept")
    }

    /// Whether there is room for so many bytes more, made by giving up judged copies where it has to be.
    async fn has_room(&self, size_bytes: u64, usage: RefusedUsage) -> Result<bool, QuarantineError> {
        if size_bytes > self.settings.bytes || self.settings.objects == 0 {
            return Ok(false);
        }
        let bytes = usage.bytes.saturating_add(size_bytes).saturating_sub(self.settings.bytes);
        let objects = usage.objects.saturating_add(1).saturating_sub(self.settings.objects);
        if bytes == 0 && objects == 0 {
            return Ok(true);
        }
        let given_up =
            self.register.make_room(bytes, objects, self.judged_before(), self.clock.now()).await?;
        for hash in &given_up {
            remove_without_row(&self.incoming, hash, self.register.as_ref()).await?;
        }
        if !given_up.is_empty() {
            metrics::counter!("receive_quarantine_given_up_total").increment(given_up.len() as u64);
            tracing::info!(copies = given_up.len(), "judged copies of the quarantine made room for another");
        }
        Ok(!given_up.is_empty())
    }

    async fn usage(&self, hash: &str, calling_ae: &AeTitle) -> Result<RefusedUsage, RegisterError> {
        let since = self.clock.now().plus_minutes(-HOUR_MINUTES);
        let usage = self.register.usage(hash, calling_ae, since, self.judged_before()).await?;
        let free = self.settings.bytes.saturating_sub(usage.bytes.saturating_sub(usage.judged_bytes));
        let seats = usage.objects.saturating_sub(usage.judged) < self.settings.objects;
        self.room.store(if seats { free } else { 0 }, Ordering::Relaxed);
        let asked = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.asked_ms.store(asked, Ordering::Relaxed);
        Ok(usage)
    }

    /// Copies that were judged before this may go.
    fn judged_before(&self) -> Timestamp {
        self.clock.now().plus_minutes(-DAY_MINUTES * i64::from(self.settings.judged_days))
    }
}

async fn sweep(
    incoming: &Incoming,
    archive: &Archive,
    register: &dyn QuarantineRegister,
) -> Result<(), QuarantineError> {
    let found = archive.hashes()?;
    let known = register.known(found.clone()).await?;
    for hash in found.iter().filter(|hash| !known.contains(*hash)) {
        if remove_without_row(incoming, hash, register).await? {
            tracing::info!("a file of the quarantine without a row was removed");
        }
    }
    Ok(())
}

/// Removes a file that has no row and that no process is about to record.
async fn remove_without_row(
    incoming: &Incoming,
    hash: &str,
    register: &dyn QuarantineRegister,
) -> Result<bool, QuarantineError> {
    let Some(removal) = incoming.take_back(hash)? else { return Ok(false) };
    // Looked at once the right to remove is had: from here on no process can record it.
    if register.known(vec![hash.to_owned()]).await?.contains(hash) {
        return Ok(false);
    }
    removal.remove();
    Ok(true)
}
