//! What people found, as lines of a report and as observations.

use serde_json::{Value, json};

use super::fhir::{concept_or_text, snomed, without_gaps};
use crate::vocab::{
    Assessment, BreastFeature, BreastOpinion, ChestFinding, ChestOpinion, Coded, Confidence, FindingCode,
    LATERALITY, Laterality, LevelOfConcern, MammoMark, MammoOpinion, Opinion, PRESENT, Pathway, Side,
};

/// One finding of a human opinion.
pub(super) struct FindingLine {
    /// Names it within the report: the same finding has the same key in an amendment.
    pub(super) key: String,
    pub(super) concept: Option<Coded>,
    /// The finding in words, with its side.
    pub(super) words: String,
    site: Coded,
    side: Option<Laterality>,
    urgent: bool,
    confidence: Option<Confidence>,
    concern: Option<LevelOfConcern>,
}

/// The findings of an opinion; two of the same kind and place get a number.
pub(super) fn findings(opinion: &Opinion) -> Vec<FindingLine> {
    let mut lines = match opinion {
        Opinion::Chest(ChestOpinion::Abnormal { findings }) => findings.iter().map(chest_line).collect(),
        Opinion::Mammo(MammoOpinion::Recall { right, left }) => {
            let mut lines = breast_lines(Side::Right, right);
            lines.extend(breast_lines(Side::Left, left));
            lines
        }
        Opinion::Chest(ChestOpinion::Normal | ChestOpinion::Inadequate { .. })
        | Opinion::Mammo(MammoOpinion::Normal | MammoOpinion::TechnicalRecall { .. }) => Vec::new(),
    };
    number_repeats(&mut lines);
    lines
}

fn number_repeats(lines: &mut [FindingLine]) {
    let keys: Vec<String> = lines.iter().map(|line| line.key.clone()).collect();
    for (place, line) in lines.iter_mut().enumerate() {
        let before = keys.iter().take(place).filter(|key| **key == line.key).count();
        if before > 0 {
            line.key = format!("{} {}", line.key, before + 1);
        }
    }
}

fn chest_line(finding: &ChestFinding) -> FindingLine {
    let side = finding.side.map_or("", Laterality::code);
    let zone = finding.zone.map_or("", |zone| zone.code());
    let lung = FindingCode::Consolidation.body_site();
    let site = match finding.zone {
        Some(zone) if finding.code.body_site() == lung => zone.coded(),
        _ => finding.code.body_site(),
    };
    let mut words = finding.code.words().to_owned();
    for place in [finding.side.map(Laterality::words).unwrap_or_default(), zone] {
        if !place.is_empty() {
            words.push_str(", ");
            words.push_str(place);
        }
    }
    if !zone.is_empty() {
        words.push_str(" zone");
    }
    FindingLine {
        key: format!("{} {side} {zone}", finding.code.code()).trim_end().to_owned(),
        concept: finding.code.coded(),
        words,
        site,
        side: finding.side,
        urgent: finding.urgent,
        confidence: finding.confidence,
        concern: None,
    }
}

fn breast_lines(side: Side, breast: &BreastOpinion) -> Vec<FindingLine> {
    let line =
        |key: &str, concept: Option<Coded>, words: &str, concern: Option<LevelOfConcern>| FindingLine {
            key: format!("{key} {}", side.words()),
            concept,
            words: format!("{words}, {} breast", side.words()),
            site: side.breast(),
            side: Some(side.into()),
            urgent: false,
            confidence: None,
            concern,
        };
    let marks = breast.marks.iter().map(|MammoMark { feature, concern, .. }| {
        line(feature.code(), feature.coded(), feature.words(), Some(*concern))
    });
    let mut lines: Vec<FindingLine> = marks.collect();
    match breast.assessment {
        Assessment::Clinical => lines.push(line("clinical", None, "recall on clinical grounds", None)),
        Assessment::Abnormal if lines.is_empty() => {
            let suspicious = BreastFeature::Suspicious;
            lines.push(line("suspicious", suspicious.coded(), suspicious.words(), None));
        }
        Assessment::Abnormal | Assessment::Normal => {}
    }
    lines
}

impl FindingLine {
    /// The parts of an observation that say what was found and where.
    pub(super) fn content(&self) -> Value {
        let mut components = Vec::new();
        if let Some(side) = self.side {
            components
                .push(json!({ "code": snomed(LATERALITY), "valueCodeableConcept": snomed(side.coded()) }));
        }
        if let Some(confidence) = self.confidence {
            components.push(json!({
                "code": { "text": "reader's confidence" },
                "valueCodeableConcept": { "text": confidence.code() },
            }));
        }
        if let Some(concern) = self.concern {
            components.push(json!({
                "code": { "text": "level of concern (Royal College of Radiologists, 1 to 5)" },
                "valueInteger": concern.code().parse::<u8>().ok(),
            }));
        }
        let interpretation = self.urgent.then(|| {
            let system = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
            json!([{ "coding": [super::fhir::coding(system, "AA", "Critical abnormal")] }])
        });
        without_gaps(json!({
            "code": concept_or_text(self.concept, &self.words),
            "valueCodeableConcept": snomed(PRESENT),
            "interpretation": interpretation,
            "bodySite": snomed(self.site),
            "component": components,
        }))
    }
}

/// The conclusion in words, one sentence a line.
pub(super) fn conclusion(opinion: &Opinion) -> String {
    let lines = findings(opinion);
    let listed = |intro: &str| {
        let words: Vec<&str> = lines.iter().map(|line| line.words.as_str()).collect();
        format!("{intro}: {}.", words.join("; "))
    };
    match opinion {
        Opinion::Chest(ChestOpinion::Normal) => "Chest X-ray normal.".to_owned(),
        Opinion::Chest(ChestOpinion::Abnormal { .. }) => listed("Chest X-ray abnormal"),
        Opinion::Chest(ChestOpinion::Inadequate { reason }) => {
            format!("The film can't be reported ({}). A repeat was asked for.", plain(reason.code()))
        }
        Opinion::Mammo(MammoOpinion::Normal) => "Mammogram normal. Routine recall.".to_owned(),
        Opinion::Mammo(MammoOpinion::TechnicalRecall { views }) => {
            let views: Vec<String> =
                views.iter().map(|v| format!("{} ({})", v.view, plain(v.reason.code()))).collect();
            format!("Technical recall: {}.", views.join("; "))
        }
        Opinion::Mammo(MammoOpinion::Recall { .. }) => listed("Recall for assessment"),
    }
}

fn plain(code: &str) -> String {
    code.replace('_', " ")
}

/// Codes of the conclusion: the exam as a whole first, then each finding that has one.
pub(super) fn conclusion_codes(opinion: &Opinion) -> Vec<Value> {
    let pathway: Pathway = opinion.pathway();
    let whole = match opinion {
        Opinion::Chest(ChestOpinion::Normal) | Opinion::Mammo(MammoOpinion::Normal) => {
            snomed(pathway.normal())
        }
        Opinion::Chest(ChestOpinion::Abnormal { .. }) | Opinion::Mammo(MammoOpinion::Recall { .. }) => {
            snomed(pathway.abnormal())
        }
        Opinion::Chest(ChestOpinion::Inadequate { .. }) => json!({ "text": "inadequate image" }),
        Opinion::Mammo(MammoOpinion::TechnicalRecall { .. }) => json!({ "text": "technical recall" }),
    };
    let mut codes = vec![whole];
    for code in findings(opinion).iter().filter_map(|line| line.concept).map(snomed) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes
}
