-- Orders: requests for an exam, as the systems of hospitals and practices send them, and which study came of them.

-- One row: counts the acts on orders, and lets them queue, so that two orders can't take one accession number at once.
CREATE TABLE order_head (
    name     TEXT PRIMARY KEY,
    position BIGINT NOT NULL,
    CONSTRAINT order_head_is_one CHECK (name = 'orders')
);
INSERT INTO order_head (name, position) VALUES ('orders', 0);

CREATE TABLE orders (
    order_id             TEXT PRIMARY KEY,
    -- Number of the system that asks.
    placer_order_number  TEXT NOT NULL,
    -- Number that the images will carry; known within its site.
    accession_number     TEXT NOT NULL,
    site                 TEXT NOT NULL,
    patient_id           TEXT NOT NULL,
    -- Empty where it is not said.
    issuer_of_patient_id TEXT NOT NULL,
    nhs_number           TEXT,
    patient_name         TEXT NOT NULL,
    birth_date           TEXT NOT NULL,
    pathway              TEXT NOT NULL,
    procedure_words      TEXT NOT NULL,
    reason               TEXT NOT NULL,
    symptoms             TEXT NOT NULL,
    urgency              TEXT NOT NULL,
    requested_at         TEXT NOT NULL,
    received_at          TEXT NOT NULL,
    -- When what it says last changed.
    changed_at           TEXT NOT NULL,
    cancelled_at         TEXT,
    -- Follows from the studies below and their cases (reading::order_state); written with them.
    state                TEXT NOT NULL,
    -- How many acts it has seen.
    version              BIGINT NOT NULL,
    CONSTRAINT orders_once UNIQUE (site, placer_order_number, accession_number)
);
CREATE INDEX orders_by_accession ON orders (accession_number, site);
CREATE INDEX orders_by_state ON orders (state, urgency, requested_at, order_id);
CREATE INDEX orders_waiting ON orders (urgency, requested_at, order_id) WHERE state IN ('requested', 'repeat_needed');

-- Which studies are the images of an order.
CREATE TABLE order_studies (
    study_instance_uid TEXT NOT NULL REFERENCES studies (study_instance_uid),
    order_id           TEXT NOT NULL REFERENCES orders (order_id),
    matched_at         TEXT NOT NULL,
    PRIMARY KEY (study_instance_uid, order_id)
);
CREATE INDEX order_studies_of_order ON order_studies (order_id);

-- Every act on an order, in the order in which they happened; a row is never changed.
CREATE TABLE order_changes (
    position           BIGINT PRIMARY KEY,
    order_id           TEXT NOT NULL REFERENCES orders (order_id),
    -- Place among the acts on its order, from 1.
    version            BIGINT NOT NULL,
    at                 TEXT NOT NULL,
    -- received, changed, cancelled, matched or parted.
    act                TEXT NOT NULL,
    -- Whose act; empty where it followed from images.
    changed_by         TEXT REFERENCES users (user_id),
    -- The study that was matched or parted.
    study_instance_uid TEXT,
    -- Why it was cancelled.
    reason             TEXT NOT NULL,
    -- What the order said from then on, JSON of vocab::OrderContent.
    content            TEXT NOT NULL,
    CONSTRAINT order_changes_once UNIQUE (order_id, version)
);

-- A person has settled that images with the accession number of an order for somebody else may be read without it.
ALTER TABLE studies ADD COLUMN order_conflict_settled_at TEXT;
ALTER TABLE studies ADD COLUMN order_conflict_settled_by TEXT;
