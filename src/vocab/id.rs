//! Identifiers that we make ourselves: UUID version 7, so that they sort by age (RFC 9562).

macro_rules! own_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// A fresh identifier.
            #[expect(clippy::new_without_default, reason = "each call makes another value")]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }
            /// An identifier from a number, for tests and reproducible demonstrations.
            pub const fn from_number(n: u128) -> Self {
                Self(uuid::Uuid::from_u128(n))
            }
        }
        impl std::str::FromStr for $name {
            type Err = super::InvalidValue;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                uuid::Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| super::InvalidValue { what: $what, problem: "is not a UUID" })
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

own_id!(
    /// One image set to be read on one pathway.
    CaseId, "case id"
);
own_id!(
    /// One reader's opinion on one case.
    ReadId, "read id"
);
own_id!(
    /// One sitting of a reader: the cases that they set out to read.
    ReadingSessionId, "reading session id"
);
own_id!(
    /// A person (or machine account) who signs in.
    UserId, "user id"
);
own_id!(
    /// One piece of work for the pipeline.
    JobId, "job id"
);
own_id!(
    /// One request for an exam.
    OrderId, "order id"
);
own_id!(
    /// One message to another system.
    MessageId, "message id"
);
