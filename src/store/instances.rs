//! Stored instances: registering many in one transaction, and finding them again.
//!
//! In: instances whose bytes are durable in the archive. Out: what each came to. Never: a
//! success for an instance whose row is not committed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::jobs::{JobKind, NewJob, upsert_jobs};
use super::row::{from_json, groups, optional_parsed, parsed, size, text, to_json};
use super::statement::Statement;
use super::studies::upsert_studies;
use super::{Store, StoreError};
use crate::vocab::{Instance, Registration, SopInstanceUid, StudyInstanceUid, Timestamp, UserId};

/// Wait between attempts while the database is away.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Two different objects under one SOP Instance UID; the first stands until a person has judged.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceConflict {
    /// The object that was refused, kept in the archive under its own hash.
    pub refused: Instance,
    /// Hash of the object that stands.
    pub kept_hash: String,
    /// When, by whom and how it was judged.
    pub judged: Option<(Timestamp, UserId, String)>,
}

impl Store {
    /// Registers instances, all in one transaction, and asks for their studies to be assembled.
    ///
    /// The answers stand in the order of the instances. Safe to repeat: an instance that is
    /// there already with the same bytes is [`Registration::AlreadyStored`]. While the
    /// database is away it is tried again for `register_retry_ms`.
    pub async fn register(&self, instances: Vec<Instance>) -> Result<Vec<Registration>, StoreError> {
        let limit = Duration::from_millis(self.settings.register_retry_ms);
        let began = Instant::now();
        loop {
            match self.register_once(&instances).await {
                Err(error) if error.is_transient() && began.elapsed() < limit => {
                    tracing::warn!("the database is away; the registration is tried again");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn register_once(&self, instances: &[Instance]) -> Result<Vec<Registration>, StoreError> {
        // One row per UID, in the order of the UIDs, so that two receivers that meet on the
        // same instances wait for each other instead of deadlocking.
        let mut firsts: Vec<&Instance> = instances.iter().collect();
        firsts.sort_by(|a, b| a.sop_instance_uid.cmp(&b.sop_instance_uid));
        firsts.dedup_by(|later, earlier| later.sop_instance_uid == earlier.sop_instance_uid);
        if firsts.is_empty() {
            return Ok(Vec::new());
        }

        let mut transaction = self.begin_write().await?;
        let mut hashes: HashMap<SopInstanceUid, String> = HashMap::with_capacity(firsts.len());
        let mut stored: Vec<&Instance> = Vec::with_capacity(firsts.len());
        for group in groups(&firsts) {
            let new = insert_group(&mut transaction, group).await?;
            let known: Vec<&Instance> =
                group.iter().copied().filter(|i| !new.contains(&i.sop_instance_uid)).collect();
            stored.extend(group.iter().copied().filter(|i| new.contains(&i.sop_instance_uid)));
            for group in groups(&known) {
                hashes.extend(stored_hashes(&mut transaction, group).await?);
            }
        }
        let new: HashMap<&SopInstanceUid, &str> =
            stored.iter().map(|i| (&i.sop_instance_uid, i.content_hash.as_str())).collect();

        let mut answered_new: HashMap<&SopInstanceUid, ()> = HashMap::new();
        let mut answers = Vec::with_capacity(instances.len());
        for instance in instances {
            let uid = &instance.sop_instance_uid;
            let standing = new
                .get(uid)
                .copied()
                .or_else(|| hashes.get(uid).map(String::as_str))
                .ok_or(StoreError::NotFound { what: "instance" })?;
            if standing != instance.content_hash {
                insert_conflict(&mut transaction, instance, standing).await?;
                answers.push(Registration::Conflict);
            } else if new.contains_key(uid) && answered_new.insert(uid, ()).is_none() {
                answers.push(Registration::Stored);
            } else {
                answers.push(Registration::AlreadyStored);
            }
        }

        let studies = upsert_studies(&mut transaction, &stored).await?;
        let jobs: Vec<NewJob> = studies
            .iter()
            .map(|(study, arrived_at)| NewJob {
                kind: JobKind::Assemble,
                subject: study.to_string(),
                priority: 0,
                run_at: arrived_at.plus_ms(self.settings.assemble_delay_ms),
            })
            .collect();
        if let Some((_, now)) = studies.iter().max_by_key(|(_, at)| *at) {
            upsert_jobs(&mut transaction, &jobs, *now).await?;
        }
        transaction.commit().await?;
        if !jobs.is_empty() {
            self.ring();
        }
        Ok(answers)
    }

    /// The instances of a study, in order of arrival.
    pub async fn instances_of_study(&self, study: &StudyInstanceUid) -> Result<Vec<Instance>, StoreError> {
        sqlx::query(
            "SELECT * FROM instances WHERE study_instance_uid = $1 ORDER BY received_at, sop_instance_uid",
        )
        .bind(study.as_str())
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(instance_of)
        .collect()
    }

    /// One instance.
    pub async fn instance(&self, uid: &SopInstanceUid) -> Result<Option<Instance>, StoreError> {
        sqlx::query("SELECT * FROM instances WHERE sop_instance_uid = $1")
            .bind(uid.as_str())
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(instance_of)
            .transpose()
    }

    /// Whether a row names these bytes of an instance, as the one that stands or as one in conflict with it.
    pub async fn has_bytes(&self, uid: &SopInstanceUid, content_hash: &str) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT content_hash FROM instances WHERE sop_instance_uid = $1 AND content_hash = $2 \
             UNION ALL SELECT content_hash FROM instance_conflicts \
             WHERE sop_instance_uid = $1 AND content_hash = $2",
        )
        .bind(uid.as_str())
        .bind(content_hash)
        .fetch_optional(&self.reader)
        .await?;
        Ok(row.is_some())
    }

    /// Instances in order of their UID, from the one after `after`: for walking through all of them.
    pub async fn instances_after(
        &self,
        after: Option<&SopInstanceUid>,
        limit: u32,
    ) -> Result<Vec<Instance>, StoreError> {
        sqlx::query("SELECT * FROM instances WHERE sop_instance_uid > $1 ORDER BY sop_instance_uid LIMIT $2")
            .bind(after.map_or("", SopInstanceUid::as_str))
            .bind(i64::from(limit.min(self.settings.page_rows)))
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(instance_of)
            .collect()
    }

    /// Conflicts that nobody has judged yet, oldest first.
    pub async fn open_conflicts(&self, limit: u32) -> Result<Vec<InstanceConflict>, StoreError> {
        sqlx::query(
            "SELECT * FROM instance_conflicts WHERE judged_at IS NULL \
             ORDER BY received_at, sop_instance_uid LIMIT $1",
        )
        .bind(i64::from(limit.min(self.settings.page_rows)))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(conflict_of)
        .collect()
    }

    /// Conflicts of a study, judged or not, oldest first.
    pub async fn conflicts_of_study(
        &self,
        study: &StudyInstanceUid,
    ) -> Result<Vec<InstanceConflict>, StoreError> {
        sqlx::query(
            "SELECT * FROM instance_conflicts WHERE study_instance_uid = $1 \
             ORDER BY received_at, sop_instance_uid",
        )
        .bind(study.as_str())
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(conflict_of)
        .collect()
    }

    /// Conflicts of one instance, judged or not, oldest first.
    pub async fn conflicts_of_instance(
        &self,
        uid: &SopInstanceUid,
    ) -> Result<Vec<InstanceConflict>, StoreError> {
        sqlx::query(
            "SELECT * FROM instance_conflicts WHERE sop_instance_uid = $1 ORDER BY received_at, content_hash LIMIT $2",
        )
        .bind(uid.as_str())
        .bind(i64::from(self.settings.page_rows))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(conflict_of)
        .collect()
    }

    /// Records what a person made of a conflict; once.
    pub async fn judge_conflict(
        &self,
        uid: &SopInstanceUid,
        refused_hash: &str,
        by: UserId,
        judgement: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = sqlx::query(
            "UPDATE instance_conflicts SET judged_at = $1, judged_by = $2, judgement = $3 \
             WHERE sop_instance_uid = $4 AND content_hash = $5 AND judged_at IS NULL",
        )
        .bind(now.to_string())
        .bind(by.to_string())
        .bind(judgement)
        .bind(uid.as_str())
        .bind(refused_hash)
        .execute(&self.writer)
        .await?
        .rows_affected();
        if changed == 1 { Ok(()) } else { Err(StoreError::NotFound { what: "open conflict" }) }
    }
}

/// Inserts what is not there yet; the UIDs of those.
async fn insert_group(
    connection: &mut AnyConnection,
    group: &[&Instance],
) -> Result<Vec<SopInstanceUid>, StoreError> {
    let mut tags = Vec::with_capacity(group.len());
    for instance in group {
        tags.push(to_json(&instance.tags, "tags")?);
    }
    let mut query = Statement::new(
        "INSERT INTO instances (sop_instance_uid, sop_class_uid, study_instance_uid, series_instance_uid, \
         transfer_syntax_uid, content_hash, size_bytes, calling_ae, site, pathway, modality, received_at, tags) ",
    );
    query.values(group.iter().zip(tags), |row, (instance, tags)| {
        row.bind(instance.sop_instance_uid.to_string())
            .bind(instance.sop_class_uid.to_string())
            .bind(instance.study_instance_uid.to_string())
            .bind(instance.series_instance_uid.to_string())
            .bind(instance.transfer_syntax_uid.to_string())
            .bind(instance.content_hash.clone())
            .bind(i64::try_from(instance.size_bytes).unwrap_or(i64::MAX))
            .bind(instance.calling_ae.to_string())
            .bind(instance.site.to_string())
            .bind(instance.pathway.map(|p| p.code().to_owned()))
            .bind(instance.tags.modality.clone())
            .bind(instance.received_at.to_string())
            .bind(tags);
    });
    query.push(" ON CONFLICT (sop_instance_uid) DO NOTHING RETURNING sop_instance_uid");
    query.build()?.fetch_all(connection).await?.iter().map(|row| parsed(row, "sop_instance_uid")).collect()
}

async fn stored_hashes(
    connection: &mut AnyConnection,
    group: &[&Instance],
) -> Result<Vec<(SopInstanceUid, String)>, StoreError> {
    let mut query =
        Statement::new("SELECT sop_instance_uid, content_hash FROM instances WHERE sop_instance_uid IN (");
    query.bind_list(group.iter().map(|instance| instance.sop_instance_uid.to_string()));
    query.push(")");
    query
        .build()?
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| Ok((parsed(row, "sop_instance_uid")?, text(row, "content_hash")?)))
        .collect()
}

async fn insert_conflict(
    connection: &mut AnyConnection,
    refused: &Instance,
    kept_hash: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO instance_conflicts (sop_instance_uid, content_hash, kept_hash, study_instance_uid, \
         calling_ae, site, size_bytes, received_at, instance) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (sop_instance_uid, content_hash) DO NOTHING",
    )
    .bind(refused.sop_instance_uid.as_str())
    .bind(refused.content_hash.as_str())
    .bind(kept_hash)
    .bind(refused.study_instance_uid.as_str())
    .bind(refused.calling_ae.as_str())
    .bind(refused.site.as_str())
    .bind(i64::try_from(refused.size_bytes).unwrap_or(i64::MAX))
    .bind(refused.received_at.to_string())
    .bind(to_json(refused, "instance")?)
    .execute(connection)
    .await?;
    Ok(())
}

fn instance_of(row: &AnyRow) -> Result<Instance, StoreError> {
    Ok(Instance {
        sop_instance_uid: parsed(row, "sop_instance_uid")?,
        sop_class_uid: parsed(row, "sop_class_uid")?,
        study_instance_uid: parsed(row, "study_instance_uid")?,
        series_instance_uid: parsed(row, "series_instance_uid")?,
        transfer_syntax_uid: parsed(row, "transfer_syntax_uid")?,
        content_hash: text(row, "content_hash")?,
        size_bytes: size(row, "size_bytes")?,
        calling_ae: parsed(row, "calling_ae")?,
        site: parsed(row, "site")?,
        pathway: optional_parsed(row, "pathway")?,
        received_at: parsed(row, "received_at")?,
        tags: from_json(row, "tags")?,
    })
}

fn conflict_of(row: &AnyRow) -> Result<InstanceConflict, StoreError> {
    let judged_at: Option<Timestamp> = optional_parsed(row, "judged_at")?;
    let judged_by: Option<UserId> = optional_parsed(row, "judged_by")?;
    Ok(InstanceConflict {
        refused: from_json(row, "instance")?,
        kept_hash: text(row, "kept_hash")?,
        judged: match judged_at.zip(judged_by) {
            Some((at, by)) => Some((at, by, text(row, "judgement")?)),
            None => None,
        },
    })
}
