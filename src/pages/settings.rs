//! `/settings`: what the organization is called. The worked example of a page inside: see `docs/extending.md`.

use axum::http::StatusCode;
use leptos::prelude::*;
use serde::Deserialize;

use super::inside::Inside;
use super::layout::Moment;
use super::{Entry, Page, problems};
use crate::model::organization::{NAME_MAX_CHARS, OrganizationName, Role};
use crate::server::http::body::Form;
use crate::server::organizations::{self, Membership, RenameError};

/// The parameter that says that the name was saved.
const SAVED: &str = "saved";

/// `GET /settings`. An owner or admin gets the form, a member reads.
pub async fn page(inside: Inside) -> Result<Page, Page> {
    let typed = inside.visit.typed("name");
    let notice = match (&typed, inside.visit.query(SAVED)) {
        (Some(_), _) => Some(Notice::NotYetSaved),
        (None, Some(_)) => Some(Notice::Saved),
        (None, None) => None,
    };
    show(inside, State { name: typed, notice, error: String::new() }, StatusCode::OK).await
}

/// The form as it is sent.
#[derive(Deserialize)]
pub struct Rename {
    #[serde(default)]
    name: String,
}

/// `POST /settings`: renames the organization.
pub async fn rename(entry: Entry, Form(Rename { name }): Form<Rename>) -> Result<Page, Page> {
    let mut inside = Inside::submit(entry, &[("name", &name)]).await?;
    let again = |error: String, notice| State { name: Some(name.clone()), notice, error };
    if !inside.membership.role.may_rename() {
        return not_allowed(inside).await;
    }
    let parsed = match OrganizationName::parse(&name) {
        Ok(parsed) => parsed,
        Err(error) => return show(inside, again(error.to_string(), None), StatusCode::UNPROCESSABLE_ENTITY).await,
    };
    match organizations::rename(&mut inside.transaction, inside.membership.organization.id, &parsed).await {
        Ok(()) => inside.go_to(&format!("/settings?{SAVED}=1")).await,
        Err(RenameError::NotAllowed | RenameError::NotFound) => not_allowed(inside).await,
        Err(RenameError::Database(error)) => Err(problems::database(&inside.visit, &error)),
    }
}

async fn not_allowed(inside: Inside) -> Result<Page, Page> {
    let state = State { name: None, notice: Some(Notice::NotAllowed), error: String::new() };
    show(inside, state, StatusCode::FORBIDDEN).await
}

/// What the page shows beside what is stored.
struct State {
    /// What was typed.
    name: Option<String>,
    notice: Option<Notice>,
    /// What is wrong with the name; empty if nothing is.
    error: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Notice {
    Saved,
    NotYetSaved,
    NotAllowed,
}

async fn show(inside: Inside, state: State, status: StatusCode) -> Result<Page, Page> {
    let (membership, address) =
        (inside.membership.clone(), format!("{}/o/{}", inside.host, inside.membership.organization.slug));
    let name = state.name.unwrap_or_else(|| membership.organization.name.to_string());
    let (notice, error) = (state.notice, state.error);
    let document = inside.show("Settings", move || {
        let (membership, address) = (membership.clone(), address.clone());
        let (name, error) = (name.clone(), error.clone());
        view! {
            <header class="page-title">
                <h1>"Settings"</h1>
            </header>
            {notice.map(|notice| view! { <Said notice membership=membership.clone() /> })}
            <Organization membership address name error />
        }
    });
    Ok(Page::Document(document.await?.with_status(status)))
}

#[component]
fn Said(notice: Notice, membership: Membership) -> impl IntoView {
    let name = membership.organization.name.to_string();
    let (kind, role, strong, text) = match notice {
        Notice::Saved => {
            ("done", "status", "Saved.", view! { " Your organization is called " <bdi>{name}</bdi> "." }.into_any())
        }
        Notice::NotYetSaved => (
            "wait",
            "status",
            "Not saved yet.",
            " Your session had expired and was renewed just now. What you typed is still here: press “Save” again."
                .into_any(),
        ),
        Notice::NotAllowed => (
            "error",
            "alert",
            "You can’t rename this organization.",
            " Only owners and admins can. Nothing was changed.".into_any(),
        ),
    };
    view! {
        <div class="notice" data-kind=kind role=role>
            <p>
                <strong>{strong}</strong>
                {text}
            </p>
        </div>
    }
}

#[component]
fn Organization(membership: Membership, address: String, name: String, error: String) -> impl IntoView {
    let Membership { organization, role, created_at, .. } = membership;
    let form = role.may_rename().then(|| view! { <NameForm name error /> });
    let reads = (!role.may_rename()).then(|| {
        view! {
            <div>
                <dt>"Name"</dt>
                <dd>
                    <bdi>{organization.name.to_string()}</bdi>
                </dd>
            </div>
        }
    });
    view! {
        <section class="panel panel-narrow" aria-labelledby="organization">
            <h2 id="organization">"Organization"</h2>
            {form}
            <dl class="facts">
                {reads}
                <div>
                    <dt>"Web address"</dt>
                    <dd>
                        <a href=format!("/o/{}", organization.slug)>{address}</a>
                    </dd>
                </div>
                <div>
                    <dt>"Created"</dt>
                    <dd>
                        <Moment at=created_at />
                    </dd>
                </div>
                <div>
                    <dt>"Your role"</dt>
                    <dd>{role.label()}</dd>
                </div>
            </dl>
            {(role == Role::Member)
                .then(|| view! { <p class="field-hint">"Owners and admins can change the name."</p> })}
        </section>
    }
}

#[component]
fn NameForm(name: String, error: String) -> impl IntoView {
    let wrong = !error.is_empty();
    view! {
        <form class="form" method="post" action="/settings" novalidate>
            <div class="field">
                <label for="name">"Organization name"</label>
                <p class="field-hint" id="name-hint">
                    "Everyone in the organization sees it. The web address stays as it is."
                </p>
                <input
                    class="input"
                    id="name"
                    name="name"
                    type="text"
                    required
                    autofocus=wrong
                    maxlength=NAME_MAX_CHARS.to_string()
                    autocomplete="organization"
                    spellcheck="false"
                    dir="auto"
                    aria-describedby=if wrong { "name-hint name-error" } else { "name-hint" }
                    aria-invalid=wrong.then_some("true")
                    value=name
                />
                {wrong
                    .then(|| {
                        view! {
                            <p class="field-error" id="name-error" role="alert">
                                {error}
                            </p>
                        }
                    })}
            </div>
            <button class="button" type="submit">
                "Save"
            </button>
        </form>
    }
}
