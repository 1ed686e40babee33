//! What a person prefers: checked here, kept by `store`, the same at every workstation.

use std::collections::BTreeMap;

use super::caller::Caller;
use super::error::HttpError;
use super::state::AppState;
use crate::store::{Preferences, Targets};

/// Keys that one person may choose; there are fewer actions than that.
const MOST_KEYS: usize = 200;
/// Longest id of an action, and longest name of a key.
const LONGEST_NAME: usize = 64;
/// Reads a year beyond which a target is a slip of the hand.
const MOST_A_YEAR: u32 = 100_000;

/// What is to change; what is not named stays.
#[derive(Debug, Clone, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// `dark` or `light`.
    #[serde(default)]
    pub theme: Option<String>,
    /// Cases in a session.
    #[serde(default)]
    pub session_size: Option<u32>,
    /// Own keys by the id of their action, whole; an empty key takes it away.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub keys: Option<BTreeMap<String, String>>,
    /// Own targets, whole.
    #[serde(default)]
    pub targets: Option<TargetsChange>,
    /// Whether the images open in a window of their own with the press that starts reading.
    #[serde(default)]
    pub second_screen: Option<bool>,
}

/// Reads that a person aims at in a year.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TargetsChange {
    /// Mammograms.
    pub mammo_per_year: Option<u32>,
    /// Chest X-rays.
    pub chest_per_year: Option<u32>,
}

/// Keeps a change.
pub(super) async fn set(state: &AppState, caller: &Caller, change: Change) -> Result<Preferences, HttpError> {
    let mut preferences = state.store.preferences(caller.user_id).await?;
    apply(&mut preferences, change, state.settings.session_size_most)?;
    state.store.set_preferences(caller.user_id, &preferences, state.clock.now()).await?;
    Ok(preferences)
}

fn apply(preferences: &mut Preferences, change: Change, largest_session: u32) -> Result<(), HttpError> {
    let wrong = |message: String| Err(HttpError::BadRequest(message));
    if let Some(theme) = change.theme {
        if !matches!(theme.as_str(), "dark" | "light") {
            return wrong("theme is dark or light".to_owned());
        }
        preferences.theme = Some(theme);
    }
    if let Some(size) = change.session_size {
        if size == 0 || size > largest_session {
            return wrong(format!("session_size is from 1 to {largest_session}"));
        }
        preferences.session_size = Some(size);
    }
    if let Some(keys) = change.keys {
        let fits = |text: &str| text.len() <= LONGEST_NAME && !text.chars().any(char::is_control);
        if keys.len() > MOST_KEYS || !keys.iter().all(|(id, key)| fits(id) && fits(key)) {
            return wrong("keys are names of keys by ids of actions".to_owned());
        }
        preferences.keys = keys;
    }
    if let Some(targets) = change.targets {
        if [targets.mammo_per_year, targets.chest_per_year].iter().flatten().any(|reads| *reads > MOST_A_YEAR)
        {
            return wrong(format!("a target is at most {MOST_A_YEAR} reads a year"));
        }
        preferences.targets =
            Targets { mammo_per_year: targets.mammo_per_year, chest_per_year: targets.chest_per_year };
    }
    if let Some(second_screen) = change.second_screen {
        preferences.second_screen = second_screen;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays_and_what_can_not_be_is_refused() {
        let mut preferences = Preferences::default();
        let keys = BTreeMap::from([("opinion.normal".to_owned(), "j".to_owned())]);
        apply(&mut preferences, Change { keys: Some(keys.clone()), ..Change::default() }, 100).unwrap();
        apply(&mut preferences, Change { session_size: Some(40), ..Change::default() }, 100).unwrap();
        assert_eq!((preferences.keys.clone(), preferences.session_size), (keys, Some(40)));
        let before = preferences.clone();
        let targets = TargetsChange { mammo_per_year: Some(1_000_000), chest_per_year: None };
        for refused in [
            Change { theme: Some("pink".to_owned()), ..Change::default() },
            Change { session_size: Some(0), ..Change::default() },
            Change { session_size: Some(101), ..Change::default() },
            Change { keys: Some(BTreeMap::from([("a\n".to_owned(), "b".to_owned())])), ..Change::default() },
            Change { targets: Some(targets), ..Change::default() },
        ] {
            assert!(apply(&mut preferences, refused.clone(), 100).is_err(), "{refused:?}");
        }
        assert_eq!(preferences, before);
    }
}
