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
    /// `GET`, `POST` or `DELETE`.
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

const fn get(path: &'static str, who: Who) -> Row {
    Row { method: "GET", path, who }
}
const fn post(path: &'static str, who: Who) -> Row {
    Row { method: "POST", path, who }
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
    get("/api/openapi.json", Who::Anyone),
    post("/api/session", Who::Anyone),
    delete("/api/session", Who::SignedIn),
    get("/api/me", Who::SignedIn),
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
