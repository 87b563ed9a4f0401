//! What the fault settings remember. What they do to requests is in `control::http_tests`.

use serde_json::json;

use super::*;

fn with(settings: &str) -> Faults {
    let faults = Faults::default();
    faults.replace(FaultSettings::read(settings.as_bytes()).expect("settings"), &Clock::default());
    faults
}

#[test]
fn the_guide_names_each_setting() {
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/emulator.md");
    let guide = std::fs::read_to_string(guide).expect("docs/emulator.md");
    let fault: RequestFault = serde_json::from_value(json!({"count": 1})).expect("a fault");
    let settings = json!(FaultSettings::default());
    let names = |value: Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let webhooks = names(settings["webhooks"].clone()).into_iter().map(|name| format!("webhooks.{name}"));
    let all = names(settings).into_iter().filter(|name| name != "webhooks").chain(webhooks).chain(names(json!(fault)));
    for name in all {
        let row = format!("`{name}`");
        assert!(guide.lines().any(|line| line.starts_with("| ") && line.contains(&row)), "{name} has no row");
    }
}

#[test]
fn metadata_is_seen_late_never_or_at_once() {
    let (old, new) = (json!({"a": 1}), json!({"a": 2}));
    let see = |faults: &Faults, at| {
        faults.metadata_changed("u", &old, 1_000);
        faults.visible_metadata("u", &new, at)
    };
    assert_eq!(see(&Faults::default(), 1_000), new);
    let late = with(r#"{"metadata_delay_ms":500}"#);
    assert_eq!(see(&late, 1_499), old);
    assert_eq!(late.visible_metadata("u", &new, 1_500), new);
    assert_eq!(late.visible_metadata("another user", &new, 1_000), new);
    assert_eq!(see(&with(r#"{"metadata_delay_ms":null}"#), i64::MAX), old);
}

#[test]
fn request_faults_are_counted_and_match_what_they_name() {
    let faults = with(
        r#"{"metadata_delay_ms":0,"faults":[{"method":"PATCH","path_starts_with":"/v1/users/","path_ends_with":"/metadata","count":2,"status":500}]}"#,
    );
    assert!(faults.take(&Method::GET, "/v1/users/u/metadata").is_none());
    assert!(faults.take(&Method::PATCH, "/v1/users/u").is_none());
    assert!(faults.take(&Method::PATCH, "/v1/users/u/metadata").is_some());
    assert!(faults.take(&Method::PATCH, "/v1/users/u/metadata").is_some());
    assert!(faults.take(&Method::PATCH, "/v1/users/u/metadata").is_none());
}
