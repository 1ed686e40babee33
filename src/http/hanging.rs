//! How images hang: screens of tiles, one after another.
//!
//! In: images with what they show. Out: stages. The four standard mammographic views keep their places, chest walls
//! together, and the place of one that is missing stays visibly empty. Repeats and further views hang on screens of
//! their own, right after the first.

use serde::Serialize;

use super::shown_image::{Shown, side_word};
use crate::vocab::{ChestView, MammoView, Pathway, SopInstanceUid, View};

/// One place on a screen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Tile {
    pub label: String,
    pub image: Option<SopInstanceUid>,
    /// At which edge of the tile the chest wall lies.
    pub wall: Option<&'static str>,
    pub note: String,
    pub prior: bool,
}

/// One screen, row by row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Stage {
    pub name: String,
    pub rows: usize,
    pub columns: usize,
    pub tiles: Vec<Tile>,
}

/// Tiles of a screen of further images.
const FURTHER: usize = 4;

/// The screens of a case's own images.
pub(crate) fn stages(pathway: Pathway, images: &[Shown<'_>]) -> Vec<Stage> {
    match pathway {
        Pathway::Chest => {
            // The frontal film first, however they came.
            let mut images: Vec<&Shown<'_>> = images.iter().collect();
            images.sort_by_key(|one| match one.view {
                Some(View::Chest(ChestView::Frontal)) => 0,
                Some(View::Chest(ChestView::Lateral)) => 1,
                Some(View::Mammo(_)) | None => 2,
            });
            vec![grid("Current", images.into_iter().map(|one| tile(one, note(one, false))).collect())]
        }
        Pathway::Mammo => {
            let (standard, further) = hang(images);
            let mut stages = vec![Stage { name: "Current".to_owned(), rows: 2, columns: 2, tiles: standard }];
            let screens = further.len().div_ceil(FURTHER);
            for (number, tiles) in further.chunks(FURTHER).enumerate() {
                let name = match screens {
                    1 => "Further images".to_owned(),
                    _ => format!("Further images, {} of {screens}", number + 1),
                };
                stages.push(grid(&name, tiles.to_vec()));
            }
            stages
        }
    }
}

/// The tiles of the standard views, and those of all other images in the order in which they were taken.
pub(crate) fn hang(images: &[Shown<'_>]) -> (Vec<Tile>, Vec<Tile>) {
    let mut left: Vec<&Shown<'_>> = images.iter().collect();
    let standard = MammoView::STANDARD
        .iter()
        .map(|view| match left.iter().position(|one| one.mammo() == Some(*view)) {
            Some(at) => {
                let one = left.remove(at);
                tile(one, note(one, false))
            }
            None => missing(*view, images.first().is_some_and(|one| one.prior)),
        })
        .collect();
    left.sort_by_key(|one| {
        (one.taken(), one.instance.tags.acquisition_number, one.instance.tags.instance_number)
    });
    (standard, left.into_iter().map(|one| tile(one, note(one, true))).collect())
}

fn note(one: &Shown<'_>, further: bool) -> String {
    let raw = one.instance.tags.presentation_intent.eq_ignore_ascii_case("FOR PROCESSING");
    match one.mammo() {
        _ if raw => "raw, for processing".to_owned(),
        Some(view) if further && MammoView::STANDARD.contains(&view) => format!("repeat of {view}"),
        Some(_) | None if further => "extra view".to_owned(),
        Some(_) | None => String::new(),
    }
}

/// The place of an image.
pub(crate) fn tile(one: &Shown<'_>, note: String) -> Tile {
    Tile {
        label: one.label(),
        image: Some(one.instance.sop_instance_uid.clone()),
        wall: one.side().filter(|_| one.pathway == Pathway::Mammo).map(side_word),
        note,
        prior: one.prior,
    }
}

fn missing(view: MammoView, prior: bool) -> Tile {
    Tile {
        label: view.to_string(),
        image: None,
        wall: Some(side_word(view.side)),
        note: "missing".to_owned(),
        prior,
    }
}

/// Tiles on the smallest grid that is no higher than it is wide.
pub(crate) fn grid(name: &str, tiles: Vec<Tile>) -> Stage {
    let (rows, columns) = match tiles.len() {
        0 | 1 => (1, 1),
        2 => (1, 2),
        3 | 4 => (2, 2),
        more => (2, more.div_ceil(2)),
    };
    Stage { name: name.to_owned(), rows, columns, tiles }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::Instance;

    fn film(uid: &str, view: &str, time: &str) -> (Instance, Option<MammoView>) {
        let mut instance = crate::http::test_instance(uid);
        instance.tags.acquisition_date = "20260302".to_owned();
        time.clone_into(&mut instance.tags.acquisition_time);
        (instance, view.parse().ok())
    }

    fn hung(films: &[(Instance, Option<MammoView>)]) -> Vec<Stage> {
        let shown: Vec<Shown<'_>> = films
            .iter()
            .map(|(instance, view)| Shown {
                instance,
                pathway: Pathway::Mammo,
                view: view.map(View::Mammo),
                prior: false,
            })
            .collect();
        stages(Pathway::Mammo, &shown)
    }

    #[test]
    fn standard_views_keep_their_places_and_a_missing_one_is_seen() {
        let films = [film("1.1", "LMLO", "1"), film("1.2", "RCC", "2"), film("1.3", "LCC", "3")];
        let [stage] = &hung(&films)[..] else { panic!("one screen") };
        let said: Vec<String> =
            stage.tiles.iter().map(|t| format!("{} {} {}", t.label, t.wall.unwrap_or("?"), t.note)).collect();
        assert_eq!(said, ["RCC right ", "LCC left ", "RMLO right missing", "LMLO left "]);
        assert_eq!(stage.tiles[2].image, None);
    }

    #[test]
    fn the_frontal_film_hangs_first_however_the_films_came() {
        let films = [
            (crate::http::test_instance("1.1"), None),
            (crate::http::test_instance("1.2"), Some(ChestView::Lateral)),
            (crate::http::test_instance("1.3"), Some(ChestView::Frontal)),
        ];
        let shown = films.iter().map(|(instance, view)| Shown {
            instance,
            pathway: Pathway::Chest,
            view: view.map(View::Chest),
            prior: false,
        });
        let [stage] = &stages(Pathway::Chest, &shown.collect::<Vec<_>>())[..] else { panic!("one screen") };
        let hung: Vec<String> =
            stage.tiles.iter().filter_map(|t| Some(t.image.as_ref()?.to_string())).collect();
        assert_eq!(hung, ["1.3", "1.2", "1.1"]);
    }

    #[test]
    fn a_repeat_and_a_fifth_view_hang_on_the_next_screen_in_the_order_of_taking() {
        let films = [
            film("1.1", "RCC", "100000"),
            film("1.2", "LCC", "100100"),
            film("1.3", "", "100500"),
            film("1.4", "RCC", "100400"),
        ];
        let stages = hung(&films);
        assert_eq!(stages[1].name, "Further images");
        let notes: Vec<&str> = stages[1].tiles.iter().map(|tile| tile.note.as_str()).collect();
        assert_eq!(notes, ["repeat of RCC", "extra view"]);
        assert_eq!((stages[1].rows, stages[1].columns), (1, 2));
    }
}
