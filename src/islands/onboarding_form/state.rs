//! The state of the onboarding form, and its actions: check, create, wait, report errors.

use leptos::prelude::*;

use crate::browser::{self, Clerk};
use crate::islands::progress::Pace;
use crate::islands::wait;
use crate::model::failure::{self, Failure, FailureCode};
use crate::model::freshness::{BOUNDS, GaveUp, Stage};
use crate::model::onboarding::{Created, Draft, SUGGESTIONS};
use crate::model::organization::{NO_SUGGESTION, OrganizationName, SLUG_TAKEN, Slug};
use crate::server_fns::{CheckSlug, CreateOrganization};

/// How long typing must pause before a slug is checked, in milliseconds.
const CHECK_AFTER_MS: u32 = 300;
/// How long renewing an expired session may take before the form is sent again, in milliseconds.
const RENEW_LIMIT_MS: u32 = 3_000;
/// How long a creation may take before the connection counts as lost, in milliseconds: longer than the server allows
/// any request.
const CREATE_LIMIT_MS: u32 = 35_000;
/// When a stage of the wait counts as slow, in milliseconds since it began.
const SLOW_AFTER_MS: u32 = 2_500;

/// Whether the slug is available, as far as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlugStatus {
    Unknown,
    Checking,
    Available,
    /// The check failed; creating will decide.
    CheckFailed,
}

impl SlugStatus {
    pub fn state(self) -> Option<&'static str> {
        match self {
            Self::Available => Some("available"),
            Self::Checking => Some("checking"),
            Self::Unknown | Self::CheckFailed => None,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Checking => "Checking whether it’s available…",
            Self::Available => "This address is available.",
            Self::CheckFailed => "We can’t check right now; we’ll check again when you create it.",
        }
    }
}

/// The state of the form, as signals.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub name: RwSignal<String>,
    pub slug: RwSignal<String>,
    /// The user has typed a slug, so it no longer follows the name.
    slug_typed: RwSignal<bool>,
    pub slug_status: RwSignal<SlugStatus>,
    /// Drops late results of earlier checks.
    check_number: RwSignal<u32>,
    /// Empty: no error.
    pub name_error: RwSignal<String>,
    pub slug_error: RwSignal<String>,
    /// Available alternatives to a taken slug. Empty: none.
    pub suggestions: [RwSignal<String>; SUGGESTIONS],
    /// An error of the whole form: whether it may have taken effect anyway, and what happened.
    pub undecided: RwSignal<bool>,
    pub failure: RwSignal<String>,
    pub busy: RwSignal<bool>,
    pub waiting: RwSignal<bool>,
    pub stage: RwSignal<Stage>,
    pub pace: RwSignal<Pace>,
}

impl Form {
    pub fn new(draft: &Draft) -> Self {
        let suggestion = |index: usize| RwSignal::new(draft.suggestions.get(index).cloned().unwrap_or_default());
        Self {
            slug_typed: RwSignal::new(!draft.slug.is_empty()),
            name: RwSignal::new(draft.name.clone()),
            slug: RwSignal::new(draft.slug.clone()),
            slug_status: RwSignal::new(SlugStatus::Unknown),
            check_number: RwSignal::new(0),
            name_error: RwSignal::new(draft.name_error.clone()),
            slug_error: RwSignal::new(draft.slug_error.clone()),
            suggestions: [suggestion(0), suggestion(1)],
            undecided: RwSignal::new(draft.undecided),
            failure: RwSignal::new(draft.failure.clone()),
            busy: RwSignal::new(false),
            waiting: RwSignal::new(false),
            stage: RwSignal::new(Stage::RefreshingSession),
            pace: RwSignal::new(Pace::Usual),
        }
    }

    pub fn name_changed(self, name: String) {
        if !self.name_error.with_untracked(String::is_empty) {
            self.name_error.set(message(OrganizationName::parse(&name)));
        }
        if !self.slug_typed.get_untracked() {
            let suggestion = Slug::suggest(&browser::decomposed(&name));
            if suggestion != self.slug.get_untracked() {
                self.slug.set(suggestion.clone());
                self.check_slug_soon();
            }
            // Shown where the address would appear, once the name is valid.
            if suggestion.is_empty() && OrganizationName::parse(&name).is_ok() {
                self.slug_error.set(NO_SUGGESTION.to_owned());
            }
        }
        self.name.set(name);
    }

    pub fn slug_changed(self, slug: String) {
        // A cleared field follows the name again.
        self.slug_typed.set(!slug.is_empty());
        self.slug.set(slug);
        self.check_slug_soon();
    }

    /// Checks the slug's form at once, and its availability once typing has paused.
    fn check_slug_soon(self) {
        let text = self.slug.get_untracked();
        let number = self.check_number.get_untracked() + 1;
        self.check_number.set(number);
        let parsed = Slug::parse(&text);
        self.slug_error.set(if text.is_empty() { String::new() } else { message(Slug::parse(&text)) });
        self.suggest(&[]);
        let Ok(slug) = parsed else { return self.slug_status.set(SlugStatus::Unknown) };
        self.slug_status.set(SlugStatus::Checking);
        browser::spawn(async move {
            browser::sleep(CHECK_AFTER_MS).await;
            if self.check_number.get_untracked() != number {
                return;
            }
            let answer = browser::call::<CheckSlug>(&[("slug", slug.as_str())]).await;
            if self.check_number.get_untracked() != number {
                return;
            }
            match answer {
                Ok(answer) if answer.available => self.slug_status.set(SlugStatus::Available),
                Ok(answer) => {
                    self.slug_status.set(SlugStatus::Unknown);
                    self.slug_error.set(SLUG_TAKEN.to_owned());
                    self.suggest(&answer.suggestions);
                }
                Err(_) => self.slug_status.set(SlugStatus::CheckFailed),
            }
        });
    }

    fn suggest(self, slugs: &[String]) {
        for (index, signal) in self.suggestions.into_iter().enumerate() {
            signal.set(slugs.get(index).cloned().unwrap_or_default());
        }
    }

    /// Takes an available slug. Moves the focus to the field, because the button disappears.
    pub fn take(self, slug: String) {
        self.slug_changed(slug);
        browser::focus("slug");
    }

    /// Checks both fields by the server's rules; focuses the first invalid one.
    fn is_valid(self) -> bool {
        if self.slug.with_untracked(String::is_empty) {
            self.slug.set(Slug::suggest(&browser::decomposed(&self.name.get_untracked())));
        }
        let name = message(OrganizationName::parse(&self.name.get_untracked()));
        let slug = message(Slug::parse(&self.slug.get_untracked()));
        let (name_is_valid, slug_is_valid) = (name.is_empty(), slug.is_empty());
        self.name_error.set(name);
        self.slug_error.set(slug);
        if !name_is_valid {
            browser::focus("name");
        } else if !slug_is_valid {
            browser::focus("slug");
        }
        name_is_valid && slug_is_valid
    }

    pub async fn submit(self) {
        if self.busy.get_untracked() || !self.is_valid() {
            return;
        }
        self.busy.set(true);
        self.failure.set(String::new());
        browser::debug("creating the organization");
        let mut renewed = false;
        loop {
            let (name, slug) = (self.name.get_untracked(), self.slug.get_untracked());
            let arguments = [("name", name.as_str()), ("slug", slug.as_str())];
            let creation = browser::call::<CreateOrganization>(&arguments);
            match browser::within(CREATE_LIMIT_MS, creation).await.unwrap_or_else(|| Err(Failure::network())) {
                Ok(created) => return self.wait_and_go(created).await,
                // The token expired while the user typed. One renewal, one retry.
                Err(failure) if failure.code == FailureCode::SessionStale && !renewed => {
                    renewed = true;
                    let renewal = async { Clerk::start().await.ok()?.fetch_token().await.then_some(()) };
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
                self.suggest(&failure.suggestions);
                browser::focus("slug");
            }
            None => {
                self.undecided.set(failure.code.leaves_open());
                let reference = failure.request_id.map(|id| format!(" Reference: {id}")).unwrap_or_default();
                self.failure.set(format!("{}{reference}", failure.message));
            }
        }
    }

    async fn wait_and_go(self, created: Created) {
        browser::debug(&format!("organization created: {}", created.organization.id));
        let (organization, delivery) = (created.organization.id, created.delivery);
        // An earlier request may have created it with another name.
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

    /// A stage begins. Its message changes if the stage is slow.
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

/// The error message of a rule; empty if the input is valid.
fn message<T, E: std::fmt::Display>(parsed: Result<T, E>) -> String {
    parsed.err().map(|error| error.to_string()).unwrap_or_default()
}
