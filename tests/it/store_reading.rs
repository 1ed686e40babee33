//! Reading sessions, preferences and own reads in the store, on each database.

use doubleread::store::{CaseSearch, NewUser, Preferences, SessionFilter};
use doubleread::vocab::{Pathway, Role};

use crate::on_each_database;
use crate::store_cases::chest;
use crate::store_database::now;

fn reader(name: &str) -> NewUser {
    NewUser {
        sign_in_name: name.to_owned(),
        display_name: name.to_owned(),
        password_hash: None,
        roles: [Role::Reader].into(),
        sites: Default::default(),
    }
}

on_each_database! {
    async fn a_reader_is_in_one_session_at_a_time_and_a_case_is_taken_once(database) {
        let (store, at) = (&database.store, now());
        let anna = store.create_user(reader("anna"), at).await.unwrap().user_id;
        assert_eq!(store.open_reading_session(anna).await.unwrap(), None);
        let filter = SessionFilter { pathway: Some(Pathway::Chest), with_history: true, ..SessionFilter::default() };
        let first = store.begin_reading_session(anna, 25, filter, at).await.unwrap();
        assert_eq!(store.open_reading_session(anna).await.unwrap(), Some(first.clone()));
        let second = store.begin_reading_session(anna, 10, SessionFilter::default(), at.plus_minutes(1)).await.unwrap();
        assert_eq!(store.open_reading_session(anna).await.unwrap(), Some(second.clone()));
        let ended = store.reading_session(first.session_id).await.unwrap().unwrap();
        assert_eq!(ended.ended_at, Some(at.plus_minutes(1)));
        let listed = store.reading_sessions(anna, 10).await.unwrap();
        assert_eq!(listed.iter().map(|one| one.session_id).collect::<Vec<_>>(), [second.session_id, first.session_id]);

        store.keep_policy(&chest(), at).await.unwrap();
        let set = crate::store_cases::image_set(1, 1, at);
        let case = doubleread::vocab::CaseId::from_number(1);
        store.open_case(case, set, &chest(), 0.5, at).await.unwrap();
        for _ in 0..2 {
            store.take_in_session(second.session_id, case, at).await.unwrap();
        }
        let taken = store.cases_of_session(second.session_id).await.unwrap();
        assert_eq!(taken.len(), 1);
        assert!(taken[0].read.is_none() && !taken[0].skipped && !taken[0].on_hold);
        store.end_reading_session(second.session_id, at.plus_minutes(5)).await.unwrap();
        store.end_reading_session(second.session_id, at.plus_minutes(9)).await.unwrap();
        let ended = store.reading_session(second.session_id).await.unwrap().unwrap();
        assert_eq!(ended.ended_at, Some(at.plus_minutes(5)));
    }

    async fn preferences_that_were_never_said_are_as_shipped_and_the_last_ones_stand(database) {
        let (store, at) = (&database.store, now());
        let anna = store.create_user(reader("anna"), at).await.unwrap().user_id;
        assert_eq!(store.preferences(anna).await.unwrap(), Preferences::default());
        for size in [30, 40] {
            let said = Preferences { session_size: Some(size), ..Preferences::default() };
            store.set_preferences(anna, &said, at).await.unwrap();
            assert_eq!(store.preferences(anna).await.unwrap(), said);
        }
    }

    async fn own_reads_are_counted_by_pathway_and_listed_while_they_do_not_count(database) {
        let (store, at) = (&database.store, now());
        let anna = store.create_user(reader("anna"), at).await.unwrap().user_id;
        assert!(store.own_read_counts(anna, at).await.unwrap().is_empty());
        assert!(store.own_reads_not_final(anna, 10).await.unwrap().is_empty());
        assert!(store.cases_read_by(anna, &[]).await.unwrap().is_empty());
        let none = store.search_cases(&CaseSearch { text: "nobody".to_owned(), ..CaseSearch::default() }, 10).await;
        assert!(none.unwrap().rows.is_empty());
        assert!(store.sites().await.unwrap().is_empty());
    }
}
