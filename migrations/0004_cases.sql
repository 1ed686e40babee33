-- Cases: one chain of events over all of them, and the projections that pages and workers
-- ask. The events are the truth (PATHWAYS R18); every other table here is written in the
-- transaction of the event that it follows from, and could be made again from the events.

-- Policies as documents; a case keeps the version that it started with (R19).
CREATE TABLE policies (
    policy_id      TEXT NOT NULL,
    policy_version BIGINT NOT NULL,
    -- JSON of reading::Policy; never changed.
    document       TEXT NOT NULL,
    stored_at      TEXT NOT NULL,
    PRIMARY KEY (policy_id, policy_version)
);

-- The end of the chain: one row, updated first in each transaction that appends, so that
-- appends queue here and positions have no gaps.
CREATE TABLE event_head (
    name     TEXT PRIMARY KEY,
    position BIGINT NOT NULL,
    hash     TEXT NOT NULL,
    CONSTRAINT event_head_is_one CHECK (name = 'chain')
);
INSERT INTO event_head (name, position, hash)
VALUES ('chain', 0, '0000000000000000000000000000000000000000000000000000000000000000');

CREATE TABLE events (
    -- Place in the chain over all cases, from 1, without gaps.
    position     BIGINT PRIMARY KEY,
    case_id      TEXT NOT NULL,
    -- Place among the events of its case, from 1.
    case_version BIGINT NOT NULL,
    at           TEXT NOT NULL,
    kind         TEXT NOT NULL,
    -- Canonical JSON with position, case, instant, actor, policy and event: what the hash is of.
    sealed       TEXT NOT NULL,
    prev_hash    TEXT NOT NULL,
    hash         TEXT NOT NULL
);
CREATE UNIQUE INDEX events_of_case ON events (case_id, case_version);

CREATE TABLE cases (
    case_id            TEXT PRIMARY KEY,
    study_instance_uid TEXT NOT NULL,
    pathway            TEXT NOT NULL,
    site               TEXT NOT NULL,
    -- Number of the image set within its study, from 1.
    image_set          BIGINT NOT NULL,
    policy_id          TEXT NOT NULL,
    policy_version     BIGINT NOT NULL,
    -- How many events the case has: the guard against acting on an old state.
    version            BIGINT NOT NULL,
    opened_at          TEXT NOT NULL,
    last_image_at      TEXT NOT NULL,
    -- What it waits for: word of reading::NextStep.
    state              TEXT NOT NULL,
    -- The read that is open to be claimed: code of reading::Slot.
    open_slot          TEXT,
    -- Queue order (R15): lower rank first, then the earlier clock, then the older images.
    queue_rank         BIGINT NOT NULL,
    due_at             TEXT NOT NULL,
    -- For radiographers: what has become of the AI, never what it said.
    ai_state           TEXT NOT NULL,
    ai_reason          TEXT,
    concluded_at       TEXT,
    -- Word of the outcome that stands.
    outcome            TEXT,
    superseded_at      TEXT,
    superseded_by      TEXT,
    -- When time alone next changes something.
    next_timer_at      TEXT,
    CONSTRAINT cases_image_set UNIQUE (study_instance_uid, pathway, image_set),
    FOREIGN KEY (policy_id, policy_version) REFERENCES policies (policy_id, policy_version)
);
CREATE INDEX cases_queue ON cases
    (pathway, open_slot, queue_rank, due_at, last_image_at, case_id) WHERE open_slot IS NOT NULL;
CREATE INDEX cases_queue_of_site ON cases
    (pathway, open_slot, site, queue_rank, due_at, last_image_at, case_id) WHERE open_slot IS NOT NULL;
CREATE INDEX cases_by_state ON cases (pathway, state, queue_rank, due_at, last_image_at, case_id);
CREATE INDEX cases_timer ON cases (next_timer_at, case_id) WHERE next_timer_at IS NOT NULL;
CREATE INDEX cases_concluded ON cases (pathway, concluded_at, case_id) WHERE concluded_at IS NOT NULL;

-- Reads by people. An AI result is in ai_results and is no read that could count.
CREATE TABLE reads (
    read_id      TEXT PRIMARY KEY,
    case_id      TEXT NOT NULL REFERENCES cases (case_id),
    slot         TEXT NOT NULL,
    -- Whose; an arbitration has its authors in read_authors alone.
    reader_id    TEXT,
    reader_kind  TEXT NOT NULL,
    mode         TEXT NOT NULL,
    blind_word   TEXT NOT NULL,
    current_word TEXT NOT NULL,
    locked_at    TEXT NOT NULL,
    finalised_at TEXT,
    reading_ms   BIGINT NOT NULL,
    -- JSON of reading::Read, whole.
    body         TEXT NOT NULL,
    -- R1: one read per person per case.
    CONSTRAINT reads_one_per_reader UNIQUE (case_id, reader_id),
    CONSTRAINT reads_key UNIQUE (read_id, case_id, reader_kind),
    CONSTRAINT reads_have_a_reader CHECK ((slot = 'arbitration') = (reader_id IS NULL)),
    CONSTRAINT reads_kind CHECK (reader_kind IN ('human', 'ai'))
);
-- R1: one arbitration per image set.
CREATE UNIQUE INDEX reads_one_arbitration ON reads (case_id) WHERE slot = 'arbitration';

CREATE TABLE read_authors (
    reader_id TEXT NOT NULL,
    read_id   TEXT NOT NULL REFERENCES reads (read_id),
    case_id   TEXT NOT NULL,
    locked_at TEXT NOT NULL,
    PRIMARY KEY (case_id, reader_id, read_id)
);
CREATE INDEX read_authors_own ON read_authors (reader_id, locked_at, read_id);

-- R17: only what is here can be the source of anything that leaves. Nothing but a human
-- read of the same case can be put here.
CREATE TABLE finalised_reads (
    read_id      TEXT NOT NULL,
    case_id      TEXT NOT NULL,
    reader_kind  TEXT NOT NULL,
    finalised_at TEXT NOT NULL,
    PRIMARY KEY (read_id, case_id),
    CONSTRAINT finalised_reads_are_human CHECK (reader_kind = 'human'),
    FOREIGN KEY (read_id, case_id, reader_kind) REFERENCES reads (read_id, case_id, reader_kind)
);

-- Who has which case open (R7). A heartbeat moves expires_at and is no event.
CREATE TABLE claims (
    case_id    TEXT PRIMARY KEY REFERENCES cases (case_id),
    reader_id  TEXT NOT NULL,
    slot       TEXT NOT NULL,
    token      TEXT NOT NULL,
    opened_at  TEXT NOT NULL,
    expires_at TEXT NOT NULL
);
CREATE INDEX claims_of_reader ON claims (reader_id, expires_at);

-- Who left which case for others (R8).
CREATE TABLE skips (
    case_id   TEXT NOT NULL REFERENCES cases (case_id),
    reader_id TEXT NOT NULL,
    PRIMARY KEY (case_id, reader_id)
);

CREATE TABLE ai_results (
    case_id         TEXT PRIMARY KEY REFERENCES cases (case_id),
    resulted_at     TEXT NOT NULL,
    -- normal, abnormal, quality_fail or not_processed.
    word            TEXT NOT NULL,
    reason          TEXT,
    score           DOUBLE PRECISION,
    model_name      TEXT,
    model_version   TEXT,
    model_sha256    TEXT,
    operating_point TEXT,
    preprocessing   TEXT NOT NULL,
    provider        TEXT NOT NULL,
    -- Set where it came after the case had gone on without it (R14).
    late_at         TEXT,
    -- JSON of vocab::AiResult, whole: enough to replay it.
    result          TEXT NOT NULL
);
CREATE INDEX ai_results_by_model ON ai_results (model_sha256, resulted_at);

-- Draws of the QA sampler with their probability (R16).
CREATE TABLE qa_draws (
    case_id     TEXT PRIMARY KEY REFERENCES cases (case_id),
    at          TEXT NOT NULL,
    stratum     TEXT NOT NULL,
    probability DOUBLE PRECISION NOT NULL,
    -- Set where the case gets a second read.
    drawn_at    TEXT
);

-- Where people overruled the AI a coded reason is owed (M9).
CREATE TABLE overrules (
    case_id     TEXT NOT NULL REFERENCES cases (case_id),
    -- Number of the conclusion.
    conclusion  BIGINT NOT NULL,
    owed_at     TEXT NOT NULL,
    reason      TEXT,
    note        TEXT,
    reasoned_at TEXT,
    PRIMARY KEY (case_id, conclusion)
);
CREATE INDEX overrules_owed ON overrules (owed_at, case_id) WHERE reasoned_at IS NULL;

CREATE TABLE follow_up_orders (
    case_id    TEXT NOT NULL,
    read_id    TEXT NOT NULL,
    follow_up  TEXT NOT NULL,
    -- JSON list of finding codes.
    findings   TEXT NOT NULL,
    ordered_at TEXT NOT NULL,
    PRIMARY KEY (case_id, read_id),
    FOREIGN KEY (read_id, case_id) REFERENCES finalised_reads (read_id, case_id)
);

-- AI word against the blind word of the first human read, counted per day of conclusion
-- when a case concludes for the first time, so that statistics do not grow with history.
CREATE TABLE concordance_days (
    -- UTC, YYYY-MM-DD.
    day             TEXT NOT NULL,
    pathway         TEXT NOT NULL,
    site            TEXT NOT NULL,
    model_name      TEXT NOT NULL,
    model_version   TEXT NOT NULL,
    operating_point TEXT NOT NULL,
    reveal_mode     TEXT NOT NULL,
    ai_word         TEXT NOT NULL,
    human_word      TEXT NOT NULL,
    case_count      BIGINT NOT NULL,
    PRIMARY KEY (day, pathway, site, model_name, model_version, operating_point, reveal_mode, ai_word, human_word)
);
