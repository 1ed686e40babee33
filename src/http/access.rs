//! Who may call what: one table of roles by route. A route without a row is refused, and fails a test (S07).
//!
//! In: a method and a route. Out: who may call it. Sites and blindness are checked where the object is known.

use axum::http::Method;

use crate::vocab::Role;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anyone, signed in or not.
    Anyone,
    /// Anyone who has signed in.
    SignedIn,
    /// Someone in one of these roles.
    Roles(&'static [Role]),
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// The route as it is registered.
    pub path: &'static str,
    /// Who may call it.
    pub who: Who,
}

const READERS: Who = Who::Roles(&[Role::Reader, Role::Lead]);
const LEADS: Who = Who::Roles(&[Role::Lead]);
const ARRIVALS: Who = Who::Roles(&[Role::Radiographer, Role::Reader, Role::Lead, Role::Admin]);
const AUDIT: Who = Who::Roles(&[Role::Auditor, Role::Lead, Role::Admin]);
const CASES: Who = Who::Roles(&[Role::Reader, Role::Lead, Role::Auditor, Role::Admin]);
const OPERATIONS: Who = Who::Roles(&[Role::Lead, Role::Admin]);

/// Refused objects and tests of the link: whoever took the image, and those who look after the service.
const REFUSED: Who = Who::Roles(&[Role::Radiographer, Role::Lead, Role::Admin]);

/// Orders are looked at by whoever images people, and by those who look after the service.
const ORDERS: Who = Who::Roles(&[Role::Radiographer, Role::Lead, Role::Admin]);
/// Systems that send orders have a token in one of these roles.
const SENDS_ORDERS: Who = Who::Roles(&[Role::Radiographer, Role::Admin]);

const fn get(path: &'static str, who: Who) -> Row {
    Row { method: "GET", path, who }
}
const fn post(path: &'static str, who: Who) -> Row {
    Row { method: "POST", path, who }
}
const fn put(path: &'static str, who: Who) -> Row {
    Row { method: "PUT", path, who }
}
const fn delete(path: &'static str, who: Who) -> Row {
    Row { method: "DELETE", path, who }
}

/// The table.
pub const TABLE: &[Row] = &[
    get("/health/live", Who::Anyone),
    get("/health/ready", Who::Anyone),
    get("/metrics", Who::Anyone),
    get("/assets/{name}", Who::Anyone),
    get("/sign-in", Who::Anyone),
    post("/sign-in", Who::Anyone),
    post("/sign-out", Who::SignedIn),
    post("/theme", Who::Anyone),
    get("/", Who::SignedIn),
    get("/worklist", READERS),
    post("/sessions", READERS),
    get("/sessions/{session_id}", READERS),
    post("/sessions/{session_id}/end", READERS),
    get("/my-reads", READERS),
    get("/readers/{user_id}/reads", READERS),
    post("/preferences", Who::SignedIn),
    post("/worklist/next", READERS),
    get("/cases/{case_id}", CASES),
    post("/cases/{case_id}/open", READERS),
    post("/cases/{case_id}/opinion", READERS),
    post("/cases/{case_id}/change", READERS),
    post("/cases/{case_id}/arbitration", READERS),
    post("/cases/{case_id}/act", READERS),
    get("/viewer", CASES),
    get("/studies", ARRIVALS),
    get("/studies/{study_instance_uid}", ARRIVALS),
    post("/studies/link-test", REFUSED),
    get("/api/arrivals", ARRIVALS),
    post("/api/link-test", REFUSED),
    get("/orders", ORDERS),
    post("/api/orders", SENDS_ORDERS),
    get("/api/orders", ORDERS),
    get("/api/orders/{order_id}", ORDERS),
    post("/api/orders/{order_id}/cancel", SENDS_ORDERS),
    get("/refused", REFUSED),
    post("/refused/conflicts/{sop_instance_uid}/{refused_hash}/judge", REFUSED),
    post("/refused/quarantine/{id}/judge", REFUSED),
    get("/audit", AUDIT),
    get("/operations", OPERATIONS),
    post("/operations/messages/{message_id}/retry", OPERATIONS),
    post("/operations/studies/{study_instance_uid}/release", OPERATIONS),
    get("/api/openapi.json", Who::Anyone),
    post("/api/session", Who::Anyone),
    delete("/api/session", Who::SignedIn),
    get("/api/me", Who::SignedIn),
    get("/api/me/preferences", Who::SignedIn),
    put("/api/me/preferences", Who::SignedIn),
    get("/api/sessions", READERS),
    post("/api/sessions", READERS),
    post("/api/sessions/next", READERS),
    get("/api/sessions/{session_id}", READERS),
    post("/api/sessions/{session_id}/end", READERS),
    get("/api/readers/{user_id}/reads", READERS),
    get("/api/cases", CASES),
    post("/api/cases/next", READERS),
    get("/api/cases/ahead", READERS),
    get("/api/cases/{case_id}", CASES),
    get("/api/cases/{case_id}/events", CASES),
    get("/api/cases/{case_id}/display", CASES),
    post("/api/cases/{case_id}/claim", READERS),
    post("/api/cases/{case_id}/heartbeat", READERS),
    post("/api/cases/{case_id}/release", READERS),
    post("/api/cases/{case_id}/skip", READERS),
    post("/api/cases/{case_id}/acknowledge", READERS),
    post("/api/cases/{case_id}/defer", READERS),
    post("/api/cases/{case_id}/undo-deferral", READERS),
    post("/api/cases/{case_id}/await-priors", READERS),
    post("/api/cases/{case_id}/priors-arrived", READERS),
    post("/api/cases/{case_id}/reads", READERS),
    post("/api/cases/{case_id}/reads/{read_id}/act", READERS),
    post("/api/cases/{case_id}/reads/{read_id}/change", READERS),
    post("/api/cases/{case_id}/reads/{read_id}/keep", READERS),
    post("/api/cases/{case_id}/reads/{read_id}/finalise", READERS),
    post("/api/cases/{case_id}/reads/{read_id}/reveal", READERS),
    post("/api/cases/{case_id}/arbitration", READERS),
    post("/api/cases/{case_id}/overrule-reason", READERS),
    post("/api/cases/{case_id}/addendum", READERS),
    post("/api/cases/{case_id}/reopen", LEADS),
    post("/api/cases/{case_id}/release-outcome", READERS),
    get("/api/reads", READERS),
    get("/api/studies", ARRIVALS),
    get("/api/studies/{study_instance_uid}", ARRIVALS),
    get("/api/studies/{study_instance_uid}/instances", ARRIVALS),
    get("/api/instances/{sop_instance_uid}/rendered", CASES),
    get("/api/instances/{sop_instance_uid}/heat-map", CASES),
    get("/dicom-web/studies", CASES),
    get("/dicom-web/studies/{study_instance_uid}", CASES),
    get("/dicom-web/studies/{study_instance_uid}/metadata", CASES),
    get("/dicom-web/studies/{study_instance_uid}/series", CASES),
    get("/dicom-web/studies/{study_instance_uid}/instances", CASES),
    get("/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}", CASES),
    get("/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/metadata", CASES),
    get("/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances", CASES),
    get(
        "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}",
        CASES,
    ),
    get(
        "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/metadata",
        CASES,
    ),
    get(
        "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/bulkdata/{tag}",
        CASES,
    ),
    get(
        "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/rendered",
        CASES,
    ),
    get(
        "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/frames/{frames}",
        CASES,
    ),
    get(
        "/dicom-web/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{sop_instance_uid}/frames/{frames}/voi-lut",
        CASES,
    ),
    get("/api/quarantine", REFUSED),
    post("/api/quarantine/{id}/judge", REFUSED),
    get("/api/conflicts", REFUSED),
    post("/api/conflicts/{sop_instance_uid}/{refused_hash}/judge", REFUSED),
    get("/api/audit/concordance", AUDIT),
    get("/api/audit/shadow", AUDIT),
    get("/api/operations", OPERATIONS),
    post("/api/operations/messages/{message_id}/retry", OPERATIONS),
    post("/api/operations/studies/{study_instance_uid}/release", OPERATIONS),
];

/// The row of a route.
pub fn row(method: &Method, path: &str) -> Option<&'static Row> {
    // A HEAD request is answered by the GET route.
    let method = if method == Method::HEAD { &Method::GET } else { method };
    TABLE.iter().find(|row| row.method == method.as_str() && row.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_each_route_once() {
        for (at, one) in TABLE.iter().enumerate() {
            assert!(
                TABLE.iter().skip(at + 1).all(|other| (one.method, one.path) != (other.method, other.path)),
                "{} {} stands twice",
                one.method,
                one.path
            );
        }
    }

    #[test]
    fn only_signing_in_health_and_files_are_open_to_anyone() {
        let open: Vec<&str> = TABLE.iter().filter(|row| row.who == Who::Anyone).map(|row| row.path).collect();
        let expected = [
            "/health/live",
            "/health/ready",
            "/metrics",
            "/assets/{name}",
            "/sign-in",
            "/sign-in",
            "/theme",
            "/api/openapi.json",
            "/api/session",
        ];
        assert_eq!(open, expected);
    }
}
