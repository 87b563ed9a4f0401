//! The one list of routes, and the document around every page.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request, map_response};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use futures_util::FutureExt as _;
use leptos::nonce::{provide_nonce, use_nonce};
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;

use crate::pages::scripts::{Script, Scripts};
use crate::pages::{self, Document, Page, Visit};
use crate::server::http::api;
use crate::server::http::files;
use crate::server::http::frontend_proxy;
use crate::server::http::handshake;
use crate::server::http::rpc;
use crate::server::http::security;
use crate::server::http::security::PageCode;
use crate::server::runtime::config::Config;
use crate::server::runtime::state::AppState;
use crate::server::runtime::telemetry;
use crate::server::session::AuthNotes;
use crate::server::webhooks;

/// Largest body that pages, server functions and the API take, in bytes. The largest honest one is a form of two fields.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
/// For any request.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// A page as a handler.
macro_rules! show {
    ($page:path) => {
        async |State(app): State<AppState>, request: Request| {
            let visit = visit(&request);
            let page = $page(&app, &visit).await;
            respond(&app, page, request).await
        }
    };
}

/// Everything that answers.
pub fn router(app: AppState) -> Router {
    // Rendering spawns on it. A second router (tests) finds it set.
    _ = any_spawner::Executor::init_tokio();
    let pages = Router::new()
        .route("/", get(show!(pages::landing::page)))
        .route("/sign-in", get(show!(pages::sign_in::sign_in)))
        .route("/sign-up", get(show!(pages::sign_in::sign_up)))
        .route("/sign-out", post(sign_out))
        .route("/onboarding", get(show!(pages::onboarding::page)).post(post_onboarding))
        .route("/dashboard", get(show!(pages::dashboard::page)).post(open_anyway))
        .route("/token-pending", get(show!(pages::token_pending::page)))
        .route_layer(from_fn_with_state(app.clone(), handshake::renew));
    let api = Router::new()
        .route("/api/organizations/create", post(api::create_organization))
        .route("/api/rpc/{function}", post(server_function))
        .route("/api/me", get(api::me))
        .route("/health", get(api::health))
        .route("/ready", get(api::ready));
    let limited = pages
        .merge(api)
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(map_response(explain_size));
    let webhooks = Router::new()
        .route("/api/webhooks/clerk", post(webhooks::receive))
        .layer(DefaultBodyLimit::max(webhooks::MAX_BODY_BYTES))
        .layer(RequestBodyLimitLayer::new(webhooks::MAX_BODY_BYTES))
        .layer(map_response(explain_size));
    let clerk = Router::new().route(&format!("{}/{{*path}}", frontend_proxy::PREFIX), any(frontend_proxy::forward));
    Router::new()
        .merge(limited)
        .merge(webhooks)
        .merge(clerk)
        // Files are not among these: they lie there compressed.
        .layer(CompressionLayer::new())
        .merge(files::router(&app.site().root))
        .layer(
            ServiceBuilder::new()
                .layer(map_request(forget_request_id))
                .layer(SetRequestIdLayer::new(HeaderName::from_static(telemetry::REQUEST_ID), MakeRequestUuid))
                .layer(PropagateRequestIdLayer::new(HeaderName::from_static(telemetry::REQUEST_ID)))
                .layer(from_fn(telemetry::log_request))
                .layer(from_fn_with_state(app.clone(), security::headers))
                .layer(from_fn_with_state(app.clone(), explain_fault))
                .layer(from_fn(explain_session))
                .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_LIMIT))
                .layer(from_fn_with_state(app.clone(), security::same_site_writes)),
        )
        .with_state(app)
}

async fn post_onboarding(State(app): State<AppState>, request: Request) -> Response {
    let visit = visit(&request);
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let page = pages::onboarding::post(&app, &visit, &body).await;
    respond(&app, page, Request::from_parts(parts, Body::empty())).await
}

async fn sign_out(State(app): State<AppState>, request: Request) -> Response {
    pages::sign_out::post(&app, &visit(&request)).await
}

async fn open_anyway(State(app): State<AppState>) -> Response {
    pages::dashboard::open_anyway(&app)
}

async fn not_found(State(app): State<AppState>, request: Request) -> Response {
    let page = pages::problems::not_found(&visit(&request));
    respond(&app, page, request).await
}

/// A panic ends one request, not the connection, and the person is told.
async fn explain_fault(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let visit = visit(&request);
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(http.path = visit.uri.path(), "a request panicked");
            let page = pages::problems::fault(&visit);
            respond(&app, page, Request::new(Body::empty())).await
        }
    }
}

async fn server_function(State(app): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Leptos would say of a body that is too large that it cannot be read.
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = Request::from_parts(parts, Body::from(body));
    let context = move || provide_context(app.clone());
    rpc::with_status(leptos_axum::handle_server_fns_with_context(context, request).await.into_response()).await
}

/// Ids of requests are ours: one from outside could be anything, and would stand in our log.
async fn forget_request_id(mut request: Request) -> Request {
    request.headers_mut().remove(telemetry::REQUEST_ID);
    request
}

/// The body limit answers with a bare status: say it in our own words.
async fn explain_size(response: Response) -> Response {
    if response.status() != StatusCode::PAYLOAD_TOO_LARGE {
        return response;
    }
    crate::model::failure::Failure::new(
        crate::model::failure::FailureCode::TooLarge,
        "That was more than this address takes. Nothing was stored. Shorten it and try again.",
    )
    .into_response()
}

fn visit(request: &Request) -> Visit {
    Visit::new(request.method(), request.uri(), request.headers(), request.extensions())
}

/// Says in Clerk's headers why a request has no session (`backend: constants.ts`), and gives each request its notes.
async fn explain_session(mut request: Request, next: Next) -> Response {
    let notes = AuthNotes::default();
    request.extensions_mut().insert(notes.clone());
    let mut response = next.run(request).await;
    if let Some(state) = notes.state() {
        let told = [("status", state.status), ("reason", &state.reason), ("message", &state.message)];
        for (name, value) in told.into_iter().filter(|(_, value)| !value.is_empty()) {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(format!("x-clerk-auth-{name}")), HeaderValue::from_str(value))
            {
                response.headers_mut().insert(name, value);
            }
        }
    }
    response
}

async fn respond(app: &AppState, page: Page, request: Request) -> Response {
    match page {
        Page::Redirect(to) => Redirect::to(&to).into_response(),
        Page::Handshake(reason) => handshake::to_clerk(app, request.uri(), request.headers(), &reason),
        Page::Document(document) => {
            let status = document.status;
            if !document.islands {
                // Leptos ends every document of its own with a script for its islands.
                let (html, policy) = Owner::new().with(|| {
                    if !document.scripts.is_empty() {
                        provide_nonce();
                    }
                    (shell(app, &document).to_html(), policy(app, &document))
                });
                return (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response();
            }
            let app = app.clone();
            let render = move || shell(&app, &document);
            // A POST that shows its form again is rendered like a GET.
            let mut response = leptos_axum::render_app_async_with_context(|| (), render)(request).await;
            *response.status_mut() = status;
            response
        }
    }
}

/// The Content Security Policy of a document whose nonce is in the context.
fn policy(app: &AppState, document: &Document) -> String {
    let nonce = use_nonce().map(|nonce| nonce.to_string()).unwrap_or_default();
    let code = match (document.islands, document.scripts) {
        (true, _) => PageCode::Wasm(&nonce),
        (false, []) => PageCode::None,
        (false, _) => PageCode::Scripts(&nonce),
    };
    security::page_policy(code, app.config().clerk.direct_origin().as_deref())
}

/// The document: head, the page's body, and only the scripts it has.
fn shell(app: &AppState, document: &Document) -> impl IntoView + use<> {
    let nonce = use_nonce().map(|nonce| nonce.to_string()).unwrap_or_default();
    if let (Some(response), Ok(policy)) =
        (use_context::<ResponseOptions>(), HeaderValue::from_str(&policy(app, document)))
    {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
    let site = app.site();
    let title =
        if document.title == "Vestibule" { document.title.clone() } else { format!("{} · Vestibule", document.title) };
    let options = site.leptos.clone();
    let hydration = document.islands.then(|| view! { <HydrationScripts options islands=true /> });
    // The one that watches over the others comes before the page.
    let (early, late) = document.scripts.split_at(usize::from(document.scripts.first() == Some(&Script::Wake)));
    let without_script = document.without_script.as_ref().map(|(seconds, address)| {
        let content = format!("{seconds};url={address}");
        view! {
            <noscript>
                <meta http-equiv="refresh" content=content />
            </noscript>
        }
    });
    let body = (document.body)();
    let clerk = document.scripts.contains(&Script::Clerk).then(|| site.clerk_settings(&app.config().clerk));
    view! {
        <!DOCTYPE html>
        <html
            lang="en"
            data-clerk-publishable-key=clerk.as_ref().map(|clerk| clerk.publishable_key.clone())
            data-clerk-cookie-suffix=clerk.as_ref().map(|clerk| clerk.cookie_suffix.clone())
            data-clerk-proxy-url=clerk.as_ref().and_then(|clerk| clerk.proxy_url.clone())
            data-clerk-js=clerk.as_ref().map(|clerk| clerk.clerk_js.clone())
            data-clerk-ui=clerk.as_ref().map(|clerk| clerk.clerk_ui.clone())
            data-without-wasm=document.without_wasm.clone()
        >
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <meta name="theme-color" content="#e6eae4" media="(prefers-color-scheme: light)" />
                <meta name="theme-color" content="#111816" media="(prefers-color-scheme: dark)" />
                {without_script}
                <title>{title}</title>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <link rel="stylesheet" href=site.stylesheet.clone() />
                <Scripts scripts=early nonce=nonce.clone() />
                {hydration}
            </head>
            <body>
                <a class="skip-link" href="#main">
                    "Skip to content"
                </a>
                {body}
                <Scripts scripts=late nonce />
            </body>
        </html>
    }
}

/// The address people type.
pub fn address(config: &Config) -> &str {
    &config.public_origin
}
