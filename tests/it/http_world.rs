//! Studies and cases to be read over HTTP: made in the store as receiver and pipeline would make them.

use doubleread::reading::{Actor, CaseImage, Command, CompleteReason, ImageSet, Policy};
use doubleread::vocab::{
    AiOutcome, AiResult, CaseId, Instance, InstanceTags, MammoView, ModelStamp, Pathway, SopInstanceUid,
    StudyInstanceUid, Timestamp,
};

use crate::http_service::Service;

/// A case and its study.
#[derive(Clone)]
pub struct Made {
    pub case_id: CaseId,
    pub study: StudyInstanceUid,
}

/// The images of one study.
pub fn instances(number: u32, pathway: Pathway, at: Timestamp) -> Vec<Instance> {
    let views: Vec<String> = match pathway {
        Pathway::Chest => vec!["PA".to_owned()],
        Pathway::Mammo => MammoView::STANDARD.iter().map(ToString::to_string).collect(),
    };
    views
        .iter()
        .enumerate()
        .map(|(at_view, view)| Instance {
            sop_instance_uid: format!("1.2.3.{number}.1.{at_view}").parse().unwrap(),
            sop_class_uid: "1.2.840.10008.5.1.4.1.1.1.1".parse().unwrap(),
            study_instance_uid: format!("1.2.3.{number}").parse().unwrap(),
            series_instance_uid: format!("1.2.3.{number}.1").parse().unwrap(),
            transfer_syntax_uid: "1.2.840.10008.1.2.1".parse().unwrap(),
            content_hash: format!("{number:032x}{at_view:032x}"),
            size_bytes: 1_000,
            calling_ae: "VAN1".parse().unwrap(),
            site: "north".parse().unwrap(),
            pathway: Some(pathway),
            received_at: at,
            tags: InstanceTags {
                patient_id: Some(format!("PID{number}").parse().unwrap()),
                patient_name: format!("Patient{number}^Nell<b>"),
                birth_date: "19600101".to_owned(),
                accession_number: Some(format!("ACC{number}").parse().unwrap()),
                modality: if pathway == Pathway::Chest { "DX" } else { "MG" }.to_owned(),
                view_position: view.trim_start_matches(['R', 'L']).to_owned(),
                rows: 100,
                columns: 80,
                frames: 1,
                has_pixels: true,
                ..InstanceTags::default()
            },
        })
        .collect()
}

/// Registers a study and makes it a case under a shipped policy.
pub async fn make_case(service: &Service, number: u32, policy: &str) -> Made {
    let policy = Policy::shipped(policy).unwrap();
    let now = service.now();
    let instances = instances(number, policy.pathway, now);
    make_case_of(service, number, &policy.id, instances).await
}

/// The same of instances that were made elsewhere.
pub async fn make_case_of(service: &Service, number: u32, policy: &str, instances: Vec<Instance>) -> Made {
    let policy = Policy::shipped(policy).unwrap();
    let now = service.now();
    let study = instances[0].study_instance_uid.clone();
    let images: Vec<SopInstanceUid> = instances.iter().map(|i| i.sop_instance_uid.clone()).collect();
    service.store.register(instances).await.unwrap();
    service.store.keep_policy(&policy, now).await.unwrap();
    let set = ImageSet {
        study_instance_uid: study.clone(),
        pathway: policy.pathway,
        site: "north".parse().unwrap(),
        number: 1,
        supersedes: None,
        images: images
            .into_iter()
            .enumerate()
            .map(|(at, sop_instance_uid)| CaseImage {
                sop_instance_uid,
                view: (policy.pathway == Pathway::Mammo).then(|| MammoView::STANDARD[at]),
            })
            .collect(),
        complete_reason: CompleteReason::ExpectedViews,
        last_image_at: now,
        urgent: false,
    };
    let case_id = CaseId::from_number(u128::from(number));
    service.store.open_case(case_id, set, &policy, 0.99, now).await.unwrap();
    Made { case_id, study }
}

/// An AI result of a model that says so.
pub fn ai_says(outcome: AiOutcome, score: f64, at: Timestamp) -> AiResult {
    AiResult {
        outcome,
        score: Some(score),
        threshold: Some(0.5),
        findings: Vec::new(),
        breasts: Vec::new(),
        views: Vec::new(),
        regions: Vec::new(),
        heat_maps: Vec::new(),
        model: Some(ModelStamp {
            name: "test-model".to_owned(),
            version: "1".to_owned(),
            sha256: "00".repeat(32),
            operating_point: "balanced".to_owned(),
        }),
        preprocessing: "test-v1".to_owned(),
        inputs: Vec::new(),
        left_out: Vec::new(),
        provider: "cpu".to_owned(),
        prepare_ms: 1.0,
        infer_ms: 1.0,
        at,
    }
}

/// Lets the AI say something of a case.
pub async fn ai(service: &Service, made: &Made, outcome: AiOutcome, score: f64) {
    record(service, made, ai_says(outcome, score, service.now())).await;
}

/// Records an AI result.
pub async fn record(service: &Service, made: &Made, result: AiResult) {
    let actor = Actor::Ai { model: result.model.clone() };
    let command = Command::RecordAi { result: Box::new(result) };
    service.store.act(made.case_id, command, &actor, service.now()).await.unwrap();
}

/// Does what time has made due.
pub async fn tick(service: &Service, made: &Made) {
    service.store.act(made.case_id, Command::Tick, &Actor::System, service.now()).await.unwrap();
}
