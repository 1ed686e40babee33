//! Names of people, as results show them.

use std::collections::BTreeMap;

use super::error::HttpError;
use super::state::AppState;
use super::words;
use crate::vocab::UserId;

/// The names of these people; whoever has no account any more has none.
pub(super) async fn names_of(
    state: &AppState,
    people: impl Iterator<Item = UserId>,
) -> Result<BTreeMap<UserId, String>, HttpError> {
    let mut names = BTreeMap::new();
    for id in people {
        if !names.contains_key(&id)
            && let Some(user) = state.store.user(id).await?
        {
            names.insert(id, words::plain(&user.display_name));
        }
    }
    Ok(names)
}
