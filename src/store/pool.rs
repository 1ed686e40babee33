//! Connections: one writer and several readers on SQLite, one pool on PostgreSQL.
//!
//! In: an address and settings. Out: a [`Store`], and write transactions that own the
//! write lock from their first statement on. Never: a query of any table but the one that
//! the health check writes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyPool, Connection, Executor, Transaction};
use tokio::sync::watch;

use super::cases::PolicyCache;
use super::{Settings, StoreError};
use crate::vocab::Timestamp;

/// Which database is behind the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file of our own.
    Sqlite,
    /// A server, possibly shared by many processes of ours.
    Postgres,
}

/// The database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) writer: AnyPool,
    pub(super) reader: AnyPool,
    pub(super) settings: Arc<Settings>,
    backend: Backend,
    pub(super) policies: PolicyCache,
    bell: watch::Sender<u64>,
}

/// The address of a SQLite file.
pub fn sqlite_url(path: &Path) -> String {
    let mut url = String::from("sqlite://");
    for byte in path.to_string_lossy().bytes() {
        // Unreserved characters of RFC 3986 and the slash stand for themselves.
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

impl Store {
    /// Opens the database at `url` (`sqlite://path` or `postgres://...`); a SQLite file is made if absent.
    ///
    /// Nothing is migrated: see [`Store::migrate`].
    pub async fn open(url: &str, settings: Settings) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let backend = match url.split(':').next() {
            Some("sqlite") => Backend::Sqlite,
            Some("postgres" | "postgresql") => Backend::Postgres,
            _ => return Err(StoreError::Address),
        };
        let wait = Duration::from_millis(settings.acquire_timeout_ms);
        let (writer, reader) = match backend {
            Backend::Postgres => {
                let pool = AnyPoolOptions::new()
                    .max_connections(settings.postgres_connections)
                    .acquire_timeout(wait)
                    .connect(url)
                    .await?;
                (pool.clone(), pool)
            }
            Backend::Sqlite => {
                let url = if url.contains('?') { url.to_owned() } else { format!("{url}?mode=rwc") };
                let writer = sqlite_pool(&url, 1, &settings).await?;
                let reader = sqlite_pool(&url, settings.sqlite_readers, &settings).await?;
                (writer, reader)
            }
        };
        Ok(Self {
            writer,
            reader,
            settings: Arc::new(settings),
            backend,
            policies: PolicyCache::default(),
            bell: watch::Sender::new(0),
        })
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Closes every connection, once what they are doing is done.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Changes each time that this process has enqueued a job or a message, so that workers need not poll fast.
    ///
    /// Work that another process enqueued does not ring it: keep a slow poll as well.
    pub fn work_bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    pub(super) fn ring(&self) {
        self.bell.send_modify(|rings| *rings = rings.wrapping_add(1));
    }

    /// A write transaction; on SQLite it has the write lock at once, so a later write in it can't be refused.
    pub(super) async fn begin_write(&self) -> Result<Transaction<'static, Any>, StoreError> {
        Ok(match self.backend {
            Backend::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await?,
            Backend::Postgres => self.writer.begin().await?,
        })
    }

    /// Writes a row and reads it back; the time that took.
    pub async fn health(&self, now: Timestamp) -> Result<Duration, StoreError> {
        let began = Instant::now();
        let limit = Duration::from_millis(self.settings.health_timeout_ms);
        let check = async {
            sqlx::query(
                "INSERT INTO health_checks (name, checked_at) VALUES ('store', $1) \
                 ON CONFLICT (name) DO UPDATE SET checked_at = excluded.checked_at",
            )
            .bind(now.to_string())
            .execute(&self.writer)
            .await?;
            let found: String =
                sqlx::query_scalar("SELECT checked_at FROM health_checks WHERE name = 'store'")
                    .fetch_one(&self.reader)
                    .await?;
            // Another process may have written a later instant in between, never an unreadable one.
            found.parse::<Timestamp>().map_err(|_| StoreError::Corrupt { column: "checked_at" })
        };
        match tokio::time::timeout(limit, check).await {
            Ok(outcome) => outcome.map(|_| began.elapsed()),
            Err(_) => Err(StoreError::Unreachable(sqlx::Error::PoolTimedOut)),
        }
    }
}

async fn sqlite_pool(url: &str, connections: u32, settings: &Settings) -> Result<AnyPool, StoreError> {
    let busy_timeout_ms = settings.busy_timeout_ms;
    let pool = AnyPoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(Duration::from_millis(settings.acquire_timeout_ms))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                // The wait comes first: turning WAL on may itself meet another process.
                let pragmas = format!(
                    "PRAGMA busy_timeout = {busy_timeout_ms}; PRAGMA journal_mode = WAL; \
                     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
                );
                connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(pragmas))).await?;
                Ok(())
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                // SQLite ends a transaction by itself where the disk is full. The rollback that sqlx sends then fails,
                // sqlx believes for ever that a transaction is open and refuses to begin another: such a connection
                // goes. The ping comes after a rollback that is still on its way.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect(url)
        .await?;
    Ok(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_odd_characters_makes_an_address() {
        assert_eq!(sqlite_url(Path::new("/var/a b?c#d.sqlite")), "sqlite:///var/a%20b%3Fc%23d.sqlite");
    }
}
