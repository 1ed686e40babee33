//! Finding studies: the earlier ones of the same patient and of nobody else, and those that match a search.

use std::collections::BTreeSet;

use doubleread::reading::ImageSet;
use doubleread::store::{CaseSearch, Settings, Store, StudyQuery};
use doubleread::vocab::Instance;

use crate::on_each_database;
use crate::store_cases::{image_set, open};
use crate::store_database::now;
use crate::store_instances::instance;

/// A study of its own number, of patient P1 of the issuer NHS, born and taken on those days.
fn taken(study: u32, date: &str, change: impl FnOnce(&mut Instance)) -> Instance {
    let mut one = instance(study, 1, "aa");
    one.content_hash = format!("{study:064x}");
    one.tags.issuer_of_patient_id = "NHS".to_owned();
    one.tags.birth_date = "19600101".to_owned();
    one.tags.study_date = date.to_owned();
    change(&mut one);
    one
}

async fn found(store: &Store, study: u32, sites: &[&str], limit: u32) -> Vec<String> {
    let uid = format!("1.2.3.{study}").parse().unwrap();
    let study = store.study(&uid).await.unwrap().unwrap();
    let sites: BTreeSet<_> = sites.iter().map(|site| site.parse().unwrap()).collect();
    let found = store.earlier_studies(&study, &sites, limit).await.unwrap();
    found.iter().map(|study| study.study_instance_uid.to_string()).collect()
}

on_each_database! {
    async fn priors_are_of_the_same_patient_and_earlier_the_latest_first(database) {
        let store = &database.store;
        store.register(vec![
            taken(1, "20260302", |_| {}),
            taken(2, "20230301", |_| {}),
            taken(3, "20240105", |one| one.site = "south".parse().unwrap()),
            taken(4, "20270101", |_| {}),
            taken(5, "20200101", |one| one.tags.issuer_of_patient_id = "OTHER".to_owned()),
            taken(6, "20200101", |one| one.tags.birth_date = "19600102".to_owned()),
            taken(7, "20200101", |one| one.tags.birth_date = String::new()),
            taken(8, "20200101", |one| one.tags.patient_id = Some("P2".parse().unwrap())),
            taken(9, "", |_| {}),
            taken(10, "20210101", |one| one.tags.issuer_of_patient_id = String::new()),
            taken(11, "20220101", |one| one.tags.patient_name = "Married^Jane".to_owned()),
        ]).await.unwrap();
        assert_eq!(found(store, 1, &[], 9).await, ["1.2.3.3", "1.2.3.2", "1.2.3.11", "1.2.3.7"]);
        assert_eq!(found(store, 1, &[], 2).await, ["1.2.3.3", "1.2.3.2"]);
        assert_eq!(found(store, 1, &["van1"], 9).await, ["1.2.3.2", "1.2.3.11", "1.2.3.7"], "site rights");
        assert!(found(store, 8, &[], 9).await.is_empty());
        let held = "1.2.3.2".parse().unwrap();
        store.hold_study(&held, doubleread::store::HoldReason::ByHand, now()).await.unwrap();
        assert_eq!(found(store, 1, &["van1"], 9).await, ["1.2.3.11", "1.2.3.7"], "a held study is nobody's prior");
    }

    async fn an_identifier_without_an_issuer_is_known_within_its_site_only(database) {
        let store = &database.store;
        let plain = |study, date, site: &str| taken(study, date, |one| {
            one.tags.issuer_of_patient_id = String::new();
            one.site = site.parse().unwrap();
        });
        store.register(vec![
            plain(1, "20260302", "van1"),
            plain(2, "20230301", "van1"),
            plain(3, "20240105", "south"),
        ]).await.unwrap();
        assert_eq!(found(store, 1, &[], 9).await, ["1.2.3.2"]);
    }

    async fn a_search_matches_by_name_date_modality_and_site_page_by_page(database) {
        let store = &database.store;
        let named = |study, name: &str, date, site: &str, modality: &str| taken(study, date, |one| {
            one.tags.patient_name = name.to_owned();
            one.tags.modality = modality.to_owned();
            one.site = site.parse().unwrap();
            one.received_at = one.received_at.plus_ms(i64::from(study));
        });
        store.register(vec![
            named(1, "Smith^Anna", "20240105", "van1", "MG"),
            named(2, "SMYTHE^Ben", "20240106", "south", "DX"),
            named(3, "Under_score^C", "20250101", "van1", "DX"),
        ]).await.unwrap();
        let find = async |query: StudyQuery| -> Vec<String> {
            let found = store.find_studies(&StudyQuery { limit: 9, ..query }).await.unwrap();
            found.iter().map(|study| study.study_instance_uid.to_string()).collect()
        };
        let all = StudyQuery::default;
        let name = |name: &str| StudyQuery { patient_name: Some(name.to_owned()), ..StudyQuery::default() };
        assert_eq!(find(all()).await, ["1.2.3.3", "1.2.3.2", "1.2.3.1"]);
        assert_eq!(find(name("sm?th*")).await, ["1.2.3.2", "1.2.3.1"]);
        assert_eq!(find(name("smith*")).await, ["1.2.3.1"]);
        assert_eq!(find(name("under_*")).await, ["1.2.3.3"]);
        assert!(find(name("%")).await.is_empty(), "a wildcard of SQL is none of DICOM");
        let dates = StudyQuery { date_from: Some("20240106".to_owned()), date_to: Some("20241231".to_owned()), ..all() };
        assert_eq!(find(dates).await, ["1.2.3.2"]);
        let modality = StudyQuery { modalities: vec!["MG".to_owned(), "CT".to_owned()], ..all() };
        assert_eq!(find(modality).await, ["1.2.3.1"]);
        let site = StudyQuery { sites: ["van1".parse().unwrap()].into(), ..all() };
        assert_eq!(find(site).await, ["1.2.3.3", "1.2.3.1"]);
        assert_eq!(find(StudyQuery { offset: 2, ..all() }).await, ["1.2.3.1"]);
        let uids = vec!["1.2.3.2".parse().unwrap(), "1.2.3.99".parse().unwrap()];
        assert_eq!(find(StudyQuery { study_instance_uids: uids, ..all() }).await, ["1.2.3.2"]);
    }

    async fn of_a_name_that_many_have_the_latest_studies_of_the_readers_sites_are_searched(database) {
        let (store, at) = (&database.store, now());
        let most = Settings::default().search_studies;
        let common = |study: u32, name: &str, site: &str| taken(study, "20260302", |one| {
            one.tags.patient_name = name.to_owned();
            one.tags.patient_id = Some(format!("P{study}").parse().unwrap());
            one.site = site.parse().unwrap();
            one.received_at = one.received_at.plus_ms(i64::from(study));
        });
        // The oldest is the one of this reader's site, and the latest the last by name.
        let mut all = vec![common(1, "Common^Amy", "van1")];
        all.extend((2..=most + 1).map(|study| common(study, "Common^Ben", "south")));
        all.push(common(most + 2, "Common^Zoe", "south"));
        store.register(all).await.unwrap();
        for study in [1, most + 2] {
            let site = if study == 1 { "van1" } else { "south" };
            let set = ImageSet { site: site.parse().unwrap(), ..image_set(study, 1, at) };
            open(store, set, at).await;
        }
        let search = async |text: &str, sites: &[&str]| {
            let sites = sites.iter().map(|site| site.parse().unwrap()).collect();
            let wanted = CaseSearch { text: text.to_owned(), sites, ..CaseSearch::default() };
            let found = store.search_cases(&wanted, 10).await.unwrap();
            let studies: Vec<_> = found.rows.iter().map(|row| row.study_instance_uid.to_string()).collect();
            (studies, found.only_latest)
        };
        let last = format!("1.2.3.{}", most + 2);
        assert_eq!(search("common", &[]).await, (vec![last.clone()], Some(most)), "the oldest was not looked at");
        assert_eq!(search("common", &["van1"]).await, (vec!["1.2.3.1".to_owned()], Some(most)));
        assert_eq!(search("common zoe", &[]).await, (vec![last], None));
    }
}
