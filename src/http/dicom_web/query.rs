//! Keys of a search (PS3.18 section 8.3.4 and table 10.6.1-5), by keyword or by tag.
//!
//! In: the pairs of a query. Out: what the store can match. Keys that nothing is known of, and `includefield`, are passed
//! over: the answer has all attributes that there are.

use crate::http::error::HttpError;
use crate::store::StudyQuery;
use crate::vocab::StudyInstanceUid;

/// A search with its place in the answer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Search {
    pub studies: StudyQuery,
    pub modalities: Vec<String>,
    pub series: Option<String>,
    pub instance: Option<String>,
    pub limit: Option<u32>,
    pub offset: u32,
}

/// Reads the pairs of a query.
pub(super) fn search(pairs: &[(String, String)]) -> Result<Search, HttpError> {
    let mut search = Search::default();
    for (key, value) in pairs {
        let value = value.trim();
        if value.is_empty() {
            // An empty value matches all (PS3.4 C.2.2.2.3).
            continue;
        }
        let studies = &mut search.studies;
        match key.as_str() {
            "StudyInstanceUID" | "0020000D" => {
                let uids: Result<Vec<StudyInstanceUid>, _> =
                    value.split([',', '\\']).map(|uid| uid.trim().parse()).collect();
                studies.study_instance_uids = uids?;
            }
            "PatientID" | "00100020" => studies.patient_id = Some(value.to_owned()),
            "PatientName" | "00100010" => studies.patient_name = Some(value.to_owned()),
            "AccessionNumber" | "00080050" => studies.accession_number = Some(value.to_owned()),
            "StudyDate" | "00080020" => (studies.date_from, studies.date_to) = dates(value)?,
            "ModalitiesInStudy" | "00080061" | "Modality" | "00080060" => {
                search.modalities = value.split([',', '\\']).map(|one| one.trim().to_owned()).collect();
            }
            "SeriesInstanceUID" | "0020000E" => search.series = Some(value.to_owned()),
            "SOPInstanceUID" | "00080018" => search.instance = Some(value.to_owned()),
            "limit" => search.limit = Some(number(value)?),
            "offset" => search.offset = number(value)?,
            _ => {}
        }
    }
    Ok(search)
}

fn number(text: &str) -> Result<u32, HttpError> {
    text.parse().map_err(|_| HttpError::BadRequest("limit and offset are whole numbers".to_owned()))
}

/// A date or a range of dates, open at either end (PS3.4 C.2.2.2.5.1).
fn dates(text: &str) -> Result<(Option<String>, Option<String>), HttpError> {
    let day = |text: &str| -> Result<Option<String>, HttpError> {
        match text.len() {
            0 => Ok(None),
            8 if text.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(text.to_owned())),
            _ => Err(HttpError::BadRequest("a date is YYYYMMDD, a range is YYYYMMDD-YYYYMMDD".to_owned())),
        }
    };
    match text.split_once('-') {
        Some((from, to)) => Ok((day(from.trim())?, day(to.trim())?)),
        None => day(text).map(|day| (day.clone(), day)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Search, HttpError> {
        search(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn keys_are_known_by_keyword_and_by_tag_and_others_are_passed_over() {
        let found = read(&[
            ("00100020", "P1"),
            ("PatientName", "smith*"),
            ("StudyDate", "20240101-"),
            ("includefield", "all"),
            ("fuzzymatching", "true"),
            ("AccessionNumber", ""),
            ("limit", "5"),
        ])
        .unwrap();
        assert_eq!(found.studies.patient_id.as_deref(), Some("P1"));
        assert_eq!(found.studies.patient_name.as_deref(), Some("smith*"));
        assert_eq!((found.studies.date_from.as_deref(), found.studies.date_to), (Some("20240101"), None));
        assert_eq!((found.studies.accession_number, found.limit), (None, Some(5)));
        assert!(read(&[("StudyDate", "yesterday")]).is_err());
        assert!(read(&[("StudyInstanceUID", "1.2.x")]).is_err());
        assert!(read(&[("limit", "-1")]).is_err());
    }
}
