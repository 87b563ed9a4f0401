//! Identifiers, parsed once and never passed on as raw strings.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A Clerk user id, such as `user_2abc…`. Clerk does not specify the form, so only its safety is checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

/// A Clerk session id, such as `sess_2abc…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// The id of one of our organizations: a UUID that our server generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrganizationId(pub Uuid);

/// Longest Clerk id we accept, in bytes. Clerk's own have about 32.
const MAX_CLERK_ID_BYTES: usize = 128;

/// Why a string is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id")]
pub struct InvalidId;

fn is_clerk_id(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= MAX_CLERK_ID_BYTES
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

macro_rules! clerk_id {
    ($name:ident) => {
        impl $name {
            /// Accepts ASCII letters, digits, `_` and `-`, at most 128 bytes, so that the id is safe in a URL path.
            pub fn parse(value: &str) -> Result<Self, InvalidId> {
                is_clerk_id(value).then(|| Self(value.to_owned())).ok_or(InvalidId)
            }

            /// The id as Clerk writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(value: String) -> Result<Self, InvalidId> {
                Self::parse(&value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

clerk_id!(UserId);
clerk_id!(SessionId);

impl OrganizationId {
    /// Reads the hyphenated form used in claims and metadata.
    pub fn parse(value: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(value).map(Self).map_err(|_| InvalidId)
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clerk_ids_are_safe_in_a_path() {
        assert!(UserId::parse("user_2aBc-9").is_ok());
        for bad in ["", "user/../x", "user x", "us\u{e9}r", &"a".repeat(129)] {
            assert_eq!(UserId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn an_organization_id_is_a_uuid() {
        let text = "0193f3a1-7b5e-7c00-8000-0123456789ab";
        assert_eq!(OrganizationId::parse(text).expect("valid").to_string(), text);
        assert_eq!(OrganizationId::parse("org_123"), Err(InvalidId));
    }
}
