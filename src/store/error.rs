//! What can go wrong with the database, by what a caller would do about it.

/// Which kind of constraint refused a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// A key or unique index.
    Unique,
    /// A foreign key: what the row refers to is not there.
    ForeignKey,
    /// A check, or a column that must not be empty.
    Check,
}

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached, or no connection was free in time; trying again may help.
    #[error("the database can't be reached")]
    Unreachable(#[source] sqlx::Error),
    /// The database refused the row.
    #[error("refused by the database constraint {name}")]
    Constraint {
        /// Of which kind.
        kind: ConstraintKind,
        /// Its name, as far as the database tells.
        name: String,
    },
    /// What was asked for is not there.
    #[error("no such {what}")]
    NotFound {
        /// A case, a message ...
        what: &'static str,
    },
    /// The lease ended or somebody else holds it: stop working on it, nothing was changed.
    #[error("the lease on this {what} is no longer held")]
    LeaseLost {
        /// A job, a message, a claim.
        what: &'static str,
    },
    /// Somebody else added events to the case in the meantime: load it again.
    #[error("the case has moved on since it was loaded")]
    VersionClash,
    /// A policy document differs from the one that is kept under its id and version.
    #[error("{policy} is kept with other words; a changed policy needs a new version")]
    PolicyChanged {
        /// Which.
        policy: crate::reading::PolicyRef,
    },
    /// A stored value can't be read back as what it was stored as.
    #[error("stored column {column} does not hold what it should")]
    Corrupt {
        /// Which column.
        column: &'static str,
    },
    /// The schema was made by a newer version of this program.
    #[error("the database was migrated to version {found} by a newer program; this one knows {known}")]
    SchemaIsNewer {
        /// In the database.
        found: i64,
        /// In this program.
        known: i64,
    },
    /// A migration that was applied differs from the one in this program.
    #[error("migration {version} was applied in another form than this program holds")]
    MigrationChanged {
        /// Which one.
        version: i64,
    },
    /// The database address can't be used.
    #[error("the database address is not one of sqlite: and postgres:")]
    Address,
    /// Anything else that the database said.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the database's disk is full, and nothing was written for that reason.
    pub fn is_full(&self) -> bool {
        let StoreError::Database(sqlx::Error::Database(error)) = self else { return false };
        // SQLite's full, and its failure to grow the shared memory of the WAL; PostgreSQL's disk full.
        matches!(error.code().as_deref(), Some("13" | "4874" | "53100"))
    }

    /// Whether the same call may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Unreachable(_) => true,
            StoreError::Database(sqlx::Error::Database(error)) => {
                // 40001 serialisation failure, 40P01 deadlock, 57P01..3 server stopping or
                // starting (PostgreSQL appendix A); 5 and 6 with their extensions are SQLite's busy, locked.
                matches!(
                    error.code().as_deref(),
                    Some("40001" | "40P01" | "57P01" | "57P02" | "57P03" | "5" | "6" | "261" | "517")
                )
            }
            StoreError::Database(_)
            | StoreError::Constraint { .. }
            | StoreError::NotFound { .. }
            | StoreError::LeaseLost { .. }
            | StoreError::VersionClash
            | StoreError::PolicyChanged { .. }
            | StoreError::Corrupt { .. }
            | StoreError::SchemaIsNewer { .. }
            | StoreError::MigrationChanged { .. }
            | StoreError::Address => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => StoreError::Unreachable(error),
            sqlx::Error::Database(refusal) => {
                let kind = match refusal.kind() {
                    sqlx::error::ErrorKind::UniqueViolation => ConstraintKind::Unique,
                    sqlx::error::ErrorKind::ForeignKeyViolation => ConstraintKind::ForeignKey,
                    sqlx::error::ErrorKind::CheckViolation | sqlx::error::ErrorKind::NotNullViolation => {
                        ConstraintKind::Check
                    }
                    _ => return StoreError::Database(error),
                };
                let name = match refusal.constraint() {
                    Some(name) => name.to_owned(),
                    // SQLite gives the name, or table and column, after the last colon.
                    None => refusal.message().rsplit(": ").next().unwrap_or_default().trim().to_owned(),
                };
                StoreError::Constraint { kind, name }
            }
            _ => StoreError::Database(error),
        }
    }
}
