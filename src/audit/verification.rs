//! Verification bias: what sensitivity can be said to be when few AI-normal cases get a second look.
//!
//! Concordant normals get no second read, so sensitivity over verified cases is far too high. The counts are of
//! AI-positive (1) and AI-negative (0) cases: N seen, V verified, D with disease among the verified. The V of the
//! AI-negative cases must come from the random sample (PATHWAYS R16), or these formulas do not hold.

use super::interval::{Z, real};
use super::{AuditError, Figure, IntervalMethod, Settings, clopper_pearson};

/// Counts of one stratum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VerificationCounts {
    /// AI-positive cases (N1).
    pub positive: u64,
    /// Verified among them (V1).
    pub positive_verified: u64,
    /// Diseased among those (D1).
    pub positive_diseased: u64,
    /// AI-negative cases (N0).
    pub negative: u64,
    /// Verified among them (V0).
    pub negative_verified: u64,
    /// Diseased among those (D0).
    pub negative_diseased: u64,
}

/// Where sensitivity may lie given the exact interval of the miss rate D0/V0.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct VerificationBounds {
    /// Exact two-sided 95 % interval of the share diseased among verified AI-negative cases.
    pub miss_rate: (f64, f64),
    /// Sensitivity at the upper and at the lower end of it.
    pub sensitivity: (f64, f64),
    /// AI-negative cases that were verified.
    pub n: u64,
}

impl std::fmt::Display for VerificationBounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ((low_miss, high_miss), (low, high)) = (self.miss_rate, self.sensitivity);
        write!(
            f,
            "of {} AI-normal cases that were looked at again, the share missed lies between {:.2} % and {:.2} %, \
             so sensitivity lies between {low:.3} and {high:.3}",
            self.n,
            100.0 * low_miss,
            100.0 * high_miss
        )
    }
}

impl VerificationCounts {
    /// Checks that diseased are at most verified, and verified at most seen.
    pub fn checked(self) -> Result<Self, AuditError> {
        let nested = |n: u64, v: u64, d: u64| d <= v && v <= n;
        if !nested(self.positive, self.positive_verified, self.positive_diseased)
            || !nested(self.negative, self.negative_verified, self.negative_diseased)
        {
            return Err(AuditError::ImpossibleCounts(
                "more verified than seen, or more diseased than verified",
            ));
        }
        Ok(self)
    }

    /// Sensitivity over verified cases only: what a naive reading gives. For teaching, never for reporting.
    pub fn naive_sensitivity(&self) -> f64 {
        real(self.positive_diseased) / real(self.positive_diseased + self.negative_diseased)
    }

    /// Specificity over verified cases only.
    pub fn naive_specificity(&self) -> f64 {
        let (well1, well0) = self.verified_well();
        well0 / (well0 + well1)
    }

    fn verified_well(&self) -> (f64, f64) {
        (
            real(self.positive_verified) - real(self.positive_diseased),
            real(self.negative_verified) - real(self.negative_diseased),
        )
    }

    /// phi = N1/N, and the diseased share among verified positives and negatives (g1, g0).
    fn shares(&self) -> (f64, f64, f64) {
        (
            real(self.positive) / real(self.positive + self.negative),
            real(self.positive_diseased) / real(self.positive_verified),
            real(self.negative_diseased) / real(self.negative_verified),
        )
    }

    /// Corrected sensitivity with its logit interval (Begg and Greenes 1983). `Undefined` where no miss was seen:
    /// use `bounds` then.
    ///
    /// ```
    /// use doubleread::audit::{Settings, VerificationCounts};
    /// // AUDIT: naive 0.9836, corrected 0.7500 (0.2941 to 0.9558).
    /// let counts = VerificationCounts { positive: 1000, positive_verified: 1000, positive_diseased: 60,
    ///     negative: 9000, negative_verified: 450, negative_diseased: 1 };
    /// let figure = counts.sensitivity(&Settings::default());
    /// let (low, high) = figure.interval().unwrap();
    /// assert!((counts.naive_sensitivity() - 0.9836).abs() < 5e-5);
    /// assert!((figure.value().unwrap() - 0.7500).abs() < 5e-5);
    /// assert!((low - 0.2941).abs() < 5e-5 && (high - 0.9558).abs() < 5e-5);
    /// ```
    pub fn sensitivity(&self, settings: &Settings) -> Figure {
        let (phi, g1, g0) = self.shares();
        let odds = phi * g1 / ((1.0 - phi) * g0);
        let variance = self.variance_of_phi()
            + (1.0 - g1) / (real(self.positive_verified) * g1)
            + (1.0 - g0) / (real(self.negative_verified) * g0);
        self.logit_figure(odds, variance, settings)
    }

    /// Corrected specificity with its logit interval (the same delta method on the other odds).
    pub fn specificity(&self, settings: &Settings) -> Figure {
        let (phi, g1, g0) = self.shares();
        let odds = (1.0 - phi) * (1.0 - g0) / (phi * (1.0 - g1));
        let variance = self.variance_of_phi()
            + g1 / (real(self.positive_verified) * (1.0 - g1))
            + g0 / (real(self.negative_verified) * (1.0 - g0));
        self.logit_figure(odds, variance, settings)
    }

    fn variance_of_phi(&self) -> f64 {
        let n = real(self.positive + self.negative);
        let phi = real(self.positive) / n;
        1.0 / (n * phi * (1.0 - phi))
    }

    fn logit_figure(&self, odds: f64, variance: f64, settings: &Settings) -> Figure {
        let n = self.positive_verified + self.negative_verified;
        Figure::gated(n, settings.minimum_cases, || {
            if !odds.is_finite() || odds <= 0.0 {
                return Figure::Undefined { n };
            }
            let share = |logit: f64| 1.0 / (1.0 + (-logit).exp());
            let (logit, half) = (odds.ln(), Z * variance.sqrt());
            let interval = (share(logit - half), share(logit + half));
            Figure::new(share(logit), interval, n, IntervalMethod::BeggGreenesLogit)
        })
    }

    /// Bounds of sensitivity over the Clopper-Pearson interval of D0/V0, for few or no misses seen;
    /// `None` where nothing was verified on one side or no disease was found at all.
    pub fn bounds(&self) -> Option<VerificationBounds> {
        if self.positive_verified == 0 || self.negative_verified == 0 || self.positive_diseased == 0 {
            return None;
        }
        let (low_miss, high_miss) = clopper_pearson(self.negative_diseased, self.negative_verified);
        let found = real(self.positive) * real(self.positive_diseased) / real(self.positive_verified);
        let at = |miss: f64| found / (found + real(self.negative) * miss);
        Some(VerificationBounds {
            miss_rate: (low_miss, high_miss),
            sensitivity: (at(high_miss), at(low_miss)),
            n: self.negative_verified,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: VerificationCounts = VerificationCounts {
        positive: 1000,
        positive_verified: 1000,
        positive_diseased: 60,
        negative: 9000,
        negative_verified: 450,
        negative_diseased: 1,
    };

    #[test]
    fn the_design_s_test_values_are_reproduced() {
        let s = Settings::default();
        assert!((COUNTS.naive_sensitivity() - 0.9836).abs() < 5e-5);
        assert!((COUNTS.naive_specificity() - 0.3233).abs() < 5e-5);
        let figure = COUNTS.sensitivity(&s);
        let (low, high) = figure.interval().unwrap();
        assert!((figure.value().unwrap() - 0.7500).abs() < 5e-5, "{figure}");
        assert!((low - 0.2941).abs() < 5e-5 && (high - 0.9558).abs() < 5e-5, "{low} {high}");
        assert!((COUNTS.specificity(&s).value().unwrap() - 0.9052).abs() < 5e-5);
        let bounds = COUNTS.bounds().unwrap();
        assert!((bounds.miss_rate.0 - 0.0001).abs() < 5e-5 && (bounds.miss_rate.1 - 0.0123).abs() < 5e-5);
        assert!((bounds.sensitivity.0 - 0.351).abs() < 5e-4, "{bounds}");
        assert!((bounds.sensitivity.1 - 0.992).abs() < 5e-4, "{bounds}");
    }

    #[test]
    fn with_no_miss_seen_there_is_a_bound_and_no_point_estimate() {
        let none = VerificationCounts { negative_diseased: 0, ..COUNTS };
        assert_eq!(none.sensitivity(&Settings::default()), Figure::Undefined { n: 1450 });
        let bounds = none.bounds().unwrap();
        assert_eq!(bounds.sensitivity.1, 1.0);
        assert!(bounds.sensitivity.0 < 0.6);
    }

    #[test]
    fn more_verified_than_seen_is_refused() {
        assert!(VerificationCounts { positive_verified: 1001, ..COUNTS }.checked().is_err());
        assert!(COUNTS.checked().is_ok());
    }
}
