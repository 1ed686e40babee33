//! Objects in: a DIMSE service class provider, and when an image set is complete.
//!
//! In: associations from modalities (PS3.8), C-ECHO and C-STORE (PS3.7, PS3.4 annex B). Out:
//! original files in the archive and rows in an [`InstanceRegister`], both durable before
//! success is answered. Bytes from the network meet this module's own bounded scanner
//! ([`scan`]) first; nothing here decodes pixels, holds a whole object in memory, or logs
//! anything that identifies a patient.
//!
//! [`send`] is the other side: a modality emulator that pushes files.

pub mod settings;
pub mod classes;
pub mod status;
pub mod scan;
pub mod completeness;
pub mod send;

mod associate;
mod association;
mod command;
mod commit;
mod frames;
mod intake;
mod listener;
mod object;
mod part10;
mod quarantine;
mod slots;

pub use commit::{InstanceRegister, RegisterError};
pub use listener::{ReceiveError, Receiver};
pub use quarantine::{Quarantine, QuarantineError, QuarantineRegister, QuarantineSettings};
pub use settings::Settings;
