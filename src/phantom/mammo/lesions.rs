//! What can be wrong with a breast, projected to the view at hand.
//!
//! In: the lesions asked for. Out: grey on the canvas, specks, and the boxes in canvas pixels.

use super::outline::{Breast, Place};
use super::{LesionKind, MammoParams};
use crate::phantom::canvas::{Canvas, Frame, Nib, Profile, curve, smooth};
use crate::phantom::draws::Draws;
use crate::phantom::finish::{Bounds, DrawnFinding, Speck};
use crate::phantom::mask::Mask;

/// Draws every lesion that was asked for.
pub fn draw(
    params: &MammoParams,
    breast: &Breast,
    frame: Frame,
    full_per_mm: f32,
    canvas: &mut Canvas,
    specks: &mut Vec<Speck>,
) -> Vec<DrawnFinding> {
    let mut drawn = Vec::new();
    for (number, lesion) in params.lesions.iter().enumerate() {
        // Not keyed by the projection: both views show one lesion.
        let mut draws = Draws::new(params.seed, &format!("mammo-lesion-{}-{number}", params.side));
        let plain = lesion.conspicuity.unwrap_or_else(|| draws.unit());
        let place = Place {
            depth: draws.range(0.32, 0.74),
            lateral: draws.range(-0.45, 0.60),
            upward: draws.range(-0.35, 0.55),
        };
        let (x, y) = breast.project(place);
        let mask = Mask::new(canvas.width, canvas.height);
        let mut pen = Pen { x, y, plain, frame, full_per_mm, draws, mask };
        let reach = match lesion.kind {
            LesionKind::Mass => pen.mass(canvas),
            LesionKind::Spiculated => pen.spiculated(canvas),
            LesionKind::Calcifications => pen.calcifications(specks),
            LesionKind::Distortion => pen.distortion(canvas),
        };
        let (column, row) = frame.pixel(x, y);
        let half = reach * frame.per_unit;
        drawn.push(DrawnFinding {
            code: None,
            feature: Some(lesion.kind.feature()),
            kind: lesion.kind.code().to_owned(),
            side: Some(params.side.into()),
            zone: None,
            bounds: Bounds::around(column, row, half, half),
            mask: pen.mask,
        });
    }
    drawn
}

struct Pen {
    x: f32,
    y: f32,
    plain: f32,
    frame: Frame,
    full_per_mm: f32,
    draws: Draws,
    mask: Mask,
}

impl Pen {
    /// A round opacity; returns its reach in millimetres.
    fn mass(&mut self, canvas: &mut Canvas) -> f32 {
        let radius = self.draws.range(4.5, 8.0) + 5.0 * self.plain;
        let opacity = 0.14 + 0.19 * self.plain;
        let squash = self.draws.range(0.75, 1.0);
        self.core(canvas, radius, opacity, squash, 0.09);
        radius
    }

    /// A dense core and strands that run out of it.
    fn spiculated(&mut self, canvas: &mut Canvas) -> f32 {
        let radius = self.draws.range(3.5, 6.0) + 3.5 * self.plain;
        self.core(canvas, radius, 0.16 + 0.19 * self.plain, 0.85, 0.24);
        let strands = self.draws.whole(16, 28);
        self.spicules(canvas, strands, radius * 0.6, radius * 2.6, 0.07 + 0.07 * self.plain);
        radius * 1.9
    }

    /// Strands drawn to one point, without a core.
    fn distortion(&mut self, canvas: &mut Canvas) -> f32 {
        let reach = 9.0 + 8.0 * self.plain;
        let strands = self.draws.whole(22, 34);
        self.spicules(canvas, strands, 0.8, reach * 1.25, 0.075 + 0.075 * self.plain);
        let (column, row) = self.frame.pixel(self.x, self.y);
        self.mask.disc(column, row, reach * self.frame.per_unit);
        reach
    }

    /// Fine specks of different shape, close together.
    fn calcifications(&mut self, specks: &mut Vec<Speck>) -> f32 {
        let reach = self.draws.range(4.0, 9.0);
        let count = self.draws.whole(9, 16) + (16.0 * self.plain) as u32;
        for _ in 0..count {
            let (x, y) =
                (self.x + self.draws.normal() * reach * 0.42, self.y + self.draws.normal() * reach * 0.42);
            let radius = self.draws.range(0.13, 0.27) + 0.13 * self.plain * self.draws.unit();
            let grey = self.draws.range(0.34, 0.54) + 0.15 * self.plain;
            // A reader rings the group, so half a millimetre about each speck belongs to it.
            let (column, row) = self.frame.pixel(x, y);
            self.mask.disc(column, row, (radius + 0.5) * self.frame.per_unit);
            // Some are drawn out: two specks that touch.
            for part in 0..self.draws.whole(1, 2) {
                let along = part as f32 * radius * 1.4;
                specks.push(Speck {
                    x: (x + along) * self.full_per_mm,
                    y: (y + along * self.draws.range(-1.0, 1.0)) * self.full_per_mm,
                    radius: radius * self.full_per_mm,
                    grey,
                });
            }
        }
        reach
    }

    fn core(&mut self, canvas: &mut Canvas, radius: f32, opacity: f32, squash: f32, uneven: f32) {
        let phases: Vec<f32> = (0..5).map(|_| self.draws.range(0.0, std::f32::consts::TAU)).collect();
        let turn = self.draws.range(0.0, std::f32::consts::PI);
        let (sin, cos) = turn.sin_cos();
        let (left, top) = self.frame.pixel(self.x - radius * 1.6, self.y - radius * 1.6);
        let (right, bottom) = self.frame.pixel(self.x + radius * 1.6, self.y + radius * 1.6);
        for row in (top.max(0.0) as usize)..(bottom.max(0.0) as usize).min(canvas.height) {
            for column in (left.max(0.0) as usize)..(right.max(0.0) as usize).min(canvas.width) {
                let (px, py) = self.frame.at(column, row);
                let (dx, dy) = (px - self.x, py - self.y);
                let (u, v) = ((dx * cos + dy * sin) / radius, (dy * cos - dx * sin) / (radius * squash));
                let angle = v.atan2(u);
                let edge: f32 =
                    phases.iter().enumerate().map(|(k, p)| ((k as f32 + 2.0) * angle + p).sin()).sum();
                let q = (u * u + v * v).sqrt() / (1.0 + uneven * edge * 0.5);
                let body = 0.5 * (1.0 - q * q).max(0.0).sqrt() + 0.5 * smooth(1.30, 0.62, q);
                let sample = &mut canvas.samples[row * canvas.width + column];
                // Nothing is drawn outside the breast.
                let value = *sample + opacity * body * smooth(0.02, 0.1, *sample);
                *sample = value.min(0.97);
                if q < 1.0 {
                    self.mask.hold(column, row);
                }
            }
        }
    }

    fn spicules(&mut self, canvas: &mut Canvas, count: u32, from: f32, to: f32, opacity: f32) {
        let mut layer = Canvas::new(canvas.width, canvas.height, 0.0);
        let start = self.draws.range(0.0, std::f32::consts::TAU);
        for strand in 0..count {
            let angle = start
                + std::f32::consts::TAU * (strand as f32 + self.draws.range(-0.35, 0.35)) / count as f32;
            let reach = from + (to - from) * self.draws.range(0.30, 1.0);
            let bend = self.draws.range(-0.38, 0.38);
            let points: Vec<(f32, f32)> = (0..4)
                .map(|i| {
                    let t = i as f32 / 3.0;
                    let r = from + (reach - from) * t;
                    let a = angle + bend * t;
                    (self.x + r * a.cos(), self.y + r * a.sin())
                })
                .collect();
            let width = self.draws.range(0.45, 0.8);
            let nibs: Vec<Nib> = curve(&points, 5)
                .into_iter()
                .enumerate()
                .map(|(i, (x, y))| Nib { x, y, half_width: width * (1.0 - 0.75 * i as f32 / 15.0) })
                .collect();
            layer.stroke(self.frame, &nibs, opacity * self.draws.range(0.6, 1.0), Profile::Rod);
        }
        for (index, (sample, ink)) in canvas.samples.iter_mut().zip(&layer.samples).enumerate() {
            if *ink > 0.0 {
                self.mask.hold(index % layer.width, index / layer.width);
                *sample = (*sample + ink * smooth(0.02, 0.1, *sample)).min(0.97);
            }
        }
    }
}
