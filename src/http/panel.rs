//! A panel that settles a discordance: each of its members signs with the own name and password, or is no author.
//!
//! In: signatures given at the workstation of the one who chairs. Out: the authors and who of them does not agree.
//! Nobody is made an author by being named. A password is looked at once, and neither kept nor sent back.

use std::collections::BTreeSet;

use super::caller::Caller;
use super::error::HttpError;
use super::opinion_form::Fields;
use super::sign_in::prove;
use super::state::AppState;
use super::words;
use crate::vocab::{Role, SiteCode, UserId};

/// Members beside the chair that the form has room for.
pub(super) const SIGNERS: usize = 3;
/// Accounts that are looked through for colleagues.
const ACCOUNTS_AT_ONCE: u32 = 100;

/// One member who signs.
#[derive(serde::Deserialize, utoipa::ToSchema)]
pub(super) struct Signature {
    /// Sign-in name.
    pub name: String,
    /// Password.
    pub password: String,
    /// Whether they do not agree with what is settled.
    #[serde(default)]
    pub dissents: bool,
}

/// All authors, and who of them does not agree.
#[derive(Debug, Default)]
pub(super) struct Panel {
    /// The chair and everybody who signed.
    pub authors: BTreeSet<UserId>,
    /// Who of them does not agree.
    pub dissent: BTreeSet<UserId>,
}

/// The signatures that a form holds.
pub(super) fn signatures(fields: &Fields) -> Vec<Signature> {
    (0..SIGNERS)
        .filter_map(|row| {
            let name = fields.get(&format!("signer_name_{row}"))?.to_owned();
            let password = fields.get(&format!("signer_password_{row}")).unwrap_or_default().to_owned();
            let dissents = fields.get(&format!("signer_dissents_{row}")).is_some();
            Some(Signature { name, password, dissents })
        })
        .collect()
}

/// Checks every signature.
pub(super) async fn signed(
    state: &AppState,
    caller: &Caller,
    site: &SiteCode,
    address: &str,
    signatures: Vec<Signature>,
) -> Result<Panel, HttpError> {
    let mut panel = Panel { authors: BTreeSet::from([caller.user_id]), dissent: BTreeSet::new() };
    for signature in signatures {
        let refused = |message: String| HttpError::Refused { code: "not_signed", message };
        let shown = words::plain(&signature.name);
        let user = match prove(state, &signature.name, &signature.password, address).await {
            Ok(user) => user,
            Err(HttpError::WrongSignIn) => {
                return Err(refused(format!("{shown} has not signed: the name or the password is wrong")));
            }
            Err(error) => return Err(error),
        };
        let reads = user.has_role(Role::Reader) || user.has_role(Role::Lead);
        if !reads || !user.may_see(site) {
            return Err(refused(format!("{shown} does not read at this site")));
        }
        if !panel.authors.insert(user.user_id) {
            return Err(refused(format!("{shown} is on the panel already")));
        }
        if signature.dissents {
            panel.dissent.insert(user.user_id);
        }
    }
    Ok(panel)
}

/// People who may sign with the caller at a site: sign-in name and the name that is shown.
pub(super) async fn colleagues(
    state: &AppState,
    caller: &Caller,
    site: &SiteCode,
) -> Result<Vec<(String, String)>, HttpError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let users = state.store.users(after, ACCOUNTS_AT_ONCE).await?;
        after = users.last().map(|user| user.user_id);
        for user in users {
            let reads = user.has_role(Role::Reader) || user.has_role(Role::Lead);
            if reads && user.disabled_at.is_none() && user.may_see(site) && user.user_id != caller.user_id {
                found.push((user.sign_in_name, words::plain(&user.display_name)));
            }
        }
        if after.is_none() {
            found.sort_by(|a, b| a.1.cmp(&b.1));
            return Ok(found);
        }
    }
}
