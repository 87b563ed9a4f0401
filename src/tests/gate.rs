//! The gate as browsers see it: which page responds, and where users are redirected.

use axum::http::StatusCode;
use serde_json::json;
use time::Duration;

use crate::support::keys::{token, token_for, token_with};
use crate::support::{NOW, TestApp, Who};

const ADA: &str = "user_ada";
const GRACE: &str = "user_grace";

#[tokio::test]
async fn signed_out_visitors_are_sent_to_sign_in_and_back() {
    let app = TestApp::start().await;
    let reply = app.get("/dashboard", Who::SignedOut).await;
    assert_eq!(reply.location(), "/sign-in?next=/dashboard");
    let reply = app.get("/dashboard?tab=1&name=caf%C3%A9", Who::SignedOut).await;
    assert_eq!(reply.location(), "/sign-in?next=/dashboard%3Ftab%3D1%26name%3Dcaf%25C3%25A9");
    assert_eq!(app.get("/onboarding", Who::SignedOut).await.location(), "/sign-in?next=/onboarding");
    assert_eq!(app.get("/token-pending?next=/dashboard", Who::SignedOut).await.location(), "/sign-in?next=/dashboard");
    let form = app.get("/sign-in?next=/dashboard", Who::SignedOut).await;
    assert_eq!(form.status, StatusCode::OK);
    assert_eq!(app.get("/sign-up", Who::SignedOut).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_new_user_is_led_to_the_form() {
    let app = TestApp::start().await;
    let token = token(ADA);
    for who in [Who::Cookie(&token), Who::Suffixed(&token)] {
        for path in ["/dashboard", "/sign-in", "/token-pending?next=/dashboard"] {
            assert_eq!(app.get(path, who).await.location(), "/onboarding", "{path}");
        }
        let form = app.get("/onboarding", who).await;
        assert_eq!(form.status, StatusCode::OK);
        assert!(
            form.body.contains("Create your organization") && form.body.contains(r#"name="slug""#),
            "{}",
            form.body
        );
    }
}

#[tokio::test]
async fn a_stale_token_waits_and_never_sees_the_form_again() {
    let app = TestApp::start().await;
    let stale = token(ADA);
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let who = Who::Cookie(&stale);
    assert_eq!(app.get("/dashboard?tab=1", who).await.location(), "/token-pending?next=/dashboard%3Ftab%3D1");
    assert_eq!(app.get("/onboarding", who).await.location(), "/token-pending?next=/dashboard");
    let waiting = app.get("/token-pending?next=/dashboard%3Ftab%3D1&tried=1", who).await;
    assert_eq!(waiting.status, StatusCode::OK);
    assert!(waiting.body.contains("Session still loading") && !waiting.body.contains(".wasm"), "{}", waiting.body);
    let refreshing = app.get("/token-pending?next=/dashboard%3Ftab%3D1", who).await;
    assert!(
        refreshing.body.contains("Refreshing your session") && refreshing.body.contains(".wasm"),
        "{}",
        refreshing.body
    );
    assert!(waiting.body.contains("Acme Studio") && waiting.body.contains("/dashboard?tab=1"), "{}", waiting.body);

    // She may also skip the wait: the database decides, and the page says that the session is stale.
    assert!(waiting.body.contains("Open the dashboard"), "{}", waiting.body);
    let anyway = app.post_form("/dashboard", who, &[]).await;
    assert_eq!((anyway.status, anyway.location()), (StatusCode::SEE_OTHER, "/dashboard"));
    let cookie = anyway.header("set-cookie");
    assert_eq!(cookie, "vestibule_anyway=1; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600");

    let fresh = token_for(ADA, &id);
    let who = Who::Cookie(&fresh);
    assert_eq!(app.get("/onboarding", who).await.location(), "/dashboard");
    assert_eq!(app.get("/sign-in?next=/dashboard%3Ftab%3D1", who).await.location(), "/dashboard?tab=1");
    assert_eq!(app.get("/token-pending", who).await.location(), "/dashboard");
}

#[tokio::test]
async fn the_dashboard_shows_the_organization_and_its_members() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    app.database.as_owner("insert into organization_users values ($1::uuid, 'user_grace', 'member', now())", &id).await;
    let fresh = token_for(ADA, &id);
    let page = app.get("/dashboard", Who::Cookie(&fresh)).await;
    assert_eq!(page.status, StatusCode::OK);
    // Clerk's response to the notification has Ada's name; of Grace only the membership is known.
    for text in [
        "Acme Studio",
        "app.example.com",
        "acme",
        "<bdi>Ada Lovelace (you)</bdi>",
        "<bdi>Ada Lovelace</bdi>",
        "ada@example.test",
        "Owner",
        "Name not known yet",
        "2 members",
        "2 January 2026",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    // Grace sees the same organization, and Ada's name.
    let graces = token_for(GRACE, &id);
    let page = app.get("/dashboard", Who::Cookie(&graces)).await;
    assert!(
        page.status == StatusCode::OK && page.body.contains("Ada Lovelace") && page.body.contains("You"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn without_our_template_the_database_decides() {
    let app = TestApp::start().await;
    let bare = token_with(ADA, &json!({"publicMetadata": null}));
    assert_eq!(app.get("/dashboard", Who::Cookie(&bare)).await.location(), "/onboarding");
    app.create(ADA, "Acme Studio", "acme").await;
    let page = app.get("/dashboard", Who::Cookie(&bare)).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Acme Studio"), "{page:?}");
}

#[tokio::test]
async fn another_organization_in_the_claim_is_stale_and_opens_nothing() {
    let app = TestApp::start().await;
    let hers = app.create(ADA, "Acme Studio", "acme").await;
    app.create(GRACE, "Harbour", "harbour").await;
    let foreign = token_for(GRACE, &hers);
    let who = Who::Cookie(&foreign);
    assert_eq!(app.get("/dashboard", who).await.location(), "/token-pending?next=/dashboard");
    let page = app.get("/token-pending?tried=1", who).await;
    assert!(page.body.contains("Harbour") && !page.body.contains("Acme"), "{}", page.body);
    // A user without an organization gets the form, whatever the claim says.
    let foreign = token_for("user_eve", &hers);
    assert_eq!(app.get("/dashboard", Who::Cookie(&foreign)).await.location(), "/onboarding");
}

#[tokio::test]
async fn a_removed_member_loses_access_at_the_next_request() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let fresh = token_for(ADA, &id);
    let who = Who::Cookie(&fresh);
    assert_eq!(app.get("/dashboard", who).await.status, StatusCode::OK);
    assert_eq!(app.database.as_owner("delete from organization_users where user_id = $1", ADA).await, 1);
    let reply = app.get("/dashboard", who).await;
    assert_eq!(reply.location(), "/onboarding");
    assert!(!reply.body.contains("Acme"));
    // The form works for them, although they have created an organization before.
    let form = app.get("/onboarding", who).await;
    assert_eq!(form.status, StatusCode::OK);
    let created =
        app.post_json("/api/organizations/create", Who::Bearer(&fresh), &json!({"name": "Anew", "slug": "anew"})).await;
    assert_eq!(
        (created.status, created.text("/organization/slug")),
        (StatusCode::CREATED, "anew".to_owned()),
        "{created:?}"
    );
}

#[tokio::test]
async fn a_deleted_organization_leads_to_the_form() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let fresh = token_for(ADA, &id);
    app.database.as_owner("delete from organizations where slug = $1", "acme").await;
    assert_eq!(app.get("/dashboard", Who::Cookie(&fresh)).await.location(), "/onboarding");
}

#[tokio::test]
async fn expired_and_missing_tokens_wait_with_their_cause() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let fresh = token_for(ADA, &id);
    app.clock.advance(Duration::milliseconds(65_100));
    let who = Who::Cookie(&fresh);
    assert_eq!(app.get("/dashboard", who).await.location(), "/token-pending?next=/dashboard");
    let page = app.get("/token-pending?next=/dashboard&tried=1", who).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("token has expired"), "{}", page.body);
    assert!(!page.body.contains("Acme"), "an expired token shows no data");

    let page = app.get("/token-pending?tried=1", Who::SignedInWithoutToken).await;
    assert!(page.body.contains("has not received your session yet"), "{}", page.body);
    let early = token_with(ADA, &json!({"nbf": NOW + 600, "exp": NOW + 660}));
    assert!(app.get("/token-pending?tried=1", Who::Cookie(&early)).await.body.contains("dated in the future"));
    let partyless = token_with(ADA, &json!({"azp": null, "exp": NOW + 600}));
    assert!(app.get("/token-pending?tried=1", Who::Cookie(&partyless)).await.body.contains("does not say which site"));
}

#[tokio::test]
async fn a_pending_task_at_clerk_leads_to_clerks_form() {
    let app = TestApp::start().await;
    let pending = token_with(ADA, &json!({"sts": "pending"}));
    let who = Who::Cookie(&pending);
    assert_eq!(app.get("/dashboard", who).await.location(), "/sign-in?next=/dashboard");
    assert_eq!(app.get("/sign-in?next=/dashboard", who).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_members_may_skip_the_wait() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let insist = async |token: &str| {
        let request = crate::support::request(axum::http::Method::GET, "/dashboard", Who::Cookie(token))
            .header("cookie", "vestibule_anyway=1")
            .body(axum::body::Body::empty());
        app.send(request.expect("a request")).await
    };
    let page = insist(&token(ADA)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Acme Studio") && page.body.contains("still catching up"), "{}", page.body);
    assert_eq!(insist(&token("user_eve")).await.location(), "/onboarding");
    assert_eq!(insist("a.b.c").await.status, StatusCode::UNAUTHORIZED);
    // Once the token is fresh, the notice disappears.
    let page = insist(&token_for(ADA, &id)).await;
    assert!(page.status == StatusCode::OK && !page.body.contains("still catching up"), "{}", page.body);
    // The database decides every time: a removed member has no access.
    app.database.as_owner("delete from organization_users where user_id = $1", ADA).await;
    assert_eq!(insist(&token(ADA)).await.location(), "/onboarding");
}
