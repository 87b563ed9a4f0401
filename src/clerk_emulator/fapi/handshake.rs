//! Navigations that end where they began: the handshake, which gives a server fresh cookies for a browser that
//! holds old ones, and the touch, which makes the client cookie last. Both go only to the site they came from.

use http::StatusCode;
use url::Url;

use super::super::cookies::{HANDSHAKE, HANDSHAKE_NONCE};
use super::super::errors::ApiError;
use super::super::{objects, people, tokens};
use super::visit::{Reply, Visit};

/// `GET /client/handshake`: in production the result travels in a cookie, not in the address.
pub(super) fn handshake(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let location = target(visit)?;
    let directives = directives(visit);
    let jar = visit.jar();
    let cookie = if visit.call.query("format") == Some("nonce") {
        let nonce = visit.app.random.secret();
        visit.app.handshakes.keep(&nonce, directives, visit.app.clock.now_ms());
        jar.handshake(HANDSHAKE_NONCE, &nonce)
    } else {
        jar.handshake(HANDSHAKE, &tokens::handshake_token(visit.app, &directives))
    };
    Ok(Reply::Redirect { location, cookies: vec![cookie] })
}

/// `GET /client/touch`: makes the client cookie last another year.
pub(super) fn touch(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let location = target(visit)?;
    visit.renew_client_cookie();
    Ok(Reply::Redirect { location, cookies: Vec::new() })
}

/// The cookies that bring the browser up to date. Both handshake cookies are removed with them: whoever applies the
/// result would otherwise find its nonce again at the next request, and by then it has been used.
fn directives(visit: &Visit<'_>) -> Vec<String> {
    let (jar, app) = (visit.jar(), visit.app);
    let mut directives = Vec::from(jar.client_uat(visit.client_uat()));
    let live = visit.client().and_then(|client| {
        let id = objects::last_active_session_id(app, visit.store, client)?;
        let session = visit.store.sessions.get(id)?;
        Some((session, visit.store.users.get(&session.user_id)?))
    });
    match live {
        Some((session, user)) => {
            directives.push(jar.refresh(&people::refresh_token(session)));
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

/// The address to return to: on the proxy's own site, or on this machine when no proxy is in front.
fn target(visit: &Visit<'_>) -> Result<String, ApiError> {
    let wanted = visit.call.query("redirect_url").ok_or_else(|| ApiError::missing("redirect_url"))?;
    let address = Url::parse(wanted).ok().filter(|address| matches!(address.scheme(), "http" | "https"));
    let allowed = address.filter(|address| match visit.proxy.as_deref() {
        Some(proxy) => address.origin().ascii_serialization() == proxy,
        None => matches!(address.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")),
    });
    allowed.map(|address| address.to_string()).ok_or_else(|| {
        let text = "redirect_url must be an absolute address on the site that sent the browser here.";
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_url_scheme", "Invalid redirect_url", text)
    })
}
