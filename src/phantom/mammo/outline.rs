//! The shape of one breast and where a lesion in it is projected to.
//!
//! Millimetres: x from the chest wall towards the nipple, y down the film. Drawn as a left breast (chest wall on
//! the left edge of the film); a right one is mirrored at the end.

use super::{FIELD_HEIGHT_MM, MammoParams};
use crate::phantom::canvas::{curve, smooth};
use crate::phantom::draws::Draws;
use crate::vocab::Projection;

/// One breast in one projection.
#[derive(Debug, Clone)]
pub struct Breast {
    /// Distance from the chest wall to the skin at the nipple.
    pub depth: f32,
    /// Half the height at the chest wall.
    pub half_height: f32,
    /// Where the nipple is.
    pub nipple_y: f32,
    /// Whether this is the oblique view, with the pectoral muscle.
    pub oblique: bool,
    /// Pectoral muscle: width at the top edge, and where it ends on the chest wall.
    pub muscle: (f32, f32),
    edge: Vec<(f32, f32)>,
    slope: Vec<f32>,
    step: f32,
}

/// A line across the film.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Where the skin is.
    skin: f32,
    /// How much longer the way across is than the shortest to the skin.
    slant: f32,
    /// Edge of the muscle, and how much of it there is at this height.
    muscle: Option<(f32, f32)>,
}

impl Line {
    /// Distance inside the skin, in millimetres; negative outside.
    pub fn inside(&self, x: f32) -> f32 {
        (self.skin - x) / self.slant
    }

    /// How much pectoral muscle lies at `x`, 0 to 1.
    pub fn muscle(&self, x: f32) -> f32 {
        self.muscle.map_or(0.0, |(edge, part)| smooth(edge + 1.2, edge - 2.0, x) * part)
    }
}

/// A place in the breast, before projection.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// From the chest wall, as a part of the breast's depth.
    pub depth: f32,
    /// Towards the armpit side, as a part of the half height.
    pub lateral: f32,
    /// Upwards, as a part of the half height.
    pub upward: f32,
}

impl Breast {
    /// Draws the breast of a seed and side.
    pub fn draw(params: &MammoParams, field_width: f32) -> Self {
        // Both sides of one person are alike.
        let mut person = Draws::new(params.seed, "mammo-breast");
        let mut own = Draws::new(params.seed, &format!("mammo-breast-{}", params.side));
        let size = person.unit();
        let depth = (66.0 + 64.0 * size + own.range(-4.0, 4.0) + if params.implant { 18.0 } else { 0.0 })
            .min(field_width * 0.72);
        let half_height = (76.0 + 33.0 * size + person.range(-6.0, 6.0)).min(FIELD_HEIGHT_MM * 0.38);
        let oblique = params.projection != Projection::Cc;
        let jitter = |d: &mut Draws| d.range(-0.035, 0.035);
        let (nipple_y, muscle, mut points);
        if oblique {
            nipple_y = 165.0 + person.range(-12.0, 18.0);
            muscle = (person.range(30.0, 54.0), nipple_y + person.range(-15.0, 30.0));
            let h = half_height * 1.25;
            let top = 0.50 + 0.12 * person.unit();
            points = vec![
                (-20.0, depth * top),
                (nipple_y - 1.25 * h, depth * (top + 0.02)),
                (nipple_y - 0.95 * h, depth * (top + 0.12 + jitter(&mut own))),
                (nipple_y - 0.55 * h, depth * (0.86 + jitter(&mut own))),
                (nipple_y - 0.20 * h, depth * 0.98),
                (nipple_y, depth),
                (nipple_y + 0.22 * h, depth * (0.93 + jitter(&mut own))),
                (nipple_y + 0.45 * h, depth * (0.70 + jitter(&mut own))),
                (nipple_y + 0.60 * h, depth * 0.38),
                (nipple_y + 0.68 * h, depth * 0.12),
                (nipple_y + 0.85 * h, depth * 0.07),
                (FIELD_HEIGHT_MM + 60.0, depth * 0.11),
            ];
        } else {
            nipple_y = FIELD_HEIGHT_MM / 2.0 + own.range(-10.0, 10.0);
            muscle = (0.0, 0.0);
            let outward = own.range(1.9, 2.3);
            points = vec![(-40.0, -30.0)];
            for step in 0..=28 {
                let u = ((step as f32 / 14.0 - 1.0) * std::f32::consts::FRAC_PI_2).sin();
                let y = nipple_y + u * half_height;
                let x = depth * (1.0 - u.abs().powf(outward)).max(0.0).powf(0.66);
                points.push((y, if step == 0 || step == 28 { -2.0 } else { x }));
            }
            points.push((FIELD_HEIGHT_MM + 40.0, -30.0));
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let line = curve(&points, 12);
        let step = 0.5;
        let count = (FIELD_HEIGHT_MM / step) as usize + 2;
        let edge: Vec<(f32, f32)> =
            (0..count).map(|i| (i as f32 * step, interpolate(&line, i as f32 * step))).collect();
        let slope = (0..count)
            .map(|i| {
                let (a, b) = (edge[i.saturating_sub(3)], edge[(i + 3).min(count - 1)]);
                (b.1 - a.1) / (b.0 - a.0).max(0.1)
            })
            .collect();
        Self { depth, half_height, nipple_y, oblique, muscle, edge, slope, step }
    }

    /// Distance inside the skin, in millimetres; negative outside.
    pub fn inside(&self, x: f32, y: f32) -> f32 {
        self.line(y).inside(x)
    }

    /// How much pectoral muscle lies here, 0 to 1.
    pub fn muscle_at(&self, x: f32, y: f32) -> f32 {
        self.line(y).muscle(x)
    }

    /// What is the same along a line across the film.
    pub fn line(&self, y: f32) -> Line {
        let index = ((y / self.step).max(0.0) as usize).min(self.edge.len() - 1);
        let (top, end) = self.muscle;
        let muscle = self.oblique.then(|| {
            let part = (1.0 - y / end).max(0.0);
            let edge = top * part.powf(0.85) * (1.0 + 0.10 * (part * 3.0).sin());
            (edge, smooth(0.0, 0.06, part))
        });
        Line { skin: self.edge[index].1, slant: (1.0 + self.slope[index].powi(2)).sqrt(), muscle }
    }

    /// Where a place in the breast is seen on this view.
    pub fn project(&self, place: Place) -> (f32, f32) {
        let x = self.depth * place.depth;
        // The armpit side is up in both views; the oblique view mixes height and side half and half.
        let up = if self.oblique { 0.75 * place.upward + 0.55 * place.lateral } else { place.lateral };
        // The breast narrows towards the nipple.
        let narrow = self.half_height * (1.0 - place.depth * place.depth).max(0.1).sqrt();
        (x, self.nipple_y - up * narrow * if self.oblique { 0.85 } else { 0.9 })
    }
}

fn interpolate(line: &[(f32, f32)], y: f32) -> f32 {
    let next = line.partition_point(|p| p.0 <= y).clamp(1, line.len() - 1);
    let ((y0, x0), (y1, x1)) = (line[next - 1], line[next]);
    x0 + (x1 - x0) * ((y - y0) / (y1 - y0).max(1e-6)).clamp(0.0, 1.0)
}
