//! Reading over HTTP, on each database: claim, blind view, lock, reveal, second read, arbitration, and what a radiographer sees of it.

use doubleread::vocab::{AiOutcome, Role};
use reqwest::StatusCode;
use serde_json::json;

use crate::http_service::{Service, Visitor};
use crate::http_world::{ai, make_case, tick};
use crate::on_each_database;

async fn next(visitor: &mut Visitor) -> serde_json::Value {
    let answer = visitor.post("/api/cases/next", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

async fn lock(
    service: &Service,
    visitor: &mut Visitor,
    case: &serde_json::Value,
    opinion: serde_json::Value,
) -> serde_json::Value {
    service.clock.advance_ms(10_000);
    let path = format!("/api/cases/{}/reads", case["case_id"].as_str().unwrap());
    let answer = visitor.post(&path, json!({"claim_token": case["claim_token"], "opinion": opinion})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

fn recall_left() -> serde_json::Value {
    json!({"pathway": "mammo", "opinion": "recall", "right": {"assessment": "normal"},
        "left": {"assessment": "abnormal", "marks": [{"feature": "mass", "concern": "4"}]}})
}

fn hidden(page: &str, name: &str) -> String {
    let start =
        page.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name} in {page}"));
    page[start..].split('"').nth(3).unwrap().to_owned()
}

on_each_database! {
    async fn two_readers_who_disagree_are_settled_by_a_third_over_the_api(database) {
        let service = Service::over(&database.store).await;
        for name in ["anna", "ben", "cara"] {
            service.person(name, &[Role::Reader]).await;
        }
        service.person("rad", &[Role::Radiographer]).await;
        let made = make_case(&service, 1, "mammo-ai-second").await;
        ai(&service, &made, AiOutcome::Abnormal, 0.9).await;
        let (mut anna, mut ben) = (service.signed_in("anna").await, service.signed_in("ben").await);

        let case = next(&mut anna).await;
        assert_eq!(case["case"]["view"], "blind");
        // Too fast is an accidental click, with a stable code (R13).
        let path = format!("/api/cases/{}/reads", made.case_id);
        let normal = json!({"pathway": "mammo", "opinion": "normal"});
        let hasty = anna.post(&path, json!({"claim_token": case["claim_token"], "opinion": normal})).await;
        assert_eq!(
            (hasty.status, hasty.json()["code"].as_str().unwrap()),
            (StatusCode::UNPROCESSABLE_ENTITY, "accidental_click")
        );
        // Nobody else gets it meanwhile, and is told why (R7).
        let taken = ben.post(&format!("/api/cases/{}/claim", made.case_id), json!({})).await;
        assert_eq!(
            (taken.status, taken.json()["code"].as_str().unwrap()),
            (StatusCode::CONFLICT, "claimed_by_another")
        );
        let beat = json!({"claim_token": case["claim_token"]});
        assert_eq!(
            anna.post(&format!("/api/cases/{}/heartbeat", made.case_id), beat.clone()).await.status,
            StatusCode::OK
        );
        assert_eq!(
            ben.post(&format!("/api/cases/{}/heartbeat", made.case_id), beat).await.status,
            StatusCode::CONFLICT
        );

        let locked = lock(&service, &mut anna, &case, normal.clone()).await;
        assert_eq!(locked["case"]["view"], "locked");
        let read = locked["case"]["own"]["id"].as_str().unwrap().to_owned();
        let revealed =
            anna.post(&format!("/api/cases/{}/reads/{read}/reveal", made.case_id), json!({})).await.json();
        assert_eq!(revealed["case"]["ai"]["result"]["outcome"]["result"], "abnormal");
        let kept = anna.post(&format!("/api/cases/{}/reads/{read}/keep", made.case_id), json!({})).await;
        assert_eq!(kept.status, StatusCode::OK, "{}", kept.text);
        let done = anna.post(&format!("/api/cases/{}/reads/{read}/finalise", made.case_id), json!({})).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text);
        assert_eq!(anna.post("/api/cases/next", json!({})).await.status, StatusCode::NO_CONTENT);

        let case = next(&mut ben).await;
        assert_eq!(case["case"]["view"], "blind");
        lock(&service, &mut ben, &case, recall_left()).await;
        service.clock.advance_ms(61 * 60_000);
        tick(&service, &made).await;

        let mut ben = service.signed_in("ben").await;
        assert_eq!(ben.get("/api/cases?state=arbitration").await.json()["cases"].as_array().unwrap().len(), 0);
        // The clock has moved past their sessions.
        let mut cara = service.signed_in("cara").await;
        let offered = cara.get("/api/cases?state=arbitration").await.json();
        assert_eq!(offered["cases"][0]["case_id"], made.case_id.to_string());
        let opened = cara.post(&format!("/api/cases/{}/claim", made.case_id), json!({})).await.json();
        assert_eq!(opened["case"]["view"], "revealed");
        assert_eq!(opened["case"]["reads"].as_array().unwrap().len(), 2);
        service.clock.advance_ms(10_000);
        let settled = cara
            .post(
                &format!("/api/cases/{}/arbitration", made.case_id),
                json!({"claim_token": opened["claim_token"], "opinion": recall_left(), "note": "a mass"}),
            )
            .await;
        assert_eq!(settled.status, StatusCode::OK, "{}", settled.text);
        service.clock.advance_ms(61 * 60_000);
        tick(&service, &made).await;

        let mut rad = service.signed_in("rad").await;
        let status = rad.get(&format!("/api/studies/{}", made.study)).await.json();
        assert_eq!(status["case"]["state"], "concluded", "{status}");
        assert_eq!(status["case"]["outcome"], "recall");
        assert_eq!(status["ai"]["decision"], "abnormal");
        assert_eq!(rad.get(&format!("/api/cases/{}", made.case_id)).await.status, StatusCode::FORBIDDEN);
        let mut anna = service.signed_in("anna").await;
        let events = anna.get(&format!("/api/cases/{}/events", made.case_id)).await.json();
        assert!(events["events"].as_array().unwrap().len() > 8);
    }

    async fn a_reader_works_through_the_pages_alone(database) {
        let service = Service::over(&database.store).await;
        service.person("anna", &[Role::Reader]).await;
        for number in 1..=2 {
            let made = make_case(&service, number, "chest-verify").await;
            ai(&service, &made, AiOutcome::Normal, 0.1).await;
        }
        let mut anna = service.signed_in("anna").await;
        let list = anna.get("/worklist?pathway=chest").await;
        assert!(list.text.contains("PATIENT1, Nell&#60;b&#62;"), "{}", list.text);
        assert!(!list.text.contains("Nell<b>"), "a name was not escaped");
        let start = anna.get("/").await;
        assert!(start.text.contains("Start reading"), "{}", start.text);
        let opened = anna.submit("/sessions", &[("pathway", "chest"), ("size", "2")]).await;
        assert_eq!(opened.status, StatusCode::SEE_OTHER);
        let first = opened.location().to_owned();
        let page = anna.get(&first).await;
        assert!(page.text.contains("SYNTHETIC PATIENTS"));
        let claim = hidden(&page.text, "claim");

        // A hasty or an empty opinion shows the page again with the reason.
        let form = format!("{first}/opinion");
        let hasty = anna.submit(&form, &[("claim", &claim), ("opinion", "normal")]).await;
        assert_eq!(hasty.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(hasty.text.contains("Not recorded"));
        service.clock.advance_ms(10_000);
        let empty = anna.submit(&form, &[("claim", &claim), ("opinion", "abnormal")]).await;
        assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            empty.text.contains("choose at least one finding")
                || empty.text.contains("Choose at least one finding")
        );

        // Normal goes on to the next case, and says what was recorded for whom.
        let after = anna.submit(&form, &[("claim", &claim), ("opinion", "normal")]).await;
        assert_eq!(after.status, StatusCode::SEE_OTHER, "{}", after.text);
        assert!(after.location().contains("?after="), "{}", after.location());
        let second = anna.get(after.location()).await;
        assert!(second.text.contains("Recorded for PATIENT1"), "{}", second.text);

        // An abnormal one stays, for comparing. The same form sent twice is refused in words.
        let here = after.location().split('?').next().unwrap().to_owned();
        let claim = hidden(&second.text, "claim");
        service.clock.advance_ms(10_000);
        let fields =
            [("claim", claim.as_str()), ("opinion", "abnormal"), ("finding_0", "nodule"), ("side_0", "left")];
        let said = anna.submit(&format!("{here}/opinion"), &fields).await;
        assert_eq!(said.status, StatusCode::SEE_OTHER, "{}", said.text);
        let page = anna.get(said.location()).await;
        assert!(page.text.contains("lung nodule, left"), "{}", page.text);
        let twice = anna.submit(&format!("{here}/opinion"), &fields).await;
        assert_eq!(twice.status, StatusCode::CONFLICT);
    }

    async fn a_radiographer_finds_a_study_by_its_accession_number_and_reads_the_failing_phase(database) {
        let service = Service::over(&database.store).await;
        service.person("rad", &[Role::Radiographer]).await;
        let made = make_case(&service, 7, "chest-verify").await;
        let refusal = doubleread::vocab::NotProcessed {
            reason: doubleread::vocab::NotProcessedReason::LateralView,
            detail: String::new(),
        };
        ai(&service, &made, AiOutcome::NotProcessed(refusal), 0.0).await;
        let mut rad = service.signed_in("rad").await;
        let found = rad.get("/api/studies?accession=ACC7").await.json();
        assert_eq!(found[0]["ai"]["reason"], "lateral_view");
        let page = rad.get("/studies?accession=ACC7").await;
        assert_eq!(page.location(), format!("/studies/{}", made.study));
        let page = rad.get(page.location()).await;
        assert!(page.text.contains("lateral view not supported by the model"));
        assert!(rad.get("/studies").await.text.contains("PATIENT7"));
        assert_eq!(rad.get("/studies/9.9.9").await.status, StatusCode::NOT_FOUND);
        assert_eq!(rad.get("/worklist").await.status, StatusCode::FORBIDDEN);
    }
}
