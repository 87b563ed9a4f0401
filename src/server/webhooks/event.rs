//! What a webhook says, as far as it means something to us.

use serde::Deserialize;
use serde_json::Value;

use crate::model::ids::UserId;
use crate::server::clerk::user::ClerkUser;

/// Something that happened to a user at Clerk.
#[derive(Clone, Debug)]
pub enum Event {
    /// `user.created` and `user.updated`: the whole user as they are since then.
    Changed(Box<ClerkUser>),
    /// `user.deleted`.
    Deleted(UserId),
}

/// The data is not what Clerk documents for its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable: {0}")]
pub struct Unreadable(pub &'static str);

/// The types that mean something to us. All others are ignored.
pub fn is_meant_for_us(kind: &str) -> bool {
    matches!(kind, "user.created" | "user.updated" | "user.deleted")
}

/// The user whom the data is about, if it is about one.
pub fn user_of<'a>(kind: &str, data: &'a Value) -> Option<&'a str> {
    is_meant_for_us(kind).then(|| data.get("id").and_then(Value::as_str)).flatten()
}

impl Event {
    /// Reads the data of a message whose type means something to us.
    pub fn parse(kind: &str, data: &Value) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Deleted {
            id: UserId,
        }
        match kind {
            "user.created" | "user.updated" => {
                let user = ClerkUser::deserialize(data).map_err(|_| Unreadable("not a user as Clerk describes it"))?;
                // Without it, it is unknown which of two messages is newer.
                user.updated_at().ok_or(Unreadable("a user without updated_at"))?;
                Ok(Self::Changed(Box::new(user)))
            }
            "user.deleted" => {
                let deleted = Deleted::deserialize(data).map_err(|_| Unreadable("a deletion without the user's id"))?;
                Ok(Self::Deleted(deleted.id))
            }
            _ => Err(Unreadable("a type that means nothing to us")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_verified_primary_address_counts() {
        let email = |status: Value| {
            let data = json!({
                "id": "user_ada", "first_name": null, "last_name": null, "updated_at": 1, "primary_email_address_id": "idn_1",
                "email_addresses": [
                    {"id": "idn_1", "email_address": "ada@example.test", "verification": status},
                    {"id": "idn_2", "email_address": "other@example.test", "verification": {"status": "verified"}},
                ],
            });
            match Event::parse("user.updated", &data).expect("readable") {
                Event::Changed(user) => user.primary_email().map(str::to_owned),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(email(json!({"status": "verified"})).as_deref(), Some("ada@example.test"));
        for status in [json!(null), json!({}), json!({"status": null}), json!({"status": "unverified"})] {
            assert_eq!(email(status.clone()), None, "{status}");
        }
    }

    #[test]
    fn what_is_unreadable_says_why() {
        let reason = |kind, data| Event::parse(kind, &data).expect_err("unreadable").0;
        assert_eq!(reason("user.updated", json!({"id": "user_ada"})), "a user without updated_at");
        assert_eq!(reason("user.updated", json!({"updated_at": 1})), "not a user as Clerk describes it");
        assert_eq!(reason("user.deleted", json!({"id": "a/b"})), "a deletion without the user's id");
    }
}
