//! Making the emulator slow, stale or broken on purpose: `/control?token=…`, behind the same door as the inbox
//! (`local_pages`). PUT sets everything at once, DELETE puts everything right, GET shows it; a browser gets a page that
//! does the same.
//!
//! What must stay true: without a PUT the emulator behaves as if this folder did not exist.

mod answer;
mod faults;
mod form;
mod handed_out;
mod page;
mod webhook_wishes;
mod wishes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use serde_json::Value;

use super::app::App;
use handed_out::HandedOut;
use wishes::Fault;

pub(super) use answer::answer;
pub(super) use handed_out::Minted;
pub(super) use webhook_wishes::{WebhookFate, WebhookWishes};
pub(super) use wishes::{LastActiveToken, RateLimits, Wishes};

/// The wishes, what metadata was before it changed, and the tokens that browsers hold.
#[derive(Debug, Default)]
pub(super) struct Control {
    inner: Mutex<Inner>,
    handed_out: HandedOut,
}

#[derive(Debug, Default)]
struct Inner {
    wishes: Wishes,
    /// By user: when it changed (ms) and what it was until then. Only kept while changes are delayed.
    before: HashMap<String, Vec<(i64, Value)>>,
}

impl Control {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of what is wished now.
    pub(super) fn wished<T>(&self, read: impl FnOnce(&Wishes) -> T) -> T {
        read(&self.inner().wishes)
    }

    /// Remembers what a person's public metadata was before it changed.
    pub(super) fn changed(&self, user: &str, before: &Value, now_ms: i64) {
        let mut inner = self.inner();
        if inner.wishes.metadata_delay_ms != Some(0) {
            inner.before.entry(user.to_owned()).or_default().push((now_ms, before.clone()));
        }
    }

    /// The public metadata that a token minted now may carry.
    pub(super) fn visible(&self, user: &str, current: &Value, now_ms: i64) -> Value {
        let inner = self.inner();
        let seen_until = match inner.wishes.metadata_delay_ms {
            Some(delay) => now_ms - delay,
            None => i64::MIN,
        };
        let before = inner.before.get(user).and_then(|changes| changes.iter().find(|(at, _)| *at > seen_until));
        before.map_or_else(|| current.clone(), |(_, value)| value.clone())
    }

    /// The fault that this request meets, counted.
    pub(super) fn take(&self, method: &Method, path: &str) -> Option<Fault> {
        let mut inner = self.inner();
        let fault = inner.wishes.faults.iter_mut().find(|fault| fault.fits(method, path))?;
        fault.count -= 1;
        Some(fault.clone())
    }

    /// What is to happen to the next webhook, counted.
    pub(super) fn take_webhook(&self) -> WebhookFate {
        self.inner().wishes.webhooks.take()
    }

    /// Remembers a token that a browser gets. While old ones are wished for, only a `last_active_token` becomes the one
    /// to repeat: what `/tokens` or a handshake mints is fresh, and an older token may still follow it.
    pub(super) fn handed_out(&self, session: &str, token: &Minted, is_last_active: bool) {
        let old = self.wished(|wishes| wishes.last_active_token == LastActiveToken::Old);
        self.handed_out.remember(session, token, old && !is_last_active);
    }

    /// The token to repeat as `last_active_token`: none if fresh ones are wished for, or if it is not valid now.
    pub(super) fn old_token(&self, session: &str, now_ms: i64) -> Option<Arc<str>> {
        let old = self.wished(|wishes| wishes.last_active_token == LastActiveToken::Old);
        old.then(|| self.handed_out.repeated(session, now_ms))?
    }

    /// The last token handed out for a session, valid or not.
    pub(super) fn last_token(&self, session: &str) -> Option<Arc<str>> {
        self.handed_out.last(session)
    }

    /// Forgets the tokens of a session that is over.
    pub(super) fn ended(&self, session: &str) {
        self.handed_out.forget(session);
    }
}

/// Sets everything at once, and has rate limits count anew. Changes of metadata that tokens do not see yet stay so, if changes are still delayed.
fn set(app: &App, wishes: Wishes) {
    // The records first, as in every request: the two locks are always taken in this order.
    let mut store = app.store();
    let mut inner = app.control.inner();
    let back = wishes.clock_offset_ms < inner.wishes.clock_offset_ms;
    app.clock.set_offset(wishes.clock_offset_ms);
    if wishes.metadata_delay_ms == Some(0) {
        inner.before.clear();
    }
    inner.wishes = wishes;
    app.limits.reset();
    app.webhooks.wake();
    if !back {
        return;
    }
    // What happened in a time that is taken back, happened now. Else metadata would stay hidden for longer than wished,
    // and `__client_uat` would be younger than every new token: servers answer that with one handshake after another.
    let now = app.clock.now_ms();
    for (at, _) in inner.before.values_mut().flatten() {
        *at = now.min(*at);
    }
    let ahead = store.clients.values().filter(|client| client.updated_at > now).cloned().collect::<Vec<_>>();
    for mut client in ahead {
        client.created_at = client.created_at.min(now);
        client.updated_at = now;
        store.put(client);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "http_tests.rs"]
mod http_tests;

#[cfg(test)]
#[path = "page_tests.rs"]
mod page_tests;
