//! One figure with its n and interval, or the reason that there is none.

/// How an interval was made; always two-sided, 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// Wilson's score interval.
    Wilson,
    /// Percentiles of a seeded bootstrap over cases.
    Bootstrap,
    /// Normal interval with the Fleiss-Cohen-Everitt standard error.
    FleissCohenEveritt,
    /// Newcombe's square-and-add interval for paired proportions.
    NewcombePaired,
    /// Logit of the Begg-Greenes estimate.
    BeggGreenesLogit,
}

impl IntervalMethod {
    /// Name shown on pages.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Wilson => "Wilson",
            Self::Bootstrap => "bootstrap",
            Self::FleissCohenEveritt => "Fleiss-Cohen-Everitt",
            Self::NewcombePaired => "Newcombe paired",
            Self::BeggGreenesLogit => "Begg-Greenes, logit",
        }
    }
}

/// A value with its n and interval, or why there is none. Never a number that is not finite.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Figure {
    /// Enough cases.
    Known {
        /// The estimate.
        value: f64,
        /// Lower end of the two-sided 95 % interval.
        low: f64,
        /// Upper end.
        high: f64,
        /// Cases that it rests on.
        n: u64,
        /// How the interval was made.
        method: IntervalMethod,
    },
    /// Fewer cases than the settings ask for.
    NotEnoughCases {
        /// Cases that there are.
        n: u64,
        /// Cases that are needed.
        needed: u64,
    },
    /// Enough cases, but the formula divides by zero (for kappa: both always say the same one thing).
    Undefined {
        /// Cases that there are.
        n: u64,
    },
}

impl Figure {
    /// A figure out of an estimate and its interval; `Undefined` where a number is not finite.
    pub(super) fn new(value: f64, interval: (f64, f64), n: u64, method: IntervalMethod) -> Self {
        let (low, high) = interval;
        if value.is_finite() && low.is_finite() && high.is_finite() {
            Figure::Known { value, low, high, n, method }
        } else {
            Figure::Undefined { n }
        }
    }

    /// The figure, unless `n` is under `needed`.
    pub(super) fn gated(n: u64, needed: u64, figure: impl FnOnce() -> Figure) -> Self {
        if n < needed.max(1) { Figure::NotEnoughCases { n, needed } } else { figure() }
    }

    /// The estimate, where there is one.
    pub fn value(&self) -> Option<f64> {
        match self {
            Figure::Known { value, .. } => Some(*value),
            Figure::NotEnoughCases { .. } | Figure::Undefined { .. } => None,
        }
    }

    /// The two-sided 95 % interval, where there is one.
    pub fn interval(&self) -> Option<(f64, f64)> {
        match self {
            Figure::Known { low, high, .. } => Some((*low, *high)),
            Figure::NotEnoughCases { .. } | Figure::Undefined { .. } => None,
        }
    }

    /// Cases that it rests on.
    pub fn n(&self) -> u64 {
        match self {
            Figure::Known { n, .. } | Figure::NotEnoughCases { n, .. } | Figure::Undefined { n } => *n,
        }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Figure::Known { value, low, high, n, .. } => {
                write!(f, "{value:.3} ({low:.3} to {high:.3}), n = {n}")
            }
            Figure::NotEnoughCases { n, needed } => write!(f, "not enough cases ({n} of {needed} needed)"),
            Figure::Undefined { n } => write!(f, "can't be computed from these cases (n = {n})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_without_enough_cases_says_so_instead_of_a_number() {
        let figure = Figure::gated(3, 30, || panic!("computed"));
        assert_eq!(figure.value(), None);
        assert_eq!(figure.to_string(), "not enough cases (3 of 30 needed)");
    }

    #[test]
    fn a_number_that_is_not_finite_is_never_shown() {
        let figure = Figure::new(f64::NAN, (0.0, 1.0), 40, IntervalMethod::Wilson);
        assert_eq!(figure, Figure::Undefined { n: 40 });
        assert_eq!(serde_json::to_string(&figure).unwrap(), r#"{"state":"undefined","n":40}"#);
    }
}
