//! What a viewer gets: how a case hangs, its pixels at their original depth, and nothing of what is still hidden.

use doubleread::phantom::{StudyOptions, generate_study};
use doubleread::vocab::{AiOutcome, Mark, Pathway, Region, Role, SopInstanceUid};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, IF_NONE_MATCH};
use serde_json::{Value, json};

use crate::http_images::{archive, archived};
use crate::http_service::Service;
use crate::http_world::{ai, ai_says, instances, make_case, make_case_of, record};

const CHEST: &str = "/dicom-web/studies/1.2.3.3/series/1.2.3.3.1/instances/1.2.3.3.1.0/frames/1";

/// A film that was drawn here, kept in the archive: its hash, stored values, rows and columns.
fn drawn(service: &Service) -> (String, Vec<u8>, u32, u32) {
    let options = StudyOptions { size: Some((96, 128)), ..StudyOptions::default() };
    let film = generate_study(Pathway::Chest, 7, &options).remove(0);
    let hash = archive(service, &film.part10().unwrap());
    let stored = film.phantom.pixels.iter().flat_map(|value| value.to_le_bytes()).collect();
    (hash, stored, 128, 96)
}

#[tokio::test]
async fn a_frame_comes_at_its_original_depth_alone_or_in_parts() {
    let service = Service::start().await;
    service.person("anna", &[Role::Reader]).await;
    service.person("rad", &[Role::Radiographer]).await;
    let mut films = instances(3, Pathway::Chest, service.now());
    let (hash, stored, rows, columns) = drawn(&service);
    films[0].content_hash = hash;
    films[0].tags.imager_pixel_spacing = r"0.1\0.1".to_owned();
    make_case_of(&service, 3, "chest-verify", films).await;
    let mut anna = service.signed_in("anna").await;

    let alone = anna.get_as(CHEST, &[(ACCEPT, "application/octet-stream")]).await;
    assert_eq!(alone.status, StatusCode::OK);
    assert!(alone.bytes == stored, "the samples are those of the file");
    let facts: Value = serde_json::from_str(alone.headers["doubleread-frame"].to_str().unwrap()).unwrap();
    assert_eq!((facts["rows"].clone(), facts["columns"].clone()), (json!(rows), json!(columns)));
    assert_eq!(facts["bytes_per_sample"], 2);
    assert_eq!(facts["spacing"], json!({"mm": [0.1, 0.1], "kind": "detector"}));
    assert!(facts["windows"][0]["width"].as_f64().unwrap() > 1.0 && facts["voi_lut"].is_null(), "{facts}");
    let tag = alone.headers["etag"].to_str().unwrap().to_owned();
    let again = [(ACCEPT, "application/octet-stream"), (IF_NONE_MATCH, tag.as_str())];
    assert_eq!(anna.get_as(CHEST, &again).await.status, StatusCode::NOT_MODIFIED);

    let small = [(ACCEPT, "application/octet-stream"), (ACCEPT_ENCODING, "gzip, zstd")];
    let packed = anna.get_as(CHEST, &small).await;
    assert_eq!(packed.headers["content-encoding"], "zstd");
    assert!(packed.bytes.len() < stored.len());
    assert!(zstd::bulk::decompress(&packed.bytes, stored.len()).unwrap() == stored, "packed without loss");
    assert_ne!(packed.headers["etag"], tag.as_str());

    let parts = anna.get_as(CHEST, &[]).await;
    let kind = parts.headers["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("multipart/related; type=\"application/octet-stream\"; boundary="), "{kind}");
    assert!(parts.bytes.windows(64).any(|window| window == &stored[stored.len() / 2..][..64]));
    assert!(parts.bytes.len() > stored.len());
    assert_eq!(anna.get_as(CHEST, &[(ACCEPT, "image/png")]).await.status, StatusCode::NOT_ACCEPTABLE);

    let wrong = |end: &str| format!("{}{end}", CHEST.strip_suffix('1').unwrap());
    for bad in ["0", "x", "2", "1,1,1,1,1,1,1,1,1"] {
        assert_eq!(anna.get(&wrong(bad)).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let other_series = CHEST.replace("1.2.3.3.1/", "1.2.3.3.9/");
    assert_eq!(anna.get(&other_series).await.status, StatusCode::NOT_FOUND);
    assert_eq!(anna.get(&format!("{CHEST}/voi-lut")).await.status, StatusCode::NOT_FOUND, "it has a window");
    let mut rad = service.signed_in("rad").await;
    assert_eq!(rad.get(CHEST).await.status, StatusCode::FORBIDDEN);
    assert_eq!(service.visitor().get(CHEST).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_case_hangs_with_history_and_marks_only_as_the_view_holds_them() {
    let service = Service::start().await;
    service.person("anna", &[Role::Reader]).await;
    let mut films = instances(4, Pathway::Chest, service.now());
    films[0].tags.patient_history = "Cough for\nsix weeks".to_owned();
    films[0].tags.patient_orientation = r"L\F".to_owned();
    films[0].tags.study_date = "20260302".to_owned();
    let uid: SopInstanceUid = films[0].sop_instance_uid.clone();
    let made = make_case_of(&service, 4, "chest-verify", films).await;
    // They differ, so that the case goes on and the reveal is the reader's own.
    let mut result = ai_says(AiOutcome::Normal, 0.8, service.now());
    let mark = Mark { sop_instance_uid: uid.clone(), frame: 1, x: 2.0, y: 3.0, width: 30.0, height: 40.0 };
    result.regions.push(Region { mark: mark.clone(), score: 0.8 });
    record(&service, &made, result).await;
    let mut anna = service.signed_in("anna").await;
    let path = format!("/api/cases/{}/display", made.case_id);

    let claimed = anna.post("/api/cases/next", json!({})).await.json();
    assert_eq!(claimed["history"], json!([{"what": "History", "words": "Cough for\nsix weeks"}]));
    let blind = anna.get(&path).await;
    assert_eq!(blind.headers["cache-control"], "no-store");
    let blind = blind.json();
    let image = &blind["images"][uid.as_str()];
    assert_eq!(blind["patient"]["name"], "PATIENT4, Nell<b>");
    assert_eq!(blind["history"], claimed["history"]);
    assert_eq!((&image["label"], &image["view"]), (&json!("PA"), &json!("PA")));
    assert_eq!((&image["date"], &image["orientation"]), (&json!("2 Mar 2026"), &json!(["L", "F"])));
    assert_eq!(image["pixels"], CHEST.replace("1.2.3.3", "1.2.3.4"));
    assert_eq!(blind["stages"][0]["tiles"][0]["image"], uid.as_str());
    for hidden in ["regions", "heat_map", "marks"] {
        assert!(image.get(hidden).is_none(), "{hidden} before the lock");
    }

    service.clock.advance_ms(10_000);
    let finding = json!({"code": "nodule", "side": "right", "mark": mark});
    let opinion = json!({"pathway": "chest", "opinion": "abnormal", "findings": [finding]});
    let sent = json!({"claim_token": claimed["claim_token"], "opinion": opinion});
    let locked = anna.post(&format!("/api/cases/{}/reads", made.case_id), sent).await.json();
    let image = anna.get(&path).await.json()["images"][uid.as_str()].clone();
    assert_eq!(image["marks"][0]["reader"], "You");
    assert_eq!(image["marks"][0]["words"], "lung nodule, right");
    assert!(image.get("regions").is_none(), "not revealed yet");
    let read = locked["case"]["own"]["id"].as_str().unwrap();
    anna.post(&format!("/api/cases/{}/reads/{read}/reveal", made.case_id), json!({})).await;
    let image = anna.get(&path).await.json()["images"][uid.as_str()].clone();
    assert_eq!(image["regions"][0]["words"], "AI 0.80");
    assert_eq!((&image["regions"][0]["x"], &image["regions"][0]["height"]), (&json!(2.0), &json!(40.0)));
}

#[tokio::test]
async fn objects_that_may_be_anothers_opinion_are_not_there_for_a_blind_reader() {
    let service = Service::start().await;
    service.person("anna", &[Role::Reader]).await;
    service.person("audit", &[Role::Auditor]).await;
    service.person("rad", &[Role::Radiographer]).await;
    let made = make_case(&service, 1, "chest-verify").await;
    let mut other = instances(1, Pathway::Chest, service.now()).remove(0);
    other.sop_instance_uid = "1.2.3.1.7.1".parse().unwrap();
    other.series_instance_uid = "1.2.3.1.7".parse().unwrap();
    other.sop_class_uid = "1.2.840.10008.5.1.4.1.1.7".parse().unwrap();
    other.content_hash = archived(&service);
    other.tags.series_description = "OTHER-AI suspicious".to_owned();
    service.store.register(vec![other]).await.unwrap();

    let frame = "/dicom-web/studies/1.2.3.1/series/1.2.3.1.7/instances/1.2.3.1.7.1/frames/1";
    let seen = [frame, "/api/instances/1.2.3.1.7.1/rendered"];
    let mut anna = service.signed_in("anna").await;
    for path in seen {
        assert_eq!(anna.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let listed = anna.get("/api/studies/1.2.3.1/instances").await.text;
    assert!(listed.contains("1.2.3.1.1.0") && !listed.contains("1.2.3.1.7.1"), "{listed}");
    for path in ["/api/studies/1.2.3.1", "/studies/1.2.3.1", "/studies", "/api/studies"] {
        let text = anna.get(path).await.text;
        assert!(!text.contains("Secondary") && !text.contains("OTHER-AI"), "{path}: {text}");
        assert!(!text.contains("2 objects") && !text.contains("\"received_instances\":2"), "{path}: {text}");
    }
    let mut rad = service.signed_in("rad").await;
    assert!(rad.get("/studies/1.2.3.1").await.text.contains("A Secondary Capture is stored"));
    let mut audit = service.signed_in("audit").await;
    for path in seen {
        assert_eq!(audit.get(path).await.status, StatusCode::OK, "{path}");
    }

    let case = anna.post("/api/cases/next", json!({})).await.json();
    assert_eq!(anna.get(frame).await.status, StatusCode::NOT_FOUND);
    service.clock.advance_ms(10_000);
    let opinion =
        json!({"claim_token": case["claim_token"], "opinion": {"pathway": "chest", "opinion": "normal"}});
    anna.post(&format!("/api/cases/{}/reads", made.case_id), opinion).await;
    assert_eq!(anna.get(frame).await.status, StatusCode::NOT_FOUND, "locked, and not revealed");
    ai(&service, &made, AiOutcome::Normal, 0.1).await;
    let row = service.store.case_row(made.case_id).await.unwrap().unwrap();
    assert!(row.concluded_at.is_some(), "{}", row.state);
    assert_eq!(anna.get(frame).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_earlier_study_hangs_beside_the_case_with_what_it_came_to() {
    let service = Service::start().await;
    service.person("anna", &[Role::Reader]).await;
    service.person("ben", &[Role::Reader]).await;
    let of_patient = |number: u32, date: &str| {
        let mut films = instances(number, Pathway::Chest, service.now());
        for film in &mut films {
            film.tags.patient_id = Some("P1".parse().unwrap());
            film.tags.issuer_of_patient_id = "NHS".to_owned();
            film.tags.study_date = date.to_owned();
        }
        films
    };
    let before = make_case_of(&service, 5, "chest-verify", of_patient(5, "20240105")).await;
    let mut anna = service.signed_in("anna").await;
    let case = anna.post("/api/cases/next", json!({})).await.json();
    service.clock.advance_ms(10_000);
    let opinion = json!({"pathway": "chest", "opinion": "normal"});
    let sent = json!({"claim_token": case["claim_token"], "opinion": opinion});
    anna.post(&format!("/api/cases/{}/reads", before.case_id), sent).await;

    let made = make_case_of(&service, 6, "chest-verify", of_patient(6, "20260302")).await;
    let path = format!("/api/cases/{}/display", made.case_id);
    let mut ben = service.signed_in("ben").await;
    let display = ben.get(&path).await.json();
    assert_eq!(display["stages"][1]["name"], "With prior of 5 Jan 2024");
    let tiles: Vec<&Value> =
        display["stages"][1]["tiles"].as_array().unwrap().iter().map(|tile| &tile["image"]).collect();
    assert_eq!(tiles, ["1.2.3.6.1.0", "1.2.3.5.1.0"]);
    assert_eq!(display["linked"], json!([["1.2.3.6.1.0", "1.2.3.5.1.0"]]));
    assert_eq!(display["images"]["1.2.3.5.1.0"]["prior"], true);
    assert_eq!(display["priors"][0]["date"], "5 Jan 2024");
    assert!(display["priors"][0].get("outcome").is_none(), "the earlier case has no outcome yet");
    ai(&service, &before, AiOutcome::Normal, 0.1).await;
    let display = ben.get(&path).await.json();
    assert_eq!(display["priors"][0]["outcome"], "Normal");
    assert!(display["images"]["1.2.3.5.1.0"].get("regions").is_none());

    let ahead = ben.get("/api/cases/ahead?n=2").await.json();
    assert_eq!(ahead, json!({"displays": [path]}), "of the one that is open to be read");
    let row = service.store.case_row(made.case_id).await.unwrap().unwrap();
    assert_eq!(row.state, "first_read");
    assert!(
        service.store.case(made.case_id).await.unwrap().unwrap().state.claim.is_none(),
        "nothing is claimed"
    );
    ben.post("/api/cases/next", json!({})).await;
    assert_eq!(ben.get("/api/cases/ahead").await.json(), json!({"displays": []}), "it is open already");
}
