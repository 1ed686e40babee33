//! Tests of the service through its own boundaries: real files, sockets and databases.

mod infer_case;
mod infer_fixture;
mod infer_models;
mod http_service;
mod http_sign_in;
mod receive_dimse;
mod receive_hostile;
mod receive_house;
mod receive_raw;
mod store_accounts;
mod store_cases;
mod store_database;
mod store_instances;
mod store_jobs;
mod post_bundle;
mod post_delivery;
mod post_peer;
mod post_sample;
mod store_restart;
mod prepare_goldens;
mod store_outbox;
mod prepare_real_files;
mod prepare_worker;
mod phantom_files;
