//! The pages for people: the inbox and the control. One look, no script, and one door: they answer only on this machine
//! and only with their token, and lie outside every path a proxy forwards.

use std::net::SocketAddr;

use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;

use super::app::App;

const STYLE: &str = include_str!("local_pages.css");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The pages, and where they are.
const PAGES: [(&str, &str); 2] = [("Inbox", "/inbox"), ("Control", "/control")];

/// The token in the address.
#[derive(Debug, Deserialize)]
pub(super) struct Key {
    token: Option<String>,
}

/// Whether this peer may see the pages.
pub(super) fn may_read(app: &App, peer: SocketAddr, key: &Key) -> bool {
    let given = key.token.as_deref().unwrap_or_default().as_bytes();
    let right = app.keys.inbox_token.as_bytes();
    peer.ip().to_canonical().is_loopback() && aws_lc_rs::constant_time::verify_slices_are_equal(given, right).is_ok()
}

/// What anybody else is told.
pub(super) fn refused() -> Response {
    let text = "This opens only on this machine, with the address from the start-up log.\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

/// The address of a page, for somebody who has its token.
pub(super) fn address(app: &App, path: &str) -> String {
    format!("{path}?token={}", app.keys.inbox_token)
}

/// One of the pages, by its title. `head` is HTML for the head of the document, such as a refresh.
pub(super) fn page(app: &App, title: &str, head: &str, body: &str) -> Response {
    let links = PAGES.map(|(name, path)| {
        let current = if name == title { r#" aria-current="page""# } else { "" };
        format!(r#"<a href="{}"{current}>{name}</a>"#, address(app, path))
    });
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{head}
<title>{title} of the Clerk emulator</title>
<style>
{STYLE}</style>
<header><span>Clerk emulator</span><nav aria-label="Pages">{}</nav></header>
<main>
<h1>{title}</h1>
{body}
</main>
</html>
"#,
        links.concat()
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        // The address holds the token. Not `no-referrer`: with it browsers hide the origin of a form as well.
        (header::REFERRER_POLICY, "same-origin"),
        (header::VARY, "accept"),
    ];
    (headers, Html(html)).into_response()
}

/// Text as it stands in HTML, between tags or in an attribute.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
