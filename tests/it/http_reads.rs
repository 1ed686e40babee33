//! What became of a reader's reads: for the reader, for a lead of the same sites, for nobody else.

use doubleread::vocab::{AiOutcome, Role};
use reqwest::StatusCode;
use serde_json::json;

use crate::http_service::{Service, Visitor};
use crate::http_world::{Made, ai, make_case, tick};
use crate::on_each_database;

async fn read(service: &Service, visitor: &mut Visitor, made: &Made, opinion: serde_json::Value) {
    let case = visitor.post(&format!("/api/cases/{}/claim", made.case_id), json!({})).await.json();
    service.clock.advance_ms(10_000);
    let body = json!({"claim_token": case["claim_token"], "opinion": opinion, "comment": "as I see it"});
    let answer = visitor.post(&format!("/api/cases/{}/reads", made.case_id), body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

on_each_database! {
    async fn a_reader_sees_what_became_of_their_reads_and_a_lead_what_has_come_out(database) {
        let service = Service::over(&database.store).await;
        let own = service.person("anna", &[Role::Reader]).await;
        service.person("ben", &[Role::Reader]).await;
        service.person("lena", &[Role::Lead]).await;
        let far = service.person("lars", &[Role::Lead]).await;
        let south = std::collections::BTreeSet::from(["south".parse().unwrap()]);
        service.store.set_rights(far, &std::collections::BTreeSet::from([Role::Lead]), &south).await.unwrap();
        let north = std::collections::BTreeSet::from(["north".parse().unwrap()]);
        let reader = std::collections::BTreeSet::from([Role::Reader]);
        service.store.set_rights(own, &reader, &north).await.unwrap();

        let concluded = make_case(&service, 1, "chest-verify").await;
        ai(&service, &concluded, AiOutcome::Normal, 0.1).await;
        let open = make_case(&service, 2, "chest-verify").await;
        ai(&service, &open, AiOutcome::Abnormal, 0.9).await;
        let normal = json!({"pathway": "chest", "opinion": "normal"});
        let mut anna = service.signed_in("anna").await;
        read(&service, &mut anna, &concluded, normal.clone()).await;
        read(&service, &mut anna, &open, normal).await;
        tick(&service, &concluded).await;

        let path = format!("/api/readers/{own}/reads");
        let seen = anna.get(&path).await.json();
        let became = |answer: &serde_json::Value, made: &Made| {
            let rows = answer["reads"].as_array().unwrap().clone();
            let row = rows.into_iter().find(|row| row["case_id"] == made.case_id.to_string());
            row.map(|row| (row["became"].as_str().unwrap().to_owned(), row["ai_differed"].clone()))
        };
        assert_eq!(became(&seen, &concluded), Some(("as_said".to_owned(), json!(false))));
        // Of a case that others are still to read nothing is told.
        assert_eq!(became(&seen, &open), Some(("open".to_owned(), json!(null))));
        let page = anna.get("/my-reads").await;
        assert!(page.text.contains("as you said: Normal") && page.text.contains("no outcome yet"), "{}", page.text);

        let mut ben = service.signed_in("ben").await;
        for path in [path.clone(), format!("/readers/{own}/reads")] {
            assert_eq!(ben.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        let mut lars = service.signed_in("lars").await;
        assert_eq!(lars.get(&path).await.status, StatusCode::NOT_FOUND);
        // The lead may still read the open case, so that its read is not in their list (R5).
        let mut lena = service.signed_in("lena").await;
        let seen = lena.get(&path).await.json();
        assert_eq!(became(&seen, &concluded), Some(("as_said".to_owned(), json!(null))));
        assert_eq!(became(&seen, &open), None);
        assert!(lena.get(&format!("/readers/{own}/reads")).await.text.contains("Reads of Person anna"));
    }

    async fn a_panel_settles_by_signatures_and_nobody_is_an_author_by_being_named(database) {
        let service = Service::over(&database.store).await;
        for name in ["anna", "ben", "cara"] {
            service.person(name, &[Role::Reader]).await;
        }
        let lars = service.person("lars", &[Role::Reader]).await;
        service.person("rad", &[Role::Radiographer]).await;
        let made = make_case(&service, 1, "mammo-double").await;
        let recall = json!({"pathway": "mammo", "opinion": "recall", "right": {"assessment": "normal"},
            "left": {"assessment": "abnormal"}});
        let mut anna = service.signed_in("anna").await;
        let mut ben = service.signed_in("ben").await;
        read(&service, &mut anna, &made, json!({"pathway": "mammo", "opinion": "normal"})).await;
        service.clock.advance_ms(61 * 60_000);
        tick(&service, &made).await;
        let mut ben_again = service.signed_in("ben").await;
        read(&service, &mut ben_again, &made, recall.clone()).await;
        service.clock.advance_ms(61 * 60_000);
        tick(&service, &made).await;
        drop(ben);
        ben = service.signed_in("ben").await;
        // A first or second reader may chair a panel, and is nobody's arbitrator alone (R2).
        let opened = ben.post(&format!("/api/cases/{}/claim", made.case_id), json!({})).await.json();
        service.clock.advance_ms(10_000);
        let path = format!("/api/cases/{}/arbitration", made.case_id);
        let settle = |signatures: serde_json::Value| {
            json!({"claim_token": opened["claim_token"], "opinion": recall, "note": "a mass", "signatures": signatures})
        };
        let sign = |name: &str, password: &str, dissents: bool| json!({"name": name, "password": password, "dissents": dissents});
        let password = crate::http_service::PASSWORD;
        for (signatures, code) in [
            (json!([]), "panel_needed"),
            (json!([sign("cara", "guessed", false)]), "not_signed"),
            (json!([sign("rad", password, false)]), "not_signed"),
            (json!([sign("ben", password, false)]), "not_signed"),
        ] {
            let refused = ben.post(&path, settle(signatures.clone())).await;
            assert_eq!(refused.json()["code"], code, "{signatures}");
            assert!(!refused.text.contains(password));
        }
        let page = ben.get(&format!("/cases/{}", made.case_id)).await;
        assert!(page.text.contains("Settle it as a panel") && page.text.contains("Person cara"), "{}", page.text);
        let settled = ben.post(&path, settle(json!([sign("cara", password, false), sign("lars", password, true)]))).await;
        assert_eq!(settled.status, StatusCode::OK, "{}", settled.text);
        let stored = service.store.case(made.case_id).await.unwrap().unwrap();
        let arbitration = stored.state.reads.last().unwrap();
        assert_eq!((arbitration.authors.len(), arbitration.dissent.contains(&lars)), (3, true));
    }

    async fn a_comment_is_kept_with_its_version_and_sides_that_contradict_stop_the_lock(database) {
        let service = Service::over(&database.store).await;
        service.person("anna", &[Role::Reader]).await;
        let made = make_case(&service, 1, "chest-verify").await;
        let mut anna = service.signed_in("anna").await;
        let case = anna.post(&format!("/api/cases/{}/claim", made.case_id), json!({})).await.json();
        service.clock.advance_ms(10_000);
        let path = format!("/api/cases/{}/reads", made.case_id);
        let mark = |x: f64| json!({"sop_instance_uid": "1.2.3.1.1.0", "x": x, "y": 5.0, "width": 10.0, "height": 10.0});
        let body = |x: f64, comment: &str| {
            let finding = json!({"code": "nodule", "side": "left", "mark": mark(x)});
            json!({"claim_token": case["claim_token"], "comment": comment,
                "opinion": {"pathway": "chest", "opinion": "abnormal", "findings": [finding]}})
        };
        // 80 columns: the patient's right lies at the left edge of a PA film.
        for (x, comment, code) in [
            (5.0, "", "sides_contradict"),
            (60.0, "nodule on the right", "sides_contradict"),
            (79.0, "", "mark_outside"),
        ] {
            let refused = anna.post(&path, body(x, comment)).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
            assert_eq!(refused.json()["code"], code, "{x} {comment}");
        }
        let locked = anna.post(&path, body(60.0, "left apex")).await;
        assert_eq!(locked.status, StatusCode::OK, "{}", locked.text);
        assert_eq!(locked.json()["case"]["own"]["comment"], "left apex");
        let stored = service.store.case(made.case_id).await.unwrap().unwrap();
        assert_eq!(stored.state.reads[0].versions[0].comment, "left apex");
        let page = anna.get(&format!("/cases/{}", made.case_id)).await;
        assert!(page.text.contains("left apex"), "{}", page.text);
    }
}
