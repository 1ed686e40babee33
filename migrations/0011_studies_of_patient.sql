-- Earlier studies of a patient, latest first, are asked for with each case that is opened: by the identifier with its
-- issuer, in the order of the study date.
CREATE INDEX studies_of_patient ON studies (patient_id, issuer_of_patient_id, study_date, study_instance_uid);
