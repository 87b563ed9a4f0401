//! The form that creates an organization, and the wait that follows it.
//!
//! What must stay true: the input is never lost; what is checked here is checked by the server with the same code; before
//! this island wakes, the form is a plain one that posts to `/onboarding`.

use leptos::prelude::*;

use super::progress::{Pace, Progress, Unreachable};
use super::wait;
use super::{when, words};
use crate::browser::{self, Clerk};
use crate::model::failure::{self, Failure, FailureCode};
use crate::model::freshness::{BOUNDS, GaveUp, Stage};
use crate::model::onboarding::{Availability, Created};
use crate::model::organization::{OrganizationName, Slug};
use crate::server_fns::{check_slug, create_organization};

/// How long typing must rest before a slug is checked, in milliseconds.
const CHECK_AFTER_MS: u32 = 300;
/// How long an expired session may take to renew before the form is sent again, in milliseconds.
const RENEW_LIMIT_MS: u32 = 3_000;
/// How long a creation may take before the connection counts as lost, in milliseconds: longer than the server gives any
/// request.
const CREATE_LIMIT_MS: u32 = 35_000;
/// When a stage of the wait is called slow, in milliseconds since it began.
const SLOW_AFTER_MS: u32 = 2_500;

/// What is known about the slug being free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlugStatus {
    Unknown,
    Checking,
    Free,
    /// The check itself failed; creating will decide.
    CannotTell,
}

impl SlugStatus {
    fn state(self) -> Option<&'static str> {
        match self {
            Self::Free => Some("free"),
            Self::Checking => Some("checking"),
            Self::Unknown | Self::CannotTell => None,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Checking => "Checking whether it is free…",
            Self::Free => "This address is free.",
            Self::CannotTell => "We cannot check now whether it is free. You can go on: creating it will tell.",
        }
    }
}

/// The state of the form, as signals.
#[derive(Clone, Copy)]
struct Form {
    name: RwSignal<String>,
    slug: RwSignal<String>,
    /// The slug was typed, so it no longer follows the name.
    slug_typed: RwSignal<bool>,
    slug_status: RwSignal<SlugStatus>,
    /// Late answers to earlier checks are dropped.
    check_number: RwSignal<u32>,
    /// Empty if nothing is wrong.
    name_error: RwSignal<String>,
    slug_error: RwSignal<String>,
    /// What is wrong with the whole.
    failure: RwSignal<String>,
    busy: RwSignal<bool>,
    waiting: RwSignal<bool>,
    stage: RwSignal<Stage>,
    pace: RwSignal<Pace>,
}

impl Form {
    fn new(name: String, slug: String, name_error: String, slug_error: String, failure: String) -> Self {
        Self {
            slug_typed: RwSignal::new(!slug.is_empty()),
            name: RwSignal::new(name),
            slug: RwSignal::new(slug),
            slug_status: RwSignal::new(SlugStatus::Unknown),
            check_number: RwSignal::new(0),
            name_error: RwSignal::new(name_error),
            slug_error: RwSignal::new(slug_error),
            failure: RwSignal::new(failure),
            busy: RwSignal::new(false),
            waiting: RwSignal::new(false),
            stage: RwSignal::new(Stage::RefreshingSession),
            pace: RwSignal::new(Pace::Usual),
        }
    }

    fn name_changed(self, name: String) {
        if !self.name_error.with_untracked(String::is_empty) {
            self.name_error.set(message(OrganizationName::parse(&name)));
        }
        if !self.slug_typed.get_untracked() {
            let suggestion = Slug::suggest(&name);
            if suggestion != self.slug.get_untracked() {
                self.slug.set(suggestion);
                self.check_slug_soon();
            }
        }
        self.name.set(name);
    }

    fn slug_changed(self, slug: String) {
        // An emptied field follows the name again.
        self.slug_typed.set(!slug.is_empty());
        self.slug.set(slug);
        self.check_slug_soon();
    }

    /// Checks the form of the slug at once, and asks the server when typing has rested.
    fn check_slug_soon(self) {
        let text = self.slug.get_untracked();
        let number = self.check_number.get_untracked() + 1;
        self.check_number.set(number);
        let parsed = Slug::parse(&text);
        self.slug_error.set(if text.is_empty() { String::new() } else { message(Slug::parse(&text)) });
        let Ok(slug) = parsed else { return self.slug_status.set(SlugStatus::Unknown) };
        self.slug_status.set(SlugStatus::Checking);
        browser::spawn(async move {
            browser::sleep(CHECK_AFTER_MS).await;
            if self.check_number.get_untracked() != number {
                return;
            }
            let answer = check_slug(slug.as_str().to_owned()).await;
            if self.check_number.get_untracked() != number {
                return;
            }
            match answer {
                Ok(Availability::Free) => self.slug_status.set(SlugStatus::Free),
                Ok(Availability::Taken) => {
                    self.slug_status.set(SlugStatus::Unknown);
                    self.slug_error.set("This address is taken. Choose another one.".to_owned());
                }
                Err(_) => self.slug_status.set(SlugStatus::CannotTell),
            }
        });
    }

    /// Checks both fields by the server's own rules; puts the focus on the first one that is wrong.
    fn is_valid(self) -> bool {
        let name = message(OrganizationName::parse(&self.name.get_untracked()));
        let slug = message(Slug::parse(&self.slug.get_untracked()));
        let (name_is_fine, slug_is_fine) = (name.is_empty(), slug.is_empty());
        self.name_error.set(name);
        self.slug_error.set(slug);
        if !name_is_fine {
            browser::focus("name");
        } else if !slug_is_fine {
            browser::focus("slug");
        }
        name_is_fine && slug_is_fine
    }

    async fn submit(self) {
        if self.busy.get_untracked() || !self.is_valid() {
            return;
        }
        self.busy.set(true);
        self.failure.set(String::new());
        browser::debug("creating the organization");
        let mut renewed = false;
        loop {
            let creation = create_organization(self.name.get_untracked(), self.slug.get_untracked());
            match browser::within(CREATE_LIMIT_MS, creation).await.unwrap_or_else(|| Err(Failure::network())) {
                Ok(created) => return self.wait_and_go(created).await,
                // The token grew old while somebody typed. One renewal, one repetition.
                Err(failure) if failure.code == FailureCode::SessionStale && !renewed => {
                    renewed = true;
                    let renewal = async { Clerk::start(false).await?.fetch_token().await.then_some(()) };
                    browser::within(RENEW_LIMIT_MS, renewal).await;
                }
                Err(failure) => return self.show(failure),
            }
        }
    }

    fn show(self, failure: Failure) {
        self.busy.set(false);
        browser::debug("not created: the form says why");
        match failure.field {
            Some(failure::Field::Name) => {
                self.name_error.set(failure.message);
                browser::focus("name");
            }
            Some(failure::Field::Slug) => {
                self.slug_status.set(SlugStatus::Unknown);
                self.slug_error.set(failure.message);
                browser::focus("slug");
            }
            None => {
                let reference = failure.request_id.map(|id| format!(" Reference: {id}")).unwrap_or_default();
                self.failure.set(format!("{}{reference}", failure.message));
            }
        }
    }

    async fn wait_and_go(self, created: Created) {
        browser::debug(&format!("organization created: {}", created.organization.id));
        let (organization, delivery) = (created.organization.id, created.delivery);
        // An earlier request may have given it another name.
        self.name.set(created.organization.name.into());
        self.waiting.set(true);
        browser::focus("title");
        browser::on_connection_change(move |online| self.connection_changed(online));
        let target =
            match wait::until_fresh(Some(organization), delivery, BOUNDS, &move |stage| self.enter(stage)).await {
                Ok(()) | Err(GaveUp::Elsewhere) => "/dashboard".to_owned(),
                Err(GaveUp::SignedOut) => "/sign-in?next=%2Fdashboard&signed-out=1".to_owned(),
                Err(GaveUp::NoConnection) => return self.pace.set(Pace::Stopped),
                Err(reason) => format!("/token-pending?next=%2Fdashboard&tried={}", reason.tried()),
            };
        browser::debug(&format!("navigating to {target}"));
        browser::go_to(&target);
    }

    /// A stage begins. Its words change by themselves if it lasts.
    fn enter(self, stage: Stage) {
        self.stage.set(stage);
        self.pace.set(Pace::Usual);
        browser::spawn(async move {
            browser::sleep(SLOW_AFTER_MS).await;
            if self.stage.get_untracked() == stage && self.pace.get_untracked() == Pace::Usual {
                self.pace.set(Pace::Slow);
            }
        });
    }

    fn connection_changed(self, online: bool) {
        match (online, self.pace.get_untracked()) {
            (true, Pace::Stopped) => browser::go_to("/dashboard"),
            (true, _) => self.enter(self.stage.get_untracked()),
            (false, Pace::Stopped) => {}
            (false, _) => self.pace.set(Pace::Offline),
        }
    }
}

/// What a rule says about an input; nothing if it is kept.
fn message<T, E: std::fmt::Display>(parsed: Result<T, E>) -> String {
    parsed.err().map(|error| error.to_string()).unwrap_or_default()
}

/// The form, filled in as far as it was. `address` is what stands before the slug in an address.
#[island]
pub fn OnboardingForm(
    name: String,
    slug: String,
    name_error: String,
    slug_error: String,
    failure: String,
    address: String,
) -> impl IntoView {
    let form = Form::new(name, slug, name_error, slug_error, failure);
    let waiting = move || form.waiting.get();
    let stopped = move || form.pace.get() == Pace::Stopped;
    // What was typed before the island woke stands in the fields. Waking writes the signals into the fields, so it is
    // read before, and put back after.
    let typed = [browser::value_of("name"), browser::value_of("slug")];
    browser::spawn(async move {
        let [name, slug] = typed;
        if let Some(slug) = slug.filter(|slug| *slug != form.slug.get_untracked()) {
            form.slug_changed(slug);
        }
        if let Some(name) = name.filter(|name| *name != form.name.get_untracked()) {
            form.name_changed(name);
        }
        // Ready before it is needed; meanwhile it keeps the token young.
        if Clerk::start(false).await.is_none() {
            browser::debug("clerk-js could not be loaded");
        }
    });
    let title = move || if waiting() { "Organization created" } else { "Create your organization" };
    let lead = move || {
        if stopped() {
            "Your workspace is not set up yet."
        } else if waiting() {
            "Setting up your workspace…"
        } else {
            "This is where your work and your people will be. You become its owner."
        }
    };
    let no_preview = move || !form.slug_error.with(String::is_empty) || form.slug.with(String::is_empty);
    let on_submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        browser::spawn(form.submit());
    };
    view! {
        <header class="door-head">
            <h1 id="title" tabindex="-1">
                {words(title)}
            </h1>
            <p>{words(lead)}</p>
        </header>
        <div class="stack" hidden=when(move || !waiting())>
            <Progress stage=form.stage pace=form.pace waiting=form.waiting />
            <Unreachable shown=Box::new(stopped) again="/dashboard".to_owned() />
        </div>
        <p class="door-foot" hidden=when(move || !waiting())>
            <bdi>{form.name}</bdi>
            " is saved. You can close this page; nothing will be lost."
        </p>
        <div class="notice" data-kind="error" role="alert" hidden=when(move || form.failure.with(String::is_empty))>
            <p>
                <strong>"Your organization was not created. "</strong>
                {form.failure}
            </p>
        </div>
        <form class="form" method="post" action="/onboarding" novalidate hidden=when(waiting) on:submit=on_submit>
            <div class="field">
                <TextField
                    field=&NAME
                    value=form.name
                    error=form.name_error
                    busy=form.busy
                    changed=Box::new(move |text| form.name_changed(text))
                />
            </div>
            <div class="field">
                <TextField
                    field=&SLUG
                    value=form.slug
                    error=form.slug_error
                    busy=form.busy
                    changed=Box::new(move |text| form.slug_changed(text))
                />
                <p class="slug-preview" hidden=when(no_preview)>
                    "Address: "
                    <span>{address} "/" <strong>{form.slug}</strong></span>
                </p>
                <p class="field-status" id="slug-status" role="status" data-state=move || form.slug_status.get().state()>
                    {words(move || form.slug_status.get().text())}
                </p>
            </div>
            <button
                class="button button-wide"
                type="submit"
                aria-disabled=move || form.busy.get().then_some("true")
                aria-busy=move || form.busy.get().then_some("true")
            >
                {words(move || if form.busy.get() { "Creating your organization…" } else { "Create organization" })}
            </button>
        </form>
    }
}

/// `NAME_MAX_CHARS` and `SLUG_MAX_CHARS` as attributes. The test below keeps them equal.
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
    /// Everything that describes the field to a screen reader, without and with an error.
    described_by: [&'static str; 2],
}

const NAME: Field = Field {
    id: "name",
    label: "Organization name",
    hint: "As people know it, for example “Acme Studio”.",
    max_chars: NAME_MAX_CHARS_TEXT,
    autocomplete: "organization",
    autocapitalize: "words",
    inputmode: "text",
    described_by: ["name-hint", "name-hint name-error"],
};

const SLUG: Field = Field {
    id: "slug",
    label: "Web address",
    hint: "A short name: small letters, numbers and single hyphens.",
    max_chars: SLUG_MAX_CHARS_TEXT,
    autocomplete: "off",
    autocapitalize: "none",
    inputmode: "url",
    described_by: ["slug-hint slug-status", "slug-hint slug-error slug-status"],
};

/// A label, a hint, the input and its error. `changed` is told what was typed.
#[component]
fn TextField(
    field: &'static Field,
    value: RwSignal<String>,
    error: RwSignal<String>,
    busy: RwSignal<bool>,
    changed: Box<dyn Fn(String)>,
) -> impl IntoView {
    let invalid = move || !error.with(String::is_empty);
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
            required
            maxlength=field.max_chars
            autocomplete=field.autocomplete
            autocapitalize=field.autocapitalize
            inputmode=field.inputmode
            spellcheck="false"
            dir="auto"
            aria-describedby=move || field.described_by[usize::from(invalid())]
            aria-invalid=move || invalid().then_some("true")
            readonly=when(move || busy.get())
            value=value.get_untracked()
            prop:value=value
            on:input=move |event| changed(event_target_value(&event))
        />
        <p class="field-error" id=format!("{}-error", field.id) hidden=when(move || !invalid())>
            {error}
        </p>
    }
}

#[cfg(test)]
mod tests {
    use crate::model::organization::{NAME_MAX_CHARS, SLUG_MAX_CHARS};

    #[test]
    fn the_fields_take_as_much_as_the_rules() {
        assert_eq!(super::NAME_MAX_CHARS_TEXT, NAME_MAX_CHARS.to_string());
        assert_eq!(super::SLUG_MAX_CHARS_TEXT, SLUG_MAX_CHARS.to_string());
    }
}
