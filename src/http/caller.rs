//! Who is calling: the person of a session or the account of a bearer token.
//!
//! In: a cookie or an `Authorization` header. Out: a [`Caller`] with the roles and sites in force for this request.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::credentials::{csrf_token, token_hash};
use super::error::HttpError;
use super::state::AppState;
use crate::reading::Actor;
use crate::vocab::{Role, SiteCode, UserId};

/// Name of the session cookie where TLS is declared; browsers then hold it to this host and to TLS.
const COOKIE_UNDER_TLS: &str = "__Host-doubleread";
/// Its name on a loopback address without TLS.
const COOKIE: &str = "doubleread";

/// Who is calling.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account.
    pub user_id: UserId,
    /// Name that pages show.
    pub display_name: String,
    /// Roles in force: all of a person's, the one of a token.
    pub roles: BTreeSet<Role>,
    /// Sites in force; empty means every site.
    pub sites: BTreeSet<SiteCode>,
    /// What forms must carry; empty for a bearer token.
    pub(super) csrf: String,
    /// Hash of the session's token; none for a bearer token.
    pub(super) session: Option<String>,
}

impl Caller {
    /// Whether a role is in force.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether a site may be seen.
    pub fn may_see(&self, site: &SiteCode) -> bool {
        self.sites.is_empty() || self.sites.contains(site)
    }

    /// The actor for an act, in the first of `roles` that is in force.
    ///
    /// # Errors
    /// When none of them is.
    pub(super) fn acting(&self, roles: &[Role]) -> Result<Actor, HttpError> {
        roles
            .iter()
            .find(|role| self.is(**role))
            .map(|role| Actor::Person { user: self.user_id, role: *role })
            .ok_or(HttpError::Forbidden("this is not for your role"))
    }
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Name of the session cookie in this installation.
pub(super) fn cookie_name(state: &AppState) -> &'static str {
    if state.settings.behind_tls_proxy { COOKIE_UNDER_TLS } else { COOKIE }
}

/// The address of the client, as far as the proxy in front is trusted to tell it.
pub(super) fn client_address(state: &AppState, headers: &HeaderMap, peer: Option<SocketAddr>) -> String {
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.rsplit(',').next())
        .and_then(|value| value.trim().parse::<IpAddr>().ok());
    match (state.settings.behind_tls_proxy, forwarded, peer) {
        (true, Some(address), _) => address.to_string(),
        (_, _, Some(peer)) => peer.ip().to_string(),
        (_, _, None) => "unknown".to_owned(),
    }
}

/// The caller of a request, if it carries a live session or a token in force.
///
/// # Errors
/// A bearer token that is not in force is refused, rather than ignored.
pub(super) async fn identify(state: &AppState, headers: &HeaderMap) -> Result<Option<Caller>, HttpError> {
    let now = state.clock.now();
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(HttpError::Unauthenticated)?;
        let token =
            state.store.api_token(&token_hash(token), now).await?.ok_or(HttpError::Unauthenticated)?;
        let user = state.store.user(token.user_id).await?.ok_or(HttpError::Unauthenticated)?;
        let sites = match token.site {
            Some(site) => BTreeSet::from([site]),
            None => user.sites,
        };
        return Ok(Some(Caller {
            user_id: user.user_id,
            display_name: user.display_name,
            roles: BTreeSet::from([token.role]),
            sites,
            csrf: String::new(),
            session: None,
        }));
    }
    let Some(token) = cookie(headers, cookie_name(state)) else { return Ok(None) };
    let hash = token_hash(token);
    let Some(session) = state.store.session(&hash, now).await? else { return Ok(None) };
    Ok(Some(Caller {
        user_id: session.user.user_id,
        display_name: session.user.display_name,
        roles: session.user.roles,
        sites: session.user.sites,
        csrf: csrf_token(token),
        session: Some(hash),
    }))
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = HttpError;
    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, HttpError> {
        parts.extensions.get::<Arc<Caller>>().map(|c| (**c).clone()).ok_or(HttpError::Unauthenticated)
    }
}

impl OptionalFromRequestParts<AppState> for Caller {
    type Rejection = HttpError;
    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Option<Self>, HttpError> {
        Ok(parts.extensions.get::<Arc<Caller>>().map(|c| (**c).clone()))
    }
}

/// The address of the client.
#[derive(Debug, Clone)]
pub(super) struct ClientAddress(pub String);

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = HttpError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, HttpError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        Ok(Self(client_address(state, &parts.headers, peer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=1; xdoubleread=2; doubleread=3".parse().unwrap());
        assert_eq!(cookie(&headers, "doubleread"), Some("3"));
        assert_eq!(cookie(&headers, "read"), None);
    }
}
