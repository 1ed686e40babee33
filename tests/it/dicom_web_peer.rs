//! The DICOMweb side of a whole service against an independent client, dicomweb-client of Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use doubleread::phantom::{StudyOptions, generate_study};
use doubleread::receive::send::push;
use doubleread::store::NewApiToken;
use doubleread::vocab::{Pathway, Role};

use crate::infer_fixture::skipped;
use crate::service_house::House;
use crate::store_database::now;

/// The Python with the peer, where it is installed.
fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let there = Command::new(&python).args(["-c", "import dicomweb_client"]).output();
    let there = there.is_ok_and(|output| output.status.success());
    if !there {
        skipped("dicomweb-client is missing in .venv (make peers)");
    }
    there.then_some(python)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_client_of_dicomweb_reads_back_what_was_pushed() {
    let Some(python) = python() else { return };
    let mut house = House::build("");
    house.start().await;
    let options = StudyOptions { size: Some((208, 256)), ..StudyOptions::default() };
    let files: Vec<PathBuf> = generate_study(Pathway::Mammo, 31, &options)
        .into_iter()
        .map(|image| {
            let path = house.folder.path().join(&image.file_name);
            std::fs::write(&path, image.part10().unwrap()).unwrap();
            path
        })
        .collect();
    let sent = push(&house.target("VAN1"), &files, &|_| {}).await.unwrap();
    assert!(sent.iter().all(|one| one.outcome.is_stored()));

    let store = house.store().await;
    let (user_id, _) = house.signed_in(&store, "pacs", Role::Auditor).await;
    let token = doubleread::http::fresh_token();
    let new = NewApiToken {
        token_hash: doubleread::http::token_hash(&token),
        name: "viewer".to_owned(),
        role: Role::Auditor,
        site: None,
        user_id,
        expires_at: now().plus_minutes(60),
    };
    store.create_api_token(new, now()).await.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/dicom_web_peer.py");
    let address = format!("http://{}/dicom-web", house.pages);
    let said = tokio::task::spawn_blocking(move || {
        Command::new(python).arg(script).arg(address).arg(token).args(files).output().unwrap()
    })
    .await
    .unwrap();
    let (out, errors) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}{errors}");
    assert!(out.contains("4 instances read back"), "{out}");
    assert!(!house.log().contains("SYNTHETIC"), "nothing identifying is logged");
    store.close().await;
    house.stop().await;
}
