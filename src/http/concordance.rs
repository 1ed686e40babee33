//! The concordance report for pages and API: counts from `store`, figures from `audit`.

use std::collections::BTreeMap;

use utoipa::IntoParams;

use super::caller::Caller;
use super::error::HttpError;
use super::state::AppState;
use crate::audit::{self, ConcordanceReport, ConcordanceRow, Period};
use crate::store::ConcordanceFilter;
use crate::vocab::{Pathway, Timestamp};

/// Days that a report covers where none are asked for.
const USUAL_DAYS: i64 = 365;
const MINUTES_A_DAY: i64 = 24 * 60;

/// Which cases.
#[derive(Debug, Default, serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PeriodQuery {
    /// First UTC day (`YYYY-MM-DD`); a year ago where absent.
    pub from: Option<String>,
    /// Last UTC day; today where absent.
    pub to: Option<String>,
    /// `chest` or `mammo`; both where absent.
    pub pathway: Option<String>,
}

/// What a report covers: from the first moment of its first day up to, and without, the end of its last.
struct Covered {
    from: Timestamp,
    to: Timestamp,
    pathway: Option<Pathway>,
}

impl PeriodQuery {
    fn covered(&self, now: Timestamp) -> Result<Covered, HttpError> {
        let from = match day(self.from.as_deref())? {
            Some(first) => first,
            None => now.plus_minutes(-USUAL_DAYS * MINUTES_A_DAY),
        };
        // The last day counts whole.
        let to = day(self.to.as_deref())?.map_or(now, |last| last.plus_minutes(MINUTES_A_DAY));
        let pathway = self.pathway.as_deref().filter(|p| !p.is_empty()).map(str::parse).transpose()?;
        Ok(Covered { from, to, pathway })
    }
}

/// The first moment of a UTC day.
fn day(text: Option<&str>) -> Result<Option<Timestamp>, HttpError> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    Ok(text.map(|text| format!("{text}T00:00:00Z").parse()).transpose()?)
}

/// What models in the shadow said.
#[derive(Debug, serde::Serialize)]
pub(super) struct ShadowReport {
    /// Against the first reader's blind opinion; the model is the shadow's folder.
    pub against_first_reader: ConcordanceReport,
    /// Against the model in force.
    pub against_model_in_force: Vec<ShadowPair>,
}

/// Cases with one pair of words.
#[derive(Debug, serde::Serialize)]
pub(super) struct ShadowPair {
    pub pathway: Pathway,
    pub shadow: String,
    pub shadow_word: String,
    pub word_in_force: String,
    pub count: u64,
}

/// The shadow models' words on the cases that they scored in a period at the caller's sites.
pub(super) async fn shadow_report(
    state: &AppState,
    caller: &Caller,
    query: &PeriodQuery,
) -> Result<ShadowReport, HttpError> {
    let Covered { from, to, pathway } = query.covered(state.clock.now())?;
    let mut counts = state.store.shadow_counts(from, to, &caller.sites).await?;
    counts.retain(|count| pathway.is_none_or(|pathway| count.pathway == pathway));
    let mut pairs: BTreeMap<(Pathway, String, String, String), u64> = BTreeMap::new();
    let mut rows = Vec::new();
    for count in counts {
        if let Some(word) = count.ai_word {
            let key = (count.pathway, count.folder.clone(), count.shadow_word.clone(), word);
            *pairs.entry(key).or_default() += count.case_count;
        }
        if let Some(human_word) = count.human_word {
            rows.push(ConcordanceRow {
                pathway: count.pathway,
                model_name: count.folder,
                model_version: String::new(),
                operating_point: String::new(),
                ai_word: count.shadow_word,
                human_word,
                count: count.case_count,
            });
        }
    }
    let period = Period { from: Some(from), to: Some(to) };
    let against_first_reader =
        audit::concordance(&rows, period, &state.audit).map_err(|error| HttpError::internal(&error))?;
    let against_model_in_force = pairs
        .into_iter()
        .map(|((pathway, shadow, shadow_word, word_in_force), count)| ShadowPair {
            pathway,
            shadow,
            shadow_word,
            word_in_force,
            count,
        })
        .collect();
    Ok(ShadowReport { against_first_reader, against_model_in_force })
}

/// The report over the cases that concluded in a period at the caller's sites.
pub(super) async fn report(
    state: &AppState,
    caller: &Caller,
    query: &PeriodQuery,
) -> Result<ConcordanceReport, HttpError> {
    let Covered { from, to, pathway } = query.covered(state.clock.now())?;
    let filter = ConcordanceFilter { from, to, pathway, sites: caller.sites.clone() };
    let rows: Vec<ConcordanceRow> = state
        .store
        .concordance(&filter)
        .await?
        .into_iter()
        .map(|count| ConcordanceRow {
            pathway: count.pathway,
            model_name: count.model_name,
            model_version: count.model_version,
            operating_point: count.operating_point,
            ai_word: count.ai_word,
            human_word: count.human_word,
            count: count.case_count,
        })
        .collect();
    let period = Period { from: Some(from), to: Some(to) };
    audit::concordance(&rows, period, &state.audit).map_err(|error| HttpError::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_of_a_report_counts_whole() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let query = |from: &str, to: &str| PeriodQuery {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            pathway: None,
        };
        let covered = query("2026-11-01", "2026-11-02").covered(now).unwrap();
        assert_eq!(covered.from, "2026-11-01T00:00:00Z".parse().unwrap());
        assert_eq!(covered.to, "2026-11-03T00:00:00Z".parse().unwrap());
        let usual = query("", " ").covered(now).unwrap();
        assert_eq!((usual.from, usual.to), (now.plus_minutes(-365 * 24 * 60), now));
        assert!(query("yesterday", "").covered(now).is_err());
    }
}
