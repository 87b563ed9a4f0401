//! What applies to every request: cross-site checks, headers, scripts, health, signing out.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::json;

use crate::support::keys::{token, token_for, token_with};
use crate::support::{COOKIE_SUFFIX, NOW, ORIGIN, TestApp, Who};

const ADA: &str = "user_ada";
const CREATE: &str = "/api/organizations/create";

/// A write with exactly these headers.
fn write(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut builder =
        Request::builder().method(Method::POST).uri(path).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::from(r#"{"name":"Acme","slug":"acme"}"#)).expect("a request")
}

#[tokio::test]
async fn cross_site_writes_are_rejected() {
    let app = TestApp::start().await;
    let cookie = format!("__session={}; __client_uat={NOW}", token(ADA));
    let cookie = ("cookie", cookie.as_str());
    let refused = [
        vec![cookie, ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        vec![cookie, ("sec-fetch-site", "cross-site")],
        vec![cookie, ("sec-fetch-site", "same-site"), ("origin", ORIGIN)],
        vec![cookie, ("sec-fetch-site", "cross-site"), ("origin", ORIGIN)],
        vec![cookie, ("origin", "https://evil.example")],
        vec![cookie, ("origin", "http://app.example.com")],
        vec![cookie, ("origin", "https://app.example.com.evil.example")],
        vec![cookie, ("origin", "null")],
        vec![cookie],
        vec![("sec-fetch-site", "cross-site")],
    ];
    for headers in &refused {
        for path in [CREATE, "/api/rpc/create_organization", "/onboarding", "/sign-out"] {
            let reply = app.send(write(path, headers)).await;
            assert_eq!(
                (reply.status, reply.text("/code")),
                (StatusCode::FORBIDDEN, "cross_site".to_owned()),
                "{path} {headers:?}"
            );
            assert!(reply.headers.get("set-cookie").is_none());
        }
    }
    assert_eq!(app.database.counts().await, [0; 6]);
    assert!(app.clerk.revoked().is_empty());
    // The same from our own page, with both headers that browsers use.
    for headers in [vec![cookie, ("sec-fetch-site", "same-origin")], vec![cookie, ("origin", ORIGIN)]] {
        assert!(app.send(write(CREATE, &headers)).await.status.is_success(), "{headers:?}");
    }
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme", "acme").await;
    let fresh = token_for(ADA, &id);
    let who = Who::Cookie(&fresh);
    let mut replies = Vec::new();
    for path in ["/", "/dashboard", "/sign-in", "/no-such-page", "/health", "/api/me", "/onboarding"] {
        replies.push((path, app.get(path, who).await));
    }
    replies.push((CREATE, app.post_json(CREATE, Who::SignedOut, &json!({})).await));
    for (path, reply) in &replies {
        let expected = [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
        ];
        for (name, value) in expected {
            assert_eq!(reply.header(name), value, "{path} {name}");
        }
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; base-uri 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{path}: {policy}");
        assert!(!reply.header("x-request-id").is_empty(), "{path}");
    }
    let api = app.get("/api/me", who).await;
    assert!(!api.header("content-security-policy").contains("script-src"));
}

#[tokio::test]
async fn scripts_have_a_nonce_per_request() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme", "acme").await;
    let (fresh, newcomer) = (token_for(ADA, &id), token("user_grace"));
    let mut nonces = std::collections::BTreeSet::new();
    for (path, token) in [("/dashboard", &fresh), ("/onboarding", &newcomer), ("/dashboard", &fresh)] {
        let page = app.get(path, Who::Cookie(token)).await;
        let policy = page.header("content-security-policy");
        let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce");
        assert!(nonce.len() >= 16, "{nonce}");
        let scripts: Vec<&str> = page.body.split("<script").skip(1).collect();
        assert!(!scripts.is_empty(), "{path}");
        let wasm = path == "/onboarding";
        assert_eq!((page.body.contains(".wasm"), policy.contains("'wasm-unsafe-eval'")), (wasm, wasm), "{path}");
        for script in scripts {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(tag.contains(&format!("nonce=\"{nonce}\"")), "{path}: {tag}");
        }
        for handler in [" onclick=", " onload=", " style=", "javascript:"] {
            assert!(!page.body.contains(handler), "{path}: the policy would block {handler}");
        }
        nonces.insert(nonce.to_owned());
    }
    assert_eq!(nonces.len(), 3, "a nonce is used once");
}

#[tokio::test]
async fn pages_without_islands_load_no_script() {
    let app = TestApp::start().await;
    let fresh = token(ADA);
    for (path, who) in [
        ("/", Who::SignedOut),
        ("/", Who::Cookie(&fresh)),
        ("/no-such-page", Who::SignedOut),
        ("/no/such/page", Who::Cookie(&fresh)),
    ] {
        let page = app.get(path, who).await;
        assert!(
            !page.body.contains("<script") && !page.body.contains(".wasm") && !page.body.contains(".js"),
            "{path}: {}",
            page.body
        );
        assert!(page.body.starts_with("<!DOCTYPE html>"), "{}", page.body);
    }
}

#[tokio::test]
async fn the_landing_page_shows_whether_the_visitor_is_signed_in() {
    let app = TestApp::start().await;
    let outside = app.get("/", Who::SignedOut).await;
    assert!(outside.body.contains("Create your account") && !outside.body.contains("Open the dashboard"));
    let inside = app.get("/", Who::Cookie(&token(ADA))).await;
    assert!(inside.body.contains("Open the dashboard") && !inside.body.contains("Create your account"));
}

#[tokio::test]
async fn unknown_paths_and_methods_have_responses() {
    let app = TestApp::start().await;
    for path in ["/no-such-page", "/dashboard/deeper", "/api/nothing", "/pkg/../main.rs", "/%ff%00"] {
        let page = app.get(path, Who::SignedOut).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
    }
    let page = app.get("/no-such-page", Who::SignedOut).await;
    assert!(
        page.header("content-type").starts_with("text/html") && page.body.contains("Page not found"),
        "{}",
        page.body
    );
    assert!(page.body.contains("/no-such-page"));
    for path in ["/sign-out", CREATE] {
        assert_eq!(app.get(path, Who::SignedOut).await.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    let reply = app.post_json("/api/rpc/no_such_function", Who::SignedOut, &json!({})).await;
    assert!(reply.status.is_client_error(), "{reply:?}");
    // The proxy forwards only Clerk's own paths.
    for path in ["/__clerk/", "/__clerk/admin", "/__clerk/v1/../admin", "/__clerk//v1/x"] {
        assert_eq!(app.get(path, Who::SignedOut).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_development_instance_is_called_directly() {
    // happy-otter-12.clerk.accounts.dev
    let key = "pk_test_aGFwcHktb3R0ZXItMTIuY2xlcmsuYWNjb3VudHMuZGV2JA";
    let app = TestApp::start_with(&[("CLERK_PUBLISHABLE_KEY", key), ("CLERK_SECRET_KEY", "sk_test_x")]).await;
    let page = app.get("/sign-in", Who::SignedOut).await;
    assert!(page.body.contains(key) && !page.body.contains("data-clerk-proxy-url"), "{}", page.body);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("connect-src 'self' https://happy-otter-12.clerk.accounts.dev;"), "{policy}");
    assert_eq!(app.get("/__clerk/v1/client", Who::SignedOut).await.status, StatusCode::NOT_FOUND);

    let proxied = TestApp::start().await;
    let page = proxied.get("/sign-in", Who::SignedOut).await;
    assert!(page.body.contains("data-clerk-proxy-url=\"/__clerk\""), "{}", page.body);
    assert!(page.header("content-security-policy").contains("connect-src 'self';"));
}

#[tokio::test]
async fn health_and_readiness_need_no_session() {
    let app = TestApp::start().await;
    assert_eq!(
        (app.get("/health", Who::SignedOut).await.body, app.get("/ready", Who::SignedOut).await.body),
        ("ok".to_owned(), "ready".to_owned())
    );
}

#[tokio::test]
async fn me_returns_the_caller_or_the_reason() {
    let app = TestApp::start().await;
    let token = token(ADA);
    let me = app.get("/api/me", Who::Bearer(&token)).await;
    assert_eq!(
        (me.status, me.text("/user_id"), me.text("/session_id")),
        (StatusCode::OK, ADA.to_owned(), "sess_of_user_ada".to_owned())
    );
    assert_eq!((&me.json()["organization"], &me.json()["expires_at"]), (&json!(null), &json!(NOW + 60)));
    let id = app.create(ADA, "Acme", "acme").await;
    let me = app.get("/api/me", Who::Bearer(&token_for(ADA, &id))).await;
    assert_eq!(me.json()["organization"], json!({"id": id, "name": "Acme", "slug": "acme"}));
    assert!(!me.body.contains("eyJ"), "no token is returned");

    let signed_out = app.get("/api/me", Who::SignedOut).await;
    assert_eq!((signed_out.status, signed_out.text("/code")), (StatusCode::UNAUTHORIZED, "signed_out".to_owned()));
    assert_eq!(signed_out.text("/request_id"), signed_out.header("x-request-id"));
    let expired = token_with(ADA, &json!({"exp": NOW - 60}));
    assert_eq!(app.get("/api/me", Who::Bearer(&expired)).await.text("/code"), "session_stale");
}

#[tokio::test]
async fn signing_out_revokes_the_session_and_clears_both_cookies() {
    let app = TestApp::start().await;
    let token = token(ADA);
    for who in [Who::Cookie(&token), Who::Suffixed(&token)] {
        let reply = app.post_form("/sign-out", who, &[]).await;
        assert_eq!(reply.location(), "/?signed-out=1");
        let cleared: Vec<_> =
            reply.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()).collect();
        for name in ["__session=;".to_owned(), format!("__session_{COOKIE_SUFFIX}=;")] {
            let cookie = cleared
                .iter()
                .find(|cookie| cookie.starts_with(&name))
                .unwrap_or_else(|| panic!("{name}: {cleared:?}"));
            assert!(cookie.contains("Path=/") && cookie.contains("Max-Age=0") && cookie.contains("Secure"), "{cookie}");
        }
    }
    assert_eq!(app.clerk.revoked(), ["sess_of_user_ada", "sess_of_user_ada"]);
    // A caller who is no longer signed in may sign out, too.
    assert_eq!(app.post_form("/sign-out", Who::SignedOut, &[]).await.location(), "/?signed-out=1");
}

#[tokio::test]
async fn a_clients_request_id_is_ignored() {
    let app = TestApp::start().await;
    let request = crate::support::request(Method::GET, "/health", Who::SignedOut)
        .header("x-request-id", "mine")
        .body(axum::body::Body::empty());
    let reply = app.send(request.expect("a request")).await;
    assert!(!reply.header("x-request-id").is_empty() && reply.header("x-request-id") != "mine", "{reply:?}");
}

#[tokio::test]
async fn a_failure_that_could_be_compressed_is_readable_and_named() {
    let app = TestApp::start().await;
    // Long enough to be compressed: the message repeats what is wrong.
    let body = format!(r#"{{"name":"Acme","slug":"acme","{}":1}}"#, "x".repeat(100));
    let token = token(ADA);
    let request = crate::support::request(Method::POST, "/api/organizations/create", Who::Bearer(&token))
        .header(header::CONTENT_TYPE, "text/plain")
        .header(header::ACCEPT_ENCODING, "gzip")
        .body(Body::from(body));
    let reply = app.send(request.expect("a request")).await;
    assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    if reply.header("content-encoding").is_empty() {
        assert_eq!(reply.text("/request_id"), reply.header("x-request-id"));
    } else {
        assert!(!reply.body.starts_with('{'), "compressed, as its header says: {reply:?}");
    }
}
