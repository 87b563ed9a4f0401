//! What `browser` is on the server: the same names, doing nothing. Event handlers of islands refer to them, and event
//! handlers run in browsers only.

use crate::model::claims::ActiveOrganizationClaim;

/// clerk-js, which does not exist here.
#[derive(Clone)]
pub struct Clerk;

/// Which of Clerk's forms to show.
pub struct ClerkForm<'a> {
    pub sign_up: bool,
    pub after: &'a str,
    pub other_form: &'a str,
}

impl Clerk {
    pub async fn start(_: bool) -> Option<Self> {
        None
    }

    pub fn is_signed_in(&self) -> bool {
        false
    }

    pub fn is_sure(&self) -> bool {
        false
    }

    pub async fn reload_session(&self) -> bool {
        false
    }

    pub async fn fetch_token(&self) -> bool {
        false
    }

    pub fn mount(&self, _: &str, _: &ClerkForm<'_>) -> bool {
        false
    }

    pub fn open_user_profile(&self) {}

    pub async fn sign_out(&self) -> bool {
        false
    }
}

pub fn session_cookie_claim() -> Option<ActiveOrganizationClaim> {
    None
}

/// Drops the future: on the server nothing runs by itself.
pub fn spawn(_: impl Future<Output = ()> + 'static) {}

pub async fn sleep(_: u32) {}

pub async fn within<T>(_: u32, future: impl Future<Output = T>) -> Option<T> {
    Some(future.await)
}

pub fn now_ms() -> f64 {
    0.0
}

pub fn go_to(_: &str) {}

pub fn reload() {}

pub fn submit(_: &str) {}

pub fn value_of(_: &str) -> Option<String> {
    None
}

pub fn focus(_: &str) {}

pub fn on_connection_change(_: impl Fn(bool) + 'static) {}

pub fn debug(_: &str) {}
