//! The local pages: the inbox and the control. One look, no script but the inbox's own, and one access check: they answer
//! only on this machine and only with their token, and lie outside every path a proxy forwards.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::digest;
use axum::extract::{ConnectInfo, FromRef, FromRequestParts, Query};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::request::Parts;
use http::{StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;

const STYLE: &str = include_str!("local_pages.css");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The pages, and where they are.
const PAGES: [(&str, &str); 2] = [("Inbox", "/inbox"), ("Control", "/control")];

/// The token of the local pages. Every address of theirs holds it.
#[derive(Clone)]
pub(crate) struct PageToken(Arc<str>);

impl PageToken {
    pub(crate) fn new(token: &str) -> Self {
        Self(token.into())
    }

    /// The address of a page, token included.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{path}?token={}", self.0)
    }

    fn matches(&self, given: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), self.0.as_bytes()).is_ok()
    }
}

/// A request that may see the local pages: it comes from this machine, with the token in its query. Other requests are
/// rejected before they reach a handler.
pub(crate) struct LocalAccess(pub(crate) PageToken);

#[derive(Deserialize)]
struct Key {
    token: Option<String>,
}

impl<S> FromRequestParts<S> for LocalAccess
where
    S: Send + Sync,
    PageToken: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, state).await;
        let key = Query::<Key>::from_request_parts(parts, state).await;
        let token = PageToken::from_ref(state);
        match (peer, key) {
            (Ok(ConnectInfo(peer)), Ok(Query(Key { token: Some(given) })))
                if peer.ip().to_canonical().is_loopback() && token.matches(&given) =>
            {
                Ok(Self(token))
            }
            _ => {
                let text = "This opens only on this machine, with the address from the start-up log.\n";
                Err((StatusCode::FORBIDDEN, text).into_response())
            }
        }
    }
}

/// One of the pages, by its title. `script` is the one that renews the page; in a browser without script the page is
/// loaded again and again instead.
pub(crate) fn page(token: &PageToken, title: &str, body: &Markup, script: Option<&str>) -> Response {
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if script.is_some() {
                    noscript { meta http-equiv="refresh" content="3"; }
                }
                title { (title) " of the Clerk emulator" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    span { "Clerk emulator" }
                    nav aria-label="Pages" {
                        @for (name, path) in PAGES {
                            a href=(token.address(path)) aria-current=[(name == title).then_some("page")] { (name) }
                        }
                    }
                }
                main {
                    h1 { (title) }
                    (body)
                }
                @if let Some(script) = script {
                    script { (PreEscaped(script)) }
                }
            }
        }
    };
    let policy = policy(script);
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        // The address holds the token. Not `no-referrer`: with it browsers hide the origin of a form as well.
        (header::REFERRER_POLICY, "same-origin"),
        (header::VARY, "accept"),
    ];
    (headers, Html(html.into_string())).into_response()
}

/// What a page may do. Of scripts, only the very one that is given may run; it may call this emulator only.
fn policy(script: Option<&str>) -> String {
    let allowed = script.map(|script| {
        let hash = BASE64.encode(digest::digest(&digest::SHA256, script.as_bytes()));
        format!("; script-src 'sha256-{hash}'; connect-src 'self'")
    });
    format!("{POLICY}{}", allowed.unwrap_or_default())
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
