//! The one guarded update under which a lease is renewed or ended.
//!
//! In: what is to be set, and the token of the lease. Out: nothing, or that the lease is lost. Never: a change by
//! somebody whose lease has passed to another.

use sqlx::AnyConnection;

use super::StoreError;
use super::statement::Statement;
use crate::vocab::{JobId, MessageId};

/// What a lease is on.
pub(super) enum Guard {
    Job(JobId),
    Message(MessageId),
}

impl Guard {
    /// Runs `UPDATE <table> SET ...` on the one row, if its lease still has this token.
    pub(super) async fn update(
        self,
        connection: &mut AnyConnection,
        mut set: Statement,
        token: &str,
    ) -> Result<(), StoreError> {
        let what = match self {
            Guard::Job(job_id) => {
                set.push(" WHERE job_id = ").bind(job_id.to_string());
                "job"
            }
            Guard::Message(message_id) => {
                set.push(" WHERE message_id = ").bind(message_id.to_string());
                "message"
            }
        };
        set.push(" AND lease_token = ").bind(token.to_owned());
        match set.build()?.execute(connection).await?.rows_affected() {
            1 => Ok(()),
            _ => Err(StoreError::LeaseLost { what }),
        }
    }
}
