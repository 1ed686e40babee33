//! The field's nouns as checked types, the coded terms, and the clock.
//!
//! In: text from outside (DICOM attributes, forms, JSON). Out: values that can be
//! trusted by every later stage. Nothing here reads a file, a socket or the time by
//! itself, and nothing here holds a rule of a pathway.

mod ai;
mod clock;
mod codes;
mod finding;
mod id;
mod identity;
mod image_view;
mod instance;
mod opinion;
mod order;
mod refused;
mod spacing;
mod uid;
mod view;

pub use ai::{
    AiFinding, AiOutcome, AiResult, BreastScore, HeatMap, HeatMapMethod, InputImage, ModelStamp,
    NotProcessed, NotProcessedReason, Places, QualityFault, Region, ViewScore,
};
pub use clock::{Clock, FixedClock, SystemClock, Timestamp};
pub use codes::{
    CT_OF_CHEST, CT_OF_CHEST_LOINC, IMAGING, LATERALITY, Loinc, PRESENT, RADIOLOGY, is_sct_identifier,
};
pub use finding::{BreastFeature, ChestFinding, Coded, Confidence, FindingCode, LevelOfConcern, Mark, Zone};
pub use id::{CaseId, JobId, MessageId, OrderId, ReadId, ReadingSessionId, UserId};
pub use identity::{AccessionNumber, AeTitle, NhsNumber, PatientId, Role, Sex, SiteCode};
pub use image_view::{ChestView, View, is_mammogram, view_of};
pub use instance::{Instance, InstanceTags, Registration};
pub use opinion::{
    Assessment, BreastOpinion, ChestOpinion, InadequateReason, MammoMark, MammoOpinion, Opinion,
    TechnicalReason, ViewRecall,
};
pub use order::{Order, OrderContent, OrderState, OrderUrgency, OrderedPatient, PlacerOrderNumber};
pub use refused::{RefusalPhase, RefusedObject, RefusedUsage};
pub use spacing::{Spacing, SpacingKind};
pub use uid::{SeriesInstanceUid, SopClassUid, SopInstanceUid, StudyInstanceUid, TransferSyntaxUid};
pub use view::{Laterality, MammoView, Pathway, Projection, Side, ViewDisagreement};

/// Why a text is not a value of the type that it was offered as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {problem}")]
pub struct InvalidValue {
    /// The attribute or type, as the standard names it.
    pub what: &'static str,
    /// What is wrong with it; never the value itself, which may identify a patient.
    pub problem: &'static str,
}

/// A checked text newtype: parses, displays, and passes through serde as its text.
macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::vocab::InvalidValue;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text)
                    .map(Self)
                    .map_err(|problem| $crate::vocab::InvalidValue { what: $what, problem })
            }
        }
        impl TryFrom<String> for $name {
            type Error = $crate::vocab::InvalidValue;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text_newtype;

/// A fieldless enum with one lower-case code per variant, used in JSON, SQL and forms.
macro_rules! coded_enum {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $code)] $variant),+
        }
        impl $name {
            /// Every value, in the order of the definition.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The code that stands for it in JSON, SQL and forms.
            pub const fn code(self) -> &'static str {
                match self { $($name::$variant => $code),+ }
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::vocab::InvalidValue;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($code => Ok($name::$variant),)+
                    _ => Err($crate::vocab::InvalidValue { what: $what, problem: "is not one of the known codes" }),
                }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}
pub(crate) use coded_enum;
