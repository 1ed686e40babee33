//! Fat, gland, skin, muscle, vessels, implant: the normal picture.
//!
//! In: the outline. Out: grey 0 to 1 on the canvas, harmless specks, and how grainy the film is.

use super::MammoParams;
use super::outline::Breast;
use crate::phantom::canvas::{Canvas, Frame, Nib, Profile, curve, smooth};
use crate::phantom::draws::Draws;
use crate::phantom::finish::Speck;

/// What else the normal picture decides.
pub struct Film {
    pub grain: f32,
    pub specks: Vec<Speck>,
}

/// Draws the normal picture.
pub fn draw(params: &MammoParams, breast: &Breast, frame: Frame, canvas: &mut Canvas) -> Film {
    let view = format!("{}{}", params.side, params.projection);
    let mut draws = Draws::new(params.seed, &format!("mammo-tissue-{view}"));
    let mut person = Draws::new(params.seed, "mammo-tissue");
    let (width, height) = (canvas.width, canvas.height);
    // Beyond the nipple there is air.
    let wide = (((breast.depth + 8.0) * frame.per_unit) as usize + 2).min(width);
    let pixels = |mm: f32| ((mm * frame.per_unit) as usize).max(2);

    // Burgess (2001): power spectra of breast tissue fall with about the third power of frequency.
    let texture = Canvas::noise(wide, height, pixels(40.0), 0.80, &mut draws);
    let lobes = Canvas::noise(wide, height, pixels(32.0), 0.56, &mut draws);
    // Smooth noise has clean lines where it crosses zero: fine ones are strands of gland, wide meshes the ligaments.
    let strands = Canvas::noise(wide, height, pixels(9.0), 0.70, &mut draws);
    let ligaments = Canvas::noise(wide, height, pixels(13.0), 0.34, &mut draws);
    let threads = threads(breast, &mut draws, frame, width, height);

    let density = f32::from(params.density.clamp(1, 4) - 1) / 3.0;
    let dense = density + person.range(-0.10, 0.10);
    let fat = 0.20 + person.range(-0.02, 0.05) + 0.03 * density;
    let gland = 0.26 + 0.08 * density + person.range(-0.03, 0.04);
    let centre = (
        breast.depth * (0.56 + person.range(-0.05, 0.05)),
        breast.nipple_y - breast.half_height * person.range(0.0, 0.18),
    );
    let radii = (breast.depth * (0.26 + 0.20 * dense), breast.half_height * (0.34 + 0.30 * dense));
    let bias = 0.10 + 0.75 * dense;
    let implant = params.implant.then_some((
        breast.depth * 0.26,
        breast.nipple_y + 6.0,
        breast.depth * 0.44,
        breast.half_height * if breast.oblique { 0.74 } else { 0.70 },
    ));

    for row in 0..height {
        let y = frame.at(0, row).1;
        let line = breast.line(y);
        let by_nipple = (y - breast.nipple_y).abs() < NIPPLE_MM;
        for column in 0..wide {
            let x = frame.at(column, row).0;
            let mut inside = line.inside(x);
            if by_nipple {
                inside = inside.max(nipple(breast, x, y));
            } else if inside <= 0.0 {
                // Beyond the skin there is air to the edge.
                break;
            }
            if inside <= 0.0 {
                continue;
            }
            let index = row * width + column;
            let near = row * wide + column;
            // Compressed to even thickness; the rim is rounded and, on a presentation image, mostly equalised.
            let rim = 1.0 - (1.0 - (inside / 22.0).min(1.0)).powi(2);
            let thick = 0.36 + 0.64 * rim;
            // Strands point at the nipple and run on: the pattern is looked up in polar coordinates about it, drawn out
            // along the radius and bent by the lobes.
            let (nx, ny) = (breast.depth * 1.18 - x, y - breast.nipple_y);
            let radius = (nx * nx + ny * ny).sqrt();
            let bend = lobes.samples[near];
            let angle = ny.atan2(nx.max(0.1)) + 0.07 * bend;
            let along = radius * 0.34 + 20.0 + 1.5 * bend;
            let across = 100.0 + angle * 58.0;
            let strand = strands.sample(along * frame.per_unit, across * frame.per_unit);
            let mesh =
                ligaments.sample((along * 1.5 + 8.0 * angle) * frame.per_unit, across * 0.9 * frame.per_unit);
            let fibre = (1.0 - strand.abs() * 1.5).max(0.0).powi(2);
            let ligament = (1.0 - mesh.abs() * 3.6).max(0.0).powi(2);
            let u = (((x - centre.0) / radii.0).powi(2) + ((y - centre.1) / radii.1).powi(2)).sqrt();
            let n = bend * 0.50 + texture.samples[near] * 0.16 + strand * 0.30;
            let glandular = smooth(-0.34, 0.66, bias - 0.95 * (u - 0.55) + n * (1.0 - 0.35 * density) - 0.25);
            let under_skin = smooth(2.0, 9.0, inside);
            let g = glandular * under_skin;
            let mut grey = thick * (fat + 0.026 * texture.samples[near]);
            grey +=
                g * thick * gland * (0.55 + 0.20 * texture.samples[near] + 0.42 * fibre + 0.34 * ligament);
            grey += under_skin
                * thick
                * (1.0 - 0.6 * g)
                * (0.070 * fibre * smooth(2.2, 0.6, u)
                    + 0.080 * ligament * (0.4 + 0.6 * smooth(3.0, 0.9, u)));
            grey += threads.samples[index] * under_skin;
            // Skin seen edge on: here thicker, there thinner, here plainer, there lost in the rim.
            let uneven = lobes.samples[near].clamp(-1.5, 1.5);
            let skin = 2.2 + 0.5 * uneven;
            grey +=
                (0.055 + 0.03 * uneven) * smooth(0.0, 1.2, inside) * smooth(skin + 0.9, skin - 1.0, inside);
            let muscle = line.muscle(x);
            if muscle > 0.0 {
                let body =
                    0.40 + 0.16 * (1.0 - y / breast.muscle.1) + 0.022 * texture.samples[near] + 0.03 * fibre;
                grey = grey * (1.0 - muscle) + muscle * (body * thick).max(grey * 0.9 + 0.08);
            }
            if let Some((cx, cy, rx, ry)) = implant {
                let q = (((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2)).sqrt();
                let body = smooth(1.0, 0.985, q);
                let shell = smooth(0.93, 0.985, q) * body;
                grey = grey * (1.0 - body) + body * (0.80 + 0.05 * shell + 0.006 * texture.samples[near]);
                grey += 0.05 * smooth(1.08, 1.0, q) * (1.0 - body);
            }
            canvas.samples[index] = shoulder(grey) * smooth(-0.3, 1.6, inside);
        }
    }

    // Harmless specks: a few round calcifications, calcified skin.
    let mut specks = Vec::new();
    let scale = params.height as f32 / super::FIELD_HEIGHT_MM;
    for _ in 0..draws.whole(0, 4) {
        let (x, y) = (
            draws.range(0.15, 0.85) * breast.depth,
            breast.nipple_y + draws.range(-0.55, 0.55) * breast.half_height,
        );
        if breast.inside(x, y) > 4.0 && breast.muscle_at(x, y) < 0.1 {
            specks.push(Speck {
                x: x * scale,
                y: y * scale,
                radius: draws.range(0.3, 0.9) * scale,
                grey: draws.range(0.25, 0.45),
            });
        }
    }
    Film { grain: draws.range(0.008, 0.013), specks }
}

/// Bright tissue is held below white, as the window of a presentation image does.
fn shoulder(grey: f32) -> f32 {
    if grey > 0.70 { 1.0 - 0.30 * ((0.70 - grey) / 0.30).exp() } else { grey }
}

/// Radius of the nipple.
const NIPPLE_MM: f32 = 5.5;

/// The nipple, seen in profile.
fn nipple(breast: &Breast, x: f32, y: f32) -> f32 {
    let (dx, dy) = ((x - breast.depth + 1.5) / NIPPLE_MM, (y - breast.nipple_y) / NIPPLE_MM);
    (1.0 - (dx * dx + dy * dy).sqrt()) * NIPPLE_MM
}

/// Vessels, and lymph nodes in the armpit.
fn threads(breast: &Breast, draws: &mut Draws, frame: Frame, width: usize, height: usize) -> Canvas {
    let mut layer = Canvas::new(width, height, 0.0);
    for _ in 0..draws.whole(3, 6) {
        let mut at = (
            draws.range(0.0, 0.25) * breast.depth,
            breast.nipple_y + draws.range(-0.8, 0.7) * breast.half_height,
        );
        let mut points = vec![at];
        for _ in 0..6 {
            let towards = ((breast.nipple_y - at.1) * 0.10 + draws.range(-5.0, 5.0)).clamp(-9.0, 9.0);
            at = (at.0 + breast.depth * draws.range(0.09, 0.14), at.1 + towards);
            points.push(at);
        }
        let line = curve(&points, 8);
        let last = line.len() as f32;
        let start = draws.range(0.7, 1.4);
        let nibs: Vec<Nib> = line
            .iter()
            .enumerate()
            .map(|(i, &(x, y))| Nib { x, y, half_width: start * (1.0 - 0.65 * i as f32 / last) })
            .collect();
        layer.stroke(frame, &nibs, draws.range(0.04, 0.075), Profile::Rod);
    }
    if breast.oblique {
        for _ in 0..draws.whole(0, 3) {
            let (x, y) = (draws.range(0.15, 0.75) * breast.muscle.0, draws.range(12.0, 70.0));
            let r = draws.range(2.5, 5.0);
            let bean =
                [Nib { x, y, half_width: r }, Nib { x: x + 1.2, y: y + r * 1.3, half_width: r * 0.85 }];
            layer.stroke(frame, &bean, draws.range(0.10, 0.17), Profile::Tube);
        }
    }
    layer
}
