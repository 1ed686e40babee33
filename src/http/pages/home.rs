//! `GET /`: sends people to the page that their role works on.

use axum::response::Response;

use super::see_other;
use crate::http::caller::Caller;
use crate::vocab::Role;

/// `GET /`.
pub(super) async fn home(caller: Caller) -> Response {
    let path = if caller.is(Role::Reader) || caller.is(Role::Lead) {
        "/worklist"
    } else if caller.is(Role::Auditor) {
        "/audit"
    } else if caller.is(Role::Admin) {
        "/operations"
    } else {
        "/studies"
    };
    see_other(path)
}
