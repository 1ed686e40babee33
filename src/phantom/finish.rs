//! From a drawn canvas to stored pixels: full size, grain, quantisation, grey scale direction.
//!
//! In: a canvas of grey 0 to 1. Out: a [`Phantom`]. Must never change what was drawn, nor where.

use super::canvas::{Canvas, Rows};
use super::chest::ChestParams;
use super::draws::Draws;
use super::grain::{self, Corner, Noise};
use super::mask::Mask;
use super::truth::{PixelBox, TrueFinding, Truth};
use super::{GENERATOR, ImageKind, PersonSex, Phantom, Photometric};
use crate::vocab::{BreastFeature, FindingCode, Laterality, Zone};

/// Smallest and largest pixel that a finding covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Bounds {
    /// Holds nothing yet.
    pub fn none() -> Self {
        Self { left: f64::INFINITY, top: f64::INFINITY, right: f64::NEG_INFINITY, bottom: f64::NEG_INFINITY }
    }
    /// Grows to hold a pixel.
    pub fn hold(&mut self, column: usize, row: usize) {
        self.left = self.left.min(column as f64);
        self.top = self.top.min(row as f64);
        self.right = self.right.max(column as f64 + 1.0);
        self.bottom = self.bottom.max(row as f64 + 1.0);
    }
    /// Around a centre, in pixels.
    pub fn around(x: f32, y: f32, half_width: f32, half_height: f32) -> Self {
        let (x, y, w, h) = (f64::from(x), f64::from(y), f64::from(half_width), f64::from(half_height));
        Self { left: x - w, top: y - h, right: x + w, bottom: y + h }
    }
    /// None where nothing was held.
    pub fn checked(self) -> Option<Self> {
        (self.right > self.left && self.bottom > self.top).then_some(self)
    }
}

/// A finding as drawn, in canvas pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnFinding {
    pub code: Option<FindingCode>,
    pub feature: Option<BreastFeature>,
    pub kind: String,
    pub side: Option<Laterality>,
    pub zone: Option<Zone>,
    pub bounds: Bounds,
    pub mask: Mask,
}

impl DrawnFinding {
    /// The same on an image that is so many times as wide and high.
    pub fn scaled(mut self, (x, y): (f64, f64)) -> Self {
        let b = self.bounds;
        self.bounds = Bounds { left: b.left * x, top: b.top * y, right: b.right * x, bottom: b.bottom * y };
        self
    }
    /// The same on an image of that width seen in a mirror.
    pub fn mirrored(mut self, width: f64) -> Self {
        (self.bounds.left, self.bounds.right) = (width - self.bounds.right, width - self.bounds.left);
        self.mask.mirror();
        self
    }
    fn truth(&self, width: usize, height: usize) -> TrueFinding {
        let b = self.bounds;
        let (left, top) = (b.left.max(0.0), b.top.max(0.0));
        let (right, bottom) = (b.right.min(width as f64), b.bottom.min(height as f64));
        let rounded = |v: f64| (v * 10.0).round() / 10.0;
        TrueFinding {
            code: self.code,
            feature: self.feature,
            kind: self.kind.clone(),
            side: self.side,
            zone: self.zone,
            pixel_box: PixelBox {
                x: rounded(left),
                y: rounded(top),
                width: rounded((right - left).max(1.0)),
                height: rounded((bottom - top).max(1.0)),
            },
        }
    }
}

/// A dense speck, in pixels of the finished image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speck {
    pub x: f32,
    pub y: f32,
    pub radius: f32,
    /// Grey that it adds.
    pub grey: f32,
}

/// What is left to do to a drawn canvas.
pub struct Finish {
    pub canvas: Canvas,
    pub width: usize,
    pub height: usize,
    pub bits_stored: u16,
    pub photometric: Photometric,
    /// Deviation of the grain at mid grey, as a part of the full range.
    pub grain: f32,
    /// Swing of the lines that the anti-scatter grid leaves, as a part of what is there.
    pub grid: f32,
    /// Deviation of tissue texture finer than what was drawn, as a part of the full range.
    pub texture: f32,
    /// Drawn at full size, since they are smaller than the canvas can show.
    pub specks: Vec<Speck>,
    pub draws: Draws,
}

/// Finishes a chest film.
pub fn chest_phantom(
    finish: Finish,
    kind: ImageKind,
    params: &ChestParams,
    boxes: Vec<DrawnFinding>,
) -> Phantom {
    let sex = if params.female { PersonSex::Female } else { PersonSex::Male };
    phantom(finish, kind, params.seed, params.age_years, sex, boxes)
}

/// Finishes any image; boxes are in pixels of the finished image.
pub fn phantom(
    mut finish: Finish,
    kind: ImageKind,
    seed: u64,
    age_years: u32,
    sex: PersonSex,
    boxes: Vec<DrawnFinding>,
) -> Phantom {
    let bits = finish.bits_stored.clamp(8, 16);
    let (width, height) = (finish.width, finish.height);
    let top = f32::from(u16::MAX >> (16 - bits));
    let inverse = finish.photometric == Photometric::Monochrome1;
    let textured = if width / finish.canvas.width.max(1) > 1 { finish.texture } else { 0.0 };
    let corner =
        Corner { fine: finish.draws.next(), coarse: finish.draws.next(), texture: finish.draws.next() };
    let noise = Noise::shared();
    let mut pixels = vec![if inverse { top as u16 } else { 0 }; width * height];
    let rows = Rows::new(&finish.canvas, width, height);
    let gains = grain::columns(width, finish.grid, corner);
    let mut greys = vec![0.0_f32; width];
    let mut blended = vec![0.0_f32; finish.canvas.width];
    let mut specks: Vec<&Speck> = finish.specks.iter().collect();
    specks.sort_by(|a, b| (a.y - a.radius).total_cmp(&(b.y - b.radius)));
    for (row, line) in pixels.chunks_exact_mut(width).enumerate() {
        // Air outside the body stays black: nothing was exposed to nothing, and most of a mammogram is air.
        let body = rows.enlarged(row, &mut blended, &mut greys);
        let Some(here) = greys.get_mut(body.clone()) else { continue };
        if textured > 0.0 {
            noise.texture(row, textured, corner, body.start, here);
        }
        for speck in specks.iter().take_while(|speck| speck.y - speck.radius < row as f32 + 2.0) {
            stamp(&mut greys, row, speck);
        }
        let (fine, coarse) = noise.grain(row, corner, body.start);
        let grain = finish.grain;
        let gains = gains.get(body.clone()).unwrap_or_default();
        let Some((here, line)) = greys.get(body.clone()).zip(line.get_mut(body)) else { continue };
        // Photons: the thinner the ray, the coarser the grain against the signal.
        for ((((pixel, grey), gain), fine), coarse) in
            line.iter_mut().zip(here).zip(gains).zip(fine).zip(coarse)
        {
            let noise = grain * (0.75 * fine + 0.45 * coarse);
            let here = grey * gain + noise * (grey * 6.0).min(1.0) * (0.55 + 0.6 * grey);
            let value = here.clamp(0.0, 1.0) * top;
            let value = if inverse { top - value } else { value };
            // Through i32, which processors convert in groups; the value is within 16 bits.
            *pixel = (value + 0.5) as i32 as u16;
        }
    }
    Phantom {
        width: width as u32,
        height: height as u32,
        bits_stored: bits,
        photometric: finish.photometric,
        pixels,
        age_years,
        sex,
        truth: Truth {
            synthetic: true,
            generator: GENERATOR.to_owned(),
            seed,
            pathway: kind.pathway(),
            view: kind.view(),
            findings: boxes.iter().map(|b| b.truth(width, height)).collect(),
        },
        masks: boxes.into_iter().map(|b| b.mask).collect(),
        kind,
    }
}

/// Adds a round speck's part in one row, by the share of each pixel that it covers.
fn stamp(greys: &mut [f32], row: usize, speck: &Speck) {
    let reach = speck.radius + 1.0;
    if (row as f32 - speck.y).abs() > reach {
        return;
    }
    let columns =
        (speck.x - reach).max(0.0) as usize..((speck.x + reach).max(0.0) as usize + 1).min(greys.len());
    for column in columns {
        let distance = ((column as f32 - speck.x).powi(2) + (row as f32 - speck.y).powi(2)).sqrt();
        let cover = if speck.radius < 0.6 {
            // Smaller than a pixel: its area is spread over a small hat.
            (1.0 - distance).max(0.0) * (3.0 * speck.radius * speck.radius).min(1.0)
        } else {
            (speck.radius + 0.5 - distance).clamp(0.0, 1.0)
        };
        if let Some(sample) = greys.get_mut(column) {
            *sample = (*sample + speck.grey * cover).min(0.99);
        }
    }
}
