//! The calls from islands to the server: the whole public surface of it. Each authenticates, calls one use case, and maps.
//!
//! Every function is a public endpoint: the gate of the page it is used on protects nothing here.

use leptos::prelude::*;

use crate::model::failure::Failure;
use crate::model::json_text::PostJson;
use crate::model::onboarding::{self, Availability, Created};

/// Creates the caller's first organization, or gives back the one they have. 201 when it is new.
#[server(prefix = "/api/rpc", endpoint = "create_organization", input = PostJson, output = PostJson)]
pub async fn create_organization(name: String, slug: String) -> Result<Created, Failure> {
    crate::server::http::rpc::answer(async |app, asked| {
        let session = crate::server::http::api::authenticate(app, asked).await?;
        let created = crate::server::http::api::create(app, &session, &name, &slug, None).await?;
        crate::server::http::rpc::status(if created.replayed { 200 } else { 201 });
        Ok(created)
    })
    .await
}

/// Whether a slug is free right now.
#[server(prefix = "/api/rpc", endpoint = "check_slug", input = PostJson, output = PostJson)]
pub async fn check_slug(slug: String) -> Result<Availability, Failure> {
    crate::server::http::rpc::answer(async |app, asked| {
        let session = crate::server::http::api::authenticate(app, asked).await?;
        crate::server::http::api::slug_availability(app, &session, &slug).await
    })
    .await
}

/// How the gate sees the caller's token right now, and whether Clerk has been told everything.
#[server(prefix = "/api/rpc", endpoint = "session_status", input = PostJson, output = PostJson)]
pub async fn session_status() -> Result<onboarding::SessionStatus, Failure> {
    crate::server::http::rpc::answer(async |app, asked| crate::server::http::api::session_status(app, asked).await)
        .await
}
