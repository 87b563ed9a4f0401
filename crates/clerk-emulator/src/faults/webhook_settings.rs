//! The fault settings of webhooks.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::settings::{COUNT, FAULT_DELAY, within};

/// Tries of one event.
const TRIES: RangeInclusive<usize> = 1..=20;
/// A week between two tries.
const PAUSE: RangeInclusive<i64> = 0..=604_800_000;

/// What happens to webhooks. What waits because of a setting is sent when the setting ends.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebhookSettings {
    /// How many of the next events are never sent.
    pub(crate) drop: i64,
    /// How many of the next events are to be received twice, with the same id. One that is dropped is not counted.
    pub(crate) duplicate: i64,
    /// How long each event waits before its first try, in milliseconds.
    pub(crate) delay_ms: i64,
    /// Whether events change places in pairs: each odd one waits for the next, and is sent behind it.
    pub(crate) reorder: bool,
    /// How long to wait before the first try, and after each that failed, in milliseconds: as many tries as there are
    /// numbers. `null`: Svix's schedule.
    pub(crate) retry_schedule_ms: Option<Vec<i64>>,
    /// Whether nothing is sent for now.
    pub(crate) pause: bool,
}

/// What is to happen to one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WebhookFate {
    pub(crate) drop: bool,
    pub(crate) duplicate: bool,
    pub(crate) reorder: bool,
}

impl WebhookSettings {
    pub(super) fn check(&self) -> Result<(), String> {
        within("drop", Some(self.drop), &COUNT)?;
        within("duplicate", Some(self.duplicate), &COUNT)?;
        within("delay_ms", Some(self.delay_ms), &FAULT_DELAY)?;
        let Some(schedule) = &self.retry_schedule_ms else {
            return Ok(());
        };
        if !TRIES.contains(&schedule.len()) {
            return Err(format!("retry_schedule_ms must have {} to {} numbers", TRIES.start(), TRIES.end()));
        }
        schedule.iter().try_for_each(|wait| within("retry_schedule_ms", Some(*wait), &PAUSE))
    }

    /// The fate of the next event, counted.
    pub(super) fn take(&mut self) -> WebhookFate {
        let mut counted = |count: fn(&mut Self) -> &mut i64| {
            let count = count(self);
            let met = *count > 0;
            *count -= i64::from(met);
            met
        };
        let drop = counted(|settings| &mut settings.drop);
        let duplicate = !drop && counted(|settings| &mut settings.duplicate);
        WebhookFate { drop, duplicate, reorder: self.reorder }
    }
}
