//! The lateral film: spine behind, sternum in front, heart low and forward, two domes, the clear spaces.
//!
//! In: parameters. Out: grey on the canvas, and where a lump lies. Patient faces the image's left.

use super::ChestParams;
use super::frontal::{GAMMA, tone};
use crate::phantom::canvas::{Canvas, Frame, Nib, Profile, curve, even, smooth};
use crate::phantom::draws::Draws;
use crate::phantom::finish::{Bounds, DrawnFinding};
use crate::phantom::mask::Mask;
use crate::vocab::{FindingCode, Laterality, Side};

/// Draws the film; of the findings only lumps and fluid show from the side.
pub fn draw(params: &ChestParams, canvas: &mut Canvas) -> Vec<DrawnFinding> {
    let (width, height) = (canvas.width, canvas.height);
    let frame = Frame { left: -(width as f32) / height as f32, top: -1.0, per_unit: height as f32 / 2.0 };
    let mut draws = Draws::new(params.seed, "chest-lateral");
    let deep = draws.range(0.46, 0.56);
    let apex = -0.78 + draws.range(-0.05, 0.05);
    let dome = 0.30 + draws.range(-0.08, 0.08);
    let mottle = Canvas::noise(width, height, (height / 5).max(4), 0.62, &mut draws);
    let cloud = Canvas::noise(width, height, (height / 2).max(4), 0.45, &mut draws);
    let bones = bones(&mut draws, frame, width, height, deep, apex, dome);
    let vessels = vessels(&mut draws, frame, width, height);
    let heart =
        (-0.20 + draws.range(-0.03, 0.03), dome - 0.16, draws.range(0.27, 0.34), draws.range(0.22, 0.27));
    let second = draws.range(0.02, 0.06);
    let lump = params.lesions.iter().find(|l| matches!(l.code, FindingCode::Nodule | FindingCode::Mass));
    let place = lump.map(|lesion| {
        let radius =
            if lesion.code == FindingCode::Mass { draws.range(0.085, 0.14) } else { draws.range(0.03, 0.06) };
        (lesion, draws.range(-0.02, 0.24), draws.range(apex + 0.35, dome - 0.2), radius)
    });
    let (contrast, brightness) = (draws.range(0.85, 1.0), draws.range(0.0, 0.07));
    let fluid = params.lesions.iter().any(|l| l.code == FindingCode::PleuralEffusion);
    let mut bounds = Bounds::none();
    let mut mask = Mask::new(width, height);

    for row in 0..height {
        for column in 0..width {
            let index = row * width + column;
            let (x, y) = frame.at(column, row);
            let front = -deep * (0.62 + 0.38 * smooth(apex - 0.1, 0.1, y)) - 0.16;
            let back = deep * (0.80 + 0.20 * smooth(apex - 0.2, -0.3, y)) + 0.30;
            let rim = (x - front).min(back - x);
            let skin = 1.0 - (1.0 - (rim / 0.35).clamp(0.0, 1.0)).powi(2);
            let arm = smooth(-0.45, -0.95, y);
            let belly = smooth(dome, dome + 0.3, y);
            let mut grey = skin * (0.62 + 0.22 * belly + 0.14 * arm + 0.04 * cloud.samples[index]);
            // Lung between sternum and spine, above the domes, behind the spine as well.
            let across = (x - front - 0.13).min(deep + 0.14 - x);
            let top = y - (apex + 0.10 + 0.7 * (x - 0.02).powi(2));
            let fall = 0.42 * (x + 0.08).max(0.0).powi(2) + 0.10 * (x + 0.08).min(0.0).powi(2);
            let (first, other) = (dome + fall - y, dome + second + fall * 1.05 - y);
            let inside = smooth(0.0, 0.03, across) * smooth(0.0, 0.08, top);
            let depth = inside * (0.5 * smooth(-0.006, 0.01, first) + 0.5 * smooth(-0.006, 0.01, other));
            let full = 1.0 - (-(across.max(0.0)) / 0.13).exp();
            let lung = depth * (0.35 + 0.65 * full);
            let q =
                ((x - heart.0) / heart.2).powi(2) + ((y - heart.1 + 0.35 * (x - heart.0)) / heart.3).powi(2);
            // A ball that the lung wraps: thick in its middle, its edge soft.
            let body = (1.0 - q).max(0.0).powf(0.75);
            let arch = (((x - 0.06).powi(2) + (y - apex - 0.50).powi(2)).sqrt() - 0.12).abs();
            grey -= 0.38 * lung * (1.0 - 0.60 * body);
            grey +=
                0.12 * body * depth + 0.05 * smooth(0.05, 0.0, arch) * smooth(apex + 0.62, apex + 0.45, y);
            grey += depth * (vessels.samples[index] + 0.024 * mottle.samples[index]);
            grey += bones.samples[index] * (1.0 - 0.3 * belly) * skin;
            let tube = 1.0 - ((x - 0.02 - 0.12 * (y - apex)) / 0.045).powi(2);
            grey -= 0.09 * tube.max(0.0).sqrt() * smooth(-1.0, -0.9, y) * smooth(apex + 0.52, apex + 0.42, y);
            if let Some((lesion, cx, cy, radius)) = place {
                let q = ((x - cx).powi(2) + (y - cy).powi(2)).sqrt() / radius;
                grey += (0.10 + 0.09 * lesion.conspicuity.unwrap_or(0.6)) * (1.0 - q * q).max(0.0).sqrt();
                if q < 1.0 {
                    bounds.hold(column, row);
                    mask.hold(column, row);
                }
            }
            if fluid {
                grey += 0.30 * lung * smooth(0.16, 0.30, x) * smooth(dome - 0.02, dome + 0.08, y);
            }
            let shown = tone((grey - 0.5) * contrast + 0.5 + brightness).max(0.0).powf(GAMMA);
            canvas.samples[index] = shown * smooth(0.0, 0.03, rim);
        }
    }
    let Some((lesion, ..)) = place else { return Vec::new() };
    bounds
        .checked()
        .map(|bounds| DrawnFinding {
            code: Some(lesion.code),
            feature: None,
            kind: String::new(),
            side: lesion.side.map(|s: Side| Laterality::from(s)),
            zone: None,
            bounds,
            mask,
        })
        .into_iter()
        .collect()
}

fn bones(
    draws: &mut Draws,
    frame: Frame,
    width: usize,
    height: usize,
    deep: f32,
    apex: f32,
    dome: f32,
) -> Canvas {
    let mut sum = Canvas::new(width, height, 0.0);
    let mut add = |layer: Canvas| sum.samples.iter_mut().zip(&layer.samples).for_each(|(s, l)| *s += l);
    let spacing = draws.range(0.135, 0.150);
    let spine = |y: f32| deep * 0.80 + 0.10 * ((y + 0.1) * 1.6).cos() - 0.05;
    let mut layer = Canvas::new(width, height, 0.0);
    for vertebra in 0..15 {
        let y = -0.95 + spacing * vertebra as f32;
        let x = spine(y);
        let block = [
            Nib { x: x - 0.05, y, half_width: spacing * 0.40 },
            Nib { x: x + 0.05, y, half_width: spacing * 0.40 },
        ];
        layer.stroke(frame, &block, 0.17, Profile::Tube);
        let process =
            [Nib { x: x + 0.12, y, half_width: 0.022 }, Nib { x: x + 0.21, y: y + 0.05, half_width: 0.02 }];
        layer.stroke(frame, &process, 0.08, Profile::Rod);
    }
    add(layer);
    let mut layer = Canvas::new(width, height, 0.0);
    let front =
        curve(&[(-deep * 0.74, apex + 0.20), (-deep * 0.98, apex + 0.52), (-deep * 1.06, dome - 0.2)], 10);
    layer.stroke(frame, &even(&front, 0.030), 0.15, Profile::Tube);
    add(layer);
    for rib in 0..10 {
        for twin in 0..2 {
            let mut layer = Canvas::new(width, height, 0.0);
            let y = apex + 0.02 + rib as f32 * spacing * 0.92 + twin as f32 * 0.035;
            let x = spine(y);
            let line = curve(
                &[
                    (x, y),
                    (x + 0.10, y + 0.03),
                    (x - 0.10, y + 0.14),
                    (x - 0.42, y + 0.33),
                    (x - 0.70, y + 0.46),
                ],
                6,
            );
            layer.stroke(frame, &even(&line, 0.022), 0.045, Profile::Tube);
            add(layer);
        }
    }
    sum
}

fn vessels(draws: &mut Draws, frame: Frame, width: usize, height: usize) -> Canvas {
    let mut layer = Canvas::new(width, height, 0.0);
    for _ in 0..70 {
        let angle = draws.range(0.0, std::f32::consts::TAU);
        let long = draws.range(0.15, 0.48);
        let mut at = (draws.range(-0.06, 0.11), draws.range(-0.20, 0.03));
        let mut heading = angle;
        let mut nibs = Vec::new();
        for step in 0..8 {
            nibs.push(Nib { x: at.0, y: at.1, half_width: 0.012 * (1.0 - step as f32 / 8.5) });
            heading += draws.range(-0.45, 0.45);
            at = (at.0 + heading.cos() * long / 8.0, at.1 + heading.sin() * long / 8.0);
        }
        layer.stroke(frame, &nibs, 0.046, Profile::Rod);
    }
    layer
}
