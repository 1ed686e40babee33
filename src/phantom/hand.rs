//! A hand: an image that belongs to no pathway, for the tests that must see it refused.
//!
//! In: a seed and a size. Out: a [`Phantom`]. Must never be taken for a chest by its pixels or its tags.

use super::canvas::{Canvas, Frame, Nib, Profile, smooth};
use super::draws::Draws;
use super::{ImageKind, Phantom, Photometric, finish};
use crate::vocab::Side;

/// Makes a film of one hand, front view.
pub fn hand(seed: u64, side: Side, width: u32, height: u32) -> Phantom {
    let (width, height) = (width.max(32) as usize, height.max(32) as usize);
    let shrink = (1100.0 / width.max(height) as f32).min(1.0);
    let drawn = |size: usize| ((size as f32 * shrink) as usize).max(32);
    let mut draws = Draws::new(seed, "hand");
    let mut flesh = Canvas::new(drawn(width), drawn(height), 0.0);
    let mut bone = flesh.clone();
    let per_unit = flesh.height as f32 / 2.0;
    let frame = Frame { left: -(flesh.width as f32) / flesh.height as f32, top: -1.0, per_unit };
    let mirror = if side == Side::Left { 1.0 } else { -1.0 };
    // Little finger to index: angle of the ray, lengths of metacarpal and three phalanges.
    let rays: [(f32, f32, [f32; 4]); 5] = [
        (-0.34, 0.44, [0.36, 0.26, 0.16, 0.13]),
        (-0.13, 0.46, [0.40, 0.32, 0.21, 0.14]),
        (0.05, 0.48, [0.44, 0.34, 0.23, 0.14]),
        (0.22, 0.48, [0.44, 0.31, 0.19, 0.13]),
        (0.62, 0.50, [0.26, 0.22, 0.16, 0.0]),
    ];
    let size = draws.range(0.92, 1.05);
    for (angle, start, lengths) in rays {
        let angle = angle + draws.range(-0.03, 0.03);
        let mut y = start;
        let mut x = angle * 0.36;
        for (joint, length) in lengths.into_iter().enumerate().filter(|(_, l)| *l > 0.0) {
            let length = length * size;
            let half = 0.052 - 0.008 * joint as f32;
            let (dx, dy) = (angle.sin(), -angle.cos());
            let at = |t: f32, half_width: f32| Nib {
                x: mirror * (x + dx * length * t),
                y: y + dy * length * t,
                half_width,
            };
            let shaft = [
                at(0.06, half),
                at(0.22, half * 0.72),
                at(0.5, half * 0.60),
                at(0.8, half * 0.70),
                at(0.93, half * 0.92),
            ];
            bone.stroke(frame, &shaft, 0.42, Profile::Tube);
            flesh.stroke(
                frame,
                &[at(-0.1, 0.125 - 0.012 * joint as f32), at(1.06, 0.105 - 0.012 * joint as f32)],
                0.34,
                Profile::Rod,
            );
            x += dx * length;
            y += dy * length;
        }
    }
    for (row, count) in [(0.52_f32, 4), (0.62, 4)] {
        for k in 0..count {
            let x = mirror * (-0.13 + 0.095 * k as f32 + draws.range(-0.01, 0.01));
            let nib = Nib { x, y: row + draws.range(-0.012, 0.012), half_width: draws.range(0.048, 0.06) };
            bone.stroke(frame, &[nib, Nib { x: nib.x + 0.012, ..nib }], 0.46, Profile::Tube);
        }
    }
    for (x, half) in [(-0.12_f32, 0.060_f32), (0.10, 0.088)] {
        let shaft = [
            Nib { x: mirror * x, y: 0.73, half_width: half },
            Nib { x: mirror * x, y: 0.86, half_width: half * 0.66 },
            Nib { x: mirror * x, y: 1.2, half_width: half * 0.58 },
        ];
        bone.stroke(frame, &shaft, 0.50, Profile::Tube);
    }
    let palm = [
        Nib { x: 0.0, y: 0.22, half_width: 0.36 },
        Nib { x: 0.0, y: 0.50, half_width: 0.31 },
        Nib { x: 0.0, y: 1.2, half_width: 0.27 },
    ];
    flesh.stroke(frame, &palm, 0.42, Profile::Rod);
    let grain = Canvas::noise(flesh.width, flesh.height, 64, 0.7, &mut draws);
    for ((f, b), g) in flesh.samples.iter_mut().zip(&bone.samples).zip(&grain.samples) {
        *f = 0.02 + *f + b * (1.0 + 0.06 * g) * smooth(0.0, 0.1, *f);
    }
    let draws = Draws::new(seed, "hand-grain");
    let finished = finish::Finish {
        canvas: flesh,
        width,
        height,
        bits_stored: 12,
        photometric: Photometric::Monochrome2,
        grain: 0.006,
        grid: 0.0,
        texture: 0.0,
        specks: Vec::new(),
        draws,
    };
    finish::phantom(finished, ImageKind::Hand { side }, seed, 40, super::PersonSex::Other, Vec::new())
}
