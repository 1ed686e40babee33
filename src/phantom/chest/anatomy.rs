//! The shape of one chest: outlines as functions of place, drawn once from the seed.
//!
//! Units: half the film's height is 1, the midline is x = 0, the patient's left is +x, y runs down from -1 to 1.

use super::{ChestParams, ChestView};
use crate::phantom::canvas::{curve, smooth};
use crate::phantom::draws::Draws;
use crate::vocab::FindingCode;

/// One person's chest in the frontal projection.
#[derive(Debug, Clone)]
pub struct Anatomy {
    /// Where the midline lies on the film.
    pub midline: f32,
    /// Top of the lungs.
    pub apex: f32,
    /// Half the greatest inner width of the rib cage.
    pub cage: f32,
    /// Height at which the cage is widest.
    pub base: f32,
    /// Tops of the right and left diaphragm.
    pub domes: [f32; 2],
    /// How far the diaphragm falls towards the side.
    pub dome_fall: f32,
    /// Heart's greatest width against the cage's.
    pub heart_ratio: f32,
    /// Height of the heart's widest part.
    pub heart_y: f32,
    /// Half width of the upper mediastinum.
    pub mediastinum: f32,
    /// Radius of the aortic knob.
    pub knob: f32,
    /// Half width of the body at the lower edge, and how rounded the shoulders are.
    pub body: f32,
    pub shoulder_y: f32,
    /// Centre of every rib's origin at the spine, and the spacing.
    pub first_rib: f32,
    pub rib_spacing: f32,
    pub rib_slope: f32,
    /// Tilt of everything, as a shear.
    pub tilt: f32,
}

impl Anatomy {
    /// Draws a person.
    pub fn draw(params: &ChestParams) -> Self {
        let mut draws = Draws::new(params.seed, "chest-anatomy");
        let child = params.age_years < 16;
        let ap = params.view == ChestView::Ap;
        let aspect = (params.width as f32 / params.height as f32).clamp(0.6, 1.4);
        let cage = draws.range(0.62, 0.73) * (aspect / 0.9).clamp(0.8, 1.08);
        let depth = draws.range(-0.09, 0.09) - if ap { 0.10 } else { 0.0 } - if child { 0.12 } else { 0.0 };
        let right_dome = 0.24 + depth;
        let mut ratio =
            draws.range(0.39, 0.47) + if ap { 0.04 } else { 0.0 } + if child { 0.06 } else { 0.0 };
        if let Some(large) = params.lesions.iter().find(|l| l.code == FindingCode::Cardiomegaly) {
            let plain = large.conspicuity.unwrap_or_else(|| draws.unit());
            ratio = 0.56 + 0.13 * plain + draws.range(0.0, 0.02);
        }
        let apex = -0.76 + draws.range(-0.06, 0.06) + if child { 0.06 } else { 0.0 };
        Self {
            midline: draws.range(-0.04, 0.04),
            apex,
            cage: if child { cage * 0.94 } else { cage },
            base: right_dome + 0.16,
            domes: [right_dome, right_dome + draws.range(0.015, 0.06)],
            dome_fall: draws.range(0.20, 0.30),
            heart_ratio: ratio,
            heart_y: right_dome - draws.range(0.02, 0.08),
            mediastinum: draws.range(0.105, 0.14) + if child { 0.03 } else { 0.0 },
            knob: if params.age_years < 40 { draws.range(0.05, 0.07) } else { draws.range(0.065, 0.10) },
            body: cage + draws.range(0.16, 0.48),
            shoulder_y: -0.66 + draws.range(-0.07, 0.07),
            first_rib: apex + draws.range(0.03, 0.07),
            rib_spacing: draws.range(0.118, 0.138) * if child { 0.88 } else { 1.0 },
            rib_slope: if ap { draws.range(0.02, 0.14) } else { draws.range(0.08, 0.24) },
            tilt: draws.range(-0.03, 0.03),
        }
    }

    /// Inner half width of the rib cage at a height; 0 above the apex.
    pub fn cage_at(&self, y: f32) -> f32 {
        let t = (y - self.apex) / (self.base - self.apex);
        if t <= 0.0 {
            return 0.0;
        }
        let narrowing = 0.03 * (t - 1.0).max(0.0);
        self.cage * (1.0 - (1.0 - t.min(1.0)).powf(3.0)).powf(0.46) - narrowing
    }

    /// Height of the diaphragm below a point; side 0 is the right.
    pub fn dome_at(&self, side: usize, away: f32) -> f32 {
        let top = self.domes[side];
        let centre = self.cage * if side == 0 { 0.46 } else { 0.50 };
        let u = (away - centre) / (self.cage - centre);
        if u > 0.0 {
            // Falls slowly, then steeply into the costophrenic angle.
            top + self.dome_fall * (0.55 * u * u + 0.45 * u.powi(6))
        } else {
            top + 0.09 * u * u
        }
    }

    /// Right and left border of heart and great vessels at a height, as distances from the midline.
    pub fn borders(&self) -> Borders {
        let width = 2.0 * self.cage * self.heart_ratio;
        let left = width * 0.69;
        let right = width * 0.31;
        let (m, top, heart) = (self.mediastinum, self.apex, self.heart_y);
        let waist = (heart + top) * 0.5 + 0.02;
        let bottom = self.domes[1] + 0.22;
        let knob_y = waist - 0.19;
        let side = |points: &[(f32, f32)]| curve(points, 24);
        Borders {
            left: side(&[
                (-1.1, 0.16),
                (top, m * 1.05),
                (knob_y - 0.10, m * 0.98),
                (knob_y, m * 0.72 + self.knob),
                (knob_y + 0.095, m * 0.95 + self.knob * 0.35),
                (waist, m + 0.035),
                (waist + (heart - waist) * 0.35, m + (left - m) * 0.36),
                (waist + (heart - waist) * 0.75, m + (left - m) * 0.80),
                (heart + 0.02, left),
                (heart + 0.12, left * 0.93),
                (bottom, left * 0.55),
                (1.2, 0.2),
            ]),
            right: side(&[
                (-1.1, 0.16),
                (top, m * 1.05),
                (knob_y, m * 0.95),
                (waist, m * 0.92),
                (waist + (heart - waist) * 0.35, m * 0.80 + right * 0.22),
                (heart - 0.06, right),
                (heart + 0.06, right * 0.97),
                (bottom, m * 0.7),
                (1.2, 0.15),
            ]),
        }
    }

    /// Half width of the body's outline at a height: neck, shoulders, trunk.
    pub fn body_at(&self, y: f32) -> f32 {
        let neck = 0.29;
        let shoulder = smooth(self.shoulder_y - 0.33, self.shoulder_y + 0.10, y);
        let trunk = smooth(self.shoulder_y + 0.35, 0.75, y);
        let wide = 1.25 - (1.25 - self.body) * trunk;
        neck + (wide - neck) * shoulder.powf(1.35)
    }
}

/// Borders of the middle shadow, sampled by height.
#[derive(Debug, Clone)]
pub struct Borders {
    left: Vec<(f32, f32)>,
    right: Vec<(f32, f32)>,
}

impl Borders {
    /// Distances of the right and the left border from the midline.
    pub fn at(&self, y: f32) -> (f32, f32) {
        (interpolate(&self.right, y), interpolate(&self.left, y))
    }
}

fn interpolate(line: &[(f32, f32)], y: f32) -> f32 {
    let next = line.partition_point(|p| p.0 <= y).clamp(1, line.len() - 1);
    let ((y0, x0), (y1, x1)) = (line[next - 1], line[next]);
    x0 + (x1 - x0) * ((y - y0) / (y1 - y0).max(1e-6)).clamp(0.0, 1.0)
}
