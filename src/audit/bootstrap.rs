//! Seeded bootstrap over the cases of a 2x2 table.
//!
//! Resampling n cases of a table is one multinomial draw, made of three binomial draws. Each binomial draw costs
//! a few dozen random numbers however many cases there are, so that a million cases cost no more than a hundred.

use super::interval::real;

/// A generator of our own, so that the same seed gives the same figure after every update
/// (SplitMix64; Steele, Lea and Flood 2014).
pub(super) struct Generator(u64);

impl Generator {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Uniform in the open interval (0, 1).
    fn uniform(&mut self) -> f64 {
        (real(self.bits() >> 12) + 0.5) / real(1 << 52)
    }
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
    /// Gamma with a shape of at least 1 (Marsaglia and Tsang 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
    /// Binomial by halving: the middle order statistic of n uniform numbers is a beta draw, and tells how many lie
    /// on one side of it (Devroye 1986, X.4.3).
    fn binomial(&mut self, mut n: u64, mut p: f64) -> u64 {
        let mut hits = 0;
        while n > 16 {
            let i = n / 2 + 1;
            let (x, y) = (self.gamma(real(i)), self.gamma(real(n + 1 - i)));
            let middle = x / (x + y);
            if middle <= p {
                hits += i;
                n -= i;
                p = ((p - middle) / (1.0 - middle)).clamp(0.0, 1.0);
            } else {
                n = i - 1;
                p = (p / middle).clamp(0.0, 1.0);
            }
        }
        for _ in 0..n {
            hits += u64::from(self.uniform() < p);
        }
        hits
    }
    /// One resample of the four cells.
    pub(super) fn resample(&mut self, cells: [u64; 4]) -> [u64; 4] {
        let mut left: u64 = cells.iter().sum();
        let mut weight = left;
        cells.map(|cell| {
            let draw = if weight == 0 { 0 } else { self.binomial(left, real(cell) / real(weight)) };
            left -= draw;
            weight -= cell;
            draw
        })
    }
}

/// The 2.5 % and 97.5 % points of `statistic` over resamples; resamples without a value are left out.
/// Not a number where hardly any resample has one.
pub(super) fn percentile_interval(
    cells: [u64; 4],
    resamples: u32,
    seed: u64,
    statistic: impl Fn([u64; 4]) -> f64,
) -> (f64, f64) {
    let mut generator = Generator::seeded(seed);
    let mut values: Vec<f64> = (0..resamples)
        .map(|_| statistic(generator.resample(cells)))
        .filter(|value| value.is_finite())
        .collect();
    values.sort_by(f64::total_cmp);
    (quantile(&values, 0.025), quantile(&values, 0.975))
}

/// Linear interpolation between order statistics; `values` ascend.
fn quantile(values: &[f64], p: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let place = p * real(last as u64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the last index"
    )]
    let below = place.floor() as usize;
    let low = values.get(below).copied().unwrap_or(f64::NAN);
    let high = values.get((below + 1).min(last)).copied().unwrap_or(f64::NAN);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resample_keeps_n_and_the_empty_cells() {
        let mut generator = Generator::seeded(1);
        for _ in 0..200 {
            let cells = generator.resample([60, 0, 15, 900]);
            assert_eq!(cells.iter().sum::<u64>(), 975);
            assert_eq!(cells[1], 0);
        }
    }

    #[test]
    fn binomial_draws_have_the_mean_and_variance_of_the_binomial() {
        let mut generator = Generator::seeded(7);
        for (n, p) in [(10_u64, 0.3), (1_000, 0.085), (1_000_000, 0.5)] {
            let draws: Vec<f64> = (0..4_000).map(|_| real(generator.binomial(n, p))).collect();
            let mean = draws.iter().sum::<f64>() / 4_000.0;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 3_999.0;
            let (mu, sigma2) = (real(n) * p, real(n) * p * (1.0 - p));
            // Four standard errors of the mean, and the like for the variance.
            assert!((mean - mu).abs() < 4.0 * (sigma2 / 4_000.0).sqrt(), "n={n} p={p} mean={mean}");
            assert!(
                (variance / sigma2 - 1.0).abs() < 4.0 * (2.0_f64 / 4_000.0).sqrt(),
                "n={n} p={p} {variance}"
            );
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let rate = |[a, b, c, d]: [u64; 4]| real(a) / real(a + b + c + d);
        let once = percentile_interval([60, 25, 15, 900], 500, 3, rate);
        assert_eq!(once, percentile_interval([60, 25, 15, 900], 500, 3, rate));
        assert!(once.0 < 0.06 && 0.06 < once.1);
    }
}
