//! A user as Clerk describes them, in its answers and in webhooks.

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::model::ids::UserId;

/// A user, as far as we look.
#[derive(Clone, Debug, Deserialize)]
pub struct ClerkUser {
    pub id: UserId,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    #[serde(default)]
    email_addresses: Vec<EmailAddress>,
    primary_email_address_id: Option<String>,
    /// In milliseconds since the Unix epoch.
    updated_at: Option<i64>,
    public_metadata: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct EmailAddress {
    id: String,
    email_address: String,
    verification: Option<Verification>,
}

#[derive(Clone, Debug, Deserialize)]
struct Verification {
    status: Option<String>,
}

impl EmailAddress {
    fn is_verified(&self) -> bool {
        self.verification.as_ref().is_some_and(|verification| verification.status.as_deref() == Some("verified"))
    }
}

impl ClerkUser {
    /// First and last name, if there is any.
    pub fn display_name(&self) -> Option<String> {
        let name =
            [self.first_name.as_deref(), self.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// The primary e-mail address, if Clerk has verified it.
    pub fn primary_email(&self) -> Option<&str> {
        let id = self.primary_email_address_id.as_deref()?;
        let primary = self.email_addresses.iter().find(|address| address.id == id)?;
        primary.is_verified().then_some(primary.email_address.as_str())
    }

    /// What Clerk keeps about them for everybody to see, if it is what it should be.
    pub fn public_metadata(&self) -> Option<&Value> {
        self.public_metadata.as_ref().filter(|found| found.is_object())
    }

    /// When the user last changed, by Clerk's clock.
    pub fn updated_at(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.updated_at?) * 1_000_000).ok()
    }
}

/// The same without NUL characters, which JSON may hold and Postgres may not.
pub fn without_nul(mut value: Value) -> Value {
    match &mut value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', ""),
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_nul(item.take())),
        Value::Object(members) => {
            *members = std::mem::take(members)
                .into_iter()
                .map(|(name, value)| (name.replace('\0', ""), without_nul(value)))
                .collect();
        }
        _ => {}
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nul_is_taken_out_wherever_it_stands() {
        let dirty = json!({"a\0": ["x\0y", {"b": "\0"}], "n": 1});
        assert_eq!(without_nul(dirty), json!({"a": ["xy", {"b": ""}], "n": 1}));
    }
}
