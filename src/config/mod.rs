//! Typed settings: defaults, one TOML file, the environment, then flags.
//!
//! In: `doubleread.toml`, variables such as `DOUBLEREAD_HTTP_LISTEN`, and flags such as `--http-listen`.
//! Out: a [`Config`], with the origin of each value, or an error that names file, line and the
//! nearest known key.

mod layers;
mod overrides;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use layers::{ConfigError, Layered, Origin};
pub use overrides::Flag;

/// Everything that can be set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What this process does and where it keeps things.
    pub service: Service,
    /// The database, the only coordinator.
    pub database: Database,
    /// Which policy new cases start under.
    pub pathways: Pathways,
    /// Objects in, by DICOM.
    pub receive: crate::receive::Settings,
    /// When an image set is complete.
    pub completeness: crate::receive::completeness::Settings,
    /// Decoding and preparation.
    pub prepare: crate::prepare::Settings,
    /// Models and sessions.
    pub infer: crate::infer::Settings,
    /// The job loop.
    pub pipeline: crate::pipeline::Settings,
    /// Results out, to the record.
    pub post: crate::post::Settings,
    /// Pages and API.
    pub http: crate::http::Settings,
    /// Statistics.
    pub audit: crate::audit::Settings,
    /// Logs and metrics.
    pub telemetry: crate::telemetry::Settings,
}

/// One thing that a process can do; any number of processes share a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Takes studies in by DICOM.
    Receive,
    /// Prepares, scores, decides and posts.
    Work,
    /// Serves pages and the API.
    Web,
}

/// The `[service]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// Folder of the archive and, with SQLite, of the database.
    pub data_dir: PathBuf,
    /// What this process does.
    pub duties: Vec<Duty>,
    /// Says on every page that all patients are synthetic.
    pub synthetic_patients: bool,
    /// IANA time zone of "the same day" and of times on pages.
    pub time_zone: String,
    /// Threads that wait for sockets and timers; 0 is half of the cores. Hashing, disks, decoding and models have
    /// threads of their own, and each thread more that waits costs wake-ups.
    pub async_threads: usize,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            data_dir: "./var".into(),
            duties: vec![Duty::Receive, Duty::Work, Duty::Web],
            synthetic_patients: false,
            time_zone: "Europe/London".into(),
            async_threads: 0,
        }
    }
}

/// The `[database]` section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite://PATH` or `postgres://...`; empty means SQLite in `service.data_dir`.
    pub url: String,
    /// Limits and waiting times.
    pub limits: crate::store::Settings,
}

impl Config {
    /// The database address in force.
    pub fn database_url(&self) -> String {
        if self.database.url.is_empty() {
            crate::store::sqlite_url(&self.service.data_dir.join("doubleread.db"))
        } else {
            self.database.url.clone()
        }
    }
}

/// The `[pathways]` section: ids of shipped policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pathways {
    /// Policy of new chest cases.
    pub chest_policy: String,
    /// Policy of new mammogram cases.
    pub mammo_policy: String,
    /// File with the key of the QA sampler (PATHWAYS R16), 64 hexadecimal digits, the same for every
    /// process; empty: `qa-secret` in `service.data_dir`, made at the first start.
    pub qa_secret_file: PathBuf,
}

impl Default for Pathways {
    fn default() -> Self {
        Self {
            chest_policy: "chest-verify".into(),
            mammo_policy: "mammo-ai-second".into(),
            qa_secret_file: PathBuf::new(),
        }
    }
}

/// Where the configuration is looked for when no path is given.
pub const DEFAULT_PATH: &str = "doubleread.toml";

/// Reads the file (`path`, else `doubleread.toml` if there is one), the environment and the flags.
pub fn load(path: Option<&Path>, flags: &[Flag]) -> Result<(Config, Layered), ConfigError> {
    let here = Path::new(DEFAULT_PATH);
    load_named(path.or_else(|| here.exists().then_some(here)), flags)
}

/// The same without looking for a file that was not named.
pub fn load_named(path: Option<&Path>, flags: &[Flag]) -> Result<(Config, Layered), ConfigError> {
    // A variable that is no text is none of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let layered = Layered::read(path, environment, flags)?;
    let config = layered.config()?;
    Ok((config, layered))
}
