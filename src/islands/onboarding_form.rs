//! The view of the form that creates an organization, and of the wait that follows it.
//!
//! What must stay true: input is never lost; the server repeats every check with the same code; before this island
//! wakes, the form is a plain one that posts to `/onboarding`.

use leptos::prelude::*;

use self::state::Form;
use super::progress::{Pace, Progress, Unreachable};
use super::{text, when, words};
use crate::browser::{self, Clerk};
use crate::model::onboarding::{Draft, SUGGESTIONS};

mod state;

/// The form, with its input so far. The page provides the [`Draft`]; the browser reads it from what the server has
/// drawn.
#[island]
pub fn OnboardingForm() -> impl IntoView {
    let draft = use_context::<Draft>().unwrap_or_else(browser::draft);
    let form = Form::new(&draft);
    let email = RwSignal::new(draft.email.clone());
    let waiting = move || form.waiting.get();
    let stopped = move || form.pace.get() == Pace::Stopped;
    // Input from before the island woke is in the fields. Waking overwrites the fields with the signals, so it is read
    // before and restored after.
    let typed = [browser::value_of("name"), browser::value_of("slug")];
    browser::spawn(async move {
        browser::awake();
        let [name, slug] = typed;
        if let Some(slug) = slug.filter(|slug| *slug != form.slug.get_untracked()) {
            form.slug_changed(slug);
        }
        if let Some(name) = name.filter(|name| *name != form.name.get_untracked()) {
            form.name_changed(name);
        }
        // Loaded before it is needed; meanwhile it keeps the token fresh.
        match Clerk::start().await {
            Ok(clerk) => email.set(clerk.email().unwrap_or_else(|| email.get_untracked())),
            Err(_) => browser::debug("clerk-js could not be loaded"),
        }
    });
    let title = move || if waiting() { "Organization created" } else { TITLE };
    let lead = move || {
        if stopped() {
            "Your workspace is not set up yet."
        } else if waiting() {
            "Setting up your workspace…"
        } else {
            LEAD
        }
    };
    let no_preview = move || !form.slug_error.with(String::is_empty) || form.slug.with(String::is_empty);
    let on_submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        browser::spawn(form.submit());
    };
    let headline = move || if form.undecided.get() { UNDECIDED } else { NOT_CREATED };
    let Draft { name, slug, name_error, slug_error, suggestions, links, failure, undecided, email: known, host } =
        draft;
    let suggestion = |index: usize| {
        let signal = form.suggestions[index];
        let slug = suggestions.get(index).cloned().unwrap_or_default();
        let href = links.get(index).cloned().unwrap_or_default();
        view! {
            <a
                class="button button-quiet"
                id=SUGGESTION_IDS[index]
                href=href
                hidden=when(move || signal.with(String::is_empty))
                prop:textContent=text(signal)
                on:click=move |event| {
                    event.prevent_default();
                    form.take(signal.get_untracked());
                }
            >
                {slug}
            </a>
        }
    };
    view! {
        <header class="door-head">
            <h1 id="title" tabindex="-1" prop:textContent=words(title)>
                {TITLE}
            </h1>
            <p prop:textContent=words(lead)>{LEAD}</p>
            <p class="signed-in-as" hidden=when(move || email.with(String::is_empty))>
                "Signed in as "
                <bdi id="email" prop:textContent=text(email)>
                    {known}
                </bdi>
            </p>
        </header>
        <div class="stack" hidden=when(move || !waiting())>
            <Progress stage=form.stage pace=form.pace waiting=form.waiting />
            <Unreachable shown=Box::new(stopped) again="/dashboard".to_owned() />
        </div>
        <p class="door-foot" hidden=when(move || !waiting())>
            <bdi prop:textContent=text(form.name)></bdi>
            " is saved. You can close this page; nothing will be lost."
        </p>
        <div class="notice" data-kind="error" role="alert" hidden=when(move || form.failure.with(String::is_empty))>
            <p>
                <strong prop:textContent=words(headline)>{if undecided { UNDECIDED } else { NOT_CREATED }}</strong>
                " "
                <span id="failure" data-undecided=undecided.then_some("") prop:textContent=text(form.failure)>
                    {failure}
                </span>
            </p>
        </div>
        <form class="form" method="post" action="/onboarding" novalidate hidden=when(waiting) on:submit=on_submit>
            <div class="field">
                <TextField
                    field=&NAME
                    text=name.clone()
                    wrong=name_error
                    value=form.name
                    error=form.name_error
                    busy=form.busy
                    changed=Box::new(move |text| form.name_changed(text))
                />
            </div>
            <div class="field">
                <TextField
                    field=&SLUG
                    text=slug.clone()
                    wrong=slug_error
                    value=form.slug
                    error=form.slug_error
                    busy=form.busy
                    changed=Box::new(move |text| form.slug_changed(text))
                />
                <p class="suggestions" hidden=when(move || form.suggestions[0].with(String::is_empty))>
                    <span>"Available: "</span>
                    {suggestion(0)}
                    {suggestion(1)}
                </p>
                <p class="slug-preview" hidden=when(no_preview)>
                    "Address: "
                    <span>
                        <bdi>{host}</bdi>
                        "/"
                        <strong prop:textContent=text(form.slug)>{slug}</strong>
                    </span>
                </p>
                <p
                    class="field-status"
                    id="slug-status"
                    role="status"
                    data-state=move || form.slug_status.get().state()
                    prop:textContent=words(move || form.slug_status.get().text())
                ></p>
            </div>
            <button
                class="button button-wide"
                type="submit"
                aria-disabled=move || form.busy.get().then_some("true")
                aria-busy=move || form.busy.get().then_some("true")
                prop:textContent=words(move || if form.busy.get() { "Creating your organization…" } else { CREATE })
            >
                {CREATE}
            </button>
        </form>
    }
}

const TITLE: &str = "Create your organization";
const LEAD: &str = "It’s your team’s shared workspace. You become its owner.";
const CREATE: &str = "Create organization";
const NOT_CREATED: &str = "Your organization was not created.";
const UNDECIDED: &str = "We don’t know yet whether your organization was created.";

/// The elements of the suggestions.
const SUGGESTION_IDS: [&str; SUGGESTIONS] = ["suggestion-0", "suggestion-1"];

/// `NAME_MAX_CHARS` and `SLUG_MAX_CHARS` as attributes. The test below compares them.
const NAME_MAX_CHARS_TEXT: &str = "80";
const SLUG_MAX_CHARS_TEXT: &str = "48";

/// What differs between the two fields.
struct Field {
    id: &'static str,
    label: &'static str,
    hint: &'static str,
    max_chars: &'static str,
    autocomplete: &'static str,
    autocapitalize: &'static str,
    inputmode: &'static str,
    /// The elements that describe the field to a screen reader, without and with an error.
    described_by: [&'static str; 2],
}

const NAME: Field = Field {
    id: "name",
    label: "Organization name",
    hint: "As your team knows it, for example “Acme Studio”.",
    max_chars: NAME_MAX_CHARS_TEXT,
    autocomplete: "organization",
    autocapitalize: "words",
    inputmode: "text",
    described_by: ["name-hint", "name-hint name-error"],
};

const SLUG: Field = Field {
    id: "slug",
    label: "Web address",
    hint: "Lowercase letters, numbers and single hyphens. Leave it empty to use the name.",
    max_chars: SLUG_MAX_CHARS_TEXT,
    autocomplete: "off",
    autocapitalize: "none",
    inputmode: "url",
    described_by: ["slug-hint slug-status", "slug-hint slug-error slug-status"],
};

/// A label, a hint, the input and its error. `text` and `wrong`: what it is drawn with. `changed` receives the input.
#[component]
fn TextField(
    field: &'static Field,
    text: String,
    wrong: String,
    value: RwSignal<String>,
    error: RwSignal<String>,
    busy: RwSignal<bool>,
    changed: Box<dyn Fn(String)>,
) -> impl IntoView {
    let invalid = move || !error.with(String::is_empty);
    // The first field that needs input.
    let first = if field.id == NAME.id { text.is_empty() || !wrong.is_empty() } else { !wrong.is_empty() };
    view! {
        <label for=field.id>{field.label}</label>
        <p class="field-hint" id=format!("{}-hint", field.id)>
            {field.hint}
        </p>
        <input
            class="input"
            id=field.id
            name=field.id
            type="text"
            required=field.id == NAME.id
            autofocus=first
            maxlength=field.max_chars
            autocomplete=field.autocomplete
            autocapitalize=field.autocapitalize
            inputmode=field.inputmode
            spellcheck="false"
            dir="auto"
            aria-describedby=move || field.described_by[usize::from(invalid())]
            aria-invalid=move || invalid().then_some("true")
            readonly=when(move || busy.get())
            value=text
            prop:value=value
            on:input=move |event| changed(event_target_value(&event))
        />
        <p
            class="field-error"
            id=format!("{}-error", field.id)
            role="alert"
            hidden=when(move || !invalid())
            prop:textContent=super::text(error)
        >
            {wrong}
        </p>
    }
}

#[cfg(test)]
mod tests {
    use crate::model::organization::{NAME_MAX_CHARS, SLUG_MAX_CHARS};

    #[test]
    fn the_fields_have_the_lengths_of_the_rules() {
        assert_eq!(super::NAME_MAX_CHARS_TEXT, NAME_MAX_CHARS.to_string());
        assert_eq!(super::SLUG_MAX_CHARS_TEXT, SLUG_MAX_CHARS.to_string());
    }
}
