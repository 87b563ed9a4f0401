//! The things the emulator remembers. Each is one line of the journal when it changes.
//! All instants are milliseconds since the Unix epoch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A code sent to an e-mail address and how far its use has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Verification {
    pub(super) strategy: String,
    pub(super) code: String,
    pub(super) attempts: u32,
    pub(super) expires_at: i64,
    pub(super) verified: bool,
}

/// An e-mail address of a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EmailAddress {
    pub(super) id: String,
    /// Lower case.
    pub(super) address: String,
    pub(super) verified: bool,
    pub(super) verification: Option<Verification>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

/// A person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) emails: Vec<EmailAddress>,
    pub(super) primary_email_id: Option<String>,
    pub(super) password_hash: Option<String>,
    pub(super) public_metadata: Value,
    pub(super) private_metadata: Value,
    pub(super) unsafe_metadata: Value,
    pub(super) banned: bool,
    pub(super) last_sign_in_at: Option<i64>,
    pub(super) created_at: i64,
    /// Strictly increases on every change: clerk-js decides by it whether to show the new user.
    pub(super) updated_at: i64,
}

/// One browser, known by its `__client` cookie.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: String,
    /// Oldest first.
    pub(super) session_ids: Vec<String>,
    pub(super) last_active_session_id: Option<String>,
    pub(super) sign_in_id: Option<String>,
    pub(super) sign_up_id: Option<String>,
    pub(super) created_at: i64,
    /// Changes only when the set of sessions changes: it is the value of `__client_uat`.
    pub(super) updated_at: i64,
}

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SessionStatus {
    Active,
    Ended,
    Removed,
    Revoked,
    Expired,
}

impl SessionStatus {
    /// Clerk's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended => "ended",
            Self::Removed => "removed",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// A person signed in on a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) client_id: String,
    pub(super) status: SessionStatus,
    /// Secret half of the `__refresh` cookie.
    pub(super) refresh_secret: String,
    /// Origin of the page that signed in: `azp` for tokens that the Backend API mints.
    pub(super) origin: Option<String>,
    pub(super) user_agent: String,
    pub(super) ip_address: String,
    pub(super) first_factor_at: i64,
    pub(super) last_active_at: i64,
    pub(super) expire_at: i64,
    pub(super) abandon_at: i64,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

impl Session {
    /// The status at `now`: an active session ends by itself at `expire_at`.
    pub(super) fn status_at(&self, now: i64) -> SessionStatus {
        match self.status {
            SessionStatus::Active if now >= self.expire_at => SessionStatus::Expired,
            status => status,
        }
    }

    /// Whether the session can still get tokens at `now`.
    pub(super) fn is_live(&self, now: i64) -> bool {
        self.status_at(now) == SessionStatus::Active
    }
}

/// An attempt to sign in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SignIn {
    pub(super) id: String,
    pub(super) client_id: String,
    pub(super) identifier: Option<String>,
    pub(super) user_id: Option<String>,
    /// Clerk's word: `needs_identifier`, `needs_first_factor`, `needs_new_password`, `complete`.
    pub(super) status: String,
    pub(super) first_factor: Option<Verification>,
    pub(super) created_session_id: Option<String>,
    pub(super) abandon_at: i64,
}

/// An attempt to sign up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SignUp {
    pub(super) id: String,
    pub(super) client_id: String,
    pub(super) email_address: Option<String>,
    pub(super) password_hash: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) unsafe_metadata: Value,
    pub(super) verification: Option<Verification>,
    pub(super) created_session_id: Option<String>,
    pub(super) created_user_id: Option<String>,
    pub(super) abandon_at: i64,
}

/// A token that signs its person in once (`POST /v1/sign_in_tokens`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) token: String,
    /// `pending`, `accepted` or `revoked`.
    pub(super) status: String,
    pub(super) expires_at: i64,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

/// A named JWT template (`POST /v1/jwt_templates`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct JwtTemplate {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) claims: Value,
    /// Seconds.
    pub(super) lifetime: i64,
    /// Seconds.
    pub(super) allowed_clock_skew: i64,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}
