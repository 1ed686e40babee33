//! Grain and fine texture for whole detectors: drawn once in a process, laid under every image from another corner.
//!
//! In: nothing but constants. Out: noise of mean 0 and deviation 1, the same in every process. Must never hold
//! anything of one image: what differs between seeds is where the reading starts.

use std::sync::OnceLock;

use super::canvas::white;

/// Side of the two squares of texture: together they repeat after 3 x 512 pixels.
const SIDES: [usize; 2] = [512, 384];
/// Values of white noise; every row of an image starts somewhere else in them.
const WHITE: usize = 1 << 16;

/// The noise of this process.
pub struct Noise {
    textures: [Vec<f32>; 2],
    /// Fine grain, then the same with every value twice (a detector blurs over neighbours), both with a row's
    /// length of overhang.
    fine: Vec<f32>,
    coarse: Vec<f32>,
}

/// Where an image reads the noise.
#[derive(Debug, Clone, Copy)]
pub struct Corner {
    pub fine: u64,
    pub coarse: u64,
    pub texture: u64,
}

impl Noise {
    /// The noise of this process, drawn at the first call.
    pub fn shared() -> &'static Noise {
        static NOISE: OnceLock<Noise> = OnceLock::new();
        NOISE.get_or_init(|| {
            let fine: Vec<f32> = (0..2 * WHITE).map(|at| white(0x6772_6169, at % WHITE)).collect();
            let coarse = (0..2 * WHITE).map(|at| white(0x636c_756d, (at % WHITE) / 2)).collect();
            Noise { textures: [tile(SIDES[0], 0x7465), tile(SIDES[1], 0x7874)], fine, coarse }
        })
    }

    /// Adds `amount` of texture to a row, in proportion to what is there.
    pub fn texture(&self, row: usize, amount: f32, corner: Corner, first: usize, greys: &mut [f32]) {
        let start = corner.texture as usize % 0xffff;
        let mut lines =
            self.textures.iter().zip(SIDES).zip([start, start / 7]).map(|((tile, side), shift)| {
                let at = (row + shift / 3) % side * side;
                (tile.get(at..at + side).unwrap_or_default(), (first + shift) % side)
            });
        let (Some((a, mut at_a)), Some((b, mut at_b))) = (lines.next(), lines.next()) else { return };
        let amount = amount * std::f32::consts::FRAC_1_SQRT_2;
        let mut rest = greys;
        // In stretches within which neither square comes to its edge, so that the loop is plain.
        while !rest.is_empty() {
            let run = (a.len() - at_a).min(b.len() - at_b).min(rest.len());
            let (now, later) = rest.split_at_mut(run);
            for ((grey, a), b) in now.iter_mut().zip(&a[at_a..]).zip(&b[at_b..]) {
                *grey += amount * (a + b) * *grey;
            }
            (at_a, at_b) = ((at_a + run) % a.len(), (at_b + run) % b.len());
            rest = later;
        }
    }

    /// Fine and coarse grain of a row from a column on.
    pub fn grain(&self, row: usize, corner: Corner, first: usize) -> (&[f32], &[f32]) {
        let place = |key: u64, row: usize| super::draws::mix(key ^ row as u64) as usize % (WHITE / 2);
        let fine = place(corner.fine, row) + first;
        let coarse = place(corner.coarse, row / 2) / 2 * 2 + first;
        (self.fine.get(fine..).unwrap_or_default(), self.coarse.get(coarse..).unwrap_or_default())
    }
}

/// What each column of a detector does to the signal: amplifiers that differ by a trace, and the lines of an
/// anti-scatter grid, which beat with the pixels. Vertical, as the grid's lead lies.
pub fn columns(width: usize, grid: f32, corner: Corner) -> Vec<f32> {
    let part = |key: u64| (key >> 40) as f32 / 16_777_216.0;
    let (period, start) = (3.1 + 2.2 * part(corner.coarse), part(corner.fine));
    let line = |at: usize| (std::f32::consts::TAU * (at as f32 / period + start)).sin();
    (0..width).map(|at| 1.0 + grid * line(at) + 0.0006 * white(corner.texture, at)).collect()
}

/// A square of power-law noise that continues at its own other edge, three octaves.
fn tile(side: usize, key: u64) -> Vec<f32> {
    let octaves = [(8_usize, 1.0_f32), (4, 0.74), (2, 0.55), (1, 0.41)];
    let mut out = vec![0.0_f32; side * side];
    for (step, amplitude) in octaves {
        let cells = side / step;
        let value = |x: usize, y: usize| white(key ^ step as u64, (y % cells) * cells + x % cells);
        for row in 0..side {
            for column in 0..side {
                let (fx, fy) = ((column % step) as f32 / step as f32, (row % step) as f32 / step as f32);
                let (x, y) = (column / step, row / step);
                let above = value(x, y) * (1.0 - fx) + value(x + 1, y) * fx;
                let below = value(x, y + 1) * (1.0 - fx) + value(x + 1, y + 1) * fx;
                out[row * side + column] += amplitude * (above * (1.0 - fy) + below * fy);
            }
        }
    }
    let count = out.len() as f32;
    let mean = out.iter().sum::<f32>() / count;
    let deviation = (out.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count).sqrt().max(1e-6);
    out.iter_mut().for_each(|v| *v = (*v - mean) / deviation);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texture_goes_on_over_the_edges_of_its_squares_and_starts_where_the_seed_says() {
        let noise = Noise::shared();
        let line = |texture, first: usize, length| {
            let mut greys = vec![1.0_f32; length];
            noise.texture(5, 0.1, Corner { fine: 0, coarse: 0, texture }, first, &mut greys);
            greys
        };
        assert_eq!(line(9, 0, 2000)[700..], line(9, 700, 1300));
        assert_ne!(line(9, 0, 100), line(9_000, 0, 100));
        let long = line(9, 0, 6000);
        let mean = long.iter().sum::<f32>() / 6000.0;
        let deviation = (long.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 6000.0).sqrt();
        assert!((0.05..0.16).contains(&deviation), "{deviation}");
    }
}
