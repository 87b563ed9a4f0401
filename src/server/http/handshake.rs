//! Clerk's handshake on our side: sending a browser with an old session to Clerk, and putting
//! what it brings back into the very request that brought it. The refresh endpoint does the same without the redirect.
//!
//! What must stay true:
//! - Only documents that a browser gets by GET are touched; a script's call and a form keep their typed answer.
//! - What comes back is believed because Clerk says it (a nonce fetched with the secret key, or Clerk's signature), and the
//!   session inside it is verified like any other.
//! - In production the result travels in a cookie only: an address that somebody sends you signs nobody in.
//! - A request that brought a result is not sent to Clerk again, whatever is in it; a result that could not be had stops
//!   further handshakes for [`USELESS_SECONDS`]. With Clerk's own counter this bounds every path, also a slow one.
//! - All of it is over within [`RENEWAL_LIMIT`].

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cookie::Cookie;
use serde_json::json;
use url::Url;

use crate::model::ids::SessionId;
use crate::server::clerk::backend_api::ClerkError;
use crate::server::http::frontend_proxy;
use crate::server::runtime::config::Config;
use crate::server::runtime::state::AppState;
use crate::server::session::cookies::{self, ClerkCookies, Handshaken};
use crate::server::session::token::SessionToken;
use crate::server::session::visit::{AuthNotes, is_document, read_cookies};

/// Longest time for fetching what a handshake left, or for a refresh.
const RENEWAL_LIMIT: Duration = Duration::from_secs(2);
/// How long Clerk's counter remembers a handshake, in seconds (`backend: handshake.ts`).
const COUNTER_SECONDS: u32 = 2;
/// How long handshakes stop after one that was of no use, in seconds.
pub const USELESS_SECONDS: u32 = 10;
/// The counter's bound: no handshake follows.
pub const COUNTER_FULL: u32 = 3;
/// The version of the protocol, as Clerk's server library sends it.
const API_VERSION: &str = "2026-05-12";
/// Cookies one result may set. Clerk sends at most nine.
const MAX_DIRECTIVES: usize = 32;
/// Longest cookie one result may set, in bytes.
const MAX_DIRECTIVE_BYTES: usize = 8 * 1024;
/// Query parameters by which a development instance hands results over.
const RESULT_PARAMETERS: [&str; 4] =
    [cookies::HANDSHAKE, "__clerk_help", cookies::DEVELOPMENT_BROWSER, cookies::HANDSHAKE_NONCE];

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum NoResult {
    #[error("{0}")]
    Clerk(#[from] ClerkError),
    #[error("timed out")]
    Timeout,
    #[error("the handshake token is not Clerk's")]
    NotClerks,
    #[error("Clerk's answer holds something that is no cookie")]
    Unreadable,
}

/// Before a page is asked: applies what a handshake has brought, or renews an expired token by the refresh cookie.
pub async fn renew(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    if !is_document(request.method(), request.headers()) {
        return next.run(request).await;
    }
    let notes = AuthNotes::of(request.extensions());
    request.extensions_mut().insert(notes.clone());
    let mut cookies = read_cookies(&app, request.headers());
    let development = app.config().clerk.is_development();
    if development && let Some(result) = in_address(request.uri()) {
        cookies.handshake = Some(result);
    }
    let Some(result) = cookies.handshake.take() else {
        return refresh(&app, &cookies, &notes, request, next).await;
    };

    let resolved = resolve(&app, &result).await;
    notes.note_handshake();
    // As in Clerk's own library, a token that is not Clerk's says nothing, and a nonce without a result that nobody is here.
    if resolved.is_ok() || matches!(result, Handshaken::Nonce(_)) {
        notes.note_heard();
    }
    let mut set = match &resolved {
        Ok(directives) => directives.clone(),
        Err(cause) => {
            tracing::warn!(auth.handshake.cause = %cause, "a handshake's result could not be had");
            vec![counter(COUNTER_FULL, USELESS_SECONDS, app.config().is_https())]
        }
    };
    // Clerk may forget to: every later request would find a nonce that is used up.
    for name in [cookies::HANDSHAKE, cookies::HANDSHAKE_NONCE] {
        set.push(format!("{name}=; Path=/; Max-Age=0; SameSite=Lax"));
    }
    if development {
        // The result stands in the address: take it out, and do not begin anew at once.
        if resolved.is_ok() {
            set.push(counter(COUNTER_FULL, COUNTER_SECONDS, app.config().is_https()));
        }
        let clean = format!("{}{}", app.config().public_origin, without(request.uri(), &RESULT_PARAMETERS));
        return with_cookies(redirect(&clean), &set);
    }
    apply(request.headers_mut(), &set);
    with_cookies(next.run(request).await, &set)
}

/// Renews an expired token by the refresh cookie, where there is one.
async fn refresh(
    app: &AppState,
    cookies: &ClerkCookies,
    notes: &AuthNotes,
    mut request: Request,
    next: Next,
) -> Response {
    let token = cookies.session.as_ref().filter(|_| !request.headers().contains_key(header::AUTHORIZATION));
    let now = app.clock().now().unix_timestamp();
    let is_expired = |token: &&SessionToken| {
        token
            .unverified_number("exp")
            .is_some_and(|at| at <= now - crate::server::session::verify::ALLOWED_SKEW_SECONDS)
    };
    // Not worth a call unless the token is one of ours, and expired by nothing else than time.
    let expired = token.filter(is_expired).filter(|_| cookies.client_uat > 0);
    let (Some(secret), Some(token)) = (&cookies.refresh, expired) else { return next.run(request).await };
    if !matches!(app.verifier().verify(token).await, Err(crate::server::session::TokenError::Expired)) {
        return next.run(request).await;
    }
    let session = token.unverified_payload().and_then(|payload| SessionId::parse(payload.get("sid")?.as_str()?).ok());
    let Some(session) = session else {
        notes.note_refresh_failure("expired-session-token-missing-sid-claim");
        return next.run(request).await;
    };
    let body = json!({
        "format": "cookie",
        "expired_token": token.expose(),
        "refresh_token": secret.expose(),
        "request_origin": app.config().public_origin,
        "request_headers": told_headers(request.headers()),
    });
    let asked = tokio::time::timeout(RENEWAL_LIMIT, app.clerk().refresh_session(&session, cookies.suffixed, &body));
    let failure = match asked.await {
        Ok(Ok(directives)) => match checked(directives) {
            Ok(set) => {
                let mut headers = request.headers().clone();
                apply(&mut headers, &set);
                match read_cookies(app, &headers).session {
                    Some(renewed) if app.verifier().verify(&renewed).await.is_ok() => {
                        *request.headers_mut() = headers;
                        return with_cookies(next.run(request).await, &set);
                    }
                    _ => "invalid-session-token".to_owned(),
                }
            }
            Err(_) => "unexpected-bapi-error".to_owned(),
        },
        Ok(Err(ClerkError::Refused { code, .. })) if code == "unexpected_error" => "fetch-error".to_owned(),
        Ok(Err(ClerkError::Refused { code, .. })) => code,
        // Over our own limit is as good as out of reach: the handshake is next.
        Ok(Err(ClerkError::Unreachable(_) | ClerkError::Limited { .. })) => "fetch-error".to_owned(),
        Ok(Err(ClerkError::Unreadable)) => "unexpected-bapi-error".to_owned(),
        Err(_) => "fetch-error".to_owned(),
    };
    tracing::debug!(auth.refresh.failure = %failure, "the refresh endpoint did not renew a token");
    notes.note_refresh_failure(&failure);
    next.run(request).await
}

/// What Clerk is told of the request that asks: not the cookies, which it does not need.
fn told_headers(headers: &HeaderMap) -> serde_json::Map<String, serde_json::Value> {
    let told = [header::USER_AGENT, header::ORIGIN, header::REFERER, header::ACCEPT_LANGUAGE];
    let value = |name: &header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    told.iter().filter_map(|name| Some((name.to_string(), json!([value(name)?])))).collect()
}

/// The cookies behind a result.
async fn resolve(app: &AppState, result: &Handshaken) -> Result<Vec<String>, NoResult> {
    let directives = match result {
        Handshaken::Nonce(nonce) => {
            let asked = tokio::time::timeout(RENEWAL_LIMIT, app.clerk().handshake_payload(nonce.expose()));
            asked.await.map_err(|_| NoResult::Timeout)??
        }
        Handshaken::Token(token) => {
            let asked = tokio::time::timeout(RENEWAL_LIMIT, app.verifier().verify_handshake(token));
            asked.await.map_err(|_| NoResult::Timeout)?.ok_or(NoResult::NotClerks)?
        }
    };
    checked(directives)
}

/// Lets nothing through that is not a cookie.
fn checked(directives: Vec<String>) -> Result<Vec<String>, NoResult> {
    let is_cookie = |directive: &String| {
        directive.len() <= MAX_DIRECTIVE_BYTES
            && HeaderValue::from_str(directive).is_ok()
            && Cookie::parse(directive.as_str()).is_ok_and(|cookie| !cookie.name().is_empty())
    };
    if directives.len() > MAX_DIRECTIVES || !directives.iter().all(is_cookie) {
        return Err(NoResult::Unreadable);
    }
    Ok(directives)
}

/// Changes the request's cookies as the browser will change its own.
fn apply(headers: &mut HeaderMap, directives: &[String]) {
    let mut jar: Vec<(String, String)> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| Cookie::split_parse(value.to_owned()).flatten().collect::<Vec<_>>())
        .map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned()))
        .collect();
    for directive in directives.iter().filter_map(|directive| Cookie::parse(directive.as_str()).ok()) {
        jar.retain(|(name, _)| name != directive.name());
        let is_removed = directive.value().is_empty() || directive.max_age().is_some_and(|age| age.is_zero());
        if !is_removed {
            jar.push((directive.name().to_owned(), directive.value().to_owned()));
        }
    }
    headers.remove(header::COOKIE);
    let line = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    if let (false, Ok(line)) = (line.is_empty(), HeaderValue::from_str(&line)) {
        headers.insert(header::COOKIE, line);
    }
}

/// The redirect to Clerk, counted. `reason` is Clerk's name for the cause.
pub fn to_clerk(app: &AppState, uri: &Uri, headers: &HeaderMap, reason: &str) -> Response {
    let cookies = read_cookies(app, headers);
    let token = SessionToken::from_authorization(headers).or_else(|| cookies.session.clone());
    let back =
        format!("{}{}", app.config().public_origin, without(uri, &[cookies::DEVELOPMENT_BROWSER, "__dev_session"]));
    let location = address(app.config(), &back, reason, token.as_ref(), &cookies);
    let count = counter(cookies.handshakes + 1, COUNTER_SECONDS, app.config().is_https());
    with_cookies(redirect(&location), &[count])
}

/// Where a document goes that has its session renewed without a script: Clerk's handshake, and back to `path`.
pub fn address_for(app: &AppState, path: &str, headers: &HeaderMap) -> String {
    let cookies = read_cookies(app, headers);
    let back = format!("{}{path}", app.config().public_origin);
    address(app.config(), &back, "session-token-expired", None, &cookies)
}

/// `{Frontend API}/v1/client/handshake?…`.
fn address(config: &Config, back: &str, reason: &str, token: Option<&SessionToken>, cookies: &ClerkCookies) -> String {
    let base = config.clerk.frontend_base(&config.public_origin);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("redirect_url", back)
        .append_pair("__clerk_api_version", API_VERSION)
        .append_pair("suffixed_cookies", if cookies.suffixed { "true" } else { "false" })
        .append_pair("__clerk_hs_reason", reason)
        .append_pair("format", "nonce");
    if let Some(token) = token {
        query.append_pair(cookies::SESSION, token.expose());
    }
    if let (true, Some(browser)) = (config.clerk.is_development(), &cookies.development_browser) {
        query.append_pair(cookies::DEVELOPMENT_BROWSER, browser.expose());
    }
    format!("{base}/v1/client/handshake?{}", query.finish())
}

/// A handshake that could not reach Clerk goes back where it came from, as used up: there the person reads the cause.
pub fn back_from_unreachable_clerk(config: &Config, request: &Uri) -> Option<Response> {
    if request.path() != format!("{}/v1/client/handshake", frontend_proxy::PREFIX) {
        return None;
    }
    let query = request.query().unwrap_or_default();
    let (_, back) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "redirect_url")?;
    let back = Url::parse(&back).ok().filter(|back| back.origin().ascii_serialization() == config.public_origin)?;
    let set = [counter(COUNTER_FULL, USELESS_SECONDS, config.is_https())];
    Some(with_cookies(redirect(back.as_str()), &set))
}

fn counter(count: u32, seconds: u32, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{}={count}; Path=/; Max-Age={seconds}; SameSite=Lax; HttpOnly{secure}", cookies::REDIRECT_COUNT)
}

/// 307, as Clerk's adapters answer: the method stays, and it is never kept.
fn redirect(to: &str) -> Response {
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    match HeaderValue::from_str(to) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}

fn with_cookies(mut response: Response, set: &[String]) -> Response {
    for cookie in set.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The result in the address, as a development instance hands it over.
fn in_address(uri: &Uri) -> Option<Handshaken> {
    let find = |wanted: &str| {
        let query = uri.query()?;
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let nonce = find(cookies::HANDSHAKE_NONCE).and_then(|nonce| cookies::Hidden::new(&nonce)).map(Handshaken::Nonce);
    nonce.or_else(|| SessionToken::new(&find(cookies::HANDSHAKE)?).map(Handshaken::Token))
}

/// Path and query without some parameters; the others stay as they were written.
fn without(uri: &Uri, parameters: &[&str]) -> String {
    let is_kept = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        !parameters.contains(&name)
    };
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).filter(is_kept);
    let query = kept.collect::<Vec<_>>().join("&");
    if query.is_empty() { uri.path().to_owned() } else { format!("{}?{query}", uri.path()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_change_as_in_the_browser() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; b=2"));
        headers.append(header::COOKIE, HeaderValue::from_static("c=3"));
        let set = ["b=4; Path=/; HttpOnly", "c=; Path=/", "a=5; Max-Age=0", "d=6"].map(str::to_owned);
        apply(&mut headers, &set);
        assert_eq!(headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["b=4; d=6"]);
        apply(&mut headers, &["b=; Max-Age=0".to_owned(), "d=; Max-Age=0".to_owned()]);
        assert!(!headers.contains_key(header::COOKIE));
    }

    #[test]
    fn only_cookies_come_through() {
        assert!(checked(vec!["a=1; Path=/".to_owned()]).is_ok());
        for wrong in ["", "nonsense", "=1", "a=1\r\nSet-Cookie: b=2", "a=\u{0}"] {
            assert!(checked(vec![wrong.to_owned()]).is_err(), "{wrong:?}");
        }
        assert!(checked(vec![format!("a={}", "x".repeat(MAX_DIRECTIVE_BYTES))]).is_err());
        assert!(checked(vec!["a=1".to_owned(); MAX_DIRECTIVES + 1]).is_err());
    }

    #[test]
    fn addresses_lose_what_clerk_put_into_them() {
        let clean = |text: &str| without(&text.parse().expect("an address"), &RESULT_PARAMETERS);
        assert_eq!(clean("/dashboard?a=%20&__clerk_handshake_nonce=x&b=2"), "/dashboard?a=%20&b=2");
        assert_eq!(clean("/dashboard?__clerk_db_jwt=x"), "/dashboard");
        assert_eq!(clean("/"), "/");
    }
}
