//! All SQL: one set of queries for SQLite and PostgreSQL.
//!
//! In: domain values and the present instant. Out: domain values; rows stay in here.
//! Every change of state and its event are one transaction, and whatever is to be sent
//! leaves through the outbox in that same transaction. Never: a rule of a pathway, a
//! message to a peer, the time of its own accord, or a patient's details in a log line.
//!
//! Invariant: the database is the only coordinator. Work in progress is a lease with a
//! token and an expiry; constraints have the last word.

mod accounts;
mod arrivals;
mod cases;
mod chain;
mod claim_machines;
mod concordance;
mod error;
mod instances;
mod jobs;
mod lease;
mod migrate;
mod models;
mod order_matching;
mod orders;
mod outbox;
mod owed;
mod pool;
mod preferences;
mod priors;
mod projections;
mod quarantine;
mod reading_sessions;
mod reads;
mod row;
mod search;
mod sessions;
mod settings;
mod standing;
mod statement;
mod studies;
mod study_search;
mod tokens;
mod view_disagreements;
mod worklist;

pub use accounts::{NewUser, User};
pub use arrivals::ArrivalsMark;
pub use cases::{ActError, Acted, StoredCase, is_taken_image_set};
pub use claim_machines::MachineTimes;
pub use concordance::{ConcordanceCount, ConcordanceFilter};
pub use error::{ConstraintKind, StoreError};
pub use instances::InstanceConflict;
pub use jobs::{FailedJob, Job, JobFate, JobKind, NewJob};
pub use models::{ModelDecision, ShadowCount};
pub use orders::{OrderAct, OrderChange, OrderError, OrderQuery, PostedOrder};
pub use outbox::{Attempt, Audience, DeliveryFate, Message, MessageKind, MessageRow};
pub use pool::{Backend, Store, sqlite_url};
pub use preferences::{Preferences, Targets};
pub use quarantine::QuarantinedObject;
pub use reading_sessions::{ReadingSession, SessionCase, SessionFilter};
pub use reads::{FollowUpOrder, OwedOverrule, StoredAiResult, StoredRead};
pub use search::{CaseSearch, FoundCases};
pub use sessions::{Session, SignInFailures};
pub use settings::Settings;
pub use standing::{JobQueue, OutboxQueue, Standing};
pub use studies::{CompletenessRule, HoldReason, Study};
pub use study_search::StudyQuery;
pub use tokens::{ApiToken, NewApiToken};
pub use view_disagreements::OpenViewDisagreement;
pub use worklist::{CaseRow, QueueKey, WorklistQuery};
