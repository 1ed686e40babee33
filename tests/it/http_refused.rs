//! Refused objects and contradictions over HTTP: who sees them, who judges them, once; what a study says of objects
//! that are stored and not scored.

use doubleread::vocab::{Pathway, RefusalPhase, RefusedObject, Role, StudyInstanceUid};
use reqwest::StatusCode;
use serde_json::json;

use crate::http_service::Service;
use crate::http_world::instances;

fn refused(service: &Service, hash: &str, site: &str) -> RefusedObject {
    RefusedObject {
        content_hash: hash.repeat(64),
        size_bytes: 1_234,
        sop_instance_uid: format!("1.2.{}", hash.as_bytes()[0]).parse().unwrap(),
        sop_class_uid: "1.2.840.10008.5.1.4.1.1.1".parse().unwrap(),
        transfer_syntax_uid: "1.2.840.10008.1.2.1".parse().unwrap(),
        calling_ae: "VAN1".parse().unwrap(),
        address: "10.1.2.3".parse().unwrap(),
        site: site.parse().unwrap(),
        status: 0xC000,
        phase: RefusalPhase::Identity,
        reason: "Study Instance UID is missing".to_owned(),
        received_at: service.now(),
    }
}

#[tokio::test]
async fn refused_objects_are_listed_and_judged_once_by_those_who_may() {
    let service = Service::start().await;
    for (name, role) in [("rad", Role::Radiographer), ("lead", Role::Lead), ("reader", Role::Reader)] {
        service.person(name, &[role]).await;
    }
    let (mut rad, mut lead) = (service.signed_in("rad").await, service.signed_in("lead").await);
    let mut reader = service.signed_in("reader").await;
    service.store.keep_refused(&refused(&service, "a", "north")).await.unwrap();
    service.store.keep_refused(&refused(&service, "a", "north")).await.unwrap();
    service.store.keep_refused(&refused(&service, "b", "south")).await.unwrap();

    assert_eq!(reader.get("/api/quarantine").await.status, StatusCode::FORBIDDEN);
    assert_eq!(service.visitor().get("/api/quarantine").await.status, StatusCode::UNAUTHORIZED);
    let listed = rad.get("/api/quarantine").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let one = listed.as_array().unwrap().iter().find(|one| one["times_received"] == 2).unwrap();
    assert_eq!(one["reason"], "Study Instance UID is missing");
    assert_eq!((one["status"].as_str(), one["address"].as_str()), (Some("0xC000"), Some("10.1.2.3")));
    assert_eq!(lead.get("/api/operations").await.json()["quarantined"], 2);
    for path in ["/refused", "/operations"] {
        let page = lead.get(path).await;
        assert!(page.text.contains("Study Instance UID is missing"), "{path}");
    }
    assert!(rad.get("/refused").await.text.contains("VAN1, 10.1.2.3"));

    let path = format!("/api/quarantine/{}/judge", "a".repeat(64));
    assert_eq!(rad.post(&path, json!({"note": " "})).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(reader.post(&path, json!({"note": "x"})).await.status, StatusCode::FORBIDDEN);
    assert_eq!(rad.post(&path, json!({"note": "sent again"})).await.status, StatusCode::OK);
    let again = lead.post(&path, json!({"note": "other"})).await;
    assert_eq!((again.status, again.json()["code"].as_str()), (StatusCode::CONFLICT, Some("judged_before")));
    let nowhere = format!("/api/quarantine/{}/judge", "c".repeat(64));
    assert_eq!(rad.post(&nowhere, json!({"note": "x"})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(rad.get("/api/quarantine").await.json().as_array().unwrap().len(), 1);
    let all = rad.get("/api/quarantine?judged=true").await.json();
    assert_eq!(all.as_array().unwrap().last().unwrap()["judged"]["note"], "sent again");

    let form = format!("/refused/quarantine/{}/judge", "b".repeat(64));
    let done = lead.submit(&form, &[("note", "the van was told"), ("back", "/operations")]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/operations"));
    assert!(rad.get("/refused").await.text.contains("Nothing that was refused"));
    assert_eq!(service.store.unjudged().await.unwrap(), (0, 0), "the alarm is over");
}

#[tokio::test]
async fn another_site_sees_nothing_of_it() {
    let service = Service::start().await;
    let user = service.person("rad", &[Role::Radiographer]).await;
    service.store.keep_refused(&refused(&service, "a", "north")).await.unwrap();
    let (roles, sites) = ([Role::Radiographer].into(), ["south".parse().unwrap()].into());
    service.store.set_rights(user, &roles, &sites).await.unwrap();
    let mut rad = service.signed_in("rad").await;
    assert_eq!(rad.get("/api/quarantine").await.json(), json!([]));
    let path = format!("/api/quarantine/{}/judge", "a".repeat(64));
    assert_eq!(rad.post(&path, json!({"note": "x"})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn two_objects_under_one_identifier_stand_side_by_side_and_are_judged_once() {
    let service = Service::start().await;
    service.person("lead", &[Role::Lead]).await;
    service.person("reader", &[Role::Reader]).await;
    let mut lead = service.signed_in("lead").await;
    let first = instances(1, Pathway::Chest, service.now());
    service.store.register(first.clone()).await.unwrap();
    service.clock.advance_ms(60_000);
    let mut others = Vec::new();
    for (n, size) in [(1_u8, 2_000), (2, 3_000)] {
        let mut other = first.clone();
        other[0].content_hash = format!("{n:064x}");
        other[0].size_bytes = size;
        other[0].received_at = service.now();
        service.store.register(other.clone()).await.unwrap();
        others.push(other[0].content_hash.clone());
    }
    let listed = lead.get("/api/conflicts").await.json();
    let list = listed.as_array().unwrap();
    assert_eq!(list.len(), 2);
    let one = list.iter().find(|one| one["refused"]["content_hash"] == others[0].as_str()).unwrap();
    assert_eq!(one["first"]["content_hash"], first[0].content_hash.as_str());
    assert_eq!((&one["first"]["size_bytes"], &one["refused"]["size_bytes"]), (&json!(1_000), &json!(2_000)));
    let page = lead.get("/operations").await.text;
    assert!(page.contains("stands") && page.contains(&first[0].content_hash[..12]), "{page}");

    let uid = first[0].sop_instance_uid.as_str();
    let path = format!("/api/conflicts/{uid}/{}/judge", others[0]);
    let mut reader = service.signed_in("reader").await;
    let judgement = json!({"judgement": "keep_first", "note": "a second export"});
    assert_eq!(reader.post(&path, judgement.clone()).await.status, StatusCode::FORBIDDEN);
    assert_eq!(lead.post(&path, json!({"judgement": "note"})).await.status, StatusCode::BAD_REQUEST);
    assert!(lead.post(&path, json!({"judgement": "replace"})).await.status.is_client_error());
    assert_eq!(lead.post(&path, judgement.clone()).await.status, StatusCode::OK);
    assert_eq!(lead.post(&path, judgement).await.status, StatusCode::CONFLICT);
    assert_eq!(service.store.unjudged().await.unwrap(), (0, 1), "the alarm counts what nobody has judged");
    let form = format!("/refused/conflicts/{uid}/{}/judge", others[1]);
    let done = lead.submit(&form, &[("judgement", "keep_first"), ("note", ""), ("back", "/refused")]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/refused"));
    assert_eq!(lead.get("/api/conflicts").await.json(), json!([]));
    let judged = service.store.conflicts_of_instance(&first[0].sop_instance_uid).await.unwrap();
    let texts: Vec<&str> = judged.iter().map(|one| one.judged.as_ref().unwrap().2.as_str()).collect();
    assert_eq!(texts, ["keep_first: a second export", "keep_first"]);
    let standing = service.store.instance(&first[0].sop_instance_uid).await.unwrap().unwrap();
    assert_eq!(standing.content_hash, first[0].content_hash, "a judgement replaces nothing");
}

#[tokio::test]
async fn a_study_says_which_of_its_objects_are_stored_and_not_scored() {
    let service = Service::start().await;
    service.person("rad", &[Role::Radiographer]).await;
    let mut rad = service.signed_in("rad").await;
    let mut capture = instances(7, Pathway::Chest, service.now());
    capture[0].sop_class_uid = "1.2.840.10008.5.1.4.1.1.7".parse().unwrap();
    capture[0].tags.modality = "RG".to_owned();
    capture[0].tags.body_part = "BREAST".to_owned();
    capture[0].tags.view_position = "MLO".to_owned();
    let study: StudyInstanceUid = capture[0].study_instance_uid.clone();
    service.store.register(capture).await.unwrap();
    let expected = "A Secondary Capture is stored, not scored (its tags disagree: Modality RG, body part BREAST, \
                    view MLO: looks like a mammogram)";
    let status = rad.get(&format!("/api/studies/{study}")).await.json();
    assert_eq!(status["notices"], json!([expected]));
    for path in [format!("/studies/{study}"), "/studies".to_owned()] {
        let page = rad.get(&path).await.text;
        assert!(page.contains("its tags disagree") && !page.contains("more images are expected"), "{page}");
    }
    let chest = instances(8, Pathway::Chest, service.now());
    let study = chest[0].study_instance_uid.clone();
    service.store.register(chest).await.unwrap();
    assert_eq!(rad.get(&format!("/api/studies/{study}")).await.json()["notices"], json!([]));
}
