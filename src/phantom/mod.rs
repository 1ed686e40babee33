//! Synthetic chest films and mammograms, as valid DICOM, with the truth beside them.
//!
//! In: a seed and what should be seen. Out: pixels, a Part-10 file, and what was put in with its boxes.
//! Must never use a real image or a real person: every name starts with `SYNTHETIC^`, every id with `SYN-`, and
//! every UID is derived from the seed.

/// A small coded set with the words that DICOM uses for it.
macro_rules! coded_view {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $code)] $variant),+
        }
        impl $name {
            /// The word that DICOM has for it.
            pub const fn code(self) -> &'static str {
                match self { $($name::$variant => $code),+ }
            }
        }
    };
}

mod canvas;
pub mod chest;
mod dicom;
mod draws;
mod encode;
mod film;
mod finish;
mod grain;
mod hand;
mod identity;
mod mask;
mod probe;
pub mod mammo;
pub mod samples;
mod segmentation;
mod study;
mod truth;

pub use chest::{ChestLesion, ChestParams, ChestView, chest};
pub use dicom::write_dicom;
pub use encode::Encoding;
pub use film::wrapped_film;
pub use hand::hand;
pub use identity::{Identity, StudyIdentity};
pub use mammo::{BreastLesion, LesionKind, MammoParams, mammo};
pub use mask::Mask;
pub use probe::probe_object;
pub use segmentation::write_segmentation;
pub use study::{GeneratedInstance, StudyOptions, generate_study, images_of_study};
pub use truth::{PixelBox, TrueFinding, Truth};

use crate::vocab::{MammoView, Pathway, Side};

/// Name and version of the generator; stands in every truth and in Software Versions (0018,1020).
pub const GENERATOR: &str = "doubleread-phantom 2";

/// Why a phantom can't be written.
#[derive(Debug, thiserror::Error)]
pub enum PhantomError {
    /// The data set or its encoding was refused.
    #[error("data set cannot be written")]
    DataSet(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The truth can't be put into JSON.
    #[error("truth cannot be written as JSON")]
    Truth(#[source] serde_json::Error),
    /// The file system refused.
    #[error("{path} cannot be written")]
    File {
        /// Which file or folder.
        path: String,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
}

coded_view! {
    /// Photometric Interpretation (0028,0004).
    Photometric {
        /// The lowest value is white.
        Monochrome1 = "MONOCHROME1",
        /// The lowest value is black.
        Monochrome2 = "MONOCHROME2",
    }
}

coded_view! {
    /// Patient's Sex (0010,0040).
    PersonSex { Male = "M", Female = "F", Other = "O" }
}

/// What an image shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// A chest film.
    Chest {
        /// Direction of the beam.
        view: ChestView,
    },
    /// A mammogram.
    Mammogram {
        /// Breast and projection.
        view: MammoView,
        /// Whether an implant is in the breast.
        implant: bool,
    },
    /// A hand.
    Hand {
        /// Which.
        side: Side,
    },
}

impl ImageKind {
    /// The pathway that reads it, if any does.
    pub fn pathway(self) -> Option<Pathway> {
        match self {
            ImageKind::Chest { .. } => Some(Pathway::Chest),
            ImageKind::Mammogram { .. } => Some(Pathway::Mammo),
            ImageKind::Hand { .. } => None,
        }
    }
    /// The view in a word.
    pub fn view(self) -> String {
        match self {
            ImageKind::Chest { view } => view.code().to_owned(),
            ImageKind::Mammogram { view, .. } => view.to_string(),
            ImageKind::Hand { .. } => "PA".to_owned(),
        }
    }
}

/// An image made from a seed, with the truth about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Phantom {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bits Stored.
    pub bits_stored: u16,
    /// Which way the grey scale runs.
    pub photometric: Photometric,
    /// Stored values, row by row.
    pub pixels: Vec<u16>,
    /// What it shows.
    pub kind: ImageKind,
    /// Age of the person that isn't.
    pub age_years: u32,
    /// Sex of the person that isn't.
    pub sex: PersonSex,
    /// What was put in.
    pub truth: Truth,
    /// The outline of each finding of the truth, in its order.
    pub masks: Vec<Mask>,
}
