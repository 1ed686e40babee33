//! Studies of the room: drawn or from files, pushed over C-STORE, then opened as a case as the pipeline would.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use doubleread::phantom::{
    ChestLesion, ChestView, Encoding, GeneratedInstance, StudyOptions, generate_study,
};
use doubleread::reading::{CaseImage, CompleteReason, ImageSet, Policy};
use doubleread::receive::completeness::{Settings, assess};
use doubleread::receive::send::{Target, push};
use doubleread::store::CompletenessRule;
use doubleread::vocab::{CaseId, Clock, FindingCode, MammoView, Pathway, Side, StudyInstanceUid, View};

use crate::room::Room;

/// Year in which every patient was born who has a number of their own.
const BORN: u32 = 1960;

/// A study to push, and how it is to be read.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewStudy {
    /// Number of the study: its seed, and the patient's where `patient` is not given.
    pub seed: u64,
    /// `chest` or `mammo`.
    pub pathway: String,
    /// Views, such as `PA`, `LAT`, `RCC`; the usual ones where empty.
    pub views: Vec<String>,
    /// Columns and rows.
    pub size: Option<(u32, u32)>,
    /// Number of the patient, where a study shares its patient with another.
    pub patient: Option<u64>,
    /// Patient's Name, as it comes.
    pub name: Option<String>,
    /// Study Date, `YYYYMMDD`.
    pub date: Option<String>,
    /// A chest finding to draw, on the right.
    pub finding: Option<String>,
    /// Index of an image whose pixels are to be noise that no decoder makes sense of.
    pub broken: Option<usize>,
    /// Files to push instead of drawn ones.
    pub files: Vec<PathBuf>,
    /// Id of the policy; none: the study is pushed and makes no case.
    pub policy: Option<String>,
    /// Whether it is urgent.
    pub urgent: bool,
    /// Secret number of the QA draw, 0 to 1; drawn where it is below the policy's rate.
    pub qa_number: Option<f64>,
    /// The case whose place it takes (R11).
    pub supersedes: Option<String>,
}

/// What came of it.
#[derive(serde::Serialize)]
pub struct Made {
    pub study: String,
    pub instances: Vec<String>,
    pub case_id: Option<CaseId>,
}

/// Pushes a study and opens its case.
pub async fn make(room: &Room, new: NewStudy) -> anyhow::Result<Made> {
    let pathway: Pathway = new.pathway.parse()?;
    let files = if new.files.is_empty() { drawn(room, &new, pathway)? } else { new.files.clone() };
    let target = Target::new(room.receiver.clone(), "DOUBLEREAD".parse()?, "VAN1".parse()?);
    let sent = push(&target, &files, &|_| {}).await?;
    if let Some(lost) = sent.iter().find(|one| !one.outcome.is_stored()) {
        anyhow::bail!("{} was not stored: {:?}", lost.path.display(), lost.outcome);
    }
    let first = sent.first().and_then(|one| one.sop_instance_uid.as_deref()).context("nothing was sent")?;
    let study = room.store.instance(&first.parse()?).await?.context("no row")?.study_instance_uid;
    let instances = sent.iter().filter_map(|one| one.sop_instance_uid.clone()).collect();
    let case_id = match &new.policy {
        Some(policy) => Some(open(room, &new, pathway, &study, policy).await?),
        None => None,
    };
    Ok(Made { study: study.to_string(), instances, case_id })
}

/// The order for a study that is to be drawn, as an order system would send it.
pub fn order(new: &NewStudy) -> anyhow::Result<serde_json::Value> {
    let pathway: Pathway = new.pathway.parse()?;
    let images = instances(new, pathway)?;
    let first = images.first().context("no image")?;
    let study = &first.identity.study;
    Ok(serde_json::json!({
        "placer_order_number": format!("RQ-{}", study.accession_number), "accession_number": study.accession_number,
        "site": doubleread::receive::Settings::default().site,
        "patient": {
            "id": study.patient_id, "name": study.patient_name,
            "birth_date": study.birth_date(first.phantom.age_years),
        },
        "pathway": pathway, "procedure": "XR chest PA", "reason": "Cough for six weeks",
        "symptoms": "Cough, some weight loss", "requested_at": "2026-03-01T08:00:00Z",
    }))
}

/// Draws the images.
fn instances(new: &NewStudy, pathway: Pathway) -> anyhow::Result<Vec<GeneratedInstance>> {
    let date = new.date.clone().unwrap_or_else(|| "20260302".to_owned());
    // A patient of several studies is born on one day, or none of them would be a prior of another.
    let year: u32 = date.get(..4).and_then(|year| year.parse().ok()).context("no year in the date")?;
    let age_years = new.patient.map(|_| year.saturating_sub(BORN));
    let mut options = StudyOptions {
        age_years,
        normal: Some(new.finding.is_none()),
        size: new.size.or(Some((416, 512))),
        encoding: Encoding::ExplicitLittleEndian,
        date_time: (date, "083000".to_owned()),
        ..StudyOptions::default()
    };
    if !new.views.is_empty() {
        match pathway {
            Pathway::Chest => {
                options.chest_views =
                    new.views.iter().map(|v| chest_view(v)).collect::<anyhow::Result<_>>()?
            }
            Pathway::Mammo => {
                options.mammo_views =
                    new.views.iter().map(|v| v.parse::<MammoView>()).collect::<Result<_, _>>()?
            }
        }
    }
    if let Some(finding) = &new.finding {
        let code: FindingCode = finding.parse()?;
        options.chest_lesions.push(ChestLesion { side: Some(Side::Right), ..ChestLesion::of(code) });
    }
    let mut images = generate_study(pathway, new.seed, &options);
    for image in &mut images {
        if let Some(patient) = new.patient {
            image.identity.study.patient_id = format!("SYN-P-{patient:08}");
            image.identity.study.patient_name = format!("SYNTHETIC^PATIENT^{patient:08}");
        }
        if let Some(name) = &new.name {
            name.clone_into(&mut image.identity.study.patient_name);
        }
    }
    Ok(images)
}

/// Draws the images and writes them as files.
fn drawn(room: &Room, new: &NewStudy, pathway: Pathway) -> anyhow::Result<Vec<PathBuf>> {
    let folder = room.folder.path().join(format!("study-{}-{}", pathway.code(), new.seed));
    std::fs::create_dir_all(&folder)?;
    let mut files = Vec::new();
    for (at, mut image) in instances(new, pathway)?.into_iter().enumerate() {
        let path = folder.join(format!("{at}-{}", image.file_name));
        if new.broken == Some(at) {
            image.encoding = Encoding::RleLossless;
            std::fs::write(&path, with_broken_pixels(image.part10()?)?)?;
        } else {
            std::fs::write(&path, image.part10()?)?;
        }
        files.push(path);
    }
    Ok(files)
}

/// The same file with an RLE header (PS3.5 G.5) that points nowhere; its structure stays whole.
fn with_broken_pixels(mut bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
    const TAG_AND_LENGTH: usize = 8;
    const HEADER: usize = 64;
    let tag = [0xE0, 0x7F, 0x10, 0, b'O', b'B'];
    let pixel_data = bytes.windows(6).rposition(|six| six == tag).context("no pixels")?;
    // The first item is the offset table, the second the first fragment.
    let items = bytes.windows(4).enumerate().skip(pixel_data).filter(|(_, four)| *four == ITEM);
    let (fragment, _) = items.into_iter().nth(1).context("no fragment")?;
    let header = bytes.get_mut(fragment + TAG_AND_LENGTH..).and_then(|rest| rest.get_mut(..HEADER));
    header.context("no header")?.fill(0xFF);
    Ok(bytes)
}

fn chest_view(text: &str) -> anyhow::Result<ChestView> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .with_context(|| format!("{text} is no view"))
}

/// Opens the case of a study under a shipped policy.
async fn open(
    room: &Room,
    new: &NewStudy,
    pathway: Pathway,
    study: &StudyInstanceUid,
    policy: &str,
) -> anyhow::Result<CaseId> {
    let policy = Policy::shipped(policy).with_context(|| format!("no policy {policy}"))?;
    let now = room.clock.now();
    let found = assess(&room.store.instances_of_study(study).await?, &Settings::default(), now);
    let set =
        found.sets.into_iter().find(|set| set.pathway == pathway).context("no image set of this pathway")?;
    ensure!(!set.images.is_empty(), "no images");
    let place = |view: &Option<View>| match view {
        Some(View::Mammo(view)) => MammoView::STANDARD.iter().position(|one| one == view).unwrap_or(4),
        _ => 5,
    };
    let mut shown = set.images;
    shown.sort_by_key(|(_, view)| place(view));
    let images = shown.into_iter().map(|(sop_instance_uid, view)| CaseImage {
        sop_instance_uid,
        view: match view {
            Some(View::Mammo(view)) => Some(view),
            _ => None,
        },
    });
    let supersedes = new.supersedes.as_deref().map(str::parse).transpose()?;
    let set = ImageSet {
        study_instance_uid: study.clone(),
        pathway,
        site: room.store.study(study).await?.context("no study")?.site,
        number: if supersedes.is_some() { 2 } else { 1 },
        supersedes,
        images: images.collect(),
        complete_reason: CompleteReason::ExpectedViews,
        last_image_at: now,
        urgent: new.urgent,
    };
    room.store.complete_study(study, CompletenessRule::ExpectedViews, &[], now).await?;
    room.store.keep_policy(&policy, now).await?;
    let case_id = CaseId::new();
    room.store.open_case(case_id, set, &policy, new.qa_number.unwrap_or(0.99), now).await?;
    Ok(case_id)
}
