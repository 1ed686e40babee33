//! The concordance report for pages and API: counts from `store`, figures from `audit`.

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

fn day(text: Option<&str>, otherwise: Timestamp) -> Result<Timestamp, HttpError> {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Ok(format!("{text}T00:00:00Z").parse()?),
        None => Ok(otherwise),
    }
}

/// The report over the cases that concluded in a period at the caller's sites.
pub(super) async fn report(
    state: &AppState,
    caller: &Caller,
    query: &PeriodQuery,
) -> Result<ConcordanceReport, HttpError> {
    let now = state.clock.now();
    let from = day(query.from.as_deref(), now.plus_minutes(-USUAL_DAYS * MINUTES_A_DAY))?;
    let to = day(query.to.as_deref(), now)?;
    let pathway: Option<Pathway> =
        query.pathway.as_deref().filter(|p| !p.is_empty()).map(str::parse).transpose()?;
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
