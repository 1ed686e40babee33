-- Who may sign in, as what, where, and how: people with local accounts, their sessions,
-- bearer tokens for machines, and the sign-in attempts that throttling counts. Passwords
-- and tokens are here as hashes only.

CREATE TABLE users (
    user_id       TEXT PRIMARY KEY,
    -- Lower case.
    sign_in_name  TEXT NOT NULL,
    display_name  TEXT NOT NULL,
    -- argon2, in PHC form; empty for an account that can't sign in by password.
    password_hash TEXT,
    created_at    TEXT NOT NULL,
    disabled_at   TEXT,
    CONSTRAINT users_sign_in_name UNIQUE (sign_in_name)
);
CREATE TABLE user_roles (
    user_id TEXT NOT NULL REFERENCES users (user_id),
    role    TEXT NOT NULL,
    PRIMARY KEY (user_id, role)
);
-- Sites that a person may see; none means every site.
CREATE TABLE user_sites (
    user_id TEXT NOT NULL REFERENCES users (user_id),
    site    TEXT NOT NULL,
    PRIMARY KEY (user_id, site)
);

CREATE TABLE sessions (
    -- Hash of the token in the cookie.
    token_hash          TEXT PRIMARY KEY,
    user_id             TEXT NOT NULL REFERENCES users (user_id),
    created_at          TEXT NOT NULL,
    idle_expires_at     TEXT NOT NULL,
    absolute_expires_at TEXT NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (absolute_expires_at);

CREATE TABLE api_tokens (
    -- Hash of the bearer token.
    token_hash TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    -- The one site that the token may see; empty means every site.
    site       TEXT,
    -- The account in whose name the token acts; each token has one.
    user_id    TEXT NOT NULL REFERENCES users (user_id),
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    revoked_at TEXT
);

CREATE TABLE sign_in_attempts (
    attempt_id   TEXT PRIMARY KEY,
    sign_in_name TEXT NOT NULL,
    address      TEXT NOT NULL,
    at           TEXT NOT NULL,
    -- Set where the attempt succeeded.
    succeeded_at TEXT
);
CREATE INDEX sign_in_attempts_by_name ON sign_in_attempts (sign_in_name, at);
CREATE INDEX sign_in_attempts_by_address ON sign_in_attempts (address, at);
CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (at);
