//! Pure statistics over concluded cases: how far AI and people agree, and what that can and can't show.
//!
//! In: counts (`ConcordanceRow`, `ConcordanceTable`, `VerificationCounts`) and `Settings`. Out: `Figure`s, each
//! with its n and interval, or the words "not enough cases". It must never read a database or a clock, never
//! give a number without its n, and never give Cohen's kappa without observed agreement, positive agreement and
//! prevalence beside it. Agreement is taken from blind opinions (PATHWAYS, Discordance).

mod agreement;
mod bootstrap;
mod concordance;
mod figure;
mod interval;
mod mcnemar;
mod verification;

pub use agreement::{ConcordanceTable, Kappa};
pub use concordance::{
    ConcordanceGroup, ConcordanceReport, ConcordanceRow, ExportedGroup, ExportedReport, LeftOut, Period,
    concordance,
};
pub use figure::{Figure, IntervalMethod};
pub use interval::{clopper_pearson, newcombe_paired, wilson};
pub use mcnemar::McNemar;
pub use verification::{VerificationBounds, VerificationCounts};

/// Limits of the statistics; every one has a name.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Cases that a figure over all cases of a group needs.
    pub minimum_cases: u64,
    /// Cases that a figure over one kind of call (positive or negative agreement) needs.
    pub minimum_cases_of_a_kind: u64,
    /// Resamples of a bootstrap interval.
    pub bootstrap_resamples: u32,
    /// Seed of the bootstrap: the same counts give the same interval on every machine.
    pub bootstrap_seed: u64,
    /// Cells under this are suppressed in exports outside the service.
    pub suppress_cells_under: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            minimum_cases: 30,
            minimum_cases_of_a_kind: 10,
            bootstrap_resamples: 2_000,
            bootstrap_seed: 20_260_101,
            suppress_cells_under: 5,
        }
    }
}

/// Why no statistic could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// An opinion word that is not one of the pathway.
    #[error("{word:?} is not an opinion of {who} on the {pathway} pathway")]
    UnknownWord {
        /// `the AI` or `a reader`.
        who: &'static str,
        /// The pathway.
        pathway: crate::vocab::Pathway,
        /// The word.
        word: String,
    },
    /// Counts that can't come from one population.
    #[error("{0}")]
    ImpossibleCounts(&'static str),
}
