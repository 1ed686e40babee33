//! Who is shown and what is known of them: the line above the images, and the history beside the opinion.

use super::frame::Look;
use crate::http::desk::Subject;
use crate::http::words;
use crate::reading::{clock_level, due_at};
use crate::store::StoredCase;

/// Who is shown, in the banner.
#[derive(Debug, Clone)]
pub(super) struct Banner {
    pub name: String,
    pub facts: Vec<(&'static str, String)>,
}

pub(super) fn banner(look: &Look, case: &StoredCase, subject: &Subject) -> Banner {
    let study = &subject.study;
    let day = case.state.set.last_image_at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut facts = Vec::new();
    if let Some(born) = &study.birth_date {
        let age = words::age_years(born, day).map(|age| format!(" ({age} years)")).unwrap_or_default();
        facts.push(("Born", format!("{}{age}", words::date(born))));
    }
    facts.extend(study.sex.map(|sex| ("Sex", words::sex(sex).to_owned())));
    facts.extend(study.patient_id.as_ref().map(|id| ("ID", words::plain(id.as_str()))));
    facts.extend(study.accession_number.as_ref().map(|number| ("Accession", words::plain(number.as_str()))));
    facts.extend(study.study_date.as_ref().map(|date| ("Study", words::date(date))));
    facts.extend(
        study.study_description.as_ref().filter(|d| !d.is_empty()).map(|d| ("Exam", words::plain(d))),
    );
    facts.push(("Site", study.site.to_string()));
    if case.state.conclusion.is_none() {
        let due = due_at(&case.policy, case.state.set.last_image_at);
        let level = clock_level(&case.policy, case.state.set.last_image_at, look.now());
        facts.push(("Due", super::worklist::due_words(look, due, level)));
    }
    Banner { name: words::person_name(study.patient_name.as_deref().unwrap_or_default()), facts }
}
