//! The form that creates an organization, and the wait that follows it.
//!
//! What must stay true: the input is never lost; what is checked here is checked by the server with the same code; before
//! this island wakes, the form is a plain one that posts to `/onboarding`.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::door::{DoorHead, DoorState};
use super::progress::Progress;
use super::wait;
use crate::browser::{self, Clerk};
use crate::model::clerk_settings::ClerkSettings;
use crate::model::failure::{Failure, FailureCode, Field};
use crate::model::freshness::Stage;
use crate::model::onboarding::{Availability, Created};
use crate::model::organization::{NAME_MAX_CHARS, OrganizationName, SLUG_MAX_CHARS, Slug};
use crate::server_fns::{check_slug, create_organization};

/// How long typing must rest before a slug is checked, in milliseconds.
const CHECK_AFTER_MS: u32 = 300;
/// How long an expired session may take to renew before the form is sent again, in milliseconds.
const RENEW_LIMIT_MS: u32 = 3_000;

/// What the server fills in when it shows the form, also after a submission without JavaScript.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Draft {
    pub name: String,
    pub slug: String,
    pub failure: Option<Failure>,
}

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
    name_error: RwSignal<Option<String>>,
    slug_error: RwSignal<Option<String>>,
    /// What is wrong with the whole.
    failure: RwSignal<Option<String>>,
    busy: RwSignal<bool>,
    created: RwSignal<Option<Created>>,
    stage: RwSignal<Stage>,
    slow: RwSignal<bool>,
}

impl Form {
    fn new(draft: &Draft) -> Self {
        let at = |field| draft.failure.as_ref().filter(|failure| failure.field == field).map(|f| f.message.clone());
        Self {
            name: RwSignal::new(draft.name.clone()),
            slug: RwSignal::new(draft.slug.clone()),
            slug_typed: RwSignal::new(!draft.slug.is_empty()),
            slug_status: RwSignal::new(SlugStatus::Unknown),
            check_number: RwSignal::new(0),
            name_error: RwSignal::new(at(Some(Field::Name))),
            slug_error: RwSignal::new(at(Some(Field::Slug))),
            failure: RwSignal::new(at(None)),
            busy: RwSignal::new(false),
            created: RwSignal::new(None),
            stage: RwSignal::new(Stage::RefreshingSession),
            slow: RwSignal::new(false),
        }
    }

    fn name_changed(self, name: String) {
        if self.name_error.with_untracked(Option::is_some) {
            self.name_error.set(OrganizationName::parse(&name).err().map(|error| error.to_string()));
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
        self.slug_error.set(parsed.as_ref().err().filter(|_| !text.is_empty()).map(ToString::to_string));
        let Ok(slug) = parsed else { return self.slug_status.set(SlugStatus::Unknown) };
        self.slug_status.set(SlugStatus::Checking);
        leptos::task::spawn_local(async move {
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
                    self.slug_error.set(Some("This address is taken. Choose another one.".to_owned()));
                }
                Err(_) => self.slug_status.set(SlugStatus::CannotTell),
            }
        });
    }

    /// Checks both fields by the server's own rules; puts the focus on the first one that is wrong.
    fn is_valid(self) -> bool {
        let name = OrganizationName::parse(&self.name.get_untracked()).err().map(|error| error.to_string());
        let slug = Slug::parse(&self.slug.get_untracked()).err().map(|error| error.to_string());
        let first_wrong = if name.is_some() { Some("name") } else { slug.as_ref().map(|_| "slug") };
        self.name_error.set(name);
        self.slug_error.set(slug);
        if let Some(field) = first_wrong {
            browser::focus(field);
        }
        first_wrong.is_none()
    }

    async fn submit(self, settings: ClerkSettings) {
        if self.busy.get_untracked() || !self.is_valid() {
            return;
        }
        self.busy.set(true);
        self.failure.set(None);
        let (name, slug) = (self.name.get_untracked(), self.slug.get_untracked());
        browser::debug("creating the organization");
        let mut answer = create_organization(name.clone(), slug.clone()).await;
        if matches!(&answer, Err(failure) if failure.code == FailureCode::SessionStale) {
            // The token grew old while somebody typed. One renewal, one repetition.
            let renewed = async { Clerk::start(&settings, false).await?.fetch_token().await.then_some(()) };
            if matches!(browser::within(RENEW_LIMIT_MS, renewed).await, Some(Some(()))) {
                answer = create_organization(name, slug).await;
            }
        }
        match answer {
            Ok(created) => self.wait_and_go(settings, created).await,
            Err(failure) => self.show(failure),
        }
    }

    fn show(self, failure: Failure) {
        self.busy.set(false);
        browser::debug(&format!("not created: {:?}", failure.code));
        match failure.field {
            Some(Field::Name) => {
                self.name_error.set(Some(failure.message));
                browser::focus("name");
            }
            Some(Field::Slug) => {
                self.slug_status.set(SlugStatus::Unknown);
                self.slug_error.set(Some(failure.message));
                browser::focus("slug");
            }
            None => {
                let reference = failure.request_id.map(|id| format!(" Reference: {id}")).unwrap_or_default();
                self.failure.set(Some(format!("{}{reference}", failure.message)));
            }
        }
    }

    async fn wait_and_go(self, settings: ClerkSettings, created: Created) {
        browser::debug(&format!("organization created: {} ({:?})", created.organization.id, created.delivery));
        let (organization, delivery) = (created.organization.id, created.delivery);
        self.created.set(Some(created));
        let show = move |stage, slow| {
            self.stage.set(stage);
            self.slow.set(slow);
        };
        let target = match wait::until_fresh(&settings, organization, delivery, show).await {
            Ok(()) => "/dashboard",
            Err(_) => "/token-pending?next=%2Fdashboard",
        };
        browser::debug(&format!("navigating to {target}"));
        browser::go_to(target);
    }
}

/// The form. `address` is what stands before the slug in an address.
#[island]
pub fn OnboardingForm(settings: ClerkSettings, draft: Draft, address: String) -> impl IntoView {
    let form = Form::new(&draft);
    let waiting = move || form.created.with(Option::is_some);
    let prepared = settings.clone();
    // What was typed before the island woke stands in the fields. Waking writes the signals into the fields, so it is
    // read before, and put back after.
    let typed = [browser::value_of("name"), browser::value_of("slug")];
    Effect::new(move || {
        let [name, slug] = typed.clone();
        if let Some(slug) = slug.filter(|slug| *slug != form.slug.get_untracked()) {
            form.slug_changed(slug);
        }
        if let Some(name) = name.filter(|name| *name != form.name.get_untracked()) {
            form.name_changed(name);
        }
        let settings = prepared.clone();
        leptos::task::spawn_local(async move {
            // Ready before it is needed; meanwhile it keeps the token young.
            if Clerk::start(&settings, false).await.is_none() {
                browser::debug("clerk-js could not be loaded");
            }
        });
    });
    let door = Signal::derive(move || if waiting() { DoorState::Waiting } else { DoorState::Ajar });
    let title = Signal::derive(move || {
        if waiting() { "Organization created" } else { "Create your organization" }.to_owned()
    });
    let lead = Signal::derive(move || {
        if waiting() {
            "Setting up your workspace…"
        } else {
            "This is where your work and your people will be. You become its owner."
        }
        .to_owned()
    });
    let on_submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let settings = settings.clone();
        leptos::task::spawn_local(async move { form.submit(settings).await });
    };
    let organization = move || form.created.with(|created| created.as_ref().map(|c| c.organization.name.to_string()));
    view! {
        <DoorHead door title lead />
        <Show when=waiting>
            <div class="stack">
                <Progress stage=form.stage slow=form.slow />
            </div>
            <p class="door-foot">{organization} " is saved. You can close this page; nothing will be lost."</p>
        </Show>
        <Show when=move || form.failure.with(Option::is_some)>
            <div class="notice" data-kind="error" role="alert">
                <p>
                    <strong>"Your organization was not created. "</strong>
                    {move || form.failure.get()}
                </p>
            </div>
        </Show>
        <form class="form" method="post" action="/onboarding" novalidate hidden=waiting on:submit=on_submit>
            <NameField form />
            <SlugField form address />
            <button
                class="button button-wide"
                type="submit"
                aria-disabled=move || form.busy.get().then_some("true")
                aria-busy=move || form.busy.get().then_some("true")
            >
                {move || if form.busy.get() { "Creating your organization…" } else { "Create organization" }}
            </button>
        </form>
    }
}

#[component]
fn NameField(form: Form) -> impl IntoView {
    let invalid = move || form.name_error.with(Option::is_some);
    view! {
        <div class="field">
            <label for="name">"Organization name"</label>
            <p class="field-hint" id="name-hint">
                "As people know it, for example “Acme Studio”."
            </p>
            <input
                class="input"
                id="name"
                name="name"
                type="text"
                required
                maxlength=NAME_MAX_CHARS.to_string()
                autocomplete="organization"
                autocapitalize="words"
                spellcheck="false"
                enterkeyhint="next"
                dir="auto"
                aria-describedby=move || if invalid() { "name-hint name-error" } else { "name-hint" }
                aria-invalid=move || invalid().then_some("true")
                readonly=move || form.busy.get()
                value=form.name.get_untracked()
                prop:value=move || form.name.get()
                on:input=move |event| form.name_changed(event_target_value(&event))
            />
            <Show when=invalid>
                <p class="field-error" id="name-error">
                    {move || form.name_error.get()}
                </p>
            </Show>
        </div>
    }
}

#[component]
fn SlugField(form: Form, address: String) -> impl IntoView {
    let invalid = move || form.slug_error.with(Option::is_some);
    view! {
        <div class="field">
            <label for="slug">"Web address"</label>
            <p class="field-hint" id="slug-hint">
                "A short name: small letters, numbers and single hyphens."
            </p>
            <input
                class="input"
                id="slug"
                name="slug"
                type="text"
                required
                maxlength=SLUG_MAX_CHARS.to_string()
                inputmode="url"
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                enterkeyhint="done"
                aria-describedby=move || {
                    if invalid() { "slug-hint slug-error slug-status" } else { "slug-hint slug-status" }
                }
                aria-invalid=move || invalid().then_some("true")
                readonly=move || form.busy.get()
                value=form.slug.get_untracked()
                prop:value=move || form.slug.get()
                on:input=move |event| form.slug_changed(event_target_value(&event))
            />
            <p class="slug-preview" hidden=move || invalid() || form.slug.with(String::is_empty)>
                "Address: "
                <span>{address} "/" <strong>{move || form.slug.get()}</strong></span>
            </p>
            <Show when=invalid>
                <p class="field-error" id="slug-error">
                    {move || form.slug_error.get()}
                </p>
            </Show>
            <p class="field-status" id="slug-status" role="status" data-state=move || form.slug_status.get().state()>
                {move || form.slug_status.get().text()}
            </p>
        </div>
    }
}
