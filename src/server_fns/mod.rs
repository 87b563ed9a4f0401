//! The calls from islands to the server: the whole public surface of it. Each finds its caller, calls one use case, and maps.
//!
//! Every function is a public endpoint: the gate of the page it is used on protects nothing here. `rpc::caller` asks the
//! same gate.

use leptos::prelude::*;

use crate::model::failure::Failure;
use crate::model::json_text::PostJson;
use crate::model::onboarding::{self, Availability, Created};

/// Creates the caller's first organization, or gives back the one they have. 201 when it is new.
#[server(prefix = "/api/rpc", endpoint = "create_organization", input = PostJson, output = PostJson)]
pub async fn create_organization(name: String, slug: String) -> Result<Created, Failure> {
    use crate::server::http::rpc;
    use crate::server::organizations::{NewOrganization, Organizations};
    let caller = rpc::caller().await?;
    let request = NewOrganization::parse(&name, &slug, None)?;
    let created = rpc::service::<Organizations>()?.create(caller, request).await?;
    rpc::created(!created.replayed);
    Ok(created)
}

/// Whether a slug is available right now.
#[server(prefix = "/api/rpc", endpoint = "check_slug", input = PostJson, output = PostJson)]
pub async fn check_slug(slug: String) -> Result<Availability, Failure> {
    use crate::server::http::rpc;
    use crate::server::organizations::Organizations;
    let caller = rpc::caller().await?;
    rpc::service::<Organizations>()?.slug_availability(caller, &slug).await
}

/// How the gate sees the caller's token right now, and whether Clerk has been notified of everything.
#[server(prefix = "/api/rpc", endpoint = "session_status", input = PostJson, output = PostJson)]
pub async fn session_status() -> Result<onboarding::SessionStatus, Failure> {
    use crate::server::http::rpc;
    rpc::caller().await?.status().await
}
