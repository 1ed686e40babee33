//! Passwords and tokens: made, hashed, compared.
//!
//! In: what a person or machine offers. Out: hashes to store, or whether they match. Never: a
//! password or token in a log, or an answer whose time tells whether an account exists.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;

/// Shortest password that is accepted for a new account, in characters.
pub const SHORTEST_PASSWORD: usize = 12;

/// Why a password can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("a password needs at least {SHORTEST_PASSWORD} characters")]
    TooShort,
    /// The hash could not be made.
    #[error("the password could not be hashed")]
    Hashing,
}

/// The argon2id hash of a new password, in PHC form. Takes tens of milliseconds: call it where blocking is fine.
///
/// # Errors
/// When the password is too short.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < SHORTEST_PASSWORD {
        return Err(PasswordError::TooShort);
    }
    let mut salt = [0_u8; 16];
    rand::rng().fill_bytes(&mut salt);
    let salt = SaltString::encode_b64(&salt).map_err(|_| PasswordError::Hashing)?;
    let hash =
        Argon2::default().hash_password(password.as_bytes(), &salt).map_err(|_| PasswordError::Hashing)?;
    Ok(hash.to_string())
}

/// A hash of no one's password, in today's parameters: what an unknown name is checked against.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$jF5i3W1qkbwjF1kqXkYp1rB0X9v5y8iZbqUq9w1m2cM";

/// Whether `password` is the one behind `stored`; without `stored` the same work is done and the answer is no.
/// Takes tens of milliseconds: call it where blocking is fine.
pub fn password_matches(stored: Option<&str>, password: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(stored.unwrap_or(NOBODY)) else { return false };
    let matches = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    matches && stored.is_some()
}

/// A fresh token of 256 random bits, in characters that need no quoting.
pub fn fresh_token() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is stored of a token: its BLAKE3 hash, hexadecimal. Tokens are random, so that no slow hash is needed.
pub fn token_hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

/// The token that forms of a session carry: derived from the session's own, and no way back.
pub(super) fn csrf_token(session_token: &str) -> String {
    let key = blake3::derive_key("doubleread 2026 cross-site request token", session_token.as_bytes());
    URL_SAFE_NO_PAD.encode(key)
}

/// Whether two texts are equal, in a time that does not tell where they differ.
pub(super) fn same(a: &str, b: &str) -> bool {
    use subtle::ConstantTimeEq;
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let hash = hash_password("correct horse battery").unwrap();
        assert!(password_matches(Some(&hash), "correct horse battery"));
        assert!(!password_matches(Some(&hash), "correct horse batterz"));
        assert!(!password_matches(None, "correct horse battery"));
        assert!(hash_password("short").is_err());
    }

    #[test]
    fn an_unknown_name_costs_the_same_check() {
        // The stand-in must parse with the parameters of today's hashes, or an unknown name would answer faster.
        let stand_in = PasswordHash::new(NOBODY).unwrap();
        let real = hash_password("correct horse battery").unwrap();
        let real = PasswordHash::new(&real).unwrap();
        assert_eq!(stand_in.params, real.params);
        assert_eq!(stand_in.algorithm, real.algorithm);
    }

    #[test]
    fn tokens_differ_and_their_form_token_is_another() {
        let token = fresh_token();
        assert_ne!(token, fresh_token());
        assert_eq!(token.len(), 43);
        assert_ne!(csrf_token(&token), token);
        assert!(same(&csrf_token(&token), &csrf_token(&token)));
    }
}
