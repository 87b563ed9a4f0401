//! Every door says the same: one table of what a request may carry, and what pages, forms, server functions and API
//! routes answer to it. `model::gate` decides; this shows over HTTP that every door asks it and carries its verdict out.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::keys::{claims, header, stranger, token, token_for, token_with};
use crate::support::{COOKIE_SUFFIX, NOW, Reply, TestApp, Who, request};

const ADA: &str = "user_ada";

/// What a page does, beside being shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Shown,
    /// 303 to the sign-in page, and back here.
    SignIn,
    /// 303 to the token-pending screen, and back here.
    Wait,
    /// 307 to Clerk's handshake, and back here.
    Clerk,
    /// 303 to the form that creates an organization.
    Onboarding,
    /// 401, with the cause.
    Refused,
    /// 503, with a retry.
    Outage,
}
use Page::*;

/// What a call is answered: a status and a code.
type Call = Option<(u16, &'static str)>;
/// The caller is let through.
const THROUGH: Call = None;
const SIGNED_OUT: Call = Some((401, "signed_out"));
const STALE: Call = Some((401, "session_stale"));
const REFUSED: Call = Some((401, "session_refused"));
const PENDING: Call = Some((403, "session_pending"));
const UNAVAILABLE: Call = Some((503, "unavailable"));

/// One line of the table.
struct Row {
    /// What the request carries.
    carries: &'static str,
    /// Every JSON door.
    call: Call,
    /// A page that a browser navigates to; only there a redirect to Clerk can help.
    document: Page,
    /// The same page, fetched by a script.
    fetched: Page,
    /// A form of a page inside.
    form: Page,
}

const fn row(carries: &'static str, call: Call, document: Page, fetched: Page, form: Page) -> Row {
    Row { carries, call, document, fetched, form }
}

const TABLE: [Row; 16] = [
    row("nothing", SIGNED_OUT, SignIn, SignIn, SignIn),
    row("a sign-in without a token", STALE, Clerk, Wait, Wait),
    row("a token without a sign-in", STALE, Clerk, Wait, Wait),
    row("a token older than the sign-in", STALE, Clerk, Wait, Wait),
    row("an expired token", STALE, Clerk, Wait, Wait),
    row("a token that is not valid yet", STALE, Clerk, Wait, Wait),
    row("a token that names no site", STALE, Wait, Wait, Wait),
    row("a token for another site", REFUSED, Refused, Refused, Refused),
    row("a token of another issuer", REFUSED, Refused, Refused, Refused),
    row("a token with a forged signature", REFUSED, Refused, Refused, Refused),
    row("a token with a pending task", PENDING, SignIn, SignIn, SignIn),
    row("a user without an organization", THROUGH, Onboarding, Onboarding, Onboarding),
    // A form was shown before, so a token that is behind does not interrupt it.
    row("a token that is behind", THROUGH, Wait, Wait, Shown),
    row("a token that names the organization", THROUGH, Shown, Shown, Shown),
    row("a token while the keys are unreachable", UNAVAILABLE, Outage, Outage, Outage),
    row("a token while the database is unreachable", UNAVAILABLE, Outage, Outage, Outage),
];

/// The credentials of one request.
enum Carried {
    Nothing,
    Cookies(String),
    Bearer(String),
}

/// A token as a browser and as a program carry it.
fn both(token: &str) -> Vec<Carried> {
    vec![with_uat(token, NOW), Carried::Bearer(token.to_owned())]
}

fn with_uat(token: &str, uat: i64) -> Carried {
    let suffix = COOKIE_SUFFIX;
    Carried::Cookies(format!("__session_{suffix}={token}; __client_uat_{suffix}={uat}; __client_uat={uat}"))
}

fn carried(carries: &str, organization: &str) -> Vec<Carried> {
    let named = token_for(ADA, organization);
    let changed = |change: Value| both(&token_with(ADA, &change));
    match carries {
        "nothing" => vec![Carried::Nothing],
        "a sign-in without a token" => vec![Carried::Cookies(format!("__client_uat={NOW}"))],
        "a token without a sign-in" => vec![Carried::Cookies(format!("__session={named}"))],
        "a token older than the sign-in" => vec![with_uat(&named, NOW + 1)],
        "an expired token" => changed(json!({"iat": NOW - 120, "nbf": NOW - 130, "exp": NOW - 60})),
        "a token that is not valid yet" => changed(json!({"nbf": NOW + 600, "exp": NOW + 660})),
        "a token that names no site" => changed(json!({"azp": null})),
        "a token for another site" => changed(json!({"azp": "https://evil.example"})),
        "a token of another issuer" => changed(json!({"iss": "https://clerk.other.test"})),
        "a token with a forged signature" => both(&stranger().sign(&header(), &claims(ADA))),
        "a token with a pending task" => changed(json!({"sts": "pending"})),
        "a user without an organization" => both(&token("user_eve")),
        "a token that is behind" => both(&token(ADA)),
        _ => both(&named),
    }
}

/// The app in the row's state, and Ada's organization there.
async fn app_for(row: &Row) -> (TestApp, String) {
    if row.carries.contains("keys are unreachable") {
        // No user got in, so there is no organization to name.
        return (
            TestApp::start_with(&[("CLERK_JWT_KEY", "")]).await,
            "00000000-0000-0000-0000-000000000000".to_owned(),
        );
    }
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    (app, id)
}

/// A request to a door.
struct Door {
    method: Method,
    path: &'static str,
    /// Its content type and content, if it has one.
    body: Option<(&'static str, &'static str)>,
    document: bool,
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn door(method: Method, path: &'static str, body: Option<(&'static str, &'static str)>) -> Door {
    Door { method, path, body, document: false }
}

async fn knock(app: &TestApp, door: &Door, carried: &Carried) -> Reply {
    // Every request says that it comes from our own page.
    let mut builder = request(door.method.clone(), door.path, Who::SignedOut);
    match carried {
        Carried::Nothing => {}
        Carried::Cookies(cookies) => builder = builder.header("cookie", cookies),
        Carried::Bearer(token) => builder = builder.header("authorization", format!("Bearer {token}")),
    }
    if door.document {
        builder = builder.header("sec-fetch-dest", "document").header("accept", "text/html");
    }
    let (content_type, body) = door.body.unwrap_or(("text/plain", ""));
    if door.body.is_some() {
        builder = builder.header("content-type", content_type);
    }
    app.send(builder.body(Body::from(body)).expect("a request")).await
}

/// Doors that answer JSON, with what each answers to those who are let through. None of them changes anything.
fn calls() -> Vec<(Door, u16, Option<&'static str>)> {
    let post = |path, body| door(Method::POST, path, Some((JSON, body)));
    vec![
        (door(Method::GET, "/api/me", None), 200, None),
        (post("/api/rpc/session_status", "{}"), 200, None),
        (post("/api/rpc/check_slug", r#"{"slug":"free"}"#), 200, None),
        (post("/api/rpc/create_organization", r#"{"name":"","slug":"free"}"#), 422, Some("invalid")),
        (post("/api/organizations/create", r#"{"name":"","slug":"free"}"#), 422, Some("invalid")),
    ]
}

/// What a page did. `here`: its address, to which the user comes back; `shown`: the status with which it is shown.
fn page_of(reply: &Reply, here: &str, shown: StatusCode) -> Page {
    let location = reply.header("location");
    let back = encoded(here);
    match reply.status {
        StatusCode::SEE_OTHER if location == format!("/sign-in?next={back}") => SignIn,
        StatusCode::SEE_OTHER if location == format!("/token-pending?next={back}") => Wait,
        StatusCode::SEE_OTHER if location == "/onboarding" => Onboarding,
        StatusCode::TEMPORARY_REDIRECT
            if location.starts_with("https://app.example.com/__clerk/v1/client/handshake?")
                && location.contains("redirect_url=https%3A%2F%2Fapp.example.com%2F") =>
        {
            Clerk
        }
        StatusCode::UNAUTHORIZED if reply.body.contains("Waiting or refreshing will not change this") => Refused,
        StatusCode::SERVICE_UNAVAILABLE if reply.body.contains(r#"http-equiv="refresh""#) => Outage,
        status if status == shown && reply.body.contains("Acme Studio") => Shown,
        _ => panic!("{here}: {reply:?}"),
    }
}

fn encoded(target: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    target.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

async fn check_calls(app: &TestApp, row: &Row, carried: &Carried) {
    for (door, status, code) in calls() {
        let reply = knock(app, &door, carried).await;
        let found = (reply.status.as_u16(), reply.json()["code"].as_str().map(str::to_owned));
        let expected = match row.call {
            Some((status, code)) => (status, Some(code.to_owned())),
            None => (status, code.map(str::to_owned)),
        };
        assert_eq!(found, expected, "{}: {} {}: {reply:?}", row.carries, door.method, door.path);
        assert_eq!(reply.header("location"), "", "{}: a call is answered", row.carries);
        if found.1.is_some() {
            assert_eq!(reply.text("/request_id"), reply.header("x-request-id"), "{}: {}", row.carries, door.path);
        }
    }
}

async fn check_pages(app: &TestApp, row: &Row, carried: &Carried) {
    for path in ["/dashboard", "/settings", "/o/acme"] {
        let fetched = door(Method::GET, path, None);
        let reply = knock(app, &fetched, carried).await;
        assert_eq!(page_of(&reply, path, StatusCode::OK), row.fetched, "{}: {path}", row.carries);
        let reply = knock(app, &Door { document: true, ..fetched }, carried).await;
        assert_eq!(page_of(&reply, path, StatusCode::OK), row.document, "{}: {path} as a document", row.carries);
    }
    // An invalid name, so that nothing is changed by those who may.
    let reply = knock(app, &door(Method::POST, "/settings", Some((FORM, "name=+"))), carried).await;
    let page = page_of(&reply, "/settings?name=+&renewed=1", StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(page, row.form, "{}: POST /settings", row.carries);
}

/// The form of the entrance answers as calls do, with itself around the answer: what was typed is still there.
async fn check_onboarding(app: &TestApp, row: &Row, carried: &Carried) {
    let typed = "name=+&slug=kept-here";
    let reply = knock(app, &door(Method::POST, "/onboarding", Some((FORM, typed))), carried).await;
    let note = format!("{}: POST /onboarding: {reply:?}", row.carries);
    if row.call == STALE {
        // Only a GET can be renewed.
        assert_eq!(reply.location(), "/onboarding?name=+&slug=kept-here&renewed=1", "{note}");
        return;
    }
    let (status, text) = match row.call {
        SIGNED_OUT => (401, "You’re signed out."),
        REFUSED => (401, "This app does not accept your session"),
        PENDING => (403, "The sign-in service wants something done first."),
        UNAVAILABLE => (503, "We can’t reach a service we need."),
        _ => (422, "Enter a name for your organization."),
    };
    assert_eq!(reply.status.as_u16(), status, "{note}");
    assert!(reply.body.contains(text) && reply.body.contains(r#"value="kept-here""#), "{note}");
}

#[tokio::test]
async fn every_door_says_the_same() {
    for row in &TABLE {
        let (app, id) = app_for(row).await;
        let before = app.database.counts().await;
        if row.carries.contains("database is unreachable") {
            app.pools.request.close().await;
        }
        for carried in carried(row.carries, &id) {
            check_calls(&app, row, &carried).await;
            check_pages(&app, row, &carried).await;
            check_onboarding(&app, row, &carried).await;
        }
        app.settled().await;
        assert_eq!(app.database.counts().await, before, "{}: nothing was written", row.carries);
        assert_eq!(app.clerk.revoked(), Vec::<String>::new(), "{}: no user was signed out", row.carries);
    }
}
