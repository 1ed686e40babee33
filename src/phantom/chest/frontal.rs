//! The frontal film: soft tissue, lungs, heart, spine, ribs, clavicles, scapulae, vessels, marker.
//!
//! In: the anatomy. Out: grey 0 (black) to 1 (white) on the canvas, and where the findings lie.

use super::anatomy::{Anatomy, Borders};
use super::findings::{self, LungField};
use super::{ChestParams, ChestView};
use crate::phantom::canvas::{Canvas, Frame, Nib, Profile, curve, even, smooth};
use crate::phantom::draws::Draws;
use crate::phantom::finish::DrawnFinding;

/// How much a full depth of lung takes off the grey.
const LUNG_DARKENING: f32 = 0.45;

/// Films are darker than the plain sum of what lies in the beam.
pub(super) const GAMMA: f32 = 1.35;

/// Draws the film and returns its findings.
pub fn draw(params: &ChestParams, canvas: &mut Canvas) -> Vec<DrawnFinding> {
    let anatomy = Anatomy::draw(params);
    let borders = anatomy.borders();
    let (width, height) = (canvas.width, canvas.height);
    let per_unit = height as f32 / 2.0;
    let frame = Frame { left: -(width as f32) / height as f32 - anatomy.midline, top: -1.0, per_unit };
    let mut draws = Draws::new(params.seed, "chest-frontal");

    let bones = bones(params, &anatomy, &mut draws, frame, width, height);
    let mut field = LungField::new(&anatomy, &borders, frame, width, height);
    let vessels = vessels(&anatomy, &mut draws, frame, width, height);
    let mottle = Canvas::noise(width, height, (height / 5).max(4), 0.80, &mut draws);
    let cloud = Canvas::noise(width, height, (height / 2).max(4), 0.56, &mut draws);
    let drawn = findings::draw(params, &anatomy, &mut field, &mottle, frame);

    let fat = draws.range(0.0, 0.10);
    let contrast = draws.range(0.80, 1.05);
    let brightness = draws.range(-0.06, 0.05) + if params.view == ChestView::Ap { 0.04 } else { 0.0 };
    let breasts = params.female && params.age_years >= 14;
    let breast =
        (draws.range(0.34, 0.46), draws.range(0.10, 0.26), draws.range(0.22, 0.32), draws.range(0.05, 0.13));
    let gas = draws.chance(0.75).then(|| {
        (
            draws.range(0.26, 0.42),
            anatomy.domes[1] + draws.range(0.12, 0.2),
            draws.range(0.06, 0.12),
            draws.range(0.04, 0.08),
        )
    });
    let vertebra = anatomy.rib_spacing * 0.95;

    for row in 0..height {
        let (_, y) = frame.at(0, row);
        let (right, left) = borders.at(y);
        let cage_here = anatomy.cage_at(y);
        for column in 0..width {
            let index = row * width + column;
            let (x_film, _) = frame.at(column, row);
            let x = x_film + anatomy.tilt * y;
            let away = x.abs();
            let side = usize::from(x > 0.0);
            let lung = field.depth[index];
            let middle = field.middle[index];

            // Trunk: thick in the middle, thinning towards the outline.
            let half = anatomy.body_at(y);
            let rim = (half - away).max(0.0);
            let skin = 1.0 - (1.0 - (rim / 0.27).min(1.0)).powi(2);
            let belly = smooth(anatomy.domes[side] - 0.10, anatomy.domes[side] + 0.45, y);
            let mut grey = skin
                * (0.58 + fat + 0.15 * belly + 0.06 * cloud.samples[index] + 0.016 * mottle.samples[index]);
            // Neck and shoulders are thinner than the trunk.
            grey *= 1.0 - 0.16 * smooth(-0.60, -1.0, y) * smooth(0.35, 0.9, away);
            // Spine and what lies before it.
            let column_depth = (1.0 - (x / 0.105).powi(2)).max(0.0).sqrt();
            let disc = ((y / vertebra) * std::f32::consts::PI).sin().powi(2);
            let spine = column_depth * (0.095 + 0.06 * disc) + 1.5 * pedicles(x, y, vertebra);
            let air = trachea(x, y, &anatomy);
            // Lungs take away, heart and vessels fill up again.
            grey -= LUNG_DARKENING * lung * (1.0 - 0.93 * middle) * (1.0 + 0.05 * cloud.samples[index]);
            let side_to_side = smooth(-0.12, 0.12, x);
            let dome =
                anatomy.dome_at(0, away) * (1.0 - side_to_side) + anatomy.dome_at(1, away) * side_to_side;
            let trunk =
                smooth(anatomy.apex - 0.16, anatomy.apex + 0.14, y) * smooth(dome + 0.10, dome - 0.03, y);
            // The heart is a ball: thick in its middle, so that its edge is thin and lung shows through it there.
            let border = if side == 0 { right } else { left };
            let ball = (1.0 - (away / border.max(0.05)).min(1.0).powi(2)).sqrt();
            let low = smooth(anatomy.heart_y - 0.34, anatomy.heart_y - 0.10, y);
            grey += middle * (0.160 + low * (0.085 * ball - 0.075)) * trunk;
            // The descending aorta's edge, left of the spine, seen through the heart.
            let aorta = (x - 0.105 - 0.012 * (y * 5.0 + anatomy.knob * 40.0).sin()) / 0.035;
            grey += 0.034 * smooth(1.0, -1.0, aorta) * smooth(-0.12, 0.02, x) * trunk * (0.4 + 0.6 * low);
            // Lung goes on behind the dome: a dark band that fades downwards into liver and stomach.
            let behind = y - dome;
            if behind > 0.0 {
                let cage = smooth(0.0, 0.10, cage_here - away) * (1.0 - 0.5 * middle);
                grey -= 0.105 * cage * smooth(0.24, 0.02, behind);
            }
            grey += spine * (1.0 - 0.45 * belly) * (0.75 + 0.25 * trunk) - 0.115 * air;
            // Lung markings fade to the side; behind heart and diaphragm they are barely seen.
            let marking = lung * (1.0 - 0.55 * middle);
            grey += marking * (vessels.samples[index] + 0.026 * mottle.samples[index]) * field.marking[index];
            // The bases lie behind more muscle and, in women, breast; the apices behind little.
            grey += lung * 0.055 * smooth(-0.45, 0.30, y) * (1.0 - middle);
            grey += field.added[index];
            if breasts {
                let (bx, by, br, dense) = breast;
                let q = ((away - bx) / (br * 1.05)).powi(2) + ((y - by) / br).powi(2);
                let hang = if y > by { smooth(1.0, 0.93, q) } else { (1.0 - q).max(0.0).sqrt() };
                grey += dense * hang * (1.0 - q).max(0.0).sqrt().min(0.8);
            }
            if let Some((gx, gy, gw, gh)) = gas {
                let q = ((x - gx) / gw).powi(2) + ((y - gy) / gh).powi(2) + 0.25 * mottle.samples[index];
                grey -= 0.20 * smooth(1.1, 0.6, q);
            }
            let bone = bones.samples[index];
            grey += bone * skin * (1.0 - 0.85 * belly) * (1.0 - 0.45 * middle);
            let shown = tone((grey - 0.5) * contrast + 0.5 + brightness).max(0.0).powf(GAMMA);
            canvas.samples[index] = shown * smooth(0.0, 0.03, rim);
        }
    }
    marker(canvas, frame, &anatomy, &mut draws);
    drawn
}

/// The film's curve: linear in the middle, flat at both ends.
pub(super) fn tone(grey: f32) -> f32 {
    let g = grey.clamp(-0.3, 1.4);
    if g < 0.15 {
        0.15 * ((g - 0.15) / 0.15).exp()
    } else if g > 0.80 {
        1.0 - 0.20 * ((0.80 - g) / 0.20).exp()
    } else {
        g
    }
}

fn pedicles(x: f32, y: f32, vertebra: f32) -> f32 {
    let phase = (y / vertebra).rem_euclid(1.0) - 0.5;
    let eye = |cx: f32, r: f32| {
        let q = (((x - cx) / r).powi(2) + (phase * vertebra / (r * 1.4)).powi(2)).sqrt();
        smooth(1.0, 0.7, q) - 0.6 * smooth(0.7, 0.4, q)
    };
    0.035 * (eye(-0.062, 0.022) + eye(0.062, 0.022)) + 0.03 * eye(0.0, 0.02)
}

/// Air in the windpipe and the main bronchi.
fn trachea(x: f32, y: f32, anatomy: &Anatomy) -> f32 {
    let fork = (anatomy.heart_y + anatomy.apex) * 0.5 - 0.03;
    let tube = |centre: f32, half: f32| (1.0 - ((x - centre) / half).powi(2)).max(0.0).sqrt();
    if y < fork {
        tube(-0.012, 0.047) * smooth(-1.0, -0.8, y)
    } else {
        let down = y - fork;
        let fade = smooth(0.20, 0.02, down);
        (tube(-0.02 - 0.85 * down, 0.036).max(tube(1.25 * down, 0.030))) * fade
    }
}

/// Ribs, clavicles, scapulae and upper arms, as grey to add.
fn bones(
    params: &ChestParams,
    anatomy: &Anatomy,
    draws: &mut Draws,
    frame: Frame,
    width: usize,
    height: usize,
) -> Canvas {
    let mut sum = Canvas::new(width, height, 0.0);
    let mut add = |layer: Canvas| {
        for (s, l) in sum.samples.iter_mut().zip(&layer.samples) {
            *s += l;
        }
    };
    let strength = draws.range(0.95, 1.35);
    for sign in [-1.0_f32, 1.0] {
        // Posterior ribs in two layers, so that neighbours may overlap without adding up at their own bends.
        for parity in 0..2 {
            let mut layer = Canvas::new(width, height, 0.0);
            for rib in (parity..11).step_by(2) {
                let start = anatomy.first_rib + rib as f32 * anatomy.rib_spacing;
                let reach = anatomy.cage_at(start + 0.12).max(anatomy.cage * 0.34);
                let points: Vec<(f32, f32)> = (0..=8)
                    .map(|step| {
                        let u = step as f32 / 8.0;
                        let fall = anatomy.rib_slope * u * u + 0.17 * u.powi(6) * reach;
                        (sign * (0.09 + (reach + 0.012 - 0.09) * u), start - 0.045 * (u * 2.4).sin() + fall)
                    })
                    .collect();
                let line = curve(&points, 5);
                layer.stroke(
                    frame,
                    &even(&line, 0.026 + 0.0012 * rib as f32),
                    0.115 * strength,
                    Profile::Tube,
                );
            }
            add(layer);
            // Anterior ribs run down towards the middle and end in cartilage.
            let mut layer = Canvas::new(width, height, 0.0);
            for rib in (parity..7).step_by(2) {
                let y = anatomy.first_rib + (rib as f32 + 1.1) * anatomy.rib_spacing * 1.08;
                let side = anatomy.cage_at(y + 0.05).max(anatomy.cage * 0.4);
                let end = 0.40 - 0.012 * rib as f32;
                let points: Vec<(f32, f32)> = (0..=6)
                    .map(|step| {
                        let u = step as f32 / 6.0;
                        let x = side + 0.01 - (side - side * end) * u;
                        (sign * x, y + 0.19 * u + 0.07 * u * u)
                    })
                    .collect();
                let nibs: Vec<Nib> =
                    curve(&points, 5).into_iter().map(|(x, y)| Nib { x, y, half_width: 0.030 }).collect();
                layer.stroke(frame, &nibs, 0.078 * strength, Profile::Tube);
            }
            add(layer);
        }
        // The cage seen edge on.
        let mut layer = Canvas::new(width, height, 0.0);
        let rim: Vec<(f32, f32)> = (0..30)
            .map(|i| {
                let y = anatomy.apex + 0.05 + (anatomy.base + 0.22 - anatomy.apex) * i as f32 / 29.0;
                (sign * (anatomy.cage_at(y) + 0.017), y)
            })
            .collect();
        layer.stroke(frame, &even(&rim, 0.024), 0.05 * strength, Profile::Soft);
        add(layer);

        let lift = draws.range(-0.05, 0.05);
        let inner = anatomy.apex + 0.16 + lift * 0.4;
        let mut layer = Canvas::new(width, height, 0.0);
        let clavicle = curve(
            &[
                (sign * 0.065, inner),
                (sign * 0.20, inner - 0.035),
                (sign * 0.42, inner - 0.095 + lift),
                (sign * 0.62, inner - 0.150 + lift),
                (sign * 0.80, inner - 0.155 + lift),
            ],
            8,
        );
        let nibs: Vec<Nib> = clavicle
            .iter()
            .enumerate()
            .map(|(i, &(x, y))| Nib { x, y, half_width: 0.040 - 0.012 * (i as f32 / 32.0 * 3.1).sin() })
            .collect();
        layer.stroke(frame, &nibs, 0.145 * strength, Profile::Tube);
        add(layer);

        // Scapula: over the lung in bed, turned away when standing.
        let mut layer = Canvas::new(width, height, 0.0);
        let out = if params.view == ChestView::Ap { -0.04 } else { 0.10 } + draws.range(-0.03, 0.05);
        let at = |across: f32, down: f32, half_width: f32| Nib {
            x: sign * (anatomy.cage * across + out),
            y: anatomy.apex + down,
            half_width,
        };
        layer.stroke(
            frame,
            &[at(0.98, 0.26, 0.17), at(0.95, 0.48, 0.11), at(0.92, 0.74, 0.03)],
            0.040 * strength,
            Profile::Soft,
        );
        layer.stroke(
            frame,
            &[at(1.20, 0.24, 0.026), at(1.06, 0.46, 0.020), at(0.95, 0.74, 0.014)],
            0.105 * strength,
            Profile::Soft,
        );
        add(layer);
        let mut layer = Canvas::new(width, height, 0.0);
        let head = (sign * (anatomy.cage * 1.42 + 0.02), anatomy.apex + 0.20);
        let nibs = [
            Nib { x: head.0 - sign * 0.015, y: head.1, half_width: 0.115 },
            Nib { x: head.0 + sign * 0.01, y: head.1 + 0.10, half_width: 0.10 },
            Nib { x: head.0 + sign * 0.05, y: head.1 + 0.28, half_width: 0.062 },
            Nib { x: head.0 + sign * 0.10, y: head.1 + 1.3, half_width: 0.058 },
        ];
        layer.stroke(frame, &nibs, 0.13 * strength, Profile::Tube);
        let acromion = curve(
            &[
                (sign * anatomy.cage * 1.05, anatomy.apex + 0.10),
                (sign * anatomy.cage * 1.2, anatomy.apex + 0.05),
                (sign * anatomy.cage * 1.36, anatomy.apex + 0.06),
            ],
            8,
        );
        layer.stroke(frame, &even(&acromion, 0.034), 0.10 * strength, Profile::Tube);
        add(layer);
    }
    sum
}

/// Hila and the tree of vessels, as grey to add where there is lung.
fn vessels(anatomy: &Anatomy, draws: &mut Draws, frame: Frame, width: usize, height: usize) -> Canvas {
    let mut layer = Canvas::new(width, height, 0.0);
    let centre_y = (anatomy.heart_y + anatomy.apex) * 0.5 + 0.06;
    for sign in [-1.0_f32, 1.0] {
        let hilum = (sign * (anatomy.mediastinum + 0.045), centre_y + if sign > 0.0 { -0.03 } else { 0.0 });
        for _ in 0..9 {
            let (x, y) = (hilum.0 + draws.range(-0.05, 0.05), hilum.1 + draws.range(-0.09, 0.13));
            let r = draws.range(0.020, 0.042);
            let nib = Nib { x, y, half_width: r };
            let end = Nib {
                x: x + sign * draws.range(0.0, 0.04),
                y: y + draws.range(-0.02, 0.06),
                half_width: r * 0.7,
            };
            layer.stroke(frame, &[nib, end], draws.range(0.10, 0.18), Profile::Soft);
        }
        let trunks = 9;
        for trunk in 0..trunks {
            // From steeply up through the side to steeply down; the lower lobe has the most.
            let angle = -1.35 + 2.75 * (trunk as f32 + draws.range(-0.3, 0.3)) / (trunks - 1) as f32;
            let heavy = 0.75 + 0.35 * smooth(-1.0, 1.2, angle);
            branch(&mut layer, frame, draws, Twig { at: hilum, angle, sign, width: 0.0165 * heavy, left: 5 });
        }
    }
    layer
}

struct Twig {
    at: (f32, f32),
    angle: f32,
    sign: f32,
    width: f32,
    left: u32,
}

fn branch(layer: &mut Canvas, frame: Frame, draws: &mut Draws, twig: Twig) {
    if twig.left == 0 {
        return;
    }
    let length = draws.range(0.07, 0.14);
    let mut angle = twig.angle;
    let mut points = vec![twig.at];
    let mut at = twig.at;
    for _ in 0..3 {
        angle += draws.range(-0.34, 0.34);
        at = (at.0 + twig.sign * angle.cos() * length / 3.0, at.1 + angle.sin() * length / 3.0);
        points.push(at);
    }
    let thin = twig.width * 0.74;
    let line = curve(&points, 2);
    let last = line.len().saturating_sub(1).max(1) as f32;
    let nibs: Vec<Nib> = line
        .iter()
        .enumerate()
        .map(|(i, &(x, y))| Nib { x, y, half_width: twig.width + (thin - twig.width) * i as f32 / last })
        .collect();
    layer.stroke(frame, &nibs, (0.016 + 5.0 * twig.width).min(0.095), Profile::Rod);
    let fork = draws.range(0.22, 0.50);
    branch(layer, frame, draws, Twig { at, angle: angle - fork, width: thin, left: twig.left - 1, ..twig });
    branch(
        layer,
        frame,
        draws,
        Twig { at, angle: angle + fork * 0.8, width: thin * 0.92, left: twig.left - 1, ..twig },
    );
}

/// The lead letter on the patient's left, as the radiographer puts it on the cassette.
fn marker(canvas: &mut Canvas, frame: Frame, anatomy: &Anatomy, draws: &mut Draws) {
    let right_edge = canvas.width as f32 / frame.per_unit + frame.left;
    let x = right_edge - draws.range(0.07, 0.13);
    let y = anatomy.shoulder_y.max(-0.9) - draws.range(0.12, 0.18);
    let size = draws.range(0.045, 0.06);
    let mut layer = Canvas::new(canvas.width, canvas.height, 0.0);
    let letter = [
        (x - size * 0.3, y - size * 0.6),
        (x - size * 0.3, y + size * 0.6),
        (x + size * 0.4, y + size * 0.6),
    ];
    layer.stroke(frame, &even(&letter, size * 0.16), 1.0, Profile::Rod);
    for (sample, ink) in canvas.samples.iter_mut().zip(&layer.samples) {
        *sample = sample.max((ink * 3.0).min(0.96));
    }
}

impl LungField {
    /// Lung depth 0 to 1, and how much of it heart and great vessels take.
    pub fn new(anatomy: &Anatomy, borders: &Borders, frame: Frame, width: usize, height: usize) -> Self {
        let mut field = LungField::empty(width, height);
        for row in 0..height {
            let (_, y) = frame.at(0, row);
            let (right, left) = borders.at(y);
            let cage = anatomy.cage_at(y);
            for column in 0..width {
                let (x_film, _) = frame.at(column, row);
                let x = x_film + anatomy.tilt * y;
                let away = x.abs();
                let side = usize::from(x > 0.0);
                let border = if side == 0 { right } else { left };
                let index = row * width + column;
                let edge = 0.010 + 0.012 * smooth(-0.2, -0.7, y);
                field.middle[index] = smooth(border + edge, border - edge, away);
                let outer = cage - away;
                let apex = y - (anatomy.apex + 3.6 * (0.29 - away).max(0.0).powi(2));
                let floor = anatomy.dome_at(side, away) - y;
                if outer <= 0.0 || apex <= 0.0 || floor <= -0.02 {
                    continue;
                }
                // A soft minimum, so that the apex is a dome and not a corner.
                let (near, far) = if outer < apex * 0.8 { (outer, apex * 0.8) } else { (apex * 0.8, outer) };
                let inward = near - 0.05 * (1.0 + ((near - far) / 0.05).exp()).ln();
                let depth = 0.30 + 0.70 * (1.0 - (-inward / 0.11).exp());
                field.depth[index] = depth * smooth(0.0, 0.012, inward) * smooth(-0.006, 0.010, floor);
            }
        }
        field
    }
}
