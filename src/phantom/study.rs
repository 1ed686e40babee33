//! A whole study from a seed: what `doubleread phantom`, `doubleread send --generate` and the tests ask for.
//!
//! In: pathway, seed, options. Out: images that write themselves when asked, each with its truth.

use std::io::Write;

use super::draws::Draws;
use super::{
    BreastLesion, ChestLesion, ChestParams, ChestView, Encoding, Identity, LesionKind, MammoParams, Phantom,
    PhantomError, Photometric, StudyIdentity, Truth, chest, mammo, write_dicom, write_segmentation,
};
use crate::vocab::{FindingCode, MammoView, Pathway, Side};

/// What a study should show; everything that is not given is decided by the seed.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyOptions {
    /// Whether the study is normal (`Some(false)`: not) where no lesion is named; by default the seed decides,
    /// abnormal in 3 of 10.
    pub normal: Option<bool>,
    /// Chest findings to put in.
    pub chest_lesions: Vec<ChestLesion>,
    /// Breast lesions to put in, with the side.
    pub breast_lesions: Vec<(Side, BreastLesion)>,
    /// Chest views, in order.
    pub chest_views: Vec<ChestView>,
    /// Mammographic views, in order.
    pub mammo_views: Vec<MammoView>,
    /// Age in years.
    pub age_years: Option<u32>,
    /// Breast density, 1 to 4.
    pub density: Option<u8>,
    /// Whether there are implants.
    pub implant: bool,
    /// Columns and rows; full detector size (chest 2048 by 2500, mammogram 3328 by 4096) where not given.
    pub size: Option<(u32, u32)>,
    /// Bits Stored, 8 to 16.
    pub bits_stored: u16,
    /// Which way the grey scale runs.
    pub photometric: Photometric,
    /// Transfer syntax of the files.
    pub encoding: Encoding,
    /// Study Date, `YYYYMMDD`, and Study Time, `HHMMSS`.
    pub date_time: (String, String),
}

impl Default for StudyOptions {
    fn default() -> Self {
        Self {
            normal: None,
            chest_lesions: Vec::new(),
            breast_lesions: Vec::new(),
            chest_views: vec![ChestView::Pa],
            mammo_views: MammoView::STANDARD.to_vec(),
            age_years: None,
            density: None,
            implant: false,
            size: None,
            bits_stored: 12,
            photometric: Photometric::Monochrome2,
            encoding: Encoding::ExplicitLittleEndian,
            date_time: ("20260105".to_owned(), "093000".to_owned()),
        }
    }
}

/// One image of a study, not yet written.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedInstance {
    /// A name for the file, such as `chest-7-PA.dcm`.
    pub file_name: String,
    /// The image.
    pub phantom: Phantom,
    /// Its identity.
    pub identity: Identity,
    /// How it is to be written.
    pub encoding: Encoding,
}

impl GeneratedInstance {
    /// What was put in.
    pub fn truth(&self) -> &Truth {
        &self.phantom.truth
    }
    /// The bytes of its Part-10 file.
    pub fn part10(&self) -> Result<Vec<u8>, PhantomError> {
        let mut bytes = Vec::with_capacity(self.phantom.pixels.len() * 2 + 8192);
        self.write_part10(&mut bytes)?;
        Ok(bytes)
    }
    /// Writes its Part-10 file.
    pub fn write_part10(&self, out: impl Write) -> Result<(), PhantomError> {
        write_dicom(&self.phantom, &self.identity, self.encoding, out)
    }
    /// The truth as the bytes of a DICOM Segmentation; none where nothing was put in.
    pub fn segmentation(&self) -> Result<Option<Vec<u8>>, PhantomError> {
        write_segmentation(&self.phantom, &self.identity)
    }
    /// The truth with the image's UID, as JSON text.
    pub fn truth_json(&self) -> Result<String, PhantomError> {
        #[derive(serde::Serialize)]
        struct File<'a> {
            sop_instance_uid: &'a str,
            columns: u32,
            rows: u32,
            #[serde(flatten)]
            truth: &'a Truth,
        }
        let file = File {
            sop_instance_uid: &self.identity.sop_instance_uid,
            columns: self.phantom.width,
            rows: self.phantom.height,
            truth: self.truth(),
        };
        serde_json::to_string_pretty(&file).map_err(PhantomError::Truth)
    }
}

/// Makes all images of a study.
pub fn generate_study(pathway: Pathway, seed: u64, options: &StudyOptions) -> Vec<GeneratedInstance> {
    images_of_study(pathway, seed, options).collect()
}

/// The images of a study one after another, each drawn when it is asked for.
pub fn images_of_study(
    pathway: Pathway,
    seed: u64,
    options: &StudyOptions,
) -> impl Iterator<Item = GeneratedInstance> {
    let (date, time) = &options.date_time;
    let study = StudyIdentity::of(seed, pathway.code(), date, time);
    let phantoms: Box<dyn Iterator<Item = Phantom>> = match pathway {
        Pathway::Chest => Box::new(chest_study(seed, options)),
        Pathway::Mammo => Box::new(mammo_study(seed, options)),
    };
    phantoms.zip(1..).map(move |(phantom, number)| GeneratedInstance {
        file_name: format!("{}-{seed}-{}.dcm", pathway.code(), phantom.kind.view()),
        identity: Identity::of(&study, number, phantom.kind),
        phantom,
        encoding: options.encoding,
    })
}

fn is_normal(draws: &mut Draws, options: &StudyOptions) -> bool {
    let drawn = draws.chance(0.7);
    options.normal.unwrap_or(drawn)
}

fn chest_study(seed: u64, options: &StudyOptions) -> impl Iterator<Item = Phantom> {
    let mut params = ChestParams::normal(seed);
    let mut draws = Draws::new(seed, "study-chest");
    let normal = is_normal(&mut draws, options);
    let code = *draws.pick(&ChestLesion::DRAWN);
    let side = if draws.chance(0.5) { Side::Right } else { Side::Left };
    params.lesions = if !options.chest_lesions.is_empty() {
        options.chest_lesions.clone()
    } else if normal {
        Vec::new()
    } else {
        vec![ChestLesion { code, side: Some(side), conspicuity: Some(draws.range(0.35, 1.0)) }]
    };
    // Both views show one patient: the side is settled before the views are drawn.
    for lesion in params.lesions.iter_mut().filter(|l| l.code != FindingCode::Cardiomegaly) {
        lesion.side = lesion.side.or(Some(side));
    }
    params.age_years = options.age_years.unwrap_or(params.age_years);
    params.bits_stored = options.bits_stored;
    params.photometric = options.photometric;
    if let Some((width, height)) = options.size {
        (params.width, params.height) = (width, height);
    }
    options.chest_views.iter().map(move |view| chest(&ChestParams { view: *view, ..params.clone() }))
}

fn mammo_study(seed: u64, options: &StudyOptions) -> impl Iterator<Item = Phantom> {
    let mut draws = Draws::new(seed, "study-mammo");
    let normal = is_normal(&mut draws, options);
    let kind = *draws.pick(&LesionKind::ALL);
    let side = if draws.chance(0.5) { Side::Right } else { Side::Left };
    let lesions = if !options.breast_lesions.is_empty() {
        options.breast_lesions.clone()
    } else if normal {
        Vec::new()
    } else {
        vec![(side, BreastLesion { kind, conspicuity: Some(draws.range(0.35, 1.0)) })]
    };
    options.mammo_views.iter().map(move |view| {
        let mut params = MammoParams::normal(seed, view.side, view.projection);
        params.lesions = lesions.iter().filter(|(s, _)| *s == view.side).map(|(_, l)| *l).collect();
        params.density = options.density.unwrap_or(params.density);
        params.implant = options.implant;
        params.bits_stored = options.bits_stored;
        params.photometric = options.photometric;
        if let Some((width, height)) = options.size {
            (params.width, params.height) = (width, height);
        }
        let mut phantom = mammo(&params);
        phantom.age_years = options.age_years.unwrap_or(phantom.age_years);
        phantom
    })
}
