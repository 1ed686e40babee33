//! The receiver's way into the store.

use futures::future::BoxFuture;

use crate::receive::{InstanceRegister, RegisterError};
use crate::store::{Store, StoreError};
use crate::vocab::{Instance, Registration};

/// Registers what was received in the database.
pub struct StoreRegister(pub Store);

impl InstanceRegister for StoreRegister {
    fn register(&self, instances: Vec<Instance>) -> BoxFuture<'_, Result<Vec<Registration>, RegisterError>> {
        Box::pin(async move {
            self.0.register(instances).await.map_err(|error| {
                // A refused row or a full disk says for certain that nothing was written; a lost
                // connection does not.
                if matches!(error, StoreError::Constraint { .. }) || error.is_full() {
                    RegisterError::NotRegistered(Box::new(error))
                } else {
                    RegisterError::Unknown(Box::new(error))
                }
            })
        })
    }

    fn is_named(&self, instance: Instance) -> BoxFuture<'_, Result<bool, RegisterError>> {
        Box::pin(async move {
            let named = self.0.has_bytes(&instance.sop_instance_uid, &instance.content_hash).await;
            named.map_err(|error| RegisterError::Unknown(Box::new(error)))
        })
    }
}
