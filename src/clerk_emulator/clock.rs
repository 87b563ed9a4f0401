//! The emulator's only clock. Every instant in an answer, a token or a stored record comes from here,
//! so that one place can be slowed, moved or frozen.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time in milliseconds since the Unix epoch, as Clerk's objects do.
#[derive(Debug, Default)]
pub(super) struct Clock;

impl Clock {
    /// Now, in milliseconds.
    pub(super) fn now_ms(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "the one place in the emulator that reads the machine's clock")]
        let now = SystemTime::now();
        now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Now, in whole seconds: the unit of token claims.
    pub(super) fn now_s(&self) -> i64 {
        self.now_ms() / 1000
    }
}
