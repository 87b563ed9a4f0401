//! `/onboarding`: the form that creates the first organization. Works as a plain form too.

use axum::extract::State;
use axum::http::StatusCode;
use leptos::prelude::*;
use serde::Deserialize;

use super::door::DoorState;
use super::layout::Hall;
use super::{Document, Entry, Page};
use crate::islands::onboarding_form::OnboardingForm;
use crate::model::failure::{Failure, FailureCode, Field};
use crate::model::gate::{Place, Verdict};
use crate::model::onboarding::Draft;
use crate::model::organization::{NO_SUGGESTION, OrganizationName, Slug};
use crate::server::access::{Authorization, Caller};
use crate::server::failures;
use crate::server::first_visit;
use crate::server::http::body::Form;
use crate::server::names::decomposed;
use crate::server::organizations::{self, NewOrganization, Organizations};
use crate::server::outbox::Outbox;
use crate::server::tenancy::{Tenancy, TenantTransaction};

/// `GET /onboarding`.
pub async fn page(entry: Entry, State(outbox): State<Outbox>) -> Result<Page, Page> {
    let transaction = match entry.admit(Place::Onboarding).await? {
        Authorization { verdict: Verdict::NeedsOnboarding, transaction: Some(transaction) } => {
            match first_visit::meet(&outbox, transaction).await {
                // They may belong to an organization by now.
                Ok(true) => entry.admit(Place::Onboarding).await?.transaction,
                Ok(false) => None,
                // The form needs none of it.
                Err(error) => {
                    failures::unavailable(&error);
                    None
                }
            }
        }
        authorization => authorization.transaction,
    };
    let visit = &entry.visit;
    let text = |name| visit.query(name).map(|text| text.chars().take(MAX_PREFILLED).collect()).unwrap_or_default();
    let failure = visit.query(RENEWED).map(|_| RENEWED_TEXT.to_owned()).unwrap_or_default();
    let email = match transaction {
        Some(mut transaction) => email_of(&mut transaction).await,
        None => String::new(),
    };
    let draft = Draft { name: text("name"), slug: text("slug"), failure, email, ..Draft::default() };
    Ok(Page::Document(form(&entry, draft)))
}

/// The caller's address, if it is known here. The form needs it for its words only.
async fn email_of(transaction: &mut TenantTransaction) -> String {
    match organizations::find_caller(transaction).await {
        Ok(caller) => caller.email.unwrap_or_default(),
        Err(error) => {
            failures::unavailable(&error);
            String::new()
        }
    }
}

/// Says that the form was sent with a session that had expired in the meantime.
const RENEWED: &str = "renewed";
const RENEWED_TEXT: &str =
    "Your session had expired and was renewed just now. What you typed is still here: press the button again.";
/// Longest text that an address may put into a field. What fits in neither is refused when it is sent.
const MAX_PREFILLED: usize = 200;

/// The form as it is sent. A field that is missing counts as empty.
#[derive(Deserialize)]
pub struct Input {
    #[serde(default)]
    name: String,
    #[serde(default)]
    slug: String,
}

/// `POST /onboarding`, from a browser without script, or before the island woke. The gate decides where to go next: while
/// the token is stale, that is the token-pending screen.
pub async fn post(
    entry: Entry,
    State(organizations): State<Organizations>,
    State(tenancy): State<Tenancy>,
    Form(Input { name, slug }): Form<Input>,
) -> Page {
    // As the form does while the user types.
    let slug = if slug.trim().is_empty() { Slug::suggest(&decomposed(&name)) } else { slug };
    let mut draft = Draft { name, slug, ..Draft::default() };
    let caller = match entry.caller().await {
        Ok(caller) => caller,
        Err(denial) => {
            let failure = entry.authentication.failure(denial);
            if failure.code == FailureCode::SessionStale {
                // Only a GET can be renewed by Clerk: it comes back with what was typed.
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("name", &draft.name).append_pair("slug", &draft.slug).append_pair(RENEWED, "1");
                return Page::Redirect(format!("/onboarding?{}", query.finish()));
            }
            return again(&entry, draft, failure);
        }
    };
    let claims = caller.claims.clone();
    match create(&organizations, caller, &draft).await {
        Ok(()) => Page::Redirect("/dashboard".to_owned()),
        Err(failure) => {
            if let Ok(mut transaction) = tenancy.begin(&claims).await {
                draft.email = email_of(&mut transaction).await;
            }
            again(&entry, draft, failure)
        }
    }
}

async fn create(organizations: &Organizations, caller: Caller, draft: &Draft) -> Result<(), Failure> {
    let request = NewOrganization::parse(&draft.name, &draft.slug, None)?;
    organizations.create(caller, request).await.map(|_| ())
}

/// The form once more, with what was typed and what is wrong with it.
fn again(entry: &Entry, draft: Draft, failure: Failure) -> Page {
    let status = StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let link = |slug: &String| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("name", &draft.name).append_pair("slug", slug);
        format!("/onboarding?{}", query.finish())
    };
    let links = failure.suggestions.iter().map(link).collect();
    let undecided = failure.code.leaves_open();
    let mut draft = Draft { suggestions: failure.suggestions, links, undecided, ..draft };
    match failure.field {
        Some(Field::Name) => draft.name_error = failure.message,
        Some(Field::Slug) if draft.slug.is_empty() && OrganizationName::parse(&draft.name).is_ok() => {
            draft.slug_error = NO_SUGGESTION.to_owned();
        }
        Some(Field::Slug) => draft.slug_error = failure.message,
        None => draft.failure = format!("{} Reference: {}", failure.message, entry.visit.reference()),
    }
    Page::Document(form(entry, draft).with_status(status))
}

fn form(entry: &Entry, draft: Draft) -> Document {
    let host = entry.sessions.instance().origin.host().to_owned();
    let draft = Draft { host, ..draft };
    Document::new("Create your organization", move || {
        provide_context(draft.clone());
        view! {
            <Hall door=DoorState::Ajar wide=true>
                <p class="notice" data-kind="wait" data-wasm-is="late" role="status">
                    "This page is still loading. You don’t have to wait for it: the form works already."
                </p>
                <p class="notice" data-kind="wait" data-wasm-is="absent" role="status">
                    "Your browser doesn’t run the interactive part of this page (WebAssembly). The form works without it: the web address is checked when you press the button."
                </p>
                <OnboardingForm />
                <form class="door-foot" method="post" action="/sign-out">
                    "Not your account? "
                    <button class="link" type="submit">
                        "Sign out"
                    </button>
                </form>
            </Hall>
        }
    })
    .with_islands()
}
