//! Minting of session tokens and template tokens: the one place where tokens are made.
//! A session token is always made from the records as they are now, and always says so in `oiat`, unless `faults` say
//! otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::claims_template;
use crate::faults::Minted;
use crate::objects;
use crate::records::{JwtTemplate, Session, User};

/// Token category of session tokens.
const SESSION_CATEGORY: &str = "cl_B7d4PD111AAA";
/// Token category of JWT-template tokens, which are no session tokens.
const TEMPLATE_CATEGORY: &str = "cl_B7d4PD222AAA";
/// Seconds before `iat` at which a session token is already valid: clocks differ.
const CLOCK_SKEW: i64 = 10;
/// Longest cookie that browsers store, name and attributes included.
const COOKIE_LIMIT: usize = 4096;

/// A session token for a browser, minted now. `azp` is the origin of the page that sent the request, where it is known.
pub(crate) fn session_token(app: &App, user: &User, session: &Session, azp: Option<&str>) -> String {
    handed_out(app, session, mint(app, user, session, azp, None, None), false)
}

/// `last_active_token` of an answer: minted now as well, unless old ones are set (`faults`).
pub(crate) fn last_active_token(app: &App, user: &User, session: &Session, azp: Option<&str>) -> String {
    match app.faults.old_token(&session.id, app.clock.now_ms()) {
        Some(old) => old.to_string(),
        None => handed_out(app, session, mint(app, user, session, azp, None, None), true),
    }
}

/// A session token as Clerk's edge renews it, without asking the records: custom claims and `oiat` are those of the
/// token that the client sent, or else of the last one handed out.
///
/// A token of another session or key, or none at all, leaves nothing to copy: the claims then come from the records. A
/// rejection with `missing_expired_token` would not help, because clerk-js does not repeat such a call when there is a minter.
pub(crate) fn copied_token(app: &App, user: &User, session: &Session, azp: Option<&str>, sent: Option<&str>) -> String {
    let seed = match sent {
        Some(sent) => read_seed(app, session, sent),
        None => app.faults.last_token(&session.id).and_then(|last| read_seed(app, session, &last)),
    };
    handed_out(app, session, mint(app, user, session, azp, None, seed), false)
}

/// A session token for a server, with its own lifetime in seconds. It is not what the browser holds.
pub(crate) fn server_token(
    app: &App,
    user: &User,
    session: &Session,
    azp: Option<&str>,
    lifetime: Option<i64>,
) -> String {
    mint(app, user, session, azp, lifetime, None).jwt.to_string()
}

fn handed_out(app: &App, session: &Session, token: Minted, is_last_active: bool) -> String {
    app.faults.handed_out(&session.id, &token, is_last_active);
    token.jwt.to_string()
}

/// What a copied token takes from the one before.
struct Seed {
    claims: Map<String, Value>,
    oiat: Option<i64>,
}

/// Reads a token of this session that was signed here, whatever its age.
fn read_seed(app: &App, session: &Session, token: &str) -> Option<Seed> {
    let claims = app.keys.read_signed(token)?;
    let header = BASE64URL.decode(token.split('.').next()?).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    let ours = header["cat"] == SESSION_CATEGORY && claims["sid"] == session.id.as_str();
    match claims {
        Value::Object(claims) if ours => Some(Seed { claims, oiat: header["oiat"].as_i64() }),
        _ => None,
    }
}

fn mint(
    app: &App,
    user: &User,
    session: &Session,
    azp: Option<&str>,
    lifetime: Option<i64>,
    seed: Option<Seed>,
) -> Minted {
    let settings = app.faults.settings();
    let lifetime = lifetime.or(settings.token_lifetime_s).unwrap_or(app.token_lifetime);
    let (mut claims, oiat) = match seed {
        Some(seed) => (seed.claims, seed.oiat),
        None => (claims_template::fill(&app.claims_template, &context(app, user, session)), Some(app.next_oiat())),
    };
    if settings.omit_custom_claims {
        claims.clear();
    }
    // The origin of the caller comes neither from a template nor from a seed.
    claims.remove("azp");
    if let Some(azp) = azp.filter(|_| !settings.omit_azp) {
        claims.insert("azp".to_owned(), json!(azp));
    }
    let (now, now_ms) = (app.clock.now_s(), app.clock.now_ms());
    insert_all(
        &mut claims,
        json!({
            "iss": app.settings.issuer, "sub": user.id, "sid": session.id, "jti": app.random.hex::<10>(), "v": 2,
            "iat": now, "nbf": now - CLOCK_SKEW, "exp": now + lifetime,
            "fva": [objects::minutes_since_sign_in(session, now_ms), -1], "sts": "active",
        }),
    );
    let jwt = sign(app, SESSION_CATEGORY, oiat.filter(|_| !settings.omit_oiat), Value::Object(claims));
    if jwt.len() > COOKIE_LIMIT - 64 {
        tracing::warn!(target: "clerk_emulator", bytes = jwt.len(), "the session token is too large for a cookie: browsers will drop it silently");
    }
    Minted { jwt: jwt.into(), from: now * 1000, until: (now + lifetime) * 1000 }
}

/// A fresh token from a JWT template.
pub(crate) fn template_token(
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
    sign(app, TEMPLATE_CATEGORY, Some(app.next_oiat()), Value::Object(claims))
}

/// A handshake token: the cookies to set, signed.
pub(crate) fn handshake_token(app: &App, directives: &[String]) -> String {
    sign(app, SESSION_CATEGORY, Some(app.next_oiat()), json!({"handshake": directives}))
}

fn sign(app: &App, category: &str, oiat: Option<i64>, claims: Value) -> String {
    let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": app.keys.key_id, "cat": category});
    if let Some(oiat) = oiat {
        header["oiat"] = json!(oiat);
    }
    app.keys.sign(&header, &claims)
}

fn insert_all(claims: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        claims.extend(more);
    }
}

/// What shortcodes can name. Private metadata is not among it.
fn context(app: &App, user: &User, session: &Session) -> Value {
    let mut object = objects::user(user);
    object["public_metadata"] = app.faults.visible_metadata(&user.id, &user.public_metadata, app.clock.now_ms());
    let primary = user.primary_email();
    let full_name = [user.first_name.as_deref(), user.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    object["full_name"] = if full_name.is_empty() { Value::Null } else { json!(full_name.join(" ")) };
    object["primary_email_address"] = json!(primary.map(|email| &email.address));
    object["email_verified"] = json!(primary.is_some_and(|email| email.verified));
    json!({"user": object, "session": {"id": session.id, "created_at": session.created_at}})
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
