//! What stands around every page: head, navigation, theme, the line about synthetic patients.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::assets;
use crate::http::caller::{Caller, cookie};
use crate::http::error::HttpError;
use crate::http::state::AppState;
use crate::store::Preferences;
use crate::vocab::{Role, Timestamp};

/// Cookie that keeps the choice of theme.
pub(super) const THEME_COOKIE: &str = "doubleread-theme";

/// One entry of the navigation.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub path: &'static str,
    pub words: &'static str,
    pub current: bool,
}

/// What stands around a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub title: String,
    pub dark: bool,
    pub stylesheet: String,
    pub desk_script: String,
    pub arrivals_script: String,
    /// The viewer's script, where it was built; without it the films are pictures in the page.
    pub viewer_script: Option<String>,
    pub icon: String,
    pub csrf: String,
    pub person: Option<String>,
    /// The account, so that the page knows whether somebody else has signed in meanwhile.
    pub person_id: String,
    /// The person's own keys, as JSON.
    pub keys: String,
    pub entries: Vec<Entry>,
    pub synthetic: bool,
    pub here: String,
}

impl Frame {
    /// A frame for a page that nobody in particular sees.
    pub(super) fn bare(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            dark: true,
            stylesheet: assets::address("dark.css"),
            desk_script: assets::address("desk.js"),
            arrivals_script: assets::address("arrivals.js"),
            viewer_script: assets::address_if_built("viewer.js"),
            icon: assets::address("icon.svg"),
            csrf: String::new(),
            person: None,
            person_id: String::new(),
            keys: "{}".to_owned(),
            entries: Vec::new(),
            synthetic: false,
            here: "/".to_owned(),
        }
    }
}

/// The frame of this request and how times are written on it; `caller` is none only before signing in.
#[derive(Debug, Clone)]
pub(in crate::http) struct Look {
    pub caller: Option<Caller>,
    dark: bool,
    path: String,
    synthetic: bool,
    zone: jiff::tz::TimeZone,
    now: Timestamp,
    keys: String,
}

impl Look {
    /// The frame of a page with this title.
    pub(super) fn frame(&self, title: &str) -> Frame {
        let mut frame = Frame::bare(title);
        frame.dark = self.dark;
        frame.stylesheet = assets::address(if self.dark { "dark.css" } else { "light.css" });
        frame.synthetic = self.synthetic;
        frame.here = self.path.clone();
        if let Some(caller) = &self.caller {
            frame.csrf = caller.csrf.clone();
            frame.person = Some(caller.display_name.clone());
            frame.person_id = caller.user_id.to_string();
            frame.keys.clone_from(&self.keys);
            frame.entries = entries(caller, &self.path);
        }
        frame
    }

    /// The same at another instant, for a page that lives on.
    pub(in crate::http) fn at(&self, now: Timestamp) -> Self {
        Self { now, ..self.clone() }
    }

    /// An instant as people here write it: the time alone today, with the date otherwise.
    pub(super) fn time(&self, at: Timestamp) -> String {
        let local = at.to_jiff().to_zoned(self.zone.clone());
        if self.is_today(at) {
            local.strftime("%H:%M").to_string()
        } else {
            local.strftime("%-d %b %Y %H:%M").to_string()
        }
    }

    /// The time from now until `at` (or since), in words.
    pub(super) fn distance(&self, at: Timestamp) -> String {
        in_words(at.ms_since(self.now).abs())
    }

    /// Whether an instant is of today, where people here are.
    pub(super) fn is_today(&self, at: Timestamp) -> bool {
        let day = |at: Timestamp| at.to_jiff().to_zoned(self.zone.clone()).date();
        day(at) == day(self.now)
    }

    /// When the local day began.
    pub(super) fn start_of_day(&self) -> Timestamp {
        let local = self.now.to_jiff().to_zoned(self.zone.clone());
        self.instant(local.start_of_day())
    }

    /// When the local year began.
    pub(super) fn start_of_year(&self) -> Timestamp {
        let local = self.now.to_jiff().to_zoned(self.zone.clone());
        self.instant(local.first_of_year().and_then(|first| first.start_of_day()))
    }

    /// An instant of the calendar; now where the calendar has none.
    fn instant(&self, found: Result<jiff::Zoned, jiff::Error>) -> Timestamp {
        found.map_or(self.now, |at| Timestamp::from_millis(at.timestamp().as_millisecond()))
    }

    /// The present instant.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }
}

/// A length of time in its largest fitting unit.
fn in_words(ms: i64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        0 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        2..120 => format!("{minutes} minutes"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

fn entries(caller: &Caller, here: &str) -> Vec<Entry> {
    let all: [(&'static str, &'static str, &[Role]); 8] = [
        ("/", "Start", &[Role::Reader, Role::Lead]),
        ("/worklist", "Worklist", &[Role::Reader, Role::Lead]),
        ("/my-reads", "My reads", &[Role::Reader, Role::Lead]),
        ("/studies", "Arrivals", &[Role::Radiographer, Role::Reader, Role::Lead, Role::Admin]),
        ("/orders", "Orders", &[Role::Radiographer, Role::Lead, Role::Admin]),
        ("/refused", "Refused", &[Role::Radiographer]),
        ("/audit", "Agreement", &[Role::Auditor, Role::Lead, Role::Admin]),
        ("/operations", "Needs attention", &[Role::Lead, Role::Admin]),
    ];
    all.into_iter()
        .filter(|(_, _, roles)| roles.iter().any(|role| caller.is(*role)))
        .map(|(path, words, _)| Entry {
            path,
            words,
            current: if path == "/" { here == path } else { here.starts_with(path) },
        })
        .collect()
}

impl FromRequestParts<AppState> for Look {
    type Rejection = HttpError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, HttpError> {
        let caller =
            <Caller as axum::extract::OptionalFromRequestParts<AppState>>::from_request_parts(parts, state)
                .await?;
        let preferences = match &caller {
            Some(caller) => state.store.preferences(caller.user_id).await?,
            None => Preferences::default(),
        };
        // The browser's own choice first: one workstation may stand in a dark room, another in an office.
        let theme = cookie(&parts.headers, THEME_COOKIE).or(preferences.theme.as_deref());
        Ok(Self {
            caller,
            dark: theme != Some("light"),
            path: parts.uri.path().to_owned(),
            synthetic: state.synthetic_patients,
            zone: state.time_zone.clone(),
            now: state.clock.now(),
            keys: serde_json::to_string(&preferences.keys).unwrap_or_else(|_| "{}".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_said_in_one_unit() {
        assert_eq!(in_words(59_000), "less than a minute");
        assert_eq!(in_words(95 * 60_000), "95 minutes");
        assert_eq!(in_words(47 * 3_600_000), "47 hours");
        assert_eq!(in_words(5 * 86_400_000), "5 days");
    }
}
