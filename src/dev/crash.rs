//! Ends its own process at a failpoint, exactly as `kill -9` would at that instruction: for the crash tests.
//!
//! What must stay true: nothing runs after the point, no destructor and no handler; whatever is logged, every pass of the
//! point is counted.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer};

use crate::server::failpoint;
use crate::server::runtime::telemetry::Listener;

/// The variable that says where.
pub const VARIABLE: &str = "VESTIBULE_CRASH_AT";

/// What the variable says cannot be meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE} must be a failpoint and which pass of it, such as relay.answered:3; it is {0:?}. The failpoints: {points}", points = failpoint::ALL.join(", "))]
pub struct Malformed(String);

/// One that ends the process at `wanted`, such as `relay.answered:3`.
pub fn listener(wanted: &str) -> Result<Listener, Malformed> {
    let crash = Crash::parse(wanted).ok_or_else(|| Malformed(wanted.to_owned()))?;
    Ok(crash.with_filter(Targets::new().with_target(failpoint::TARGET, LevelFilter::TRACE)).boxed())
}

struct Crash {
    point: &'static str,
    /// Passes that are still to come, with the last one.
    left: AtomicU32,
}

impl Crash {
    fn parse(wanted: &str) -> Option<Self> {
        let (point, pass) = wanted.split_once(':')?;
        let point = failpoint::ALL.iter().find(|known| **known == point)?;
        let pass = pass.parse().ok().filter(|pass| *pass > 0)?;
        Some(Self { point, left: AtomicU32::new(pass) })
    }

    /// Whether this pass is the one.
    fn passes(&self, point: &str) -> bool {
        point == self.point && self.left.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

impl<S: Subscriber> Layer<S> for Crash {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut AtPoint(self));
    }
}

struct AtPoint<'a>(&'a Crash);

impl Visit for AtPoint<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "point" && self.0.passes(value) {
            // It does not come back from this.
            _ = kill_process(getpid(), Signal::KILL);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_pass_is_counted() {
        let crash = Crash::parse("relay.answered:2").expect("a point");
        let passed = ["relay.answered", "relay.marked", "relay.answered", "relay.answered"].map(|at| crash.passes(at));
        assert_eq!(passed, [false, false, true, false]);
    }

    #[test]
    fn what_cannot_be_meant_lists_the_points() {
        for wrong in
            ["relay.answered", "relay.answered:0", "relay.answered:-1", "relay.answerd:1", ":1", "relay.answered:x"]
        {
            let Err(error) = listener(wrong) else { panic!("{wrong} is taken") };
            assert!(error.to_string().contains(wrong) && error.to_string().contains("webhook.committed"), "{error}");
        }
    }
}
