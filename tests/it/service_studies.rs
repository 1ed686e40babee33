//! One study through the whole service: sent again, sent otherwise, late, of another patient, without a model.

use crate::service_films::{chest_film, film, film_of};
use crate::service_house::{House, case_with_result, wait_for};
use crate::store_cases::read_all;
use crate::store_database::now;
use doubleread::http::loopback_record::{Faults, serve};
use doubleread::phantom::{StudyOptions, generate_study};
use doubleread::reading::Event;
use doubleread::receive::send::{Outcome, push};
use doubleread::store::{HoldReason, NewUser, Store};
use doubleread::vocab::{
    AiOutcome, ChestOpinion, NotProcessedReason, Pathway, Role, SopInstanceUid, StudyInstanceUid, UserId,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// A record on this machine, and what it answers about a kind of resource.
pub struct Record {
    address: SocketAddr,
    client: reqwest::Client,
}

impl Record {
    pub async fn open(folder: &Path, faults: Faults) -> Self {
        let at = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let (address, _) = serve(at, folder.to_owned(), faults).await.unwrap();
        let client = doubleread::post::client(&doubleread::post::Endpoint::default()).unwrap();
        Self { address, client }
    }

    pub async fn all(&self, kind: &str) -> Value {
        let answer = self.client.get(format!("http://{}/{kind}", self.address)).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// A house that posts to this record and is quick to try again.
    pub fn house(&self) -> House {
        House::build_with("", |config| {
            let endpoint = toml::toml! { [endpoint]
            url = "" };
            let post = config.entry("post").or_insert(toml::Value::Table(endpoint));
            post["endpoint"]["url"] = format!("http://{}/", self.address).into();
            let limits = toml::toml! { delivery_backoff_ms = 20 };
            let database = config["database"].as_table_mut().unwrap();
            database.insert("limits".to_owned(), toml::Value::Table(limits));
        })
    }
}

pub async fn sent(house: &House, files: &[PathBuf]) -> Vec<u16> {
    let answers = push(&house.target("ROOM1"), files, &|_| {}).await.unwrap();
    let status = |outcome: &Outcome| match outcome {
        Outcome::Answered { status, .. } => *status,
        other => panic!("{other:?}"),
    };
    answers.iter().map(|sent| status(&sent.outcome)).collect()
}

pub fn write(house: &House, name: &str, bytes: &[u8]) -> PathBuf {
    let path = house.folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Two readers with accounts.
pub async fn two_readers(store: &Store) -> [UserId; 2] {
    let reader = async |name: &str| {
        let (sign_in_name, display_name) = (name.to_owned(), format!("Person {name}"));
        let (roles, sites) = ([Role::Reader].into(), [].into());
        let user = NewUser { sign_in_name, display_name, password_hash: None, roles, sites };
        store.create_user(user, now()).await.unwrap().user_id
    };
    [reader("anna").await, reader("ben").await]
}

/// The readers call the case of an image set normal; it has then concluded and owes a report.
pub async fn read_as_normal(store: &Store, study: &StudyInstanceUid, image_set: i64, readers: &[UserId; 2]) {
    let case = wait_for("the case of an image set", async || {
        let cases = store.cases_of_study(study).await.unwrap();
        let case = cases.into_iter().find(|case| case.image_set == image_set)?;
        store.ai_result(case.case_id).await.unwrap().map(|_| case)
    })
    .await;
    let stored = store.case(case.case_id).await.unwrap().unwrap();
    for reader in readers {
        let row = store.case_row(case.case_id).await.unwrap().unwrap();
        if row.concluded_at.is_none() {
            // The ten seconds that a reader looks have passed already.
            let at = now().plus_seconds(-10);
            let images = stored.state.set.images.iter().map(|image| image.sop_instance_uid.clone()).collect();
            read_all(store, case.case_id, *reader, ChestOpinion::Normal, images, at).await;
        }
    }
    let row = store.case_row(case.case_id).await.unwrap().unwrap();
    assert!(row.concluded_at.is_some(), "{} after two reads", row.state);
}

/// Waits until every message of the study's cases was accepted; attempts in all.
pub async fn delivered(store: &Store, study: &StudyInstanceUid, expected: usize) -> i64 {
    wait_for("the messages to be accepted", async || {
        let mut messages = Vec::new();
        for case in store.cases_of_study(study).await.unwrap() {
            messages.extend(store.messages_of_case(case.case_id).await.unwrap());
        }
        assert!(messages.iter().all(|m| m.dead_at.is_none()), "{messages:?}");
        let done = messages.len() >= expected && messages.iter().all(|m| m.delivered_at.is_some());
        done.then(|| messages.iter().map(|m| m.attempts).sum())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_the_same_file_fifty_times_from_five_senders_is_one_instance_one_case_and_one_result() {
    let mut house = House::build("");
    house.start().await;
    let (path, uid, study) = chest_film(&house, 9);
    let sending: Vec<_> = (0..5)
        .map(|number| {
            let (target, files) = (house.target(&format!("SENDER{number}")), vec![path.clone(); 10]);
            tokio::spawn(async move { push(&target, &files, &|_| {}).await.unwrap() })
        })
        .collect();
    let mut successes = 0;
    for sent in sending {
        let sent = sent.await.unwrap();
        successes += sent.iter().filter(|s| matches!(s.outcome, Outcome::Answered { status: 0, .. })).count();
    }
    assert_eq!(successes, 50);

    let store = house.store().await;
    let (case, _) = case_with_result(&store, &study).await;
    // Copies asked for assembly again while the first was at work: wait until nothing is owed any more.
    house.jobs_done(&store).await;
    let rows = store.instances_after(None, 100).await.unwrap();
    assert_eq!(rows.iter().map(|row| &row.sop_instance_uid).collect::<Vec<_>>(), [&uid]);
    assert_eq!(house.archive().hashes().unwrap(), [rows[0].content_hash.clone()]);
    assert!(store.open_conflicts(10).await.unwrap().is_empty());
    assert_eq!(store.cases_of_study(&study).await.unwrap().len(), 1);
    assert_eq!(store.ai_results_after(None, 100).await.unwrap().len(), 1);
    let events = store.events_of_case(case.case_id).await.unwrap();
    let results = events.iter().filter(|e| matches!(e.entry.event, Event::AiResulted { .. })).count();
    assert_eq!(results, 1, "results among {} events", events.len());
    store.close().await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_other_pixels_under_a_known_uid_are_kept_beside_the_first_and_a_person_sees_it() {
    let mut house = House::build("");
    house.start().await;
    let (uid, study) = ("2.25.10.1.1", "2.25.10");
    let bytes = film(uid, study, &[7; 512]);
    let first = write(&house, "first.dcm", &bytes);
    let other = write(&house, "other.dcm", &film(uid, study, &[9; 512]));
    assert_eq!(sent(&house, std::slice::from_ref(&first)).await, [0]);
    let store = house.store().await;
    let uid: SopInstanceUid = uid.parse().unwrap();
    let stood = store.instance(&uid).await.unwrap().unwrap();
    assert_ne!(
        sent(&house, &[other]).await,
        [0],
        "a sender must hear that its object is not the one that stands"
    );
    assert_eq!(sent(&house, &[first]).await, [0], "the first stands");
    assert_eq!(store.instance(&uid).await.unwrap().unwrap(), stood);
    let conflicts = store.open_conflicts(10).await.unwrap();
    assert_eq!(conflicts.len(), 1);
    let refused = &conflicts[0].refused.content_hash;
    let archive = house.archive();
    for hash in [&stood.content_hash, refused] {
        archive.verify(hash).unwrap();
    }
    assert_eq!(archive.hashes().unwrap().len(), 2);
    let (_, mut lead) = house.signed_in(&store, "lead", Role::Lead).await;
    let shown = lead.get("/api/operations").await.json();
    assert_eq!(shown["conflicts"][0]["refused_hash"], *refused, "{shown}");
    assert!(lead.get("/operations").await.text.contains(uid.as_str()), "the page does not show the conflict");
    store.close().await;
    house.stop().await;
    house.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_study_with_images_of_two_patients_is_held_and_posts_nothing_until_a_person_releases_it() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::open(folder.path(), Faults::NONE).await;
    let mut house = record.house();
    house.start().await;
    let study: StudyInstanceUid = "2.25.11".parse().unwrap();
    let one = write(&house, "1.dcm", &film_of("SYN-A", "2.25.11.1.1", study.as_str(), &[1; 512]));
    let two = write(&house, "2.dcm", &film_of("SYN-B", "2.25.11.1.2", study.as_str(), &[2; 512]));
    assert_eq!(sent(&house, &[one, two]).await, [0, 0]);
    let store = house.store().await;
    let held = wait_for("the hold", async || store.study(&study).await.unwrap()?.hold).await;
    assert_eq!(held.0, HoldReason::IdentityConflict);
    house.jobs_done(&store).await;
    // A case that was there before the second patient's image came is not for reading any more.
    for case in store.cases_of_study(&study).await.unwrap() {
        assert_eq!(case.open_slot, None, "{}", case.state);
        assert!(store.messages_of_case(case.case_id).await.unwrap().is_empty());
    }
    let (_, mut lead) = house.signed_in(&store, "lead", Role::Lead).await;
    let shown = lead.get("/api/operations").await.json();
    assert_eq!(shown["held_studies"][0]["study_instance_uid"], study.as_str(), "{shown}");
    assert_eq!(record.all("DiagnosticReport").await["total"], 0);
    let release = format!("/api/operations/studies/{study}/release");
    let released = lead.post(&release, json!({})).await;
    assert!(released.status.is_success(), "{}", released.text);
    wait_for("a case that can be read", async || {
        let cases = store.cases_of_study(&study).await.unwrap();
        cases.into_iter().find(|case| case.superseded_by.is_none() && case.open_slot.is_some())
    })
    .await;
    store.close().await;
    house.stop().await;
    house.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_view_that_comes_after_the_report_amends_the_record_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::open(folder.path(), Faults::NONE).await;
    let mut house = record.house();
    house.start().await;
    let study: StudyInstanceUid = "2.25.13".parse().unwrap();
    let first = write(&house, "1.dcm", &film("2.25.13.1.1", study.as_str(), &[1; 512]));
    assert_eq!(sent(&house, &[first]).await, [0]);
    let store = house.store().await;
    let readers = two_readers(&store).await;
    read_as_normal(&store, &study, 1, &readers).await;
    delivered(&store, &study, 1).await;
    let report = record.all("DiagnosticReport").await;
    assert_eq!((&report["total"], &report["entry"][0]["resource"]["status"]), (&json!(1), &json!("final")));

    let late = write(&house, "2.dcm", &film("2.25.13.1.2", study.as_str(), &[2; 512]));
    assert_eq!(sent(&house, &[late]).await, [0]);
    read_as_normal(&store, &study, 2, &readers).await;
    delivered(&store, &study, 2).await;
    let cases = store.cases_of_study(&study).await.unwrap();
    assert_eq!(cases.len(), 2, "one case for each image set");
    assert_eq!(cases.iter().filter(|case| case.superseded_by.is_none()).count(), 1);
    let report = record.all("DiagnosticReport").await;
    assert_eq!(report["total"], 1, "the record has two reports of one study");
    let status = report["entry"][0]["resource"]["status"].as_str().unwrap();
    assert!(["amended", "corrected"].contains(&status), "{status}");
    store.close().await;
    house.stop().await;
    house.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_a_record_that_commits_and_cuts_the_line_holds_one_resource_for_each_identifier() {
    const FILMS: usize = 16;
    let folder = tempfile::tempdir().unwrap();
    let record =
        Record::open(folder.path(), Faults { cut_after_commit: 0.3, unavailable: 0.0, refuse: 0.0, seed: 7 })
            .await;
    let mut house = record.house();
    house.start().await;
    let name = |number: usize| format!("2.25.15{number:03}");
    let files: Vec<PathBuf> = (0..FILMS)
        .map(|n| write(&house, &format!("{n}.dcm"), &film(&format!("{}.1.1", name(n)), &name(n), &[1; 512])))
        .collect();
    assert_eq!(sent(&house, &files).await, [0; FILMS]);
    let store = house.store().await;
    let studies: Vec<StudyInstanceUid> = (0..FILMS).map(|n| name(n).parse().unwrap()).collect();
    let readers = two_readers(&store).await;
    for study in &studies {
        read_as_normal(&store, study, 1, &readers).await;
    }
    let mut attempts = 0;
    for study in &studies {
        attempts += delivered(&store, study, 1).await;
    }
    let lost = attempts - i64::try_from(FILMS).unwrap();
    println!(
        "{FILMS} reports in {attempts} posts: {lost} answers were cut off after the record had committed"
    );
    assert!(lost >= 2, "the faults did not come");
    for kind in ["DiagnosticReport", "ImagingStudy", "Patient", "ServiceRequest", "Observation"] {
        let bundle = record.all(kind).await;
        let mut identifiers: Vec<String> = bundle["entry"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| entry["resource"]["identifier"].to_string())
            .collect();
        let all = identifiers.len();
        identifiers.sort();
        identifiers.dedup();
        println!("{all} of {kind}");
        assert_eq!(identifiers.len(), all, "{kind} twice under one identifier");
        assert!(kind != "DiagnosticReport" || all == FILMS, "{all} reports of {FILMS} studies");
    }
    store.close().await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_without_a_model_a_chest_film_becomes_a_case_that_says_so() {
    let mut house = House::build("");
    house.start().await;
    let (path, _, study) = chest_film(&house, 20);
    let sent = push(&house.target("ROOM1"), &[path], &|_| {}).await.unwrap();
    assert!(sent[0].outcome.is_stored(), "{:?}", sent[0].outcome);
    let store = house.store().await;
    let (case, ai) = case_with_result(&store, &study).await;
    let AiOutcome::NotProcessed(why) = &ai.result.outcome else { panic!("{:?}", ai.result.outcome) };
    assert_eq!(why.reason, NotProcessedReason::ModelNotAvailable);
    assert!(case.open_slot.is_some(), "no reader is asked for the case: {}", case.state);
    store.close().await;
    house.stop().await;
    house.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_without_a_model_two_readers_finish_a_mammogram_and_the_pages_say_that_the_ai_is_not_available() {
    let mut house = House::build("");
    house.start().await;
    let options = StudyOptions { size: Some((240, 300)), age_years: Some(54), ..StudyOptions::default() };
    let views = generate_study(Pathway::Mammo, 20, &options);
    let study: StudyInstanceUid = views[0].identity.study.study_instance_uid.parse().unwrap();
    let files: Vec<PathBuf> =
        views.iter().map(|view| write(&house, &view.file_name, &view.part10().unwrap())).collect();
    assert_eq!(sent(&house, &files).await, [0; 4]);
    let store = house.store().await;
    let (case, ai) = case_with_result(&store, &study).await;
    let AiOutcome::NotProcessed(why) = &ai.result.outcome else { panic!("{:?}", ai.result.outcome) };
    assert_eq!(why.reason, NotProcessedReason::ModelNotAvailable);
    let recall = json!({"pathway": "mammo", "opinion": "recall", "right": {"assessment": "normal"},
        "left": {"assessment": "abnormal", "marks": [{"feature": "mass", "concern": "4"}]}});
    let path = format!("/api/cases/{}", case.case_id);
    for name in ["anna", "ben"] {
        let (_, mut reader) = house.signed_in(&store, name, Role::Reader).await;
        let opened = reader.post("/api/cases/next", json!({})).await;
        assert_eq!(opened.status, StatusCode::OK, "{name}: {}", opened.text);
        let opened = opened.json();
        assert_eq!(opened["case_id"], case.case_id.to_string());
        let claim = &opened["claim_token"];
        let images: Vec<&Value> =
            opened["images"].as_array().unwrap().iter().map(|image| &image["sop_instance_uid"]).collect();
        reader.post(&format!("{path}/acknowledge"), json!({"claim_token": claim, "images": images})).await;
        let body = json!({"claim_token": claim, "opinion": recall});
        // Refused as an accidental click until the reader has looked for long enough.
        let locked = wait_for("the opinion to be taken", async || {
            let answer = reader.post(&format!("{path}/reads"), body.clone()).await;
            (answer.json()["code"] != "accidental_click").then_some(answer)
        })
        .await;
        assert_eq!(locked.status, StatusCode::OK, "{name}: {}", locked.text);
        let read = locked.json()["case"]["own"]["id"].as_str().unwrap().to_owned();
        reader.post(&format!("{path}/reads/{read}/reveal"), json!({})).await;
        let page = reader.get(&format!("/cases/{}", case.case_id)).await;
        assert!(
            page.text.to_lowercase().contains("not available"),
            "the page does not say that there is no AI"
        );
        let done = reader.post(&format!("{path}/reads/{read}/finalise"), json!({})).await;
        assert_eq!(done.status, StatusCode::OK, "{name}: {}", done.text);
    }
    let row = store.case_row(case.case_id).await.unwrap().unwrap();
    assert_eq!((row.outcome.as_deref(), row.concluded_at.is_some()), (Some("recall"), true), "{}", row.state);
    store.close().await;
    house.stop().await;
    house.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_nothing_that_identifies_a_patient_is_in_log_metrics_or_error_whatever_happens_to_the_study() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::open(folder.path(), Faults { refuse: 1.0, seed: 14, ..Faults::NONE }).await;
    let mut house = record.house();
    house.start().await;
    let (uid, study) = ("2.25.14.1.1", "2.25.14");
    let good = film_of("CANARY-7731", uid, study, &[1; 512]);
    let other = film_of("CANARY-7731", uid, study, &[2; 512]);
    let mut cut = film_of("CANARY-7731", "2.25.14.1.3", study, &[3; 512]);
    cut.truncate(cut.len() - 100);
    let late = film_of("CANARY-9942", "2.25.14.1.4", study, &[4; 512]);
    let store = house.store().await;
    let readers = two_readers(&store).await;
    // Accepted, in conflict, broken; then read and refused by the record; then of another patient.
    for (number, bytes) in [&good, &other, &cut].into_iter().enumerate() {
        sent(&house, &[write(&house, &format!("{number}.dcm"), bytes)]).await;
    }
    let uid = study.parse().unwrap();
    read_as_normal(&store, &uid, 1, &readers).await;
    wait_for("a dead letter", async || store.dead_letters(1).await.unwrap().pop()).await;
    assert_eq!(sent(&house, &[write(&house, "late.dcm", &late)]).await, [0]);
    wait_for("the hold", async || store.study(&uid).await.unwrap()?.hold).await;
    house.jobs_done(&store).await;
    let (_, mut lead) = house.signed_in(&store, "lead", Role::Lead).await;
    let mut said = vec![("log", house.log())];
    for path in ["/metrics", "/health/ready", "/api/operations", "/api/cases/none", "/api/studies/2.25.99"] {
        said.push((path, lead.get(path).await.text));
    }
    store.close().await;
    house.stop().await;
    said.push(("log after the stop", house.log()));
    for (place, text) in said {
        for canary in ["CANARY", "SYNTHETIC", "DURABLE"] {
            assert!(!text.contains(canary), "{canary} in {place}:\n{text}");
        }
    }
}
