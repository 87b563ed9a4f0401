//! `/onboarding`: the form that creates the first organization. Works as a plain form too.

use axum::http::StatusCode;
use leptos::prelude::*;

use super::door::DoorState;
use super::layout::Hall;
use super::{Admission, Document, Page, Visit, admit};
use crate::islands::onboarding_form::OnboardingForm;
use crate::model::failure::{Failure, FailureCode, Field};
use crate::model::gate::Place;
use crate::model::onboarding::Draft;
use crate::model::organization::{NO_SUGGESTION, OrganizationName, Slug};
use crate::server::failures;
use crate::server::http::api;
use crate::server::names::decomposed;
use crate::server::organizations;
use crate::server::runtime::state::AppState;
use crate::server::tenancy::TenantTransaction;

/// `GET /onboarding`.
pub async fn page(app: &AppState, visit: &Visit) -> Page {
    match admit(app, visit, Place::Onboarding).await {
        Admission::Instead(page) => page,
        Admission::Show(shown) => {
            let text =
                |name| visit.query(name).map(|text| text.chars().take(MAX_PREFILLED).collect()).unwrap_or_default();
            let failure = visit.query(RENEWED).map(|_| RENEWED_TEXT.to_owned()).unwrap_or_default();
            let email = match shown.1.transaction {
                Some(mut transaction) => email_of(&mut transaction).await,
                None => String::new(),
            };
            Page::Document(form(
                app,
                Draft { name: text("name"), slug: text("slug"), failure, email, ..Draft::default() },
            ))
        }
    }
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

/// `POST /onboarding`, from a browser without script, or before the island woke. The gate decides where to go next: while
/// the token is stale, that is the token-pending screen.
pub async fn post(app: &AppState, visit: &Visit, body: &[u8]) -> Page {
    let mut draft = Draft::default();
    for (name, value) in form_urlencoded::parse(body) {
        match &*name {
            "name" => draft.name = value.into_owned(),
            "slug" => draft.slug = value.into_owned(),
            _ => {}
        }
    }
    // As the form does while one types.
    if draft.slug.trim().is_empty() {
        draft.slug = Slug::suggest(&decomposed(&draft.name));
    }
    let session = match api::authenticate(app, &visit.asked).await {
        Ok(session) => session,
        // Only a GET can be renewed by Clerk: it comes back with what was typed.
        Err(failure) if failure.code == FailureCode::SessionStale => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("name", &draft.name).append_pair("slug", &draft.slug).append_pair(RENEWED, "1");
            return Page::Redirect(format!("/onboarding?{}", query.finish()));
        }
        Err(failure) => return again(app, visit, draft, failure),
    };
    match api::create(app, &session, &draft.name, &draft.slug, None).await {
        Ok(_) => Page::Redirect("/dashboard".to_owned()),
        Err(failure) => {
            if let Ok(mut transaction) = app.tenancy().begin(&session).await {
                draft.email = email_of(&mut transaction).await;
            }
            again(app, visit, draft, failure)
        }
    }
}

/// The form once more, with what was typed and what is wrong with it.
fn again(app: &AppState, visit: &Visit, draft: Draft, failure: Failure) -> Page {
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
        None => draft.failure = format!("{} Reference: {}", failure.message, visit.reference()),
    }
    Page::Document(form(app, draft).with_status(status))
}

fn form(app: &AppState, draft: Draft) -> Document {
    let host = app.config().public_host().unwrap_or_default().to_owned();
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
