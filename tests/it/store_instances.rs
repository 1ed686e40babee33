//! Registration of instances: once each, conflicts kept, studies held, assembly asked for.

use doubleread::store::{HoldReason, JobKind, Store};
use doubleread::vocab::{Instance, InstanceTags, Registration, UserId};

use crate::on_each_database;
use crate::store_database::now;

/// Instance number `number` of study number `study`.
pub fn instance(study: u32, number: u32, hash: &str) -> Instance {
    Instance {
        sop_instance_uid: format!("1.2.3.{study}.{number}").parse().unwrap(),
        sop_class_uid: "1.2.840.10008.5.1.4.1.1.1.1".parse().unwrap(),
        study_instance_uid: format!("1.2.3.{study}").parse().unwrap(),
        series_instance_uid: format!("1.2.3.{study}.0").parse().unwrap(),
        transfer_syntax_uid: "1.2.840.10008.1.2.1".parse().unwrap(),
        content_hash: hash.to_owned(),
        size_bytes: 15_000_000,
        calling_ae: "VAN1".parse().unwrap(),
        site: "van1".parse().unwrap(),
        pathway: None,
        received_at: now(),
        tags: InstanceTags {
            patient_id: Some("P1".parse().unwrap()),
            patient_name: "Doe^Jane".to_owned(),
            accession_number: Some(format!("A{study}").parse().unwrap()),
            modality: "DX".to_owned(),
            rows: 3000,
            columns: 2500,
            frames: 1,
            ..InstanceTags::default()
        },
    }
}

async fn open_assemblies(store: &Store) -> i64 {
    store.job_queues(now()).await.unwrap().iter().find(|q| q.kind == JobKind::Assemble).unwrap().open
}

on_each_database! {
    async fn the_same_instance_is_stored_once_and_answered_each_time(database) {
        let store = &database.store;
        let one = instance(1, 1, "aa");
        assert_eq!(store.register(vec![one.clone()]).await.unwrap(), [Registration::Stored]);
        let answers = store.register(vec![one.clone(), instance(1, 2, "bb"), one.clone()]).await.unwrap();
        assert_eq!(answers, [Registration::AlreadyStored, Registration::Stored, Registration::AlreadyStored]);
        let third = instance(1, 3, "cc");
        let answers = store.register(vec![third.clone(), third]).await.unwrap();
        assert_eq!(answers, [Registration::Stored, Registration::AlreadyStored]);

        let found = store.instances_of_study(&one.study_instance_uid).await.unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found.first(), Some(&one), "it reads back as it was registered");
        assert_eq!(store.instance(&one.sop_instance_uid).await.unwrap(), Some(one.clone()));
        let study = store.study(&one.study_instance_uid).await.unwrap().unwrap();
        assert_eq!((study.instance_count, study.hold), (3, None));
        assert_eq!(open_assemblies(store).await, 1, "one open assembly per study");
        assert_eq!(store.register(Vec::new()).await.unwrap(), []);
    }

    async fn fifty_copies_from_five_peers_make_one_instance(database) {
        let one = instance(1, 1, "aa");
        let mut peers = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let (store, one) = (database.store.clone(), one.clone());
            peers.spawn(async move {
                let mut stored = 0;
                for _ in 0..10 {
                    match store.register(vec![one.clone()]).await.unwrap()[..] {
                        [Registration::Stored] => stored += 1,
                        [Registration::AlreadyStored] => {}
                        ref other => panic!("{other:?}"),
                    }
                }
                stored
            });
        }
        assert_eq!(peers.join_all().await.iter().sum::<i32>(), 1);
        assert_eq!(database.store.study(&one.study_instance_uid).await.unwrap().unwrap().instance_count, 1);
    }

    async fn other_bytes_under_one_uid_are_kept_for_a_person_to_judge(database) {
        let store = &database.store;
        let first = instance(1, 1, "aa");
        let other = instance(1, 1, "bb");
        store.register(vec![first.clone()]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(store.register(vec![other.clone()]).await.unwrap(), [Registration::Conflict]);
        }
        let in_one_batch = vec![instance(2, 1, "cc"), instance(2, 1, "dd")];
        let answers = store.register(in_one_batch).await.unwrap();
        assert_eq!(answers, [Registration::Stored, Registration::Conflict]);

        let standing = store.instance(&first.sop_instance_uid).await.unwrap();
        assert_eq!(standing, Some(first.clone()), "the first stands");
        let open = store.open_conflicts(10).await.unwrap();
        assert_eq!(open.len(), 2);
        let conflict = open.iter().find(|c| c.refused.content_hash == "bb").unwrap();
        assert_eq!((&conflict.refused, conflict.kept_hash.as_str()), (&other, "aa"));
        let judge = UserId::new();
        store.judge_conflict(&other.sop_instance_uid, "bb", judge, "the first is right", now()).await.unwrap();
        assert_eq!(store.open_conflicts(10).await.unwrap().len(), 1);
        assert!(store.judge_conflict(&other.sop_instance_uid, "bb", judge, "again", now()).await.is_err());
        let of_study = store.conflicts_of_study(&first.study_instance_uid).await.unwrap();
        assert!(of_study.iter().all(|c| c.judged.is_some()) && of_study.len() == 1);
    }

    async fn another_patient_in_the_same_study_holds_it(database) {
        let store = &database.store;
        let first = instance(1, 1, "aa");
        let mut stranger = instance(1, 2, "bb");
        stranger.tags.patient_id = Some("P2".parse().unwrap());
        store.register(vec![first.clone()]).await.unwrap();
        assert_eq!(store.register(vec![stranger]).await.unwrap(), [Registration::Stored]);
        let study = store.study(&first.study_instance_uid).await.unwrap().unwrap();
        assert_eq!(study.hold.map(|(reason, _)| reason), Some(HoldReason::IdentityConflict));
        assert_eq!(study.patient_id, first.tags.patient_id, "the first identity stands");
        assert_eq!(store.held_studies(10).await.unwrap().len(), 1);
        store.release_study(&first.study_instance_uid, UserId::new(), now()).await.unwrap();
        assert!(store.held_studies(10).await.unwrap().is_empty());

        let mut both = vec![instance(2, 1, "cc"), instance(2, 2, "dd")];
        both[1].tags.birth_date = "19500101".to_owned();
        both[0].tags.birth_date = "19500102".to_owned();
        store.register(both).await.unwrap();
        assert_eq!(store.held_studies(10).await.unwrap().len(), 1, "within one batch too");
    }

    async fn recent_studies_come_newest_first_page_by_page(database) {
        let store = &database.store;
        let start = now();
        let mut batch: Vec<Instance> = (0..7).map(|study| instance(study, 1, "aa")).collect();
        for (instance, ms) in batch.iter_mut().zip([0, 10, 20, 20, 20, 30, 40]) {
            instance.received_at = start.plus_ms(ms);
        }
        batch[0].site = "elsewhere".parse().unwrap();
        store.register(batch).await.unwrap();
        let mut seen = Vec::new();
        let mut last = None;
        loop {
            let page = store.recent_studies(None, last.as_ref(), 2).await.unwrap();
            seen.extend(page.iter().map(|s| s.study_instance_uid.to_string()));
            match page.last() {
                Some(study) => last = Some(study.clone()),
                None => break,
            }
        }
        assert_eq!(seen, ["1.2.3.6", "1.2.3.5", "1.2.3.4", "1.2.3.3", "1.2.3.2", "1.2.3.1", "1.2.3.0"]);
        let site = "elsewhere".parse().unwrap();
        assert_eq!(store.recent_studies(Some(&site), None, 10).await.unwrap().len(), 1);
        assert_eq!(store.studies_by_accession(&"A3".parse().unwrap()).await.unwrap().len(), 1);
    }

    async fn a_batch_of_many_is_one_commit(database) {
        let store = &database.store;
        let began = std::time::Instant::now();
        let (batches, size) = (20, 64);
        for batch in 0..batches {
            let instances = (0..size).map(|n| instance(batch * size + n, n, "aa")).collect();
            let answers = store.register(instances).await.unwrap();
            assert!(answers.iter().all(|a| *a == Registration::Stored));
        }
        let per_second = f64::from(batches * size) / began.elapsed().as_secs_f64();
        println!(
            "{:?}: {per_second:.0} instances a second in batches of {size}, each a new study",
            store.backend()
        );
    }

    async fn migrating_again_changes_nothing_and_health_writes_and_reads(database) {
        let store = &database.store;
        let other = Store::open(&database.url, Default::default()).await.unwrap();
        let (one, two) = tokio::join!(store.migrate(now()), other.migrate(now()));
        assert_eq!((one.unwrap(), two.unwrap()), (0, 0));
        let (found, known) = store.schema_version().await.unwrap();
        assert_eq!(found, known);
        store.health(now()).await.unwrap();
        other.close().await;
    }
}
