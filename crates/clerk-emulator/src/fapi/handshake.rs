//! Navigations that end where they began: the handshake, which gives a server fresh cookies for a browser that
//! holds old ones, and the touch, which makes the client cookie last. Both go only to the site they came from.

use http::StatusCode;
use url::Url;

use super::visit::{Reply, Visit};
use crate::cookies::{HANDSHAKE, HANDSHAKE_NONCE};
use crate::errors::ApiError;
use crate::{tokens, users};

/// `GET /client/handshake`: in production the result travels in a cookie, in development, where that would be another
/// site's cookie, in the address.
pub(super) fn handshake(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let target = target(visit)?;
    let dev_browser = visit.is_development().then(|| {
        visit.speak_for(&target);
        visit.dev_browser()
    });
    let directives = directives(visit, dev_browser.as_deref());
    let (name, value) = if visit.call.query("format") == Some("nonce") {
        let nonce = visit.app.random.secret();
        visit.app.handshakes.keep(&nonce, directives, visit.app.clock.now_ms());
        (HANDSHAKE_NONCE, nonce)
    } else {
        (HANDSHAKE, tokens::handshake_token(visit.app, &directives))
    };
    if dev_browser.is_some() {
        return Ok(Reply::Redirect { location: with_result(target, name, &value), cookies: Vec::new() });
    }
    Ok(Reply::Redirect { location: target.into(), cookies: vec![visit.jar().handshake(name, &value)] })
}

/// `GET /client/touch`: makes the client cookie last another year.
pub(super) fn touch(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let location = target(visit)?.into();
    visit.renew_client_cookie();
    Ok(Reply::Redirect { location, cookies: Vec::new() })
}

/// The cookies that bring the browser up to date. Both handshake cookies are removed with them: the server that applies
/// the result would otherwise find its nonce again at the next request, and by then it has been used.
fn directives(visit: &Visit<'_>, dev_browser: Option<&str>) -> Vec<String> {
    let (jar, app) = (visit.jar(), visit.app);
    let mut directives = Vec::from(jar.client_uat(visit.client_uat()));
    directives.extend(dev_browser.into_iter().flat_map(|token| jar.dev_browser(token)));
    let live = visit.client().and_then(|client| {
        let id = visit.store.last_active_session_id(client, app.clock.now_ms())?;
        let session = visit.store.sessions.get(id)?;
        Some((session, visit.store.users.get(&session.user_id)?))
    });
    match live {
        Some((session, user)) => {
            directives.push(jar.refresh(&users::refresh_token(session)));
            directives.extend(jar.session(&tokens::session_token(app, user, session, visit.origin.as_deref())));
        }
        None => {
            directives.push(jar.refresh(""));
            directives.extend(jar.session(""));
        }
    }
    directives.extend([HANDSHAKE, HANDSHAKE_NONCE].map(|name| jar.handshake(name, "")));
    directives
}

/// The address with the result as a parameter, in place of an earlier one. The others stay as they were written.
fn with_result(mut address: Url, name: &str, value: &str) -> String {
    let earlier = |pair: &&str| [HANDSHAKE, HANDSHAKE_NONCE].contains(&pair.split('=').next().unwrap_or_default());
    let query = address.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !earlier(pair));
    let query = query.map(str::to_owned).chain([format!("{name}={value}")]).collect::<Vec<_>>().join("&");
    address.set_query(Some(&query));
    address.into()
}

/// The address to return to: on the proxy's own site, or on this machine when no proxy is in front.
fn target(visit: &Visit<'_>) -> Result<Url, ApiError> {
    let wanted = visit.call.query("redirect_url").ok_or_else(|| ApiError::missing("redirect_url"))?;
    let address = Url::parse(wanted).ok().filter(|address| matches!(address.scheme(), "http" | "https"));
    let allowed = address.filter(|address| match visit.proxy.as_deref() {
        Some(proxy) => address.origin().ascii_serialization() == proxy,
        None => matches!(address.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")),
    });
    allowed.ok_or_else(|| {
        let text = "redirect_url must be an absolute address on the site that sent the browser here.";
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_url_scheme", "Invalid redirect_url", text)
    })
}
