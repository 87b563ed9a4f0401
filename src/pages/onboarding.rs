//! `/onboarding`: the form that creates the first organization. Works as a plain form too.

use axum::http::StatusCode;
use leptos::prelude::*;

use super::door::DoorState;
use super::layout::Hall;
use super::{Admission, Document, Page, Visit, admit};
use crate::islands::onboarding_form::OnboardingForm;
use crate::model::failure::{Failure, FailureCode, Field};
use crate::model::gate::Place;
use crate::server::api;
use crate::server::state::AppState;

/// What the form shows when it is shown again.
#[derive(Clone, Default)]
struct Draft {
    name: String,
    slug: String,
    failure: Option<Failure>,
}

impl Draft {
    /// What is wrong with a field, or with the whole; empty if nothing is.
    fn wrong_with(&self, field: Option<Field>) -> String {
        let failure = self.failure.as_ref().filter(|failure| failure.field == field);
        failure.map(|failure| failure.message.clone()).unwrap_or_default()
    }
}

/// `GET /onboarding`.
pub async fn page(app: &AppState, visit: &Visit) -> Page {
    match admit(app, visit, Place::Onboarding).await {
        Admission::Instead(page) => page,
        Admission::Show(_) => {
            let text =
                |name| visit.query(name).map(|text| text.chars().take(MAX_PREFILLED).collect()).unwrap_or_default();
            let failure = visit.query(RENEWED).map(|_| {
                Failure::new(
                    FailureCode::SessionStale,
                    "Your session was renewed just now, and what you typed is still here. Press the button once more.",
                )
            });
            Page::Document(form(app, Draft { name: text("name"), slug: text("slug"), failure }))
        }
    }
}

/// Says that the form was sent with a session that had run out in the meantime.
const RENEWED: &str = "renewed";
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
    let created = async {
        let session = api::authenticate(app, &visit.asked).await?;
        api::create(app, &session, &draft.name, &draft.slug, None).await
    };
    match created.await {
        Ok(_) => Page::Redirect("/dashboard".to_owned()),
        // Only a GET can be renewed by Clerk: it comes back with what was typed.
        Err(failure) if failure.code == FailureCode::SessionStale => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("name", &draft.name).append_pair("slug", &draft.slug).append_pair(RENEWED, "1");
            Page::Redirect(format!("/onboarding?{}", query.finish()))
        }
        Err(failure) => {
            let status = StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            draft.failure = Some(Failure { request_id: Some(visit.reference()), ..failure });
            Page::Document(form(app, draft).with_status(status))
        }
    }
}

fn form(app: &AppState, draft: Draft) -> Document {
    let address = app.config().public_host().unwrap_or_default().to_owned();
    Document::new("Create your organization", move || {
        let (draft, address) = (draft.clone(), address.clone());
        view! {
            <Hall door=DoorState::Ajar wide=true>
                <OnboardingForm
                    name_error=draft.wrong_with(Some(Field::Name))
                    slug_error=draft.wrong_with(Some(Field::Slug))
                    failure=draft.wrong_with(None)
                    name=draft.name
                    slug=draft.slug
                    address
                />
                <form class="door-foot" method="post" action="/sign-out">
                    "Not the account you meant? "
                    <button class="link" type="submit">
                        "Sign out"
                    </button>
                </form>
            </Hall>
        }
    })
    .with_islands()
}
