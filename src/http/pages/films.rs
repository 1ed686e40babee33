//! The films of a case as they hang on the page, with the AI's regions where the view holds them.

use crate::http::desk::Subject;
use crate::http::words;
use crate::reading::CaseView;
use crate::vocab::{AiResult, HeatMap, Instance, MammoView, Pathway, Region, Side};

/// A region of the AI on a film, in stored pixels.
#[derive(Debug, Clone)]
pub(super) struct Overlay {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub text_y: f64,
    pub text_size: f64,
    pub words: String,
}

/// One film.
#[derive(Debug, Clone)]
pub(super) struct Film {
    pub label: String,
    /// Where the picture is; empty for a standard view that is not there.
    pub source: String,
    /// Class that lays the chest wall to one side.
    pub class: &'static str,
    /// How the overlay's drawing follows that.
    pub fit: &'static str,
    pub note: &'static str,
    pub columns: u32,
    pub rows: u32,
    pub overlays: Vec<Overlay>,
    pub heat: Option<Heat>,
}

/// Where the AI looked on a film, in shades.
#[derive(Debug, Clone)]
pub(super) struct Heat {
    pub source: String,
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// All films, and the class of their grid.
#[derive(Debug, Clone)]
pub(super) struct Films {
    pub films: Vec<Film>,
    pub class: &'static str,
}

/// Hangs the films of a case: in the order of the case, chest walls together.
///
/// The four standard mammographic views keep their places: the place of one that is not there stays
/// visibly empty, and a repeated or extra view comes after them.
pub(super) fn hang(view: &CaseView, subject: &Subject) -> Films {
    let case = view.case();
    let ai = subject.ai(view);
    let ai = ai.as_ref();
    let mut images: Vec<(&Instance, Option<MammoView>)> = subject
        .images
        .iter()
        .map(|instance| {
            let image =
                case.set.images.iter().find(|image| image.sop_instance_uid == instance.sop_instance_uid);
            (instance, image.and_then(|image| image.view))
        })
        .collect();
    let mut films = Vec::with_capacity(images.len());
    if case.set.pathway == Pathway::Mammo {
        for standard in MammoView::STANDARD {
            films.push(match images.iter().position(|(_, view)| *view == Some(standard)) {
                Some(at) => {
                    let (instance, view) = images.remove(at);
                    film(instance, case.set.pathway, view, "", case, ai)
                }
                None => missing(standard),
            });
        }
    }
    let note = if films.is_empty() { "" } else { "extra view" };
    films.extend(
        images.into_iter().map(|(instance, view)| film(instance, case.set.pathway, view, note, case, ai)),
    );
    let class = match films.len() {
        0 | 1 => "dr-films--1",
        2 => "dr-films--2",
        3 | 4 => "dr-films--4",
        _ => "dr-films--many",
    };
    Films { films, class }
}

/// How the film of a breast lies, and how the overlay's drawing follows that: a right breast with its chest wall
/// at the right edge, beside the left breast's at the left edge.
fn laid(side: Option<Side>) -> (&'static str, &'static str) {
    match side {
        Some(Side::Right) => ("dr-film--wall-right", "xMaxYMid meet"),
        Some(Side::Left) => ("dr-film--wall-left", "xMinYMid meet"),
        None => ("", "xMidYMid meet"),
    }
}

fn missing(view: MammoView) -> Film {
    let (class, fit) = laid(Some(view.side));
    Film {
        label: view.to_string(),
        source: String::new(),
        class,
        fit,
        note: "",
        columns: 1,
        rows: 1,
        overlays: Vec::new(),
        heat: None,
    }
}

fn film(
    instance: &Instance,
    pathway: Pathway,
    view: Option<MammoView>,
    note: &'static str,
    case: &crate::reading::BlindView,
    ai: Option<&AiResult>,
) -> Film {
    let tags = &instance.tags;
    let uid = &instance.sop_instance_uid;
    let (class, fit) = laid(view.map(|view| view.side).filter(|_| pathway == Pathway::Mammo));
    let label = match (view, pathway) {
        (Some(view), _) => view.to_string(),
        (None, Pathway::Chest) => words::plain(&tags.view_position),
        (None, Pathway::Mammo) => words::plain(&format!("{} {}", tags.image_laterality, tags.view_position)),
    };
    let note = if case.images_to_open.contains(uid) { "not looked at yet" } else { note };
    let overlays = ai
        .map_or(&[][..], |ai| ai.regions.as_slice())
        .iter()
        .filter(|region| region.mark.sop_instance_uid == *uid && region.mark.frame <= 1)
        .map(|region| overlay(region, tags.rows))
        .collect();
    let label = if label.trim().is_empty() { "view not given".to_owned() } else { label };
    let source = format!("/api/instances/{uid}/rendered?frame=1");
    Film {
        label,
        source,
        class,
        fit,
        note,
        columns: tags.columns.max(1),
        rows: tags.rows.max(1),
        overlays,
        heat: ai
            .and_then(|ai| ai.heat_maps.iter().find(|map| map.place.sop_instance_uid == *uid))
            .map(heat_of),
    }
}

fn heat_of(map: &HeatMap) -> Heat {
    let place = &map.place;
    Heat {
        source: format!("/api/instances/{}/heat-map", place.sop_instance_uid),
        x: place.x,
        y: place.y,
        width: place.width,
        height: place.height,
    }
}

fn overlay(region: &Region, rows: u32) -> Overlay {
    let mark = &region.mark;
    let text_size = f64::from(rows) / 36.0;
    Overlay {
        x: mark.x,
        y: mark.y,
        width: mark.width,
        height: mark.height,
        text_y: if mark.y > text_size * 1.5 {
            mark.y - text_size * 0.4
        } else {
            mark.y + mark.height + text_size
        },
        text_size,
        words: format!("AI {}", words::score(region.score)),
    }
}
