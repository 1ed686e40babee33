//! Inverse DCT of one block in single precision: the factorisation of Arai, Agui and Nakajima (1988), whose scale
//! factors go into the quantisation table. Exact to far less than one level at 12 bits.

/// Quantisation numbers times the scale factors of rows and columns.
pub(super) fn scaled(quantisation: &[u16; 64]) -> [f32; 64] {
    const SCALE: [f64; 8] =
        [1.0, 1.387_039_845, 1.306_562_965, 1.175_875_602, 1.0, 0.785_694_958, 0.541_196_100, 0.275_899_379];
    let mut table = [0.0; 64];
    for (at, (to, from)) in table.iter_mut().zip(quantisation).enumerate() {
        *to = (f64::from(*from) * SCALE[at / 8] * SCALE[at % 8] / 8.0) as f32;
    }
    table
}

/// Samples about zero, row by row, of coefficients in natural order.
pub(super) fn inverse(coefficients: &[i16; 64], scaled: &[f32; 64]) -> [f32; 64] {
    let mut block = [0.0_f32; 64];
    for ((to, from), scale) in block.iter_mut().zip(coefficients).zip(scaled) {
        *to = f32::from(*from) * scale;
    }
    for column in 0..8 {
        one_dimension(&mut block, column, 8);
    }
    for row in 0..8 {
        one_dimension(&mut block, row * 8, 1);
    }
    block
}

#[inline(always)]
fn one_dimension(block: &mut [f32; 64], start: usize, step: usize) {
    // `start` and `step` only take the values of the two loops above, so that every place is below 64.
    let at = |i: usize| start + i * step;
    const SQRT_2: f32 = std::f32::consts::SQRT_2;
    let (c0, c2, c4, c6) = (block[at(0)], block[at(2)], block[at(4)], block[at(6)]);
    let (even_sum, even_difference) = (c0 + c4, c0 - c4);
    let inner = c2 + c6;
    let outer = (c2 - c6) * SQRT_2 - inner;
    let (e0, e3) = (even_sum + inner, even_sum - inner);
    let (e1, e2) = (even_difference + outer, even_difference - outer);

    let (c1, c3, c5, c7) = (block[at(1)], block[at(3)], block[at(5)], block[at(7)]);
    let (z13, z10, z11, z12) = (c5 + c3, c5 - c3, c1 + c7, c1 - c7);
    let o7 = z11 + z13;
    let middle = (z11 - z13) * SQRT_2;
    let z5 = (z10 + z12) * 1.847_759_1;
    let low = z5 - z12 * 1.082_392_2;
    let high = z5 - z10 * 2.613_125_9;
    let o6 = high - o7;
    let o5 = middle - o6;
    let o4 = low - o5;

    block[at(0)] = e0 + o7;
    block[at(7)] = e0 - o7;
    block[at(1)] = e1 + o6;
    block[at(6)] = e1 - o6;
    block[at(2)] = e2 + o5;
    block[at(5)] = e2 - o5;
    block[at(3)] = e3 + o4;
    block[at(4)] = e3 - o4;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition (A.3.3), term by term.
    fn by_definition(coefficients: &[i16; 64], x: usize, y: usize) -> f64 {
        let scale = |k: usize| if k == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
        let wave = |at: usize, k: usize| (((2 * at + 1) * k) as f64 * std::f64::consts::PI / 16.0).cos();
        (0..64)
            .map(|i| {
                let (u, v) = (i % 8, i / 8);
                scale(u) * scale(v) * f64::from(coefficients[i]) * wave(x, u) * wave(y, v) / 4.0
            })
            .sum()
    }

    #[test]
    fn the_fast_transform_is_the_definition() {
        let mut coefficients = [0_i16; 64];
        for (i, c) in coefficients.iter_mut().enumerate() {
            *c = ((i * 7919 + 13) % 401) as i16 - 200;
        }
        let fast = inverse(&coefficients, &scaled(&[1; 64]));
        for y in 0..8 {
            for x in 0..8 {
                let exact = by_definition(&coefficients, x, y);
                assert!((f64::from(fast[y * 8 + x]) - exact).abs() < 1e-2, "at {x}, {y}");
            }
        }
    }
}
