//! When the gate denies access: rejected tokens, outages, and hostile targets. Redirects never loop.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::keys::{KEY_ID, header, instance, stranger, token, token_for, token_with};
use crate::support::{Reply, TestApp, Who, request};

const ADA: &str = "user_ada";

fn assert_says_reference(page: &Reply) {
    let id = page.header("x-request-id");
    assert!(!id.is_empty() && page.body.contains(id), "the page names its reference: {}", page.body);
}

#[tokio::test]
async fn what_waiting_cannot_fix_is_explained_at_once_and_everywhere() {
    let app = TestApp::start().await;
    let cases = [
        (token_with(ADA, &json!({"iss": "https://clerk.other.test"})), "token-invalid-issuer"),
        (token_with(ADA, &json!({"azp": "https://evil.example"})), "token-invalid-authorized-parties"),
        (stranger().sign(&header(), &crate::support::keys::claims(ADA)), "token-invalid-signature"),
        (
            instance().sign(
                &json!({"alg": "RS256", "kid": KEY_ID, "typ": "JWT", "cat": "cl_B7d4PD222AAA"}),
                &crate::support::keys::claims(ADA),
            ),
            "token-type-mismatch",
        ),
    ];
    for (token, cause) in &cases {
        // With a plain token of another issuer, Clerk's rules choose the suffixed cookies, so the token is there.
        for path in ["/dashboard", "/onboarding", "/token-pending?next=/dashboard"] {
            let page = app.get(path, Who::Suffixed(token)).await;
            assert_eq!((page.status, page.header("location")), (StatusCode::UNAUTHORIZED, ""), "{path} {cause}");
            assert!(
                page.body.contains(cause) && page.body.contains("Waiting or refreshing will not change this"),
                "{}",
                page.body
            );
            assert!(!page.body.contains("http-equiv"), "no retry");
            assert_says_reference(&page);
        }
        // The page offers a way out.
        assert_eq!(app.get("/sign-in", Who::Suffixed(token)).await.status, StatusCode::OK, "{cause}");
        let reply = app.get("/api/me", Who::Bearer(token)).await;
        assert_eq!((reply.status, reply.text("/code")), (StatusCode::UNAUTHORIZED, "session_refused".to_owned()));
        assert!(reply.text("/message").contains(cause), "{reply:?}");
    }
}

/// The most common mistake: CLERK_ISSUER differs from the instance's tokens. Every page says so, with either cookie.
#[tokio::test]
async fn a_misconfigured_issuer_is_reported_and_signs_no_user_out() {
    let app = TestApp::start_with(&[("CLERK_ISSUER", "https://clerk.wrong.test")]).await;
    let token = token(ADA);
    for who in [Who::Cookie(&token), Who::Suffixed(&token)] {
        let page = app.get("/dashboard", who).await;
        assert_eq!((page.status, page.header("location")), (StatusCode::UNAUTHORIZED, ""), "{}", page.body);
        assert!(page.body.contains("token-invalid-issuer"), "{}", page.body);
        // Configuration is not shown to visitors.
        assert!(!page.body.contains("For developers") && !page.body.contains("clerk.wrong.test"), "{}", page.body);
    }
}

#[tokio::test]
async fn developers_see_what_is_misconfigured() {
    let changes = [("CLERK_ISSUER", "https://clerk.wrong.test"), ("AUTH_DEBUG_LOG", "true")];
    let app = TestApp::start_with(&changes).await;
    let page = app.get("/dashboard", Who::Cookie(&token(ADA))).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    for text in [
        "For developers",
        "https://clerk.wrong.test",
        "https://clerk.example.test",
        "set CLERK_ISSUER=https://clerk.example.test",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    let me = app.get("/api/me", Who::Bearer(&token(ADA))).await;
    assert_eq!((me.status, me.text("/reason")), (StatusCode::UNAUTHORIZED, "token-invalid-issuer".to_owned()));
    assert!(me.text("/fix").contains("set CLERK_ISSUER=https://clerk.example.test"), "{me:?}");
}

#[tokio::test]
async fn unreachable_keys_are_an_outage_and_sign_no_user_out() {
    let app = TestApp::start_with(&[("CLERK_JWT_KEY", "")]).await;
    let token = token(ADA);
    for path in ["/dashboard", "/onboarding", "/token-pending"] {
        let page = app.get(path, Who::Cookie(&token)).await;
        assert_eq!((page.status, page.header("location")), (StatusCode::SERVICE_UNAVAILABLE, ""), "{path}");
        // By script, which keeps the focus; without JavaScript, the page reloads itself.
        let refresh = format!(r#"<noscript><meta http-equiv="refresh" content="5;url={path}"></noscript>"#);
        assert!(page.body.contains(&refresh) && page.body.contains("setInterval("), "{}", page.body);
        assert!(
            page.body.contains("We can’t check your session right now") && page.headers.get("set-cookie").is_none()
        );
        assert_says_reference(&page);
    }
    let reply =
        app.post_json("/api/organizations/create", Who::Bearer(&token), &json!({"name": "Acme", "slug": "acme"})).await;
    assert_eq!((reply.status, reply.text("/code")), (StatusCode::SERVICE_UNAVAILABLE, "unavailable".to_owned()));
    // It recovers by itself.
    app.clerk.publish(instance().jwks(KEY_ID));
    app.clock.advance(time::Duration::seconds(3));
    assert_eq!(app.get("/onboarding", Who::Cookie(&token)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_unreachable_database_is_an_outage_and_never_leads_to_the_form() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    app.pools.request.close().await;
    for token in [token(ADA), token_for(ADA, &id)] {
        for path in ["/dashboard", "/onboarding", "/token-pending"] {
            let page = app.get(path, Who::Cookie(&token)).await;
            assert_eq!((page.status, page.header("location")), (StatusCode::SERVICE_UNAVAILABLE, ""), "{path}");
            assert!(page.body.contains("We can’t reach our database right now"), "{}", page.body);
            assert!(
                page.body.contains(r#"http-equiv="refresh""#) && !page.body.contains(r#"name="slug""#),
                "{}",
                page.body
            );
            assert_says_reference(&page);
        }
    }
    let token = token(ADA);
    let create = json!({"name": "Other", "slug": "other"});
    for path in ["/api/organizations/create", "/api/rpc/create_organization", "/api/rpc/session_status"] {
        let body = if path.ends_with("status") { json!({}) } else { create.clone() };
        let reply = app.post_json(path, Who::Bearer(&token), &body).await;
        assert_eq!(
            (reply.status, reply.text("/code")),
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable".to_owned()),
            "{path}"
        );
    }
    let page = app.post_form("/onboarding", Who::Cookie(&token), &[("name", "Kept"), ("slug", "kept")]).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        page.body.contains(r#"value="Kept""#) && page.body.contains("What you typed is still here"),
        "{}",
        page.body
    );
    assert_eq!(app.get("/ready", Who::SignedOut).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.get("/health", Who::SignedOut).await.status, StatusCode::OK);
    assert_eq!(app.get("/", Who::Cookie(&token)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_database_that_refuses_connections_is_noticed_in_time() {
    let app = TestApp::start_with(&[("DATABASE_URL", "postgres://user:x@127.0.0.1:9/none")]).await;
    let page = app.get("/dashboard", Who::Cookie(&token(ADA))).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("We can’t reach our database right now"), "{}", page.body);
}

#[tokio::test]
async fn hostile_targets_are_never_followed() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let (fresh, stale) = (token_for(ADA, &id), token(ADA));
    let hostile = [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "%2F%2Fevil.example",
        "/%2Fevil.example",
        "/%5Cevil.example",
        "javascript:alert('evil.example')",
        "/\r\nlocation:https://evil.example",
        "///evil.example",
        "https:evil.example",
        "/.//evil.example/..",
        "data:text/html,evil.example",
        " //evil.example",
        "/%09/evil.example",
    ];
    for target in hostile {
        let query: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
        for path in ["/sign-in", "/sign-up", "/token-pending", "/onboarding"] {
            let path = format!("{path}?next={query}");
            let inside = app.get(&path, Who::Cookie(&fresh)).await;
            assert_eq!(inside.location(), "/dashboard", "{path}");
            // Other callers get a page or a redirect: the target appears in neither.
            for who in [Who::SignedOut, Who::Cookie(&stale), Who::SignedInWithoutToken] {
                let reply = app.get(&path, who).await;
                // The form's own address, as a target to return to, contains it as a query value: harmless, as shown
                // above.
                let location = reply.header("location").replace(&own_address(&path), "");
                assert!(!reply.body.contains("evil.example") && !location.contains("evil"), "{path}: {reply:?}");
            }
        }
    }
    // A valid target is kept.
    assert_eq!(
        app.get("/sign-in?next=%2Fdashboard%3Ftab%3D2", Who::Cookie(&fresh)).await.location(),
        "/dashboard?tab=2"
    );
}

/// The onboarding form's address as the value of `next`.
fn own_address(path: &str) -> String {
    if !path.starts_with("/onboarding?") {
        return "-".to_owned();
    }
    path.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[tokio::test]
async fn a_path_that_browsers_read_as_another_host_is_never_a_target() {
    let app = TestApp::start().await;
    for path in ["//evil.example/dashboard", "/\\evil.example", "/onboarding/..//evil.example"] {
        let Ok(request) = request(axum::http::Method::GET, path, Who::SignedOut).body(axum::body::Body::empty()) else {
            continue;
        };
        let reply = app.send(request).await;
        assert_eq!(reply.header("location"), "", "{path}");
    }
}

#[tokio::test]
async fn names_are_shown_as_text_never_as_markup() {
    const NAME: &str = "<script>alert(1)</script> & \"Co\" {{x}}";
    let app = TestApp::start().await;
    let id = app.create(ADA, NAME, "acme").await;
    let statement = "update user_profiles set display_name = '<img src=x onerror=alert(2)>', email = '\"><svg onload=alert(3)>' where user_id = $1";
    app.database.as_owner(statement, ADA).await;
    let (fresh, stale) = (token_for(ADA, &id), token(ADA));
    for (path, token) in [("/dashboard", &fresh), ("/token-pending?tried=1", &stale)] {
        let page = app.get(path, Who::Cookie(token)).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; "), "{path}: {}", page.body);
        for markup in ["<script>alert", "<img src=x", "<svg onload"] {
            assert!(!page.body.contains(markup), "{path} {markup}: {}", page.body);
        }
    }
    let missing = app.get("/%3Cscript%3Ealert(1)%3C/script%3E", Who::SignedOut).await;
    assert!(missing.status == StatusCode::NOT_FOUND && !missing.body.contains("<script>"), "{}", missing.body);
}
