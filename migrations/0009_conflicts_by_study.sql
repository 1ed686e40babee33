-- A study's status and its case ask whether instances of it wait for a person.
CREATE INDEX instance_conflicts_by_study ON instance_conflicts (study_instance_uid);
