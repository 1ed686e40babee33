//! A chest film from a seed: frontal or lateral, normal or with findings.
//!
//! In: [`ChestParams`]. Out: a [`Phantom`]. Must never copy a real film: all of it is geometry and noise.

mod anatomy;
mod findings;
mod frontal;
mod lateral;

use super::canvas::Canvas;
use super::draws::Draws;
use super::{ImageKind, Phantom, Photometric, finish};
use crate::vocab::{FindingCode, Side};

coded_view! {
    /// Direction of the beam.
    ChestView {
        /// Back to front, standing.
        Pa = "PA",
        /// Front to back, in bed.
        Ap = "AP",
        /// From the side.
        Lateral = "LAT",
    }
}

/// A finding to put in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChestLesion {
    /// Consolidation, pleural effusion, pneumothorax, nodule, mass or cardiomegaly; others are not drawn.
    pub code: FindingCode,
    /// On which side of the patient; drawn from the seed where it is not given.
    pub side: Option<Side>,
    /// How plain it is: 0 barely visible, 1 cannot be missed; drawn from the seed where it is not given.
    pub conspicuity: Option<f32>,
}

impl ChestLesion {
    /// A finding whose side and plainness the seed decides.
    pub fn of(code: FindingCode) -> Self {
        Self { code, side: None, conspicuity: None }
    }
    /// The findings that can be drawn.
    pub const DRAWN: [FindingCode; 6] = [
        FindingCode::Consolidation,
        FindingCode::PleuralEffusion,
        FindingCode::Pneumothorax,
        FindingCode::Nodule,
        FindingCode::Mass,
        FindingCode::Cardiomegaly,
    ];
}

/// What chest film to make.
#[derive(Debug, Clone, PartialEq)]
pub struct ChestParams {
    /// Decides everything that is not given below.
    pub seed: u64,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bits Stored, 8 to 16.
    pub bits_stored: u16,
    /// Direction of the beam.
    pub view: ChestView,
    /// Which way the grey scale runs.
    pub photometric: Photometric,
    /// Age in years; decides proportions below 16.
    pub age_years: u32,
    /// Whether breast shadows are drawn.
    pub female: bool,
    /// What to put in.
    pub lesions: Vec<ChestLesion>,
}

impl ChestParams {
    /// A normal film of an adult, front view, 2048 by 2500 pixels of 12 bits.
    pub fn normal(seed: u64) -> Self {
        let mut draws = Draws::new(seed, "chest-person");
        Self {
            seed,
            width: 2048,
            height: 2500,
            bits_stored: 12,
            view: ChestView::Pa,
            photometric: Photometric::Monochrome2,
            age_years: draws.whole(18, 90),
            female: draws.chance(0.5),
            lesions: Vec::new(),
        }
    }
}

/// Longest side at which anatomy is drawn; larger films are enlarged from it and get their grain at full size.
const DRAWN_SIDE: f32 = 1100.0;

/// Makes a chest film.
pub fn chest(params: &ChestParams) -> Phantom {
    let (width, height) = (params.width.max(32) as usize, params.height.max(32) as usize);
    let shrink = (DRAWN_SIDE / width.max(height) as f32).min(1.0);
    let drawn = |side: usize| ((side as f32 * shrink).round() as usize).max(32);
    let mut canvas = Canvas::new(drawn(width), drawn(height), 0.0);
    let boxes = match params.view {
        ChestView::Lateral => lateral::draw(params, &mut canvas),
        ChestView::Pa | ChestView::Ap => frontal::draw(params, &mut canvas),
    };
    let scale = (width as f64 / canvas.width as f64, height as f64 / canvas.height as f64);
    let mut draws = Draws::new(params.seed, "chest-grain");
    let grain = draws.range(0.006, 0.014) * if params.view == ChestView::Ap { 1.4 } else { 1.0 };
    finish::chest_phantom(
        finish::Finish {
            canvas,
            width,
            height,
            bits_stored: params.bits_stored,
            photometric: params.photometric,
            grain,
            // In bed the grid stands still; at the wall stand it moves.
            grid: if params.view == ChestView::Ap { 0.004 } else { 0.001 },
            texture: 0.012,
            specks: Vec::new(),
            draws,
        },
        ImageKind::Chest { view: params.view },
        params,
        boxes.into_iter().map(|b| b.scaled(scale)).collect(),
    )
}
