//! How long to wait after a failed attempt.
//!
//! Waits differ from message to message, so that those which failed together do not come back together. The difference is
//! worked out from the message's number: equal input gives equal waits, and nothing needs a source of randomness.

use std::time::Duration as StdDuration;

use time::Duration;

/// Longest wait after the first failed attempt; doubled each time.
const FIRST: Duration = Duration::milliseconds(500);
/// Longest wait between attempts, unless Clerk asks for more.
const CAP: Duration = Duration::minutes(5);
/// Longest wait that Clerk may ask for: a slip in its header must not park a message for a day unseen.
const RETRY_AFTER_CAP: Duration = Duration::hours(1);
/// Attempts before a message is given up: with the waits above, more than a day.
pub(super) const MAX_ATTEMPTS: i32 = 500;

/// Between half of the exponential wait and all of it, and never before the moment that Clerk asks for.
pub(in crate::server) fn wait_after(message: i64, attempts: i32, retry_after: Option<StdDuration>) -> Duration {
    let doublings = attempts.clamp(1, 20) - 1;
    let doubled: Duration = FIRST * 2_i32.pow(doublings as u32);
    let half: Duration = doubled.min(CAP) / 2;
    let asked = retry_after.map_or(Duration::ZERO, |asked| {
        let asked = Duration::try_from(asked).unwrap_or(Duration::MAX);
        if asked > RETRY_AFTER_CAP {
            tracing::warn!(
                outbox.message = message,
                retry_after_s = asked.whole_seconds(),
                "Clerk asks for a long wait; asking again in an hour"
            );
        }
        asked.min(RETRY_AFTER_CAP)
    });
    // Whole milliseconds, as all our instants are.
    let spread = (half * spread(message as u64, attempts as u64)).whole_milliseconds();
    half.max(asked) + Duration::milliseconds(i64::try_from(spread).unwrap_or(0))
}

/// A number from 0 to 1, the same for the same seed and step: what waits together does not come back together, and a test
/// can name it.
pub(super) fn spread(seed: u64, step: u64) -> f64 {
    fastrand::Rng::with_seed(seed ^ step.rotate_left(32)).f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(asked: u64) -> Option<StdDuration> {
        Some(StdDuration::from_secs(asked))
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        for message in 1..200 {
            for (attempts, longest) in [(1, 500), (2, 1_000), (5, 8_000), (10, 256_000), (11, 300_000), (500, 300_000)]
            {
                let wait = wait_after(message, attempts, None).whole_milliseconds();
                assert!((longest / 2..=longest).contains(&wait), "message {message}, attempt {attempts}: {wait}");
            }
        }
    }

    #[test]
    fn messages_that_failed_together_come_back_spread() {
        let mut waits: Vec<_> = (1..=100).map(|message| wait_after(message, 5, None).whole_milliseconds()).collect();
        waits.sort_unstable();
        // Each quarter of the range between 4 and 8 s gets its share.
        for quarter in 0..4 {
            let range: std::ops::Range<i128> = 4_000 + quarter * 1_000..5_000 + quarter * 1_000;
            let share = waits.iter().filter(|wait| range.contains(wait)).count();
            assert!((15..=35).contains(&share), "{share} in {range:?}");
        }
        assert_eq!(wait_after(7, 3, None), wait_after(7, 3, None));
    }

    #[test]
    fn clerk_is_not_asked_before_the_time_it_names_nor_left_alone_for_a_day() {
        let asked = wait_after(1, 1, seconds(7));
        assert!((Duration::seconds(7)..Duration::milliseconds(7_500)).contains(&asked), "{asked}");
        for absurd in [seconds(86_400), seconds(u64::MAX)] {
            let asked = wait_after(1, 1, absurd);
            assert!((Duration::hours(1)..Duration::minutes(61)).contains(&asked), "{asked}");
        }
        assert!(wait_after(1, 20, seconds(1)) >= CAP / 2);
    }

    #[test]
    fn a_message_is_tried_for_more_than_a_day() {
        let all: Duration = (1..MAX_ATTEMPTS).map(|attempts| wait_after(3, attempts, None)).sum();
        assert!(all > Duration::days(1), "{all}");
    }
}
