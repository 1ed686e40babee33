-- Studies that somebody pushed through the service only to see that it works. They make no case, whatever they hold, and
-- stand in no list of studies. A row is written before the first byte is sent.
CREATE TABLE link_tests (
    study_instance_uid TEXT PRIMARY KEY,
    asked_at           TEXT NOT NULL
);
