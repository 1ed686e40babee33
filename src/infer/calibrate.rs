//! Numbers out of a graph to probabilities that mean something.
//!
//! In: the raw outputs of one image and how they are to be read. Out: numbers between 0
//! and 1, or the reason that there are none. Pure.

use serde::{Deserialize, Serialize};

/// What the numbers of the score output are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Probabilities already.
    Probabilities,
    /// One logit per label, each on its own: the logistic function makes the probability.
    Logits,
    /// One logit per class of which exactly one holds: softmax makes the probabilities.
    Softmax,
}

/// A probability further than this outside 0 to 1 is a fault of the model, nearer is rounding.
const ROUNDING: f64 = 1e-4;
/// Probabilities are held this far from 0 and 1 before their logit is taken.
const LOGIT_EDGE: f64 = 1e-7;

/// Why raw outputs are not scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoScore {
    /// One of them is not a number or infinite.
    NonFinite,
    /// One of them is said to be a probability and is not between 0 and 1.
    OutOfRange,
}

impl Activation {
    /// The probabilities of one image, one per label.
    pub fn apply(self, raw: &[f32]) -> Result<Vec<f64>, NoScore> {
        if raw.iter().any(|r| !r.is_finite()) {
            return Err(NoScore::NonFinite);
        }
        match self {
            Self::Probabilities => raw
                .iter()
                .map(|&r| {
                    let p = f64::from(r);
                    if (-ROUNDING..=1.0 + ROUNDING).contains(&p) {
                        Ok(p.clamp(0.0, 1.0))
                    } else {
                        Err(NoScore::OutOfRange)
                    }
                })
                .collect(),
            Self::Logits => Ok(raw.iter().map(|&r| logistic(f64::from(r))).collect()),
            Self::Softmax => {
                // Less the largest, so that no exponential overflows.
                let largest = raw.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let weights: Vec<f64> = raw.iter().map(|&r| f64::from(r - largest).exp()).collect();
                let sum: f64 = weights.iter().sum();
                Ok(weights.into_iter().map(|w| w / sum).collect())
            }
        }
    }
}

/// How a probability of the graph becomes one that was held against outcomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// Platt scaling: the logistic function of `a` times the logit of the probability, plus `b`.
    Platt {
        /// Slope; above zero, so that order is kept.
        a: f64,
        /// Offset.
        b: f64,
    },
    /// Isotonic regression: straight lines between points, level outside them.
    Isotonic {
        /// Probabilities of the graph, rising.
        x: Vec<f64>,
        /// Calibrated probabilities, not falling.
        y: Vec<f64>,
    },
}

impl Calibration {
    /// The calibrated probability.
    pub fn apply(&self, probability: f64) -> f64 {
        match self {
            Self::Platt { a, b } => {
                let p = probability.clamp(LOGIT_EDGE, 1.0 - LOGIT_EDGE);
                logistic(a * (p / (1.0 - p)).ln() + b)
            }
            Self::Isotonic { x, y } => {
                let points = x.iter().copied().zip(y.iter().copied());
                let below = points.clone().take_while(|(at, _)| *at <= probability).last();
                let above = points.into_iter().find(|(at, _)| *at > probability);
                match (below, above) {
                    (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (probability - x0) / (x1 - x0),
                    (Some((_, level)), None) | (None, Some((_, level))) => level,
                    (None, None) => probability,
                }
            }
        }
    }

    /// Checks that the table keeps order and stays between 0 and 1; the text says what is wrong.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Platt { a, b } if !a.is_finite() || !b.is_finite() || *a <= 0.0 => {
                Err("platt needs a finite a above zero and a finite b")
            }
            Self::Platt { .. } => Ok(()),
            Self::Isotonic { x, y } => {
                let rising = x.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
                let not_falling = y.windows(2).all(|pair| matches!(pair, [a, b] if a <= b));
                if x.len() < 2 || x.len() != y.len() {
                    Err("isotonic needs as many x as y, two or more")
                } else if !rising || !not_falling {
                    Err("isotonic needs x that rise and y that do not fall")
                } else if x.iter().chain(y).any(|v| !(0.0..=1.0).contains(v)) {
                    Err("isotonic points lie between 0 and 1")
                } else {
                    Ok(())
                }
            }
        }
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn each_activation_reads_its_own_numbers() {
        let p = Activation::Probabilities.apply(&[0.25, 1.0]).unwrap();
        assert!(near(p[0], 0.25) && near(p[1], 1.0));
        let l = Activation::Logits.apply(&[0.0, 1000.0, -1000.0]).unwrap();
        assert!(near(l[0], 0.5) && near(l[1], 1.0) && near(l[2], 0.0));
        let s = Activation::Softmax.apply(&[1000.0, 1000.0, -1000.0]).unwrap();
        assert!(near(s[0], 0.5) && near(s[1], 0.5) && near(s[2], 0.0));
    }

    #[test]
    fn what_is_no_probability_is_refused_never_clamped() {
        for activation in [Activation::Probabilities, Activation::Logits, Activation::Softmax] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                assert_eq!(activation.apply(&[0.5, bad]), Err(NoScore::NonFinite));
            }
        }
        assert_eq!(Activation::Probabilities.apply(&[1.2]), Err(NoScore::OutOfRange));
        assert_eq!(Activation::Probabilities.apply(&[-0.2]), Err(NoScore::OutOfRange));
        assert_eq!(Activation::Probabilities.apply(&[1.000_01]), Ok(vec![1.0]));
    }

    #[test]
    fn calibration_keeps_order_and_its_points() {
        let same = Calibration::Platt { a: 1.0, b: 0.0 };
        assert!(near(same.apply(0.3), 0.3));
        assert!(same.apply(0.0).is_finite() && same.apply(1.0).is_finite());
        let table = Calibration::Isotonic { x: vec![0.2, 0.4, 0.8], y: vec![0.1, 0.1, 0.9] };
        for (input, output) in [(0.0, 0.1), (0.2, 0.1), (0.3, 0.1), (0.6, 0.5), (0.8, 0.9), (1.0, 0.9)] {
            assert!(near(table.apply(input), output), "{input}");
        }
    }

    #[test]
    fn a_table_that_loses_order_is_refused() {
        for bad in [
            Calibration::Platt { a: -1.0, b: 0.0 },
            Calibration::Platt { a: f64::NAN, b: 0.0 },
            Calibration::Isotonic { x: vec![0.1], y: vec![0.1] },
            Calibration::Isotonic { x: vec![0.4, 0.2], y: vec![0.1, 0.2] },
            Calibration::Isotonic { x: vec![0.2, 0.4], y: vec![0.3, 0.2] },
            Calibration::Isotonic { x: vec![0.2, 0.4], y: vec![0.3, 1.2] },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
