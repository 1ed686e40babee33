//! The list of arrivals: in words, for a page that follows it, and for nobody after the session has ended.

use std::time::{Duration, Instant};

use doubleread::http::Settings;
use doubleread::vocab::{AiOutcome, MammoView, NotProcessedReason, QualityFault, Role};
use reqwest::header::{ACCEPT, COOKIE};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::http_service::{Service, Visitor};
use crate::http_world::{ai, make_case};

/// A stream of server-sent events, read an event at a time.
pub struct Events {
    answer: Response,
    text: String,
}

impl Events {
    /// Opens a stream in the name of a visitor.
    pub async fn open(base: &str, visitor: &Visitor) -> Result<Self, StatusCode> {
        let request = Client::new().get(format!("{base}/api/arrivals")).header(ACCEPT, "text/event-stream");
        let answer = request.header(COOKIE, visitor.cookie.clone().unwrap()).send().await.unwrap();
        match answer.status() {
            StatusCode::OK => Ok(Self { answer, text: String::new() }),
            other => Err(other),
        }
    }

    /// The next event with its name and data; `None` once the stream is over.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let start = format!("{name}: ");
                    event.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
                };
                let found = field("event").map(|name| (name, field("data").unwrap_or_default()));
                self.text = rest.to_owned();
                if let Some((name, data)) = found {
                    return Some((name, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let piece = tokio::time::timeout(Duration::from_secs(30), self.answer.chunk());
            match piece.await.expect("an event within 30 s") {
                Ok(Some(bytes)) => self.text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

#[tokio::test]
async fn a_repeat_stands_first_in_words_and_a_blind_reader_hears_nothing_of_it() {
    let service = Service::start().await;
    service.person("rad", &[Role::Radiographer]).await;
    service.person("anna", &[Role::Reader]).await;
    let made = make_case(&service, 1, "mammo-ai-second").await;
    let mut rad = service.signed_in("rad").await;
    let mut events = Events::open(&service.base, &rad).await.unwrap();
    let (name, first) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &first["lines"][0]["repeat"]), ("arrivals", &Value::Null));
    service.person("ben", &[Role::Reader]).await;
    let ben = service.signed_in("ben").await;
    let mut blind = Events::open(&service.base, &ben).await.unwrap();
    blind.next().await.unwrap();

    let view: MammoView = "LMLO".parse().unwrap();
    let fault = QualityFault { view: Some(view), reason: NotProcessedReason::Clipped, detail: String::new() };
    let began = Instant::now();
    ai(&service, &made, AiOutcome::QualityFail { faults: vec![fault] }, 0.0).await;
    let (_, after) = events.next().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(after["lines"][0]["study_instance_uid"], made.study.as_str(), "it stands first");
    assert_eq!(after["lines"][0]["repeat"], "LMLO: the exposure is clipped");
    assert!(
        after["rows"].as_str().unwrap().contains("Patient1")
            || after["rows"].as_str().unwrap().contains("PATIENT1")
    );
    assert!(!after["rows"].as_str().unwrap().contains("Nell<b>"), "a name stays text");
    // To the blind reader nothing has happened, and no event says that something has: the next one is of the next push.
    make_case(&service, 2, "chest-verify").await;
    let (_, next) = blind.next().await.unwrap();
    assert_eq!(next["lines"].as_array().unwrap().len(), 2, "{next}");
    let page = rad.get("/studies").await.text;
    assert!(page.contains("Repeat needed") && page.contains("the exposure is clipped"), "{page}");

    let mut anna = service.signed_in("anna").await;
    for path in ["/studies", "/api/arrivals"] {
        let text = anna.get(path).await.text;
        assert!(text.contains("ACC1") && !text.contains("clipped"), "{path}: {text}");
    }
    assert_eq!(service.visitor().get("/api/arrivals").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_keeps_none_alive() {
    let service = Service::start().await;
    service.person("rad", &[Role::Radiographer]).await;
    let mut rad = service.signed_in("rad").await;
    let mut events = Events::open(&service.base, &rad).await.unwrap();
    assert_eq!(events.next().await.unwrap().0, "arrivals");
    // Opened again and again, as a browser does, it does not move the end of the session.
    service.clock.advance_ms(29 * 60_000);
    drop(events);
    let mut events = Events::open(&service.base, &rad).await.unwrap();
    assert_eq!(events.next().await.unwrap().0, "arrivals");
    service.clock.advance_ms(2 * 60_000);
    assert_eq!(events.next().await.unwrap(), ("ended".to_owned(), json!({})));
    assert_eq!(events.next().await, None);
    assert_eq!(rad.get("/api/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(Events::open(&service.base, &rad).await.err(), Some(StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn streams_are_as_many_as_the_configuration_says() {
    let service = Service::start_with(Settings { arrival_streams: 1, ..Settings::default() }).await;
    service.person("rad", &[Role::Radiographer]).await;
    let rad = service.signed_in("rad").await;
    let mut first = Events::open(&service.base, &rad).await.unwrap();
    first.next().await.unwrap();
    assert_eq!(Events::open(&service.base, &rad).await.err(), Some(StatusCode::SERVICE_UNAVAILABLE));
    drop(first);
    crate::service_house::wait_for("the place to be free again", async || {
        Events::open(&service.base, &rad).await.ok().map(drop)
    })
    .await;
}
