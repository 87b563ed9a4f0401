//! What the control keeps in mind. What it does to requests is in `http_tests.rs`.

use serde_json::json;

use super::*;

fn with(wishes: &str) -> Control {
    let control = Control::default();
    control.inner().wishes = Wishes::read(wishes.as_bytes()).expect("wishes");
    control
}

#[test]
fn metadata_is_seen_late_never_or_at_once() {
    let (old, new) = (json!({"a": 1}), json!({"a": 2}));
    let see = |control: &Control, at| {
        control.changed("u", &old, 1_000);
        control.visible("u", &new, at)
    };
    assert_eq!(see(&Control::default(), 1_000), new);
    let late = with(r#"{"metadata_delay_ms":500}"#);
    assert_eq!(see(&late, 1_499), old);
    assert_eq!(late.visible("u", &new, 1_500), new);
    assert_eq!(late.visible("somebody else", &new, 1_000), new);
    assert_eq!(see(&with(r#"{"metadata_delay_ms":null}"#), i64::MAX), old);
}

#[test]
fn faults_are_counted_and_match_what_they_name() {
    let control = with(
        r#"{"metadata_delay_ms":0,"faults":[{"method":"PATCH","path_starts_with":"/v1/users/","path_ends_with":"/metadata","count":2,"status":500}]}"#,
    );
    assert!(control.take(&Method::GET, "/v1/users/u/metadata").is_none());
    assert!(control.take(&Method::PATCH, "/v1/users/u").is_none());
    assert!(control.take(&Method::PATCH, "/v1/users/u/metadata").is_some());
    assert!(control.take(&Method::PATCH, "/v1/users/u/metadata").is_some());
    assert!(control.take(&Method::PATCH, "/v1/users/u/metadata").is_none());
}
