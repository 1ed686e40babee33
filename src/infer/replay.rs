//! Whether a result made again is the result that was stored. Pure.
//!
//! In: two results. Out: every place where they differ, by name. Times and durations are left out.

use serde_json::Value;

use crate::vocab::AiResult;

/// Two runs of one graph on one provider agree to this, relative to the larger number or 1.
pub const REPLAY_TOLERANCE: f64 = 1e-5;

/// Keys that differ from run to run by nature.
const OF_THE_RUN: [&str; 3] = ["prepare_ms", "infer_ms", "at"];

/// One place where two results differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Such as `views[0].score`.
    pub place: String,
    /// In the stored result.
    pub stored: String,
    /// In the result made again.
    pub again: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: stored {}, again {}", self.place, self.stored, self.again)
    }
}

/// Every place where `again` differs from `stored`; numbers may differ by `tolerance` (see [`REPLAY_TOLERANCE`]).
pub fn compare(stored: &AiResult, again: &AiResult, tolerance: f64) -> Vec<Difference> {
    let mut differences = Vec::new();
    let [stored, again] = [stored, again].map(|result| serde_json::to_value(result).unwrap_or(Value::Null));
    walk("", &stored, &again, tolerance, &mut differences);
    differences
}

fn walk(place: &str, stored: &Value, again: &Value, tolerance: f64, differences: &mut Vec<Difference>) {
    match (stored, again) {
        (Value::Object(a), Value::Object(b)) => {
            let only_again = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(only_again) {
                if place.is_empty() && OF_THE_RUN.contains(&key.as_str()) {
                    continue;
                }
                let inner = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                let get =
                    |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or(Value::Null);
                walk(&inner, &get(a), &get(b), tolerance, differences);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                walk(&format!("{place}[{index}]"), a, b, tolerance, differences);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            let (x, y) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            let agree = (x - y).abs() <= tolerance * x.abs().max(y.abs()).max(1.0);
            if !agree {
                differ(place, stored, again, differences);
            }
        }
        (a, b) if a == b => {}
        _ => differ(place, stored, again, differences),
    }
}

fn differ(place: &str, stored: &Value, again: &Value, differences: &mut Vec<Difference>) {
    differences.push(Difference {
        place: place.into(),
        stored: stored.to_string(),
        again: again.to_string(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::{AiOutcome, NotProcessedReason, Timestamp, ViewScore};

    fn result() -> AiResult {
        let mut result =
            AiResult::not_processed(NotProcessedReason::Blank, "one value", Timestamp::from_millis(0));
        result.outcome = AiOutcome::Normal;
        result.score = Some(0.25);
        result.views = vec![ViewScore {
            sop_instance_uid: "1.2".parse().unwrap(),
            raw: 0.2,
            score: 0.25,
            distance: None,
        }];
        result
    }

    #[test]
    fn the_same_result_at_another_time_is_the_same() {
        let mut again = result();
        again.at = Timestamp::from_millis(5);
        again.infer_ms = 7.0;
        again.score = Some(0.250_000_1);
        assert_eq!(compare(&result(), &again, REPLAY_TOLERANCE), []);
    }

    #[test]
    fn every_difference_is_named() {
        let mut again = result();
        again.outcome = AiOutcome::Abnormal;
        again.score = None;
        again.views[0].score = 0.26;
        again.provider = "cuda".into();
        let places: Vec<String> =
            compare(&result(), &again, REPLAY_TOLERANCE).into_iter().map(|d| d.place).collect();
        assert_eq!(places, ["outcome.result", "score", "views[0].score", "provider"]);
        again.views.clear();
        assert!(compare(&result(), &again, REPLAY_TOLERANCE).iter().any(|d| d.place == "views"));
    }
}
