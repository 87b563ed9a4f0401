//! The fault settings, and which of them are rejected: a setting out of range must not be ignored silently and leave a
//! test green.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::webhook_settings::WebhookSettings;

/// Life of a session token, in seconds.
const LIFETIME: RangeInclusive<i64> = 1..=86_400;
/// Ten years: instants stay far from the ends of their range.
const CLOCK: RangeInclusive<i64> = -315_360_000_000..=315_360_000_000;
/// A year of delay. `null` is for ever.
const DELAY: RangeInclusive<i64> = 0..=31_536_000_000;
/// Ten minutes: longer than any client waits for an answer.
pub(super) const FAULT_DELAY: RangeInclusive<i64> = 0..=600_000;
pub(super) const COUNT: RangeInclusive<i64> = 0..=1_000_000;
const STATUS: RangeInclusive<i64> = 400..=599;
const RETRY_AFTER: RangeInclusive<i64> = 0..=86_400;
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// How the emulator misbehaves. Unknown fields are rejected: a typo would be silent otherwise.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FaultSettings {
    /// How long a change of metadata stays invisible to newly minted tokens, in milliseconds. `null`: for ever.
    pub(crate) metadata_delay_ms: Option<i64>,
    /// Which token answers carry as `last_active_token`.
    pub(crate) last_active_token: LastActiveToken,
    /// Whether `/tokens` copies claims from the token before, as Clerk's edge does, unless `force_origin=true`.
    pub(crate) session_minter: bool,
    /// Whether reading a session or the signed-in user answers without the client.
    pub(crate) omit_client: bool,
    /// Whether session tokens lack `oiat`.
    pub(crate) omit_oiat: bool,
    /// Whether session tokens lack `azp`.
    pub(crate) omit_azp: bool,
    /// Whether session tokens are as of an instance without a claims template.
    pub(crate) omit_custom_claims: bool,
    /// Life of a session token, in seconds. `null`: as started.
    pub(crate) token_lifetime_s: Option<i64>,
    /// How far the emulator's clock is ahead, in milliseconds; negative: behind.
    pub(crate) clock_offset_ms: i64,
    /// Which of Clerk's rate limits are kept.
    pub(crate) rate_limits: RateLimits,
    pub(crate) webhooks: WebhookSettings,
    pub(crate) faults: Vec<RequestFault>,
}

/// Which of Clerk's rate limits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RateLimits {
    /// Those for servers.
    #[default]
    Backend,
    /// Those for browsers as well: off by default, because tests sign in more often than users do.
    All,
    /// None.
    Off,
}

/// Which token answers carry as `last_active_token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LastActiveToken {
    /// One minted for the answer.
    #[default]
    Fresh,
    /// The one handed out before, until it expires.
    Old,
}

/// What happens to the next requests of one kind.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestFault {
    /// As the client means it: PATCH, even if it is sent as a POST with `_method=PATCH`. Without it, every method.
    pub(crate) method: Option<String>,
    /// How the path begins and ends, such as `/v1/users/` and `/metadata`.
    #[serde(default)]
    pub(crate) path_starts_with: String,
    #[serde(default)]
    pub(crate) path_ends_with: String,
    /// How many requests.
    pub(crate) count: i64,
    /// How long they wait first, in milliseconds.
    #[serde(default)]
    pub(crate) delay_ms: i64,
    /// With which status they fail. Without it they are served, once they have waited.
    pub(crate) status: Option<i64>,
    /// `Retry-After`, in seconds.
    pub(crate) retry_after_s: Option<i64>,
    /// The connection is cut in the middle of the answer.
    #[serde(default)]
    pub(crate) cut: bool,
}

impl Default for FaultSettings {
    fn default() -> Self {
        Self {
            metadata_delay_ms: Some(0),
            last_active_token: LastActiveToken::Fresh,
            session_minter: false,
            omit_client: false,
            omit_oiat: false,
            omit_azp: false,
            omit_custom_claims: false,
            token_lifetime_s: None,
            clock_offset_ms: 0,
            rate_limits: RateLimits::Backend,
            webhooks: WebhookSettings::default(),
            faults: Vec::new(),
        }
    }
}

impl FaultSettings {
    /// Reads settings from JSON, or says what is wrong with them.
    pub(crate) fn read(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice::<Self>(json).map_err(|error| error.to_string())?.checked()
    }

    /// These settings, if each is within its range.
    pub(crate) fn checked(self) -> Result<Self, String> {
        within("metadata_delay_ms", self.metadata_delay_ms, &DELAY)?;
        within("token_lifetime_s", self.token_lifetime_s, &LIFETIME)?;
        within("clock_offset_ms", Some(self.clock_offset_ms), &CLOCK)?;
        self.webhooks.check().map_err(|wrong| format!("webhooks.{wrong}"))?;
        for (n, fault) in self.faults.iter().enumerate() {
            fault.check().map_err(|wrong| format!("faults[{n}].{wrong}"))?;
        }
        Ok(self)
    }
}

impl RequestFault {
    fn check(&self) -> Result<(), String> {
        if let Some(method) = self.method.as_deref()
            && !METHODS.iter().any(|known| known.eq_ignore_ascii_case(method))
        {
            return Err(format!("method must be one of {}, and is {method:?}", METHODS.join(", ")));
        }
        if !self.path_starts_with.is_empty() && !self.path_starts_with.starts_with('/') {
            return Err(format!("path_starts_with must begin with /, and is {:?}", self.path_starts_with));
        }
        if [&self.path_starts_with, &self.path_ends_with].iter().any(|part| part.contains(char::is_whitespace)) {
            return Err("path_starts_with and path_ends_with cannot hold spaces: no path does".to_owned());
        }
        within("count", Some(self.count), &COUNT)?;
        within("delay_ms", Some(self.delay_ms), &FAULT_DELAY)?;
        within("status", self.status, &STATUS)?;
        within("retry_after_s", self.retry_after_s, &RETRY_AFTER)
    }
}

pub(super) fn within<T: PartialOrd + Display>(
    name: &str,
    value: Option<T>,
    range: &RangeInclusive<T>,
) -> Result<(), String> {
    match value {
        Some(value) if !range.contains(&value) => {
            Err(format!("{name} must be {} to {}, and is {value}", range.start(), range.end()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(json: &str) -> String {
        FaultSettings::read(json.as_bytes()).expect_err(json)
    }

    #[test]
    fn what_is_not_named_keeps_its_default() {
        assert_eq!(FaultSettings::read(b"{}"), Ok(FaultSettings::default()));
        let never = FaultSettings::read(br#"{"metadata_delay_ms":null}"#).expect("fine");
        assert_eq!(never, FaultSettings { metadata_delay_ms: None, ..FaultSettings::default() });
    }

    #[test]
    fn what_get_shows_can_be_put_again() {
        let settings = FaultSettings {
            metadata_delay_ms: None,
            last_active_token: LastActiveToken::Old,
            session_minter: true,
            token_lifetime_s: Some(5),
            clock_offset_ms: -1,
            rate_limits: RateLimits::All,
            webhooks: WebhookSettings {
                retry_schedule_ms: Some(vec![0, 5]),
                pause: true,
                ..WebhookSettings::default()
            },
            faults: vec![RequestFault { method: Some("GET".to_owned()), ..RequestFault::default() }],
            ..FaultSettings::default()
        };
        let json = serde_json::to_vec(&settings).expect("JSON");
        assert_eq!(FaultSettings::read(&json), Ok(settings));
    }

    #[test]
    fn typos_are_rejected() {
        for (wrong, named) in [
            (r#"{"metadata_delay":1}"#, "metadata_delay"),
            (r#"{"last_active_token":"stale"}"#, "stale"),
            (r#"{"session_minter":"yes"}"#, "yes"),
            (r#"{"faults":[{"count":1,"statsu":500}]}"#, "statsu"),
            (r#"{"faults":[{}]}"#, "count"),
            (r#"{"rate_limits":"none"}"#, "none"),
            (r#"{"webhooks":{"dorp":1}}"#, "dorp"),
        ] {
            assert!(rejection(wrong).contains(named), "{wrong}: {}", rejection(wrong));
        }
    }

    #[test]
    fn what_is_out_of_range_is_rejected_by_name() {
        for (wrong, said) in [
            (r#"{"metadata_delay_ms":-1}"#, "metadata_delay_ms must be 0 to 31536000000, and is -1"),
            (r#"{"token_lifetime_s":0}"#, "token_lifetime_s must be 1 to 86400, and is 0"),
            (r#"{"token_lifetime_s":86401}"#, "token_lifetime_s must be 1 to 86400, and is 86401"),
            (r#"{"clock_offset_ms":9223372036854775807}"#, "clock_offset_ms must be"),
            (r#"{"webhooks":{"drop":-1}}"#, "webhooks.drop must be 0 to 1000000, and is -1"),
            (r#"{"webhooks":{"duplicate":-1}}"#, "webhooks.duplicate must be 0"),
            (r#"{"webhooks":{"delay_ms":-1}}"#, "webhooks.delay_ms must be 0"),
            (r#"{"webhooks":{"retry_schedule_ms":[]}}"#, "webhooks.retry_schedule_ms must have 1 to 20 numbers"),
            (r#"{"webhooks":{"retry_schedule_ms":[0,-1]}}"#, "webhooks.retry_schedule_ms must be 0 to 604800000"),
            (r#"{"faults":[{"count":1},{"count":-1}]}"#, "faults[1].count must be 0 to 1000000, and is -1"),
            (r#"{"faults":[{"count":1,"delay_ms":-5}]}"#, "faults[0].delay_ms must be 0"),
            (r#"{"faults":[{"count":1,"status":200}]}"#, "faults[0].status must be 400 to 599, and is 200"),
            (r#"{"faults":[{"count":1,"retry_after_s":-1}]}"#, "faults[0].retry_after_s must be 0"),
            (r#"{"faults":[{"count":1,"method":"PACTH"}]}"#, "faults[0].method must be one of GET"),
            (r#"{"faults":[{"count":1,"path_starts_with":"v1"}]}"#, "faults[0].path_starts_with must begin with /"),
            (r#"{"faults":[{"count":1,"path_ends_with":"a b"}]}"#, "faults[0].path_starts_with and path_ends_with"),
        ] {
            assert!(rejection(wrong).starts_with(said), "{wrong}: {}", rejection(wrong));
        }
        for fine in [r#"{"token_lifetime_s":1}"#, r#"{"token_lifetime_s":86400}"#, r#"{"clock_offset_ms":-3600000}"#] {
            assert!(FaultSettings::read(fine.as_bytes()).is_ok(), "{fine}");
        }
    }
}
