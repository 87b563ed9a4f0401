//! Failpoints: named moments between two effects, at which the crash tests end the process.

/// The target of [`point`]: `RUST_LOG=info,vestibule::failpoints=trace` shows them.
pub const TARGET: &str = concat!(env!("CARGO_PKG_NAME"), "::failpoints");

/// Every failpoint, in the order in which a change passes them.
pub const ALL: &[&str] = &[
    // The transaction is open, and nothing is written.
    "creation.opened",
    "creation.written",
    // Postgres knows, Clerk is not notified.
    "creation.committed",
    // Clerk was notified, or was out of reach. There is no answer yet.
    "creation.notified",
    // Leased, and Clerk is not called.
    "relay.claimed",
    // Clerk confirmed, and the row does not say so.
    "relay.answered",
    // Clerk did not, and the row does not say so.
    "relay.failed",
    "relay.marked",
    // Verified, and not stored.
    "webhook.verified",
    // There is no answer yet.
    "webhook.stored",
    // Before the commit.
    "webhook.applied",
    "webhook.committed",
];

/// Says that the process is at one of [`ALL`]. Costs next to nothing while nothing listens.
pub fn point(name: &'static str) {
    debug_assert!(ALL.contains(&name), "{name} is not listed");
    tracing::trace!(target: TARGET, point = name);
}
