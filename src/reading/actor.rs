//! Who acts on a case: a person in a role, a model version, or the service itself.

use crate::vocab::{ModelStamp, UserId};

pub use crate::vocab::Role;

impl Role {
    /// Whether someone in this role may give an opinion on a case, and is therefore kept blind to it.
    pub fn may_read(self) -> bool {
        match self {
            Role::Reader | Role::Lead => true,
            Role::Radiographer | Role::Auditor | Role::Admin => false,
        }
    }
}

/// Who made an event.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "actor", rename_all = "snake_case")]
pub enum Actor {
    /// Someone who signed in, in the role that allowed the act.
    Person {
        /// Who.
        user: UserId,
        /// As what.
        role: Role,
    },
    /// A model version.
    Ai {
        /// Which; none where no model took part (a refusal before the graph).
        model: Option<ModelStamp>,
    },
    /// The service: timers, rules, the receiver.
    System,
}

impl Actor {
    /// The person, if it is one.
    pub fn person(&self) -> Option<(UserId, Role)> {
        match self {
            Actor::Person { user, role } => Some((*user, *role)),
            Actor::Ai { .. } | Actor::System => None,
        }
    }
}
