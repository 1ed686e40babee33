//! What a reader can say of a case (PATHWAYS, Words).

use super::{BreastFeature, ChestFinding, LevelOfConcern, MammoView, Mark, Pathway, Side, coded_enum};

coded_enum!(
    /// Why a chest film can't be reported.
    InadequateReason, "reason for inadequacy" {
        Positioning = "positioning", Exposure = "exposure", Inspiration = "inspiration",
        Rotation = "rotation", CutOff = "cut_off", Motion = "motion", Artefact = "artefact",
        WrongPatient = "wrong_patient", Undecodable = "undecodable", Other = "other",
    }
);

coded_enum!(
    /// Why a mammographic view must be repeated (PATHWAYS R10).
    TechnicalReason, "reason for technical recall" {
        Positioning = "positioning", Exposure = "exposure", Obscured = "obscured",
        Blurred = "blurred", Missing = "missing", Other = "other",
    }
);

coded_enum!(
    /// What is said of one breast in a recall.
    Assessment, "breast assessment" { Normal = "normal", Clinical = "clinical", Abnormal = "abnormal" }
);

/// One view to repeat, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ViewRecall {
    /// Which view.
    pub view: MammoView,
    /// Why.
    pub reason: TechnicalReason,
}

/// One mark on a mammogram with its feature and level of concern.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MammoMark {
    /// What kind of thing.
    pub feature: BreastFeature,
    /// How worrying.
    pub concern: LevelOfConcern,
    /// Where on the image, if it was drawn.
    #[serde(default)]
    pub mark: Option<Mark>,
}

/// What is said of one breast.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BreastOpinion {
    /// The assessment that routes.
    pub assessment: Assessment,
    /// What was marked.
    #[serde(default)]
    pub marks: Vec<MammoMark>,
}

/// A reader's opinion of a chest film.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "opinion", rename_all = "snake_case")]
pub enum ChestOpinion {
    /// Nothing abnormal.
    Normal,
    /// One or more findings.
    Abnormal {
        /// At least one.
        findings: Vec<ChestFinding>,
    },
    /// The film can't be reported.
    Inadequate {
        /// Why.
        reason: InadequateReason,
    },
}

/// A reader's opinion of a mammogram.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "opinion", rename_all = "snake_case")]
pub enum MammoOpinion {
    /// Routine recall.
    Normal,
    /// Views to repeat.
    TechnicalRecall {
        /// At least one.
        views: Vec<ViewRecall>,
    },
    /// Recall for assessment; at least one breast is not normal.
    Recall {
        /// Of the right breast.
        right: BreastOpinion,
        /// Of the left breast.
        left: BreastOpinion,
    },
}

/// A reader's opinion on either pathway.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "pathway", rename_all = "snake_case")]
pub enum Opinion {
    /// Of a chest film.
    Chest(ChestOpinion),
    /// Of a mammogram.
    Mammo(MammoOpinion),
}

impl Opinion {
    /// The pathway that it is an opinion on.
    pub fn pathway(&self) -> Pathway {
        match self {
            Opinion::Chest(_) => Pathway::Chest,
            Opinion::Mammo(_) => Pathway::Mammo,
        }
    }

    /// Findings that someone must hear of today (PATHWAYS X7).
    pub fn urgent_findings(&self) -> impl Iterator<Item = &ChestFinding> {
        let findings = match self {
            Opinion::Chest(ChestOpinion::Abnormal { findings }) => findings.as_slice(),
            Opinion::Chest(ChestOpinion::Normal | ChestOpinion::Inadequate { .. }) | Opinion::Mammo(_) => &[],
        };
        findings.iter().filter(|finding| finding.urgent)
    }

    /// The top-level word: `normal`, `abnormal`, `inadequate`, `technical_recall` or `recall`.
    pub fn word(&self) -> &'static str {
        match self {
            Opinion::Chest(ChestOpinion::Normal) | Opinion::Mammo(MammoOpinion::Normal) => "normal",
            Opinion::Chest(ChestOpinion::Abnormal { .. }) => "abnormal",
            Opinion::Chest(ChestOpinion::Inadequate { .. }) => "inadequate",
            Opinion::Mammo(MammoOpinion::TechnicalRecall { .. }) => "technical_recall",
            Opinion::Mammo(MammoOpinion::Recall { .. }) => "recall",
        }
    }
}

impl MammoOpinion {
    /// The assessment of one breast; a normal exam is normal on both sides, a technical recall says nothing.
    pub fn assessment(&self, side: Side) -> Option<Assessment> {
        match (self, side) {
            (MammoOpinion::Normal, _) => Some(Assessment::Normal),
            (MammoOpinion::TechnicalRecall { .. }, _) => None,
            (MammoOpinion::Recall { right, .. }, Side::Right) => Some(right.assessment),
            (MammoOpinion::Recall { left, .. }, Side::Left) => Some(left.assessment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opinion_reads_back_as_written() {
        let texts = [
            r#"{"pathway":"chest","opinion":"normal"}"#,
            r#"{"pathway":"chest","opinion":"inadequate","reason":"rotation"}"#,
            r#"{"pathway":"mammo","opinion":"technical_recall","views":[{"view":"RMLO","reason":"blurred"}]}"#,
        ];
        for text in texts {
            let opinion: Opinion = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&opinion).unwrap(), text);
        }
    }
}
