//! The running emulator: its records, keys, clock and settings. One lock guards all records, so that each
//! request sees and leaves a whole state; it is never held across an await.
//!
//! The parts know nothing of the whole: those with pages of their own take what they need as substates (`FromRef`).

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRef;
use serde_json::Value;

use crate::clock::Clock;
use crate::cookies;
use crate::environment;
use crate::faults::Faults;
use crate::handshakes::Handshakes;
use crate::inbox::Inbox;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::local_pages::PageToken;
use crate::options::Options;
use crate::random::Random;
use crate::settings::Settings;
use crate::store::Store;
use crate::webhooks::Webhooks;

/// Everything a request may need.
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) keys: Keys,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) inbox: Inbox,
    pub(crate) faults: Faults,
    pub(crate) handshakes: Handshakes,
    pub(crate) limits: Limits,
    pub(crate) webhooks: Webhooks,
    /// Eight letters that distinguish this instance's cookies from another's.
    pub(crate) cookie_suffix: String,
    pub(crate) claims_template: Value,
    /// Seconds.
    pub(crate) token_lifetime: i64,
    pub(crate) environment: Value,
    page_token: PageToken,
    store: Mutex<Store>,
    last_oiat: AtomicI64,
}

impl App {
    /// Puts the parts together.
    pub(crate) fn new(options: Options, settings: Settings, keys: Keys, store: Store) -> Self {
        Self {
            cookie_suffix: cookies::suffix(&settings.publishable_key),
            settings,
            clock: Clock::default(),
            random: Random,
            inbox: Inbox::default(),
            faults: Faults::default(),
            handshakes: Handshakes::default(),
            limits: Limits::new(keys.is_development()),
            webhooks: Webhooks::new(options.webhook_url),
            claims_template: options.claims_template,
            token_lifetime: i64::try_from(options.token_lifetime.as_secs()).unwrap_or(i64::MAX).max(1),
            environment: environment::document(&options.application_name, keys.is_development()),
            page_token: PageToken::new(&keys.inbox_token),
            keys,
            store: Mutex::new(store),
            last_oiat: AtomicI64::new(0),
        }
    }

    /// The records, for the length of one request.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds at which claims are gathered now; never goes back, even if the clock does. It then counts on, so that
    /// clerk-js prefers the newer of two tokens: with equal `oiat` it would keep the one whose `iat` is in the future.
    pub(crate) fn next_oiat(&self) -> i64 {
        let now = self.clock.now_s();
        let next = |last| if now < last { last + 1 } else { now };
        let last = self.last_oiat.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(next(last)));
        next(last.unwrap_or_else(|last| last))
    }
}

impl FromRef<Arc<App>> for Inbox {
    fn from_ref(app: &Arc<App>) -> Self {
        app.inbox.clone()
    }
}

impl FromRef<Arc<App>> for Webhooks {
    fn from_ref(app: &Arc<App>) -> Self {
        app.webhooks.clone()
    }
}

impl FromRef<Arc<App>> for PageToken {
    fn from_ref(app: &Arc<App>) -> Self {
        app.page_token.clone()
    }
}
