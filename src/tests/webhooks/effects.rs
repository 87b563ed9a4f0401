//! The effects of each message on profiles, memberships and organizations, and what is written back to Clerk.

use axum::http::StatusCode;
use serde_json::{Value, json};
use time::Duration;
use vestibule::server::outbox::RelayOutcome;
use vestibule::server::webhooks::ApplyOutcome;
use vestibule::server::webhooks::WebhookOutcome::{Applied, Deleted, Superseded};

use super::{ADA, apply, deleted, done, outbox, profile, send_event, start, stored, take, user};
use crate::support::clerk::UPDATED_AT;
use crate::support::keys::{token, token_for};
use crate::support::{Who, soon};

#[tokio::test]
async fn other_types_are_stored_as_ignored_without_their_content() {
    let app = start().await;
    // Types that Clerk does not have, so that none of them can become one that means something.
    for kind in ["ignored.created", "ignored-2.deleted", "Ignored_3", "user.createdAtNever"] {
        send_event(&app, kind, kind, &json!({"id": "x_1", "name": "Private"})).await;
        let row = stored(&app, kind).await;
        assert_eq!(
            (&row["outcome"], &row["payload"], &row["user_id"]),
            (&json!("ignored"), &Value::Null, &Value::Null)
        );
        assert!(!row["applied_at"].is_null(), "{row}");
    }
    assert_eq!(apply(app.state.webhooks()).await, ApplyOutcome::Idle);
    assert_eq!(app.database.counts().await, [0, 0, 0, 0, 0, 4]);
}

#[tokio::test]
async fn a_user_is_created_and_merged_and_older_messages_change_nothing() {
    let app = start().await;
    assert_eq!(take(&app, "m1", "user.created", &user(ADA, "Ada", 2_000)).await, done("m1", Applied));
    let first = profile(&app, ADA).await;
    assert_eq!((&first["display_name"], &first["email"]), (&json!("Ada"), &json!("ada@example.test")));
    assert_eq!(take(&app, "m2", "user.updated", &user(ADA, "Old", 1_999)).await, done("m2", Superseded));
    assert_eq!(profile(&app, ADA).await, first);

    app.clock.advance(Duration::minutes(1));
    let mut unverified = user(ADA, "Countess", 3_000);
    unverified["email_addresses"][0]["verification"] = json!({"status": "unverified"});
    unverified["last_name"] = json!("Love\u{0}lace");
    assert_eq!(take(&app, "m3", "user.updated", &unverified).await, done("m3", Applied));
    let third = profile(&app, ADA).await;
    assert_eq!((&third["display_name"], &third["email"]), (&json!("Countess Lovelace"), &Value::Null));
    assert_eq!(third["created_at"], first["created_at"]);
    assert_ne!(third["updated_at"], first["updated_at"]);
    assert_eq!(outbox(&app).await, 0);
}

#[tokio::test]
async fn a_missing_profile_blocks_no_user_and_the_late_message_merges() {
    let app = start().await;
    let id = app.create("user_grace", "Acme", "acme").await;
    let join = "insert into organization_users values ($1::uuid, 'user_ada', 'member', now())";
    app.database.as_owner(join, &id).await;
    assert_eq!(profile(&app, ADA).await, Value::Null);
    let page = app.get("/dashboard", Who::Cookie(&token_for(ADA, &id))).await;
    assert_eq!((page.status, page.body.contains("Acme")), (StatusCode::OK, true), "{page:?}");
    assert_eq!(take(&app, "m1", "user.created", &user(ADA, "Ada", 1_000)).await, done("m1", Applied));
    let page = app.get("/dashboard", Who::Cookie(&token_for(ADA, &id))).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Ada"), "{page:?}");

    // Creating an organization creates the profile. Clerk's response is newer than an earlier message.
    app.create("user_eve", "Eve", "eve").await;
    let made = profile(&app, "user_eve").await;
    assert!(!made["active_organization_id"].is_null(), "{made}");
    let late = user("user_eve", "Late", UPDATED_AT - 1);
    assert_eq!(take(&app, "m2", "user.created", &late).await, done("m2", Superseded));
    assert_eq!(profile(&app, "user_eve").await, made);
    let mut newer = user("user_eve", "Newer", UPDATED_AT + 1);
    newer["public_metadata"] = json!({"activeOrgId": made["active_organization_id"], "onboardingComplete": true});
    assert_eq!(take(&app, "m3", "user.updated", &newer).await, done("m3", Applied));
    let merged = profile(&app, "user_eve").await;
    assert_eq!(merged["active_organization_id"], made["active_organization_id"]);
    assert_eq!(merged["display_name"], json!("Newer"));
}

#[tokio::test]
async fn a_deleted_user_stays_deleted() {
    let app = start().await;
    let alone = app.create(ADA, "Alone", "alone").await;
    let shared = app.create("user_grace", "Shared", "shared").await;
    let join = "insert into organization_users values ($1::uuid, 'user_ada', 'owner', now())";
    app.database.as_owner(join, &shared).await;
    send_event(&app, "dead", "user.updated", &json!({"id": ADA, "first_name": "Private"})).await;
    assert_eq!(apply(app.state.webhooks()).await, ApplyOutcome::Dead { id: "dead".into() });
    assert_eq!(app.get("/dashboard", Who::Cookie(&token_for(ADA, &alone))).await.status, StatusCode::OK);

    let ownerless = vec![alone.parse().expect("a UUID")];
    let end = ApplyOutcome::Done { id: "m1".into(), end: Applied, ownerless };
    assert_eq!(take(&app, "m1", "user.deleted", &deleted(ADA)).await, end);
    let since = async |id: &str| {
        app.database
            .value::<bool>("select ownerless_since is not null from organizations where id = $1::uuid", id)
            .await
    };
    assert_eq!((since(&alone).await, since(&shared).await), (true, false));
    let grave = profile(&app, ADA).await;
    for emptied in ["display_name", "email", "active_organization_id"] {
        assert_eq!(grave[emptied], Value::Null, "{grave}");
    }
    assert!(!grave["deleted_at"].is_null(), "{grave}");
    let count = "select (select count(*) from organization_users where user_id = $1) + (select count(*) from idempotency_keys where user_id = $1)";
    assert_eq!(app.database.value::<i64>(count, ADA).await, 0);
    assert_eq!(stored(&app, "dead").await["payload"], Value::Null);

    // Nothing brings the user back: neither a late message, nor a second deletion, nor a token that is still valid.
    app.clock.advance(Duration::seconds(30));
    let newest = user(ADA, "Ada", UPDATED_AT + 9_000_000);
    assert_eq!(take(&app, "m2", "user.updated", &newest).await, done("m2", Deleted));
    assert_eq!(take(&app, "m3", "user.created", &newest).await, done("m3", Deleted));
    assert_eq!(take(&app, "m4", "user.deleted", &deleted(ADA)).await, done("m4", Applied));
    let body = json!({"name": "Again", "slug": "again"});
    let reply = app.post_json("/api/organizations/create", Who::Bearer(&token(ADA)), &body).await;
    assert_eq!((reply.status, reply.text("/code").as_str()), (StatusCode::UNAUTHORIZED, "signed_out"), "{reply:?}");
    assert_eq!(profile(&app, ADA).await, grave);
    assert_eq!(app.get("/dashboard", Who::Cookie(&token_for(ADA, &alone))).await.location(), "/onboarding");

    // A later deletion changes nothing about an organization that is already marked.
    let stay = "insert into organization_users values ($1::uuid, 'user_eve', 'member', now())";
    app.database.as_owner(stay, &alone).await;
    assert_eq!(take(&app, "m5", "user.deleted", &deleted("user_eve")).await, done("m5", Applied));

    // A new owner, added by hand, removes the mark.
    app.database
        .as_owner("insert into organization_users values ($1::uuid, 'user_grace', 'owner', now())", &alone)
        .await;
    assert!(!since(&alone).await);
}

#[tokio::test]
async fn two_owners_deleted_at_once_leave_a_marked_organization() {
    let app = start().await;
    let (second, _) = app.second_process();
    for round in 0..10 {
        let (one, other) = (format!("user_a{round}"), format!("user_b{round}"));
        let id = app.create(&one, "Acme", &format!("acme-{round}")).await;
        let join = "insert into organization_users select ($1::json ->> 0)::uuid, $1::json ->> 1, 'owner', now()";
        app.database.as_owner(join, &json!([id, other]).to_string()).await;
        send_event(&app, &format!("a{round}"), "user.deleted", &deleted(&one)).await;
        send_event(&app, &format!("b{round}"), "user.deleted", &deleted(&other)).await;
        let (first, last) =
            soon("both", async { tokio::join!(apply(app.state.webhooks()), apply(second.webhooks())) }).await;
        let named: Vec<String> = [first, last]
            .into_iter()
            .flat_map(|outcome| match outcome {
                ApplyOutcome::Done { ownerless, .. } => ownerless,
                other => panic!("{other:?}"),
            })
            .map(|id| id.to_string())
            .collect();
        assert_eq!(named, [id], "reported once");
    }
}

#[tokio::test]
async fn our_own_writes_echo_once_and_only_a_real_difference_is_written_again() {
    let app = start().await;
    let id = app.create(ADA, "Acme", "acme").await;
    assert_eq!((outbox(&app).await, app.clerk.calls().len()), (1, 1));
    let with = |metadata: Value, at: i64| {
        let mut user = user(ADA, "Ada", UPDATED_AT + at);
        user["public_metadata"] = metadata;
        user
    };
    // The echo of our own write, with another application's key next to ours.
    for (number, extra) in [(1, json!({})), (2, json!({"role": "admin"}))] {
        let mut metadata = json!({"activeOrgId": id, "onboardingComplete": true});
        metadata.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        let name = format!("echo{number}");
        assert_eq!(take(&app, &name, "user.updated", &with(metadata, number)).await, done(&name, Applied));
    }
    assert_eq!(outbox(&app).await, 1);

    // It was changed at Clerk: written again, once, and the echo of that ends it.
    take(&app, "lost", "user.updated", &with(json!({"activeOrgId": "other"}), 10)).await;
    take(&app, "lost2", "user.updated", &with(json!({}), 11)).await;
    assert_eq!(outbox(&app).await, 2, "the second one finds a message in flight");
    let relayed = app.state.outbox().relay_one(None).await.expect("the database answers");
    assert_eq!(relayed, RelayOutcome::Delivered { user: ADA.to_owned() });
    let calls = app.clerk.calls();
    assert_eq!((calls.len(), &calls[0]), (2, &calls[1]));
    take(&app, "echo3", "user.updated", &with(json!({"activeOrgId": id, "onboardingComplete": true}), 12)).await;
    // Late: from before the repair.
    take(&app, "late", "user.updated", &with(json!({}), 11)).await;
    assert_eq!((outbox(&app).await, app.clerk.calls().len()), (2, 2));
}
