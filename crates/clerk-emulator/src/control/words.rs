//! The settings in words: the switches of the page, the kinds of requests that a fault may be for, and what is active.

use std::fmt::Write as _;

use super::form::{Form, NEVER, place};
use crate::faults::{FaultSettings, RateLimits, RequestFault, WebhookSettings};

/// The boxes to tick: field, what it means in a word, and in a sentence.
pub(super) const SWITCHES: [(&str, &str, &str); 8] = [
    (NEVER, "New tokens never see changes of metadata", "Only the user's record does. As metadata_delay_ms: null."),
    (
        "omit_custom_claims",
        "Custom claims are left out",
        "Session tokens are as of an instance without a claims template.",
    ),
    (
        "session_minter",
        "Tokens are renewed at the edge",
        "A renewed token copies its claims from the one before, so a stale token stays stale until skipCache, a reload \
         or a page load; clerk-js learns of this when a page loads.",
    ),
    (
        "omit_client",
        "Reloads answer without the client",
        "A reload brings the session or the user alone, so the cookie stays as it was.",
    ),
    (
        "omit_oiat",
        "oiat is left out",
        "clerk-js cannot tell which of two tokens is fresher, so a stale one may overwrite a fresh one.",
    ),
    ("omit_azp", "azp is left out", "The token does not name the site that requested it."),
    (
        "webhooks.reorder",
        "Webhooks arrive out of order",
        "In pairs: each odd event waits for the next, and is sent behind it.",
    ),
    ("webhooks.pause", "Webhooks are paused", "Nothing is sent until this is cleared."),
];

/// The kinds of request that are worth a name: name, method, how the path begins and ends.
pub(super) const PLACES: [(&str, &str, &str, &str); 16] = [
    ("Everything", "", "", ""),
    ("Everything about the browser's client", "", "/v1/client", ""),
    ("Page load: environment", "", "/v1/environment", ""),
    ("Page load: client", "GET", "/v1/client", "/client"),
    ("Session reload", "GET", "/v1/client/sessions/", ""),
    ("Session touch (focus)", "POST", "/v1/client/sessions/", "/touch"),
    ("Tokens", "POST", "/v1/client/sessions/", "/tokens"),
    ("User reload", "GET", "/v1/me", "/me"),
    ("Sign in", "POST", "/v1/client/sign_ins", ""),
    ("Sign up", "POST", "/v1/client/sign_ups", ""),
    ("Handshake", "GET", "/v1/client/handshake", ""),
    ("Update metadata (Backend API)", "PATCH", "/v1/users/", "/metadata"),
    ("Read a user (Backend API)", "GET", "/v1/users/", ""),
    ("Refresh an expired token (Backend API)", "POST", "/v1/sessions/", "/refresh"),
    ("Handshake result (Backend API)", "GET", "/v1/clients/handshake_payload", ""),
    ("Public keys (Backend API)", "GET", "/v1/jwks", ""),
];

/// The settings that differ from the defaults, in words.
pub(super) fn active(settings: &FaultSettings) -> Vec<String> {
    let mut active = Vec::new();
    match settings.metadata_delay_ms {
        None | Some(0) => {}
        Some(delay) => active.push(format!("New tokens see changes of metadata {delay} ms late.")),
    }
    let form = Form::of(settings);
    let ticked = SWITCHES.iter().filter(|(field, ..)| form.is_ticked(field));
    active.extend(ticked.map(|(_, label, _)| format!("{label}.")));
    if form.get("last_active_token") == Some("old") {
        active.push("Answers repeat the token handed out before.".to_owned());
    }
    if let Some(seconds) = settings.token_lifetime_s {
        active.push(format!("Session tokens live {seconds} s."));
    }
    match settings.clock_offset_ms {
        0 => {}
        offset @ 1.. => active.push(format!("The clock is {offset} ms ahead.")),
        offset => active.push(format!("The clock is {} ms behind.", offset.saturating_neg())),
    }
    match settings.rate_limits {
        RateLimits::Backend => {}
        RateLimits::All => active.push("Too many requests from browsers are rejected.".to_owned()),
        RateLimits::Off => active.push("Requests from servers are not limited.".to_owned()),
    }
    active.extend(active_webhooks(&settings.webhooks));
    active.extend(settings.faults.iter().map(describe));
    active
}

/// The same for webhooks, but for the boxes that are ticked.
fn active_webhooks(settings: &WebhookSettings) -> Vec<String> {
    let mut active = Vec::new();
    if settings.drop > 0 {
        active.push(format!("Webhooks: {} left to drop.", settings.drop));
    }
    if settings.duplicate > 0 {
        active.push(format!("Webhooks: {} left to send twice.", settings.duplicate));
    }
    if settings.delay_ms > 0 {
        active.push(format!("Webhooks are sent {} ms late.", settings.delay_ms));
    }
    if let Some(schedule) = &settings.retry_schedule_ms {
        active.push(format!("Webhooks are tried {} times, after {schedule:?} ms.", schedule.len()));
    }
    active
}

/// A fault in words.
fn describe(fault: &RequestFault) -> String {
    let mut text = format!("{}: ", place_name(&place(fault)));
    let fate = match (fault.cut, fault.status) {
        (true, _) => "connection cut".to_owned(),
        (false, Some(status)) => format!("fails with {status}"),
        (false, None) => "answered".to_owned(),
    };
    match fault.count {
        0 => text.push_str("used up"),
        count => {
            let delay = if fault.delay_ms > 0 { format!(" after {} ms", fault.delay_ms) } else { String::new() };
            _ = write!(text, "{count} left, {fate}{delay}");
        }
    }
    text + "."
}

/// The value that stands for a kind of requests in the form.
pub(super) fn place_of((_, method, start, end): (&str, &str, &str, &str)) -> String {
    place(&RequestFault {
        method: Some(method.to_owned()),
        path_starts_with: start.to_owned(),
        path_ends_with: end.to_owned(),
        ..RequestFault::default()
    })
}

/// The name of a kind of request, or what it matches if it has none.
pub(super) fn place_name(place: &str) -> String {
    let known = PLACES.iter().find(|known| place_of(**known) == place);
    if let Some(known) = known {
        return known.0.to_owned();
    }
    let (method, path) = place.split_once(' ').unwrap_or_default();
    let path = path.replace(' ', "…").replace('*', "");
    if method == "*" { format!("Any method {path}") } else { format!("{method} {path}") }
}
