//! The studies of the demonstration: files, truth, and how each stands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::receive::send::read_head_of;
use crate::store::{CaseRow, Store};
use crate::vocab::{AiOutcome, StudyInstanceUid};

/// One pushed study.
pub(super) struct Study {
    /// Its UID.
    pub uid: StudyInstanceUid,
    /// Name of its folder.
    pub name: String,
}

/// The DICOM files at or below a folder, in order.
pub(super) fn dicom_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            if !super::is_hostile(&path) {
                files.extend(dicom_files(&path)?);
            }
        } else if path.extension().is_some_and(|ending| ending == "dcm") {
            files.push(path);
        }
    }
    Ok(files)
}

/// The studies that the pushed files belong to, each once.
pub(super) async fn of(store: &Store, files: &[PathBuf]) -> anyhow::Result<Vec<Study>> {
    let mut studies: Vec<Study> = Vec::new();
    for file in files {
        let head = read_head_of(&mut std::fs::File::open(file)?)
            .with_context(|| format!("can't read {}", file.display()))?;
        let instance = store
            .instance(&head.instance.parse()?)
            .await?
            .context("a pushed image is not in the database")?;
        if studies.iter().all(|study| study.uid != instance.study_instance_uid) {
            let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
            studies.push(Study {
                uid: instance.study_instance_uid,
                name: folder.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(studies)
}

/// The truth that lies beside each image, by SOP Instance UID.
pub(super) fn truths(files: &[PathBuf]) -> anyhow::Result<BTreeMap<String, serde_json::Value>> {
    let mut truths = BTreeMap::new();
    for file in files {
        let path = file.with_extension("json");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let truth: serde_json::Value =
            serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
        if let Some(uid) = truth["sop_instance_uid"].as_str() {
            truths.insert(uid.to_owned(), truth);
        }
    }
    Ok(truths)
}

/// One line a study: what the AI said and what comes next.
pub(super) async fn table_rows(store: &Store, studies: &[Study]) -> anyhow::Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for study in studies {
        for case in live(store.cases_of_study(&study.uid).await?) {
            let ai = store.ai_result(case.case_id).await?.map(|stored| stored.result);
            let (decision, score) = match &ai {
                None => ("waiting".to_owned(), String::new()),
                Some(result) => {
                    let decision = match &result.outcome {
                        AiOutcome::NotProcessed(why) => format!("not processed: {}", why.reason.words()),
                        AiOutcome::QualityFail { faults } => {
                            let reasons: Vec<_> = faults.iter().map(|fault| fault.reason.words()).collect();
                            format!("quality: {}", reasons.join("; "))
                        }
                        AiOutcome::Normal | AiOutcome::Abnormal => result.outcome.word().to_owned(),
                    };
                    (decision, result.score.map_or_else(String::new, |score| format!("{score:.3}")))
                }
            };
            let next = case
                .outcome
                .clone()
                .map_or_else(|| case.state.replace('_', " "), |o| format!("concluded: {o}"));
            rows.push(vec![study.name.clone(), case.pathway.to_string(), decision, score, next]);
        }
    }
    Ok(rows)
}

/// Cases without an outcome, and messages that the record has not accepted.
///
/// # Errors
/// A message became a dead letter.
pub(super) async fn still_owed(store: &Store, studies: &[Study]) -> anyhow::Result<(usize, usize)> {
    let (mut open, mut unsent) = (0, 0);
    for study in studies {
        for case in live(store.cases_of_study(&study.uid).await?) {
            open += usize::from(case.concluded_at.is_none());
            for message in store.messages_of_case(case.case_id).await? {
                if let Some(failure) = message.last_failure.filter(|_| message.dead_at.is_some()) {
                    anyhow::bail!("the record refused the {} of {}: {failure}", message.kind, study.name);
                }
                unsent += usize::from(message.delivered_at.is_none());
            }
        }
    }
    Ok((open, unsent))
}

fn live(cases: Vec<CaseRow>) -> impl Iterator<Item = CaseRow> {
    cases.into_iter().filter(|case| case.superseded_by.is_none())
}
