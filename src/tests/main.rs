//! Integration tests: the real router over HTTP messages, a real Postgres, and a stand-in for Clerk's Backend API.

mod creation;
mod gate;
mod input;
mod support;
