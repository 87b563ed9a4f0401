//! The clock as an argument: real in production, set by hand in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::OffsetDateTime;

/// Tells the time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    /// Milliseconds since the Unix epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until it is moved.
    pub fn manual(now: OffsetDateTime) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(milliseconds(now)))))
    }

    /// Moves a manual clock; a system clock does not move.
    pub fn advance(&self, by: time::Duration) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(by.whole_milliseconds() as i64, Ordering::SeqCst);
        }
    }

    /// Now, in UTC.
    pub fn now(&self) -> OffsetDateTime {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
            Source::System => OffsetDateTime::now_utc(),
            Source::Manual(now) => from_milliseconds(now.load(Ordering::SeqCst)),
        }
    }

    /// How long this has been running, since some moment. Unlike [`Clock::now`] it never goes back.
    pub fn running(&self) -> std::time::Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        match &self.0 {
            Source::System => START.get_or_init(std::time::Instant::now).elapsed(),
            Source::Manual(now) => std::time::Duration::from_millis(now.load(Ordering::SeqCst).max(0) as u64),
        }
    }

    /// Now, in whole milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        milliseconds(self.now())
    }
}

fn milliseconds(at: OffsetDateTime) -> i64 {
    (at.unix_timestamp_nanos() / 1_000_000) as i64
}

fn from_milliseconds(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
