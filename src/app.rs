//! The one list of routes, and the layers around them.

mod document;
mod layers;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef as _, Request, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state, map_request, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use leptos::prelude::provide_context;
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;

use crate::pages;
use crate::server::access::Sessions;
use crate::server::clerk::PROXY_PREFIX;
use crate::server::http::body::{self, MAX_BODY_BYTES};
use crate::server::http::failures::REQUEST_ID;
use crate::server::http::{api, failures, files, frontend_proxy, handshake, rpc, security, session, webhooks};
use crate::server::organizations::Organizations;
use crate::server::runtime::state::AppState;
use crate::server::runtime::telemetry;
use crate::server::webhooks::MAX_BODY_BYTES as MAX_WEBHOOK_BYTES;

/// Everything that answers.
pub fn router(app: AppState) -> Router {
    // Rendering spawns on it. A second router (tests) finds it set.
    _ = any_spawner::Executor::init_tokio();
    let pages = Router::new()
        .route("/", get(pages::landing::page))
        .route("/sign-in", get(pages::sign_in::sign_in))
        .route("/sign-up", get(pages::sign_in::sign_up))
        .route("/sign-out", post(pages::sign_out::post))
        .route("/onboarding", get(pages::onboarding::page).post(pages::onboarding::post))
        .route("/dashboard", get(pages::dashboard::page).post(pages::inside::open_anyway))
        .route("/o/{slug}", get(pages::dashboard::of_address))
        .route("/settings", get(pages::settings::page).post(pages::settings::rename))
        .route("/token-pending", get(pages::token_pending::page))
        .route_layer(from_fn_with_state(app.clone(), session::authenticate_page))
        .route_layer(from_fn_with_state(app.clone(), handshake::renew));
    let calls = Router::new()
        .route("/api/organizations/create", post(api::create_organization))
        .route("/api/rpc/{function}", post(server_function))
        .route("/api/me", get(api::me))
        .route_layer(from_fn_with_state(app.clone(), session::authenticate_call));
    let checks = Router::new().route("/health", get(api::health)).route("/ready", get(api::ready));
    let limited = pages
        .merge(calls)
        .route_layer(from_fn(body::read_whole))
        .merge(checks)
        .fallback(pages::problems::page_not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(map_response(layers::explain_size));
    let webhooks = Router::new()
        .route("/api/webhooks/clerk", post(webhooks::receive))
        .layer(DefaultBodyLimit::max(MAX_WEBHOOK_BYTES))
        .layer(RequestBodyLimitLayer::new(MAX_WEBHOOK_BYTES))
        .layer(map_response(layers::explain_size));
    let clerk = Router::new().route(&format!("{PROXY_PREFIX}/{{*path}}"), any(frontend_proxy::forward));
    Router::new()
        .merge(limited)
        .merge(webhooks)
        .merge(clerk)
        .layer(from_fn_with_state(app.clone(), document::render))
        // Before the body is compressed; once more below, for those who reject a request before it gets here.
        .layer(from_fn(failures::name_request))
        // Files are not among these: they lie there compressed.
        .layer(CompressionLayer::new())
        .merge(files::router(&app.site().root))
        .layer(
            ServiceBuilder::new()
                .layer(map_request(layers::forget_request_id))
                .layer(SetRequestIdLayer::new(HeaderName::from_static(REQUEST_ID), MakeRequestUuid))
                .layer(PropagateRequestIdLayer::new(HeaderName::from_static(REQUEST_ID)))
                .layer(from_fn(telemetry::log_request))
                .layer(from_fn_with_state(app.clone(), security::headers))
                .layer(from_fn(failures::name_request))
                .layer(from_fn_with_state(app.clone(), layers::explain_fault))
                .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, layers::REQUEST_LIMIT))
                .layer(from_fn_with_state(app.clone(), security::same_site_writes)),
        )
        .with_state(app)
}

/// Leptos's server functions, with the services they may ask for.
async fn server_function(State(app): State<AppState>, mut request: Request) -> Response {
    // For a browser's own form Leptos would redirect instead of answering.
    request.headers_mut().remove(ACCEPT);
    let provide = move || {
        provide_context(Sessions::from_ref(&app));
        provide_context(Organizations::from_ref(&app));
    };
    rpc::with_status(leptos_axum::handle_server_fns_with_context(provide, request).await.into_response()).await
}
