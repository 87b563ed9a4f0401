//! Whatever owns a socket, a secret or a row. Uses `model`, nothing else of ours.

pub mod api;
pub mod clerk;
pub mod clock;
pub mod commands;
pub mod config;
pub mod database;
pub mod failures;
pub mod files;
pub mod names;
pub mod organizations;
pub mod outbox;
mod person_limit;
pub mod reconcile;
pub mod retention;
pub mod rpc;
pub mod security;
pub mod serve;
pub mod session;
pub mod site;
pub mod state;
pub mod telemetry;
pub mod tenancy;
pub mod users;
pub mod webhooks;
