//! Sends a bundle to the record's FHIR server and checks what it answers.

use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::Value;

/// The record's FHIR server.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// Base address that transactions are posted to; empty means that nothing is sent and results wait.
    pub url: String,
    /// File with a bearer token, read at start.
    pub bearer_token_file: Option<PathBuf>,
    /// Whether plain HTTP is allowed to another machine than this one.
    pub allow_plain_http: bool,
    /// Time to connect, milliseconds.
    pub connect_timeout_ms: u64,
    /// Time from request to the last byte of the answer, milliseconds.
    pub answer_timeout_ms: u64,
    /// Longest answer that is read, bytes.
    pub answer_max_bytes: usize,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            url: String::new(),
            bearer_token_file: None,
            allow_plain_http: false,
            connect_timeout_ms: 5_000,
            answer_timeout_ms: 30_000,
            answer_max_bytes: 1 << 20,
        }
    }
}

/// One resource as the server keeps it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredResource {
    /// Where it is, such as `DiagnosticReport/17/_history/1`; empty where the server does not say.
    pub location: String,
    /// 201 created, 200 there already or updated.
    pub status: u16,
}

/// Proof of receipt: one entry per resource, in the order of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Receipt {
    /// What is kept where.
    pub resources: Vec<StoredResource>,
}

/// Why a bundle was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The endpoint's settings can't be used; a person must change them.
    #[error("the endpoint's {setting} {problem}")]
    Misconfigured {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No answer: the line was cut, or a timeout passed. The server may have stored it; sending again is safe.
    #[error("no answer from the record ({phase})")]
    NoAnswer {
        /// `connect`, `timeout` or `answer`.
        phase: &'static str,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// The server asks for patience.
    #[error("the record answers {status} for now")]
    Busy {
        /// HTTP status.
        status: u16,
        /// How long it asks to wait.
        retry_after_ms: Option<u64>,
    },
    /// Our credentials are not accepted; a new token may be.
    #[error("the record does not accept our credentials ({status})")]
    NotAuthorised {
        /// 401 or 403.
        status: u16,
    },
    /// The bundle itself is not accepted; sending it again would not help.
    #[error("the record refuses the bundle ({status}: {})", issues.join(", "))]
    Refused {
        /// HTTP status.
        status: u16,
        /// Issue codes of the OperationOutcome; its words may identify someone and are not kept.
        issues: Vec<String>,
    },
    /// The answer says success but does not prove it.
    #[error("the record's answer {problem}")]
    UnusableAnswer {
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl DeliveryError {
    /// Whether the same bundle may be accepted later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoAnswer { .. }
            | Self::Busy { .. }
            | Self::NotAuthorised { .. }
            | Self::UnusableAnswer { .. } => true,
            Self::Misconfigured { .. } | Self::Refused { .. } => false,
        }
    }

    /// How long the server asked to wait.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Busy { retry_after_ms, .. } => *retry_after_ms,
            Self::Misconfigured { .. }
            | Self::NoAnswer { .. }
            | Self::NotAuthorised { .. }
            | Self::Refused { .. }
            | Self::UnusableAnswer { .. } => None,
        }
    }
}

/// A client for the endpoint: timeouts, bearer token, no redirects. Make one and keep it.
pub fn client(endpoint: &Endpoint) -> Result<reqwest::Client, DeliveryError> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error means that another part of the program installed a provider first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let mut headers = HeaderMap::new();
    if let Some(path) = &endpoint.bearer_token_file {
        let wrong = |problem| DeliveryError::Misconfigured { setting: "bearer_token_file", problem };
        let token = std::fs::read_to_string(path).map_err(|_| wrong("can't be read"))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .map_err(|_| wrong("holds characters that a token can't have"))?;
        value.set_sensitive(true);
        headers.insert(reqwest::header::AUTHORIZATION, value);
    }
    reqwest::Client::builder()
        .default_headers(headers)
        .connect_timeout(Duration::from_millis(endpoint.connect_timeout_ms))
        .timeout(Duration::from_millis(endpoint.answer_timeout_ms))
        // A redirect would carry patient data to an address that nobody configured.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| DeliveryError::Misconfigured { setting: "client", problem: "can't be built" })
}

/// The address, if it may be sent to.
fn address(endpoint: &Endpoint) -> Result<reqwest::Url, DeliveryError> {
    let wrong = |problem| DeliveryError::Misconfigured { setting: "url", problem };
    let url = reqwest::Url::parse(&endpoint.url).map_err(|_| wrong("is not an address"))?;
    let here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match url.scheme() {
        "https" => Ok(url),
        "http" if here || endpoint.allow_plain_http => Ok(url),
        "http" => Err(wrong("is plain HTTP to another machine, which allow_plain_http does not permit")),
        _ => Err(wrong("is neither http nor https")),
    }
}

/// Sends one transaction bundle and checks the answer. `key` names the message, the same at every attempt.
pub async fn deliver(
    client: &reqwest::Client,
    endpoint: &Endpoint,
    bundle: &Value,
    key: &str,
) -> Result<Receipt, DeliveryError> {
    let entries = bundle["entry"].as_array().map_or(0, Vec::len);
    let body = serde_json::to_vec(bundle).map_err(|_| DeliveryError::Misconfigured {
        setting: "bundle",
        problem: "can't be written as JSON",
    })?;
    let answer = client
        .post(address(endpoint)?)
        .header(CONTENT_TYPE, "application/fhir+json")
        .header(ACCEPT, "application/fhir+json")
        .header("Prefer", "return=minimal")
        .header("Idempotency-Key", key)
        .header("X-Request-Id", key)
        .body(body)
        .send()
        .await
        .map_err(no_answer)?;
    let status = answer.status().as_u16();
    let retry_after_ms = answer
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|seconds| seconds.trim().parse::<u64>().ok())
        .map(|seconds| seconds.saturating_mul(1_000));
    let text = read_limited(answer, endpoint.answer_max_bytes).await?;
    match status {
        200 | 201 => receipt(&text, entries),
        401 | 403 => Err(DeliveryError::NotAuthorised { status }),
        // 409: two transactions met; the server asks for a retry (FHIR R4, http.html#transaction).
        408 | 409 | 425 | 429 | 500..=599 => Err(DeliveryError::Busy { status, retry_after_ms }),
        _ => Err(DeliveryError::Refused { status, issues: issue_codes(&text) }),
    }
}

fn no_answer(source: reqwest::Error) -> DeliveryError {
    let phase = if source.is_connect() {
        "connect"
    } else if source.is_timeout() {
        "timeout"
    } else {
        "answer"
    };
    // The address may hold credentials; it has no place in a log line.
    DeliveryError::NoAnswer { phase, source: source.without_url() }
}

async fn read_limited(mut answer: reqwest::Response, limit: usize) -> Result<Vec<u8>, DeliveryError> {
    let mut text = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(no_answer)? {
        if text.len() + part.len() > limit {
            return Err(DeliveryError::UnusableAnswer { problem: "is longer than answer_max_bytes" });
        }
        text.extend_from_slice(&part);
    }
    Ok(text)
}

/// Proof out of a transaction-response: one entry per resource, each created or there.
fn receipt(text: &[u8], entries: usize) -> Result<Receipt, DeliveryError> {
    let unusable = |problem| DeliveryError::UnusableAnswer { problem };
    let answer: Value = serde_json::from_slice(text).map_err(|_| unusable("is not JSON"))?;
    if answer["resourceType"] != "Bundle" || answer["type"] != "transaction-response" {
        return Err(unusable("is not a transaction response"));
    }
    let answered = answer["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    if answered.len() != entries {
        return Err(unusable("does not have one entry per resource"));
    }
    let resources = answered
        .iter()
        .map(|entry| {
            let response = &entry["response"];
            let status =
                response["status"].as_str().and_then(|s| s.get(..3)).and_then(|s| s.parse::<u16>().ok());
            match status {
                Some(status @ (200 | 201)) => Ok(StoredResource {
                    location: response["location"].as_str().unwrap_or_default().to_owned(),
                    status,
                }),
                _ => Err(unusable("has an entry that was neither created nor found")),
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Receipt { resources })
}

/// Severity and code of each issue of an OperationOutcome.
fn issue_codes(text: &[u8]) -> Vec<String> {
    /// Issues that are kept of one answer.
    const KEPT: usize = 8;
    let outcome: Value = serde_json::from_slice(text).unwrap_or_default();
    let issues = outcome["issue"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Codes of the standard are letters and hyphens; anything else may be free text.
    let is_code =
        |code: &&str| !code.is_empty() && code.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    issues
        .iter()
        .filter_map(|issue| issue["code"].as_str())
        .filter(is_code)
        .take(KEPT)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        Endpoint { url: url.to_owned(), ..Endpoint::default() }
    }

    #[test]
    fn patient_data_does_not_leave_this_machine_in_the_clear_unless_someone_says_so() {
        assert!(address(&endpoint("http://127.0.0.1:8090/")).is_ok());
        assert!(address(&endpoint("https://record.example/fhir")).is_ok());
        assert!(address(&endpoint("http://record.example/fhir")).is_err());
        assert!(address(&endpoint("file:///etc/passwd")).is_err());
        assert!(address(&endpoint("")).is_err());
        let allowed = Endpoint { allow_plain_http: true, ..endpoint("http://record.example/fhir") };
        assert!(address(&allowed).is_ok());
    }

    #[test]
    fn success_without_proof_for_each_resource_is_no_success() {
        let good = br#"{"resourceType":"Bundle","type":"transaction-response","entry":[
            {"response":{"status":"201 Created","location":"Patient/1/_history/1"}},{"response":{"status":"200"}}]}"#;
        assert_eq!(receipt(good, 2).unwrap().resources[0].location, "Patient/1/_history/1");
        assert!(receipt(good, 3).is_err());
        for bad in [&b""[..], b"{}", b"<html>", br#"{"resourceType":"Bundle","type":"batch-response"}"#] {
            assert!(receipt(bad, 0).is_err());
        }
        let failed = br#"{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"404"}}]}"#;
        assert!(receipt(failed, 1).is_err());
    }

    #[test]
    fn of_a_refusal_only_codes_are_kept() {
        let text =
            br#"{"resourceType":"OperationOutcome","issue":[{"code":"required","diagnostics":"Ada Ward"},
            {"code":"Ada Ward 1962"}]}"#;
        assert_eq!(issue_codes(text), ["required"]);
    }
}
