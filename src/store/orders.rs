//! Orders: what was asked for, every act on it, and what has become of it.
//!
//! In: what an order says, with who sent it. Out: the order as it stands. Each act and its row in `order_changes` are one
//! transaction, which begins at `order_head`: acts queue there, so that one accession number can't be given to two
//! patients at once. Never: a change of an order whose images are here, or of a row of its history.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::order_matching::restate_order;
use super::row::{from_json, integer, optional_parsed, optional_text, parsed, text, to_json};
use super::statement::Statement;
use super::{Store, StoreError};
use crate::reading::same_patient;
use crate::vocab::{
    AccessionNumber, Order, OrderContent, OrderId, OrderState, OrderUrgency, OrderedPatient, SiteCode,
    StudyInstanceUid, Timestamp, UserId, coded_enum,
};

coded_enum!(
    /// What was done with an order.
    OrderAct, "act on an order" {
        Received = "received",
        Changed = "changed",
        Cancelled = "cancelled",
        /// A study was found to be its images.
        Matched = "matched",
        /// A study was found not to be its images after all.
        Parted = "parted",
    }
);

/// One act on an order.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderChange {
    /// From 1.
    pub version: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub act: OrderAct,
    /// Whose; none where it followed from images.
    pub by: Option<UserId>,
    /// Which study was matched or parted.
    pub study: Option<StudyInstanceUid>,
    /// Why it was cancelled.
    pub reason: String,
    /// What the order said from then on.
    pub content: OrderContent,
}

/// What an order that was sent came to.
#[derive(Debug, Clone, PartialEq)]
pub enum PostedOrder {
    /// It is new.
    Received(Order),
    /// It is there already, with the same words.
    Known(Order),
    /// It was there with other words.
    Changed(Order),
}

impl PostedOrder {
    /// The order as it stands.
    pub fn into_order(self) -> Order {
        match self {
            Self::Received(order) | Self::Known(order) | Self::Changed(order) => order,
        }
    }
}

/// Why an act on an order came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// A live order for somebody else has this accession number.
    #[error("the accession number belongs to an order for another patient")]
    AccessionOfAnother,
    /// Its images are here.
    #[error("images of the order are here")]
    HasImages,
    /// It was taken back.
    #[error("the order was cancelled")]
    IsCancelled,
    /// People have concluded on its images.
    #[error("the order has been reported")]
    IsReported,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for OrderError {
    fn from(error: sqlx::Error) -> Self {
        OrderError::Store(error.into())
    }
}

/// Which orders.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OrderQuery {
    /// In any of these states; in any where empty.
    pub states: Vec<OrderState>,
    /// Of any of these sites; of all where empty.
    pub sites: Vec<SiteCode>,
    /// With this accession number.
    pub accession_number: Option<AccessionNumber>,
    /// The latest first; else urgent ones before others, and then those that were asked for first.
    pub latest_first: bool,
    /// Rows at most.
    pub limit: u32,
}

/// An act, before it has its place.
pub(super) struct NewChange<'a> {
    pub(super) act: OrderAct,
    pub(super) by: Option<UserId>,
    pub(super) study: Option<&'a StudyInstanceUid>,
    pub(super) reason: &'a str,
}

impl Store {
    /// Takes an order in: new, known already, or with other words while no images of it are here.
    ///
    /// Studies that came before it are matched to it, and held where it is for somebody else.
    pub async fn post_order(
        &self,
        content: &OrderContent,
        by: UserId,
        now: Timestamp,
    ) -> Result<PostedOrder, OrderError> {
        let posted = self.take_order(content, by, now).await?;
        // Also where it was known: a sender that heard nothing sends it again.
        self.match_studies_of(&content.site, &content.accession_number, now).await?;
        let (PostedOrder::Received(order) | PostedOrder::Known(order) | PostedOrder::Changed(order)) =
            &posted;
        let order = self.order(order.order_id).await?.ok_or(StoreError::NotFound { what: "order" })?;
        Ok(match posted {
            PostedOrder::Received(_) => PostedOrder::Received(order),
            PostedOrder::Known(_) => PostedOrder::Known(order),
            PostedOrder::Changed(_) => PostedOrder::Changed(order),
        })
    }

    async fn take_order(
        &self,
        content: &OrderContent,
        by: UserId,
        now: Timestamp,
    ) -> Result<PostedOrder, OrderError> {
        let mut transaction = self.begin_write().await?;
        // Acts on orders queue here until the transaction ends.
        let position = next_position(&mut transaction).await?;
        let of_number = orders_of_numbers(&mut transaction, &[content.accession_number.to_string()]).await?;
        let of_number: Vec<Order> =
            of_number.into_iter().filter(|order| order.content.site == content.site).collect();
        let known =
            of_number.iter().find(|o| o.content.placer_order_number == content.placer_order_number).cloned();
        if let Some(order) = known.as_ref().filter(|order| order.content == *content) {
            return Ok(PostedOrder::Known(order.clone()));
        }
        let own = known.as_ref().map(|order| order.order_id);
        let others = of_number.iter().filter(|o| o.cancelled_at.is_none() && Some(o.order_id) != own);
        if others.into_iter().any(|other| !same_patient(&other.content.patient, &content.patient)) {
            return Err(OrderError::AccessionOfAnother);
        }
        let posted = match known {
            None => {
                let order = Order {
                    order_id: OrderId::new(),
                    content: content.clone(),
                    state: OrderState::Requested,
                    version: 1,
                    received_at: now,
                    changed_at: now,
                    cancelled_at: None,
                };
                insert_order(&mut transaction, &order).await?;
                PostedOrder::Received(order)
            }
            Some(order) if order.cancelled_at.is_some() => return Err(OrderError::IsCancelled),
            Some(order) if order.state.has_images() => return Err(OrderError::HasImages),
            Some(order) => {
                let version = order.version.saturating_add(1);
                let order = Order { content: content.clone(), version, changed_at: now, ..order };
                update_content(&mut transaction, &order).await?;
                PostedOrder::Changed(order)
            }
        };
        let (act, order) = match &posted {
            PostedOrder::Received(order) => (OrderAct::Received, order),
            PostedOrder::Known(order) | PostedOrder::Changed(order) => (OrderAct::Changed, order),
        };
        let change = NewChange { act, by: Some(by), study: None, reason: "" };
        insert_change(&mut transaction, position, order, &change, now).await?;
        transaction.commit().await?;
        Ok(posted)
    }

    /// Takes an order back; again is fine.
    pub async fn cancel_order(
        &self,
        order_id: OrderId,
        reason: &str,
        by: UserId,
        now: Timestamp,
    ) -> Result<Order, OrderError> {
        let mut transaction = self.begin_write().await?;
        let position = next_position(&mut transaction).await?;
        let order = order_in(&mut transaction, order_id).await?;
        let mut order = order.ok_or(StoreError::NotFound { what: "order" })?;
        match order.state {
            OrderState::Cancelled => return Ok(order),
            OrderState::Reported => return Err(OrderError::IsReported),
            OrderState::Requested | OrderState::ImagesIn | OrderState::RepeatNeeded => {}
        }
        order.version = order.version.saturating_add(1);
        order.cancelled_at = Some(now);
        order.state = OrderState::Cancelled;
        sqlx::query("UPDATE orders SET cancelled_at = $1, state = $2, version = $3 WHERE order_id = $4")
            .bind(now.to_string())
            .bind(order.state.code())
            .bind(order.version)
            .bind(order_id.to_string())
            .execute(&mut *transaction)
            .await?;
        let change = NewChange { act: OrderAct::Cancelled, by: Some(by), study: None, reason };
        insert_change(&mut transaction, position, &order, &change, now).await?;
        transaction.commit().await?;
        Ok(order)
    }

    /// An order.
    pub async fn order(&self, order_id: OrderId) -> Result<Option<Order>, StoreError> {
        let mut connection = self.reader.acquire().await?;
        order_in(&mut connection, order_id).await
    }

    /// Orders, in the order that is asked for.
    pub async fn orders(&self, wanted: &OrderQuery) -> Result<Vec<Order>, StoreError> {
        let mut query = Statement::new("SELECT * FROM orders WHERE 1 = 1");
        if !wanted.states.is_empty() {
            let states = wanted.states.iter().map(|state| state.code());
            query.push(" AND state IN (").bind_list(states).push(")");
        }
        if !wanted.sites.is_empty() {
            query.push(" AND site IN (").bind_list(wanted.sites.iter().map(ToString::to_string)).push(")");
        }
        if let Some(number) = &wanted.accession_number {
            query.push(" AND accession_number = ").bind(number.to_string());
        }
        query.push(match wanted.latest_first {
            true => " ORDER BY requested_at DESC, order_id DESC LIMIT ",
            false => " ORDER BY urgency DESC, requested_at, order_id LIMIT ",
        });
        query.bind(i64::from(wanted.limit.min(self.settings.page_rows)));
        query.build()?.fetch_all(&self.reader).await?.iter().map(order_of).collect()
    }

    /// Orders of a site with an accession number, cancelled ones too.
    pub async fn orders_of_accession(
        &self,
        site: &SiteCode,
        number: &AccessionNumber,
    ) -> Result<Vec<Order>, StoreError> {
        let mut connection = self.reader.acquire().await?;
        let mut orders = orders_of_numbers(&mut connection, &[number.to_string()]).await?;
        orders.retain(|order| order.content.site == *site);
        Ok(orders)
    }

    /// Whether any order of a site was ever sent here.
    pub async fn site_has_orders(&self, site: &SiteCode) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT order_id FROM orders WHERE site = $1 LIMIT 1")
            .bind(site.as_str())
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }

    /// Every act on an order, the first first.
    pub async fn changes_of_order(&self, order_id: OrderId) -> Result<Vec<OrderChange>, StoreError> {
        sqlx::query("SELECT * FROM order_changes WHERE order_id = $1 ORDER BY version")
            .bind(order_id.to_string())
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(change_of)
            .collect()
    }

    /// The studies that are the images of an order, in the order in which they were matched.
    pub async fn studies_of_order(&self, order_id: OrderId) -> Result<Vec<StudyInstanceUid>, StoreError> {
        sqlx::query(
            "SELECT study_instance_uid FROM order_studies WHERE order_id = $1 \
             ORDER BY matched_at, study_instance_uid",
        )
        .bind(order_id.to_string())
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| parsed(row, "study_instance_uid"))
        .collect()
    }
}

/// The place of the next act. It comes first in its transaction: acts on orders queue here.
async fn next_position(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let row =
        sqlx::query("UPDATE order_head SET position = position + 1 WHERE name = 'orders' RETURNING position")
            .fetch_one(connection)
            .await?;
    integer(&row, "position")
}

/// Notes an act that followed from images, and what has become of the order by it.
pub(super) async fn note_match(
    connection: &mut AnyConnection,
    order_id: OrderId,
    change: &NewChange<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let position = next_position(connection).await?;
    let row = sqlx::query("UPDATE orders SET version = version + 1 WHERE order_id = $1 RETURNING *")
        .bind(order_id.to_string())
        .fetch_one(&mut *connection)
        .await?;
    insert_change(connection, position, &order_of(&row)?, change, now).await?;
    restate_order(connection, order_id).await
}

pub(super) async fn order_in(
    connection: &mut AnyConnection,
    order_id: OrderId,
) -> Result<Option<Order>, StoreError> {
    sqlx::query("SELECT * FROM orders WHERE order_id = $1")
        .bind(order_id.to_string())
        .fetch_optional(connection)
        .await?
        .as_ref()
        .map(order_of)
        .transpose()
}

/// Orders with any of these accession numbers, at any site.
pub(super) async fn orders_of_numbers(
    connection: &mut AnyConnection,
    numbers: &[String],
) -> Result<Vec<Order>, StoreError> {
    let mut query = Statement::new("SELECT * FROM orders WHERE accession_number IN (");
    query.bind_list(numbers.iter().cloned());
    query.push(") ORDER BY order_id");
    query.build()?.fetch_all(connection).await?.iter().map(order_of).collect()
}

async fn insert_order(connection: &mut AnyConnection, order: &Order) -> Result<(), StoreError> {
    let mut query = Statement::new(
        "INSERT INTO orders (order_id, placer_order_number, accession_number, site, patient_id, \
         issuer_of_patient_id, nhs_number, patient_name, birth_date, pathway, procedure_words, reason, symptoms, \
         urgency, requested_at, received_at, changed_at, state, version) ",
    );
    let content = &order.content;
    query.values([order], |row, order| {
        row.bind(order.order_id.to_string())
            .bind(content.placer_order_number.to_string())
            .bind(content.accession_number.to_string())
            .bind(content.site.to_string())
            .bind(content.patient.id.to_string())
            .bind(content.patient.issuer.clone())
            .bind(content.patient.nhs_number.as_ref().map(ToString::to_string))
            .bind(content.patient.name.clone())
            .bind(content.patient.birth_date.clone())
            .bind(content.pathway.code())
            .bind(content.procedure.clone())
            .bind(content.reason.clone())
            .bind(content.symptoms.clone())
            .bind(content.urgency.code())
            .bind(content.requested_at.to_string())
            .bind(order.received_at.to_string())
            .bind(order.changed_at.to_string())
            .bind(order.state.code())
            .bind(order.version);
    });
    query.build()?.execute(connection).await?;
    Ok(())
}

async fn update_content(connection: &mut AnyConnection, order: &Order) -> Result<(), StoreError> {
    let content = &order.content;
    sqlx::query(
        "UPDATE orders SET patient_id = $1, issuer_of_patient_id = $2, nhs_number = $3, patient_name = $4, \
         birth_date = $5, pathway = $6, procedure_words = $7, reason = $8, symptoms = $9, urgency = $10, \
         requested_at = $11, changed_at = $12, version = $13 WHERE order_id = $14",
    )
    .bind(content.patient.id.as_str())
    .bind(content.patient.issuer.as_str())
    .bind(content.patient.nhs_number.as_ref().map(ToString::to_string))
    .bind(content.patient.name.as_str())
    .bind(content.patient.birth_date.as_str())
    .bind(content.pathway.code())
    .bind(content.procedure.as_str())
    .bind(content.reason.as_str())
    .bind(content.symptoms.as_str())
    .bind(content.urgency.code())
    .bind(content.requested_at.to_string())
    .bind(order.changed_at.to_string())
    .bind(order.version)
    .bind(order.order_id.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_change(
    connection: &mut AnyConnection,
    position: i64,
    order: &Order,
    change: &NewChange<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO order_changes (position, order_id, version, at, act, changed_by, study_instance_uid, reason, \
         content) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(position)
    .bind(order.order_id.to_string())
    .bind(order.version)
    .bind(now.to_string())
    .bind(change.act.code())
    .bind(change.by.map(|user| user.to_string()))
    .bind(change.study.map(ToString::to_string))
    .bind(change.reason)
    .bind(to_json(&order.content, "content")?)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) fn order_of(row: &AnyRow) -> Result<Order, StoreError> {
    Ok(Order {
        order_id: parsed(row, "order_id")?,
        content: OrderContent {
            placer_order_number: parsed(row, "placer_order_number")?,
            accession_number: parsed(row, "accession_number")?,
            site: parsed(row, "site")?,
            patient: OrderedPatient {
                id: parsed(row, "patient_id")?,
                issuer: text(row, "issuer_of_patient_id")?,
                nhs_number: optional_parsed(row, "nhs_number")?,
                name: text(row, "patient_name")?,
                birth_date: text(row, "birth_date")?,
            },
            pathway: parsed(row, "pathway")?,
            procedure: text(row, "procedure_words")?,
            reason: text(row, "reason")?,
            symptoms: text(row, "symptoms")?,
            urgency: parsed::<OrderUrgency>(row, "urgency")?,
            requested_at: parsed(row, "requested_at")?,
        },
        state: parsed(row, "state")?,
        version: integer(row, "version")?,
        received_at: parsed(row, "received_at")?,
        changed_at: parsed(row, "changed_at")?,
        cancelled_at: optional_parsed(row, "cancelled_at")?,
    })
}

fn change_of(row: &AnyRow) -> Result<OrderChange, StoreError> {
    Ok(OrderChange {
        version: integer(row, "version")?,
        at: parsed(row, "at")?,
        act: parsed(row, "act")?,
        by: optional_parsed(row, "changed_by")?,
        study: optional_text(row, "study_instance_uid")?
            .map(|uid| uid.parse().map_err(|_| StoreError::Corrupt { column: "study_instance_uid" }))
            .transpose()?,
        reason: text(row, "reason")?,
        content: from_json(row, "content")?,
    })
}
