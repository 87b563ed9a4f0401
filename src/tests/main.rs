//! Integration tests: the real router, a real Postgres, and a stub of Clerk's Backend API.

mod architecture;
mod bytes;
mod call_limits;
mod commands;
mod creation;
mod development;
mod faults;
mod gate;
mod handshake;
mod input;
mod leases;
mod long_queue;
mod many_calls;
mod outbox;
mod processes;
mod reconcile;
mod refusals;
mod requests;
mod retention;
mod rls;
mod schema;
mod supabase;
mod support;
mod tokens;
mod users;
mod webhooks;
