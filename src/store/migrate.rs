//! The schema, version by version, as embedded portable SQL.
//!
//! In: an open store. Out: the same store with every migration of this program applied,
//! once, also where several processes start together. Never: an undo; migrations only add.

use sqlx::Row;

use super::{Store, StoreError};
use crate::vocab::Timestamp;

/// One step of the schema.
struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../migrations/", $name, ".sql")),
        }),+]
    };
}

const MIGRATIONS: &[Migration] = migrations![
    1 "0001_instances",
    2 "0002_jobs",
    3 "0003_people",
    4 "0004_cases",
    5 "0005_outbox",
    6 "0006_quarantine",
    7 "0007_models",
    8 "0008_places",
    9 "0009_conflicts_by_study",
    10 "0010_view_disagreements",
    11 "0011_studies_of_patient",
    12 "0012_reading_sessions",
    13 "0013_link_tests",
    14 "0014_studies_by_name",
    15 "0015_orders",
    16 "0016_claim_machines",
    17 "0017_orders_by_time",
    18 "0018_quarantine_room",
];

/// How often the table of migrations is tried again: two processes that make it in the same
/// instant collide in PostgreSQL's catalogue even with IF NOT EXISTS.
const CREATE_ATTEMPTS: u32 = 5;

impl Store {
    /// Applies every migration that is not applied yet; how many that were.
    pub async fn migrate(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.create_migration_table().await?;
        let applied = self.applied_migrations().await?;
        let known = MIGRATIONS.last().map_or(0, |m| m.version);
        if let Some((found, _)) = applied.iter().find(|(version, _)| *version > known) {
            return Err(StoreError::SchemaIsNewer { found: *found, known });
        }
        let mut count = 0;
        for migration in MIGRATIONS {
            let checksum = blake3::hash(migration.sql.as_bytes()).to_hex().to_string();
            match applied.iter().find(|(version, _)| *version == migration.version) {
                Some((_, found)) if *found == checksum => {}
                Some(_) => return Err(StoreError::MigrationChanged { version: migration.version }),
                None => {
                    if self.apply(migration, &checksum, now).await? {
                        count += 1;
                    }
                }
            }
        }
        Ok(count)
    }

    /// The version of the schema in the database, and the newest that this program knows.
    pub async fn schema_version(&self) -> Result<(i64, i64), StoreError> {
        let applied = self.applied_migrations().await?;
        let found = applied.iter().map(|(version, _)| *version).max().unwrap_or(0);
        Ok((found, MIGRATIONS.last().map_or(0, |m| m.version)))
    }

    async fn create_migration_table(&self) -> Result<(), StoreError> {
        let mut attempt = 0;
        loop {
            let made = sqlx::query(
                "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, \
                 name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)",
            )
            .execute(&self.writer)
            .await;
            attempt += 1;
            match made {
                Ok(_) => return Ok(()),
                Err(error) if attempt >= CREATE_ATTEMPTS => return Err(error.into()),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    }

    async fn applied_migrations(&self) -> Result<Vec<(i64, String)>, StoreError> {
        sqlx::query("SELECT version, checksum FROM schema_migrations ORDER BY version")
            .fetch_all(&self.writer)
            .await?
            .iter()
            .map(|row| Ok((row.try_get("version")?, row.try_get("checksum")?)))
            .collect()
    }

    /// The row comes first: a second process waits on its key, and finds the work done.
    async fn apply(&self, migration: &Migration, checksum: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write().await?;
        let ours = sqlx::query(
            "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (version) DO NOTHING",
        )
        .bind(migration.version)
        .bind(migration.name)
        .bind(checksum)
        .bind(now.to_string())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if ours == 0 {
            return Ok(false);
        }
        sqlx::raw_sql(migration.sql).execute(&mut *transaction).await?;
        transaction.commit().await?;
        tracing::info!(migration = migration.name, "database migrated");
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_has_a_header_and_portable_types() {
        for (position, migration) in (1..).zip(MIGRATIONS) {
            assert_eq!(migration.version, position, "{} is out of order", migration.name);
            assert!(migration.sql.starts_with("-- "), "{} has no header", migration.name);
            for line in migration.sql.lines().filter(|l| !l.trim_start().starts_with("--")) {
                for word in ["BOOLEAN", "TIMESTAMP", "JSONB", "SERIAL", "NOW()", "VARCHAR", "INTEGER", "REAL"]
                {
                    assert!(!line.to_uppercase().contains(word), "{}: {word} in {line}", migration.name);
                }
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let files =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<String> = files.collect();
        files.sort();
        let listed: Vec<String> =
            MIGRATIONS.iter().map(|migration| format!("{}.sql", migration.name)).collect();
        assert_eq!(files, listed);
    }
}
