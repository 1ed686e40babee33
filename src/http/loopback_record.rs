//! A small FHIR R4 record on this machine, for demonstrations and tests: synthetic data only.
//!
//! In: transaction bundles by `POST /`. Out: a transaction response, or an OperationOutcome that names what is
//! wrong; every resource in memory and as one JSON file in a folder, so that it can be looked at. It checks what
//! it gets as a strict record would (`validate`), keeps one resource per identifier (`shelf`), and can be told to
//! fail on a share of posts (`Faults`), so that delivery can be proven. It must never hold a real patient's data:
//! it has no sign-in. It names nothing of `post`, so that the one can't share a mistake of the other.

mod line;
mod shelf;
mod validate;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use line::{CuttableListener, Line};
use shelf::Shelf;
use validate::Fault;

/// Shares of posts, 0 to 1, that fail in some way; all 0 in normal use.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Stored, and the line cut before any answer.
    pub cut_after_commit: f64,
    /// Not stored, 503 with `Retry-After: 0`.
    pub unavailable: f64,
    /// Not stored, 400.
    pub refuse: f64,
    /// Seed of the choice.
    pub seed: u64,
}

impl Faults {
    /// None at all.
    pub const NONE: Faults = Faults { cut_after_commit: 0.0, unavailable: 0.0, refuse: 0.0, seed: 0 };
}

/// Longest bundle that is taken, bytes.
const BUNDLE_MAX_BYTES: usize = 4 << 20;

/// Which fault a post meets.
enum Fate {
    Answered,
    Cut,
    Unavailable,
    Refused,
}

struct Record {
    shelf: Mutex<Shelf>,
    faults: Faults,
    random: Mutex<u64>,
}

impl Record {
    /// The fate of the next post: one number of a seeded sequence (SplitMix64) against the shares.
    fn fate(&self) -> Fate {
        let mut state = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        let Faults { cut_after_commit, unavailable, refuse, .. } = self.faults;
        if number < cut_after_commit {
            Fate::Cut
        } else if number < cut_after_commit + unavailable {
            Fate::Unavailable
        } else if number < cut_after_commit + unavailable + refuse {
            Fate::Refused
        } else {
            Fate::Answered
        }
    }
}

/// Starts the record on `address` with its resources in `folder`; what is there already is kept.
/// The task runs until it is aborted.
pub async fn serve(
    address: SocketAddr,
    folder: PathBuf,
    faults: Faults,
) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let shelf =
        tokio::task::spawn_blocking(move || Shelf::open(folder)).await.map_err(std::io::Error::other)??;
    let random = Mutex::new(faults.seed);
    let record = Arc::new(Record { shelf: Mutex::new(shelf), faults, random });
    let router = Router::new()
        .route("/", get(list).post(transact))
        .route("/{kind}", get(search))
        .route("/{kind}/{id}", get(read))
        .layer(DefaultBodyLimit::max(BUNDLE_MAX_BYTES))
        .with_state(record);
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let service = router.into_make_service_with_connect_info::<Line>();
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(CuttableListener(listener), service).await {
            tracing::error!(%error, "the loopback record stopped");
        }
    });
    Ok((bound, task))
}

fn fhir(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/fhir+json")], body.to_string()).into_response()
}

fn outcome(status: StatusCode, faults: &[Fault]) -> Response {
    let issues: Vec<Value> = faults
        .iter()
        .map(|fault| {
            json!({
                "severity": "error",
                "code": fault.code,
                "diagnostics": fault.problem,
                "expression": [fault.place],
            })
        })
        .collect();
    fhir(status, &json!({ "resourceType": "OperationOutcome", "issue": issues }))
}

fn one_fault(code: &'static str, problem: &str) -> [Fault; 1] {
    [Fault { code, place: "Bundle".to_owned(), problem: problem.to_owned() }]
}

async fn transact(
    State(record): State<Arc<Record>>,
    ConnectInfo(line): ConnectInfo<Line>,
    body: Bytes,
) -> Response {
    let fate = record.fate();
    match fate {
        Fate::Unavailable => {
            let mut answer =
                outcome(StatusCode::SERVICE_UNAVAILABLE, &one_fault("transient", "told to be unavailable"));
            answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("0"));
            return answer;
        }
        Fate::Refused => {
            return outcome(StatusCode::BAD_REQUEST, &one_fault("processing", "told to refuse"));
        }
        Fate::Answered | Fate::Cut => {}
    }
    // Parsing and writing files block, and the lock is held while they do: one transaction at a time.
    let committed = tokio::task::spawn_blocking(move || {
        let Ok(bundle) = serde_json::from_slice::<Value>(&body) else {
            return outcome(StatusCode::BAD_REQUEST, &one_fault("structure", "is not JSON"));
        };
        let mut shelf = record.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let faults = validate::faults_of(&bundle, &shelf);
        if !faults.is_empty() {
            return outcome(StatusCode::BAD_REQUEST, &faults);
        }
        match shelf.commit(&bundle) {
            Ok(answer) => fhir(StatusCode::OK, &answer),
            Err(shelf::CommitError::Ambiguous { place }) => {
                let fault =
                    Fault { code: "multiple-matches", place, problem: "the search finds several".to_owned() };
                outcome(StatusCode::PRECONDITION_FAILED, &[fault])
            }
            Err(shelf::CommitError::Disk(error)) => {
                tracing::error!(%error, "the loopback record can't write");
                outcome(StatusCode::INTERNAL_SERVER_ERROR, &one_fault("no-store", "can't be written"))
            }
        }
    })
    .await;
    if matches!(fate, Fate::Cut) {
        line.cut();
    }
    committed
        .unwrap_or_else(|_| outcome(StatusCode::INTERNAL_SERVER_ERROR, &one_fault("exception", "failed")))
}

/// What there is, by type: for a person who wants to look.
async fn list(State(record): State<Arc<Record>>) -> Response {
    let shelf = record.shelf.lock().unwrap_or_else(PoisonError::into_inner);
    fhir(StatusCode::OK, &json!({ "note": "synthetic data only", "resources": shelf.contents() }))
}

#[derive(serde::Deserialize)]
struct Search {
    identifier: Option<String>,
    #[serde(rename = "_tag")]
    tag: Option<String>,
}

async fn search(
    State(record): State<Arc<Record>>,
    Path(kind): Path<String>,
    Query(search): Query<Search>,
) -> Response {
    let shelf = record.shelf.lock().unwrap_or_else(PoisonError::into_inner);
    let found: Vec<Value> = match (&search.identifier, &search.tag) {
        (Some(token), _) => shelf.find(&kind, shelf::By::Identifier, token),
        (None, Some(token)) => shelf.find(&kind, shelf::By::Tag, token),
        (None, None) => shelf.all(&kind),
    }
    .into_iter()
    .map(|resource| json!({ "resource": resource }))
    .collect();
    let total = found.len();
    fhir(
        StatusCode::OK,
        &json!({ "resourceType": "Bundle", "type": "searchset", "total": total, "entry": found }),
    )
}

async fn read(State(record): State<Arc<Record>>, Path((kind, id)): Path<(String, String)>) -> Response {
    let shelf = record.shelf.lock().unwrap_or_else(PoisonError::into_inner);
    match shelf.get(&kind, &id) {
        Some(resource) => fhir(StatusCode::OK, resource),
        None => outcome(StatusCode::NOT_FOUND, &one_fault("not-found", "is not here")),
    }
}
