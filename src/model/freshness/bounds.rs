//! How long and how often the wait does what: each bound with its reason.

/// The bounds of a wait. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Between the first two attempts. Each later pause is longer by [`PAUSE_STEP_MS`].
    pub pause_ms: u32,
    /// The longest pause: how late a token may be noticed.
    pub longest_pause_ms: u32,
    /// From the moment clerk-js is there to the end, whatever happens.
    pub cap_ms: u32,
    /// From the start to the moment clerk-js is there.
    pub load_cap_ms: u32,
}

/// By how much each pause between attempts is longer than the one before, in milliseconds.
pub const PAUSE_STEP_MS: u32 = 50;

/// How long clerk-js may take to load, in milliseconds: 84 kB, which take half of that at 50 kbit/s.
const LOAD_CAP_MS: u32 = 30_000;

/// After a creation: attempts 300 ms apart at first, then up to 700 ms, for 10 s. So a token is noticed less than a second
/// after it could be had.
pub const BOUNDS: Bounds = Bounds { pause_ms: 300, longest_pause_ms: 700, cap_ms: 10_000, load_cap_ms: LOAD_CAP_MS };

/// On the token-pending screen: about 2.5 s, before it says what is the matter. It goes on looking then ([`recheck_pauses`]).
pub const REFRESH_BOUNDS: Bounds =
    Bounds { pause_ms: 300, longest_pause_ms: 500, cap_ms: 2_500, load_cap_ms: LOAD_CAP_MS };

/// The pauses between the checks of the screen that names the cause, in milliseconds: every 2 s for half a minute, then
/// every 5 s, one minute in all. `src/scripts/recheck.js` carries them out.
pub fn recheck_pauses() -> impl Iterator<Item = u32> {
    std::iter::repeat_n(2_000, 15).chain(std::iter::repeat_n(5_000, 6))
}

/// The same without script, where each check loads the page again and takes the reader back to its top: rarely.
pub const RECHECK_WITHOUT_SCRIPT_MS: u32 = 5_000;
/// How often: for a minute.
pub const RECHECKS_WITHOUT_SCRIPT: u32 = 12;

/// Longest time one call to Clerk or to the server may take before the next step is tried, in milliseconds. clerk-js
/// repeats failed token calls by itself for minutes; this bound is ours. Its first repetition comes after 3 s.
pub(super) const CALL_LIMIT_MS: u32 = 4_000;

/// Before the server is asked again after a call to it that failed, in milliseconds: a lost connection is not back in
/// less, and each try is an error on the console.
pub(super) const FAILED_PAUSE_MS: u32 = 1_000;

/// A call to Clerk that was given at least so long, in milliseconds, and did not answer, is worth a mention. One that was cut
/// shorter by the end of the wait proves nothing. It is not a failure: a slow connection looks the same.
pub(super) const CLERK_PATIENCE_MS: u32 = 1_500;

/// The same for our server, whose silence has graver words: longer than a slow phone takes.
pub(super) const SERVER_PATIENCE_MS: u32 = 3_000;

/// The end of the wait, in milliseconds, in which Clerk is no longer asked: time for a last question to the server. Where
/// to go then depends on whether it answers.
pub(super) const LAST_QUESTION_MS: u32 = 500;

/// How long the first look at clerk-js may take before the wait says that it is loading it, in milliseconds.
pub(super) const FIRST_LOAD_LIMIT_MS: u32 = 1_000;

/// How often loading clerk-js may fail before the wait ends. A failure is a browser's answer, not its silence.
pub(super) const LOAD_FAILURES: u32 = 3;

/// After so many attempts in vain, the server is asked whether there is still something to wait for.
pub(super) const ATTEMPTS_PER_QUESTION: u32 = 4;
