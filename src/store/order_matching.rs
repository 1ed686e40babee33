//! Studies and orders brought together: in the transaction in which images arrive, when an order comes, and each time that
//! a study is looked at anew, for the two may come in the same instant and not see each other.
//!
//! In: studies as they stand. Out: rows of `order_studies`, the states of orders, and a hold where an order is for somebody
//! else. Rows are locked in one direction: studies, then `order_head`, then orders, so that nothing deadlocks.

use sqlx::AnyConnection;

use super::jobs::{JobKind, NewJob, upsert_jobs};
use super::orders::{NewChange, OrderAct, note_match, order_of, orders_of_numbers};
use super::row::{groups, optional_parsed, optional_text, parsed};
use super::statement::Statement;
use super::studies::{HoldReason, Study, hold, study_of};
use super::{Store, StoreError};
use crate::reading::{Imaged, OrderMatch, OrderedCase, OrderedStudy, match_order, order_state};
use crate::vocab::{AccessionNumber, Order, OrderId, Pathway, SiteCode, StudyInstanceUid, Timestamp};

/// Outcomes that ask for new images, as `cases.outcome` has them (PATHWAYS X6, M5).
const ASK_AGAIN: [&str; 2] = ["inadequate", "technical_recall"];

impl Study {
    /// What the images say of themselves, to find their order by.
    pub fn imaged(&self) -> Imaged {
        let by_modality = match self.modality.as_str() {
            "MG" => Some(Pathway::Mammo),
            "CR" | "DX" => Some(Pathway::Chest),
            _ => None,
        };
        Imaged {
            accession_number: self.accession_number.clone(),
            patient_id: self.patient_id.clone(),
            issuer_of_patient_id: self.issuer_of_patient_id.clone(),
            patient_name: self.patient_name.clone(),
            birth_date: self.birth_date.clone(),
            pathway: self.pathway.or(by_modality),
        }
    }

    /// Whether a person has settled that the study may be read though `order` is for somebody else.
    pub fn is_settled_with(&self, order: &Order) -> bool {
        self.order_conflict_settled_at.is_some_and(|at| at >= order.changed_at)
    }
}

impl Store {
    /// Looks for the order of a study anew; nothing is written where all is as it should be.
    pub async fn match_study(&self, study: &StudyInstanceUid, now: Timestamp) -> Result<(), StoreError> {
        if self.is_matched(study).await? {
            return Ok(());
        }
        let mut transaction = self.begin_write().await?;
        let row = sqlx::query("UPDATE studies SET site = site WHERE study_instance_uid = $1 RETURNING *")
            .bind(study.as_str())
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or(StoreError::NotFound { what: "study" })?;
        match_to_orders(&mut transaction, &[study_of(&row)?], now).await?;
        Ok(transaction.commit().await?)
    }

    async fn is_matched(&self, uid: &StudyInstanceUid) -> Result<bool, StoreError> {
        let study = self.study(uid).await?.ok_or(StoreError::NotFound { what: "study" })?;
        let Some(number) = &study.accession_number else { return Ok(true) };
        let orders = self.orders_of_accession(&study.site, number).await?;
        Ok(match match_order(&study.imaged(), !orders.is_empty(), &orders) {
            OrderMatch::Matched { orders, .. } => {
                let known: Vec<OrderId> = self.order_ids_of_study(uid).await?;
                known.len() == orders.len() && orders.iter().all(|order| known.contains(&order.order_id))
            }
            OrderMatch::OtherPatient(_) => false,
            OrderMatch::Cancelled(_)
            | OrderMatch::NoOrder
            | OrderMatch::NoAccessionNumber
            | OrderMatch::NotSentHere => true,
        })
    }

    async fn order_ids_of_study(&self, uid: &StudyInstanceUid) -> Result<Vec<OrderId>, StoreError> {
        sqlx::query("SELECT order_id FROM order_studies WHERE study_instance_uid = $1")
            .bind(uid.as_str())
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(|row| parsed(row, "order_id"))
            .collect()
    }

    /// The live orders that a study is the images of, the latest first.
    pub async fn orders_of_study(&self, uid: &StudyInstanceUid) -> Result<Vec<Order>, StoreError> {
        sqlx::query(
            "SELECT orders.* FROM order_studies JOIN orders ON orders.order_id = order_studies.order_id \
             WHERE order_studies.study_instance_uid = $1 AND orders.cancelled_at IS NULL \
             ORDER BY orders.requested_at DESC, orders.order_id DESC",
        )
        .bind(uid.as_str())
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(order_of)
        .collect()
    }

    /// Looks for the order of each study of a site with an accession number anew, and has those judged anew that are held
    /// by it.
    pub(super) async fn match_studies_of(
        &self,
        site: &SiteCode,
        number: &AccessionNumber,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_write().await?;
        let rows = sqlx::query(
            "UPDATE studies SET site = site WHERE accession_number = $1 AND site = $2 RETURNING *",
        )
        .bind(number.as_str())
        .bind(site.as_str())
        .fetch_all(&mut *transaction)
        .await?;
        let studies: Vec<Study> = rows.iter().map(study_of).collect::<Result<_, _>>()?;
        let held = match_to_orders(&mut transaction, &studies, now).await?;
        let judge = |study: StudyInstanceUid| NewJob {
            kind: JobKind::Assemble,
            subject: study.to_string(),
            priority: 0,
            run_at: now,
        };
        let jobs: Vec<NewJob> = held.into_iter().map(judge).collect();
        upsert_jobs(&mut transaction, &jobs, now).await?;
        transaction.commit().await?;
        self.ring();
        Ok(())
    }
}

/// Finds the orders of studies whose rows this transaction holds; the studies that are held by it now.
pub(super) async fn match_to_orders(
    connection: &mut AnyConnection,
    studies: &[Study],
    now: Timestamp,
) -> Result<Vec<StudyInstanceUid>, StoreError> {
    let numbers: Vec<String> =
        studies.iter().filter_map(|study| study.accession_number.as_ref()).map(ToString::to_string).collect();
    let mut orders = Vec::new();
    for group in groups(&numbers) {
        orders.extend(orders_of_numbers(connection, group).await?);
    }
    let mut held = Vec::new();
    for study in studies.iter().filter(|_| !orders.is_empty()) {
        let of_site: Vec<Order> =
            orders.iter().filter(|order| order.content.site == study.site).cloned().collect();
        match match_order(&study.imaged(), !of_site.is_empty(), &of_site) {
            OrderMatch::Matched { orders, .. } => {
                let ids: Vec<OrderId> = orders.iter().map(|order| order.order_id).collect();
                part(connection, study, &ids, now).await?;
                for order in ids {
                    join(connection, study, order, now).await?;
                }
            }
            OrderMatch::OtherPatient(order) => {
                part(connection, study, &[], now).await?;
                let uid = &study.study_instance_uid;
                if !study.is_settled_with(order)
                    && hold(connection, uid, HoldReason::OrderOfAnotherPatient, now).await? == 1
                {
                    held.push(uid.clone());
                }
            }
            // What was matched before its order was cancelled stays in its history.
            OrderMatch::Cancelled(_)
            | OrderMatch::NoOrder
            | OrderMatch::NoAccessionNumber
            | OrderMatch::NotSentHere => {}
        }
    }
    Ok(held)
}

async fn join(
    connection: &mut AnyConnection,
    study: &Study,
    order_id: OrderId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let uid = &study.study_instance_uid;
    let new = sqlx::query(
        "INSERT INTO order_studies (study_instance_uid, order_id, matched_at) VALUES ($1, $2, $3) \
         ON CONFLICT (study_instance_uid, order_id) DO NOTHING",
    )
    .bind(uid.as_str())
    .bind(order_id.to_string())
    .bind(now.to_string())
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if new == 0 {
        return Ok(());
    }
    let change = NewChange { act: OrderAct::Matched, by: None, study: Some(uid), reason: "" };
    note_match(connection, order_id, &change, now).await
}

/// Takes a study from every order but `keep`.
async fn part(
    connection: &mut AnyConnection,
    study: &Study,
    keep: &[OrderId],
    now: Timestamp,
) -> Result<(), StoreError> {
    let uid = &study.study_instance_uid;
    let mut query = Statement::new("DELETE FROM order_studies WHERE study_instance_uid = ");
    query.bind(uid.to_string());
    if !keep.is_empty() {
        query.push(" AND order_id NOT IN (").bind_list(keep.iter().map(ToString::to_string)).push(")");
    }
    query.push(" RETURNING order_id");
    let parted = query.build()?.fetch_all(&mut *connection).await?;
    for row in &parted {
        let change = NewChange { act: OrderAct::Parted, by: None, study: Some(uid), reason: "" };
        note_match(connection, parsed(row, "order_id")?, &change, now).await?;
    }
    Ok(())
}

/// Writes down where the orders of a study have got to, after something has become of its cases.
pub(super) async fn restate_orders_of_study(
    connection: &mut AnyConnection,
    study: &StudyInstanceUid,
) -> Result<(), StoreError> {
    let rows =
        sqlx::query("SELECT order_id FROM order_studies WHERE study_instance_uid = $1 ORDER BY order_id")
            .bind(study.as_str())
            .fetch_all(&mut *connection)
            .await?;
    for row in &rows {
        restate_order(connection, parsed(row, "order_id")?).await?;
    }
    Ok(())
}

/// Writes down where an order has got to.
pub(super) async fn restate_order(
    connection: &mut AnyConnection,
    order_id: OrderId,
) -> Result<(), StoreError> {
    // The row is locked before the facts are read, so that of two changes the later one sees the earlier.
    let row = sqlx::query("UPDATE orders SET state = state WHERE order_id = $1 RETURNING *")
        .bind(order_id.to_string())
        .fetch_one(&mut *connection)
        .await?;
    let order = order_of(&row)?;
    let rows = sqlx::query(
        "SELECT studies.study_instance_uid, studies.first_arrival_at, cases.case_id, cases.concluded_at, cases.outcome \
         FROM order_studies JOIN studies ON studies.study_instance_uid = order_studies.study_instance_uid \
         LEFT JOIN cases ON cases.study_instance_uid = studies.study_instance_uid AND cases.superseded_at IS NULL \
         WHERE order_studies.order_id = $1 ORDER BY studies.study_instance_uid",
    )
    .bind(order_id.to_string())
    .fetch_all(&mut *connection)
    .await?;
    let mut studies: Vec<(StudyInstanceUid, OrderedStudy)> = Vec::new();
    for row in &rows {
        let uid: StudyInstanceUid = parsed(row, "study_instance_uid")?;
        if studies.last().is_none_or(|(last, _)| *last != uid) {
            let first_arrival_at = parsed(row, "first_arrival_at")?;
            studies.push((uid, OrderedStudy { first_arrival_at, cases: Vec::new() }));
        }
        let outcome = optional_text(row, "outcome")?;
        if optional_text(row, "case_id")?.is_some()
            && let Some((_, study)) = studies.last_mut()
        {
            study.cases.push(OrderedCase {
                concluded_at: optional_parsed(row, "concluded_at")?,
                asks_again: outcome.is_some_and(|outcome| ASK_AGAIN.contains(&outcome.as_str())),
            });
        }
    }
    let studies: Vec<OrderedStudy> = studies.into_iter().map(|(_, study)| study).collect();
    let state = order_state(order.cancelled_at.is_some(), &studies);
    if state != order.state {
        sqlx::query("UPDATE orders SET state = $1 WHERE order_id = $2")
            .bind(state.code())
            .bind(order_id.to_string())
            .execute(connection)
            .await?;
    }
    Ok(())
}
