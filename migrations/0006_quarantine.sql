-- Objects that arrived whole and were refused for their content, each with a copy in the quarantine for a person to
-- judge. Written by the receiver before it answers the sender, read by the pages of what needs attention.

CREATE TABLE quarantine (
    -- BLAKE3 of the kept file: its name in the quarantine.
    content_hash        TEXT PRIMARY KEY,
    size_bytes          BIGINT NOT NULL,
    -- Instance and class of the command; the data set may say others, or none.
    sop_instance_uid    TEXT NOT NULL,
    sop_class_uid       TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    calling_ae          TEXT NOT NULL,
    address             TEXT NOT NULL,
    site                TEXT NOT NULL,
    -- DIMSE status that the sender was answered.
    status              BIGINT NOT NULL,
    -- Where the reading ended: vocab::RefusalPhase.
    phase               TEXT NOT NULL,
    reason              TEXT NOT NULL,
    received_at         TEXT NOT NULL,
    -- The same bytes may come again: one row, counted up.
    last_received_at    TEXT NOT NULL,
    times_received      BIGINT NOT NULL,
    judged_at           TEXT,
    judged_by           TEXT,
    note                TEXT
);
CREATE INDEX quarantine_open ON quarantine (received_at, content_hash) WHERE judged_at IS NULL;
CREATE INDEX quarantine_by_source ON quarantine (calling_ae, received_at);
