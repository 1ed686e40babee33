//! A mammogram from a seed: one breast, one projection, normal or with lesions.
//!
//! In: [`MammoParams`]. Out: a [`Phantom`]. Two projections of one seed and side show one breast: a lesion lies at
//! one place in it and is projected to both. Must never copy a real mammogram: all of it is geometry and noise.

mod lesions;
mod outline;
mod tissue;

use super::canvas::{Canvas, Frame, Nib, Profile, even};
use super::draws::Draws;
use super::{ImageKind, PersonSex, Phantom, Photometric, finish};
use crate::vocab::{BreastFeature, MammoView, Projection, Side};
use outline::Breast;

coded_view! {
    /// Kind of a breast lesion.
    LesionKind {
        /// Round or oval, smooth edge.
        Mass = "round_mass",
        /// Dense core with spicules.
        Spiculated = "spiculated_mass",
        /// Group of microcalcifications.
        Calcifications = "calcification_cluster",
        /// Strands drawn together, no core.
        Distortion = "distortion",
    }
}

impl LesionKind {
    /// Every kind.
    pub const ALL: [LesionKind; 4] =
        [LesionKind::Mass, LesionKind::Spiculated, LesionKind::Calcifications, LesionKind::Distortion];

    /// What a reader would mark it as.
    pub fn feature(self) -> BreastFeature {
        match self {
            LesionKind::Mass | LesionKind::Spiculated => BreastFeature::Mass,
            LesionKind::Calcifications => BreastFeature::Calcification,
            LesionKind::Distortion => BreastFeature::Distortion,
        }
    }
}

/// A lesion to put in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreastLesion {
    /// What.
    pub kind: LesionKind,
    /// How plain it is: 0 barely visible, 1 cannot be missed; drawn from the seed where it is not given.
    pub conspicuity: Option<f32>,
}

impl BreastLesion {
    /// A lesion whose plainness the seed decides.
    pub fn of(kind: LesionKind) -> Self {
        Self { kind, conspicuity: None }
    }
}

/// What mammogram to make.
#[derive(Debug, Clone, PartialEq)]
pub struct MammoParams {
    /// Decides everything that is not given below; shared by the views of one exam.
    pub seed: u64,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bits Stored, 8 to 16.
    pub bits_stored: u16,
    /// Which breast.
    pub side: Side,
    /// In which projection; others than CC are drawn as MLO.
    pub projection: Projection,
    /// Which way the grey scale runs.
    pub photometric: Photometric,
    /// Density, 1 (fatty) to 4 (extremely dense), as BI-RADS a to d.
    pub density: u8,
    /// Whether there is an implant.
    pub implant: bool,
    /// What to put in.
    pub lesions: Vec<BreastLesion>,
}

/// Height of the field that an image shows, in millimetres (24 by 29 cm detector).
pub const FIELD_HEIGHT_MM: f32 = 286.72;

impl MammoParams {
    /// A normal view, 3328 by 4096 pixels of 12 bits, of a density that the seed decides.
    pub fn normal(seed: u64, side: Side, projection: Projection) -> Self {
        let density = match Draws::new(seed, "mammo-density").unit() {
            // Shares of the screened population (about 10, 40, 40 and 10 %).
            d if d < 0.10 => 1,
            d if d < 0.50 => 2,
            d if d < 0.90 => 3,
            _ => 4,
        };
        Self {
            seed,
            width: 3328,
            height: 4096,
            bits_stored: 12,
            side,
            projection,
            photometric: Photometric::Monochrome2,
            density,
            implant: false,
            lesions: Vec::new(),
        }
    }
}

/// Longest side at which anatomy is drawn; larger images are enlarged from it and get fine texture, specks and
/// grain at full size.
const DRAWN_SIDE: f32 = 1200.0;

/// Makes a mammogram.
pub fn mammo(params: &MammoParams) -> Phantom {
    let (width, height) = (params.width.max(32) as usize, params.height.max(32) as usize);
    let shrink = (DRAWN_SIDE / width.max(height) as f32).min(1.0);
    let drawn = |side: usize| ((side as f32 * shrink).round() as usize).max(32);
    let (w, h) = (drawn(width), drawn(height));
    let frame = Frame { left: 0.0, top: 0.0, per_unit: h as f32 / FIELD_HEIGHT_MM };
    let full_per_mm = height as f32 / FIELD_HEIGHT_MM;
    let breast = Breast::draw(params, w as f32 / frame.per_unit);
    let mut canvas = Canvas::new(w, h, 0.0);
    let mut film = tissue::draw(params, &breast, frame, &mut canvas);
    let mut drawn = lesions::draw(params, &breast, frame, full_per_mm, &mut canvas, &mut film.specks);
    let scale = (width as f64 / w as f64, height as f64 / h as f64);
    drawn = drawn.into_iter().map(|d| d.scaled(scale)).collect();
    let view = MammoView { side: params.side, projection: params.projection };
    if params.side == Side::Right {
        canvas.mirror();
        for speck in &mut film.specks {
            speck.x = width as f32 - 1.0 - speck.x;
        }
        drawn = drawn.into_iter().map(|d| d.mirrored(width as f64)).collect();
    }
    label(&mut canvas, frame, params.side, &view.to_string());
    let mut person = Draws::new(params.seed, "mammo-person");
    let finished = finish::Finish {
        canvas,
        width,
        height,
        bits_stored: params.bits_stored,
        photometric: params.photometric,
        grain: film.grain,
        grid: 0.0012,
        texture: 0.030,
        specks: film.specks,
        draws: Draws::new(params.seed, &format!("mammo-grain-{view}")),
    };
    let kind = ImageKind::Mammogram { view, implant: params.implant };
    finish::phantom(finished, kind, params.seed, person.whole(50, 71), PersonSex::Female, drawn)
}

/// The view's name in lead letters, on the side away from the chest wall, towards the armpit.
fn label(canvas: &mut Canvas, frame: Frame, side: Side, text: &str) {
    let size = 7.0;
    let far = canvas.width as f32 / frame.per_unit;
    let start = match side {
        Side::Left => far - 12.0 - size * 1.05 * text.len() as f32,
        Side::Right => 12.0,
    };
    let mut layer = Canvas::new(canvas.width, canvas.height, 0.0);
    for (position, letter) in text.chars().enumerate() {
        let (x, y) = (start + position as f32 * size * 1.05, 12.0);
        for line in strokes(letter) {
            let points: Vec<(f32, f32)> =
                line.iter().map(|&(u, v)| (x + u * size * 0.7, y + v * size)).collect();
            let nibs: Vec<Nib> = even(&points, size * 0.11);
            layer.stroke(frame, &nibs, 1.0, Profile::Rod);
        }
    }
    for (sample, ink) in canvas.samples.iter_mut().zip(&layer.samples) {
        *sample = sample.max((ink * 2.0).min(0.92));
    }
}

type Line = &'static [(f32, f32)];

fn strokes(letter: char) -> &'static [Line] {
    match letter {
        'R' => &[
            &[(0.0, 1.0), (0.0, 0.0), (0.7, 0.0), (0.9, 0.25), (0.7, 0.5), (0.0, 0.5)],
            &[(0.4, 0.5), (0.9, 1.0)],
        ],
        'L' => &[&[(0.0, 0.0), (0.0, 1.0), (0.8, 1.0)]],
        'C' => &[&[(0.9, 0.15), (0.6, 0.0), (0.2, 0.1), (0.0, 0.5), (0.2, 0.9), (0.6, 1.0), (0.9, 0.85)]],
        'M' => &[&[(0.0, 1.0), (0.0, 0.0), (0.45, 0.6), (0.9, 0.0), (0.9, 1.0)]],
        'O' => &[&[
            (0.45, 0.0),
            (0.1, 0.2),
            (0.0, 0.5),
            (0.1, 0.8),
            (0.45, 1.0),
            (0.8, 0.8),
            (0.9, 0.5),
            (0.8, 0.2),
            (0.45, 0.0),
        ]],
        _ => &[],
    }
}
