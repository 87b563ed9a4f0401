//! Creating an organization: what is stored, the response, and what repeating it does.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode, header};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::clerk::Call;
use crate::support::keys::{self, token};
use crate::support::{Reply, TestApp, Who, request, until};

const CREATE: &str = "/api/organizations/create";
const RPC: &str = "/api/rpc/create_organization";

fn acme() -> Value {
    json!({"name": "Acme Studio", "slug": "acme"})
}

/// All rows of Ada's organization.
async fn assert_stored(app: &TestApp, id: &str) {
    assert_eq!(app.database.counts().await, [1, 1, 1, 1, 1, 0]);
    let whole: bool = app
        .database
        .value(
            "select exists (
                select from organizations o
                join organization_users m on m.organization_id = o.id and m.user_id = 'user_ada' and m.role = 'owner'
                join user_profiles p on p.user_id = m.user_id and p.active_organization_id = o.id
                join outbox_messages b on b.user_id = m.user_id and b.kind = 'update_user_metadata'
                join idempotency_keys k on k.user_id = m.user_id and k.organization_id = o.id
                where o.id = $1::uuid and o.name = 'Acme Studio' and o.slug = 'acme' and o.created_by = 'user_ada'
                  and o.created_at = timestamptz '2026-01-02 03:04:05Z')",
            id,
        )
        .await;
    assert!(whole);
    let call = Call {
        user: "user_ada".to_owned(),
        body: json!({"public_metadata": {"activeOrgId": id, "onboardingComplete": true}}),
    };
    assert_eq!(app.clerk.calls(), [call]);
}

fn assert_created(reply: &Reply, status: StatusCode) -> String {
    let id = reply.text("/organization/id");
    assert_eq!(reply.status, status, "{reply:?}");
    let expected = json!({
        "organization": {"id": id, "name": "Acme Studio", "slug": "acme"},
        "delivery": "delivered",
        "replayed": status == StatusCode::OK
    });
    assert_eq!(reply.json(), expected);
    id
}

#[tokio::test]
async fn one_call_stores_everything_notifies_clerk_and_can_be_repeated() {
    let app = TestApp::start().await;
    let token = token("user_ada");
    let first = app.post_json(CREATE, Who::Bearer(&token), &acme()).await;
    let id = assert_created(&first, StatusCode::CREATED);
    assert!(first.header("content-type").starts_with("application/json"));
    assert_eq!(uuid::Uuid::parse_str(&id).expect("a uuid").get_version_num(), 7);
    assert_stored(&app, &id).await;

    // Again, by every route: the same response, and nothing more stored or sent.
    for who in [Who::Bearer(&token), Who::Cookie(&token), Who::Suffixed(&token)] {
        assert_eq!(assert_created(&app.post_json(CREATE, who, &acme()).await, StatusCode::OK), id);
    }
    assert_eq!(assert_created(&app.post_json(RPC, Who::Cookie(&token), &acme()).await, StatusCode::OK), id);
    let fields = [("name", "Acme Studio"), ("slug", "acme")];
    assert_eq!(app.post_form("/onboarding", Who::Cookie(&token), &fields).await.location(), "/dashboard");
    // A second tab with another name gets the same organization.
    let other = app.post_json(CREATE, Who::Cookie(&token), &json!({"name": "Other", "slug": "other"})).await;
    assert_eq!(assert_created(&other, StatusCode::OK), id);
    assert_stored(&app, &id).await;
}

#[tokio::test]
async fn the_server_function_creates_with_a_cookie() {
    let app = TestApp::start().await;
    let token = token("user_ada");
    let reply = app.post_json(RPC, Who::Cookie(&token), &json!({"name": "  Acme   Studio ", "slug": "acme"})).await;
    let id = assert_created(&reply, StatusCode::CREATED);
    assert_stored(&app, &id).await;
}

#[tokio::test]
async fn the_form_without_javascript_creates_and_leads_inside() {
    let app = TestApp::start().await;
    let stale = token("user_ada");
    let reply = app.post_form("/onboarding", Who::Cookie(&stale), &[("name", "Acme Studio"), ("slug", "acme")]).await;
    assert_eq!(reply.location(), "/dashboard");
    let id: String = app.database.value("select id::text from organizations where slug = $1", "acme").await;
    assert_stored(&app, &id).await;
    // The token is stale now, so the dashboard redirects to the token-pending screen, not back to the form.
    assert_eq!(app.get("/dashboard", Who::Cookie(&stale)).await.location(), "/token-pending?next=/dashboard");
}

#[tokio::test]
async fn eight_concurrent_creations_create_one_organization() {
    let app = TestApp::start().await;
    let token = token("user_ada");
    let attempts = (0..8).map(|number| {
        let (app, token) = (&app, &token);
        async move {
            let body = json!({"name": format!("Acme {number}"), "slug": format!("acme-{number}")});
            app.post_json(CREATE, Who::Cookie(token), &body).await
        }
    });
    let replies = join_all(attempts).await;
    let ids: BTreeSet<_> = replies.iter().map(|reply| reply.text("/organization/id")).collect();
    let created = replies.iter().filter(|reply| reply.status == StatusCode::CREATED).count();
    let replayed = replies.iter().filter(|reply| reply.status == StatusCode::OK).count();
    assert_eq!((ids.len(), created, replayed), (1, 1, 7), "{replies:?}");
    assert_eq!(app.database.counts().await, [1, 1, 1, 1, 1, 0]);
    app.settled().await;
    assert_eq!(app.clerk.calls().len(), 1);
}

#[tokio::test]
async fn a_taken_slug_is_reported_at_its_field_and_uses_up_no_key() {
    let app = TestApp::start().await;
    let tokens = [token("user_ada"), token("user_grace")];
    let replies = join_all(tokens.iter().map(|token| {
        let app = &app;
        async move { app.post_json(CREATE, Who::Bearer(token), &acme()).await }
    }))
    .await;
    let mut statuses = [replies[0].status, replies[1].status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::CONFLICT], "{replies:?}");
    let loser = usize::from(replies[0].status == StatusCode::CREATED);
    let refusal = replies[loser].json();
    assert_eq!((&refusal["code"], &refusal["field"]), (&json!("slug_taken"), &json!("slug")), "{refusal}");
    assert_eq!(app.database.counts().await, [1, 1, 1, 1, 1, 0]);

    // The same attempt with another slug, with and without the client's own key.
    let who = Who::Bearer(&tokens[loser]);
    let again = app.post_json(CREATE, who, &json!({"name": "Acme Studio", "slug": "acme-2"})).await;
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
    assert_eq!(with_key(&app, who, "k-1", &acme()).await.status, StatusCode::CONFLICT);
    let again = with_key(&app, who, "k-1", &json!({"name": "Acme Studio", "slug": "acme-3"})).await;
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
}

#[tokio::test]
async fn a_clients_key_identifies_one_request() {
    let app = TestApp::start().await;
    let token = token("user_ada");
    let who = Who::Bearer(&token);
    let first = with_key(&app, who, "key-1", &acme()).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let repeated = with_key(&app, who, "key-1", &acme()).await;
    assert_eq!((repeated.status, repeated.text("/organization/id")), (StatusCode::OK, first.text("/organization/id")));
    for other in [json!({"name": "Acme Studio", "slug": "other"}), json!({"name": "Other", "slug": "acme"})] {
        let reply = with_key(&app, who, "key-1", &other).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(reply.text("/code"), "idempotency_key_reused");
    }
    assert_eq!(app.database.counts().await, [1, 1, 1, 1, 1, 0]);

    let second = with_key(&app, who, "key-2", &json!({"name": "Second", "slug": "second"})).await;
    assert_eq!(second.status, StatusCode::CREATED, "{second:?}");
    assert_ne!(second.text("/organization/id"), first.text("/organization/id"));
    assert_eq!(app.database.counts().await, [2, 2, 1, 2, 2, 0]);
    // The one created last is the active one.
    let active: String = app
        .database
        .value("select active_organization_id::text from user_profiles where user_id = $1", "user_ada")
        .await;
    assert_eq!(active, second.text("/organization/id"));
    // Keys belong to users: the same key of another user is another key.
    let graces = keys::token("user_grace");
    let reply = with_key(&app, Who::Bearer(&graces), "key-1", &json!({"name": "Grace's", "slug": "graces"})).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    for bad in ["", "two words", &"k".repeat(201)] {
        let reply = with_key(&app, who, bad, &json!({"name": "Third", "slug": "third"})).await;
        assert_eq!(
            (reply.status, reply.text("/code")),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid".to_owned()),
            "{bad:?}"
        );
    }
    assert_eq!(app.database.counts().await, [3, 3, 2, 3, 3, 0]);
}

#[tokio::test]
async fn a_client_that_disconnects_while_clerk_is_notified_loses_nothing() {
    let app = TestApp::start().await;
    let release = app.clerk.hold();
    let token = token("user_ada");
    let body = acme();
    {
        let answer = std::pin::pin!(app.post_json(CREATE, Who::Cookie(&token), &body));
        tokio::select! {
            biased;
            reply = answer => panic!("Clerk has not answered yet: {reply:?}"),
            () = app.clerk.called(1) => {}
        }
    }
    assert_eq!(app.database.counts().await, [1, 1, 1, 1, 1, 0]);
    let waiting: bool =
        app.database.value("select delivered_at is null from outbox_messages where user_id = $1", "user_ada").await;
    assert!(waiting);
    release.send(true).expect("the stub listens");
    app.settled().await;
    let delivered: bool =
        app.database.value("select delivered_at is not null from outbox_messages where user_id = $1", "user_ada").await;
    assert!(delivered);
}

#[tokio::test]
async fn a_creation_is_completed_after_the_client_disconnects() {
    let app = TestApp::start().await;
    // Blocks the transaction until it is rolled back.
    let mut obstacle = app.database.owner.begin().await.expect("a transaction");
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('create_organization user_ada', 0))")
        .execute(&mut *obstacle)
        .await
        .expect("the lock");
    let blocked = async {
        until("a transaction waiting for the lock", async || {
            let query = "select count(*) > 0 from pg_locks l join pg_database d on d.oid = l.database
                where d.datname = $1 and l.locktype = 'advisory' and not l.granted";
            app.database.value::<bool>(query, &app.database.name).await.then_some(())
        })
        .await;
    };
    let token = token("user_ada");
    let body = acme();
    {
        let answer = std::pin::pin!(app.post_json(CREATE, Who::Cookie(&token), &body));
        tokio::select! {
            biased;
            reply = answer => panic!("the transaction cannot have gone through: {reply:?}"),
            () = blocked => {}
        }
    }
    assert_eq!(app.database.counts().await, [0, 0, 0, 0, 0, 0]);
    obstacle.rollback().await.expect("released");
    app.settled().await;
    let id: String = app.database.value("select id::text from organizations where slug = $1", "acme").await;
    assert_stored(&app, &id).await;
}

/// A creation with an `Idempotency-Key`.
async fn with_key(app: &TestApp, who: Who<'_>, key: &str, body: &Value) -> Reply {
    let request = request(Method::POST, CREATE, who)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header("idempotency-key", key)
        .body(body.to_string().into());
    app.send(request.expect("a request")).await
}
