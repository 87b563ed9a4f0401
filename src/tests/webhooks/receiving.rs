//! Which messages are accepted, and what is stored of them.

use axum::http::StatusCode;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use time::Duration;
use vestibule::server::webhooks::WebhookOutcome::Applied;
use vestibule::server::webhooks::{ApplyOutcome, MAX_BODY_BYTES};

use super::{
    ADA, BODY, OTHER_SECRET, OTHER_SIGNATURE, PATH, SECRET, SIGNATURE, apply, deleted, done, message, messages, send,
    send_event, start, stored, user,
};
use crate::support::keys::token;
use crate::support::{NOW, TestApp, Who};

#[tokio::test]
async fn only_a_fresh_message_with_a_valid_signature_is_stored() {
    let app = start().await;
    let now = NOW.to_string();
    let good = format!("v1,{SIGNATURE}");
    let signed_at = |offset: i64| {
        let at = NOW + offset;
        let signature = Webhook::new(SECRET).expect("a secret").sign("msg_1", at, BODY.as_bytes()).expect("signed");
        message("msg_1", &at.to_string(), &signature, BODY)
    };
    let refused = [
        ("without id", message("", &now, &good, BODY), "svix-id"),
        ("without time", message("msg_1", "", &good, BODY), "svix-timestamp"),
        ("without signature", message("msg_1", &now, "", BODY), "svix-signature"),
        ("no time", message("msg_1", "yesterday", &good, BODY), "svix-timestamp"),
        ("a huge id", message(&"m".repeat(201), &now, &good, BODY), "svix-id"),
        ("other id", message("msg_2", &now, &good, BODY), "no signature fits"),
        ("other time", message("msg_1", &(NOW + 1).to_string(), &good, BODY), "no signature fits"),
        ("other body", message("msg_1", &now, &good, BODY.replace("ada", "eve")), "no signature fits"),
        ("a space more", message("msg_1", &now, &good, format!("{BODY} ")), "no signature fits"),
        ("other secret", message("msg_1", &now, &format!("v1,{OTHER_SIGNATURE}"), BODY), "no signature fits"),
        ("other version", message("msg_1", &now, &format!("v2,{SIGNATURE}"), BODY), "no signature fits"),
        ("without version", message("msg_1", &now, SIGNATURE, BODY), "no signature fits"),
        ("cut", message("msg_1", &now, &good[..good.len() - 4], BODY), "no signature fits"),
        ("empty", message("msg_1", &now, "v1,", BODY), "no signature fits"),
        ("too old", signed_at(-301), "older than five minutes"),
        ("too new", signed_at(301), "in the future"),
    ];
    for (what, request, cause) in refused {
        let reply = app.send(request).await;
        assert_eq!(
            (reply.status, reply.text("/code").as_str()),
            (StatusCode::UNAUTHORIZED, "signature_refused"),
            "{what}"
        );
        assert!(reply.text("/message").contains(cause), "{what}: {reply:?}");
        assert_eq!(messages(&app).await, 0, "{what}");
    }
    for (request, received) in [
        (message("msg_1", &now, &format!("v1,{OTHER_SIGNATURE} v1a,x {good}"), BODY), "stored"),
        (signed_at(-300), "duplicate"),
        (signed_at(300), "duplicate"),
    ] {
        let reply = app.send(request).await;
        assert_eq!((reply.status, reply.json()), (StatusCode::OK, json!({"received": received})), "{reply:?}");
    }
    assert_eq!(messages(&app).await, 1);
}

#[tokio::test]
async fn while_secrets_are_rotated_both_are_accepted() {
    let both = format!("{OTHER_SECRET},{SECRET}");
    let now = NOW.to_string();
    for (secrets, statuses) in [(both.as_str(), [200, 200]), (SECRET, [200, 401]), (OTHER_SECRET, [401, 200])] {
        let app = TestApp::start_with(&[("CLERK_WEBHOOK_SIGNING_SECRET", secrets)]).await;
        for (signature, status) in [SIGNATURE, OTHER_SIGNATURE].into_iter().zip(statuses) {
            let reply = app.send(message("msg_1", &now, &format!("v1,{signature}"), BODY)).await;
            assert_eq!(reply.status.as_u16(), status, "{reply:?}");
        }
    }
}

#[tokio::test]
async fn without_a_secret_the_response_names_the_variable() {
    let app = TestApp::start().await;
    let reply = send(&app, "msg_1", BODY).await;
    assert_eq!((reply.status, reply.text("/code").as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert!(reply.text("/message").contains("CLERK_WEBHOOK_SIGNING_SECRET"), "{reply:?}");
    assert_eq!(messages(&app).await, 0);
}

#[tokio::test]
async fn unreadable_and_oversized_messages_are_rejected_and_not_stored() {
    let app = start().await;
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{\"type\":\"user.created\"}",
        "{\"type\":1,\"data\":{}}",
        "{\"type\":\"\",\"data\":{}}",
        "{\"type\":\"user.created\",\"data\":[]}",
        "{\"type\":\"user\\u0000\",\"data\":{}}",
    ] {
        let reply = send(&app, "msg_1", body).await;
        assert_eq!((reply.status.as_u16(), reply.text("/code").as_str()), (422, "invalid"), "{body}: {reply:?}");
    }
    // Far more than pages accept, then one byte too much.
    let event = |length: usize| {
        let frame = json!({"type": "ignored.created", "data": {"x": ""}}).to_string();
        frame.replace("\"\"", &format!("\"{}\"", "x".repeat(length - frame.len())))
    };
    let reply = send(&app, "msg_1", &event(MAX_BODY_BYTES + 1)).await;
    assert_eq!((reply.status.as_u16(), reply.text("/code").as_str()), (413, "too_large"), "{reply:?}");
    assert_eq!(messages(&app).await, 0);
    let reply = send(&app, "msg_1", &event(MAX_BODY_BYTES)).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({"received": "ignored"})));
}

#[tokio::test]
async fn browsers_cannot_use_it() {
    let app = start().await;
    let token = token(ADA);
    // From another site, from our own, and with only a cookie.
    for (headers, status) in [
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("origin", "https://evil.example"), ("cookie", "theme=dark")], 403),
        (vec![("cookie", "theme=dark")], 403),
        (vec![("sec-fetch-site", "same-origin"), ("origin", "https://app.example.com")], 401),
    ] {
        let mut request = message("", "", "", BODY);
        for (name, value) in &headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        assert_eq!(app.send(request).await.status.as_u16(), status, "{headers:?}");
    }
    assert_eq!(app.post(PATH, Who::Cookie(&token), "text/plain", BODY).await.status.as_u16(), 401);
    assert_eq!(app.get(PATH, Who::Cookie(&token)).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(messages(&app).await, 0);
}

#[tokio::test]
async fn a_message_is_stored_once_and_the_first_content_counts() {
    let app = start().await;
    send_event(&app, "msg_1", "user.created", &user(ADA, "Ada", 1_000)).await;
    let first = stored(&app, "msg_1").await;
    assert_eq!((&first["user_id"], &first["applied_at"]), (&json!(ADA), &Value::Null));
    app.clock.advance(Duration::minutes(1));
    send_event(&app, "msg_1", "user.deleted", &deleted(ADA)).await;
    assert_eq!(stored(&app, "msg_1").await, first);
    assert_eq!(apply(app.state.webhooks()).await, done("msg_1", Applied));
    let applied = stored(&app, "msg_1").await;
    send_event(&app, "msg_1", "user.created", &user(ADA, "Ada", 1_000)).await;
    assert_eq!((stored(&app, "msg_1").await, apply(app.state.webhooks()).await), (applied.clone(), ApplyOutcome::Idle));
    // Its personal data is no longer needed.
    assert_eq!(
        (&applied["payload"], &applied["outcome"], &applied["attempts"]),
        (&Value::Null, &json!("applied"), &json!(1))
    );
}
