-- What people decided about model versions, and what models in the shadow said of live cases.
-- A decision is never changed; the latest that has come into effect holds (PATHWAYS R20).

CREATE TABLE model_decisions (
    decision_id  TEXT PRIMARY KEY,
    -- Name of the model's folder: name and version.
    folder       TEXT NOT NULL,
    -- SHA-256 of its graph when it was decided on.
    sha256       TEXT NOT NULL,
    role         TEXT NOT NULL,
    -- From when on it holds.
    effective_at TEXT NOT NULL,
    decided_at   TEXT NOT NULL,
    decided_by   TEXT NOT NULL REFERENCES users (user_id),
    confirmed_by TEXT REFERENCES users (user_id),
    reason       TEXT NOT NULL,
    CONSTRAINT model_decisions_role CHECK (role IN ('active', 'shadow', 'retired')),
    -- R20: what readers will see takes two people.
    CONSTRAINT model_decisions_two_people CHECK
        (role <> 'active' OR (confirmed_by IS NOT NULL AND confirmed_by <> decided_by))
);
CREATE INDEX model_decisions_of_folder ON model_decisions (folder, effective_at, decided_at);

-- Never shown to a reader; compared in audit.
CREATE TABLE shadow_results (
    case_id     TEXT NOT NULL REFERENCES cases (case_id),
    folder      TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    word        TEXT NOT NULL,
    score       DOUBLE PRECISION,
    resulted_at TEXT NOT NULL,
    result      TEXT NOT NULL,
    PRIMARY KEY (case_id, folder)
);
CREATE INDEX shadow_results_of_folder ON shadow_results (folder, resulted_at);
