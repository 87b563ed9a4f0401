//! The control as a page: the active settings, and a form to change them. Plain HTML that needs no script.

use maud::{Markup, html};

use super::fields::{choice, number, switch, text};
use super::form::{Form, NEVER, fault_field};
use super::words::{PLACES, active, place_name, place_of};
use crate::faults::FaultSettings;
use crate::local_pages::PageToken;

/// The body of the page. `lifetime` is that of session tokens as started, `wrong` why the form was rejected.
pub(super) fn body(
    token: &PageToken,
    lifetime: i64,
    settings: &FaultSettings,
    form: &Form,
    wrong: Option<&str>,
) -> Markup {
    let action = token.address("/control");
    let active = active(settings);
    html! {
        p {
            "Makes this Clerk slow, stale or failing on purpose, for every client. Tests do the same with " code { "PUT" }
            ", " code { "GET" } " and " code { "DELETE" } " at this address, in JSON; its field names are beside the labels."
        }
        @if let Some(wrong) = wrong {
            p class="wrong" role="alert" { "Nothing was changed: " (wrong) "." }
        }
        section class={ "now" @if !active.is_empty() { " active" } } aria-label="Now" {
            @if active.is_empty() {
                h2 { "No faults are set." }
            } @else {
                div {
                    h2 { "Active faults" }
                    ul { @for line in &active { li { (line) } } }
                }
            }
            form method="post" action=(action) { button name="reset" value="yes" { "Clear all faults" } }
        }
        form method="post" action=(action) {
            (tokens(form))
            fieldset {
                legend { "Time" }
                (number(form, "token_lifetime_s", "Life of a session token, in seconds", (Some(1), Some(86_400)),
                    &format!("1 to 86400. Empty: {lifetime}, as started.")))
                (number(form, "clock_offset_ms", "How far the clock is ahead, in milliseconds", (None, None),
                    "Negative: behind. Every instant follows: tokens, sessions, e-mail codes, the Date of answers."))
            }
            (webhooks(form, &token.address("/webhooks.json")))
            fieldset { legend { "Rate limits" } (rate_limits(form)) }
            (faults(form))
            p class="done" { button class="main" { "Apply these settings" } }
        }
    }
}

fn tokens(form: &Form) -> Markup {
    html! {
        fieldset {
            legend { "What new tokens contain" }
            (number(form, "metadata_delay_ms", "How late new tokens see changes of metadata, in milliseconds", (Some(0), None),
                "Until then, tokens minted after a change still carry the metadata from before it."))
            (switch(form, NEVER))
            (switch(form, "omit_custom_claims"))
        }
        fieldset {
            legend { "How fresh tokens reach the browser" }
            (choice(form, "last_active_token", "The token in an answer is",
                "Handed out before: reload, touch and page load bring fresh metadata but a stale token; only skipCache helps.",
                &[("fresh", "minted for the answer"), ("old", "the one handed out before, until it expires")]))
            (switch(form, "session_minter"))
            (switch(form, "omit_client"))
        }
        fieldset {
            legend { "What session tokens lack" }
            (switch(form, "omit_oiat"))
            (switch(form, "omit_azp"))
        }
    }
}

fn webhooks(form: &Form, sent: &str) -> Markup {
    html! {
        fieldset {
            legend { "Webhooks" }
            p class="hint" { a href=(sent) { "What was sent" } ", newest first, in JSON." }
            (number(form, "webhooks.drop", "How many of the next events are never sent", (Some(0), Some(1_000_000)),
                "As if Clerk had given up."))
            (number(form, "webhooks.duplicate", "How many of the next events are sent twice", (Some(0), Some(1_000_000)),
                "With the same svix-id, once the first was received."))
            (number(form, "webhooks.delay_ms", "How long each event waits first, in milliseconds", (Some(0), Some(600_000)),
                "Before its first try. What waits is sent when this is cleared."))
            (text(form, "webhooks.retry_schedule_ms", "How long to wait before each try, in milliseconds",
                "Numbers with spaces between them, one for each try: 0 100 100. Empty: Svix's, eight tries in 28 hours."))
            (switch(form, "webhooks.reorder"))
            (switch(form, "webhooks.pause"))
        }
    }
}

fn rate_limits(form: &Form) -> Markup {
    choice(
        form,
        "rate_limits",
        "Too many requests are rejected",
        "With 429 and Retry-After. In ten seconds: 1000 calls of servers (100 to a development instance), 10 changes of \
         one user's metadata; from one address, 5 sign-ins, 5 sign-ups and 3 attempts at a password or code.",
        &[("backend", "from servers"), ("all", "from servers and browsers"), ("off", "nowhere")],
    )
}

fn faults(form: &Form) -> Markup {
    // An empty row for one more fault, unless the form has one already.
    let rows = match form.rows().checked_sub(1) {
        Some(last) if form.get(&fault_field(last, "where")) == Some("") => last + 1,
        _ => form.rows() + 1,
    };
    html! {
        fieldset {
            legend { "Requests that fail" }
            p class="hint" id="faults-hint" {
                "The first of these that matches a request and is not used up applies. Without a status it is answered after "
                "the delay; a cut connection breaks in the middle of the answer. To remove one, choose none."
            }
            @for n in 0..rows { (fault(form, n)) }
        }
    }
}

/// The fields of a fault. The last one is empty: room for one more.
fn fault(form: &Form, n: usize) -> Markup {
    let chosen = form.get(&fault_field(n, "where")).unwrap_or_default();
    let places = PLACES.map(|known| (place_of(known), known.0));
    let is_known = chosen.is_empty() || places.iter().any(|(value, _)| value == chosen);
    let (id, cut) = (fault_field(n, "where"), fault_field(n, "cut"));
    html! {
        fieldset class="fault" aria-describedby="faults-hint" {
            legend {
                @if !chosen.is_empty() {
                    "Fault " (n + 1) " "
                    small { (form.get(&fault_field(n, "count")).unwrap_or_default()) " left" }
                } @else if n == 0 {
                    "A fault"
                } @else {
                    "One more fault"
                }
            }
            div class="row" {
                div class="field wide" {
                    label for=(id) { "Which requests" }
                    select id=(id) name=(id) {
                        option value="" { "none" }
                        @for (value, name) in &places {
                            option value=(value) selected[value == chosen] { (name) }
                        }
                        @if !is_known { option value=(chosen) selected { (place_name(chosen)) } }
                    }
                }
                @for (name, label, min, max, otherwise) in [
                    ("count", "How often", 0, 1_000_000, "1"),
                    ("status", "Status", 400, 599, ""),
                    ("delay_ms", "Delay, ms", 0, 600_000, "0"),
                    ("retry_after_s", "Retry-After, s", 0, 86_400, ""),
                ] {
                    @let id = fault_field(n, name);
                    div class="field" {
                        label for=(id) { (label) }
                        input type="number" id=(id) name=(id) min=(min) max=(max) value=(form.get(&id).unwrap_or(otherwise));
                    }
                }
                div class="option wide" {
                    input type="checkbox" id=(cut) name=(cut) checked[form.is_ticked(&cut)];
                    label for=(cut) { "Cut the connection" }
                }
            }
        }
    }
}
