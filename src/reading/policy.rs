//! A reading policy: a versioned document that says how a pathway is read (PATHWAYS R19).
//!
//! In: TOML (shipped, embedded below) or JSON (stored). Out: a checked [`Policy`].
//! No setting here can let an AI result conclude a case (PATHWAYS X9): there is none.

use crate::vocab::{Pathway, SiteCode, Timestamp, coded_enum};

/// Which policy, in which version; stamped on every event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct PolicyRef {
    /// Such as `chest-verify`.
    pub id: String,
    /// From 1; a changed document is a new version.
    pub version: u32,
}

impl std::fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} version {}", self.id, self.version)
    }
}

coded_enum!(
    /// What part the AI has in the routing of a case.
    AiRole, "role of the AI" {
        /// The AI result and the first read together say what comes next.
        Routes = "routes",
        /// The AI looks only after two people said normal.
        SafetyNet = "safety_net",
        /// The AI has no part in the routing, and is not shown before the conclusion.
        None = "none",
    }
);

coded_enum!(
    /// When a second person reads.
    SecondRead, "second read" {
        /// When the rules of the pathway say so.
        ByRule = "by_rule",
        /// Always.
        Always = "always",
    }
);

coded_enum!(
    /// Which pairs of human reads go to arbitration.
    ArbitrationOn, "arbitration on" {
        /// Where the two differ.
        DiscordantOnly = "discordant_only",
        /// Also where both recall.
        AllRecalls = "all_recalls",
        /// Also where both recall or both ask for a technical recall.
        AllNonNormal = "all_non_normal",
    }
);

coded_enum!(
    /// What a technical recall by the first reader leads to (PATHWAYS M5).
    TechnicalRecallRoute, "technical recall route" {
        /// A second person where the AI says abnormal, else it concludes.
        ByAi = "by_ai",
        /// It concludes.
        Direct = "direct",
        /// A second person.
        Second = "second",
    }
);

coded_enum!(
    /// What happens without a usable AI result (PATHWAYS M7, X5).
    AiAbsent, "without the AI" {
        /// The first human read concludes.
        Single = "single",
        /// An abnormal first read goes to a second person.
        Double = "double",
        /// Every first read goes to a second person.
        Always = "always",
    }
);

coded_enum!(
    /// When a reader sees the AI result and earlier reads (PATHWAYS R6).
    RevealMode, "reveal mode" {
        /// Not before the case has concluded.
        Off = "off",
        /// Once the blind opinion is locked.
        After = "after",
        /// The AI result beside the images from the start (assisted reading); other reads after the lock.
        With = "with",
    }
);

coded_enum!(
    /// When a concluded outcome leaves for the record.
    ReleaseMode, "release" {
        /// At once.
        AtConclusion = "at_conclusion",
        /// When a person releases it.
        ByHand = "by_hand",
    }
);

coded_enum!(
    /// By when a case is to be verified.
    VerifyBy, "verify by" {
        /// The end of the local day of the last image.
        SameDay = "same_day",
        /// The days of `breached_days`.
        Days = "days",
    }
);

/// When a locked read starts to count (PATHWAYS R3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Finalisation {
    /// That many minutes after the lock; 0 is at once.
    Minutes(u32),
    /// Only by hand.
    Never(Never),
}

/// The word `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Never {
    /// Only by hand.
    Never,
}

/// Rate of the QA sample in one stratum; a field left out matches everything.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QaStratum {
    /// Stored with each draw.
    pub name: String,
    /// Only this site.
    #[serde(default)]
    pub site: Option<SiteCode>,
    /// Only AI scores at or above this.
    #[serde(default)]
    pub score_from: Option<f64>,
    /// Only AI scores below this.
    #[serde(default)]
    pub score_below: Option<f64>,
    /// Probability of a second read, 0 to 1.
    pub rate: f64,
}

/// The random second reads of concordant normal cases (PATHWAYS R16).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QaSettings {
    /// Probability where no stratum matches, 0 to 1.
    pub rate: f64,
    /// The first that matches counts.
    #[serde(default)]
    pub strata: Vec<QaStratum>,
}

/// The clocks of a case (PATHWAYS R14); they order the queue.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSettings {
    /// Minutes from the last image after which the case goes on without the AI.
    pub ai_deadline_min: u32,
    /// Percentages of that time at which to warn.
    pub ai_warn_percent: Vec<u32>,
    /// What the last clock is.
    pub verify_by: VerifyBy,
    /// IANA time zone of "the same day".
    pub time_zone: String,
    /// Days from the last image after which a case is due soon.
    pub due_soon_days: u32,
    /// Days after which it is urgent.
    pub urgent_days: u32,
    /// Days after which the promise is broken.
    pub breached_days: u32,
}

/// How one pathway is read.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Such as `chest-verify`.
    pub id: String,
    /// From 1.
    pub version: u32,
    /// What it is for, in a sentence.
    pub title: String,
    /// The pathway that it is for.
    pub pathway: Pathway,
    /// The AI's part.
    pub ai_role: AiRole,
    /// When a second person reads.
    pub second_read: SecondRead,
    /// Without a usable AI result.
    pub ai_absent: AiAbsent,
    /// Chest: whether an abnormal film that the AI also calls abnormal gets a second read (X4).
    pub second_on_abnormal: bool,
    /// Mammo: technical recall by the first reader (M5).
    pub technical_recall: TechnicalRecallRoute,
    /// Which pairs go to arbitration.
    pub arbitration: ArbitrationOn,
    /// Whether the second reader settles a discordance instead of an arbitration (M10, X8).
    pub second_reader_decides: bool,
    /// When readers see what others said (R6).
    pub reveal: RevealMode,
    /// When a read starts to count (R3).
    pub finalisation: Finalisation,
    /// Whether the AI's urgency band may order the queue (R15).
    pub ai_orders_queue: bool,
    /// An opinion within this many seconds of the first load is an accidental click (R13).
    pub accidental_click_seconds: u32,
    /// Minutes that a claim lasts without a heartbeat (R7).
    pub claim_lease_min: u32,
    /// Days after which a wait for priors ends (R8).
    pub priors_wait_days: u32,
    /// When the outcome leaves.
    pub release: ReleaseMode,
    /// The QA sample.
    pub qa: QaSettings,
    /// The clocks.
    pub clocks: ClockSettings,
}

/// Why a document is not a policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No shipped policy has that id.
    #[error("no policy `{id}` is shipped; there are {}", SHIPPED_IDS.join(", "))]
    Unknown {
        /// What was asked for.
        id: String,
    },
    /// The text is not a policy document.
    #[error("the policy document cannot be read")]
    Unreadable(#[source] toml::de::Error),
    /// The options contradict each other or a rule.
    #[error("policy `{id}`: {problem}")]
    Contradiction {
        /// The policy.
        id: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Ids of the policies that come with the program.
pub const SHIPPED_IDS: [&str; 4] = ["chest-verify", "mammo-ai-second", "mammo-double", "mammo-safety-net"];

const SHIPPED_TEXTS: [&str; 4] = [
    include_str!("../../config/policies/chest-verify.toml"),
    include_str!("../../config/policies/mammo-ai-second.toml"),
    include_str!("../../config/policies/mammo-double.toml"),
    include_str!("../../config/policies/mammo-safety-net.toml"),
];

impl Policy {
    /// A policy that comes with the program, by its id.
    pub fn shipped(id: &str) -> Result<Policy, PolicyError> {
        SHIPPED_IDS
            .iter()
            .zip(SHIPPED_TEXTS)
            .find(|(shipped, _)| **shipped == id)
            .ok_or_else(|| PolicyError::Unknown { id: id.to_owned() })
            .and_then(|(_, text)| Policy::from_toml(text))
    }

    /// The id of the policy that a pathway has unless the configuration names another.
    pub fn default_id(pathway: Pathway) -> &'static str {
        match pathway {
            Pathway::Chest => "chest-verify",
            Pathway::Mammo => "mammo-ai-second",
        }
    }

    /// Reads and checks a policy document.
    pub fn from_toml(text: &str) -> Result<Policy, PolicyError> {
        let policy: Policy = toml::from_str(text).map_err(PolicyError::Unreadable)?;
        policy.check()?;
        Ok(policy)
    }

    /// Its id and version.
    pub fn reference(&self) -> PolicyRef {
        PolicyRef { id: self.id.clone(), version: self.version }
    }

    /// Refuses options that contradict each other or a rule that is no option.
    pub fn check(&self) -> Result<(), PolicyError> {
        let wrong = |problem| Err(PolicyError::Contradiction { id: self.id.clone(), problem });
        let is_rate = |rate: f64| (0.0..=1.0).contains(&rate);
        let clocks = &self.clocks;
        if self.id.is_empty() || self.version == 0 {
            return wrong("it needs an id and a version from 1");
        }
        if !is_rate(self.qa.rate) || self.qa.strata.iter().any(|s| !is_rate(s.rate)) {
            return wrong("a QA rate is not between 0 and 1");
        }
        if clocks.ai_warn_percent.iter().any(|p| *p >= 100) {
            return wrong("a warning before the AI's deadline is not below 100 %");
        }
        if !(clocks.due_soon_days <= clocks.urgent_days && clocks.urgent_days <= clocks.breached_days) {
            return wrong("the clocks are not in the order due soon, urgent, breached");
        }
        if self.claim_lease_min == 0 {
            return wrong("a claim must last at least a minute");
        }
        if self.ai_role == AiRole::SafetyNet && self.second_read != SecondRead::Always {
            return wrong("a safety net stands behind two human reads");
        }
        if self.ai_role == AiRole::None && self.second_read != SecondRead::Always {
            return wrong("without the AI in the routing every case needs two human reads");
        }
        if self.pathway == Pathway::Mammo
            && self.ai_role == AiRole::Routes
            && self.ai_absent != AiAbsent::Always
        {
            return wrong("a mammogram without the AI always gets a second read (M7)");
        }
        Ok(())
    }

    /// When the case goes on without the AI, from the time of its last image.
    pub fn ai_deadline(&self, last_image_at: Timestamp) -> Timestamp {
        last_image_at.plus_minutes(i64::from(self.clocks.ai_deadline_min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_policy_is_read_and_checked() {
        for id in SHIPPED_IDS {
            let policy = Policy::shipped(id).unwrap();
            assert_eq!(policy.id, id);
            let json = serde_json::to_string(&policy).unwrap();
            assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), policy);
        }
        assert!(matches!(Policy::shipped("nonesuch"), Err(PolicyError::Unknown { .. })));
    }

    #[test]
    fn r3_default_windows_are_60_minutes_for_mammo_and_0_for_chest() {
        assert_eq!(Policy::shipped("mammo-ai-second").unwrap().finalisation, Finalisation::Minutes(60));
        assert_eq!(Policy::shipped("chest-verify").unwrap().finalisation, Finalisation::Minutes(0));
        let never: Finalisation = serde_json::from_str("\"never\"").unwrap();
        assert_eq!(never, Finalisation::Never(Never::Never));
    }

    #[test]
    fn x9_no_option_of_a_policy_lets_the_ai_conclude() {
        for id in SHIPPED_IDS {
            let mut document = serde_json::to_value(Policy::shipped(id).unwrap()).unwrap();
            document["ai_concludes"] = true.into();
            assert!(serde_json::from_value::<Policy>(document).is_err());
        }
    }

    #[test]
    fn a_policy_that_contradicts_a_rule_is_refused() {
        let policy = Policy::shipped("mammo-ai-second").unwrap();
        for (change, part) in [
            (Policy { ai_absent: AiAbsent::Single, ..policy.clone() }, "M7"),
            (Policy { ai_role: AiRole::None, ..policy.clone() }, "two human reads"),
            (Policy { qa: QaSettings { rate: 1.5, strata: vec![] }, ..policy.clone() }, "QA rate"),
        ] {
            assert!(change.check().unwrap_err().to_string().contains(part), "{part}");
        }
    }
}
