//! The QA sampler (PATHWAYS R16): which concordant normal cases get a second read.
//!
//! In: a secret and a case id, later the policy and the case. Out: a number that nobody without
//! the secret can tell beforehand, and the stratum with its rate. It holds no random source.

use crate::vocab::CaseId;

use super::policy::Policy;
use super::state::CaseState;

/// Name of the stratum where none of the policy matches.
pub const OTHER_STRATUM: &str = "other";

/// The number of a case, 0 to below 1: a keyed hash (BLAKE3) of its id, the top 53 bits.
pub fn qa_number(secret: &[u8; 32], case_id: CaseId) -> f64 {
    let hash = blake3::keyed_hash(secret, case_id.to_string().as_bytes());
    let top = hash.as_bytes().iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    // 53 bits fit a double exactly.
    (top >> 11) as f64 / 9_007_199_254_740_992.0
}

/// The stratum of a case and its rate.
pub(super) fn stratum(state: &CaseState, policy: &Policy) -> (String, f64) {
    let score = state.ai.as_ref().and_then(|ai| ai.result.score);
    policy
        .qa
        .strata
        .iter()
        .find(|stratum| {
            stratum.site.as_ref().is_none_or(|site| *site == state.set.site)
                && stratum.score_from.is_none_or(|from| score.is_some_and(|score| score >= from))
                && stratum.score_below.is_none_or(|below| score.is_some_and(|score| score < below))
        })
        .map_or_else(
            || (OTHER_STRATUM.to_owned(), policy.qa.rate),
            |stratum| (stratum.name.clone(), stratum.rate),
        )
}
