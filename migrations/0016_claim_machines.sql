-- At which machines (browsers) a reader has a claimed case open, so that each can say that it is open at another one too.
-- Nothing of the case depends on it; it goes with the claim.
CREATE TABLE claim_machines (
    case_id TEXT NOT NULL REFERENCES claims (case_id) ON DELETE CASCADE,
    -- A number that the browser made for itself; it tells nothing of the machine.
    machine TEXT NOT NULL,
    -- When it last said so; written now and then, not at each heartbeat.
    seen_at TEXT NOT NULL,
    PRIMARY KEY (case_id, machine)
);
