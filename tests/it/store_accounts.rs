//! Accounts, sessions, tokens and the counting of failed sign-ins.

use std::collections::BTreeSet;

use doubleread::store::{ConstraintKind, NewApiToken, NewUser, StoreError};
use doubleread::vocab::Role;

use crate::on_each_database;
use crate::store_database::now;

fn reader(name: &str) -> NewUser {
    NewUser {
        sign_in_name: name.to_owned(),
        display_name: "Dr Example".to_owned(),
        password_hash: Some("$argon2id$...".to_owned()),
        roles: BTreeSet::from([Role::Reader, Role::Lead]),
        sites: BTreeSet::from(["van1".parse().unwrap()]),
    }
}

on_each_database! {
    async fn an_account_is_found_by_its_name_in_any_case_and_is_unique(database) {
        let store = &database.store;
        let made = store.create_user(reader("Anna"), now()).await.unwrap();
        let (found, hash) = store.user_by_sign_in_name(" ANNA ").await.unwrap().unwrap();
        assert_eq!((&found, hash.as_deref()), (&made, Some("$argon2id$...")));
        assert_eq!(store.user(made.user_id).await.unwrap(), Some(made.clone()));
        assert!(found.has_role(Role::Lead) && !found.has_role(Role::Admin));
        assert!(found.may_see(&"van1".parse().unwrap()) && !found.may_see(&"van2".parse().unwrap()));
        let refused = store.create_user(reader("anna"), now()).await;
        let Err(StoreError::Constraint { kind: ConstraintKind::Unique, name }) = refused else {
            panic!("{refused:?}")
        };
        assert!(name.contains("sign_in_name"), "{name}");
        let second = store.create_user(reader("ben"), now()).await.unwrap();
        assert_eq!(store.users(None, 10).await.unwrap(), [made.clone(), second.clone()]);
        assert_eq!(store.users(Some(made.user_id), 10).await.unwrap(), [second]);
        let auditor = BTreeSet::from([Role::Auditor]);
        store.set_rights(made.user_id, &auditor, &BTreeSet::new()).await.unwrap();
        assert_eq!(store.user(made.user_id).await.unwrap().unwrap().roles, auditor);
    }

    async fn a_session_ends_when_idle_when_old_when_ended_and_with_its_account(database) {
        let store = &database.store;
        let at = now();
        let user = store.create_user(reader("anna"), at).await.unwrap().user_id;
        let begin = async |hash: &str| {
            store.create_session(hash, user, at.plus_minutes(30), at.plus_minutes(60), at).await.unwrap();
        };
        begin("one").await;
        let session = store.session("one", at).await.unwrap().unwrap();
        assert_eq!(session.user.user_id, user);
        assert_eq!(store.session("one", at.plus_minutes(30)).await.unwrap(), None);
        store.extend_session("one", &session, at.plus_minutes(90)).await.unwrap();
        assert!(store.session("one", at.plus_minutes(59)).await.unwrap().is_some());
        assert_eq!(store.session("one", at.plus_minutes(60)).await.unwrap(), None, "the absolute limit stands");
        store.end_session("one").await.unwrap();
        assert_eq!(store.session("one", at).await.unwrap(), None);
        begin("two").await;
        store.set_disabled(user, Some(at)).await.unwrap();
        store.set_disabled(user, None).await.unwrap();
        assert_eq!(store.session("two", at).await.unwrap(), None, "disabling ended it for good");
        begin("three").await;
        store.set_password_hash(user, Some("$argon2id$other")).await.unwrap();
        assert_eq!(store.session("three", at).await.unwrap(), None);
        store.forget_old_sign_ins(at.plus_minutes(600), at).await.unwrap();
    }

    async fn a_token_ends_and_can_be_taken_back(database) {
        let store = &database.store;
        let at = now();
        let user = store.create_user(reader("anna"), at).await.unwrap().user_id;
        let token = NewApiToken {
            token_hash: "one".to_owned(),
            name: "the record".to_owned(),
            role: Role::Admin,
            site: None,
            user_id: user,
            expires_at: at.plus_minutes(10),
        };
        store.create_api_token(token, at).await.unwrap();
        assert_eq!(store.api_token("one", at).await.unwrap().unwrap().role, Role::Admin);
        assert_eq!(store.api_token("one", at.plus_minutes(10)).await.unwrap(), None);
        store.revoke_api_token("one", at).await.unwrap();
        assert_eq!(store.api_token("one", at).await.unwrap(), None);
        assert_eq!(store.api_tokens(10).await.unwrap().len(), 1);
    }

    async fn failed_sign_ins_are_counted_by_name_since_the_last_success_and_by_address(database) {
        let store = &database.store;
        let at = now();
        for (seconds, name, succeeded) in
            [(1, "anna", false), (2, "anna", false), (3, "ben", false), (4, "anna", true), (5, "Anna", false)]
        {
            store.record_sign_in(name, "192.0.2.1", succeeded, at.plus_seconds(seconds)).await.unwrap();
        }
        let failures = store.sign_in_failures("anna", "192.0.2.1", at).await.unwrap();
        assert_eq!((failures.by_name, failures.by_address), (1, 4));
        let later = store.sign_in_failures("anna", "192.0.2.2", at.plus_seconds(6)).await.unwrap();
        assert_eq!((later.by_name, later.by_address), (0, 0));
    }
}
