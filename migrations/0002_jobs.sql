-- Work for the pipeline. A job in progress is a lease with a token and an expiry, never a
-- status word: claimable_at is when somebody may take it (its time to run, or the expiry of
-- the lease that holds it), and empty once it is done or given up. So a worker that dies
-- leaves nothing stuck past its lease.

CREATE TABLE jobs (
    job_id        TEXT PRIMARY KEY,
    kind          TEXT NOT NULL,
    -- What it is about: a Study Instance UID or a case id, as the kind says.
    subject       TEXT NOT NULL,
    -- Lower goes first.
    priority      BIGINT NOT NULL,
    claimable_at  TEXT,
    lease_token   TEXT,
    -- Asked for again while it was in progress: it runs once more at this instant.
    again_at      TEXT,
    attempts      BIGINT NOT NULL,
    created_at    TEXT NOT NULL,
    done_at       TEXT,
    failed_at     TEXT,
    -- Coded or plain words, nothing identifying: the last failure, or why it was given up.
    failed_reason TEXT,
    CONSTRAINT jobs_ends_once CHECK (done_at IS NULL OR failed_at IS NULL),
    CONSTRAINT jobs_open_or_ended CHECK ((claimable_at IS NULL) = (done_at IS NOT NULL OR failed_at IS NOT NULL))
);
-- One open job per kind and subject; a second request pulls the first one forward.
CREATE UNIQUE INDEX jobs_open ON jobs (kind, subject) WHERE claimable_at IS NOT NULL;
CREATE INDEX jobs_claimable ON jobs (kind, priority, claimable_at, job_id) WHERE claimable_at IS NOT NULL;
CREATE INDEX jobs_oldest ON jobs (kind, claimable_at) WHERE claimable_at IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (failed_at, job_id) WHERE failed_at IS NOT NULL;
CREATE INDEX jobs_done ON jobs (done_at) WHERE done_at IS NOT NULL;
