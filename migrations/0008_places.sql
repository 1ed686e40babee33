-- Where a model without a map of its own was moved by an image: found after the result, by occlusion, at low priority.
-- Shown to whoever may see the result itself; no part of it, and of no weight in what comes next.
CREATE TABLE case_places (
    case_id      TEXT PRIMARY KEY REFERENCES cases (case_id),
    -- SHA-256 of the graph.
    model_sha256 TEXT NOT NULL,
    found_at     TEXT NOT NULL,
    -- Regions and heat maps, JSON.
    places       TEXT NOT NULL
);
