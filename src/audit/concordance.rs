//! AI against the first human's blind opinion, per pathway and model version.
//!
//! The unit is the exam: on mammograms an AI flag and a recall of different breasts count here as both positive
//! (they are discordant for routing). Exams on which one of the two gave no verdict are counted apart.

use std::collections::BTreeMap;

use super::{AuditError, ConcordanceTable, Figure, Kappa, McNemar, Settings};
use crate::vocab::{Pathway, Timestamp};

/// A count of concluded cases with the same words.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConcordanceRow {
    /// Pathway.
    pub pathway: Pathway,
    /// Name of the model; empty where no model took part.
    pub model_name: String,
    /// Version of the model; thresholds belong to it.
    pub model_version: String,
    /// Operating point in force.
    pub operating_point: String,
    /// `AiOutcome::word` of the result.
    pub ai_word: String,
    /// `Opinion::word` of the first human's blind opinion.
    pub human_word: String,
    /// Cases.
    pub count: u64,
}

/// Which cases were counted, by when they concluded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Period {
    /// Not before; open where absent.
    pub from: Option<Timestamp>,
    /// Before; open where absent.
    pub to: Option<Timestamp>,
}

/// Cases without a verdict on one side, left out of the table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LeftOut {
    /// The AI's word.
    pub ai_word: String,
    /// The human's word.
    pub human_word: String,
    /// Cases.
    pub count: u64,
}

/// All figures of one pathway, model version and operating point.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ConcordanceGroup {
    /// Pathway.
    pub pathway: Pathway,
    /// Name of the model; empty where no model took part.
    pub model_name: String,
    /// Version.
    pub model_version: String,
    /// Operating point.
    pub operating_point: String,
    /// Cases with a verdict on both sides.
    pub n: u64,
    /// The 2x2 table.
    pub table: ConcordanceTable,
    /// Cohen's kappa with observed agreement, positive agreement and prevalence.
    pub kappa: Kappa,
    /// (b + c) / n.
    pub discordance_rate: Figure,
    /// Agreement on negative calls.
    pub negative_agreement: Figure,
    /// Prevalence- and bias-adjusted kappa.
    pub pabak: Figure,
    /// Gwet's AC1.
    pub ac1: Figure,
    /// AI-positive rate.
    pub ai_positive_rate: Figure,
    /// Human-positive rate.
    pub human_positive_rate: Figure,
    /// AI-positive minus human-positive rate.
    pub marginal_difference: Figure,
    /// Whether one calls positive more often, where there are enough cases.
    pub mcnemar: Option<McNemar>,
    /// Counted apart.
    pub left_out: Vec<LeftOut>,
}

/// What `GET /api/audit/concordance` answers.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ConcordanceReport {
    /// Which cases.
    pub period: Period,
    /// Always `first human opinion, blind`: the AI is compared with that.
    pub compared_with: String,
    /// What is called positive, in words.
    pub positive_means: String,
    /// One per pathway, model version and operating point, in that order.
    pub groups: Vec<ConcordanceGroup>,
}

/// A group as it may leave the service.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "export", rename_all = "snake_case")]
pub enum ExportedGroup {
    /// No small cell.
    Whole(Box<ConcordanceGroup>),
    /// A cell is small. All cells and figures are withheld, since any two of them would give it away.
    Suppressed {
        /// Pathway.
        pathway: Pathway,
        /// Name of the model.
        model_name: String,
        /// Version.
        model_version: String,
        /// Operating point.
        operating_point: String,
        /// Cells under this are suppressed.
        cells_under: u64,
    },
}

/// A report as it may leave the service.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ExportedReport {
    /// Which cases.
    pub period: Period,
    /// Groups, small cells suppressed.
    pub groups: Vec<ExportedGroup>,
}

/// Pathway, name, version and operating point of a group.
type Key<'a> = (Pathway, &'a str, &'a str, &'a str);
/// Cases without a verdict, by the AI's and the human's word.
type Apart<'a> = BTreeMap<(&'a str, &'a str), u64>;

/// What a word says, for the 2x2 table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Positive,
    Negative,
    None,
}

fn verdict_of_ai(pathway: Pathway, word: &str) -> Result<Verdict, AuditError> {
    match word {
        "abnormal" => Ok(Verdict::Positive),
        "normal" => Ok(Verdict::Negative),
        "quality_fail" | "not_processed" => Ok(Verdict::None),
        _ => Err(AuditError::UnknownWord { who: "the AI", pathway, word: word.to_owned() }),
    }
}

fn verdict_of_human(pathway: Pathway, word: &str) -> Result<Verdict, AuditError> {
    match (pathway, word) {
        (_, "normal") => Ok(Verdict::Negative),
        (Pathway::Chest, "abnormal") | (Pathway::Mammo, "recall") => Ok(Verdict::Positive),
        (Pathway::Chest, "inadequate") | (Pathway::Mammo, "technical_recall") => Ok(Verdict::None),
        _ => Err(AuditError::UnknownWord { who: "a reader", pathway, word: word.to_owned() }),
    }
}

/// The report over `rows`; an error where a word is not one of its pathway.
pub fn concordance(
    rows: &[ConcordanceRow],
    period: Period,
    settings: &Settings,
) -> Result<ConcordanceReport, AuditError> {
    let mut groups: BTreeMap<Key<'_>, (ConcordanceTable, Apart<'_>)> = BTreeMap::new();
    for row in rows {
        let key =
            (row.pathway, row.model_name.as_str(), row.model_version.as_str(), row.operating_point.as_str());
        let ai = verdict_of_ai(row.pathway, &row.ai_word)?;
        let human = verdict_of_human(row.pathway, &row.human_word)?;
        let (table, left_out) = groups.entry(key).or_default();
        let cell = match (ai, human) {
            (Verdict::Positive, Verdict::Positive) => &mut table.both_positive,
            (Verdict::Positive, Verdict::Negative) => &mut table.ai_only,
            (Verdict::Negative, Verdict::Positive) => &mut table.human_only,
            (Verdict::Negative, Verdict::Negative) => &mut table.both_negative,
            (Verdict::None, _) | (_, Verdict::None) => {
                left_out.entry((row.ai_word.as_str(), row.human_word.as_str())).or_default()
            }
        };
        *cell += row.count;
    }
    Ok(ConcordanceReport {
        period,
        compared_with: "first human opinion, blind".to_owned(),
        positive_means: "AI: abnormal; chest reader: abnormal; mammogram reader: recall".to_owned(),
        groups: groups
            .into_iter()
            .map(|(key, (table, left_out))| group(key, table, left_out, settings))
            .collect(),
    })
}

fn group(
    (pathway, name, version, operating_point): Key<'_>,
    table: ConcordanceTable,
    left_out: Apart<'_>,
    settings: &Settings,
) -> ConcordanceGroup {
    ConcordanceGroup {
        pathway,
        model_name: name.to_owned(),
        model_version: version.to_owned(),
        operating_point: operating_point.to_owned(),
        n: table.n(),
        table,
        kappa: table.kappa(settings),
        discordance_rate: table.discordance_rate(settings),
        negative_agreement: table.negative_agreement(settings),
        pabak: table.pabak(settings),
        ac1: table.ac1(settings),
        ai_positive_rate: table.ai_positive_rate(settings),
        human_positive_rate: table.human_positive_rate(settings),
        marginal_difference: table.marginal_difference(settings),
        mcnemar: table.mcnemar(settings),
        left_out: left_out
            .into_iter()
            .map(|((ai, human), count)| LeftOut {
                ai_word: ai.to_owned(),
                human_word: human.to_owned(),
                count,
            })
            .collect(),
    }
}

impl ConcordanceReport {
    /// The report as it may leave the service: a group with any small cell keeps its name and nothing else.
    pub fn for_export(&self, settings: &Settings) -> ExportedReport {
        let cells_under = settings.suppress_cells_under;
        let export = |group: &ConcordanceGroup| {
            let table = &group.table;
            let cells = [table.both_positive, table.ai_only, table.human_only, table.both_negative];
            let apart = group.left_out.iter().map(|left| left.count);
            if cells.into_iter().chain(apart).any(|count| count < cells_under) {
                ExportedGroup::Suppressed {
                    pathway: group.pathway,
                    model_name: group.model_name.clone(),
                    model_version: group.model_version.clone(),
                    operating_point: group.operating_point.clone(),
                    cells_under,
                }
            } else {
                ExportedGroup::Whole(Box::new(group.clone()))
            }
        };
        ExportedReport { period: self.period, groups: self.groups.iter().map(export).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pathway: Pathway, ai: &str, human: &str, count: u64) -> ConcordanceRow {
        ConcordanceRow {
            pathway,
            model_name: "small".into(),
            model_version: "1.0.0".into(),
            operating_point: "balanced".into(),
            ai_word: ai.into(),
            human_word: human.into(),
            count,
        }
    }

    fn rows() -> Vec<ConcordanceRow> {
        use Pathway::{Chest, Mammo};
        vec![
            row(Chest, "abnormal", "abnormal", 60),
            row(Chest, "abnormal", "normal", 25),
            row(Chest, "normal", "abnormal", 15),
            row(Chest, "normal", "normal", 800),
            row(Chest, "normal", "normal", 100),
            row(Chest, "not_processed", "normal", 7),
            row(Chest, "normal", "inadequate", 6),
            row(Mammo, "abnormal", "recall", 8),
            row(Mammo, "abnormal", "normal", 9),
            row(Mammo, "normal", "recall", 2),
            row(Mammo, "normal", "normal", 90),
            row(Mammo, "quality_fail", "technical_recall", 3),
        ]
    }

    #[test]
    fn pathways_and_versions_are_counted_apart_and_what_has_no_verdict_is_left_out() {
        let report = concordance(&rows(), Period::default(), &Settings::default()).unwrap();
        let [chest, mammo] = report.groups.as_slice() else { panic!("{report:?}") };
        assert_eq!(chest.table, ConcordanceTable::new(60, 25, 15, 900));
        assert_eq!(chest.n, 1000);
        assert_eq!(chest.left_out.iter().map(|l| l.count).sum::<u64>(), 13);
        assert!((chest.kappa.kappa.value().unwrap() - 0.7284).abs() < 5e-5);
        assert_eq!(mammo.table, ConcordanceTable::new(8, 9, 2, 90));
        assert_eq!(mammo.left_out.len(), 1);
        let mut newer = row(Pathway::Chest, "normal", "normal", 3);
        newer.model_version = "1.1.0".into();
        let report = concordance(&[rows(), vec![newer]].concat(), Period::default(), &Settings::default());
        assert_eq!(report.unwrap().groups.len(), 3);
    }

    #[test]
    fn a_word_of_the_other_pathway_is_an_error_and_not_a_count() {
        let wrong = [row(Pathway::Chest, "normal", "recall", 1)];
        let error = concordance(&wrong, Period::default(), &Settings::default()).unwrap_err();
        assert_eq!(error.to_string(), "\"recall\" is not an opinion of a reader on the chest pathway");
    }

    #[test]
    fn an_export_withholds_a_group_with_a_small_cell_whole() {
        let settings = Settings::default();
        let report = concordance(&rows(), Period::default(), &settings).unwrap().for_export(&settings);
        assert!(matches!(
            report.groups.as_slice(),
            [ExportedGroup::Whole(_), ExportedGroup::Suppressed { .. }]
        ));
        let text = serde_json::to_string(&report.groups[1]).unwrap();
        assert_eq!(
            text,
            r#"{"export":"suppressed","pathway":"mammo","model_name":"small","model_version":"1.0.0","operating_point":"balanced","cells_under":5}"#
        );
    }

    #[test]
    fn a_report_reads_back_from_json_and_names_why_a_number_is_missing() {
        let report = concordance(&rows()[7..8], Period::default(), &Settings::default()).unwrap();
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<ConcordanceReport>(&text).unwrap(), report);
        assert!(text.contains(r#""kappa":{"state":"not_enough_cases","n":8,"needed":30}"#), "{text}");
    }
}
