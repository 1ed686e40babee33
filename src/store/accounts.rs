//! People with local accounts: who they are, what they may do, at which sites.
//!
//! In: names, roles, sites and a password hash that the caller made. Out: users. Never: a
//! password, or a decision on what a role allows.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::row::{optional_parsed, optional_text, parsed, text};
use super::statement::Statement;
use super::{Store, StoreError};
use crate::vocab::{Role, SiteCode, Timestamp, UserId};

/// An account to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Name to sign in with; kept in lower case.
    pub sign_in_name: String,
    /// Name that pages and results show.
    pub display_name: String,
    /// argon2 hash in PHC form; none for an account that can't sign in by password.
    pub password_hash: Option<String>,
    /// What the person may do.
    pub roles: BTreeSet<Role>,
    /// Where; empty means everywhere.
    pub sites: BTreeSet<SiteCode>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its identity.
    pub user_id: UserId,
    /// Name to sign in with.
    pub sign_in_name: String,
    /// Name that pages and results show.
    pub display_name: String,
    /// What the person may do.
    pub roles: BTreeSet<Role>,
    /// Where; empty means everywhere.
    pub sites: BTreeSet<SiteCode>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it can't sign in.
    pub disabled_at: Option<Timestamp>,
}

impl User {
    /// Whether the person has a role.
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether the person may see a site.
    pub fn may_see(&self, site: &SiteCode) -> bool {
        self.sites.is_empty() || self.sites.contains(site)
    }
}

impl Store {
    /// Makes an account; a sign-in name that is taken is the constraint `users_sign_in_name`.
    pub async fn create_user(&self, user: NewUser, now: Timestamp) -> Result<User, StoreError> {
        let made = User {
            user_id: UserId::new(),
            sign_in_name: user.sign_in_name.trim().to_lowercase(),
            display_name: user.display_name,
            roles: user.roles,
            sites: user.sites,
            created_at: now,
            disabled_at: None,
        };
        let mut transaction = self.begin_write().await?;
        sqlx::query(
            "INSERT INTO users (user_id, sign_in_name, display_name, password_hash, created_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(made.user_id.to_string())
        .bind(made.sign_in_name.as_str())
        .bind(made.display_name.as_str())
        .bind(user.password_hash)
        .bind(now.to_string())
        .execute(&mut *transaction)
        .await?;
        insert_rights(&mut transaction, made.user_id, &made.roles, &made.sites).await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// An account and its password hash, by sign-in name in any case.
    pub async fn user_by_sign_in_name(
        &self,
        sign_in_name: &str,
    ) -> Result<Option<(User, Option<String>)>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE sign_in_name = $1")
            .bind(sign_in_name.trim().to_lowercase())
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let password_hash = optional_text(&row, "password_hash")?;
        let user = self.with_rights(vec![row]).await?.pop();
        Ok(user.map(|user| (user, password_hash)))
    }

    /// An account.
    pub async fn user(&self, user: UserId) -> Result<Option<User>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE user_id = $1")
            .bind(user.to_string())
            .fetch_optional(&self.reader)
            .await?;
        Ok(self.with_rights(row.into_iter().collect()).await?.pop())
    }

    /// Accounts in order of making, from the one after `after`.
    pub async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        let rows = sqlx::query("SELECT * FROM users WHERE user_id > $1 ORDER BY user_id LIMIT $2")
            .bind(after.map_or_else(String::new, |id| id.to_string()))
            .bind(i64::from(limit.min(self.settings.page_rows)))
            .fetch_all(&self.reader)
            .await?;
        self.with_rights(rows).await
    }

    /// Sets the password hash; every session of the account ends.
    pub async fn set_password_hash(&self, user: UserId, hash: Option<&str>) -> Result<(), StoreError> {
        let mut transaction = self.begin_write().await?;
        let changed = sqlx::query("UPDATE users SET password_hash = $1 WHERE user_id = $2")
            .bind(hash)
            .bind(user.to_string())
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        one_user(changed)?;
        end_sessions(&mut transaction, user).await?;
        Ok(transaction.commit().await?)
    }

    /// Replaces roles and sites.
    pub async fn set_rights(
        &self,
        user: UserId,
        roles: &BTreeSet<Role>,
        sites: &BTreeSet<SiteCode>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_write().await?;
        for statement in
            ["DELETE FROM user_roles WHERE user_id = $1", "DELETE FROM user_sites WHERE user_id = $1"]
        {
            sqlx::query(statement).bind(user.to_string()).execute(&mut *transaction).await?;
        }
        insert_rights(&mut transaction, user, roles, sites).await?;
        Ok(transaction.commit().await?)
    }

    /// Disables an account (`Some`), which ends its sessions, or enables it again.
    pub async fn set_disabled(&self, user: UserId, since: Option<Timestamp>) -> Result<(), StoreError> {
        let mut transaction = self.begin_write().await?;
        let changed = sqlx::query("UPDATE users SET disabled_at = $1 WHERE user_id = $2")
            .bind(since.map(|at| at.to_string()))
            .bind(user.to_string())
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        one_user(changed)?;
        if since.is_some() {
            end_sessions(&mut transaction, user).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Adds roles and sites to rows of `users`.
    async fn with_rights(&self, rows: Vec<AnyRow>) -> Result<Vec<User>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut ids = Vec::with_capacity(rows.len());
        for row in &rows {
            ids.push(text(row, "user_id")?);
        }
        let mut roles: BTreeMap<String, BTreeSet<Role>> = BTreeMap::new();
        for row in self.rights("SELECT user_id, role FROM user_roles WHERE user_id IN (", &ids).await? {
            roles.entry(text(&row, "user_id")?).or_default().insert(parsed(&row, "role")?);
        }
        let mut sites: BTreeMap<String, BTreeSet<SiteCode>> = BTreeMap::new();
        for row in self.rights("SELECT user_id, site FROM user_sites WHERE user_id IN (", &ids).await? {
            sites.entry(text(&row, "user_id")?).or_default().insert(parsed(&row, "site")?);
        }
        rows.iter()
            .zip(ids)
            .map(|(row, id)| {
                Ok(User {
                    user_id: parsed(row, "user_id")?,
                    sign_in_name: text(row, "sign_in_name")?,
                    display_name: text(row, "display_name")?,
                    roles: roles.remove(&id).unwrap_or_default(),
                    sites: sites.remove(&id).unwrap_or_default(),
                    created_at: parsed(row, "created_at")?,
                    disabled_at: optional_parsed(row, "disabled_at")?,
                })
            })
            .collect()
    }

    async fn rights(&self, select: &'static str, ids: &[String]) -> Result<Vec<AnyRow>, StoreError> {
        let mut query = Statement::new(select);
        query.bind_list(ids.iter().cloned());
        query.push(")");
        Ok(query.build()?.persistent(ids.len() == 1).fetch_all(&self.reader).await?)
    }
}

async fn insert_rights(
    connection: &mut AnyConnection,
    user: UserId,
    roles: &BTreeSet<Role>,
    sites: &BTreeSet<SiteCode>,
) -> Result<(), StoreError> {
    for role in roles {
        sqlx::query("INSERT INTO user_roles (user_id, role) VALUES ($1, $2)")
            .bind(user.to_string())
            .bind(role.code())
            .execute(&mut *connection)
            .await?;
    }
    for site in sites {
        sqlx::query("INSERT INTO user_sites (user_id, site) VALUES ($1, $2)")
            .bind(user.to_string())
            .bind(site.as_str())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn end_sessions(connection: &mut AnyConnection, user: UserId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user.to_string()).execute(connection).await?;
    Ok(())
}

fn one_user(changed: u64) -> Result<(), StoreError> {
    if changed == 1 { Ok(()) } else { Err(StoreError::NotFound { what: "user" }) }
}
