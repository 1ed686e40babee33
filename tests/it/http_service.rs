//! A web side on a port of its own over a fresh database, and a small client that keeps cookies.

use std::collections::BTreeSet;
use std::sync::Arc;

use doubleread::archive::Archive;
use doubleread::http::{self, AppState, Parts};
use doubleread::prepare::worker::Pool;
use doubleread::store::{NewUser, Store, sqlite_url};
use doubleread::vocab::{Clock, FixedClock, Role, Timestamp, UserId};
use reqwest::header::{HeaderMap, HeaderName, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, StatusCode};
use tokio_util::sync::CancellationToken;

/// Password of every person in these tests.
pub const PASSWORD: &str = "a long enough password";

/// A running web side.
pub struct Service {
    pub store: Store,
    pub archive: Archive,
    pub clock: FixedClock,
    pub base: String,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Service {
    /// Starts with the usual settings.
    pub async fn start() -> Self {
        Self::start_with(http::Settings::default()).await
    }

    /// Starts with other settings; the port is always a free one.
    pub async fn start_with(settings: http::Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = sqlite_url(&folder.path().join("test.db"));
        let store = Store::open(&url, Default::default()).await.unwrap();
        Self::run(settings, store, folder).await
    }

    /// Starts over a database that the test has made.
    pub async fn over(store: &Store) -> Self {
        Self::run(http::Settings::default(), store.clone(), tempfile::tempdir().unwrap()).await
    }

    async fn run(settings: http::Settings, store: Store, folder: tempfile::TempDir) -> Self {
        let clock = FixedClock::at("2026-03-02T09:00:00.000Z".parse().unwrap());
        store.migrate(clock.now()).await.unwrap();
        let archive = Archive::open(folder.path()).unwrap();
        let models = vec![http::ModelStatus {
            name: "test-model".to_owned(),
            version: "1".to_owned(),
            pathway: doubleread::vocab::Pathway::Chest,
            trained_on: "phantoms".to_owned(),
            provider: Some("cpu".to_owned()),
            fault: String::new(),
            shadow: false,
        }];
        let settings = http::Settings { listen: "127.0.0.1:0".parse().unwrap(), ..settings };
        let listener = http::listen(&settings).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = AppState::new(Parts {
            store: store.clone(),
            archive: archive.clone(),
            decode: Arc::new(Pool::start(Default::default(), env!("CARGO_BIN_EXE_doubleread").into())),
            models: Arc::new(models),
            clock: Arc::new(clock.clone()),
            settings,
            audit: Default::default(),
            metrics: doubleread::telemetry::start_metrics(),
            synthetic_patients: true,
            time_zone: jiff::tz::TimeZone::UTC,
        });
        let stop = CancellationToken::new();
        tokio::spawn(http::serve(listener, state, stop.clone()));
        Self { store, archive, clock, base, stop, _folder: folder }
    }

    /// The present instant of the service.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes an account with the password of these tests.
    pub async fn person(&self, name: &str, roles: &[Role]) -> UserId {
        let user = NewUser {
            sign_in_name: name.to_owned(),
            display_name: format!("Person {name}"),
            password_hash: Some(http::hash_password(PASSWORD).unwrap()),
            roles: roles.iter().copied().collect(),
            sites: BTreeSet::new(),
        };
        self.store.create_user(user, self.now()).await.unwrap().user_id
    }

    /// A client that nobody has signed in with.
    pub fn visitor(&self) -> Visitor {
        Visitor::to(self.base.clone())
    }

    /// A client that `name` has signed in with over the API.
    pub async fn signed_in(&self, name: &str) -> Visitor {
        Visitor::signed_in(self.base.clone(), name).await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What is sent along.
pub enum Body {
    Nothing,
    Json(serde_json::Value),
    Form(Vec<(String, String)>),
}

/// A client that keeps its cookie.
#[derive(Clone)]
pub struct Visitor {
    client: Client,
    base: String,
    pub cookie: Option<String>,
    pub csrf: String,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// An answer that is no text.
pub struct Bytes {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }
    /// Where it sends the browser.
    pub fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }
}

impl Visitor {
    /// A client of the pages at `base` that nobody has signed in with.
    pub fn to(base: String) -> Self {
        // Two tests may both be the first: the second one's provider is the same.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, base, cookie: None, csrf: String::new() }
    }
    /// A client of the pages at `base` that `name` has signed in with over the API.
    pub async fn signed_in(base: String, name: &str) -> Self {
        let mut visitor = Self::to(base);
        let body = serde_json::json!({"name": name, "password": PASSWORD});
        let answer = visitor.send(Method::POST, "/api/session", Body::Json(body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        visitor.csrf = answer.json()["csrf_token"].as_str().unwrap().to_owned();
        visitor
    }
    /// Reads a page or a resource.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, Body::Nothing).await
    }
    /// Reads something that is no text.
    pub async fn get_bytes(&self, path: &str) -> (StatusCode, Vec<u8>) {
        let request = self.client.get(format!("{}{path}", self.base));
        let response =
            request.header("cookie", self.cookie.clone().unwrap_or_default()).send().await.unwrap();
        (response.status(), response.bytes().await.unwrap().to_vec())
    }
    /// Reads something that is no text, with headers.
    pub async fn get_as(&self, path: &str, headers: &[(HeaderName, &str)]) -> Bytes {
        let mut request = self.client.get(format!("{}{path}", self.base));
        request = request.header("cookie", self.cookie.clone().unwrap_or_default());
        for (name, value) in headers {
            request = request.header(name.clone(), *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Bytes { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
    }
    /// Sends JSON with the token of the session.
    pub async fn post(&mut self, path: &str, body: serde_json::Value) -> Answer {
        self.send(Method::POST, path, Body::Json(body)).await
    }
    /// Sends a form with the token of the session in its field.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields: Vec<(String, String)> =
            fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        fields.push(("csrf".to_owned(), self.csrf.clone()));
        self.send(Method::POST, path, Body::Form(fields)).await
    }
    /// Sends anything.
    pub async fn send(&mut self, method: Method, path: &str, body: Body) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        request = match body {
            Body::Nothing => request.header("x-csrf-token", &self.csrf),
            Body::Json(value) => request.header("x-csrf-token", &self.csrf).json(&value),
            Body::Form(fields) => {
                let text: Vec<String> =
                    fields.iter().map(|(k, v)| format!("{}={}", percent(k), percent(v))).collect();
                request.header("content-type", "application/x-www-form-urlencoded").body(text.join("&"))
            }
        };
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            if pair.starts_with("doubleread=") {
                self.cookie = Some(pair.to_owned()).filter(|p| p != "doubleread=");
            }
        }
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
