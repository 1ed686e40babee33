//! Codes and values in plain words, for pages.
//!
//! In: vocabulary, text from the wire. Out: text that is safe to show beside other text. Nothing here decides.

use crate::store::HoldReason;
use crate::vocab::{
    Assessment, BreastOpinion, ChestFinding, ChestOpinion, Laterality, MammoOpinion, Opinion, Pathway,
    Projection, Sex, Side, ViewDisagreement,
};

/// Text from outside without control characters and without marks that turn the direction of the text around it
/// (acceptance H21).
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| {
            !c.is_control()
                && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
        .collect()
}

/// The same of text that may have lines.
pub(super) fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// A code as words: `pleural_effusion` is "pleural effusion".
pub(super) fn code_words(code: &str) -> String {
    code.replace('_', " ")
}

/// The same with a capital.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A person's name of Value Representation PN (PS3.5 section 6.2.1): family name, then given names.
pub(super) fn person_name(name: &str) -> String {
    let alphabetic = name.split('=').find(|group| !group.trim().is_empty()).unwrap_or_default();
    let mut parts = alphabetic.split('^').map(|part| plain(part.trim()));
    let family = parts.next().unwrap_or_default().to_uppercase();
    let given: Vec<String> = parts.take(2).filter(|part| !part.is_empty()).collect();
    match (family.is_empty(), given.is_empty()) {
        (true, true) => "name not given".to_owned(),
        (false, true) => family,
        (true, false) => given.join(" "),
        (false, false) => format!("{family}, {}", given.join(" ")),
    }
}

/// A date of Value Representation DA (`YYYYMMDD`).
pub(super) fn date(text: &str) -> String {
    jiff::civil::Date::strptime("%Y%m%d", text.trim())
        .map_or_else(|_| plain(text), |date| date.strftime("%-d %b %Y").to_string())
}

/// Whole years from a birth date (`YYYYMMDD`) to a day.
pub(super) fn age_years(birth_date: &str, on: jiff::civil::Date) -> Option<i16> {
    let born = jiff::civil::Date::strptime("%Y%m%d", birth_date.trim()).ok()?;
    let years = born.until((jiff::Unit::Year, on)).ok()?.get_years();
    (0..=130).contains(&years).then_some(years)
}

/// The pathway.
pub(super) fn pathway(pathway: Pathway) -> &'static str {
    match pathway {
        Pathway::Chest => "Chest X-ray",
        Pathway::Mammo => "Mammogram",
    }
}

/// Sex, as a banner says it.
pub(super) fn sex(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "male",
        Sex::Female => "female",
        Sex::Other => "other",
    }
}

/// An opinion in one line.
pub(super) fn opinion(opinion: &Opinion) -> String {
    match opinion {
        Opinion::Chest(ChestOpinion::Normal) => "Normal".to_owned(),
        Opinion::Chest(ChestOpinion::Abnormal { findings }) => {
            format!("Abnormal: {}", findings.iter().map(chest_finding).collect::<Vec<_>>().join("; "))
        }
        Opinion::Chest(ChestOpinion::Inadequate { reason }) => {
            format!("Inadequate: {}", code_words(reason.code()))
        }
        Opinion::Mammo(MammoOpinion::Normal) => "Normal, routine recall".to_owned(),
        Opinion::Mammo(MammoOpinion::TechnicalRecall { views }) => {
            let views: Vec<String> =
                views.iter().map(|one| format!("{} {}", one.view, code_words(one.reason.code()))).collect();
            format!("Technical recall: {}", views.join(", "))
        }
        Opinion::Mammo(MammoOpinion::Recall { right, left }) => {
            format!("Recall: {}; {}", breast("right", right), breast("left", left))
        }
    }
}

/// A finding of a chest film in one line.
pub(super) fn chest_finding(finding: &ChestFinding) -> String {
    let mut words = vec![finding.code.words().to_owned()];
    let place: Vec<String> = [
        finding.side.map(|side| side.code().to_owned()),
        finding.zone.map(|zone| format!("{} zone", zone.code())),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !place.is_empty() {
        words.push(place.join(" "));
    }
    words.extend(finding.confidence.map(|confidence| confidence.code().to_owned()));
    if finding.urgent {
        words.push("urgent".to_owned());
    }
    words.join(", ")
}

fn breast(side: &str, breast: &BreastOpinion) -> String {
    let assessment = match breast.assessment {
        Assessment::Normal => "normal",
        Assessment::Clinical => "clinical signs",
        Assessment::Abnormal => "abnormal",
    };
    let marks: Vec<String> =
        breast.marks.iter().map(|mark| format!("{} {}", mark.feature.words(), mark.concern.code())).collect();
    if marks.is_empty() {
        format!("{side} {assessment}")
    } else {
        format!("{side} {assessment} ({})", marks.join(", "))
    }
}

/// What a radiographer is to check of a mammogram whose picture and tags disagree.
pub(super) fn view_disagreement(found: &ViewDisagreement) -> String {
    let side = |side: Side| match side {
        Side::Right => "right",
        Side::Left => "left",
    };
    let looks_like = match (found.side, found.projection) {
        (Some(seen), Some(projection)) => format!("a {} {projection}", side(seen)),
        (Some(seen), None) => format!("a {} breast", side(seen)),
        (None, Some(Projection::Mlo)) => "an MLO".to_owned(),
        (None, Some(projection)) => format!("a {projection}"),
        (None, None) => "another view".to_owned(),
    };
    let tagged = found.tagged;
    let check = if found.side.is_some_and(|seen| seen != tagged.side) { "marker" } else { "view" };
    let (tagged_side, tagged_projection) = (side(tagged.side), tagged.projection);
    format!(
        "The picture looks like {looks_like}; the tags say {tagged_side} {tagged_projection}. Check the {check}."
    )
}

/// Why a study is held.
pub(super) fn hold(reason: HoldReason) -> &'static str {
    match reason {
        HoldReason::IdentityConflict => "its images disagree about the patient",
        HoldReason::OrderOfAnotherPatient => "the order with its accession number is for another patient",
        HoldReason::ByHand => "a person has put it on hold",
    }
}

/// Where in the body.
pub(super) fn side(side: Option<Laterality>) -> &'static str {
    match side {
        Some(Laterality::Right) => "right",
        Some(Laterality::Left) => "left",
        Some(Laterality::Bilateral) => "both sides",
        Some(Laterality::Midline) => "midline",
        None => "",
    }
}

/// What a model was trained on, as its manifest says it.
pub(super) fn trained_on(text: &str) -> String {
    match text.trim() {
        "phantoms" => "synthetic phantoms only, no patient".to_owned(),
        other => plain(other),
    }
}

/// A length of time in minutes.
pub(super) fn minutes(ms: i64) -> String {
    match ms.max(0) / 60_000 {
        0 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

/// A length of time in seconds, and in minutes where it is long.
pub(super) fn seconds(ms: i64) -> String {
    match ms.max(0) / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// A number between 0 and 1 with two digits.
pub(super) fn score(score: f64) -> String {
    format!("{score:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_family_first_and_without_tricks() {
        assert_eq!(person_name("Smith^Anna^Mary^Dr"), "SMITH, Anna Mary");
        assert_eq!(person_name("^^"), "name not given");
        assert_eq!(person_name("Yamada^Tarou=山田^太郎"), "YAMADA, Tarou");
        assert_eq!(person_name("A\u{202e}B^C\u{0007}"), "AB, C");
    }

    #[test]
    fn an_age_is_in_whole_years() {
        let day = jiff::civil::date(2026, 3, 2);
        assert_eq!(age_years("19700302", day), Some(56));
        assert_eq!(age_years("19700303", day), Some(55));
        assert_eq!(age_years("20300101", day), None);
        assert_eq!(age_years("not a date", day), None);
    }

    #[test]
    fn a_view_that_disagrees_says_what_to_check() {
        let table = [
            ("RCC", "L", "MLO", "a left MLO; the tags say right CC. Check the marker."),
            ("LMLO", "R", "", "a right breast; the tags say left MLO. Check the marker."),
            ("LCC", "L", "MLO", "a left MLO; the tags say left CC. Check the view."),
            ("RCC", "", "MLO", "an MLO; the tags say right CC. Check the view."),
            ("RMLO", "", "CC", "a CC; the tags say right MLO. Check the view."),
        ];
        for (tagged, side, projection, expected) in table {
            let found = ViewDisagreement {
                sop_instance_uid: "1.2".parse().unwrap(),
                tagged: tagged.parse().unwrap(),
                side: side.parse().ok(),
                projection: projection.parse().ok(),
            };
            assert_eq!(view_disagreement(&found), format!("The picture looks like {expected}"));
        }
    }

    #[test]
    fn an_opinion_is_said_in_one_line() {
        let text = r#"{"pathway":"chest","opinion":"abnormal","findings":[{"code":"pleural_effusion","side":"left",
            "zone":"lower","confidence":"probable","urgent":true}]}"#;
        let said = opinion(&serde_json::from_str(text).unwrap());
        assert_eq!(said, "Abnormal: pleural effusion, left lower zone, probable, urgent");
        let text = r#"{"pathway":"mammo","opinion":"recall","right":{"assessment":"normal"},
            "left":{"assessment":"abnormal","marks":[{"feature":"mass","concern":"4"}]}}"#;
        assert_eq!(
            opinion(&serde_json::from_str(text).unwrap()),
            "Recall: right normal; left abnormal (mass 4)"
        );
    }
}
