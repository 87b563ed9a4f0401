//! Renders what pages give: the document's frame, its policy, and only the scripts it has.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use leptos::nonce::{provide_nonce, use_nonce};
use leptos::prelude::*;
use leptos_axum::ResponseOptions;

use crate::pages::scripts::{Script, Scripts};
use crate::pages::{Document, Page};
use crate::server::http::handshake;
use crate::server::http::security::{self, PageCode};
use crate::server::runtime::site::Site;
use crate::server::runtime::state::AppState;

/// The layer that turns a [`Page`] in a response's extensions into that response.
pub async fn render(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = next.run(Request::from_parts(parts.clone(), body)).await;
    let Some(page) = response.extensions_mut().remove::<Page>() else { return response };
    let mut rendered = respond(&app, page, parts).await;
    // What was said beside the page stays said: cookies, and headers of the layers in between.
    for (name, value) in response.headers() {
        rendered.headers_mut().append(name, value.clone());
    }
    rendered
}

/// Answers a request with a page.
pub async fn respond(app: &AppState, page: Page, mut parts: Parts) -> Response {
    match page {
        Page::Redirect(to) => Redirect::to(&to).into_response(),
        Page::Handshake(reason) => handshake::to_clerk(app.sessions(), &parts.uri, &parts.headers, &reason),
        Page::Document(document) => {
            let status = document.status;
            let site = app.site().clone();
            if !document.islands {
                // Leptos ends every document of its own with a script for its islands.
                let (html, policy) = Owner::new().with(|| {
                    if !document.scripts.is_empty() || site.reloads {
                        provide_nonce();
                    }
                    (shell(&site, &document).to_html(), policy(&site, &document))
                });
                return (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response();
            }
            let render = move || shell(&site, &document);
            // A POST that shows its form again is rendered like a GET.
            parts.method = Method::GET;
            let request = Request::from_parts(parts, Body::empty());
            let mut response = leptos_axum::render_app_async_with_context(|| (), render)(request).await;
            *response.status_mut() = status;
            response
        }
    }
}

/// The Content Security Policy of a document whose nonce is in the context.
fn policy(site: &Site, document: &Document) -> String {
    let nonce = use_nonce().map(|nonce| nonce.to_string()).unwrap_or_default();
    let code = match (document.islands, document.scripts) {
        (true, _) => PageCode::Wasm(&nonce),
        (false, []) if !site.reloads => PageCode::None,
        (false, _) => PageCode::Scripts(&nonce),
    };
    let policy = security::page_policy(code, site.direct_origin.as_deref());
    if site.reloads { policy.replace("connect-src", &format!("connect-src {RELOAD_SOCKETS}")) } else { policy }
}

/// Where cargo-leptos says that it has built something.
const RELOAD_SOCKETS: &str = "ws://localhost:3001 ws://127.0.0.1:3001";

/// The document: head, the page's body, and only the scripts it has.
fn shell(site: &Site, document: &Document) -> impl IntoView + use<> {
    let nonce = use_nonce().map(|nonce| nonce.to_string()).unwrap_or_default();
    if let (Some(response), Ok(policy)) =
        (use_context::<ResponseOptions>(), HeaderValue::from_str(&policy(site, document)))
    {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
    let title =
        if document.title == "Vestibule" { document.title.clone() } else { format!("{} · Vestibule", document.title) };
    let options = site.leptos.clone();
    let reload = site.reloads.then(|| view! { <AutoReload options=options.clone() /> });
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
    let clerk = document.scripts.contains(&Script::Clerk).then_some(&site.clerk);
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
                {reload}
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
