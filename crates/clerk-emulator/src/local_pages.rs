//! The pages for users: the inbox and the control. One look, no script but the inbox's own, and one door: they answer only
//! on this machine and only with their token, and lie outside every path a proxy forwards.

use std::net::SocketAddr;

use aws_lc_rs::digest;
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
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

/// What every other user is told.
pub(super) fn refused() -> Response {
    let text = "This opens only on this machine, with the address from the start-up log.\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

/// The address of a page, for a user who has its token.
pub(super) fn address(app: &App, path: &str) -> String {
    format!("{path}?token={}", app.keys.inbox_token)
}

/// One of the pages, by its title. `script` is the one that renews the page; in a browser without script the page is
/// loaded again and again instead.
pub(super) fn page(app: &App, title: &str, body: &str, script: Option<&str>) -> Response {
    let refresh = script.map_or("", |_| "<noscript><meta http-equiv=\"refresh\" content=\"3\"></noscript>\n");
    let renewal = script.map(|script| format!("<script>{script}</script>\n")).unwrap_or_default();
    let links = PAGES.map(|(name, path)| {
        let current = if name == title { r#" aria-current="page""# } else { "" };
        format!(r#"<a href="{}"{current}>{name}</a>"#, address(app, path))
    });
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}<title>{title} of the Clerk emulator</title>
<style>
{STYLE}</style>
<header><span>Clerk emulator</span><nav aria-label="Pages">{}</nav></header>
<main>
<h1>{title}</h1>
{body}
</main>
{renewal}</html>
"#,
        links.concat()
    );
    let policy = policy(script);
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        // The address holds the token. Not `no-referrer`: with it browsers hide the origin of a form as well.
        (header::REFERRER_POLICY, "same-origin"),
        (header::VARY, "accept"),
    ];
    (headers, Html(html)).into_response()
}

/// What a page may do. Of scripts, only the very one that is given may run; it may ask this emulator and nobody else.
fn policy(script: Option<&str>) -> String {
    let allowed = script.map(|script| {
        let hash = BASE64.encode(digest::digest(&digest::SHA256, script.as_bytes()));
        format!("; script-src 'sha256-{hash}'; connect-src 'self'")
    });
    format!("{POLICY}{}", allowed.unwrap_or_default())
}

/// Text as it stands in HTML, between tags or in an attribute.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_script_of_a_page_may_run() {
        assert_eq!(policy(None), POLICY);
        // The hash of nothing is well known.
        let rules = "; script-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; connect-src 'self'";
        assert_eq!(policy(Some("")), format!("{POLICY}{rules}"));
        assert_ne!(policy(Some("1")), policy(Some("")));
    }
}
