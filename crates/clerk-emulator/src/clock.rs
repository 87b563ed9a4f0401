//! The emulator's only clock. Every instant in an answer, a token or a stored record comes from here,
//! so that one place can move them all.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Gives the time in milliseconds since the Unix epoch, as Clerk's objects do.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Milliseconds that it is ahead of the machine's clock.
    offset: AtomicI64,
}

impl Clock {
    /// Now, in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "the one place in the emulator that reads the machine's clock")]
        let now = SystemTime::now();
        let now =
            now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        now.saturating_add(self.offset())
    }

    /// Now, in whole seconds: the unit of token claims.
    pub(crate) fn now_s(&self) -> i64 {
        self.now_ms() / 1000
    }

    /// How far the clock is ahead of the machine's, in milliseconds.
    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Ordering::SeqCst)
    }

    /// Moves the clock so far ahead of the machine's; negative: behind.
    pub(crate) fn set_offset(&self, offset: i64) {
        self.offset.store(offset, Ordering::SeqCst);
    }
}
