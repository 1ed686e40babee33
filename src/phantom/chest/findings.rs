//! What can be wrong with a chest: changes to the lung field, each with the box that it covers.
//!
//! In: the lesions asked for. Out: lung taken away or grey added, and the boxes in canvas pixels.

use super::anatomy::Anatomy;
use super::{ChestParams, ChestView};
use crate::phantom::canvas::{Canvas, Frame, smooth};
use crate::phantom::draws::Draws;
use crate::phantom::finish::{Bounds, DrawnFinding};
use crate::phantom::mask::Mask;
use crate::vocab::{FindingCode, Laterality, Side, Zone};

/// The lungs of one film, pixel by pixel.
#[derive(Debug, Clone)]
pub struct LungField {
    /// Depth of aerated lung, 0 to 1.
    pub depth: Vec<f32>,
    /// Share taken by heart and great vessels, 0 to 1.
    pub middle: Vec<f32>,
    /// Strength of the lung markings, 0 to 1.
    pub marking: Vec<f32>,
    /// Grey added by findings.
    pub added: Vec<f32>,
    width: usize,
}

impl LungField {
    /// No lung anywhere.
    pub fn empty(width: usize, height: usize) -> Self {
        let zeros = vec![0.0; width * height];
        Self {
            depth: zeros.clone(),
            middle: zeros.clone(),
            marking: vec![1.0; width * height],
            added: zeros,
            width,
        }
    }

    fn mask(&self) -> Mask {
        Mask::new(self.width, self.depth.len() / self.width.max(1))
    }
}

/// Draws every lesion that was asked for.
pub fn draw(
    params: &ChestParams,
    anatomy: &Anatomy,
    field: &mut LungField,
    mottle: &Canvas,
    frame: Frame,
) -> Vec<DrawnFinding> {
    let mut drawn = Vec::new();
    for (number, lesion) in params.lesions.iter().enumerate() {
        let mut draws = Draws::new(params.seed, &format!("chest-lesion-{number}"));
        let side = lesion.side.unwrap_or_else(|| if draws.chance(0.5) { Side::Right } else { Side::Left });
        let plain = lesion.conspicuity.unwrap_or_else(|| draws.unit());
        let mut pen = Pen { anatomy, field, mottle, frame, side, plain, draws };
        let placed = match lesion.code {
            FindingCode::Consolidation => pen.consolidation(),
            FindingCode::PleuralEffusion => pen.effusion(params.view),
            FindingCode::Pneumothorax => pen.pneumothorax(),
            FindingCode::Nodule => pen.lump(0.028, 0.058),
            FindingCode::Mass => pen.lump(0.085, 0.150),
            FindingCode::Cardiomegaly => pen.heart(),
            FindingCode::Abnormality
            | FindingCode::Atelectasis
            | FindingCode::PulmonaryOedema
            | FindingCode::InterstitialLungDisease
            | FindingCode::Emphysema
            | FindingCode::HilarEnlargement
            | FindingCode::MediastinalWidening
            | FindingCode::RibFracture
            | FindingCode::Pneumoperitoneum
            | FindingCode::HiatusHernia
            | FindingCode::DeviceMalposition
            | FindingCode::Other => None,
        };
        let midline = lesion.code == FindingCode::Cardiomegaly;
        drawn.extend(placed.map(|((bounds, mask), zone)| DrawnFinding {
            code: Some(lesion.code),
            feature: None,
            kind: String::new(),
            side: Some(if midline { Laterality::Midline } else { side.into() }),
            zone,
            bounds,
            mask,
        }));
    }
    drawn
}

struct Pen<'a> {
    anatomy: &'a Anatomy,
    field: &'a mut LungField,
    mottle: &'a Canvas,
    frame: Frame,
    side: Side,
    plain: f32,
    draws: Draws,
}

/// What a brush covered, and where.
type Covered = (Bounds, Mask);
type Placed = Option<(Covered, Option<Zone>)>;

impl Pen<'_> {
    fn sign(&self) -> f32 {
        match self.side {
            Side::Right => -1.0,
            Side::Left => 1.0,
        }
    }

    /// Visits every pixel on the lesion's side with (index, distance from the midline, y).
    fn each(&mut self, mut paint: impl FnMut(&mut LungField, usize, f32, f32) -> bool) -> Option<Covered> {
        let (width, sign) = (self.field.width, self.sign());
        let mut bounds = Bounds::none();
        let mut mask = self.field.mask();
        for index in 0..self.field.depth.len() {
            let (column, row) = (index % width, index / width);
            let (x, y) = self.frame.at(column, row);
            let away = (x + self.anatomy.tilt * y) * sign;
            if away > 0.0 && paint(self.field, index, away, y) {
                bounds.hold(column, row);
                mask.hold(column, row);
            }
        }
        bounds.checked().map(|bounds| (bounds, mask))
    }

    fn zone(&self, y: f32) -> Option<Zone> {
        let part = (y - self.anatomy.apex) / (self.anatomy.base - self.anatomy.apex);
        Some(if part < 0.36 {
            Zone::Upper
        } else if part < 0.66 {
            Zone::Middle
        } else {
            Zone::Lower
        })
    }

    /// A place well inside the aerated lung.
    fn place(&mut self, radius: f32) -> (f32, f32) {
        let floor = self.anatomy.domes[0] - radius - 0.02;
        for _ in 0..60 {
            let y = self.draws.range(self.anatomy.apex + 0.16 + radius, floor);
            let away = self.draws.range(
                self.anatomy.mediastinum + 0.06 + radius * 0.5,
                self.anatomy.cage_at(y) - radius * 0.8 - 0.02,
            );
            let x = away * self.sign() - self.anatomy.tilt * y;
            let (column, row) = self.frame.pixel(x, y);
            let (column, row) = (column.max(0.0) as usize, row.max(0.0) as usize);
            let index = row * self.field.width + column.min(self.field.width - 1);
            let clear = self.field.middle.get(index).is_some_and(|m| *m < 0.2);
            if clear && self.field.depth.get(index).is_some_and(|d| *d > 0.55) {
                return (away, y);
            }
        }
        (self.anatomy.cage * 0.62, (self.anatomy.apex + floor) / 2.0)
    }

    /// Nodule or mass: a round opacity with a slightly uneven edge.
    fn lump(&mut self, least: f32, most: f32) -> Placed {
        let radius = self.draws.range(least, most);
        let (cx, cy) = self.place(radius);
        let opacity = (0.085 + 0.10 * self.plain) * if radius > 0.07 { 1.25 } else { 1.0 };
        let phases: Vec<f32> = (0..4).map(|_| self.draws.range(0.0, std::f32::consts::TAU)).collect();
        let uneven = self.draws.range(0.03, 0.14);
        let soft = self.draws.range(0.12, 0.35);
        let bounds = self.each(|field, index, away, y| {
            let (dx, dy) = (away - cx, y - cy);
            let distance = (dx * dx + dy * dy).sqrt();
            if distance > radius * 1.8 {
                return false;
            }
            let angle = dy.atan2(dx);
            let edge: f32 =
                phases.iter().enumerate().map(|(k, p)| ((k as f32 + 2.0) * angle + p).sin()).sum();
            let q = distance / (radius * (1.0 + uneven * edge * 0.5));
            let body = (1.0 - q * q).max(0.0).sqrt() * 0.6 + 0.4 * smooth(1.0 + soft, 1.0 - soft, q);
            field.added[index] += opacity * body * field.depth[index].max(0.25);
            q < 1.0
        })?;
        Some((bounds, self.zone(cy)))
    }

    /// Air spaces filled: a patchy cloud with soft edges, denser towards its middle.
    fn consolidation(&mut self) -> Placed {
        let (rx, ry) = (self.draws.range(0.12, 0.22), self.draws.range(0.12, 0.26));
        let (cx, cy) = self.place(0.10);
        let opacity = 0.11 + 0.17 * self.plain;
        let ragged = self.draws.range(0.18, 0.34);
        let mottle = self.mottle;
        let bounds = self.each(|field, index, away, y| {
            let q = (((away - cx) / rx).powi(2) + ((y - cy) / ry).powi(2)).sqrt();
            if q > 2.0 || field.depth[index] <= 0.0 {
                return false;
            }
            let patch = smooth(1.15, 0.35, q + ragged * mottle.samples[index]);
            field.added[index] += opacity * patch * field.depth[index] * (1.0 - 0.6 * field.middle[index]);
            field.marking[index] *= 1.0 - 0.6 * patch;
            patch > 0.3
        })?;
        Some((bounds, self.zone(cy)))
    }

    /// Fluid: a level that climbs along the wall; in bed a veil as well.
    fn effusion(&mut self, view: ChestView) -> Placed {
        let anatomy = self.anatomy;
        let side = usize::from(self.side == Side::Left);
        let depth = 0.05 + 0.40 * self.plain + self.draws.range(0.0, 0.06);
        let level = anatomy.domes[side] + 0.17 - depth;
        let climb = self.draws.range(0.10, 0.20);
        let veil = if view == ChestView::Ap { self.draws.range(0.03, 0.08) } else { 0.0 };
        let bounds = self.each(|field, index, away, y| {
            let cage = anatomy.cage_at(y).max(0.05);
            let rise = climb * ((away / cage).min(1.0)).powi(6);
            let below = y - (level - rise);
            let lung = field.depth[index];
            if lung <= 0.0 && y < anatomy.dome_at(side, away) {
                return false;
            }
            let fluid = smooth(-0.035, 0.035, below);
            field.added[index] += veil * lung * smooth(-0.5, 0.1, below) * (1.0 - fluid);
            field.depth[index] = lung * (1.0 - 0.96 * fluid);
            if lung > 0.0 {
                // Water is as dense as the liver below it: the dome can't be told any more.
                field.added[index] += 0.07 * fluid * (1.0 - field.middle[index]);
            }
            fluid > 0.5 && lung > 0.05
        })?;
        Some((bounds, Some(Zone::Lower)))
    }

    /// Free air: no markings outside a fine pleural line.
    fn pneumothorax(&mut self) -> Placed {
        let anatomy = self.anatomy;
        let gap = 0.05 + 0.13 * self.plain;
        let low = self.draws.range(0.30, 0.75);
        let wave = self.draws.range(0.0, std::f32::consts::TAU);
        let bounds = self.each(|field, index, away, y| {
            let lung = field.depth[index];
            let part = (y - anatomy.apex) / (anatomy.base - anatomy.apex);
            if lung <= 0.0 || !(0.0..=1.0).contains(&part) {
                return false;
            }
            let here = gap * smooth(low + 0.35, low - 0.15, part) * (1.0 + 0.12 * (part * 7.0 + wave).sin());
            let cage = anatomy.cage_at(y);
            let inward = (cage - away).min((y - anatomy.apex) * 0.75);
            if here < 0.012 {
                return false;
            }
            let past = inward - here;
            let free = smooth(0.004, -0.004, past);
            field.marking[index] *= 1.0 - free;
            field.depth[index] = lung + (0.16 * free) * lung;
            let line = (-(past / 0.0055).powi(2)).exp();
            field.added[index] += 0.085 * line + 0.03 * smooth(0.0, 0.01, past) * smooth(0.4, 0.0, past);
            free > 0.5
        })?;
        Some((bounds, Some(Zone::Upper)))
    }

    /// The heart was drawn large; its box is that of the middle shadow below the waist.
    fn heart(&mut self) -> Placed {
        let (width, frame) = (self.field.width, self.frame);
        let waist = (self.anatomy.heart_y + self.anatomy.apex) * 0.5 + 0.12;
        let floor = self.anatomy.domes[1] + 0.10;
        let mut bounds = Bounds::none();
        let mut mask = self.field.mask();
        for (index, middle) in self.field.middle.iter().enumerate() {
            let (column, row) = (index % width, index / width);
            let (_, y) = frame.at(column, row);
            if *middle > 0.5 && (waist..floor).contains(&y) {
                bounds.hold(column, row);
                mask.hold(column, row);
            }
        }
        bounds.checked().map(|bounds| ((bounds, mask), None))
    }
}
