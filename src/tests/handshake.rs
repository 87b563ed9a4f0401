//! Our side of Clerk's handshake: which requests are sent to Clerk, how results are used, and where it ends.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use time::Duration;

use crate::support::clerk::Plan;
use crate::support::keys::{KEY_ID, claims_with, instance, stranger, token, token_for, token_with};
use crate::support::{COOKIE_SUFFIX, NOW, ORIGIN, Reply, TestApp, Who};

const ADA: &str = "user_ada";
const TO_CLERK: &str = "https://app.example.com/__clerk/v1/client/handshake?";

/// A browser that navigates, with these cookies.
pub fn document(path: &str, cookies: &str) -> axum::http::request::Builder {
    let request = Request::builder().uri(path).header(header::HOST, "app.example.com");
    request.header("sec-fetch-dest", "document").header("sec-fetch-mode", "navigate").header(header::COOKIE, cookies)
}

pub async fn open(app: &TestApp, path: &str, cookies: &str) -> Reply {
    app.send(document(path, cookies).body(Body::empty()).expect("a request")).await
}

fn signed_in(token: &str) -> String {
    format!("__session={token}; __client_uat={NOW}")
}

/// What Clerk leaves for a browser that is still signed in.
fn directives(token: &str) -> Value {
    json!([
        format!("__client_uat={NOW}; Path=/; Max-Age=31536000; SameSite=Lax"),
        format!("__client_uat_{COOKIE_SUFFIX}={NOW}; Path=/; Max-Age=31536000; SameSite=Lax"),
        format!("__session={token}; Path=/; Max-Age=31536000; SameSite=Lax"),
        format!("__session_{COOKIE_SUFFIX}={token}; Path=/; Max-Age=31536000; SameSite=Lax"),
    ])
}

pub fn set_cookies(reply: &Reply) -> Vec<String> {
    reply.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().expect("text").to_owned()).collect()
}

/// The parameters of the redirect to Clerk. Fails if it is another response.
fn asked_of_clerk(reply: &Reply) -> Vec<(String, String)> {
    assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT, "{reply:?}");
    let query = reply.header("location").strip_prefix(TO_CLERK).unwrap_or_else(|| panic!("to Clerk: {reply:?}"));
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn is_sent_to_clerk(reply: &Reply) -> bool {
    reply.status == StatusCode::TEMPORARY_REDIRECT && reply.header("location").starts_with(TO_CLERK)
}

/// A token issued ten minutes ago.
fn old_token() -> String {
    token_with(ADA, &json!({"iat": NOW - 600, "nbf": NOW - 610, "exp": NOW - 540}))
}

fn old_session() -> String {
    format!("__session={}; __client_uat={}", old_token(), NOW - 600)
}

#[tokio::test]
async fn an_expired_session_goes_to_clerk_with_everything_clerk_needs() {
    let app = TestApp::start().await;
    let reply = open(&app, "/dashboard?tab=1&x=caf%C3%A9&__clerk_db_jwt=y", &old_session()).await;
    let expected = [
        ("redirect_url", "https://app.example.com/dashboard?tab=1&x=caf%C3%A9"),
        ("__clerk_api_version", "2026-05-12"),
        ("suffixed_cookies", "false"),
        ("__clerk_hs_reason", "session-token-expired-refresh-non-eligible-no-refresh-cookie"),
        ("format", "nonce"),
        ("__session", &old_token()),
    ];
    assert_eq!(asked_of_clerk(&reply), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(
        set_cookies(&reply),
        ["__clerk_redirect_count=1; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2".to_owned()]
    );
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("x-clerk-auth-status"), "handshake");
    assert_eq!(reply.header("x-clerk-auth-reason"), "session-token-expired-refresh-non-eligible-no-refresh-cookie");
}

#[tokio::test]
async fn every_cause_that_clerk_can_fix_has_its_reason() {
    let app = TestApp::start().await;
    let fresh = token(ADA);
    let early = token_with(ADA, &json!({"nbf": NOW + 600, "exp": NOW + 660}));
    let future = token_with(ADA, &json!({"iat": NOW + 600, "nbf": NOW - 10, "exp": NOW + 660}));
    for (cookies, reason) in [
        (format!("__client_uat={NOW}"), "client-uat-but-no-session-token"),
        (format!("__session={fresh}"), "session-token-but-no-client-uat"),
        (format!("__session={fresh}; __client_uat={}", NOW + 1), "session-token-iat-before-client-uat"),
        (signed_in(&early), "session-token-nbf"),
        (signed_in(&future), "session-token-iat-in-the-future"),
    ] {
        for path in ["/dashboard", "/onboarding", "/sign-in", "/token-pending"] {
            let reply = open(&app, path, &cookies).await;
            assert!(is_sent_to_clerk(&reply), "{path} {reason}: {reply:?}");
            assert_eq!(reply.header("x-clerk-auth-reason"), reason, "{path}");
        }
    }
    // Clerk cannot fix these.
    let strange = stranger().sign(&crate::support::keys::header(), &crate::support::keys::claims(ADA));
    let partyless = token_with(ADA, &json!({"azp": null}));
    for cookies in ["theme=dark".to_owned(), signed_in(&strange), signed_in(&partyless), signed_in(&fresh)] {
        assert!(!is_sent_to_clerk(&open(&app, "/dashboard", &cookies).await), "{cookies}");
    }
}

#[tokio::test]
async fn only_documents_are_sent_to_clerk() {
    let app = TestApp::start().await;
    let cookies = old_session();
    let send = async |method: Method, path: &str, with: &[(&str, &str)]| {
        let mut request = Request::builder().method(method.clone()).uri(path).header(header::COOKIE, &cookies);
        for (name, value) in with {
            request = request.header(*name, *value);
        }
        let body = if method == Method::POST { Body::from("{}") } else { Body::empty() };
        app.send(request.header("content-type", "application/json").body(body).expect("a request")).await
    };
    assert!(is_sent_to_clerk(&send(Method::GET, "/dashboard", &[("sec-fetch-dest", "iframe")]).await));
    assert!(is_sent_to_clerk(&send(Method::GET, "/dashboard", &[("accept", "text/html,*/*;q=0.8")]).await));

    let here = ("sec-fetch-site", "same-origin");
    for (method, path, with) in [
        (Method::GET, "/dashboard", vec![("sec-fetch-dest", "empty"), ("accept", "text/html")]),
        (Method::GET, "/dashboard", vec![("accept", "*/*")]),
        (Method::HEAD, "/dashboard", vec![("sec-fetch-dest", "document")]),
        (Method::POST, "/onboarding", vec![("sec-fetch-dest", "document"), here]),
        (Method::POST, "/api/organizations/create", vec![("accept", "text/html"), here]),
        (Method::POST, "/api/rpc/session_status", vec![("accept", "text/html"), here]),
        (Method::GET, "/api/me", vec![("sec-fetch-dest", "document")]),
    ] {
        let reply = send(method.clone(), path, &with).await;
        assert_ne!(reply.status, StatusCode::TEMPORARY_REDIRECT, "{method} {path}: {reply:?}");
        assert_eq!(reply.header("x-clerk-auth-status"), "signed-out", "{method} {path}");
        let why = if method == Method::GET { "no-refresh-cookie" } else { "non-get" };
        let reason = format!("session-token-expired-refresh-non-eligible-{why}");
        assert_eq!(reply.header("x-clerk-auth-reason"), reason, "{method} {path}");
        if path.starts_with("/api/") {
            assert_eq!((reply.status, reply.text("/code")), (StatusCode::UNAUTHORIZED, "session_stale".to_owned()));
        }
    }
}

#[tokio::test]
async fn clerks_counter_is_kept() {
    let app = TestApp::start().await;
    for (before, after) in
        [("0", Some("1")), ("1", Some("2")), ("2", Some("3")), ("3", None), ("7", None), ("x", Some("1"))]
    {
        let cookies = format!("{}; __clerk_redirect_count={before}", old_session());
        let reply = open(&app, "/dashboard", &cookies).await;
        match after {
            Some(after) => assert!(
                set_cookies(&reply)[0].starts_with(&format!("__clerk_redirect_count={after};")),
                "{before}: {reply:?}"
            ),
            None => assert_eq!(reply.location(), "/token-pending?next=/dashboard", "{before}"),
        }
    }
    // That page names the cause, and redirects nowhere by itself.
    let cookies = format!("{}; __clerk_redirect_count=3", old_session());
    let page = open(&app, "/token-pending?next=/dashboard&tried=1", &cookies).await;
    assert!(page.status == StatusCode::OK && page.body.contains("token has expired"), "{page:?}");
    let page = open(&app, "/token-pending?next=/dashboard&tried=1", &old_session()).await;
    assert_eq!(page.status, StatusCode::OK, "the bound holds when Clerk's counter is forgotten");
}

#[tokio::test]
async fn what_clerk_left_under_a_nonce_opens_the_page_in_the_same_request() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    app.clerk.leave("n0nce", directives(&token_for(ADA, &id)));
    let cookies = format!("{}; __clerk_handshake_nonce=n0nce; __clerk_redirect_count=1", old_session());
    let page = open(&app, "/dashboard", &cookies).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Acme Studio"), "{page:?}");
    assert_eq!(page.header("x-clerk-auth-status"), "", "as Clerk: nothing is said of a signed-in request");
    let set = set_cookies(&page);
    for part in ["__session=", "__session_mygDvuFt=", "__client_uat=1767323045;"] {
        assert!(set.iter().any(|cookie| cookie.starts_with(part)), "{part}: {set:?}");
    }
    for name in ["__clerk_handshake", "__clerk_handshake_nonce"] {
        assert!(
            set.iter().any(|cookie| *cookie == format!("{name}=; SameSite=Lax; Secure; Path=/; Max-Age=0")),
            "{name}: {set:?}"
        );
    }
    assert_eq!(app.clerk.nonces_asked(), ["n0nce"]);
}

#[tokio::test]
async fn a_signed_result_opens_the_page_too_and_a_forged_one_does_not() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let header = json!({"alg": "RS256", "kid": KEY_ID, "typ": "JWT"});
    let payload = json!({"handshake": directives(&token_for(ADA, &id))});
    let with = |result: &str| format!("{}; __clerk_handshake={result}", old_session());

    let page = open(&app, "/dashboard", &with(&instance().sign(&header, &payload))).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Acme Studio"), "{page:?}");

    let none = json!({"alg": "none", "kid": KEY_ID, "typ": "JWT"});
    let template = json!({"alg": "RS256", "kid": KEY_ID, "typ": "JWT", "cat": "cl_B7d4PD222AAA"});
    for forged in [
        stranger().sign(&header, &payload),
        instance().sign(&none, &payload),
        instance().sign(&template, &payload),
        instance().sign(&header, &json!({"handshake": "__session=x"})),
        instance().sign(&header, &json!({"handshake": [1, 2]})),
        instance().sign(&header, &json!({"handshake": ["a=1\r\nSet-Cookie: b=2"]})),
        token_for(ADA, &id),
        "a.b.c".to_owned(),
        "nonsense".to_owned(),
    ] {
        let reply = open(&app, "/dashboard", &with(&forged)).await;
        assert_eq!(reply.location(), "/token-pending?next=/dashboard", "{forged}: {reply:?}");
        let set = set_cookies(&reply);
        assert!(set.iter().all(|cookie| !cookie.starts_with("__session")), "{set:?}");
        // It is removed, and Clerk is not asked for another one at once.
        assert!(
            set.iter().any(|cookie| cookie == "__clerk_handshake=; SameSite=Lax; Secure; Path=/; Max-Age=0"),
            "{set:?}"
        );
        assert!(
            set.iter()
                .any(|cookie| cookie == "__clerk_redirect_count=3; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=10"),
            "{set:?}"
        );
    }
    // A link cannot sign a visitor in as its sender.
    for address in ["/dashboard?__clerk_handshake=", "/sign-in?__clerk_handshake="] {
        let reply = open(&app, &format!("{address}{}", instance().sign(&header, &payload)), "theme=dark").await;
        assert!(set_cookies(&reply).is_empty() && !reply.body.contains("Acme Studio"), "{reply:?}");
    }
    app.clerk.leave("theirs", directives(&token_for(ADA, &id)));
    let reply = open(&app, "/dashboard?__clerk_handshake_nonce=theirs", "theme=dark").await;
    assert!(reply.location().starts_with("/sign-in?next=") && set_cookies(&reply).is_empty(), "{reply:?}");
    assert!(app.clerk.nonces_asked().is_empty());
}

#[tokio::test]
async fn an_unavailable_result_leads_to_a_named_cause() {
    let app = TestApp::start().await;
    let cookies = format!("{}; __clerk_handshake_nonce=gone", old_session());
    let refuse = |status| Plan::Refuse { status, retry_after: None };
    for plan in [vec![], vec![refuse(500)], vec![Plan::Drop]] {
        app.clerk.plan(plan);
        let reply = open(&app, "/dashboard", &cookies).await;
        assert_eq!(reply.location(), "/token-pending?next=/dashboard", "{reply:?}");
        let set = set_cookies(&reply);
        assert!(set.iter().any(|cookie| cookie.starts_with("__clerk_redirect_count=3;")), "{set:?}");
        assert!(set.iter().any(|cookie| cookie.starts_with("__clerk_handshake_nonce=; ")), "{set:?}");
    }
    // A used nonce does not end a valid session.
    let page = open(&app, "/onboarding", &format!("{}; __clerk_handshake_nonce=gone", signed_in(&token(ADA)))).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn a_result_is_final_and_clerk_is_not_asked_twice() {
    let app = TestApp::start().await;
    let bring = async |directives: Value| {
        app.clerk.leave("n", directives);
        open(&app, "/dashboard", &format!("{}; __clerk_handshake_nonce=n", old_session())).await
    };
    // Signed out at Clerk.
    let signed_out = bring(json!(["__client_uat=0; Path=/", "__session=; Path=/; Max-Age=0"])).await;
    assert_eq!(signed_out.location(), "/sign-in?next=/dashboard");
    assert_eq!(signed_out.header("x-clerk-auth-reason"), "session-token-missing");
    // The clocks differ: Clerk's token is already expired on arrival.
    let still_old = bring(directives(&old_token())).await;
    assert_eq!(still_old.location(), "/token-pending?next=/dashboard", "{still_old:?}");
    // A result's token is verified like any other.
    let foreign = stranger().sign(&crate::support::keys::header(), &claims_with(ADA, &json!({})));
    let refused = bring(directives(&foreign)).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.body.contains("token-invalid-signature"), "{}", refused.body);
}

#[tokio::test]
async fn the_refresh_cookie_renews_without_a_redirect() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let cookies = format!("{}; __refresh_{COOKIE_SUFFIX}=s3cret", old_session());

    // Rejected: the handshake is next, and the reason names the attempt.
    let reply = open(&app, "/dashboard", &cookies).await;
    assert!(is_sent_to_clerk(&reply), "{reply:?}");
    assert_eq!(reply.header("x-clerk-auth-reason"), "session-token-expired-refresh-refresh_token_invalid");

    // Unreachable or failing: the same.
    for (plan, why) in [(Plan::Drop, "fetch-error"), (Plan::Refuse { status: 500, retry_after: None }, "planned")] {
        app.clerk.plan([plan]);
        let reply = open(&app, "/dashboard", &cookies).await;
        assert!(is_sent_to_clerk(&reply), "{reply:?}");
        assert_eq!(reply.header("x-clerk-auth-reason"), format!("session-token-expired-refresh-{why}"));
    }
    // A handshake can renew the session even if the token does not name it.
    let nameless = token_with(ADA, &json!({"sid": null, "iat": NOW - 600, "nbf": NOW - 610, "exp": NOW - 540}));
    let without_session = format!("__session={nameless}; __client_uat={}; __refresh_{COOKIE_SUFFIX}=s3cret", NOW - 600);
    let reply = open(&app, "/dashboard", &without_session).await;
    assert!(is_sent_to_clerk(&reply), "{reply:?}");
    let reason = "session-token-expired-refresh-expired-session-token-missing-sid-claim";
    assert_eq!(reply.header("x-clerk-auth-reason"), reason);

    app.clerk.refresh_with(directives(&token_for(ADA, &id)));
    let page = open(&app, "/dashboard", &cookies).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Acme Studio"), "{page:?}");
    assert!(set_cookies(&page).iter().any(|cookie| cookie.starts_with("__session=")), "{page:?}");
    let call = app.clerk.refreshes().pop().expect("a call");
    assert_eq!(call.user, format!("sess_of_{ADA}"));
    for (field, value) in [("format", "cookie"), ("refresh_token", "s3cret"), ("request_origin", ORIGIN)] {
        assert_eq!(call.body[field], value);
    }
    assert_eq!(call.body["expired_token"], old_token());
    assert!(!call.body["request_headers"].to_string().contains("s3cret"), "cookies stay here");

    // Clerk's new token is verified, and only a valid but expired token triggers the call.
    app.clerk.refresh_with(directives(&old_token()));
    let reply = open(&app, "/dashboard", &cookies).await;
    assert!(is_sent_to_clerk(&reply));
    assert_eq!(reply.header("x-clerk-auth-reason"), "session-token-expired-refresh-invalid-session-token");
    let calls = app.clerk.refreshes().len();
    let strange = stranger().sign(
        &crate::support::keys::header(),
        &claims_with(ADA, &json!({"iat": NOW - 600, "nbf": NOW - 610, "exp": NOW - 540})),
    );
    for session in [signed_in(&token_for(ADA, &id)), signed_in(&strange)] {
        open(&app, "/dashboard", &format!("{session}; __refresh_{COOKIE_SUFFIX}=s3cret")).await;
    }
    assert_eq!(app.clerk.refreshes().len(), calls);
}

#[tokio::test]
async fn a_hanging_clerk_is_waited_for_two_seconds() {
    let app = TestApp::start().await;
    let _held = app.clerk.hold();
    let started = std::time::Instant::now();
    let reply = open(&app, "/dashboard", &format!("{}; __clerk_handshake_nonce=n", old_session())).await;
    assert_eq!(reply.location(), "/token-pending?next=/dashboard");
    assert!(started.elapsed() >= std::time::Duration::from_millis(1_900), "it did not wait for the limit");
}

#[tokio::test]
async fn a_handshake_that_cannot_reach_clerk_returns() {
    // Nothing listens there.
    let app = TestApp::start_with(&[("CLERK_FRONTEND_API_URL", "http://127.0.0.1:1")]).await;
    let sent = open(&app, "/dashboard?a=1", &old_session()).await;
    let location = sent.header("location").strip_prefix(ORIGIN).expect("our own proxy").to_owned();
    let back = open(&app, &location, &old_session()).await;
    assert_eq!(back.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(back.header("location"), "https://app.example.com/dashboard?a=1");
    assert_eq!(set_cookies(&back)[0], "__clerk_redirect_count=3; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=10");
    // Only to our own site, and only from there.
    for path in [
        "/__clerk/v1/client/handshake?redirect_url=https%3A%2F%2Fevil.example%2F",
        "/__clerk/v1/client/handshake?redirect_url=%2F%2Fevil.example",
        "/__clerk/v1/client/handshake",
        "/__clerk/v1/client?redirect_url=https%3A%2F%2Fapp.example.com%2F",
    ] {
        let reply = open(&app, path, "").await;
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn a_form_with_an_expired_session_keeps_its_input_and_renews_the_session() {
    let app = TestApp::start().await;
    let old = token(ADA);
    app.clock.advance(Duration::seconds(600));
    let reply = app.post_form("/onboarding", Who::Cookie(&old), &[("name", "Acme & Sons"), ("slug", "acme")]).await;
    assert_eq!(reply.location(), "/onboarding?name=Acme+%26+Sons&slug=acme&renewed=1", "{reply:?}");
    // The browser then loads a document, which takes the handshake to Clerk and back.
    let fresh = token_with(ADA, &json!({"iat": NOW + 600, "nbf": NOW + 590, "exp": NOW + 660}));
    let form = open(&app, reply.location(), &signed_in(&fresh)).await;
    assert!(form.status == StatusCode::OK && form.body.contains(r#"value="Acme &amp; Sons""#), "{}", form.body);
    assert!(
        form.body.contains("Your session had expired and was renewed") && form.body.contains(r#"value="acme""#),
        "{}",
        form.body
    );
}
