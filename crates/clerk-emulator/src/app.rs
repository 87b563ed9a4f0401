//! The running emulator: its records, keys, clock and settings. One lock guards all records, so that each
//! request sees and leaves a whole state; it is never held across an await.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::clock::Clock;
use super::control::Control;
use super::cookies;
use super::inbox::Inbox;
use super::keys::Keys;
use super::limits::Limits;
use super::random::Random;
use super::store::Store;
use super::webhooks::Webhooks;
use super::{Options, Settings};

/// Everything a request may need.
pub(super) struct App {
    pub(super) settings: Settings,
    pub(super) keys: Keys,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) inbox: Inbox,
    pub(super) control: Control,
    pub(super) handshakes: super::handshakes::Handshakes,
    pub(super) limits: Limits,
    pub(super) webhooks: Webhooks,
    /// Eight letters that tell this instance's cookies from another's.
    pub(super) cookie_suffix: String,
    pub(super) claims_template: Value,
    /// Seconds.
    pub(super) token_lifetime: i64,
    pub(super) environment: Value,
    store: Mutex<Store>,
    last_oiat: AtomicI64,
}

impl App {
    /// Puts the parts together.
    pub(super) fn new(options: Options, settings: Settings, keys: Keys, store: Store) -> Self {
        Self {
            cookie_suffix: cookies::suffix(&settings.publishable_key),
            settings,
            keys,
            clock: Clock::default(),
            random: Random,
            inbox: Inbox::default(),
            control: Control::default(),
            handshakes: super::handshakes::Handshakes::default(),
            limits: Limits::default(),
            webhooks: Webhooks::new(options.webhook_url),
            claims_template: options.claims_template,
            token_lifetime: i64::try_from(options.token_lifetime.as_secs()).unwrap_or(i64::MAX).max(1),
            environment: super::fapi::environment::document(&options.application_name),
            store: Mutex::new(store),
            last_oiat: AtomicI64::new(0),
        }
    }

    /// The records, for the length of one request.
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds at which claims are gathered now; never goes back, even if the clock does. It then counts on, so that
    /// clerk-js prefers the newer of two tokens: with equal `oiat` it would keep the one whose `iat` is in the future.
    pub(super) fn next_oiat(&self) -> i64 {
        let now = self.clock.now_s();
        let next = |last| if now < last { last + 1 } else { now };
        let last = self.last_oiat.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(next(last)));
        next(last.unwrap_or_else(|last| last))
    }
}
