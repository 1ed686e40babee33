//! Act, then review (PATHWAYS X7): the author of a read that counts orders the second investigation later, over API and page.

use doubleread::store::MessageKind;
use doubleread::vocab::{AiOutcome, Role};
use reqwest::StatusCode;
use serde_json::json;

use crate::http_service::Service;
use crate::http_world::{ai, make_case};
use crate::on_each_database;

on_each_database! {
    async fn the_author_of_a_final_read_orders_and_tells_once_while_a_second_read_is_due(database) {
        let service = Service::over(&database.store).await;
        for name in ["anna", "ben"] {
            service.person(name, &[Role::Reader]).await;
        }
        let made = make_case(&service, 1, "chest-verify").await;
        ai(&service, &made, AiOutcome::Normal, 0.1).await;
        let mut anna = service.signed_in("anna").await;
        let opened = anna.post(&format!("/api/cases/{}/claim", made.case_id), json!({})).await.json();
        service.clock.advance_ms(10_000);
        let opinion = json!({"pathway": "chest", "opinion": "abnormal", "findings": [
            {"code": "mass", "side": "left", "zone": null, "confidence": null, "urgent": false, "mark": null}]});
        let said = json!({"claim_token": opened["claim_token"], "opinion": opinion});
        let locked = anna.post(&format!("/api/cases/{}/reads", made.case_id), said).await.json();
        assert_eq!(locked["case"]["may_act"]["findings"][0]["code"], "mass");
        assert!(service.store.messages_of_case(made.case_id).await.unwrap().is_empty());

        // The second reader has the case open meanwhile.
        let mut ben = service.signed_in("ben").await;
        let case = format!("/api/cases/{}", made.case_id);
        assert_eq!(ben.post(&format!("{case}/claim"), json!({})).await.status, StatusCode::OK);
        let page = format!("/cases/{}", made.case_id);
        let blind = (ben.get(&case).await.text, ben.get(&page).await.text);

        service.clock.advance_ms(5 * 60_000);
        let path = format!("{case}/reads/{}/act", locked["case"]["may_act"]["read"].as_str().unwrap());
        let act = json!({"findings": ["mass"], "reason": "haemoptysis", "key_images": ["1.2.3.1.1.0"]});
        assert_eq!(ben.post(&path, act.clone()).await.json()["code"], "no_such_read");
        let acted = anna.post(&path, act.clone()).await;
        assert_eq!((acted.status, acted.json()["case"]["may_act"].clone()), (StatusCode::OK, json!(null)));
        assert_eq!(anna.post(&path, act).await.json()["code"], "already_told");
        let messages = service.store.messages_of_case(made.case_id).await.unwrap();
        let kinds: Vec<MessageKind> = messages.iter().map(|row| row.kind).collect();
        assert_eq!(kinds, [MessageKind::FollowUpOrder, MessageKind::UrgentMessage]);
        assert_eq!(service.store.follow_up_orders(made.case_id).await.unwrap().len(), 1);
        assert!(anna.get(&page).await.text.contains("CT of the chest ordered for today"));
        let after = (ben.get(&case).await.text, ben.get(&page).await.text);
        assert_eq!(blind, after, "the second reader learns of it");
    }

    async fn a_lead_who_may_still_read_a_case_is_not_told_which_message_of_it_was_lost(database) {
        let service = Service::over(&database.store).await;
        for (name, role) in [("anna", Role::Reader), ("lee", Role::Lead), ("ada", Role::Admin)] {
            service.person(name, &[role]).await;
        }
        let made = make_case(&service, 1, "chest-verify").await;
        ai(&service, &made, AiOutcome::Normal, 0.1).await;
        let mut anna = service.signed_in("anna").await;
        let case = format!("/api/cases/{}", made.case_id);
        let opened = anna.post(&format!("{case}/claim"), json!({})).await.json();
        service.clock.advance_ms(10_000);
        let opinion = json!({"pathway": "chest", "opinion": "abnormal", "findings": [
            {"code": "pneumothorax", "side": "left", "zone": null, "confidence": null, "urgent": true, "mark": null}]});
        let said = json!({"claim_token": opened["claim_token"], "opinion": opinion});
        let locked = anna.post(&format!("{case}/reads"), said).await;
        assert_eq!(locked.status, StatusCode::OK, "{}", locked.text);
        service.clock.advance_ms(60_000);
        while let Some(mut message) = service.store.claim_message(service.now(), 60_000).await.unwrap() {
            service.store.set_message_body(&mut message, "a body".to_owned()).await.unwrap();
            service.store.bury_message(&message, "400: not valid", service.now()).await.unwrap();
        }
        let lost = service.store.dead_letters(10).await.unwrap();
        assert_eq!(lost.len(), 2, "the order and the message");

        let mut lead = service.signed_in("lee").await;
        let told = lead.get("/api/operations").await.json();
        assert_eq!((&told["dead_letters"], &told["kept_back"]), (&json!([]), &json!(2)));
        let page = lead.get("/operations").await.text;
        assert!(page.contains("kept from you") && !page.contains(&made.case_id.to_string()), "{page}");
        let retry = format!("/api/operations/messages/{}/retry", lost[0].message_id);
        assert_eq!(lead.post(&retry, json!({})).await.status, StatusCode::NOT_FOUND);

        let mut admin = service.signed_in("ada").await;
        let told = admin.get("/api/operations").await.json();
        assert_eq!((told["dead_letters"].as_array().map(Vec::len), &told["kept_back"]), (Some(2), &json!(0)));
        assert!(admin.post(&retry, json!({})).await.status.is_success());
    }
}
