//! The emulator from the outside, over its own port.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::test_support::ada;

fn options(data_dir: Option<&Path>) -> Options {
    let ada = SeedUser { email: "Ada@Example.test".to_owned(), ..ada(json!({"role": "owner"})) };
    Options { data_dir: data_dir.map(Path::to_owned), users: vec![ada], ..Options::default() }
}

/// Sends one request and returns the whole answer as text.
async fn send(emulator: &Emulator, request: &str) -> String {
    let address = emulator.settings().api_url.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answers");
    answer
}

/// A request with the secret key and no body.
fn backend(emulator: &Emulator, line: &str) -> String {
    let key = &emulator.settings().secret_key;
    format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n")
}

#[tokio::test]
async fn a_data_directory_keeps_keys_and_users() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = start(options(Some(directory.path()))).await.expect("starts");
    let users = send(&first, &backend(&first, "GET /v1/users")).await;
    assert!(users.starts_with("HTTP/1.1 200"), "{users}");
    assert!(users.contains("content-type: application/json\r\n"), "{users}");
    let before = first.settings().clone();
    first.shutdown().await;

    let second = start(options(Some(directory.path()))).await.expect("starts again");
    assert_eq!(second.settings().publishable_key, before.publishable_key);
    assert_eq!(second.settings().secret_key, before.secret_key);
    assert_eq!(second.settings().jwt_public_key_pem, before.jwt_public_key_pem);
    let body = |answer: &str| answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    assert_eq!(body(&send(&second, &backend(&second, "GET /v1/users")).await), body(&users));
    let count = send(&second, &backend(&second, "GET /v1/users/count")).await;
    assert!(count.contains("\"total_count\":1"), "{count}");
    second.shutdown().await;
}

#[tokio::test]
async fn a_data_directory_from_before_webhooks_gets_a_secret_and_keeps_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("keys.json");
    let begin = async || {
        let emulator = start(options(Some(directory.path()))).await.expect("starts");
        let settings = emulator.settings().clone();
        emulator.shutdown().await;
        settings
    };
    let first = begin().await;
    let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("keys")).expect("JSON");
    assert_eq!(kept["webhook_secret"], first.webhook_secret);
    kept.as_object_mut().expect("an object").remove("webhook_secret");
    std::fs::write(&path, kept.to_string()).expect("writes");
    let (second, third) = (begin().await, begin().await);
    assert_eq!(second.secret_key, first.secret_key);
    assert!(second.webhook_secret.starts_with("whsec_") && second.webhook_secret != first.webhook_secret);
    assert_eq!(third.webhook_secret, second.webhook_secret);
    assert_eq!(std::fs::metadata(&path).expect("keys").permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn one_directory_belongs_to_one_emulator() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = start(options(Some(directory.path()))).await.expect("starts");
    let error = start(options(Some(directory.path()))).await.expect_err("is rejected");
    assert!(error.to_string().contains("another Clerk emulator"), "{error}");
    first.shutdown().await;
}

#[tokio::test]
async fn secrets_are_required() {
    let emulator = start(options(None)).await.expect("starts");
    let bare = |line: &str| format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(send(&emulator, &bare("GET /v1/users")).await.starts_with("HTTP/1.1 401"));
    assert!(send(&emulator, &bare("GET /inbox")).await.starts_with("HTTP/1.1 403"));
    assert!(send(&emulator, &bare("GET /inbox.json?token=guess")).await.starts_with("HTTP/1.1 403"));
    assert!(send(&emulator, &bare("GET /v1/client")).await.contains("\"response\":null"));
    assert!(send(&emulator, &bare("GET /.well-known/jwks.json")).await.contains("\"kid\":\"ins_"));
    let proxied = "GET /v1/client HTTP/1.1\r\nHost: x\r\nConnection: close\r\nClerk-Proxy-Url: http://localhost:3000/__clerk\r\n\r\n";
    assert!(send(&emulator, proxied).await.contains("proxy_request_invalid_secret_key"));
    emulator.shutdown().await;
}

#[tokio::test]
async fn it_listens_on_this_machine_only() {
    let open = Options { listen: ([0, 0, 0, 0], 0).into(), ..options(None) };
    assert!(start(open).await.is_err());
    let words = Options { claims_template: json!("text"), ..options(None) };
    assert!(start(words).await.is_err());
}
