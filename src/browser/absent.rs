//! What `browser` is on the server: the same names, doing nothing. Event handlers of islands refer to them, and event
//! handlers run in browsers only.

use leptos::server_fn::ServerFn;

use crate::model::claims::ActiveOrganizationClaim;
use crate::model::failure::Failure;
use crate::model::onboarding::{Draft, WaitTargets};

/// clerk-js, which does not exist here.
#[derive(Clone)]
pub struct Clerk;

/// Why clerk-js is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStarted {
    NotLoaded,
    Failed,
}

impl Clerk {
    pub async fn start() -> Result<Self, NotStarted> {
        Err(NotStarted::Failed)
    }

    pub fn is_signed_in(&self) -> bool {
        false
    }

    pub fn is_sure(&self) -> bool {
        false
    }

    pub fn email(&self) -> Option<String> {
        None
    }

    pub async fn reload_session(&self) -> bool {
        false
    }

    pub async fn fetch_token(&self) -> bool {
        false
    }
}

pub fn awake() {}

pub fn draft() -> Draft {
    Draft::default()
}

pub fn wait_targets() -> WaitTargets {
    WaitTargets::default()
}

pub async fn call<F: ServerFn>(_: &[(&str, &str)]) -> Result<F::Output, Failure> {
    Err(Failure::network())
}

/// What a name decomposes to is asked in browsers only; the server has its own way.
pub fn decomposed(text: &str) -> String {
    text.to_owned()
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

pub fn value_of(_: &str) -> Option<String> {
    None
}

pub fn focus(_: &str) {}

pub fn on_connection_change(_: impl Fn(bool) + 'static) {}

pub fn debug(_: &str) {}
