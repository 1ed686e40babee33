//! McNemar's test on the two discordant cells.

use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF};

use super::interval::real;

/// Whether one of two raters calls positive more often than the other.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct McNemar {
    /// Cases that only the AI called positive.
    pub ai_only: u64,
    /// Cases that only the human called positive.
    pub human_only: u64,
    /// Two-sided exact binomial p.
    pub exact_p: f64,
    /// Chi-squared with continuity correction (Edwards 1948), one degree of freedom.
    pub corrected_chi_squared: f64,
    /// Its p.
    pub corrected_p: f64,
}

impl McNemar {
    /// The test for `b` cases that only the first and `c` that only the second called positive.
    ///
    /// ```
    /// // AUDIT: b = 25, c = 15 gives an exact p of 0.1539 and a corrected chi-squared of 2.0250.
    /// let test = doubleread::audit::McNemar::of(25, 15);
    /// assert!((test.exact_p - 0.1539).abs() < 5e-5);
    /// assert!((test.corrected_chi_squared - 2.0250).abs() < 5e-5);
    /// ```
    pub fn of(b: u64, c: u64) -> Self {
        let n = b + c;
        let (exact_p, corrected_chi_squared) = if n == 0 {
            (1.0, 0.0)
        } else {
            let half = Binomial::new(0.5, n).expect("a probability of one half");
            let difference = (real(b.abs_diff(c)) - 1.0).max(0.0);
            ((2.0 * half.cdf(b.min(c))).min(1.0), difference * difference / real(n))
        };
        let corrected_p =
            1.0 - ChiSquared::new(1.0).expect("one degree of freedom").cdf(corrected_chi_squared);
        Self { ai_only: b, human_only: c, exact_p, corrected_chi_squared, corrected_p }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_discordant_case_is_no_evidence() {
        let test = McNemar::of(0, 0);
        assert_eq!((test.exact_p, test.corrected_chi_squared, test.corrected_p), (1.0, 0.0, 1.0));
    }

    #[test]
    fn six_against_none_has_the_sign_test_p() {
        assert!((McNemar::of(6, 0).exact_p - 0.031_25).abs() < 1e-12);
        assert!((McNemar::of(3, 3).exact_p - 1.0).abs() < 1e-12);
    }
}
