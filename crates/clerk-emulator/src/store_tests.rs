//! What the store finds again after a restart.

use serde_json::json;

use super::*;
use crate::records::EmailAddress;

fn user(id: &str, address: &str, created_at: i64) -> User {
    let email = EmailAddress {
        id: format!("idn_{id}"),
        address: address.to_owned(),
        verified: true,
        verification: None,
        created_at,
        updated_at: created_at,
    };
    User {
        id: id.to_owned(),
        first_name: None,
        last_name: None,
        external_id: None,
        primary_email_id: Some(email.id.clone()),
        emails: vec![email],
        password_hash: None,
        public_metadata: json!({}),
        private_metadata: json!({}),
        unsafe_metadata: json!({}),
        banned: false,
        last_sign_in_at: None,
        created_at,
        updated_at: created_at,
    }
}

fn sign_up(id: &str, abandon_at: i64) -> SignUp {
    SignUp {
        id: id.to_owned(),
        client_id: "client_1".to_owned(),
        email_address: None,
        password_hash: None,
        first_name: None,
        last_name: None,
        unsafe_metadata: json!({}),
        verification: None,
        created_session_id: None,
        created_user_id: None,
        abandon_at,
    }
}

fn opened(directory: &std::path::Path, now: i64) -> Store {
    let (journal, lines) = Journal::open(directory).expect("opens");
    Store::replay(journal, lines, now).expect("replays")
}

#[test]
fn records_and_indexes_come_back_after_a_restart() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut store = opened(directory.path(), 0);
    store.put(user("user_1", "ada@x.test", 1));
    store.put(user("user_2", "bob@x.test", 2));
    store.put(user("user_1", "ada@y.test", 1));
    store.put(user("user_3", "eve@x.test", 3));
    store.remove::<User>("user_3");
    store.put(sign_up("sua_old", 50));
    store.put(sign_up("sua_new", 150));
    drop(store);
    for _ in 0..2 {
        let store = opened(directory.path(), 100);
        assert_eq!(store.users_by_age().map(|user| user.id.as_str()).collect::<Vec<_>>(), ["user_1", "user_2"]);
        assert!(store.user_by_email("ada@x.test").is_none());
        assert_eq!(store.user_by_email(" ADA@y.test").map(|user| user.id.as_str()), Some("user_1"));
        assert!(store.user_by_email("eve@x.test").is_none());
        assert!(store.sign_ups.contains_key("sua_new") && !store.sign_ups.contains_key("sua_old"));
    }
}

#[test]
fn an_unverified_address_finds_nobody() {
    let mut store = Store::default();
    let mut unverified = user("user_1", "ada@x.test", 1);
    unverified.emails[0].verified = false;
    store.put(unverified);
    assert!(store.user_by_email("ada@x.test").is_none());
}
