//! Clerk's handshake on our side: sending a browser with an old session to Clerk, and putting
//! what it brings back into the very request that brought it. The refresh endpoint does the same without the redirect.
//!
//! What must stay true:
//! - Only documents that a browser gets by GET are touched; a script's call and a form keep their typed answer.
//! - What comes back is trusted because it is Clerk's (a nonce fetched with the secret key, or Clerk's signature), and the
//!   session inside it is verified like any other.
//! - In production the result travels in a cookie only: a link cannot sign its visitor in.
//! - A request that brought a result is not sent to Clerk again, whatever is in it; a result that could not be had stops
//!   further handshakes for [`USELESS_SECONDS`]. With Clerk's own counter this bounds every path, also a slow one.
//! - All of it is over within [`RENEWAL_LIMIT`].

use std::borrow::Cow;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cookie::{Cookie, CookieBuilder, SameSite};
use serde_json::json;
use url::Url;

use crate::model::ids::SessionId;
use crate::server::access::{Renewal, Sessions, is_document};
use crate::server::clerk::PROXY_PREFIX;
use crate::server::clerk::backend_api::BackendApi;
use crate::server::clerk::backend_api::ClerkError;
use crate::server::origin::PublicOrigin;
use crate::server::session::TokenError;
use crate::server::session::cookies::{self, ClerkCookies, Handshaken};
use crate::server::session::instance::ClerkInstance;
use crate::server::session::token::SessionToken;
use crate::server::session::verify::ALLOWED_SKEW_SECONDS;

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

/// Before a page is asked: applies what a handshake has brought, or renews an expired token by the refresh cookie. What
/// came of it travels on in the request's extensions.
pub async fn renew(
    State(sessions): State<Sessions>,
    State(clerk): State<BackendApi>,
    mut request: Request,
    next: Next,
) -> Response {
    if !is_document(request.method(), request.headers()) {
        return next.run(request).await;
    }
    let (development, secure) = (sessions.instance().development, sessions.instance().origin.is_https());
    let mut cookies = sessions.read_cookies(request.headers());
    if development && let Some(result) = in_address(request.uri()) {
        cookies.handshake = Some(result);
    }
    let Some(result) = cookies.handshake.take() else {
        let refreshed = refresh(&sessions, &clerk, &cookies, request.headers()).await;
        return match refreshed {
            Refreshed::NotTried => next.run(request).await,
            Refreshed::Failed(why) => {
                request.extensions_mut().insert(Renewal { refresh_failure: Some(why), ..Renewal::default() });
                next.run(request).await
            }
            Refreshed::Renewed { headers, set } => {
                *request.headers_mut() = headers;
                with_cookies(next.run(request).await, &set)
            }
        };
    };

    let resolved = resolve(&sessions, &clerk, &result).await;
    // As in Clerk's own library, a token that is not Clerk's says nothing, and a nonce without a result says that no user is
    // signed in.
    let heard = resolved.is_ok() || matches!(result, Handshaken::Nonce(_));
    let mut set = match &resolved {
        Ok(directives) => directives.clone(),
        Err(cause) => {
            tracing::warn!(auth.handshake.cause = %cause, "a handshake's result could not be had");
            vec![counter(COUNTER_FULL, USELESS_SECONDS, secure)]
        }
    };
    // Clerk may forget to: every later request would find a nonce that is used up.
    for name in [cookies::HANDSHAKE, cookies::HANDSHAKE_NONCE] {
        set.push(removed(name, secure));
    }
    if development {
        // The result stands in the address: take it out, and do not begin anew at once.
        if resolved.is_ok() {
            set.push(counter(COUNTER_FULL, COUNTER_SECONDS, secure));
        }
        let origin = sessions.instance().origin.as_str();
        let clean = format!("{origin}{}", without(request.uri(), &RESULT_PARAMETERS));
        return with_cookies(redirect(&clean), &set);
    }
    apply(request.headers_mut(), &set);
    // A second handshake would bring nothing new.
    request.extensions_mut().insert(Renewal { exhausted: true, heard, refresh_failure: None });
    with_cookies(next.run(request).await, &set)
}

/// What the refresh endpoint brought.
enum Refreshed {
    /// There is nothing to refresh, or nothing to do it with.
    NotTried,
    /// Why not, in Clerk's words.
    Failed(String),
    /// The request's headers with the new cookies, and what the browser is to set.
    Renewed { headers: HeaderMap, set: Vec<String> },
}

/// Renews an expired token by the refresh cookie, where there is one.
async fn refresh(sessions: &Sessions, clerk: &BackendApi, cookies: &ClerkCookies, headers: &HeaderMap) -> Refreshed {
    let token = cookies.session.as_ref().filter(|_| !headers.contains_key(header::AUTHORIZATION));
    let now = sessions.now();
    let is_expired =
        |token: &&SessionToken| token.unverified_number("exp").is_some_and(|at| at <= now - ALLOWED_SKEW_SECONDS);
    // Not worth a call unless the token is one of ours, and expired by nothing else than time.
    let expired = token.filter(is_expired).filter(|_| cookies.client_uat > 0);
    let (Some(secret), Some(token)) = (&cookies.refresh, expired) else { return Refreshed::NotTried };
    if !matches!(sessions.verifier().verify(token).await, Err(TokenError::Expired)) {
        return Refreshed::NotTried;
    }
    let session = token.unverified_payload().and_then(|payload| SessionId::parse(payload.get("sid")?.as_str()?).ok());
    let Some(session) = session else {
        return Refreshed::Failed("expired-session-token-missing-sid-claim".to_owned());
    };
    let body = json!({
        "format": "cookie",
        "expired_token": token.expose(),
        "refresh_token": secret.expose(),
        "request_origin": sessions.instance().origin.as_str(),
        "request_headers": forwarded_headers(headers),
    });
    let asked = tokio::time::timeout(RENEWAL_LIMIT, clerk.refresh_session(&session, cookies.suffixed, &body));
    let failure = match asked.await {
        Ok(Ok(directives)) => match checked(directives) {
            Ok(set) => {
                let mut headers = headers.clone();
                apply(&mut headers, &set);
                match sessions.read_cookies(&headers).session {
                    Some(renewed) if sessions.verifier().verify(&renewed).await.is_ok() => {
                        return Refreshed::Renewed { headers, set };
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
    Refreshed::Failed(failure)
}

/// What Clerk gets of the request's headers: not the cookies, which it does not need.
fn forwarded_headers(headers: &HeaderMap) -> serde_json::Map<String, serde_json::Value> {
    let forwarded = [header::USER_AGENT, header::ORIGIN, header::REFERER, header::ACCEPT_LANGUAGE];
    let value = |name: &header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    forwarded.iter().filter_map(|name| Some((name.to_string(), json!([value(name)?])))).collect()
}

/// The cookies behind a result.
async fn resolve(sessions: &Sessions, clerk: &BackendApi, result: &Handshaken) -> Result<Vec<String>, NoResult> {
    let directives = match result {
        Handshaken::Nonce(nonce) => {
            let asked = tokio::time::timeout(RENEWAL_LIMIT, clerk.handshake_payload(nonce.expose()));
            asked.await.map_err(|_| NoResult::Timeout)??
        }
        Handshaken::Token(token) => {
            let asked = tokio::time::timeout(RENEWAL_LIMIT, sessions.verifier().verify_handshake(token));
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
pub fn to_clerk(sessions: &Sessions, uri: &Uri, headers: &HeaderMap, reason: &str) -> Response {
    let cookies = sessions.read_cookies(headers);
    let instance = sessions.instance();
    let token = SessionToken::from_authorization(headers).or_else(|| cookies.session.clone());
    let path = without(uri, &[cookies::DEVELOPMENT_BROWSER, "__dev_session"]);
    let back = format!("{}{path}", instance.origin.as_str());
    let location = address(instance, &back, reason, token.as_ref(), &cookies);
    let count = counter(cookies.handshakes + 1, COUNTER_SECONDS, instance.origin.is_https());
    with_cookies(redirect(&location), &[count])
}

/// Where a document goes that has its session renewed without a script: Clerk's handshake, and back to `path`.
pub fn address_for(sessions: &Sessions, path: &str, headers: &HeaderMap) -> String {
    let cookies = sessions.read_cookies(headers);
    let back = format!("{}{path}", sessions.instance().origin.as_str());
    address(sessions.instance(), &back, "session-token-expired", None, &cookies)
}

/// `{Frontend API}/v1/client/handshake?…`.
fn address(
    instance: &ClerkInstance,
    back: &str,
    reason: &str,
    token: Option<&SessionToken>,
    cookies: &ClerkCookies,
) -> String {
    let base = &instance.frontend_base;
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
    if let (true, Some(browser)) = (instance.development, &cookies.development_browser) {
        query.append_pair(cookies::DEVELOPMENT_BROWSER, browser.expose());
    }
    format!("{base}/v1/client/handshake?{}", query.finish())
}

/// A handshake that could not reach Clerk goes back where it came from, as used up: there the user reads the cause.
pub fn back_from_unreachable_clerk(origin: &PublicOrigin, request: &Uri) -> Option<Response> {
    if request.path() != format!("{}/v1/client/handshake", PROXY_PREFIX) {
        return None;
    }
    let query = request.query().unwrap_or_default();
    let (_, back) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "redirect_url")?;
    let back = Url::parse(&back).ok().filter(|back| back.origin().ascii_serialization() == origin.as_str())?;
    let set = [counter(COUNTER_FULL, USELESS_SECONDS, origin.is_https())];
    Some(with_cookies(redirect(back.as_str()), &set))
}

fn counter(count: u32, seconds: u32, secure: bool) -> String {
    own_cookie(cookies::REDIRECT_COUNT, count.to_string(), secure)
        .max_age(cookie::time::Duration::seconds(seconds.into()))
        .http_only(true)
        .build()
        .to_string()
}

/// A `Set-Cookie` header.
pub fn set_cookie(cookie: Cookie<'_>) -> (header::HeaderName, String) {
    (header::SET_COOKIE, cookie.to_string())
}

fn removed(name: &'static str, secure: bool) -> String {
    own_cookie(name, String::new(), secure).max_age(cookie::time::Duration::ZERO).build().to_string()
}

/// A cookie as this site sets it.
pub fn own_cookie(name: impl Into<Cow<'static, str>>, value: String, secure: bool) -> CookieBuilder<'static> {
    let cookie = Cookie::build((name.into(), value)).path("/").same_site(SameSite::Lax);
    if secure { cookie.secure(true) } else { cookie }
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
