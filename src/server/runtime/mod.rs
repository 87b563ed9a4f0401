//! The process: configuration, state, serving, logging, and the commands that operators run. Only `app` and `main` see it.

pub mod commands;
pub mod config;
pub mod database;
pub mod serve;
pub mod site;
pub mod state;
pub mod telemetry;
