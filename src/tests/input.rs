//! Invalid input on every route: the documented status and code, the input kept, and nothing stored.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::keys::{token, token_for};
use crate::support::{TestApp, Who, request};

const CREATE: &str = "/api/organizations/create";
const RPC: &str = "/api/rpc/create_organization";
const NOTHING: [i64; 6] = [0; 6];

/// Invalid names and slugs, with the field at fault.
fn invalid() -> Vec<(String, String, &'static str)> {
    let long = "x".repeat(10_000);
    let cases = [
        ("", "acme", "name"),
        (" \t ", "acme", "name"),
        (&long, "acme", "name"),
        ("🎉🎉", "acme", "name"),
        ("Acme\u{202e}moc", "acme", "name"),
        ("Ac\u{0}me", "acme", "name"),
        ("Ac\u{200b}me", "acme", "name"),
        ("\u{3164}\u{3164}", "acme", "name"),
        ("Ac\u{301}\u{301}\u{301}\u{301}\u{301}me", "acme", "name"),
        ("\u{301}Acme", "acme", "name"),
        ("Acme", "", "slug"),
        ("Acme", "Acme", "slug"),
        ("Acme", &long, "slug"),
        ("Acme", "new", "slug"),
        ("Acme", "api", "slug"),
        ("Acme", "-acme", "slug"),
        ("Acme", "ac--me", "slug"),
        ("Acme", "ac/me", "slug"),
        ("Acme", "acmé", "slug"),
        ("Acme", "a", "slug"),
    ];
    cases.map(|(name, slug, field)| (name.to_owned(), slug.to_owned(), field)).into()
}

#[tokio::test]
async fn invalid_names_and_slugs_are_reported_at_their_field() {
    let app = TestApp::start().await;
    let token = token("user_ada");
    for (name, slug, field) in invalid() {
        let what = format!("{:.20?} {:.20?}", name, slug);
        let body = json!({"name": name, "slug": slug});
        let by_json = app.post_json(CREATE, Who::Bearer(&token), &body).await;
        let by_function = app.post_json(RPC, Who::Cookie(&token), &body).await;
        for reply in [by_json, by_function] {
            assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {reply:?}");
            let failure = reply.json();
            assert_eq!((&failure["code"], &failure["field"]), (&json!("invalid"), &json!(field)), "{what}: {failure}");
            assert!(failure["message"].as_str().is_some_and(|message| message.ends_with('.')), "{failure}");
        }
    }
    assert_eq!(app.database.counts().await, NOTHING);
    assert!(app.clerk.calls().is_empty());
}

#[tokio::test]
async fn the_form_without_javascript_keeps_the_input_and_reports_errors() {
    let app = TestApp::start().await;
    let token = token("user_ada");
    let who = Who::Cookie(&token);
    let page = app.post_form("/onboarding", who, &[("name", r#"Acme "&" <Sons>"#), ("slug", "Not Good")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.body.contains("Use lowercase letters only."), "{}", page.body);
    assert!(page.body.contains(r#"value="Not Good""#), "{}", page.body);
    assert!(page.body.contains(r#"value="Acme &quot;&amp;&quot; &lt;Sons&gt;""#), "{}", page.body);
    assert_eq!(app.database.counts().await, NOTHING);

    app.create("user_grace", "Acme", "acme").await;
    let page = app.post_form("/onboarding", who, &[("name", "Mine"), ("slug", "acme")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    // Without JavaScript, each available slug is a link to this form, filled in with it.
    let link = r#"href="/onboarding?name=Mine&amp;slug=acme-hq""#;
    for text in ["This address is taken.", r#"value="Mine""#, r#"value="acme""#, "aria-invalid", link] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    // A session that expired while the user typed is renewed on the way back to the form.
    app.clock.advance(time::Duration::minutes(5));
    let page = app.post_form("/onboarding", who, &[("name", "Mine"), ("slug", "mine")]).await;
    assert_eq!(page.location(), "/onboarding?name=Mine&slug=mine&renewed=1");
    let signed_out = app.post_form("/onboarding", Who::SignedOut, &[("name", "Mine"), ("slug", "mine")]).await;
    assert_eq!(signed_out.status, StatusCode::UNAUTHORIZED);
    assert!(
        signed_out.body.contains("You’re signed out.") && signed_out.body.contains(r#"value="mine""#),
        "{}",
        signed_out.body
    );
    assert_eq!(app.database.counts().await, [1, 1, 1, 1, 1, 0]);
}

#[tokio::test]
async fn the_form_without_javascript_derives_the_slug_from_the_name() {
    let app = TestApp::start().await;
    let token = token("user_ada");
    let who = Who::Cookie(&token);
    let page = app.post_form("/onboarding", who, &[("name", "株式会社"), ("slug", "")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("We can’t make a web address from this name."), "{}", page.body);
    let empty = app.post_form("/onboarding", who, &[("name", ""), ("slug", "")]).await;
    assert!(empty.status == StatusCode::UNPROCESSABLE_ENTITY && empty.body.contains("Enter a name"), "{empty:?}");
    assert_eq!(app.database.counts().await, NOTHING);
    let created = app.post_form("/onboarding", who, &[("name", "Căn Hộ Mu\u{308}ller"), ("slug", " ")]).await;
    assert_eq!((created.status, created.location()), (StatusCode::SEE_OTHER, "/dashboard"));
    let slug: String =
        sqlx::query_scalar("select slug from organizations").fetch_one(&app.database.owner).await.expect("one");
    assert_eq!(slug, "can-ho-muller");
}

/// Rules apply to new input only. Stored values that today's rules would reject still show.
#[tokio::test]
async fn stored_values_show_whatever_the_rules_are_now() {
    let app = TestApp::start().await;
    let id = app.create("user_ada", "Acme", "acme").await;
    let change = "update organizations set name = 'Ac' || chr(847) || 'me', slug = 'status' where id = $1::uuid";
    app.database.as_owner(change, &id).await;
    let fresh = token_for("user_ada", &id);
    let page = app.get("/dashboard", Who::Cookie(&fresh)).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Ac\u{34f}me"), "{page:?}");
    let me = app.get("/api/me", Who::Bearer(&fresh)).await;
    assert_eq!((me.status, me.text("/organization/slug")), (StatusCode::OK, "status".to_owned()));
    // A repeated creation returns the same organization.
    let again = app.post_json(RPC, Who::Cookie(&fresh), &json!({"name": "Other", "slug": "other"})).await;
    assert_eq!((again.status, again.text("/organization/slug")), (StatusCode::OK, "status".to_owned()));
}

#[tokio::test]
async fn bodies_that_are_not_the_documented_json_are_rejected() {
    let app = TestApp::start().await;
    let token = token("user_ada");
    let who = Who::Bearer(&token);
    let good = r#"{"name":"Acme","slug":"acme"}"#;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"] {
        let reply = app.post(CREATE, who, content_type, good).await;
        assert_eq!(
            (reply.status, reply.text("/code")),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type".to_owned())
        );
    }
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        r#""acme""#,
        r#"{"name":"Acme"}"#,
        r#"{"slug":"acme"}"#,
        r#"{"name":7,"slug":"acme"}"#,
        r#"{"name":null,"slug":"acme"}"#,
        r#"{"name":["Acme"],"slug":"acme"}"#,
        r#"{"name":"Acme","slug":{"a":1}}"#,
        r#"{"name":"Acme","name":"Twice","slug":"acme"}"#,
        "\u{feff}{}",
        r#"{"name":"\ud800","slug":"acme"}"#,
    ];
    for body in bodies {
        let reply = app.post(CREATE, who, "application/json", body).await;
        assert_eq!(
            (reply.status, reply.text("/code")),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid".to_owned()),
            "{body}"
        );
    }
    for body in ["", "name=Acme&slug=acme", r#"{"name":"Acme"}"#, r#"{"name":7,"slug":"acme"}"#, "[]"] {
        let reply = app.post(RPC, Who::Cookie(&token), "application/json", body).await;
        assert_eq!(
            (reply.status, reply.text("/code")),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid".to_owned()),
            "{body}"
        );
    }
    assert_eq!(app.database.counts().await, NOTHING);
}

#[tokio::test]
async fn oversized_bodies_are_rejected_with_and_without_a_declared_length() {
    let app = TestApp::start().await;
    let token = token("user_ada");
    let huge = "x".repeat(17 * 1024);
    let json = json!({"name": huge, "slug": "acme"}).to_string();
    let fields = format!("slug=acme&name={huge}");
    for (path, content_type, body) in [
        (CREATE, "application/json", &json),
        (RPC, "application/json", &json),
        ("/onboarding", "application/x-www-form-urlencoded", &fields),
    ] {
        let declared = app.post(path, Who::Cookie(&token), content_type, body.clone()).await;
        assert_eq!(declared.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert_eq!(declared.text("/code"), "too_large", "{path}");
        let chunked = request(Method::POST, path, Who::Cookie(&token))
            .header(header::CONTENT_TYPE, content_type)
            .body(Body::from(body.clone()));
        let undeclared = app.send(chunked.expect("a request")).await;
        assert_eq!(undeclared.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}: {undeclared:?}");
        assert_eq!(undeclared.text("/code"), "too_large", "{path}");
    }
    assert_eq!(app.database.counts().await, NOTHING);
}

#[tokio::test]
async fn signed_out_callers_create_nothing() {
    let app = TestApp::start().await;
    let expired = crate::support::keys::token_with("user_ada", &json!({"exp": crate::support::NOW - 60}));
    let foreign = crate::support::keys::token_with("user_ada", &json!({"azp": "https://evil.example"}));
    let pending = crate::support::keys::token_with("user_ada", &json!({"sts": "pending"}));
    let cases = [
        (Who::SignedOut, StatusCode::UNAUTHORIZED, "signed_out"),
        (Who::SignedInWithoutToken, StatusCode::UNAUTHORIZED, "session_stale"),
        (Who::Cookie(&expired), StatusCode::UNAUTHORIZED, "session_stale"),
        (Who::Bearer(&foreign), StatusCode::UNAUTHORIZED, "session_refused"),
        (Who::Bearer("nonsense"), StatusCode::UNAUTHORIZED, "session_refused"),
        (Who::Bearer(&pending), StatusCode::FORBIDDEN, "session_pending"),
    ];
    for (who, status, code) in cases {
        let by_json = app.post_json(CREATE, who, &json!({"name": "Acme", "slug": "acme"})).await;
        let by_function = app.post_json(RPC, who, &json!({"name": "Acme", "slug": "acme"})).await;
        for reply in [by_json, by_function] {
            assert_eq!((reply.status, reply.text("/code")), (status, code.to_owned()), "{reply:?}");
        }
    }
    assert_eq!(app.database.counts().await, NOTHING);
}

#[tokio::test]
async fn the_slug_check_reports_available_taken_or_invalid_and_has_a_rate_limit() {
    let app = TestApp::start().await;
    app.create("user_grace", "Acme", "acme").await;
    let token = token("user_ada");
    let check =
        async |slug: &str| app.post_json("/api/rpc/check_slug", Who::Cookie(&token), &json!({"slug": slug})).await;
    let free = check("free-one").await;
    assert_eq!((free.status, free.json()), (StatusCode::OK, json!({"available": true, "suggestions": []})));
    assert_eq!(check("acme").await.json(), json!({"available": false, "suggestions": ["acme-hq", "acme-team"]}));
    // Suggestions are available, those of a failed creation, too.
    app.create("user_eve", "Acme", "acme-hq").await;
    assert_eq!(check("acme").await.json()["suggestions"], json!(["acme-team", "acme-2"]));
    let form = json!({"name": "Acme", "slug": "acme"});
    let refused = app.post_json("/api/rpc/create_organization", Who::Cookie(&token), &form).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.json()["suggestions"], json!(["acme-team", "acme-2"]));
    for bad in ["Acme", "new", "", "a"] {
        let reply = check(bad).await;
        assert_eq!((reply.status, &reply.json()["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("slug")), "{bad}");
    }
    let signed_out = app.post_json("/api/rpc/check_slug", Who::SignedOut, &json!({"slug": "acme"})).await;
    assert_eq!((signed_out.status, signed_out.text("/code")), (StatusCode::UNAUTHORIZED, "signed_out".to_owned()));

    // A list of names cannot be tried out. Other users are not limited by it.
    let mut limited = Value::Null;
    for number in 0..40 {
        let reply = check(&format!("guess-{number}")).await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            limited = reply.json();
            break;
        }
    }
    assert_eq!(limited["code"], "rate_limited");
    let graces = crate::support::keys::token("user_grace");
    let reply = app.post_json("/api/rpc/check_slug", Who::Cookie(&graces), &json!({"slug": "guess"})).await;
    assert_eq!(reply.status, StatusCode::OK);
}
