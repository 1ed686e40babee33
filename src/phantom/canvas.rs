//! A grey picture under construction, with the few brushes that anatomy needs.
//!
//! In: shapes in the picture's own units. Out: samples. Must never hold anything about medicine.

use super::draws::{Draws, mix};

/// A grey picture of 32-bit samples.
#[derive(Debug, Clone)]
pub struct Canvas {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row.
    pub samples: Vec<f32>,
}

/// How a picture's own units lie on its pixels: `column = (x - left) * per_unit`, the same for rows.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// x of the left edge.
    pub left: f32,
    /// y of the top edge.
    pub top: f32,
    /// Pixels per unit.
    pub per_unit: f32,
}

impl Frame {
    /// Centre of a pixel, in units.
    pub fn at(&self, column: usize, row: usize) -> (f32, f32) {
        ((column as f32 + 0.5) / self.per_unit + self.left, (row as f32 + 0.5) / self.per_unit + self.top)
    }
    /// Pixel position of a point.
    pub fn pixel(&self, x: f32, y: f32) -> (f32, f32) {
        ((x - self.left) * self.per_unit - 0.5, (y - self.top) * self.per_unit - 0.5)
    }
}

/// One point of a stroke: place and half width, in units.
#[derive(Debug, Clone, Copy)]
pub struct Nib {
    pub x: f32,
    pub y: f32,
    pub half_width: f32,
}

/// Cross-section of a stroke.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Profile {
    /// A round solid thread: a vessel.
    Rod,
    /// A tube with a dense wall: a bone.
    Tube,
    /// Soft, without an edge.
    Soft,
}

impl Profile {
    /// Opacity at `q` half widths from the axis.
    fn at(self, q: f32) -> f32 {
        match self {
            Profile::Rod => (1.0 - q * q).max(0.0).sqrt(),
            Profile::Tube => {
                let outer = (1.0 - q * q).max(0.0).sqrt();
                let inner = (0.80 - q * q).max(0.0).sqrt();
                // The edge of a tube is where a ray runs longest through its wall.
                (1.55 * outer - 1.05 * inner) * smooth(1.0, 0.9, q)
            }
            Profile::Soft => {
                let s = (1.0 - q * q).max(0.0);
                s * s
            }
        }
    }
}

impl Canvas {
    /// A picture filled with one value.
    pub fn new(width: usize, height: usize, value: f32) -> Self {
        Self { width, height, samples: vec![value; width * height] }
    }

    /// Draws a stroke through points; where strokes cross, the denser one counts.
    pub fn stroke(&mut self, frame: Frame, nibs: &[Nib], opacity: f32, profile: Profile) {
        for pair in nibs.windows(2) {
            let [a, b] = pair else { continue };
            let reach = a.half_width.max(b.half_width);
            let (left, top) = frame.pixel(a.x.min(b.x) - reach, a.y.min(b.y) - reach);
            let (right, bottom) = frame.pixel(a.x.max(b.x) + reach, a.y.max(b.y) + reach);
            let (dx, dy) = (b.x - a.x, b.y - a.y);
            let length = (dx * dx + dy * dy).max(1e-12);
            // A thread thinner than a pixel still throws its share of shadow.
            let least = 0.6 / frame.per_unit;
            for row in clamp(top.floor(), self.height)..clamp(bottom.ceil() + 1.0, self.height) {
                for column in clamp(left.floor(), self.width)..clamp(right.ceil() + 1.0, self.width) {
                    let (x, y) = frame.at(column, row);
                    let t = (((x - a.x) * dx + (y - a.y) * dy) / length).clamp(0.0, 1.0);
                    let (ex, ey) = (x - a.x - t * dx, y - a.y - t * dy);
                    let half = a.half_width + (b.half_width - a.half_width) * t;
                    let shown = half.max(least);
                    let q2 = (ex * ex + ey * ey) / (shown * shown);
                    if q2 < 1.0 {
                        let value = opacity * profile.at(q2.sqrt()) * (half / shown);
                        let sample = &mut self.samples[row * self.width + column];
                        *sample = sample.max(value);
                    }
                }
            }
        }
    }

    /// Left becomes right.
    pub fn mirror(&mut self) {
        for row in self.samples.chunks_exact_mut(self.width) {
            row.reverse();
        }
    }

    /// Bilinear sample at a pixel position; the edge is continued outwards.
    pub fn sample(&self, column: f32, row: f32) -> f32 {
        let column = column.clamp(0.0, (self.width - 1) as f32);
        let row = row.clamp(0.0, (self.height - 1) as f32);
        // Through i32, which processors convert at once; a position is within it.
        let (c, r) = (column as i32 as usize, row as i32 as usize);
        let (fc, fr) = (column - c as f32, row - r as f32);
        let (c1, r1) = ((c + 1).min(self.width - 1), (r + 1).min(self.height - 1));
        let line = |r: usize| &self.samples[r * self.width..(r + 1) * self.width];
        let (upper, lower) = (line(r), line(r1));
        let above = upper[c] + (upper[c1] - upper[c]) * fc;
        let below = lower[c] + (lower[c1] - lower[c]) * fc;
        above + (below - above) * fr
    }

    /// Power-law noise, mean about 0, deviation about 1: built from coarse to fine, each level doubled in size
    /// by a smooth kernel and topped up with white noise, so that it costs a constant per pixel.
    ///
    /// `persistence` is the amplitude of a level against the coarser one: 0.5 gives a spectrum of about 1/f^4 in
    /// power (2 octaves down, smooth), 0.7 about 1/f^3 (breast tissue, Burgess 2001), 1.0 about 1/f^2.
    pub fn noise(
        width: usize,
        height: usize,
        coarse_pixels: usize,
        persistence: f32,
        draws: &mut Draws,
    ) -> Self {
        let mut levels = 0;
        while (1usize << levels) < coarse_pixels {
            levels += 1;
        }
        let size = |level: usize| ((width >> level) + 3, (height >> level) + 3);
        let (w, h) = size(levels);
        let mut amplitude = 1.0_f32;
        let mut total = 1.0_f32;
        let mut key = draws.next();
        let mut now = Canvas { width: w, height: h, samples: (0..w * h).map(|i| white(key, i)).collect() };
        for level in (0..levels).rev() {
            amplitude *= persistence;
            // Smoothing on the way up takes about a third of the deviation of the newest level.
            total = total * 0.82 + amplitude * amplitude;
            let (w, h) = size(level);
            key = mix(key ^ 0x5bd1);
            now = now.doubled(w, h, amplitude, key);
        }
        let scale = 1.0 / total.sqrt();
        let mut out = Canvas { width, height, samples: Vec::with_capacity(width * height) };
        for row in 0..height {
            let start = (row + 1) * now.width + 1;
            out.samples.extend(now.samples[start..start + width].iter().map(|s| s * scale));
        }
        out
    }

    /// Twice the size (quadratic B-spline weights 3/4 and 1/4), with white noise on top.
    fn doubled(&self, width: usize, height: usize, amplitude: f32, key: u64) -> Canvas {
        let mut out = Canvas::new(width, height, 0.0);
        // With its edges once more at both ends, so that every parent has two neighbours.
        let mut blended = vec![0.0_f32; self.width + 2];
        for (row, line) in out.samples.chunks_exact_mut(width).enumerate() {
            let (near, far) = halves(row, self.height);
            let near = &self.samples[near * self.width..(near + 1) * self.width];
            let far = &self.samples[far * self.width..(far + 1) * self.width];
            for ((b, n), f) in blended[1..].iter_mut().zip(near).zip(far) {
                *b = 0.75 * n + 0.25 * f;
            }
            blended[0] = blended[1];
            blended[self.width + 1] = blended[self.width];
            let mut at = row * width;
            for (two, three) in line.chunks_mut(2).zip(blended.windows(3)) {
                for (child, far) in two.iter_mut().zip([three[0], three[2]]) {
                    *child = 0.75 * three[1] + 0.25 * far + amplitude * white(key, at);
                    at += 1;
                }
            }
        }
        out
    }
}

/// A picture at another size, bilinear, row by row.
pub struct Rows<'a> {
    canvas: &'a Canvas,
    scale_y: f32,
    columns: Vec<(u32, f32)>,
}

impl<'a> Rows<'a> {
    /// Reads `canvas` as if it had that size.
    pub fn new(canvas: &'a Canvas, width: usize, height: usize) -> Self {
        let scale = canvas.width as f32 / width as f32;
        let columns = (0..width)
            .map(|c| {
                let at = ((c as f32 + 0.5) * scale - 0.5).clamp(0.0, (canvas.width - 1) as f32);
                // The last column is reached from the one before it.
                let left = (at as usize).min(canvas.width.saturating_sub(2));
                (left as u32, at - left as f32)
            })
            .collect();
        Self { canvas, scale_y: canvas.height as f32 / height as f32, columns }
    }

    /// Writes one row to `out`, and says from where to where it is not black; the rest of `out` is left as it is.
    pub fn enlarged(&self, row: usize, blended: &mut [f32], out: &mut [f32]) -> std::ops::Range<usize> {
        let (width, height) = (self.canvas.width, self.canvas.height);
        let at = ((row as f32 + 0.5) * self.scale_y - 0.5).clamp(0.0, (height - 1) as f32);
        let (r0, r1, f) = (at as usize, (at as usize + 1).min(height - 1), at.fract());
        let above = &self.canvas.samples[r0 * width..(r0 + 1) * width];
        let below = &self.canvas.samples[r1 * width..(r1 + 1) * width];
        for ((b, a), z) in blended.iter_mut().zip(above).zip(below) {
            *b = a + (z - a) * f;
        }
        let Some(first) = blended.iter().position(|b| *b > 0.0) else { return 0..0 };
        let last = blended.iter().rposition(|b| *b > 0.0).unwrap_or(first);
        let start = self.columns.partition_point(|(left, _)| (*left as usize) + 1 < first);
        let end = self.columns.partition_point(|(left, _)| *left as usize <= last);
        let steps: Vec<f32> = blended.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for (o, (left, part)) in out[start..end].iter_mut().zip(&self.columns[start..end]) {
            let left = *left as usize;
            *o = blended[left] + steps[left] * part;
        }
        start..end
    }
}

/// The nearer and the farther parent of a sample.
fn halves(index: usize, parents: usize) -> (usize, usize) {
    let near = (index / 2).min(parents - 1);
    let far = if index.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(parents - 1) };
    (near, far)
}

/// White noise of deviation 1, nearly normal, by hashing a position.
pub fn white(key: u64, index: usize) -> f32 {
    let z = mix(key.wrapping_add((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let sum = (z & 0xffff) + ((z >> 16) & 0xffff) + ((z >> 32) & 0xffff) + (z >> 48);
    // Through i32, which processors convert at once; the sum is within 18 bits.
    (sum as i32 as f32 - 131_070.0) / 37_837.0
}

fn clamp(at: f32, size: usize) -> usize {
    (at.max(0.0) as usize).min(size)
}

/// 0 at `from`, 1 at `to`, smooth between; runs downwards where `from` is above `to`.
pub fn smooth(from: f32, to: f32, at: f32) -> f32 {
    let t = ((at - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A smooth curve through points, sampled `steps` times per gap (Catmull-Rom).
pub fn curve(points: &[(f32, f32)], steps: usize) -> Vec<(f32, f32)> {
    let mut out = Vec::with_capacity(points.len() * steps);
    let last = points.len().saturating_sub(1);
    for i in 0..last {
        let (p0, p1) = (points[i.saturating_sub(1)], points[i]);
        let (p2, p3) = (points[i + 1], points[(i + 2).min(last)]);
        for step in 0..steps {
            let t = step as f32 / steps as f32;
            let blend = |a: f32, b: f32, c: f32, d: f32| {
                0.5 * (2.0 * b
                    + (c - a) * t
                    + (2.0 * a - 5.0 * b + 4.0 * c - d) * t * t
                    + (3.0 * b - a - 3.0 * c + d) * t * t * t)
            };
            out.push((blend(p0.0, p1.0, p2.0, p3.0), blend(p0.1, p1.1, p2.1, p3.1)));
        }
    }
    out.extend(points.last());
    out
}

/// A stroke of even width along points.
pub fn even(points: &[(f32, f32)], half_width: f32) -> Vec<Nib> {
    points.iter().map(|&(x, y)| Nib { x, y, half_width }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_mean_0_and_deviation_about_1_at_any_size() {
        for (width, height, coarse, persistence) in
            [(400, 300, 64, 0.7), (257, 511, 128, 0.5), (64, 64, 8, 1.0)]
        {
            let noise = Canvas::noise(width, height, coarse, persistence, &mut Draws::new(3, "test"));
            assert_eq!(noise.samples.len(), width * height);
            let n = noise.samples.len() as f32;
            let mean = noise.samples.iter().sum::<f32>() / n;
            let deviation = (noise.samples.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
            assert!(mean.abs() < 0.6 && (0.5..1.5).contains(&deviation), "{mean} {deviation}");
        }
    }

    #[test]
    fn a_curve_goes_through_its_points() {
        let points = [(0.0, 0.0), (1.0, 2.0), (3.0, 1.0)];
        let curve = curve(&points, 10);
        assert_eq!((curve[0], curve[10], curve[20]), (points[0], points[1], points[2]));
    }
}
