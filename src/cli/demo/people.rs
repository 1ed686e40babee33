//! The people of the demonstration: accounts with passwords of this run.

use std::net::SocketAddr;

use super::readers::Reader;
use crate::http::{fresh_token, hash_password};
use crate::store::{NewUser, Store};
use crate::vocab::{Clock, Role, SystemClock};

/// Sign-in name, name shown, role.
const PEOPLE: [(&str, &str, Role); 6] = [
    ("radiographer", "Demo Radiographer", Role::Radiographer),
    ("reader1", "Demo Reader One", Role::Reader),
    ("reader2", "Demo Reader Two", Role::Reader),
    ("reader3", "Demo Reader Three", Role::Reader),
    ("lead", "Demo Lead", Role::Lead),
    ("auditor", "Demo Auditor", Role::Auditor),
];

/// An account and its password of this run.
pub(super) struct Account {
    name: &'static str,
    password: String,
    role: Role,
}

impl Account {
    /// As a line of the table of sign-ins.
    pub(super) fn row(&self) -> Vec<String> {
        vec![self.name.to_owned(), self.password.clone(), self.role.to_string()]
    }
}

/// Makes the accounts, or gives those of an earlier run a fresh password.
pub(super) async fn make(store: &Store) -> anyhow::Result<Vec<Account>> {
    let mut accounts = Vec::new();
    for (name, display, role) in PEOPLE {
        let password = fresh_token();
        let hash = hash_password(&password)?;
        match store.user_by_sign_in_name(name).await? {
            Some((user, _)) => store.set_password_hash(user.user_id, Some(&hash)).await?,
            None => {
                let user = NewUser {
                    sign_in_name: name.to_owned(),
                    display_name: display.to_owned(),
                    password_hash: Some(hash),
                    roles: [role].into(),
                    sites: [].into(),
                };
                store.create_user(user, SystemClock.now()).await?;
            }
        }
        accounts.push(Account { name, password, role });
    }
    Ok(accounts)
}

/// Signs the readers in over the API.
pub(super) async fn sign_in_readers(http: SocketAddr, accounts: &[Account]) -> anyhow::Result<Vec<Reader>> {
    let mut readers = Vec::new();
    for (number, account) in accounts.iter().filter(|account| account.role == Role::Reader).enumerate() {
        readers.push(Reader::sign_in(http, account.name, &account.password, number).await?);
    }
    Ok(readers)
}
