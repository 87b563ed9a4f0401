//! What a token says, checked with an independent verifier.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::*;
use crate::keys::Keys;
use crate::options::{Instance, Options};
use crate::random::Random;
use crate::settings::Settings;
use crate::store::Store;
use crate::users;

fn app() -> App {
    let keys = Keys::open(None, &Random, Instance::Production).expect("keys");
    let settings = Settings {
        publishable_key: keys.publishable_key(),
        secret_key: keys.secret_key.clone(),
        issuer: keys.issuer(),
        api_url: String::new(),
        frontend_api_url: String::new(),
        direct: None,
        webhook_secret: keys.webhook_secret.clone(),
        inbox_url: String::new(),
        control_url: String::new(),
        jwt_public_key_pem: keys.public_key_pem().expect("a key"),
    };
    let claims = json!({"metadata": "{{user.public_metadata}}", "name": "{{user.full_name}}", "sub": "forged"});
    let options = Options { claims_template: claims, ..Options::default() };
    App::new(options, settings, keys, Store::default())
}

fn signed_in(app: &App) -> (User, Session) {
    let mut store = app.store();
    let mut user = users::new_user(app, Some("Ada@Example.test"), None);
    user.first_name = Some("Ada".to_owned());
    user.public_metadata = json!({"role": "owner"});
    store.put(user.clone());
    let client = users::new_client(app, &mut store);
    let session =
        users::begin_session(app, &mut store, &user.id, &client.id, users::Visitor::default()).expect("a session");
    (user, session)
}

fn decoded(app: &App, token: &str) -> (Value, Value) {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[&app.settings.issuer]);
    let key = DecodingKey::from_rsa_pem(app.settings.jwt_public_key_pem.as_bytes()).expect("a public key");
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).expect("a valid token").claims;
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a header"));
    (serde_json::from_slice(&header.expect("base64")).expect("JSON"), claims)
}

#[test]
fn a_session_token_names_user_origin_and_expiry() {
    let app = app();
    let (user, session) = signed_in(&app);
    let (header, claims) = decoded(&app, &session_token(&app, &user, &session, Some("http://localhost:3000")));
    assert_eq!(header["alg"], "RS256");
    assert_eq!(header["typ"], "JWT");
    assert_eq!(header["cat"], SESSION_CATEGORY);
    assert_eq!(header["kid"], app.keys.key_id.as_str());
    assert!(header["oiat"].as_i64() >= claims["iat"].as_i64());
    assert_eq!(claims["sub"], user.id.as_str());
    assert_eq!(claims["sid"], session.id.as_str());
    assert_eq!(claims["azp"], "http://localhost:3000");
    assert_eq!(claims["v"], 2);
    assert_eq!(claims["fva"], json!([0, -1]));
    assert_eq!(claims["metadata"], json!({"role": "owner"}));
    assert_eq!(claims["name"], "Ada");
    let number = |name: &str| claims[name].as_i64().expect("a number");
    assert_eq!(number("exp") - number("iat"), 60);
    assert!(number("nbf") < number("iat"));
}

#[test]
fn without_an_origin_there_is_no_azp() {
    let app = app();
    let (user, session) = signed_in(&app);
    let (_, claims) = decoded(&app, &session_token(&app, &user, &session, None));
    assert!(claims.get("azp").is_none());
}

#[test]
fn a_template_token_is_no_session_token() {
    let app = app();
    let (user, session) = signed_in(&app);
    let template = JwtTemplate {
        id: "jtmp_1".to_owned(),
        name: "reports".to_owned(),
        claims: json!({"role": "{{user.public_metadata.role}}", "sid": "forged"}),
        lifetime: 120,
        allowed_clock_skew: 5,
        created_at: 0,
        updated_at: 0,
    };
    let (header, claims) = decoded(&app, &template_token(&app, &template, &user, &session, None));
    assert_eq!(header["cat"], TEMPLATE_CATEGORY);
    assert_eq!(claims["role"], "owner");
    for absent in ["sid", "v", "sts", "fva"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn a_token_signed_here_is_recognized_and_another_is_not() {
    let (app, other) = (app(), app());
    let (user, session) = signed_in(&app);
    let token = session_token(&app, &user, &session, None);
    assert!(app.keys.read_signed(&token).is_some());
    assert!(other.keys.read_signed(&token).is_none());
    assert!(app.keys.read_signed("nonsense").is_none());
}

#[test]
fn every_change_moves_updated_at_forward() {
    let app = app();
    let (user, _) = signed_in(&app);
    let mut store = app.store();
    let mut last = store.users[&user.id].updated_at;
    for _ in 0..5 {
        let changed = users::change_user(&app, &mut store, &user.id, |_| ()).expect("a user");
        assert!(changed.updated_at > last);
        last = changed.updated_at;
    }
}
