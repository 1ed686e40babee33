-- What leaves for other systems. A row is made in the transaction of the event that causes
-- it; a worker builds its body, stores it, and delivers it under a lease until there is a
-- receipt or a person has to look.

CREATE TABLE outbox (
    message_id      TEXT PRIMARY KEY,
    case_id         TEXT NOT NULL REFERENCES cases (case_id),
    kind            TEXT NOT NULL,
    -- Who gets it: record, referrer, patient or site.
    audience        TEXT NOT NULL,
    -- The finalised human read that it comes from (R17).
    source_read_id  TEXT,
    -- Position of the event that caused it.
    event_position  BIGINT NOT NULL REFERENCES events (position),
    -- The receiver sees it at most once under this key.
    idempotency_key TEXT NOT NULL,
    -- Built once, then never changed, so that every attempt sends the same.
    body            TEXT,
    created_at      TEXT NOT NULL,
    -- When it may be tried: the next attempt, or the expiry of the lease that holds it;
    -- empty once it is delivered or dead.
    claimable_at    TEXT,
    lease_token     TEXT,
    attempts        BIGINT NOT NULL,
    delivered_at    TEXT,
    -- What the receiver answered: an identifier or a location.
    receipt         TEXT,
    dead_at         TEXT,
    -- Why the last attempt failed, in words that identify nobody.
    last_failure    TEXT,
    CONSTRAINT outbox_once UNIQUE (idempotency_key),
    CONSTRAINT outbox_audience CHECK (audience IN ('record', 'referrer', 'patient', 'site')),
    -- R17: no report, and nothing for a patient, a referrer or the record, without a source.
    CONSTRAINT outbox_has_a_source CHECK (source_read_id IS NOT NULL OR audience = 'site'),
    CONSTRAINT outbox_reports_have_a_source CHECK
        (source_read_id IS NOT NULL OR kind NOT IN ('fhir_report', 'patient_message', 'urgent_message', 'follow_up_order')),
    CONSTRAINT outbox_ends_once CHECK (delivered_at IS NULL OR dead_at IS NULL),
    CONSTRAINT outbox_open_or_ended CHECK
        ((claimable_at IS NULL) = (delivered_at IS NOT NULL OR dead_at IS NOT NULL)),
    FOREIGN KEY (source_read_id, case_id) REFERENCES finalised_reads (read_id, case_id)
);
CREATE INDEX outbox_claimable ON outbox (claimable_at, message_id) WHERE claimable_at IS NOT NULL;
CREATE INDEX outbox_oldest ON outbox (created_at, message_id) WHERE claimable_at IS NOT NULL;
CREATE INDEX outbox_of_case ON outbox (case_id, event_position, message_id);
CREATE INDEX outbox_dead ON outbox (dead_at, message_id) WHERE dead_at IS NOT NULL;

-- Each attempt, with what came of it in words that identify nobody.
CREATE TABLE outbox_attempts (
    message_id TEXT NOT NULL REFERENCES outbox (message_id),
    attempt    BIGINT NOT NULL,
    at         TEXT NOT NULL,
    -- delivered, failed or refused.
    result     TEXT NOT NULL,
    detail     TEXT NOT NULL,
    PRIMARY KEY (message_id, attempt)
);
