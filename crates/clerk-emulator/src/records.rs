//! The things the emulator remembers. Each is one line of the journal when it changes.
//! All instants are milliseconds since the Unix epoch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A code sent to an e-mail address and how far its use has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Verification {
    pub(crate) strategy: String,
    pub(crate) code: String,
    pub(crate) attempts: u32,
    pub(crate) expires_at: i64,
    pub(crate) verified: bool,
}

/// An e-mail address of a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EmailAddress {
    pub(crate) id: String,
    /// Lower case.
    pub(crate) address: String,
    pub(crate) verified: bool,
    pub(crate) verification: Option<Verification>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) emails: Vec<EmailAddress>,
    pub(crate) primary_email_id: Option<String>,
    pub(crate) password_hash: Option<String>,
    pub(crate) public_metadata: Value,
    pub(crate) private_metadata: Value,
    pub(crate) unsafe_metadata: Value,
    pub(crate) banned: bool,
    pub(crate) last_sign_in_at: Option<i64>,
    pub(crate) created_at: i64,
    /// Strictly increases on every change: clerk-js decides by it whether to show the new user.
    pub(crate) updated_at: i64,
}

impl User {
    /// The primary address, or none.
    pub(crate) fn primary_email(&self) -> Option<&EmailAddress> {
        self.emails.iter().find(|email| Some(&email.id) == self.primary_email_id.as_ref())
    }

    /// The address with this id.
    pub(crate) fn email(&self, id: &str) -> Option<&EmailAddress> {
        self.emails.iter().find(|email| email.id == id)
    }
}

/// One browser, known by its `__client` cookie.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// Oldest first.
    pub(crate) session_ids: Vec<String>,
    pub(crate) last_active_session_id: Option<String>,
    pub(crate) sign_in_id: Option<String>,
    pub(crate) sign_up_id: Option<String>,
    pub(crate) created_at: i64,
    /// Changes only when the set of sessions changes: it is the value of `__client_uat`.
    pub(crate) updated_at: i64,
}

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionStatus {
    Active,
    Ended,
    Removed,
    Revoked,
    Expired,
}

impl SessionStatus {
    /// Clerk's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended => "ended",
            Self::Removed => "removed",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// A user signed in on a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) client_id: String,
    pub(crate) status: SessionStatus,
    /// Secret half of the `__refresh` cookie.
    pub(crate) refresh_secret: String,
    /// Origin of the page that signed in: `azp` for tokens that the Backend API mints.
    pub(crate) origin: Option<String>,
    pub(crate) user_agent: String,
    pub(crate) ip_address: String,
    pub(crate) first_factor_at: i64,
    pub(crate) last_active_at: i64,
    pub(crate) expire_at: i64,
    pub(crate) abandon_at: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl Session {
    /// The status at `now`: an active session ends by itself at `expire_at`.
    pub(crate) fn status_at(&self, now: i64) -> SessionStatus {
        match self.status {
            SessionStatus::Active if now >= self.expire_at => SessionStatus::Expired,
            status => status,
        }
    }

    /// Whether the session can still get tokens at `now`.
    pub(crate) fn is_live(&self, now: i64) -> bool {
        self.status_at(now) == SessionStatus::Active
    }
}

/// An attempt to sign in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SignIn {
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) identifier: Option<String>,
    pub(crate) user_id: Option<String>,
    /// As Clerk names it: `needs_identifier`, `needs_first_factor`, `needs_new_password`, `complete`.
    pub(crate) status: String,
    pub(crate) first_factor: Option<Verification>,
    pub(crate) created_session_id: Option<String>,
    pub(crate) abandon_at: i64,
}

/// An attempt to sign up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SignUp {
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) email_address: Option<String>,
    pub(crate) password_hash: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) unsafe_metadata: Value,
    pub(crate) verification: Option<Verification>,
    pub(crate) created_session_id: Option<String>,
    pub(crate) created_user_id: Option<String>,
    pub(crate) abandon_at: i64,
}

/// A token that signs its user in once (`POST /v1/sign_in_tokens`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ticket {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) token: String,
    /// `pending`, `accepted` or `revoked`.
    pub(crate) status: String,
    pub(crate) expires_at: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// A named JWT template (`POST /v1/jwt_templates`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JwtTemplate {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) claims: Value,
    /// Seconds.
    pub(crate) lifetime: i64,
    /// Seconds.
    pub(crate) allowed_clock_skew: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}
