//! The films of a case as they hang on the page, with the AI's regions where the view holds them.

use crate::http::desk::Subject;
use crate::http::hanging::{Tile, stages};
use crate::http::shown_image::{self, Shown};
use crate::http::words;
use crate::reading::CaseView;
use crate::vocab::{AiResult, HeatMap, Region, SopInstanceUid};

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
    pub note: String,
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

/// Hangs the films of a case as the viewer does: standard views in their places, then repeats and further views.
pub(super) fn hang(view: &CaseView, subject: &Subject) -> Films {
    let case = view.case();
    let ai = subject.ai(view);
    let images = shown_image::of_case(&case.set, subject);
    let tiles = stages(case.set.pathway, &images).into_iter().flat_map(|stage| stage.tiles);
    let films: Vec<Film> = tiles
        .map(|tile| {
            let shown =
                |uid: &SopInstanceUid| images.iter().find(|one| one.instance.sop_instance_uid == *uid);
            let to_open = |uid: &SopInstanceUid| case.images_to_open.contains(uid);
            let note =
                if tile.image.as_ref().is_some_and(to_open) { "not looked at yet" } else { &tile.note };
            film(&tile, note, tile.image.as_ref().and_then(shown), ai.as_ref())
        })
        .collect();
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
fn laid(wall: Option<&str>) -> (&'static str, &'static str) {
    match wall {
        Some("right") => ("dr-film--wall-right", "xMaxYMid meet"),
        Some(_) => ("dr-film--wall-left", "xMinYMid meet"),
        None => ("", "xMidYMid meet"),
    }
}

/// A tile as a film; one without an image is the place of a view that is missing.
fn film(tile: &Tile, note: &str, shown: Option<&Shown<'_>>, ai: Option<&AiResult>) -> Film {
    let (class, fit) = laid(tile.wall);
    let Some(Shown { instance, .. }) = shown else {
        return Film {
            label: tile.label.clone(),
            source: String::new(),
            class,
            fit,
            note: String::new(),
            columns: 1,
            rows: 1,
            overlays: Vec::new(),
            heat: None,
        };
    };
    let (tags, uid) = (&instance.tags, &instance.sop_instance_uid);
    let regions = ai.map_or(&[][..], |ai| ai.regions.as_slice()).iter();
    let here = regions.filter(|region| region.mark.sop_instance_uid == *uid && region.mark.frame <= 1);
    Film {
        label: tile.label.clone(),
        source: format!("/api/instances/{uid}/rendered?frame=1"),
        class,
        fit,
        note: with_frames(note, tags.frames),
        columns: tags.columns.max(1),
        rows: tags.rows.max(1),
        overlays: here.map(|region| overlay(region, tags.rows)).collect(),
        heat: ai
            .and_then(|ai| ai.heat_maps.iter().find(|map| map.place.sop_instance_uid == *uid))
            .map(heat_of),
    }
}

/// The note of a film, which shows the first frame alone.
fn with_frames(note: &str, frames: u32) -> String {
    match (note, frames) {
        (_, 0 | 1) => note.to_owned(),
        ("", _) => format!("frame 1 of {frames}, the others are not shown here"),
        (_, _) => format!("{note}; frame 1 of {frames}, the others are not shown here"),
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
