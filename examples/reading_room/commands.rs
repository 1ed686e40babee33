//! What a test may ask of the room.

use std::collections::BTreeSet;

use anyhow::Context;
use doubleread::http;
use doubleread::reading::{Actor, Command, Policy, view_for};
use doubleread::store::NewUser;
use doubleread::vocab::{AiResult, CaseId, Clock, Role, UserId};
use serde_json::{Value, json};

use crate::room::Room;
use crate::studies::{self, NewStudy};

/// One command.
#[derive(serde::Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Wish {
    /// An account.
    Person {
        name: String,
        roles: BTreeSet<Role>,
        #[serde(default)]
        password: Option<String>,
    },
    /// A study, pushed, and its case.
    Study(NewStudy),
    /// The order for a study that is to be drawn, as it would be sent; nothing is sent.
    Order(NewStudy),
    /// The AI says something of a case: the fields of an AI result that differ from a plain `normal`.
    Ai {
        case_id: CaseId,
        #[serde(default)]
        result: Value,
    },
    /// Time passes.
    Advance { ms: i64 },
    /// What time has made due is done.
    Tick { case_id: CaseId },
    /// All that there is to a case, as somebody sees it who does not read.
    State { case_id: CaseId },
    /// The shipped policy of an id.
    Policy { id: String },
}

/// Does what a line asks for.
pub async fn obey(room: &Room, line: &str) -> anyhow::Result<Value> {
    match serde_json::from_str(line).context("no such command")? {
        Wish::Person { name, roles, password } => {
            let password = password.as_deref().unwrap_or("a long enough password");
            let user = NewUser {
                display_name: format!("Person {name}"),
                sign_in_name: name,
                password_hash: Some(http::hash_password(password)?),
                roles: roles.into_iter().collect(),
                sites: BTreeSet::new(),
            };
            let made = room.store.create_user(user, room.clock.now()).await?;
            Ok(json!({ "user_id": made.user_id }))
        }
        Wish::Study(new) => Ok(serde_json::to_value(studies::make(room, new).await?)?),
        Wish::Order(new) => Ok(json!({ "order": studies::order(&new)? })),
        Wish::Ai { case_id, result } => {
            let result = result_of(room, result)?;
            let actor = Actor::Ai { model: result.model.clone() };
            let command = Command::RecordAi { result: Box::new(result) };
            room.store.act(case_id, command, &actor, room.clock.now()).await?;
            Ok(json!({}))
        }
        Wish::Advance { ms } => {
            room.clock.advance_ms(ms);
            Ok(json!({ "now": room.clock.now() }))
        }
        Wish::Tick { case_id } => {
            room.store.act(case_id, Command::Tick, &Actor::System, room.clock.now()).await?;
            Ok(json!({}))
        }
        Wish::State { case_id } => {
            let case = room.store.case(case_id).await?.context("no such case")?;
            let view = view_for(UserId::new(), Role::Auditor, &case.state, &case.policy);
            Ok(json!({ "state": view, "policy": case.policy.id }))
        }
        Wish::Policy { id } => Ok(serde_json::to_value(Policy::shipped(&id).context("no such policy")?)?),
    }
}

/// A result of the test model with the fields that the test gives.
fn result_of(room: &Room, given: Value) -> anyhow::Result<AiResult> {
    let mut result = json!({
        "outcome": { "result": "normal" }, "score": 0.1, "threshold": 0.5, "findings": [], "breasts": [], "views": [], "regions": [],
        "heat_maps": [], "preprocessing": "test-v1", "inputs": [], "left_out": [], "provider": "cpu",
        "prepare_ms": 1.0, "infer_ms": 1.0, "at": room.clock.now(),
        "model": { "name": "test-model", "version": "1", "sha256": "00".repeat(32), "operating_point": "balanced" },
    });
    if let (Some(all), Value::Object(given)) = (result.as_object_mut(), given) {
        all.extend(given);
    }
    serde_json::from_value(result).context("no AI result")
}
