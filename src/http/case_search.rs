//! Looking for cases, as pages and API do it: by what they wait for, and by patient.
//!
//! In: filters of a reader. Out: rows that this reader may see in a list, and where the page after begins. A reader
//! who may still read a case learns nothing of it but that it is there.

use super::caller::Caller;
use super::desk::{self, Offer};
use super::error::HttpError;
use super::state::AppState;
use crate::store::{CaseRow, CaseSearch, FoundCases};
use crate::vocab::{Pathway, SiteCode};

/// What is looked for among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Offered to the caller to be read.
    Open,
    /// Offered to the caller to be settled.
    Settle,
    /// Out of all queues.
    Held,
    /// With an outcome.
    Done,
}

impl Wanted {
    /// All of them, in the order of the tabs.
    pub(super) const ALL: [Wanted; 4] = [Wanted::Open, Wanted::Settle, Wanted::Held, Wanted::Done];

    /// Its code in an address.
    pub(super) fn code(self) -> &'static str {
        match self {
            Wanted::Open => "open",
            Wanted::Settle => "settle",
            Wanted::Held => "held",
            Wanted::Done => "done",
        }
    }

    /// Its words on a tab.
    pub(super) fn words(self) -> &'static str {
        match self {
            Wanted::Open => "To be read",
            Wanted::Settle => "To be settled",
            Wanted::Held => "On hold",
            Wanted::Done => "Concluded",
        }
    }

    /// What is said where there is none.
    pub(super) fn nothing(self) -> &'static str {
        match self {
            Wanted::Open => "Nothing waits to be read by you.",
            Wanted::Settle => "Nothing waits to be settled by you.",
            Wanted::Held => "Nothing is on hold.",
            Wanted::Done => "Nothing has concluded.",
        }
    }
}

/// What an address asks for.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Search {
    /// Part of a name, a patient ID or an accession number.
    pub q: String,
    /// `chest` or `mammo`; either where empty.
    pub pathway: String,
    /// Site; any where empty.
    pub site: String,
    /// Code of [`Wanted`].
    pub state: String,
    /// Where the page before ended.
    pub from: String,
    /// The case that was read just before.
    #[serde(rename = "after")]
    pub said_after: Option<String>,
}

impl Search {
    /// What is looked for among.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted::ALL.into_iter().find(|one| one.code() == self.state).unwrap_or(Wanted::Open)
    }

    /// The address of the same search among others, or of its next page.
    pub(super) fn address(&self, wanted: Wanted, from: Option<&str>) -> String {
        let mut address = format!("/worklist?state={}", wanted.code());
        for (name, value) in [
            ("q", self.q.as_str()),
            ("pathway", &self.pathway),
            ("site", &self.site),
            ("from", from.unwrap_or_default()),
        ] {
            if !value.is_empty() {
                address.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        address
    }
}

/// A value for an address.
fn encoded(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// A page of rows.
pub(super) struct Found {
    /// In their order.
    pub rows: Vec<CaseRow>,
    /// Where the page after begins.
    pub next: Option<String>,
    /// How many studies were searched, where the name fits more than are looked at.
    pub only_latest: Option<u32>,
}

/// Looks.
pub(super) async fn find(
    state: &AppState,
    caller: &Caller,
    search: &Search,
    limit: u32,
) -> Result<Found, HttpError> {
    let pathway: Option<Pathway> =
        Some(search.pathway.as_str()).filter(|code| !code.is_empty()).map(str::parse).transpose()?;
    let site: Option<SiteCode> =
        Some(search.site.as_str()).filter(|code| !code.is_empty()).map(str::parse).transpose()?;
    if site.as_ref().is_some_and(|site| !caller.may_see(site)) {
        return Ok(Found { rows: Vec::new(), next: None, only_latest: None });
    }
    if !search.q.trim().is_empty() {
        return by_patient(state, caller, search, pathway, site, limit).await;
    }
    let sites = site.clone().map_or_else(|| caller.sites.clone(), |site| [site].into());
    let full = |rows: &[CaseRow]| rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    match search.wanted() {
        wanted @ (Wanted::Open | Wanted::Settle) => {
            let after =
                Some(search.from.as_str()).filter(|from| !from.is_empty()).map(str::parse).transpose()?;
            let offer = Offer { pathway, site, arbitrations: wanted == Wanted::Settle, after };
            let rows = desk::offered_of(state, caller, offer, limit).await?;
            let next = rows.last().filter(|_| full(&rows)).map(|row| row.key().to_string());
            Ok(Found { rows, next, only_latest: None })
        }
        Wanted::Held => {
            let mut rows = Vec::new();
            for one in pathway.map_or_else(|| Pathway::ALL.to_vec(), |one| vec![one]) {
                rows.extend(state.store.cases_in_state(one, "on_hold", &sites, None, limit).await?);
            }
            Ok(Found { rows, next: None, only_latest: None })
        }
        Wanted::Done => {
            let before = match search.from.split_once('~') {
                Some((at, case_id)) => Some((at.parse()?, case_id.parse()?)),
                None => None,
            };
            let mut rows = Vec::new();
            for one in pathway.map_or_else(|| Pathway::ALL.to_vec(), |one| vec![one]) {
                rows.extend(state.store.concluded_cases(one, &sites, before, limit).await?);
            }
            rows.retain(|row| row.superseded_by.is_none());
            rows.sort_by_key(|row| std::cmp::Reverse((row.concluded_at, row.case_id)));
            rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let last = rows.last().filter(|_| full(&rows));
            let next = last.and_then(|row| Some(format!("{}~{}", row.concluded_at?, row.case_id)));
            Ok(Found { rows, next, only_latest: None })
        }
    }
}

async fn by_patient(
    state: &AppState,
    caller: &Caller,
    search: &Search,
    pathway: Option<Pathway>,
    site: Option<SiteCode>,
    limit: u32,
) -> Result<Found, HttpError> {
    let skip: u32 = search.from.parse().unwrap_or(0);
    let sites = site.map_or_else(|| caller.sites.clone(), |site| [site].into());
    let wanted = CaseSearch { text: search.q.clone(), pathway, sites, skip };
    let FoundCases { rows, only_latest } = state.store.search_cases(&wanted, limit).await?;
    let full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Found { next: full.then(|| skip.saturating_add(limit).to_string()), rows, only_latest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_carries_the_search_and_nothing_that_ends_it() {
        let search = Search { q: "O'Neil & co".to_owned(), site: "north".to_owned(), ..Search::default() };
        let address = search.address(Wanted::Done, Some("40"));
        assert_eq!(address, "/worklist?state=done&q=O%27Neil%20%26%20co&site=north&from=40");
        assert_eq!(Search::default().wanted(), Wanted::Open);
    }
}
