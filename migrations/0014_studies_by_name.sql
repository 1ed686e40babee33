-- A search by part of a name walks this index instead of the rows of 100,000 studies.
CREATE INDEX studies_by_name ON studies (patient_name, study_instance_uid);
