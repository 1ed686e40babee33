-- Mammograms whose picture looks like another view or side than their tags say: a notice to check the image. No part of an AI
-- result, and of no weight in what is scored or read.
CREATE TABLE view_disagreements (
    sop_instance_uid   TEXT PRIMARY KEY REFERENCES instances (sop_instance_uid),
    study_instance_uid TEXT NOT NULL,
    -- What the tags say, and what the picture looks like, JSON of vocab::ViewDisagreement.
    disagreement       TEXT NOT NULL,
    -- SHA-256 of the recogniser's graph.
    recogniser_sha256  TEXT NOT NULL,
    found_at           TEXT NOT NULL
);
CREATE INDEX view_disagreements_by_study ON view_disagreements (study_instance_uid);
