//! The receiver's ways into the store.

use std::collections::HashSet;

use futures::future::BoxFuture;

use crate::receive::{InstanceRegister, QuarantineRegister, RegisterError};
use crate::store::{Store, StoreError};
use crate::vocab::{AeTitle, Instance, RefusedObject, RefusedUsage, Registration, Timestamp};

/// Registers what was received in the database.
pub struct StoreRegister(pub Store);

impl InstanceRegister for StoreRegister {
    fn register(&self, instances: Vec<Instance>) -> BoxFuture<'_, Result<Vec<Registration>, RegisterError>> {
        Box::pin(async move { self.0.register(instances).await.map_err(failure) })
    }

    fn is_named(&self, instance: Instance) -> BoxFuture<'_, Result<bool, RegisterError>> {
        Box::pin(async move {
            let named = self.0.has_bytes(&instance.sop_instance_uid, &instance.content_hash).await;
            named.map_err(|error| RegisterError::Unknown(Box::new(error)))
        })
    }
}

impl QuarantineRegister for StoreRegister {
    fn usage<'a>(
        &'a self,
        content_hash: &'a str,
        calling_ae: &'a AeTitle,
        since: Timestamp,
        judged_before: Timestamp,
    ) -> BoxFuture<'a, Result<RefusedUsage, RegisterError>> {
        Box::pin(async move {
            self.0.quarantine_usage(content_hash, calling_ae, since, judged_before).await.map_err(failure)
        })
    }

    fn make_room(
        &self,
        bytes: u64,
        objects: u64,
        judged_before: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<String>, RegisterError>> {
        Box::pin(async move { self.0.make_room(bytes, objects, judged_before, now).await.map_err(failure) })
    }

    fn record(&self, object: RefusedObject) -> BoxFuture<'_, Result<(), RegisterError>> {
        Box::pin(async move { self.0.keep_refused(&object).await.map_err(failure) })
    }

    fn known(&self, hashes: Vec<String>) -> BoxFuture<'_, Result<HashSet<String>, RegisterError>> {
        Box::pin(async move { self.0.quarantined(&hashes).await.map_err(failure) })
    }
}

/// A refused row or a full disk says for certain that nothing was written; a lost connection does not.
fn failure(error: StoreError) -> RegisterError {
    if matches!(error, StoreError::Constraint { .. }) || error.is_full() {
        RegisterError::NotRegistered(Box::new(error))
    } else {
        RegisterError::Unknown(Box::new(error))
    }
}
