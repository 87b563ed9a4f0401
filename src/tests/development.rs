//! The handshake with a development instance: the browser goes to Clerk's own host, is identified there by its own
//! token, and brings the result back in the query.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::handshake::{document, open, set_cookies};
use crate::support::clerk::{DEVELOPMENT_SECRET_KEY, Plan};
use crate::support::keys::{KEY_ID, instance, stranger, token_with};
use crate::support::{NOW, ORIGIN, Reply, TestApp, Who};

const ADA: &str = "user_ada";
/// `happy-cat-1.clerk.accounts.dev`, as Clerk encodes it.
const PUBLISHABLE_KEY: &str = "pk_test_aGFwcHktY2F0LTEuY2xlcmsuYWNjb3VudHMuZGV2JA";
const ISSUER: &str = "https://happy-cat-1.clerk.accounts.dev";
/// The suffix of this instance's cookies (worked out by hand: SHA-1, base64, 8 characters).
const SUFFIX: &str = "T-sbZLtp";
const TO_CLERK: &str = "https://happy-cat-1.clerk.accounts.dev/v1/client/handshake?";
/// What identifies a browser.
const BROWSER: &str = "__clerk_db_jwt=dvb_1";

async fn start() -> TestApp {
    TestApp::start_with(&[("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY), ("CLERK_SECRET_KEY", DEVELOPMENT_SECRET_KEY)])
        .await
}

/// A valid token with some claims changed.
fn token(change: Value) -> String {
    let mut all = json!({"iss": ISSUER});
    let members = all.as_object_mut().expect("an object");
    members.extend(change.as_object().expect("an object").clone());
    token_with(ADA, &all)
}

fn session(token: &str) -> String {
    format!("__session={token}; __client_uat={}", NOW - 600)
}

fn old_session() -> String {
    session(&token(json!({"iat": NOW - 600, "nbf": NOW - 610, "exp": NOW - 540})))
}

/// A member of an organization, and what Clerk leaves for their browser.
async fn inside(app: &TestApp) -> Value {
    let body = json!({"name": "Acme Studio", "slug": "acme"});
    let created = app.post_json("/api/organizations/create", Who::Bearer(&token(json!({}))), &body).await;
    let id = created.text("/organization/id");
    let token = token(json!({"publicMetadata": {"activeOrgId": id, "onboardingComplete": true, "role": null}}));
    let both = |name: &str, value: &str| {
        [name.to_owned(), format!("{name}_{SUFFIX}")].map(|name| format!("{name}={value}; Path=/; SameSite=Lax"))
    };
    let uat = (NOW - 600).to_string();
    json!([both("__clerk_db_jwt", "dvb_1"), both("__client_uat", &uat), both("__session", &token)].concat())
}

/// The parameters of the redirect to Clerk. Fails if it is another response.
fn asked_of_clerk(reply: &Reply) -> Vec<(String, String)> {
    assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT, "{reply:?}");
    let query = reply.header("location").strip_prefix(TO_CLERK).unwrap_or_else(|| panic!("to Clerk: {reply:?}"));
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn is_sent_to_clerk(reply: &Reply) -> bool {
    reply.header("location").starts_with(TO_CLERK)
}

/// Asserts a redirect that removes a result from the query, and for how long no handshake follows.
fn is_clean(reply: &Reply, address: &str, seconds: u32) {
    assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT, "{reply:?}");
    assert_eq!(reply.header("location"), format!("{ORIGIN}{address}"));
    assert_eq!(reply.header("cache-control"), "no-store");
    let set = set_cookies(reply);
    let counter = format!("__clerk_redirect_count=3; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age={seconds}");
    assert_eq!(
        set.iter().filter(|cookie| cookie.starts_with("__clerk_redirect_count=")).collect::<Vec<_>>(),
        [&counter]
    );
}

/// The Cookie header of the next request.
fn cookies_after(reply: &Reply) -> String {
    let pairs = set_cookies(reply).into_iter().filter_map(|cookie| cookie.split(';').next().map(str::to_owned));
    pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn a_new_browser_is_sent_to_clerks_own_host() {
    let app = start().await;
    let reply = open(&app, "/dashboard?tab=1", "theme=dark").await;
    let expected = [
        ("redirect_url", "https://app.example.com/dashboard?tab=1"),
        ("__clerk_api_version", "2026-05-12"),
        ("suffixed_cookies", "false"),
        ("__clerk_hs_reason", "dev-browser-missing"),
        ("format", "nonce"),
    ];
    assert_eq!(asked_of_clerk(&reply), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(reply.header("x-clerk-auth-status"), "handshake");
    assert_eq!(reply.header("x-clerk-auth-reason"), "dev-browser-missing");
    assert_eq!(set_cookies(&reply)[0], "__clerk_redirect_count=1; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2");

    // Neither a session nor the other form of the cookie replaces it.
    let fresh = token(json!({}));
    let suffixed = format!("__session_{SUFFIX}={fresh}; __client_uat_{SUFFIX}={}; {BROWSER}", NOW - 600);
    for cookies in [session(&fresh), suffixed] {
        let reply = open(&app, "/dashboard", &cookies).await;
        assert!(is_sent_to_clerk(&reply), "{cookies}: {reply:?}");
        assert_eq!(reply.header("x-clerk-auth-reason"), "dev-browser-missing");
    }
    // A browser that cannot get one is signed out, and not sent there again.
    let reply = open(&app, "/dashboard", "__clerk_redirect_count=3").await;
    assert_eq!(reply.location(), "/sign-in?next=/dashboard");
}

#[tokio::test]
async fn clerk_gets_the_browsers_token() {
    let app = start().await;
    let cookies = format!("{}; {BROWSER}", old_session());
    let asked = asked_of_clerk(&open(&app, "/dashboard", &cookies).await);
    assert_eq!(asked[3].1, "session-token-expired-refresh-non-eligible-no-refresh-cookie");
    let (token, browser) = (&asked[5], &asked[6]);
    assert_eq!((token.0.as_str(), browser.0.as_str(), browser.1.as_str()), ("__session", "__clerk_db_jwt", "dvb_1"));
    assert!(old_session().contains(&token.1) && asked.len() == 7, "{asked:?}");
    // A browser with its token in the query gets its cookies from Clerk.
    let signed_in = format!("{}; {BROWSER}", session(&token_with(ADA, &json!({"iss": ISSUER}))));
    let reply = open(&app, "/dashboard?__clerk_db_jwt=dvb_2&a=1", &signed_in).await;
    let asked = asked_of_clerk(&reply);
    assert_eq!(asked[0].1, "https://app.example.com/dashboard?a=1");
    assert_eq!(asked[3].1, "dev-browser-sync");
}

#[tokio::test]
async fn a_result_is_removed_from_the_query() {
    let app = start().await;
    let directives = inside(&app).await;
    app.clerk.leave("n0nce", directives.clone());
    let header = json!({"alg": "RS256", "kid": KEY_ID, "typ": "JWT"});
    let signed = instance().sign(&header, &json!({"handshake": directives}));
    for result in ["__clerk_handshake_nonce=n0nce".to_owned(), format!("__clerk_handshake={signed}")] {
        let path = format!("/dashboard?a=%20&{result}&__clerk_help=1&__clerk_db_jwt=dvb_1&b=2");
        let reply = open(&app, &path, &old_session()).await;
        is_clean(&reply, "/dashboard?a=%20&b=2", 2);
        let set = set_cookies(&reply);
        for directive in directives.as_array().expect("a list") {
            assert!(set.iter().any(|cookie| directive == cookie), "{directive}: {set:?}");
        }
        for name in ["__clerk_handshake", "__clerk_handshake_nonce"] {
            assert!(
                set.iter().any(|cookie| *cookie == format!("{name}=; SameSite=Lax; Secure; Path=/; Max-Age=0")),
                "{set:?}"
            );
        }
        let page = open(&app, "/dashboard?a=%20&b=2", &cookies_after(&reply)).await;
        assert!(page.status == StatusCode::OK && page.body.contains("Acme Studio"), "{page:?}");
        assert_eq!(page.header("x-clerk-auth-status"), "");
    }
    assert_eq!(app.clerk.nonces_asked(), ["n0nce"]);
}

#[tokio::test]
async fn an_unavailable_result_does_not_loop() {
    let app = start().await;
    let header = json!({"alg": "RS256", "kid": KEY_ID, "typ": "JWT"});
    let forged = stranger().sign(&header, &json!({"handshake": ["__session=x"]}));
    let unknown = || "__clerk_handshake_nonce=gone".to_owned();
    let refusal = Plan::Refuse { status: 500, retry_after: None };
    for (plan, result) in [
        (None, unknown()),
        (Some(refusal), unknown()),
        (Some(Plan::Drop), unknown()),
        (None, format!("__clerk_handshake={forged}")),
        (None, "__clerk_handshake=nonsense".to_owned()),
    ] {
        app.clerk.plan(plan);
        let reply = open(&app, &format!("/dashboard?{result}"), &format!("{}; {BROWSER}", old_session())).await;
        is_clean(&reply, "/dashboard", 10);
        assert!(!set_cookies(&reply).iter().any(|cookie| cookie.starts_with("__session")), "{reply:?}");
        let cookies = format!("{}; {BROWSER}; {}", old_session(), cookies_after(&reply));
        assert_eq!(open(&app, "/dashboard", &cookies).await.location(), "/token-pending?next=/dashboard", "{result}");
    }
}

#[tokio::test]
async fn no_address_leads_to_another_site() {
    let app = start().await;
    let directives = inside(&app).await;
    for path in [
        "//evil.example?__clerk_handshake_nonce=x",
        "//evil.example/dashboard?__clerk_handshake_nonce=x",
        "//evil.example/%2e%2e/dashboard?__clerk_handshake_nonce=x",
        "/%5Cevil.example?__clerk_handshake_nonce=x",
        "/.evil.example?__clerk_handshake_nonce=x",
        "/@evil.example/?__clerk_handshake_nonce=x",
        "//evil.example?__clerk_db_jwt=x",
        "http://evil.example/dashboard?__clerk_handshake_nonce=x",
        "http://evil.example/?__clerk_handshake_nonce=x&redirect_url=https://evil.example",
        "/dashboard?__clerk_handshake_nonce=x&__clerk_redirect_url=https%3A%2F%2Fevil.example",
        "/sign-in?__clerk_handshake_nonce=x&next=//evil.example",
    ] {
        for host in ["app.example.com", "evil.example"] {
            app.clerk.leave("x", directives.clone());
            let request = Request::builder().uri(path).header(header::HOST, host).header("sec-fetch-dest", "document");
            let request = request.header("x-forwarded-host", "evil.example").body(Body::empty()).expect("a request");
            let reply = app.send(request).await;
            let location = reply.header("location");
            let (own, clerk) =
                (format!("{ORIGIN}/"), format!("{TO_CLERK}redirect_url=https%3A%2F%2Fapp.example.com%2F"));
            assert!(
                location.is_empty() || location.starts_with(&own) || location.starts_with(&clerk),
                "{path}: {reply:?}"
            );
            // Pages with a valid result do redirect.
            let is_page =
                ["/dashboard?", "http://evil.example/", "/sign-in"].iter().any(|begin| path.starts_with(begin));
            assert_eq!(location.starts_with(&own), is_page, "{path}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn forms_and_scripts_are_left_alone() {
    let app = start().await;
    app.clerk.leave("n0nce", inside(&app).await);
    let query = "__clerk_handshake_nonce=n0nce&__clerk_db_jwt=dvb_2";
    let fresh = session(&token(json!({})));
    let script = [("sec-fetch-dest", "empty"), ("sec-fetch-site", "same-origin")];
    let form = [("sec-fetch-dest", "document"), ("sec-fetch-site", "same-origin")];
    for (method, path, with) in [
        (Method::GET, "/api/me", script),
        (Method::GET, "/api/me", form),
        (Method::GET, "/dashboard", script),
        (Method::POST, "/onboarding", form),
        (Method::POST, "/api/rpc/session_status", script),
    ] {
        for cookies in ["theme=dark", &fresh] {
            let mut request = Request::builder().method(&method).uri(format!("{path}?{query}"));
            let body = if method == Method::POST { Body::from("{}") } else { Body::empty() };
            request = request.header(header::CONTENT_TYPE, "application/json").header(header::COOKIE, cookies);
            for (name, value) in with {
                request = request.header(name, value);
            }
            let reply = app.send(request.body(body).expect("a request")).await;
            assert_ne!(reply.status, StatusCode::TEMPORARY_REDIRECT, "{method} {path}: {reply:?}");
            assert!(set_cookies(&reply).is_empty(), "{method} {path}: {reply:?}");
            let reason = if cookies == fresh { "" } else { "session-token-and-uat-missing" };
            assert_eq!(reply.header("x-clerk-auth-reason"), reason, "{method} {path}: {reply:?}");
        }
    }
    assert!(app.clerk.nonces_asked().is_empty());
    // A document accepts it.
    let path = format!("/dashboard?{query}");
    let reply = app.send(document(&path, "theme=dark").body(Body::empty()).expect("a request")).await;
    is_clean(&reply, "/dashboard", 2);
}
