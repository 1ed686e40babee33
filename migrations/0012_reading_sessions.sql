-- Sessions of reading: what a reader set out to read and which cases they took, so that they
-- see how far they are and how it went. What became of a case is told by reads, skips and
-- holds. And what a person prefers: theme, keys, size of a session, own targets.

CREATE TABLE reading_sessions (
    session_id TEXT PRIMARY KEY,
    reader_id  TEXT NOT NULL REFERENCES users (user_id),
    -- How many cases the reader set out to read.
    size       BIGINT NOT NULL,
    -- JSON of store::SessionFilter.
    filter     TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at   TEXT
);
-- A person reads in one session at a time.
CREATE UNIQUE INDEX reading_sessions_open ON reading_sessions (reader_id) WHERE ended_at IS NULL;
CREATE INDEX reading_sessions_own ON reading_sessions (reader_id, started_at);

CREATE TABLE reading_session_cases (
    session_id TEXT NOT NULL REFERENCES reading_sessions (session_id),
    case_id    TEXT NOT NULL REFERENCES cases (case_id),
    taken_at   TEXT NOT NULL,
    PRIMARY KEY (session_id, case_id)
);

CREATE TABLE preferences (
    user_id    TEXT PRIMARY KEY REFERENCES users (user_id),
    -- JSON of store::Preferences, whole.
    document   TEXT NOT NULL,
    changed_at TEXT NOT NULL
);

-- Reads that do not count yet are few at any time.
CREATE INDEX reads_not_final ON reads (locked_at, read_id) WHERE finalised_at IS NULL;
