//! A fresh database for one test: a SQLite file always, and a schema of its own in the
//! PostgreSQL of `DATABASE_URL` where that is set (`scripts/postgres.sh run cargo test`).

use doubleread::store::{Settings, Store, sqlite_url};
use doubleread::vocab::{Clock, SystemClock, Timestamp};
use sqlx::{Connection, Executor};

/// A migrated store that disappears with its test.
pub struct TestDatabase {
    /// The store.
    pub store: Store,
    /// Its address, to open it once more.
    pub url: String,
    schema: Option<(String, String)>,
    _folder: Option<tempfile::TempDir>,
}

/// The present instant.
pub fn now() -> Timestamp {
    SystemClock.now()
}

impl TestDatabase {
    /// On SQLite.
    pub async fn sqlite(settings: Settings) -> Self {
        let database = Self::empty_sqlite(settings).await;
        database.store.migrate(now()).await.unwrap();
        database
    }

    /// On SQLite, without a schema.
    pub async fn empty_sqlite(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = sqlite_url(&folder.path().join("test.sqlite"));
        let store = Store::open(&url, settings).await.unwrap();
        Self { store, url, schema: None, _folder: Some(folder) }
    }

    /// On PostgreSQL, if there is one to test on; with `REQUIRE_PEERS=1` there must be.
    pub async fn postgres(settings: Settings) -> Option<Self> {
        let database = Self::empty_postgres(settings).await?;
        database.store.migrate(now()).await.unwrap();
        Some(database)
    }

    /// On PostgreSQL, without a schema, if there is one to test on.
    pub async fn empty_postgres(settings: Settings) -> Option<Self> {
        let Ok(server) = std::env::var("DATABASE_URL") else {
            assert!(
                std::env::var("REQUIRE_PEERS").as_deref() != Ok("1"),
                "DATABASE_URL is not set (scripts/postgres.sh run ...)"
            );
            println!("skipped on PostgreSQL: DATABASE_URL is not set (scripts/postgres.sh run cargo test)");
            return None;
        };
        sqlx::any::install_default_drivers();
        let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
        let mut connection = sqlx::AnyConnection::connect(&server).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        connection.close().await.unwrap();
        let joint = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{joint}options[search_path]={schema}");
        let store = Store::open(&url, settings).await.unwrap();
        Some(Self { store, url, schema: Some((server, schema)), _folder: None })
    }

    /// Closes and removes it.
    pub async fn remove(self) {
        self.store.close().await;
        if let Some((server, schema)) = self.schema {
            let mut connection = sqlx::AnyConnection::connect(&server).await.unwrap();
            connection.execute(sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
        }
    }
}

/// Runs each test on both databases: `on_each_database! { async fn a_sentence(database) { ... } }`.
#[macro_export]
macro_rules! on_each_database {
    ($(async fn $name:ident($database:ident) $body:block)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let database = $crate::store_database::TestDatabase::sqlite(Default::default()).await;
                super::$name(&database).await;
                database.remove().await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let database = $crate::store_database::TestDatabase::postgres(Default::default()).await;
                let Some(database) = database else { return };
                super::$name(&database).await;
                database.remove().await;
            })+
        }
        $(async fn $name($database: &$crate::store_database::TestDatabase) $body)+
    };
}
