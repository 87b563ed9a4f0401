//! The same-origin proxy to Clerk's Frontend API: the browser talks to our origin, we talk to Clerk. Clerk takes it from
//! production instances only; with a development instance nothing answers here.
//!
//! What must stay true:
//! - The secret key is attached for one configured host only; redirects are handed to the browser, never followed.
//! - `Origin` and the body pass unchanged; several `Set-Cookie` headers stay several; hop-by-hop headers stop here.
//! - Only Clerk's own cookies leave the browser through here: none of ours exist, and none is added.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::server::clerk::PROXY_PREFIX;
use crate::server::http::handshake;
use crate::server::origin::PublicOrigin;

/// Largest body clerk-js may send, in bytes: forms of a few fields, and a profile picture.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// For a whole call.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// RFC 9110, section 7.6.1: these belong to one connection.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Where the proxy forwards to, and with what. Cheap to clone.
#[derive(Clone)]
pub struct FrontendProxy(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    /// `None` for a development instance: there is no proxy.
    frontend_api: Option<Url>,
    secret_key: SecretString,
    origin: PublicOrigin,
}

impl FrontendProxy {
    /// The client follows no redirect, and unpacks nothing.
    ///
    /// # Errors
    /// No HTTP client can be made on this machine.
    pub fn new(
        frontend_api: Option<Url>,
        secret_key: SecretString,
        origin: PublicOrigin,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .timeout(CALL_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self(Arc::new(Inner { client, frontend_api, secret_key, origin })))
    }
}

/// Forwards one request.
pub async fn forward(State(proxy): State<FrontendProxy>, request: Request) -> Response {
    let Inner { client, frontend_api, secret_key, origin } = &*proxy.0;
    let Some(mut url) = frontend_api.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let path = request.uri().path().strip_prefix(PROXY_PREFIX).unwrap_or_default();
    if !(path.starts_with("/v1/") || path.starts_with("/.well-known/")) || path.split('/').any(|part| part == "..") {
        return StatusCode::NOT_FOUND.into_response();
    }
    url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
    url.set_query(request.uri().query());

    let asked = request.uri().clone();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_string());
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    strip(&mut headers);
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::AUTHORIZATION);
    // What the address bar says, not what a stranger's header claims.
    let proxy_url = format!("{}{PROXY_PREFIX}", origin.as_str());
    let fixed = [
        ("clerk-proxy-url", Some(proxy_url)),
        ("clerk-secret-key", Some(secret_key.expose_secret().to_owned())),
        ("x-forwarded-for", peer),
        ("x-forwarded-host", Some(origin.host().to_owned())),
        ("x-forwarded-proto", Some(origin.scheme().to_owned())),
    ];
    for (name, value) in fixed {
        headers.remove(name);
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let sent = client.request(parts.method, url).headers(headers).body(body).send().await;
    match sent {
        // A browser that navigates would stand before our JSON, or Clerk's.
        Ok(answer) if answer.status().is_client_error() || answer.status().is_server_error() => {
            match handshake::back_from_unreachable_clerk(origin, &asked) {
                Some(response) => {
                    tracing::warn!(clerk.proxy.status = answer.status().as_u16(), "Clerk refused a handshake");
                    response
                }
                None => handed_on(answer),
            }
        }
        Ok(answer) => handed_on(answer),
        Err(error) => {
            tracing::warn!(clerk.proxy.timeout = error.is_timeout(), "the Frontend API cannot be reached");
            handshake::back_from_unreachable_clerk(origin, &asked).unwrap_or_else(unreachable)
        }
    }
}

/// Clerk's answer, as it is.
fn handed_on(answer: reqwest::Response) -> Response {
    let mut headers = answer.headers().clone();
    strip(&mut headers);
    headers.remove(header::CONTENT_LENGTH);
    let status = answer.status();
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The error for clerk-js, in Clerk's envelope.
fn unreachable() -> Response {
    let body = serde_json::json!({"errors": [{
        "code": "frontend_api_unreachable",
        "message": "The sign-in service cannot be reached.",
        "long_message": "The sign-in service cannot be reached. Nothing you typed was saved. Try again in a moment.",
    }]});
    (StatusCode::BAD_GATEWAY, axum::Json(body)).into_response()
}

fn strip(headers: &mut HeaderMap) {
    // `Connection` may name further ones.
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_headers_stop_and_cookies_stay_apart() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close, X-Mine"));
        headers.insert("x-mine", HeaderValue::from_static("1"));
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("a=1"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("b=2"));
        strip(&mut headers);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers.get_all(header::SET_COOKIE).iter().count(), 2);
    }
}
