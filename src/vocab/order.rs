//! Orders: requests for an exam, as the hospital's order system sends them.

use super::{
    AccessionNumber, NhsNumber, OrderId, Pathway, PatientId, SiteCode, Timestamp, coded_enum, text_newtype,
};

/// HL7 v2.5.1 section 2.A.28: an entity identifier; the first component is what people see of it.
const MAX_ORDER_NUMBER_LENGTH: usize = 64;

fn check_order_number(text: &str) -> Result<String, &'static str> {
    super::identity::check_printable(text, MAX_ORDER_NUMBER_LENGTH)
}

text_newtype!(
    /// Placer Order Number (HL7 ORC-2, DICOM (0040,2016)): the number that the system gave it that asks for the exam.
    PlacerOrderNumber, "placer order number", check_order_number
);

coded_enum!(
    /// How soon the exam is wanted.
    OrderUrgency, "urgency" { Routine = "routine", Urgent = "urgent" }
);

coded_enum!(
    /// Where an order has got to.
    OrderState, "order state" {
        /// Asked for; no images yet.
        Requested = "requested",
        /// Its images are here, and people have not concluded on them yet.
        ImagesIn = "images_in",
        /// The images could not be reported: it waits for images again (PATHWAYS X6).
        RepeatNeeded = "repeat_needed",
        /// People have concluded on its images.
        Reported = "reported",
        /// It was taken back.
        Cancelled = "cancelled",
    }
);

impl OrderState {
    /// Whether it waits for images.
    pub fn waits_for_images(self) -> bool {
        match self {
            Self::Requested | Self::RepeatNeeded => true,
            Self::ImagesIn | Self::Reported | Self::Cancelled => false,
        }
    }

    /// Whether images of it are here.
    pub fn has_images(self) -> bool {
        match self {
            Self::ImagesIn | Self::RepeatNeeded | Self::Reported => true,
            Self::Requested | Self::Cancelled => false,
        }
    }
}

/// Whom an exam is asked for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OrderedPatient {
    /// Patient ID.
    pub id: PatientId,
    /// Who gave that ID; empty where it is not said.
    pub issuer: String,
    /// NHS number.
    pub nhs_number: Option<NhsNumber>,
    /// Name, as Value Representation PN writes it.
    pub name: String,
    /// Birth date, `YYYYMMDD`.
    pub birth_date: String,
}

/// What an order says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OrderContent {
    /// Number of the system that asks.
    pub placer_order_number: PlacerOrderNumber,
    /// Number that the images will carry.
    pub accession_number: AccessionNumber,
    /// Where the exam is to be.
    pub site: SiteCode,
    /// Whom it is for.
    pub patient: OrderedPatient,
    /// How its images are read.
    pub pathway: Pathway,
    /// What is asked for, in words.
    pub procedure: String,
    /// Reason or clinical question.
    pub reason: String,
    /// Symptoms and signs.
    pub symptoms: String,
    /// How soon it is wanted.
    pub urgency: OrderUrgency,
    /// When it was asked for.
    pub requested_at: Timestamp,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// What it says.
    pub content: OrderContent,
    /// Where it has got to.
    pub state: OrderState,
    /// How many acts it has seen.
    pub version: i64,
    /// When it came.
    pub received_at: Timestamp,
    /// When what it says last changed.
    pub changed_at: Timestamp,
    /// When it was taken back.
    pub cancelled_at: Option<Timestamp>,
}
