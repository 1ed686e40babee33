//! Which of the expected views of a study are there, in words for whoever has to decide whether the patient may leave.
//!
//! In: the instances of a study. Out: the views that are seen and missing. The rule of completeness itself is not here.

use crate::vocab::{ChestView, Instance, MammoView, Pathway, View, is_mammogram, view_of};

use super::study_notices::is_read_here;

/// What is there of a study.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Views {
    seen: Vec<String>,
    missing: Vec<String>,
    /// Images beyond the expected ones.
    further: usize,
}

impl Views {
    /// Of the instances that are images for presentation.
    pub(super) fn of(pathway: Option<Pathway>, instances: &[Instance]) -> Self {
        let images: Vec<&Instance> = instances
            .iter()
            .filter(|one| is_read_here(&one.sop_class_uid))
            .filter(|one| !one.tags.presentation_intent.eq_ignore_ascii_case("FOR PROCESSING"))
            .collect();
        let Some(first) = images.first() else { return Self::default() };
        let shown = if is_mammogram(first) { Pathway::Mammo } else { Pathway::Chest };
        let pathway = pathway.or(first.pathway).unwrap_or(shown);
        let views: Vec<Option<View>> = images.iter().map(|one| view_of(pathway, one)).collect();
        let expected: Vec<View> = match pathway {
            Pathway::Chest => vec![View::Chest(ChestView::Frontal)],
            Pathway::Mammo => MammoView::STANDARD.into_iter().map(View::Mammo).collect(),
        };
        let (seen, missing): (Vec<View>, Vec<View>) =
            expected.into_iter().partition(|view| views.contains(&Some(*view)));
        let words = |views: &[View]| views.iter().map(ToString::to_string).collect();
        Self {
            seen: words(&seen),
            missing: words(&missing),
            further: images.len().saturating_sub(seen.len()),
        }
    }

    /// In one line.
    pub(super) fn words(&self) -> String {
        let mut said = match (self.seen.as_slice(), self.missing.as_slice()) {
            ([], []) => "no image".to_owned(),
            (seen, []) => format!("{} {}", seen.join(", "), if seen.len() == 1 { "is in" } else { "are in" }),
            ([], missing) => format!("{} missing", missing.join(", ")),
            (seen, missing) => format!("{} in, {} missing", seen.join(", "), missing.join(", ")),
        };
        match self.further {
            0 => {}
            1 => said.push_str(", one further image"),
            more => said.push_str(&format!(", {more} further images")),
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(uid: &str, side: &str, view: &str) -> Instance {
        let mut film = crate::http::test_instance(uid);
        side.clone_into(&mut film.tags.image_laterality);
        view.clone_into(&mut film.tags.view_position);
        film
    }

    #[test]
    fn a_radiographer_reads_which_views_are_missing_before_the_patient_leaves() {
        let films = [film("1.1", "R", "CC"), film("1.2", "L", "CC"), film("1.3", "R", "MLO")];
        assert_eq!(Views::of(None, &films).words(), "RCC, LCC, RMLO in, LMLO missing");
        let mut all = films.to_vec();
        all.push(film("1.4", "L", "MLO"));
        assert_eq!(Views::of(None, &all).words(), "RCC, LCC, RMLO, LMLO are in");
        all.push(film("1.5", "L", "ML"));
        assert_eq!(Views::of(None, &all).words(), "RCC, LCC, RMLO, LMLO are in, one further image");
        assert_eq!(Views::of(None, &[]).words(), "no image");
    }
}
