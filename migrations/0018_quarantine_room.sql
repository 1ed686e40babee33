-- When the copy was removed because another refused object needed its room. Only copies that a person has judged go, and
-- the row with the judgement stays; the same bytes may come again, and are kept again.
ALTER TABLE quarantine ADD COLUMN removed_at TEXT;
