//! An image that hangs before a reader: what it shows and when it was taken.
//!
//! In: a stored image of a case or of an earlier study. Out: its view, side and name, by the image set of the case or
//! else by its tags.

use crate::http::desk::Subject;
use crate::http::words;
use crate::reading::{CaseImage, ImageSet};
use crate::vocab::{Instance, MammoView, Pathway, Side, View, view_of};

/// An image that hangs: of the case, or of an earlier study.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub instance: &'a Instance,
    pub pathway: Pathway,
    pub view: Option<View>,
    pub prior: bool,
}

impl Shown<'_> {
    /// The mammographic view.
    pub(crate) fn mammo(&self) -> Option<MammoView> {
        match self.view {
            Some(View::Mammo(view)) => Some(view),
            Some(View::Chest(_)) | None => None,
        }
    }

    /// The side, by the view or else by the tags.
    pub(crate) fn side(&self) -> Option<Side> {
        let tags = &self.instance.tags;
        let tagged = || [&tags.image_laterality, &tags.laterality].into_iter().find_map(|t| t.parse().ok());
        self.mammo().map(|view| view.side).or_else(tagged)
    }

    /// Short name of what it shows.
    pub(crate) fn label(&self) -> String {
        let tags = &self.instance.tags;
        let label = match (self.mammo(), self.pathway) {
            (Some(view), _) => view.to_string(),
            (None, Pathway::Chest) => words::plain(tags.view_position.trim()),
            (None, Pathway::Mammo) => {
                let side =
                    if tags.image_laterality.is_empty() { &tags.laterality } else { &tags.image_laterality };
                words::plain(format!("{side} {}", tags.view_position).trim())
            }
        };
        if label.is_empty() { "view not given".to_owned() } else { label }
    }

    /// When it was taken, as text that sorts: acquisition, else content, else study.
    pub(crate) fn taken(&self) -> (&str, &str) {
        let tags = &self.instance.tags;
        let times = [
            (&tags.acquisition_date, &tags.acquisition_time),
            (&tags.content_date, &tags.content_time),
            (&tags.study_date, &tags.study_time),
        ];
        let (date, time) = times.into_iter().find(|(date, _)| !date.is_empty()).unwrap_or(times[2]);
        (date, time)
    }
}

/// The images of a case as they hang; what the image set says of a view goes before the tags.
pub(crate) fn of_case<'a>(set: &ImageSet, subject: &'a Subject) -> Vec<Shown<'a>> {
    let shown = |instance: &'a Instance| {
        let in_set = |image: &&CaseImage| image.sop_instance_uid == instance.sop_instance_uid;
        let tagged = || view_of(set.pathway, instance).filter(|_| set.pathway == Pathway::Chest);
        let view = set.images.iter().find(in_set).and_then(|image| image.view).map(View::Mammo);
        Shown { instance, pathway: set.pathway, view: view.or_else(tagged), prior: false }
    };
    subject.images.iter().map(shown).collect()
}

/// A side in full.
pub(crate) fn side_word(side: Side) -> &'static str {
    match side {
        Side::Right => "right",
        Side::Left => "left",
    }
}
