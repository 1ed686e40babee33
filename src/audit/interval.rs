//! Intervals for one proportion and for the difference of two paired proportions; all two-sided, 95 %.

use statrs::distribution::{Beta, ContinuousCDF};

/// The 97.5 % point of the standard normal distribution.
pub(super) const Z: f64 = 1.959_963_984_540_054;
/// Probability left out on each side.
const TAIL: f64 = 0.025;

#[expect(clippy::cast_precision_loss, reason = "counts stay far under 2^53")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

/// Wilson's score interval for `hits` of `n` (Wilson 1927; Newcombe 1998, method 3); (0, 1) where `n` is 0.
///
/// ```
/// // Newcombe RG. Stat Med 1998;17:857-872, table I: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611.
/// let (low, high) = doubleread::audit::wilson(81, 263);
/// assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5);
/// let (low, high) = doubleread::audit::wilson(0, 20);
/// assert!(low == 0.0 && (high - 0.1611).abs() < 5e-5);
/// ```
pub fn wilson(hits: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (x, total) = (real(hits.min(n)), real(n));
    let p = x / total;
    let middle = x + Z * Z / 2.0;
    let half = Z * (total * p * (1.0 - p) + Z * Z / 4.0).sqrt();
    let denominator = total + Z * Z;
    // At the ends the interval is exact; the subtraction would leave a rounding error.
    let low = if hits == 0 { 0.0 } else { (middle - half) / denominator };
    let high = if hits >= n { 1.0 } else { (middle + half) / denominator };
    (low, high)
}

/// The exact interval of Clopper and Pearson (1934) for `hits` of `n`; (0, 1) where `n` is 0.
///
/// ```
/// // Newcombe RG. Stat Med 1998;17:857-872, table I, method 5: 81 of 263 gives 0.2527 to 0.3676.
/// let (low, high) = doubleread::audit::clopper_pearson(81, 263);
/// assert!((low - 0.2527).abs() < 5e-5 && (high - 0.3676).abs() < 5e-5);
/// ```
pub fn clopper_pearson(hits: u64, n: u64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let hits = hits.min(n);
    let (x, total) = (real(hits), real(n));
    let quantile = |a: f64, b: f64, p: f64| {
        Beta::new(a, b).expect("both shapes are at least 1 where this is called").inverse_cdf(p)
    };
    let low = if hits == 0 {
        0.0
    } else if hits == n {
        TAIL.powf(1.0 / total)
    } else {
        quantile(x, total - x + 1.0, TAIL)
    };
    let high = if hits == n {
        1.0
    } else if hits == 0 {
        1.0 - TAIL.powf(1.0 / total)
    } else {
        quantile(x + 1.0, total - x, 1.0 - TAIL)
    };
    (low, high)
}

/// Interval of `(b - c) / n` for paired proportions (Newcombe 1998, method 10), for the table
/// a both positive, b first only, c second only, d both negative; (-1, 1) where the table is empty.
///
/// ```
/// // Newcombe RG. Stat Med 1998;17:2635-2650, table II: 36, 12, 2, 0 gives 0.2000, 0.0569 to 0.3404.
/// let (low, high) = doubleread::audit::newcombe_paired(36, 12, 2, 0);
/// assert!((low - 0.0569).abs() < 5e-5 && (high - 0.3404).abs() < 5e-5);
/// ```
pub fn newcombe_paired(a: u64, b: u64, c: u64, d: u64) -> (f64, f64) {
    let n = a + b + c + d;
    if n == 0 {
        return (-1.0, 1.0);
    }
    let (p1, p2) = (real(a + b) / real(n), real(a + c) / real(n));
    let (l1, u1) = wilson(a + b, n);
    let (l2, u2) = wilson(a + c, n);
    let phi = paired_correlation(real(a), real(b), real(c), real(d));
    let below = ((p1 - l1).powi(2) - 2.0 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2).powi(2)).max(0.0).sqrt();
    let above = ((u1 - p1).powi(2) - 2.0 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2).powi(2)).max(0.0).sqrt();
    let difference = p1 - p2;
    (difference - below, difference + above)
}

/// The correlation of method 10: a positive cross product is reduced by n/2, not under zero.
fn paired_correlation(a: f64, b: f64, c: f64, d: f64) -> f64 {
    let margins = (a + b) * (c + d) * (a + c) * (b + d);
    if margins <= 0.0 {
        return 0.0;
    }
    let cross = a * d - b * c;
    let corrected = if cross > 0.0 { (cross - (a + b + c + d) / 2.0).max(0.0) } else { cross };
    corrected / margins.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_85_in_1000_has_the_wilson_interval_of_the_design() {
        let (low, high) = wilson(85, 1000);
        assert!((low - 0.0693).abs() < 5e-5 && (high - 0.1039).abs() < 5e-5, "{low} {high}");
    }

    #[test]
    fn the_exact_interval_of_one_in_450_is_that_of_the_design() {
        let (low, high) = clopper_pearson(1, 450);
        assert!((low - 0.0001).abs() < 5e-5 && (high - 0.0123).abs() < 5e-5, "{low} {high}");
    }

    #[test]
    fn with_no_miss_seen_the_upper_miss_rate_follows_n() {
        assert!((clopper_pearson(0, 300).1 - 0.0122).abs() < 5e-5);
        assert!((clopper_pearson(0, 3000).1 - 0.00123).abs() < 5e-6);
    }

    proptest::proptest! {
        #[test]
        fn an_interval_holds_its_estimate_and_stays_in_range(n in 1_u64..5_000, part in 0.0_f64..=1.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test value in range")]
            let hits = (part * real(n)) as u64;
            let p = real(hits) / real(n);
            for (low, high) in [wilson(hits, n), clopper_pearson(hits, n)] {
                proptest::prop_assert!(0.0 <= low && low <= p + 1e-9 && p <= high + 1e-9 && high <= 1.0);
            }
        }
        #[test]
        fn a_paired_difference_lies_in_its_interval(
            a in 0_u64..400, b in 0_u64..400, c in 0_u64..400, d in 1_u64..400,
        ) {
            let difference = (real(b) - real(c)) / real(a + b + c + d);
            let (low, high) = newcombe_paired(a, b, c, d);
            proptest::prop_assert!(-1.0 - 1e-9 <= low && low <= difference + 1e-9);
            proptest::prop_assert!(difference <= high + 1e-9 && high <= 1.0 + 1e-9);
        }
    }
}
