//! Signing in, sessions, roles and requests from other sites, over a real socket.

use doubleread::http::Settings;
use doubleread::store::NewApiToken;
use doubleread::vocab::Role;
use reqwest::{Method, StatusCode};

use crate::http_service::{Body, PASSWORD, Service};

#[tokio::test]
async fn s04_the_session_id_is_new_at_each_sign_in_and_ends_on_the_server() {
    let service = Service::start().await;
    service.person("anna", &[Role::Reader]).await;
    let mut anna = service.signed_in("anna").await;
    let first = anna.cookie.clone().unwrap();
    assert_eq!(anna.get("/api/me").await.json()["roles"][0], "reader");

    let again = anna
        .send(
            Method::POST,
            "/api/session",
            Body::Json(serde_json::json!({"name": "ANNA", "password": PASSWORD})),
        )
        .await;
    assert_eq!(again.status, StatusCode::OK);
    assert_ne!(anna.cookie.clone().unwrap(), first);
    let mut stale = service.visitor();
    stale.cookie = Some(first);
    assert_eq!(stale.get("/api/me").await.status, StatusCode::UNAUTHORIZED);

    let second = anna.cookie.clone();
    anna.csrf = again.json()["csrf_token"].as_str().unwrap().to_owned();
    assert_eq!(anna.send(Method::DELETE, "/api/session", Body::Nothing).await.status, StatusCode::NO_CONTENT);
    stale.cookie = second;
    assert_eq!(stale.get("/api/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn s04_a_session_ends_when_idle_and_in_any_case_after_its_absolute_limit() {
    let service = Service::start().await;
    service.person("anna", &[Role::Reader]).await;
    let mut anna = service.signed_in("anna").await;
    // Used every 20 minutes it lives on, up to 12 hours.
    for _ in 0..35 {
        service.clock.advance_ms(20 * 60_000);
        assert_eq!(anna.get("/api/me").await.status, StatusCode::OK);
    }
    service.clock.advance_ms(21 * 60_000);
    assert_eq!(anna.get("/api/me").await.status, StatusCode::UNAUTHORIZED);

    let mut idle = service.signed_in("anna").await;
    service.clock.advance_ms(31 * 60_000);
    assert_eq!(idle.get("/api/me").await.status, StatusCode::UNAUTHORIZED);
    let page = idle.get("/?x=1").await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/sign-in?next=/%3Fx%3D1"));
}

#[tokio::test]
async fn s04_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
    let service = Service::start_with(Settings { behind_tls_proxy: true, ..Settings::default() }).await;
    service.person("anna", &[Role::Reader]).await;
    let answer = service
        .visitor()
        .send(
            Method::POST,
            "/api/session",
            Body::Json(serde_json::json!({"name": "anna", "password": PASSWORD})),
        )
        .await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    for part in ["__Host-doubleread=", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
        assert!(cookie.contains(part), "{part} is not in {cookie}");
    }
    assert!(answer.headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn s05_a_change_needs_the_token_of_the_session_and_comes_from_our_own_pages() {
    let service = Service::start().await;
    service.person("anna", &[Role::Reader]).await;
    let mut anna = service.signed_in("anna").await;
    let good = anna.csrf.clone();
    anna.csrf = String::new();
    assert_eq!(anna.submit("/sign-out", &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(anna.send(Method::DELETE, "/api/session", Body::Nothing).await.status, StatusCode::FORBIDDEN);
    assert_eq!(anna.get("/api/me").await.status, StatusCode::OK);
    anna.csrf = good;
    let away = anna.submit("/sign-out", &[]).await;
    assert_eq!((away.status, away.location()), (StatusCode::SEE_OTHER, "/sign-in"));
}

#[tokio::test]
async fn s17_sign_in_is_throttled_and_tells_nothing_of_who_exists() {
    let settings = Settings { sign_in_failures_by_name: 3, ..Settings::default() };
    let service = Service::start_with(settings).await;
    service.person("anna", &[Role::Reader]).await;
    let mut visitor = service.visitor();
    let wrong = |name: &str| Body::Json(serde_json::json!({"name": name, "password": "not the password"}));
    let known = visitor.send(Method::POST, "/api/session", wrong("anna")).await;
    let unknown = visitor.send(Method::POST, "/api/session", wrong("nobody")).await;
    assert_eq!(known.status, StatusCode::UNAUTHORIZED);
    assert_eq!((known.status, &known.text), (unknown.status, &unknown.text));
    for _ in 0..2 {
        visitor.send(Method::POST, "/api/session", wrong("anna")).await;
    }
    // Now not even the right password helps, until the window has passed.
    let right = || Body::Json(serde_json::json!({"name": "anna", "password": PASSWORD}));
    let refused = visitor.send(Method::POST, "/api/session", right()).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers.contains_key("retry-after"));
    service.clock.advance_ms(16 * 60_000);
    assert_eq!(visitor.send(Method::POST, "/api/session", right()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_bearer_token_acts_in_its_one_role_and_a_wrong_one_is_refused() {
    let service = Service::start().await;
    let user_id = service.person("robot", &[Role::Radiographer, Role::Admin]).await;
    let token = doubleread::http::fresh_token();
    let new = NewApiToken {
        token_hash: doubleread::http::token_hash(&token),
        name: "test".to_owned(),
        role: Role::Radiographer,
        site: None,
        user_id,
        expires_at: service.now().plus_minutes(60),
    };
    service.store.create_api_token(new, service.now()).await.unwrap();
    let client = reqwest::Client::new();
    let me = |token: String| client.get(format!("{}/api/me", service.base)).bearer_auth(token).send();
    let answer: serde_json::Value = me(token.clone()).await.unwrap().json().await.unwrap();
    assert_eq!(answer["roles"], serde_json::json!(["radiographer"]));
    assert_eq!(me("wrong".to_owned()).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    service.clock.advance_ms(61 * 60_000);
    assert_eq!(me(token).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn people_sign_in_on_a_page_and_every_answer_has_strict_headers() {
    let service = Service::start().await;
    service.person("anna", &[Role::Reader]).await;
    let mut anna = service.visitor();
    let page = anna.get("/sign-in?next=/worklist").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("SYNTHETIC PATIENTS"));
    let wrong = anna.submit("/sign-in", &[("name", "<script>alert(1)</script>"), ("password", "x")]).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(!wrong.text.contains("<script>alert"), "a name was not escaped");
    let done = anna
        .submit("/sign-in", &[("name", "anna"), ("password", PASSWORD), ("next", "https://evil.example/")])
        .await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/"));
    for path in
        ["/sign-in", "/nothing-here", "/api/me", "/api/nothing-here", "/health/live", "/api/openapi.json"]
    {
        let answer = anna.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
    }
}

#[tokio::test]
async fn health_is_proven_by_a_row_and_metrics_are_text() {
    let service = Service::start().await;
    let mut visitor = service.visitor();
    assert_eq!(visitor.get("/health/ready").await.json()["ready"], true);
    let metrics = visitor.get("/metrics").await;
    assert_eq!(metrics.status, StatusCode::OK);
    assert!(metrics.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
}
