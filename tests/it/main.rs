//! Tests of the service through its own boundaries: real files, sockets and databases.

mod store_accounts;
mod store_database;
mod store_instances;
mod store_jobs;
