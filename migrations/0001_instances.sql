-- What was received: one row per stored object, one per study, and the objects that
-- contradict one that was there first. Written by the receiver in one transaction per
-- group of objects, read by the assembly of cases and by the status pages.
-- Portable set of types only: TEXT, BIGINT, DOUBLE PRECISION. Instants are UTC text of
-- fixed width (2026-01-02T03:04:05.678Z), so that they sort.

CREATE TABLE instances (
    sop_instance_uid    TEXT PRIMARY KEY,
    sop_class_uid       TEXT NOT NULL,
    study_instance_uid  TEXT NOT NULL,
    series_instance_uid TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    -- BLAKE3 of the stored file: its name in the archive.
    content_hash        TEXT NOT NULL,
    size_bytes          BIGINT NOT NULL,
    calling_ae          TEXT NOT NULL,
    site                TEXT NOT NULL,
    -- The pathway that the source profile fixes, if it does.
    pathway             TEXT,
    modality            TEXT NOT NULL,
    received_at         TEXT NOT NULL,
    -- JSON of vocab::InstanceTags, whole.
    tags                TEXT NOT NULL
);
CREATE INDEX instances_of_study ON instances (study_instance_uid, received_at, sop_instance_uid);

-- The same SOP Instance UID with other bytes: the first stands, both files are kept, a
-- person judges (acceptance R10).
CREATE TABLE instance_conflicts (
    sop_instance_uid   TEXT NOT NULL,
    -- Hash of the file that was refused.
    content_hash       TEXT NOT NULL,
    -- Hash of the file that stands.
    kept_hash          TEXT NOT NULL,
    study_instance_uid TEXT NOT NULL,
    calling_ae         TEXT NOT NULL,
    site               TEXT NOT NULL,
    size_bytes         BIGINT NOT NULL,
    received_at        TEXT NOT NULL,
    -- JSON of vocab::Instance, whole, of the file that was refused.
    instance           TEXT NOT NULL,
    judged_at          TEXT,
    judged_by          TEXT,
    judgement          TEXT,
    PRIMARY KEY (sop_instance_uid, content_hash)
);
CREATE INDEX instance_conflicts_open ON instance_conflicts (received_at, sop_instance_uid)
    WHERE judged_at IS NULL;

CREATE TABLE studies (
    study_instance_uid   TEXT PRIMARY KEY,
    -- Identity as the first instance that carried each attribute said it.
    patient_id           TEXT,
    issuer_of_patient_id TEXT,
    patient_name         TEXT,
    birth_date           TEXT,
    sex                  TEXT,
    accession_number     TEXT,
    study_date           TEXT,
    study_description    TEXT,
    site                 TEXT NOT NULL,
    calling_ae           TEXT NOT NULL,
    pathway              TEXT,
    modality             TEXT NOT NULL,
    instance_count       BIGINT NOT NULL,
    first_arrival_at     TEXT NOT NULL,
    last_arrival_at      TEXT NOT NULL,
    -- Coded reason for which nothing of this study is scored or posted (acceptance R11).
    hold_reason          TEXT,
    held_at              TEXT,
    -- When the image set was judged complete, and by which rule.
    complete_at          TEXT,
    completeness_reason  TEXT
);
CREATE INDEX studies_by_accession ON studies (accession_number);
CREATE INDEX studies_by_arrival ON studies (last_arrival_at, study_instance_uid);
CREATE INDEX studies_by_site_arrival ON studies (site, last_arrival_at, study_instance_uid);
CREATE INDEX studies_by_patient ON studies (patient_id);
CREATE INDEX studies_held ON studies (held_at, study_instance_uid) WHERE hold_reason IS NOT NULL;

-- One row that the health check writes and reads back.
CREATE TABLE health_checks (
    name       TEXT PRIMARY KEY,
    checked_at TEXT NOT NULL
);
