//! Minting of session tokens and template tokens: the one place where a token comes into being.
//! A session token is always made from the records as they are now, and always says so in `oiat`.

use serde_json::{Map, Value, json};

use super::app::App;
use super::claims_template;
use super::objects;
use super::records::{JwtTemplate, Session, User};

/// Token category of session tokens.
const SESSION_CATEGORY: &str = "cl_B7d4PD111AAA";
/// Token category of JWT-template tokens, which are no session tokens.
const TEMPLATE_CATEGORY: &str = "cl_B7d4PD222AAA";
/// Seconds before `iat` at which a session token is already valid: clocks differ.
const CLOCK_SKEW: i64 = 10;
/// Longest cookie that browsers store, name and attributes included.
const COOKIE_LIMIT: usize = 4096;

/// A fresh session token. `azp` is the origin of the page that asked, where it is known.
pub(super) fn session_token(app: &App, user: &User, session: &Session, azp: Option<&str>) -> String {
    session_token_for(app, user, session, azp, app.token_lifetime)
}

/// As `session_token`, with a lifetime in seconds.
pub(super) fn session_token_for(app: &App, user: &User, session: &Session, azp: Option<&str>, lifetime: i64) -> String {
    let mut claims = claims_template::fill(&app.claims_template, &context(app, user, session));
    let now = app.clock.now_s();
    if let Some(azp) = azp {
        claims.insert("azp".to_owned(), json!(azp));
    }
    let minutes = (app.clock.now_ms() - session.first_factor_at) / 60_000;
    insert_all(
        &mut claims,
        json!({
            "iss": app.settings.issuer, "sub": user.id, "sid": session.id, "jti": app.random.hex::<10>(), "v": 2,
            "iat": now, "nbf": now - CLOCK_SKEW, "exp": now + lifetime, "fva": [minutes, -1], "sts": "active",
        }),
    );
    let token = sign(app, SESSION_CATEGORY, Value::Object(claims));
    if token.len() > COOKIE_LIMIT - 64 {
        tracing::warn!(target: "clerk_emulator", bytes = token.len(), "the session token is too large for a cookie: browsers will drop it silently");
    }
    token
}

/// A fresh token from a JWT template.
pub(super) fn template_token(
    app: &App,
    template: &JwtTemplate,
    user: &User,
    session: &Session,
    azp: Option<&str>,
) -> String {
    let mut claims = claims_template::fill(&template.claims, &context(app, user, session));
    let now = app.clock.now_s();
    if let Some(azp) = azp {
        claims.insert("azp".to_owned(), json!(azp));
    }
    insert_all(
        &mut claims,
        json!({
            "iss": app.settings.issuer, "sub": user.id, "jti": app.random.hex::<10>(),
            "iat": now, "nbf": now - template.allowed_clock_skew, "exp": now + template.lifetime,
        }),
    );
    sign(app, TEMPLATE_CATEGORY, Value::Object(claims))
}

/// A handshake token: the cookies to set, signed.
pub(super) fn handshake_token(app: &App, directives: &[String]) -> String {
    sign(app, SESSION_CATEGORY, json!({"handshake": directives}))
}

fn sign(app: &App, category: &str, claims: Value) -> String {
    let header =
        json!({"alg": "RS256", "typ": "JWT", "kid": app.keys.key_id, "cat": category, "oiat": app.next_oiat()});
    app.keys.sign(&header, &claims)
}

fn insert_all(claims: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        claims.extend(more);
    }
}

/// What shortcodes can name. Private metadata is not among it.
fn context(app: &App, user: &User, session: &Session) -> Value {
    let mut person = objects::user(user);
    person["public_metadata"] = app.control.visible(&user.id, &user.public_metadata, app.clock.now_ms());
    let primary = user.primary_email();
    let full_name = [user.first_name.as_deref(), user.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    person["full_name"] = if full_name.is_empty() { Value::Null } else { json!(full_name.join(" ")) };
    person["primary_email_address"] = json!(primary.map(|email| &email.address));
    person["email_verified"] = json!(primary.is_some_and(|email| email.verified));
    json!({"user": person, "session": {"id": session.id, "created_at": session.created_at}})
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
