//! Orders and the whole service: an order for somebody else stops everything until a person has settled it, an urgent one
//! makes its case urgent, and none is waited for.

use doubleread::http::loopback_record::Faults;
use doubleread::phantom::{GeneratedInstance, StudyOptions, generate_study};
use doubleread::store::{HoldReason, Store};
use doubleread::vocab::{Pathway, Role, StudyInstanceUid};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::http_service::Visitor;
use crate::service_house::{House, case_with_result, wait_for};
use crate::service_studies::{Record, delivered, read_as_normal, sent, two_readers, write};

/// One frontal film.
fn film(number: u64) -> GeneratedInstance {
    let options = StudyOptions { size: Some((240, 300)), ..StudyOptions::default() };
    generate_study(Pathway::Chest, number, &options).remove(0)
}

fn study_of(film: &GeneratedInstance) -> StudyInstanceUid {
    film.identity.study.study_instance_uid.parse().unwrap()
}

/// An order with the accession number of a film, for its patient.
fn order(film: &GeneratedInstance) -> Value {
    let study = &film.identity.study;
    json!({
        "placer_order_number": format!("RQ-{}", study.accession_number), "accession_number": study.accession_number,
        "site": "LOCAL", "pathway": "chest", "procedure": "XR chest PA", "requested_at": "2026-01-02T03:04:05Z",
        "patient": {"id": study.patient_id, "name": study.patient_name, "birth_date": study.birth_date(film.phantom.age_years)},
    })
}

fn for_somebody_else(film: &GeneratedInstance) -> Value {
    let mut order = order(film);
    order["patient"] = json!({"id": "OTHER", "name": "Someone^Else", "birth_date": "19700707"});
    order
}

async fn post(rad: &mut Visitor, order: Value) {
    let answer = rad.post("/api/orders", order).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

async fn push(house: &House, film: &GeneratedInstance) {
    let path = write(house, &film.file_name, &film.part10().unwrap());
    assert_eq!(sent(house, &[path]).await, [0]);
}

async fn release(store: &Store, house: &House, study: &StudyInstanceUid) {
    let (_, mut lead) = house.signed_in(store, "lead", Role::Lead).await;
    let answer = lead.post(&format!("/api/operations/studies/{study}/release"), json!({})).await;
    assert!(answer.status.is_success(), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_with_the_accession_number_of_another_patient_are_not_scored_or_posted_until_a_person_has_settled_it()
 {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::open(folder.path(), Faults::NONE).await;
    let mut house = record.house();
    house.start().await;
    let store = house.store().await;
    let (_, mut rad) = house.signed_in(&store, "rad", Role::Radiographer).await;
    let film = film(71);
    let study = study_of(&film);
    post(&mut rad, for_somebody_else(&film)).await;
    push(&house, &film).await;
    let held = store.study(&study).await.unwrap().unwrap().hold;
    assert_eq!(
        held.map(|(reason, _)| reason),
        Some(HoldReason::OrderOfAnotherPatient),
        "held as it was stored"
    );
    house.jobs_done(&store).await;
    assert!(store.cases_of_study(&study).await.unwrap().is_empty());
    assert!(store.ai_results_after(None, 10).await.unwrap().is_empty());

    release(&store, &house, &study).await;
    let (case, _) = case_with_result(&store, &study).await;
    assert!(case.open_slot.is_some());
    let readers = two_readers(&store).await;
    read_as_normal(&store, &study, 1, &readers).await;
    delivered(&store, &study, 1).await;
    let reports = record.all("DiagnosticReport").await;
    assert_eq!(reports["total"], 1);
    let number = &film.identity.study.accession_number;
    assert!(
        !reports.to_string().contains(number),
        "the report would be filed under the other patient's order"
    );
    let studies = record.all("ImagingStudy").await.to_string();
    assert!(!studies.contains(number), "{studies}");
    store.close().await;
    house.stop().await;
    house.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_for_another_patient_that_comes_late_takes_the_case_out_of_the_queue() {
    let mut house = House::build("");
    house.start().await;
    let store = house.store().await;
    let (_, mut rad) = house.signed_in(&store, "rad", Role::Radiographer).await;
    let film = film(72);
    let study = study_of(&film);
    push(&house, &film).await;
    let (case, _) = case_with_result(&store, &study).await;
    assert!(case.open_slot.is_some(), "no order is waited for");
    post(&mut rad, for_somebody_else(&film)).await;
    let open_slot = async || store.case_row(case.case_id).await.unwrap().unwrap().open_slot;
    wait_for("the case to be out of the queue", async || open_slot().await.is_none().then_some(())).await;
    // The order was wrong, and is corrected; a person lifts the hold.
    let mut corrected = order(&film);
    corrected["symptoms"] = json!("Cough");
    post(&mut rad, corrected).await;
    release(&store, &house, &study).await;
    wait_for("the case to be back", async || open_slot().await).await;
    let status = rad.get(&format!("/api/studies/{study}")).await.json();
    assert_eq!((&status["order"]["match"], &status["held"]), (&json!("matched"), &Value::Null), "{status}");
    store.close().await;
    house.stop().await;
    house.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_order_makes_the_case_of_its_images_urgent() {
    let mut house = House::build("");
    house.start().await;
    let store = house.store().await;
    let (_, mut rad) = house.signed_in(&store, "rad", Role::Radiographer).await;
    for (number, urgency) in [(73, "urgent"), (74, "routine")] {
        let film = film(number);
        let mut order = order(&film);
        order["urgency"] = json!(urgency);
        post(&mut rad, order).await;
        push(&house, &film).await;
        let (case, _) = case_with_result(&store, &study_of(&film)).await;
        let stored = store.case(case.case_id).await.unwrap().unwrap();
        assert_eq!(stored.state.set.urgent, urgency == "urgent");
    }
    store.close().await;
    house.stop().await;
    house.verify();
}
