//! Objects that were refused for their content and of which a copy is kept, and what a person made of them.
//!
//! In: refused objects whose copies are durable; judgements; room that is wanted. Out: rows. Never: a judgement that
//! replaces an earlier one, a copy that goes before a person has judged it.

use std::collections::HashSet;

use sqlx::any::AnyRow;

use super::row::{integer, optional_parsed, parsed, size, text};
use super::statement::Statement;
use super::{Store, StoreError};
use crate::vocab::{AeTitle, RefusedObject, RefusedUsage, SiteCode, Timestamp, UserId};

/// Hashes asked about in one statement.
const HASHES_AT_ONCE: usize = 500;

/// A kept object and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct QuarantinedObject {
    /// As it first came.
    pub object: RefusedObject,
    /// How often these bytes came.
    pub times_received: i64,
    /// When they came last.
    pub last_received_at: Timestamp,
    /// When, by whom and how it was judged.
    pub judged: Option<(Timestamp, UserId, String)>,
    /// When the copy went, for the room of another; the row stays.
    pub removed_at: Option<Timestamp>,
}

impl Store {
    /// What is kept of refused objects, `of_source` from `since` on, `judged` before `judged_before`.
    pub async fn quarantine_usage(
        &self,
        content_hash: &str,
        calling_ae: &AeTitle,
        since: Timestamp,
        judged_before: Timestamp,
    ) -> Result<RefusedUsage, StoreError> {
        // A sum of BIGINT is NUMERIC in PostgreSQL.
        let row = sqlx::query(
            "SELECT COUNT(*) AS objects, CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes, \
             CAST(COALESCE(SUM(CASE WHEN calling_ae = $1 AND received_at >= $2 THEN 1 ELSE 0 END), 0) AS BIGINT) \
               AS of_source, \
             CAST(COALESCE(SUM(CASE WHEN content_hash = $3 THEN 1 ELSE 0 END), 0) AS BIGINT) AS holds_it, \
             CAST(COALESCE(SUM(CASE WHEN judged_at < $4 THEN 1 ELSE 0 END), 0) AS BIGINT) AS judged, \
             CAST(COALESCE(SUM(CASE WHEN judged_at < $4 THEN size_bytes ELSE 0 END), 0) AS BIGINT) AS judged_bytes \
             FROM quarantine WHERE removed_at IS NULL",
        )
        .bind(calling_ae.as_str())
        .bind(since.to_string())
        .bind(content_hash)
        .bind(judged_before.to_string())
        .fetch_one(&self.reader)
        .await?;
        Ok(RefusedUsage {
            objects: size(&row, "objects")?,
            bytes: size(&row, "bytes")?,
            of_source: size(&row, "of_source")?,
            holds_it: size(&row, "holds_it")? > 0,
            judged: size(&row, "judged")?,
            judged_bytes: size(&row, "judged_bytes")?,
        })
    }

    /// How many objects are kept.
    pub async fn quarantined_objects(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS objects FROM quarantine WHERE removed_at IS NULL")
            .fetch_one(&self.reader)
            .await?;
        integer(&row, "objects")
    }

    /// Records a kept object; bytes that are there already are counted up.
    pub async fn keep_refused(&self, object: &RefusedObject) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO quarantine (content_hash, size_bytes, sop_instance_uid, sop_class_uid, \
             transfer_syntax_uid, calling_ae, address, site, status, phase, reason, received_at, \
             last_received_at, times_received) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, 1) \
             ON CONFLICT (content_hash) DO UPDATE SET times_received = quarantine.times_received + 1, \
             last_received_at = excluded.last_received_at, removed_at = NULL",
        )
        .bind(object.content_hash.as_str())
        .bind(i64::try_from(object.size_bytes).unwrap_or(i64::MAX))
        .bind(object.sop_instance_uid.as_str())
        .bind(object.sop_class_uid.as_str())
        .bind(object.transfer_syntax_uid.as_str())
        .bind(object.calling_ae.as_str())
        .bind(object.address.to_string())
        .bind(object.site.as_str())
        .bind(i64::from(object.status))
        .bind(object.phase.code())
        .bind(object.reason.as_str())
        .bind(object.received_at.to_string())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Gives up the copies that were judged first, before `judged_before`, until at least so many bytes and objects are
    /// free; their hashes, whose files are to be removed. None where that would not be enough.
    pub async fn make_room(
        &self,
        bytes: u64,
        objects: u64,
        judged_before: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let judged = sqlx::query(
            "SELECT content_hash, size_bytes FROM quarantine WHERE removed_at IS NULL AND judged_at < $1 \
             ORDER BY judged_at, content_hash",
        )
        .bind(judged_before.to_string())
        .fetch_all(&self.reader)
        .await?;
        let (mut chosen, mut freed) = (Vec::new(), 0_u64);
        for row in &judged {
            if freed >= bytes && chosen.len() as u64 >= objects {
                break;
            }
            freed = freed.saturating_add(size(row, "size_bytes")?);
            chosen.push(text(row, "content_hash")?);
        }
        if freed < bytes || (chosen.len() as u64) < objects {
            return Ok(Vec::new());
        }
        for group in chosen.chunks(HASHES_AT_ONCE) {
            let mut query = Statement::new("UPDATE quarantine SET removed_at = ");
            query.bind(now.to_string()).push(" WHERE removed_at IS NULL AND content_hash IN (");
            query.bind_list(group.iter().cloned());
            query.push(")");
            query.build()?.execute(&self.writer).await?;
        }
        Ok(chosen)
    }

    /// Those of `hashes` whose copies are in the quarantine.
    pub async fn quarantined(&self, hashes: &[String]) -> Result<HashSet<String>, StoreError> {
        let mut found = HashSet::new();
        for group in hashes.chunks(HASHES_AT_ONCE) {
            let mut query = Statement::new(
                "SELECT content_hash FROM quarantine WHERE removed_at IS NULL AND content_hash IN (",
            );
            query.bind_list(group.iter().cloned());
            query.push(")");
            for row in query.build()?.fetch_all(&self.reader).await? {
                found.insert(text(&row, "content_hash")?);
            }
        }
        Ok(found)
    }

    /// Kept objects, those that nobody has judged first, then the newest; of one site or of all.
    pub async fn quarantine(
        &self,
        site: Option<&SiteCode>,
        open_only: bool,
        limit: u32,
    ) -> Result<Vec<QuarantinedObject>, StoreError> {
        let mut query = Statement::new("SELECT * FROM quarantine WHERE 1 = 1");
        if open_only {
            query.push(" AND judged_at IS NULL");
        }
        if let Some(site) = site {
            query.push(" AND site = ").bind(site.to_string());
        }
        query.push(
            " ORDER BY CASE WHEN judged_at IS NULL THEN 0 ELSE 1 END, received_at DESC, content_hash LIMIT ",
        );
        query.bind(i64::from(limit.min(self.settings.page_rows)));
        query.build()?.fetch_all(&self.reader).await?.iter().map(quarantined_of).collect()
    }

    /// One kept object.
    pub async fn quarantined_object(
        &self,
        content_hash: &str,
    ) -> Result<Option<QuarantinedObject>, StoreError> {
        sqlx::query("SELECT * FROM quarantine WHERE content_hash = $1")
            .bind(content_hash)
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(quarantined_of)
            .transpose()
    }

    /// Records what a person made of a kept object; once.
    pub async fn judge_quarantined(
        &self,
        content_hash: &str,
        by: UserId,
        note: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = sqlx::query(
            "UPDATE quarantine SET judged_at = $1, judged_by = $2, note = $3 \
             WHERE content_hash = $4 AND judged_at IS NULL",
        )
        .bind(now.to_string())
        .bind(by.to_string())
        .bind(note)
        .bind(content_hash)
        .execute(&self.writer)
        .await?
        .rows_affected();
        if changed == 1 { Ok(()) } else { Err(StoreError::NotFound { what: "unjudged object" }) }
    }

    /// How many kept objects, and how many instance conflicts, nobody has judged yet.
    pub async fn unjudged(&self) -> Result<(i64, i64), StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM quarantine WHERE judged_at IS NULL) AS kept, \
             (SELECT COUNT(*) FROM instance_conflicts WHERE judged_at IS NULL) AS conflicts",
        )
        .fetch_one(&self.reader)
        .await?;
        Ok((integer(&row, "kept")?, integer(&row, "conflicts")?))
    }
}

fn quarantined_of(row: &AnyRow) -> Result<QuarantinedObject, StoreError> {
    let judged_at: Option<Timestamp> = optional_parsed(row, "judged_at")?;
    let judged_by: Option<UserId> = optional_parsed(row, "judged_by")?;
    Ok(QuarantinedObject {
        object: RefusedObject {
            content_hash: text(row, "content_hash")?,
            size_bytes: size(row, "size_bytes")?,
            sop_instance_uid: parsed(row, "sop_instance_uid")?,
            sop_class_uid: parsed(row, "sop_class_uid")?,
            transfer_syntax_uid: parsed(row, "transfer_syntax_uid")?,
            calling_ae: parsed(row, "calling_ae")?,
            address: parsed(row, "address")?,
            site: parsed(row, "site")?,
            status: u16::try_from(integer(row, "status")?)
                .map_err(|_| StoreError::Corrupt { column: "status" })?,
            phase: parsed(row, "phase")?,
            reason: text(row, "reason")?,
            received_at: parsed(row, "received_at")?,
        },
        times_received: integer(row, "times_received")?,
        last_received_at: parsed(row, "last_received_at")?,
        judged: match judged_at.zip(judged_by) {
            Some((at, by)) => Some((at, by, text(row, "note")?)),
            None => None,
        },
        removed_at: optional_parsed(row, "removed_at")?,
    })
}
