//! Earlier studies of the patient, hung beside the images of a case.
//!
//! In: a study and who looks. Out: its priors, of the same pathway first, the latest first; screens on which each view
//! hangs beside the same view of before; pairs that move together. What an earlier case came to is said where that case
//! has concluded; it is no read of this one.

use serde::Serialize;

use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::hanging::{Stage, Tile, grid, hang, tile};
use crate::http::shown_image::Shown;
use crate::http::state::AppState;
use crate::http::study_notices::is_read_here;
use crate::http::{visible, words};
use crate::store::{CaseRow, Study};
use crate::vocab::{ChestView, Instance, Pathway, Projection, View, is_mammogram, view_of};

/// An earlier study in words.
#[derive(Debug, Serialize)]
pub(super) struct PriorFacts {
    date: String,
    site: String,
    description: String,
    /// What its case came to, where it has concluded.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
}

/// An earlier study with its images.
pub(super) struct Prior {
    pub facts: PriorFacts,
    pathway: Pathway,
    images: Vec<(Instance, Option<View>)>,
}

impl Prior {
    /// Its images as they hang.
    pub(super) fn shown(&self) -> Vec<Shown<'_>> {
        let pathway = self.pathway;
        self.images
            .iter()
            .map(|(instance, view)| Shown { instance, pathway, view: *view, prior: true })
            .collect()
    }
}

/// The priors of a study that the caller may see.
pub(super) async fn priors(
    state: &AppState,
    caller: &Caller,
    study: &Study,
    pathway: Pathway,
) -> Result<Vec<Prior>, HttpError> {
    // Of several pathways at one patient, the same one comes first however old it is.
    let most = state.settings.priors_shown;
    let earlier = state.store.earlier_studies(study, &caller.sites, most.saturating_mul(4)).await?;
    let mut priors = Vec::new();
    for study in &earlier {
        priors.extend(prior(state, caller, study).await?);
    }
    priors.sort_by_key(|prior| prior.pathway != pathway);
    priors.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(priors)
}

/// A study as a prior; `None` where it has no image to hang.
async fn prior(state: &AppState, caller: &Caller, study: &Study) -> Result<Option<Prior>, HttpError> {
    let (_, mut instances) = visible::study(state, caller, &study.study_instance_uid).await?;
    instances.retain(|one| one.tags.has_pixels && is_read_here(&one.sop_class_uid));
    let Some(first) = instances.first() else { return Ok(None) };
    let shown = if is_mammogram(first) { Pathway::Mammo } else { Pathway::Chest };
    let pathway = first.pathway.unwrap_or(shown);
    let images =
        instances.into_iter().map(|one| (view_of(pathway, &one), one)).map(|(v, one)| (one, v)).collect();
    let rows = state.store.cases_of_study(&study.study_instance_uid).await?;
    let facts = PriorFacts {
        date: study.study_date.as_deref().map(words::date).unwrap_or_default(),
        site: study.site.to_string(),
        description: study.study_description.as_deref().map(words::plain).unwrap_or_default(),
        outcome: rows.iter().find_map(outcome),
    };
    Ok(Some(Prior { facts, pathway, images }))
}

fn outcome(row: &CaseRow) -> Option<String> {
    let stands = row.concluded_at.is_some() && row.superseded_by.is_none();
    row.outcome.as_deref().filter(|_| stands).map(|word| words::capital(&words::code_words(word)))
}

/// The screens on which a prior hangs beside the images of the case; `closely` also by pairs of views.
pub(super) fn beside(pathway: Pathway, current: &[Shown<'_>], prior: &Prior, closely: bool) -> Vec<Stage> {
    let earlier = prior.shown();
    let date = &prior.facts.date;
    if prior.pathway != pathway {
        let kind = words::pathway(prior.pathway).to_lowercase();
        return vec![grid(&format!("Earlier {kind} of {date}"), tiles(&earlier))];
    }
    match pathway {
        Pathway::Chest => vec![chest(date, current, &earlier)],
        Pathway::Mammo => mammo(date, current, &earlier, closely),
    }
}

fn tiles(images: &[Shown<'_>]) -> Vec<Tile> {
    images.iter().map(|one| tile(one, String::new())).collect()
}

/// Frontal beside frontal, and lateral beside lateral where there are both.
fn chest(date: &str, current: &[Shown<'_>], earlier: &[Shown<'_>]) -> Stage {
    let of = |images: &[Shown<'_>], view: ChestView| {
        images.iter().find(|one| one.view == Some(View::Chest(view))).map(|one| tile(one, String::new()))
    };
    let pair = |view| of(current, view).zip(of(earlier, view)).map(|(now, then)| [now, then]);
    let pairs: Vec<Tile> =
        [ChestView::Frontal, ChestView::Lateral].into_iter().filter_map(pair).flatten().collect();
    let name = format!("With prior of {date}");
    if pairs.is_empty() {
        return grid(&name, [tiles(current), tiles(earlier)].concat());
    }
    Stage { name, rows: pairs.len() / 2, columns: 2, tiles: pairs }
}

/// The four views beside the four of before; then, closer, each pair of breasts above that of before.
fn mammo(date: &str, current: &[Shown<'_>], earlier: &[Shown<'_>], closely: bool) -> Vec<Stage> {
    let (now, _) = hang(current);
    let (then, further) = hang(earlier);
    let halves = now.chunks(2).zip(then.chunks(2));
    let tiles = halves.clone().flat_map(|(now, then)| [now, then].concat()).collect();
    let mut stages = vec![Stage { name: format!("With prior of {date}"), rows: 2, columns: 4, tiles }];
    if closely {
        for ((now, then), name) in halves.zip([Projection::Cc, Projection::Mlo]) {
            let tiles = [now, then].concat();
            let name = format!("{name} with prior of {date}");
            stages.push(Stage { name, rows: 2, columns: 2, tiles });
        }
    }
    if !further.is_empty() {
        stages.push(grid(&format!("Further images of {date}"), further));
    }
    stages
}

/// Images of the case with the image of the same view of a prior.
pub(super) fn links(current: &[Shown<'_>], prior: &Prior) -> Vec<[crate::vocab::SopInstanceUid; 2]> {
    let earlier = prior.shown();
    let mut links = Vec::new();
    for now in current.iter().filter(|now| now.view.is_some()) {
        if let Some(then) = earlier.iter().find(|then| then.view == now.view) {
            links.push([now.instance.sop_instance_uid.clone(), then.instance.sop_instance_uid.clone()]);
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(uid: &str, view: &str) -> (Instance, Option<View>) {
        (crate::http::test_instance(uid), view.parse().ok().map(View::Mammo))
    }

    #[test]
    fn each_view_hangs_beside_the_same_view_of_before_and_moves_with_it() {
        let now = [film("1.1", "RCC"), film("1.2", "LCC"), film("1.3", "RMLO"), film("1.4", "LMLO")];
        let current: Vec<Shown<'_>> = now
            .iter()
            .map(|(instance, view)| Shown { instance, pathway: Pathway::Mammo, view: *view, prior: false })
            .collect();
        let facts = PriorFacts {
            date: "5 Jan 2024".to_owned(),
            site: "north".to_owned(),
            description: String::new(),
            outcome: None,
        };
        let images = vec![film("2.4", "LMLO"), film("2.1", "RCC"), film("2.2", "LCC")];
        let prior = Prior { facts, pathway: Pathway::Mammo, images };
        let stages = beside(Pathway::Mammo, &current, &prior, true);
        let said: Vec<String> = stages
            .iter()
            .map(|stage| {
                let uid = |tile: &Tile| tile.image.as_ref().map_or("-".to_owned(), ToString::to_string);
                let tiles: Vec<String> = stage.tiles.iter().map(uid).collect();
                format!("{} {}x{}: {}", stage.name, stage.rows, stage.columns, tiles.join(" "))
            })
            .collect();
        assert_eq!(
            said,
            [
                "With prior of 5 Jan 2024 2x4: 1.1 1.2 2.1 2.2 1.3 1.4 - 2.4",
                "CC with prior of 5 Jan 2024 2x2: 1.1 1.2 2.1 2.2",
                "MLO with prior of 5 Jan 2024 2x2: 1.3 1.4 - 2.4",
            ]
        );
        assert!(stages[0].tiles[6].prior && stages[0].tiles[6].note == "missing");
        let links: Vec<String> = links(&current, &prior).iter().map(|[a, b]| format!("{a} {b}")).collect();
        assert_eq!(links, ["1.1 2.1", "1.2 2.2", "1.4 2.4"]);
    }
}
