//! The control as a page: the active settings, and a form to change them. Plain HTML that needs no script.

use std::fmt::Write as _;

use super::form::{Form, NEVER, fault_field, place};
use crate::faults::{FaultSettings, RateLimits, RequestFault, WebhookSettings};
use crate::local_pages::{PageToken, escaped};

/// The boxes to tick: field, what it means in a word, and in a sentence.
const SWITCHES: [(&str, &str, &str); 8] = [
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
const PLACES: [(&str, &str, &str, &str); 16] = [
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

/// The body of the page. `lifetime` is that of session tokens as started, `wrong` why the form was rejected.
pub(super) fn body(
    token: &PageToken,
    lifetime: i64,
    settings: &FaultSettings,
    form: &Form,
    wrong: Option<&str>,
) -> String {
    let now = active(settings);
    let wrong =
        wrong.map(|wrong| format!(r#"<p class="wrong" role="alert">Nothing was changed: {}.</p>"#, escaped(wrong)));
    // An empty row for one more fault, unless the form has one already.
    let rows = match form.rows().checked_sub(1) {
        Some(last) if form.get(&fault_field(last, "where")) == Some("") => last + 1,
        _ => form.rows() + 1,
    };
    let lifetime_hint = format!("1 to 86400. Empty: {}, as started.", lifetime);
    format!(
        include_str!("page.html"),
        action = escaped(&token.address("/control")),
        sent = escaped(&token.address("/webhooks.json")),
        wrong = wrong.unwrap_or_default(),
        active = if now.is_empty() { "" } else { " active" },
        now = if now.is_empty() { "<h2>No faults are set.</h2>".to_owned() } else { list(&now) },
        metadata = number(
            form,
            "metadata_delay_ms",
            "How late new tokens see changes of metadata, in milliseconds",
            r#" min="0""#,
            "Until then, tokens minted after a change still carry the metadata from before it.",
        ),
        never = switch(form, NEVER),
        claims = switch(form, "omit_custom_claims"),
        last_active_token = last_active_token(form),
        minter = switch(form, "session_minter"),
        client = switch(form, "omit_client"),
        oiat = switch(form, "omit_oiat"),
        azp = switch(form, "omit_azp"),
        lifetime = number(
            form,
            "token_lifetime_s",
            "Life of a session token, in seconds",
            r#" min="1" max="86400""#,
            &lifetime_hint,
        ),
        clock = number(
            form,
            "clock_offset_ms",
            "How far the clock is ahead, in milliseconds",
            "",
            "Negative: behind. Every instant follows: tokens, sessions, e-mail codes, the Date of answers.",
        ),
        limits = choice(
            form,
            "rate_limits",
            "Too many requests are rejected",
            "With 429 and Retry-After. In ten seconds: 1000 calls of servers (100 to a development instance), 10 changes of \
             one user's metadata; from one address, 5 sign-ins, 5 sign-ups and 3 attempts at a password or code.",
            &[("backend", "from servers"), ("all", "from servers and browsers"), ("off", "nowhere")],
        ),
        drop = number(
            form,
            "webhooks.drop",
            "How many of the next events are never sent",
            r#" min="0" max="1000000""#,
            "As if Clerk had given up.",
        ),
        duplicate = number(
            form,
            "webhooks.duplicate",
            "How many of the next events are sent twice",
            r#" min="0" max="1000000""#,
            "With the same svix-id, once the first was received.",
        ),
        webhook_delay = number(
            form,
            "webhooks.delay_ms",
            "How long each event waits first, in milliseconds",
            r#" min="0" max="600000""#,
            "Before its first try. What waits is sent when this is cleared.",
        ),
        reorder = switch(form, "webhooks.reorder"),
        pause = switch(form, "webhooks.pause"),
        schedule = text(
            form,
            "webhooks.retry_schedule_ms",
            "How long to wait before each try, in milliseconds",
            "Numbers with spaces between them, one for each try: 0 100 100. Empty: Svix's, eight tries in 28 hours.",
        ),
        faults = (0..rows).map(|n| fault(form, n)).collect::<String>(),
    )
}

/// The settings that differ from the defaults, in words.
fn active(settings: &FaultSettings) -> Vec<String> {
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

fn list(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect::<String>();
    format!("<div><h2>Active faults</h2><ul>{lines}</ul></div>")
}

fn last_active_token(form: &Form) -> String {
    choice(
        form,
        "last_active_token",
        "The token in an answer is",
        "Handed out before: reload, touch and page load bring fresh metadata but a stale token; only skipCache helps.",
        &[("fresh", "minted for the answer"), ("old", "the one handed out before, until it expires")],
    )
}

/// Radio buttons. The first is chosen if none is.
fn choice(form: &Form, name: &str, legend: &str, hint: &str, options: &[(&str, &str)]) -> String {
    let mut html = format!(
        r#"<fieldset aria-describedby="{name}-hint"><legend>{legend} <code>{name}</code></legend>
<p class="hint" id="{name}-hint">{hint}</p>
"#
    );
    for (n, (option, label)) in options.iter().enumerate() {
        let checked = if form.get(name).map_or(n == 0, |chosen| chosen == *option) { " checked" } else { "" };
        _ = writeln!(
            html,
            r#"<div class="option"><input type="radio" id="{name}-{option}" name="{name}" value="{option}"{checked}><label for="{name}-{option}">{label}</label></div>"#
        );
    }
    html + "</fieldset>\n"
}

fn switch(form: &Form, name: &str) -> String {
    let Some((_, label, hint)) = SWITCHES.iter().find(|(field, ..)| *field == name) else {
        return String::new();
    };
    let checked = if form.is_ticked(name) { " checked" } else { "" };
    // The one box that has no name of its own in JSON.
    let code = if name == NEVER { String::new() } else { format!(" <code>{name}</code>") };
    format!(
        r#"<div class="option"><input type="checkbox" id="{name}" name="{name}" aria-describedby="{name}-hint"{checked}><label for="{name}">{label}{code}</label>
<p class="hint" id="{name}-hint">{hint}</p></div>"#
    )
}

/// A field for text, with a sentence about it.
fn text(form: &Form, name: &str, label: &str, hint: &str) -> String {
    format!(
        r#"<div class="field"><label for="{name}">{label} <code>{name}</code></label>
<input type="text" id="{name}" name="{name}" value="{}" aria-describedby="{name}-hint"><p class="hint" id="{name}-hint">{hint}</p></div>"#,
        escaped(form.get(name).unwrap_or_default())
    )
}

/// A field for a number, with a sentence about it.
fn number(form: &Form, name: &str, label: &str, limits: &str, hint: &str) -> String {
    format!(
        r#"<div class="field"><label for="{name}">{label} <code>{name}</code></label>
<input type="number" id="{name}" name="{name}"{limits} value="{}" aria-describedby="{name}-hint"><p class="hint" id="{name}-hint">{hint}</p></div>"#,
        escaped(form.get(name).unwrap_or_default())
    )
}

/// The fields of a fault. The last one is empty: room for one more.
fn fault(form: &Form, n: usize) -> String {
    let chosen = form.get(&fault_field(n, "where")).unwrap_or_default();
    let legend = match (chosen, form.get(&fault_field(n, "count"))) {
        ("", _) if n == 0 => "A fault".to_owned(),
        ("", _) => "One more fault".to_owned(),
        (_, count) => format!("RequestFault {} <small>{} left</small>", n + 1, escaped(count.unwrap_or_default())),
    };
    let mut options = r#"<option value="">none</option>"#.to_owned();
    let mut offer = |value: &str, name: &str| {
        let selected = if value == chosen { " selected" } else { "" };
        _ = write!(options, r#"<option value="{}"{selected}>{}</option>"#, escaped(value), escaped(name));
    };
    let places = PLACES.map(|known| (place_of(known), known.0));
    for (value, name) in &places {
        offer(value, name);
    }
    if !chosen.is_empty() && !places.iter().any(|(value, _)| value == chosen) {
        offer(chosen, &place_name(chosen));
    }
    let id = fault_field(n, "where");
    let mut html = format!(
        r#"<fieldset class="fault" aria-describedby="faults-hint"><legend>{legend}</legend>
<div class="row"><div class="field wide"><label for="{id}">Which requests</label><select id="{id}" name="{id}">{options}</select></div>
"#
    );
    for (name, label, limits, otherwise) in [
        ("count", "How often", r#" min="0" max="1000000""#, "1"),
        ("status", "Status", r#" min="400" max="599""#, ""),
        ("delay_ms", "Delay, ms", r#" min="0" max="600000""#, "0"),
        ("retry_after_s", "Retry-After, s", r#" min="0" max="86400""#, ""),
    ] {
        let id = fault_field(n, name);
        let value = escaped(form.get(&id).unwrap_or(otherwise));
        _ = writeln!(
            html,
            r#"<div class="field"><label for="{id}">{label}</label><input type="number" id="{id}" name="{id}"{limits} value="{value}"></div>"#
        );
    }
    let id = fault_field(n, "cut");
    let checked = if form.is_ticked(&id) { " checked" } else { "" };
    _ = writeln!(
        html,
        r#"<div class="option wide"><input type="checkbox" id="{id}" name="{id}"{checked}><label for="{id}">Cut the connection</label></div></div></fieldset>"#
    );
    html
}

fn place_of((_, method, start, end): (&str, &str, &str, &str)) -> String {
    place(&RequestFault {
        method: Some(method.to_owned()),
        path_starts_with: start.to_owned(),
        path_ends_with: end.to_owned(),
        ..RequestFault::default()
    })
}

/// The name of a kind of request, or what it matches if it has none.
fn place_name(place: &str) -> String {
    let known = PLACES.iter().find(|known| place_of(**known) == place);
    if let Some(known) = known {
        return known.0.to_owned();
    }
    let (method, path) = place.split_once(' ').unwrap_or_default();
    let path = path.replace(' ', "…").replace('*', "");
    if method == "*" { format!("Any method {path}") } else { format!("{method} {path}") }
}
