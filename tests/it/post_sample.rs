//! Released cases and notices for the tests of `post`: made up, and the same every time.

use doubleread::post::{
    IdentifierSystems, PatientRecord, Person, Referrer, ReleasedCase, RepeatAsk, RepeatReason, SeriesRecord,
    StudyRecord, UrgentAct, Verification,
};
use doubleread::vocab::{
    AiFinding, AiOutcome, AiResult, Assessment, BreastFeature, BreastOpinion, BreastScore, CaseId,
    ChestFinding, ChestOpinion, Confidence, FindingCode, Laterality, LevelOfConcern, MammoMark, MammoOpinion,
    MammoView, ModelStamp, Opinion, ReadId, Sex, Side, TechnicalReason, Timestamp, UserId, ViewRecall, Zone,
};

pub fn systems() -> IdentifierSystems {
    IdentifierSystems::default()
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn patient(number: u32) -> PatientRecord {
    PatientRecord {
        patient_id: Some(format!("SYN-{number}").parse().expect("an id")),
        nhs_number: Some("9434765919".parse().expect("the example of the NHS Data Dictionary")),
        name: "Synthetic^Ada^^Dr".to_owned(),
        birth_date: "19620304".to_owned(),
        sex: Some(Sex::Female),
    }
}

fn study(number: u32, modality: &str, class: &str) -> StudyRecord {
    let uid = format!("1.2.826.0.1.3680043.10.999.{number}");
    StudyRecord {
        accession_number: Some(format!("ACC{number}").parse().expect("a number")),
        site: "VAN1".parse().expect("a code"),
        date: "20260102".to_owned(),
        received_at: at("2026-01-02T09:00:00.000Z"),
        series: vec![SeriesRecord {
            uid: format!("{uid}.1").parse().expect("a UID"),
            modality: modality.to_owned(),
            instances: vec![(format!("{uid}.1.1").parse().expect("a UID"), class.parse().expect("a UID"))],
        }],
        uid: uid.parse().expect("a UID"),
    }
}

pub fn reader(number: u128) -> Person {
    Person { user: UserId::from_number(number), name: format!("Reader {number}") }
}

fn verification() -> Verification {
    Verification {
        read_id: ReadId::from_number(11),
        reader: reader(1),
        others: vec![reader(2)],
        finalised_at: at("2026-01-02T09:30:00.000Z"),
    }
}

fn ai(outcome: AiOutcome) -> AiResult {
    AiResult {
        outcome,
        score: Some(0.912_345),
        threshold: Some(0.5),
        findings: vec![AiFinding {
            label: "pleural effusion".to_owned(),
            code: Some(FindingCode::PleuralEffusion),
            feature: None,
            side: None,
            score: 0.91,
            threshold: 0.5,
            flagged: true,
        }],
        breasts: Vec::new(),
        views: Vec::new(),
        regions: Vec::new(),
        heat_maps: Vec::new(),
        model: Some(ModelStamp {
            name: "chest-small".to_owned(),
            version: "0.1.0".to_owned(),
            sha256: "ab".repeat(32),
            operating_point: "balanced".to_owned(),
        }),
        preprocessing: "cxr-224-v1".to_owned(),
        inputs: Vec::new(),
        left_out: Vec::new(),
        provider: "cpu".to_owned(),
        prepare_ms: 1.0,
        infer_ms: 1.0,
        at: at("2026-01-02T09:01:00.000Z"),
    }
}

pub fn finding(code: FindingCode, side: Option<Laterality>) -> ChestFinding {
    ChestFinding { code, side, zone: None, confidence: None, urgent: false, mark: None }
}

pub fn chest(findings: Vec<ChestFinding>) -> Opinion {
    Opinion::Chest(ChestOpinion::Abnormal { findings })
}

/// An abnormal chest film.
pub fn chest_case(number: u32) -> ReleasedCase {
    let nodule = ChestFinding {
        zone: Some(Zone::Upper),
        confidence: Some(Confidence::Probable),
        urgent: true,
        ..finding(FindingCode::Nodule, Some(Laterality::Left))
    };
    let effusion = finding(FindingCode::PleuralEffusion, Some(Laterality::Right));
    ReleasedCase {
        case_id: CaseId::from_number(u128::from(number)),
        release_number: 1,
        outcome: chest(vec![effusion, nodule]),
        earlier_outcomes: Vec::new(),
        amendment: None,
        verification: verification(),
        released_at: at("2026-01-02T09:31:00.000Z"),
        patient: patient(number),
        study: study(number, "DX", "1.2.840.10008.5.1.4.1.1.1.1"),
        ai: Some(ai(AiOutcome::Abnormal)),
    }
}

/// A mammogram recalled for one breast.
pub fn mammo_case(number: u32) -> ReleasedCase {
    let mark = |feature, concern| MammoMark { feature, concern, mark: None };
    let left = BreastOpinion {
        assessment: Assessment::Abnormal,
        marks: vec![
            mark(BreastFeature::Mass, LevelOfConcern::Suspicious),
            mark(BreastFeature::Mass, LevelOfConcern::Indeterminate),
            mark(BreastFeature::SkinOrNipple, LevelOfConcern::Indeterminate),
        ],
    };
    let right = BreastOpinion { assessment: Assessment::Normal, marks: Vec::new() };
    let breast = |side, score, flagged| BreastScore { side, score, flagged };
    let ai = AiResult {
        findings: Vec::new(),
        breasts: vec![breast(Side::Right, 0.1, false), breast(Side::Left, 0.9, true)],
        ..ai(AiOutcome::Abnormal)
    };
    ReleasedCase {
        outcome: Opinion::Mammo(MammoOpinion::Recall { right, left }),
        study: study(number, "MG", "1.2.840.10008.5.1.4.1.1.1.2"),
        ai: Some(ai),
        ..chest_case(number)
    }
}

pub fn urgent_act(number: u32) -> UrgentAct {
    UrgentAct {
        case_id: CaseId::from_number(u128::from(number)),
        read_id: ReadId::from_number(11),
        reader: reader(1),
        number: 1,
        findings: vec![FindingCode::Mass, FindingCode::MediastinalWidening],
        reason: String::new(),
        key_images: Vec::new(),
        at: at("2026-01-02T09:30:00.000Z"),
        due_by: at("2026-01-02T23:59:59.999Z"),
        referrer: Some(Referrer {
            name: "Synthetic Practice".to_owned(),
            ods_code: Some("X99999".to_owned()),
        }),
        patient: patient(number),
        study: study(number, "DX", "1.2.840.10008.5.1.4.1.1.1.1"),
    }
}

pub fn repeat_ask(number: u32) -> RepeatAsk {
    let [first, ..] = MammoView::STANDARD;
    RepeatAsk {
        case_id: CaseId::from_number(u128::from(number)),
        read_id: ReadId::from_number(11),
        reader: reader(1),
        reason: RepeatReason::Mammo {
            views: vec![ViewRecall { view: first, reason: TechnicalReason::Blurred }],
        },
        at: at("2026-01-02T09:30:00.000Z"),
        patient: patient(number),
        study: study(number, "MG", "1.2.840.10008.5.1.4.1.1.1.2"),
    }
}
