//! Sessions of reading, preferences and the search, over pages and API, on each database.

use doubleread::vocab::{AiOutcome, Role};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::http_service::{Body, Service};
use crate::http_world::{ai, make_case};
use crate::on_each_database;

on_each_database! {
    async fn a_session_takes_its_cases_one_by_one_and_ends_with_a_summary(database) {
        let service = Service::over(&database.store).await;
        service.person("anna", &[Role::Reader]).await;
        service.person("ben", &[Role::Reader]).await;
        for number in 1..=3 {
            let made = make_case(&service, number, "mammo-double").await;
            ai(&service, &made, AiOutcome::Normal, 0.1).await;
        }
        let mut anna = service.signed_in("anna").await;
        let refused = anna.post("/api/sessions", json!({"size": 100_000})).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
        let begun = anna.post("/api/sessions", json!({"size": 2, "pathway": "mammo"})).await.json();
        assert_eq!((&begun["size"], &begun["read"]), (&json!(2), &json!(0)));
        let id = begun["session_id"].as_str().unwrap().to_owned();
        for read in 1..=2 {
            let case = anna.post("/api/sessions/next", json!({})).await.json();
            // Asked again, it is the same case: it is open already.
            let again = anna.post("/api/sessions/next", json!({})).await.json();
            assert_eq!(case["case_id"], again["case_id"]);
            let page = anna.get(&format!("/cases/{}", case["case_id"].as_str().unwrap())).await;
            assert!(page.text.contains(&format!("{read} of 2")), "{}", page.text);
            service.clock.advance_ms(10_000);
            let path = format!("/api/cases/{}/reads", case["case_id"].as_str().unwrap());
            let normal = json!({"claim_token": case["claim_token"], "opinion": {"pathway": "mammo", "opinion": "normal"}});
            assert_eq!(anna.post(&path, normal).await.status, StatusCode::OK);
        }
        assert_eq!(anna.post("/api/sessions/next", json!({})).await.status, StatusCode::NO_CONTENT);
        let over = anna.get(&format!("/api/sessions/{id}")).await.json();
        assert_eq!((&over["read"], &over["normal"], &over["not_final"]), (&json!(2), &json!(2), &json!(2)));
        assert!(over["ended_at"].is_string() && over["median_ms"] == json!(10_000), "{over}");
        let page = anna.get(&format!("/sessions/{id}")).await;
        assert!(page.text.contains("Session over") && page.text.contains("Another session"), "{}", page.text);
        assert!(page.text.contains("2 of your reads can still be changed"));
        // It is nobody else's.
        let mut ben = service.signed_in("ben").await;
        assert_eq!(ben.get(&format!("/sessions/{id}")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(ben.post(&format!("/api/sessions/{id}/end"), json!({})).await.status, StatusCode::NOT_FOUND);
        assert_eq!(ben.get("/api/sessions").await.json(), json!([]));
        let start = anna.get("/").await;
        assert!(start.text.contains("2 read by you today"), "{}", start.text);
        assert!(start.text.contains("can still be changed"));
    }

    async fn r05_a_session_of_second_reads_has_no_case_whose_second_read_tells_of_the_ai(database) {
        let service = Service::over(&database.store).await;
        for name in ["anna", "ben"] {
            service.person(name, &[Role::Reader]).await;
        }
        let routed = make_case(&service, 1, "mammo-ai-second").await;
        let double = make_case(&service, 2, "mammo-double").await;
        let mut anna = service.signed_in("anna").await;
        for made in [&routed, &double] {
            ai(&service, made, AiOutcome::Abnormal, 0.9).await;
            let case = anna.post(&format!("/api/cases/{}/claim", made.case_id), json!({})).await.json();
            service.clock.advance_ms(10_000);
            let normal = json!({"claim_token": case["claim_token"], "opinion": {"pathway": "mammo", "opinion": "normal"}});
            let locked = anna.post(&format!("/api/cases/{}/reads", made.case_id), normal).await.json();
            let read = locked["case"]["own"]["id"].as_str().unwrap().to_owned();
            let path = format!("/api/cases/{}/reads/{read}/finalise", made.case_id);
            assert_eq!(anna.post(&path, json!({})).await.status, StatusCode::OK);
        }
        let mut ben = service.signed_in("ben").await;
        let begun = ben.post("/api/sessions", json!({"slot": "second"})).await;
        assert_eq!(begun.status, StatusCode::OK, "{}", begun.text);
        let case = ben.post("/api/sessions/next", json!({})).await.json();
        assert_eq!(case["case_id"], double.case_id.to_string());
        let release = json!({"claim_token": case["claim_token"]});
        ben.post(&format!("/api/cases/{}/skip", double.case_id), release).await;
        assert_eq!(ben.post("/api/sessions/next", json!({})).await.status, StatusCode::NO_CONTENT);
        // Without that filter the other one is there as well.
        ben.post("/api/sessions", json!({})).await;
        let case = ben.post("/api/sessions/next", json!({})).await.json();
        assert_eq!(case["case_id"], routed.case_id.to_string());
        let third = ben.post("/api/sessions", json!({"slot": "arbitration"})).await;
        assert_eq!(third.status, StatusCode::BAD_REQUEST);
    }

    async fn a_case_is_found_by_name_id_or_accession_number_at_the_own_sites_alone(database) {
        let service = Service::over(&database.store).await;
        service.person("anna", &[Role::Reader]).await;
        let stranger = service.person("stan", &[Role::Reader]).await;
        let elsewhere = std::collections::BTreeSet::from(["south".parse().unwrap()]);
        let reader = std::collections::BTreeSet::from([Role::Reader]);
        service.store.set_rights(stranger, &reader, &elsewhere).await.unwrap();
        for number in 1..=3 {
            make_case(&service, number, "chest-verify").await;
        }
        let mut anna = service.signed_in("anna").await;
        let found = async |visitor: &mut crate::http_service::Visitor, q: &str| {
            let answer = visitor.get(&format!("/api/cases?q={q}")).await.json();
            let rows = answer["cases"].as_array().unwrap().clone();
            rows.iter().map(|row| row["patient"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(&mut anna, "PID2").await, ["PID2"]);
        assert_eq!(found(&mut anna, "ACC3").await, ["PID3"]);
        assert_eq!(found(&mut anna, "patient1").await, ["PID1"]);
        assert_eq!(found(&mut anna, "patient").await.len(), 3);
        assert_eq!(found(&mut anna, "%25").await.len(), 0);
        let page = anna.get("/worklist?q=patient1").await;
        assert!(page.text.contains("PATIENT1") && !page.text.contains("PATIENT2"), "{}", page.text);
        let mut stan = service.signed_in("stan").await;
        assert_eq!(found(&mut stan, "patient").await.len(), 0);
        assert_eq!(found(&mut stan, "patient&site=north").await.len(), 0);
        assert!(!stan.get("/worklist?site=north").await.text.contains("PATIENT1"));
        for state in ["open", "settle", "held", "done"] {
            assert_eq!(anna.get(&format!("/worklist?state={state}")).await.status, StatusCode::OK, "{state}");
        }
    }

    async fn preferences_are_kept_with_the_account_and_what_is_not_named_stays(database) {
        let service = Service::over(&database.store).await;
        service.person("anna", &[Role::Reader]).await;
        let mut anna = service.signed_in("anna").await;
        let put = async |visitor: &mut crate::http_service::Visitor, body| {
            visitor.send(Method::PUT, "/api/me/preferences", Body::Json(body)).await
        };
        assert_eq!(put(&mut anna, json!({"keys": {"opinion.normal": "j"}})).await.status, StatusCode::OK);
        assert_eq!(put(&mut anna, json!({"session_size": 40, "theme": "light"})).await.status, StatusCode::OK);
        assert_eq!(put(&mut anna, json!({"session_size": 0})).await.status, StatusCode::BAD_REQUEST);
        assert!(put(&mut anna, json!({"colour": "red"})).await.status.is_client_error());
        let kept = anna.get("/api/me/preferences").await.json();
        assert_eq!((&kept["session_size"], &kept["keys"]["opinion.normal"]), (&json!(40), &json!("j")));
        let page = anna.get("/").await.text;
        assert!(page.contains("opinion.normal") && page.contains("value=\"40\"") && page.contains("light.css"), "{page}");
        let aims = [("mammo_per_year", "5000"), ("chest_per_year", "")];
        assert_eq!(anna.submit("/preferences", &aims).await.status, StatusCode::SEE_OTHER);
        assert!(anna.get("/").await.text.contains("0 of 5000 mammograms"));
        // At the next workstation as well.
        let mut again = service.signed_in("anna").await;
        assert_eq!(again.get("/api/me/preferences").await.json()["targets"]["mammo_per_year"], 5000);
    }
}
