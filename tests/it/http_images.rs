//! Rendered images: what comes back, and that the AI's regions stay hidden until they may be seen.

use doubleread::archive::Incoming;
use doubleread::vocab::{AiOutcome, Mark, Region, Role, SopInstanceUid};
use reqwest::StatusCode;
use serde_json::json;

use crate::http_service::Service;
use crate::http_world::{ai_says, make_case_of, record};

/// A sample film in the archive of the service; its hash.
pub fn archived(service: &Service) -> String {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-dicom/chest-normal/chest-101-PA.dcm");
    archive(service, &std::fs::read(file).unwrap())
}

/// A file in the archive of the service; its hash.
pub fn archive(service: &Service, bytes: &[u8]) -> String {
    let incoming = Incoming::open(&service.archive).unwrap();
    let mut draft = incoming.begin().unwrap();
    draft.append(&[bytes]).unwrap();
    incoming.publish(vec![draft.seal().unwrap()]).remove(0).unwrap().hash
}

#[tokio::test]
async fn an_image_is_rendered_and_its_overlay_waits_for_the_reveal() {
    let service = Service::start().await;
    service.person("anna", &[Role::Reader]).await;
    service.person("rad", &[Role::Radiographer]).await;
    let hash = archived(&service);
    let mut instances = crate::http_world::instances(3, doubleread::vocab::Pathway::Chest, service.now());
    instances[0].content_hash = hash;
    (instances[0].tags.rows, instances[0].tags.columns) = (2_000, 1_600);
    let uid: SopInstanceUid = instances[0].sop_instance_uid.clone();
    let made = make_case_of(&service, 3, "chest-verify", instances).await;
    let mut result = ai_says(AiOutcome::Abnormal, 0.8, service.now());
    let mark =
        Mark { sop_instance_uid: uid.clone(), frame: 1, x: 200.0, y: 300.0, width: 300.0, height: 300.0 };
    result.regions.push(Region { mark, score: 0.8 });
    record(&service, &made, result).await;

    let mut anna = service.signed_in("anna").await;
    let path = format!("/api/instances/{uid}/rendered?size=200");
    let plain = anna.get_bytes(&path).await;
    assert_eq!(plain.0, StatusCode::OK);
    assert!(plain.1.starts_with(b"\x89PNG"));
    let darker = anna.get_bytes(&format!("{path}&window=3000,200")).await;
    assert_ne!(darker.1, plain.1);
    assert_eq!(anna.get(&format!("{path}&window=40")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(anna.get(&format!("{path}&frame=9")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(anna.get("/api/instances/9.9.9/rendered").await.status, StatusCode::NOT_FOUND);
    let mut rad = service.signed_in("rad").await;
    assert_eq!(rad.get(&path).await.status, StatusCode::FORBIDDEN);

    let overlay = format!("{path}&overlay=true");
    assert_eq!(anna.get(&overlay).await.status, StatusCode::FORBIDDEN);
    let case = anna.post("/api/cases/next", json!({})).await.json();
    assert_eq!(anna.get(&overlay).await.status, StatusCode::FORBIDDEN);
    let page = anna.get(&format!("/cases/{}", made.case_id)).await;
    assert!(!page.text.contains("dr-overlay"));
    service.clock.advance_ms(10_000);
    let opinion =
        json!({"claim_token": case["claim_token"], "opinion": {"pathway": "chest", "opinion": "normal"}});
    let locked = anna.post(&format!("/api/cases/{}/reads", made.case_id), opinion).await.json();
    assert_eq!(anna.get(&overlay).await.status, StatusCode::FORBIDDEN);
    let read = locked["case"]["own"]["id"].as_str().unwrap();
    anna.post(&format!("/api/cases/{}/reads/{read}/reveal", made.case_id), json!({})).await;
    let drawn = anna.get_bytes(&overlay).await;
    assert_eq!(drawn.0, StatusCode::OK);
    assert_ne!(drawn.1, plain.1);
    let page = anna.get(&format!("/cases/{}", made.case_id)).await;
    assert!(page.text.contains("dr-overlay") && page.text.contains("Trained on: synthetic phantoms only"));
    assert!(page.text.contains("not a medical device"));
}

#[tokio::test]
async fn an_object_that_is_no_picture_says_so_with_its_coded_reason() {
    let service = Service::start().await;
    service.person("anna", &[Role::Reader]).await;
    let incoming = Incoming::open(&service.archive).unwrap();
    let mut draft = incoming.begin().unwrap();
    draft.append(&[b"no DICOM at all"]).unwrap();
    let hash = incoming.publish(vec![draft.seal().unwrap()]).remove(0).unwrap().hash;
    let mut instances = crate::http_world::instances(4, doubleread::vocab::Pathway::Chest, service.now());
    instances[0].content_hash = hash;
    let uid = instances[0].sop_instance_uid.clone();
    make_case_of(&service, 4, "chest-verify", instances).await;
    let mut anna = service.signed_in("anna").await;
    let answer = anna.get(&format!("/api/instances/{uid}/rendered")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.json()["code"], "undecodable");
}
