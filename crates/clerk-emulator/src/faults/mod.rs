//! The fault settings in force, and what they need to know of the past: what metadata was before it changed, and the
//! tokens that browsers hold. They are read and set over HTTP (`control`).
//!
//! What must stay true: with the default settings the emulator behaves as if this folder did not exist.

mod handed_out;
mod request;
mod settings;
mod webhook_settings;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use serde_json::Value;

use crate::clock::Clock;
use handed_out::HandedOut;

pub(crate) use handed_out::Minted;
pub(crate) use settings::{FaultSettings, LastActiveToken, RateLimits, RequestFault};
pub(crate) use webhook_settings::{WebhookFate, WebhookSettings};

/// The fault settings and what belongs to them.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    inner: Mutex<Inner>,
    handed_out: HandedOut,
}

#[derive(Debug, Default)]
struct Inner {
    settings: FaultSettings,
    /// By user: when it changed (ms) and what it was until then. Only kept while changes are delayed.
    before: HashMap<String, Vec<(i64, Value)>>,
}

impl Faults {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All settings.
    pub(crate) fn settings(&self) -> FaultSettings {
        self.inner().settings.clone()
    }

    /// One of the settings.
    pub(crate) fn get<T>(&self, read: impl FnOnce(&FaultSettings) -> T) -> T {
        read(&self.inner().settings)
    }

    /// Replaces all settings and moves the clock. Changes of metadata that tokens do not see yet stay so, if changes are
    /// still delayed. Says whether the clock went back.
    pub(crate) fn replace(&self, settings: FaultSettings, clock: &Clock) -> bool {
        let mut inner = self.inner();
        let went_back = settings.clock_offset_ms < inner.settings.clock_offset_ms;
        clock.set_offset(settings.clock_offset_ms);
        if settings.metadata_delay_ms == Some(0) {
            inner.before.clear();
        }
        inner.settings = settings;
        if went_back {
            // What happened in a time that is taken back, happened now. Else metadata would stay hidden for too long.
            let now = clock.now_ms();
            for (at, _) in inner.before.values_mut().flatten() {
                *at = now.min(*at);
            }
        }
        went_back
    }

    /// Remembers what a user's public metadata was before it changed.
    pub(crate) fn metadata_changed(&self, user: &str, before: &Value, now_ms: i64) {
        let mut inner = self.inner();
        if inner.settings.metadata_delay_ms != Some(0) {
            inner.before.entry(user.to_owned()).or_default().push((now_ms, before.clone()));
        }
    }

    /// The public metadata that a token minted now may carry.
    pub(crate) fn visible_metadata(&self, user: &str, current: &Value, now_ms: i64) -> Value {
        let inner = self.inner();
        let seen_until = match inner.settings.metadata_delay_ms {
            Some(delay) => now_ms - delay,
            None => i64::MIN,
        };
        let before = inner.before.get(user).and_then(|changes| changes.iter().find(|(at, _)| *at > seen_until));
        before.map_or_else(|| current.clone(), |(_, value)| value.clone())
    }

    /// The fault that this request meets, counted.
    pub(crate) fn take(&self, method: &Method, path: &str) -> Option<RequestFault> {
        let mut inner = self.inner();
        let fault = inner.settings.faults.iter_mut().find(|fault| fault.matches(method, path))?;
        fault.count -= 1;
        Some(fault.clone())
    }

    /// What is to happen to the next webhook, counted.
    pub(crate) fn take_webhook(&self) -> WebhookFate {
        self.inner().settings.webhooks.take()
    }

    /// Remembers a token that a browser gets. While old ones are set, only a `last_active_token` becomes the one to
    /// repeat: what `/tokens` or a handshake mints is fresh, and an older token may still follow it.
    pub(crate) fn handed_out(&self, session: &str, token: &Minted, is_last_active: bool) {
        let old = self.get(|settings| settings.last_active_token == LastActiveToken::Old);
        self.handed_out.remember(session, token, old && !is_last_active);
    }

    /// The token to repeat as `last_active_token`: none if fresh ones are set, or if it is not valid now.
    pub(crate) fn old_token(&self, session: &str, now_ms: i64) -> Option<Arc<str>> {
        let old = self.get(|settings| settings.last_active_token == LastActiveToken::Old);
        old.then(|| self.handed_out.repeated(session, now_ms))?
    }

    /// The last token handed out for a session, valid or not.
    pub(crate) fn last_token(&self, session: &str) -> Option<Arc<str>> {
        self.handed_out.last(session)
    }

    /// Forgets the tokens of a session that is over.
    pub(crate) fn session_ended(&self, session: &str) {
        self.handed_out.forget(session);
    }
}

#[cfg(test)]
mod tests;
