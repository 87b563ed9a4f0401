//! The wait's bounds, each with its reason.

/// The bounds of a wait. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Between the first two attempts. Each later pause is longer by [`PAUSE_STEP_MS`].
    pub pause_ms: u32,
    /// The longest pause: how late a new token may be noticed.
    pub longest_pause_ms: u32,
    /// From the moment clerk-js has loaded to the end, whatever happens.
    pub cap_ms: u32,
    /// From the start to the moment clerk-js has loaded.
    pub load_cap_ms: u32,
}

/// By how much each pause between attempts is longer than the one before, in milliseconds.
pub const PAUSE_STEP_MS: u32 = 50;

/// How long clerk-js may take to load, in milliseconds: 84 kB, which take half of that at 50 kbit/s.
const LOAD_CAP_MS: u32 = 30_000;

/// After a creation: attempts 300 ms apart at first, then up to 700 ms, for 10 s. So a new token is noticed within a
/// second.
pub const BOUNDS: Bounds = Bounds { pause_ms: 300, longest_pause_ms: 700, cap_ms: 10_000, load_cap_ms: LOAD_CAP_MS };

/// On the token-pending screen: about 2.5 s, before it names the cause. After that it keeps checking
/// ([`recheck_pauses`]).
pub const REFRESH_BOUNDS: Bounds =
    Bounds { pause_ms: 300, longest_pause_ms: 500, cap_ms: 2_500, load_cap_ms: LOAD_CAP_MS };

/// The pauses between the checks of the screen that names the cause, in milliseconds: every 2 s for half a minute, then
/// every 5 s, one minute in total. `src/scripts/recheck.js` carries them out.
pub fn recheck_pauses() -> impl Iterator<Item = u32> {
    std::iter::repeat_n(2_000, 15).chain(std::iter::repeat_n(5_000, 6))
}

/// The same without JavaScript, where each check reloads the page and scrolls back to its top: less often.
pub const RECHECK_WITHOUT_SCRIPT_MS: u32 = 5_000;
/// How often: a minute in total.
pub const RECHECKS_WITHOUT_SCRIPT: u32 = 12;

/// Longest time one call to Clerk or to the server may take before the next step, in milliseconds. clerk-js retries
/// failed token calls by itself for minutes; this bound is ours. Its first retry comes after 3 s.
pub(super) const CALL_LIMIT_MS: u32 = 4_000;

/// The pause after a failed call to the server, in milliseconds: a lost connection does not come back sooner, and each
/// attempt is an error on the console.
pub(super) const FAILED_PAUSE_MS: u32 = 1_000;

/// A call to Clerk that was given at least this long, in milliseconds, and timed out counts as a slow Clerk. A call cut
/// shorter by the end of the wait proves nothing. It is not a failure: a slow connection looks the same.
pub(super) const CLERK_PATIENCE_MS: u32 = 1_500;

/// The same for our server, whose timeouts have a more serious message: longer than a slow phone takes.
pub(super) const SERVER_PATIENCE_MS: u32 = 3_000;

/// The end of the wait, in milliseconds, in which Clerk is no longer called: reserved for a last call to the server.
/// The target depends on whether it answers.
pub(super) const LAST_SERVER_CALL_MS: u32 = 500;

/// How long clerk-js may load before the wait says so, in milliseconds.
pub(super) const FIRST_LOAD_LIMIT_MS: u32 = 1_000;

/// How often loading clerk-js may fail before the wait ends. A timeout is not a failure.
pub(super) const LOAD_FAILURES: u32 = 3;

/// After this many failed attempts, the server is asked whether there is still something to wait for.
pub(super) const ATTEMPTS_PER_SERVER_CALL: u32 = 4;
