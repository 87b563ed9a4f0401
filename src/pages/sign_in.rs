//! `/sign-in` and `/sign-up`: Clerk's own forms. The only pages that load Clerk's interface at once, by a
//! small script.

use leptos::prelude::*;

use super::door::DoorState;
use super::layout::HallWithHead;
use super::scripts::Script;
use super::{Document, Entry, Page};
use crate::model::gate::Place;
use crate::model::next_path::NextPath;

/// `/sign-in`.
pub async fn sign_in(entry: Entry) -> Result<Page, Page> {
    page(entry, false).await
}

/// `/sign-up`.
pub async fn sign_up(entry: Entry) -> Result<Page, Page> {
    page(entry, true).await
}

/// The parameter that says that a wait ended here because the session did, in another tab or at Clerk.
const SIGNED_OUT: &str = "signed-out";

async fn page(entry: Entry, sign_up: bool) -> Result<Page, Page> {
    entry.admit(Place::SignIn).await?;
    let visit = &entry.visit;
    let after = visit.next().unwrap_or_else(|| NextPath::or_dashboard(None));
    let (title, lead, other) = if sign_up {
        ("Create your account", "Then name your organization, and you’re in.", "/sign-in")
    } else if visit.query(SIGNED_OUT).is_some() {
        ("Sign in", "You’re signed out. What you created is saved: sign in to go on.", "/sign-up")
    } else {
        ("Sign in", "Continue to your organization.", "/sign-up")
    };
    let other_form = format!("{other}?next={}", after.encoded());
    let form = if sign_up { "mountSignUp" } else { "mountSignIn" };
    let after = after.as_str().to_owned();
    let here = format!(
        "{}?next={}",
        if sign_up { "/sign-up" } else { "/sign-in" },
        NextPath::or_dashboard(Some(&after)).encoded()
    );
    Ok(Page::Document(
        Document::new(title, move || {
            let (after, other, here) = (after.clone(), other_form.clone(), here.clone());
            view! {
                <HallWithHead door=DoorState::Ajar title lead>
                    <ClerkForm form after other here />
                </HallWithHead>
            }
        })
        .with_scripts(&[Script::Clerk, Script::SignIn]),
    ))
}

/// Where `sign-in.js` mounts Clerk's form, with all that may have to be said instead. `form`: Clerk's method. `after`: where
/// to go when it is done. `other`: the address of the other form.
#[component]
fn ClerkForm(form: &'static str, after: String, other: String, here: String) -> impl IntoView {
    let instead = |state: &'static str, kind: &'static str, strong: &'static str, text: &'static str| {
        view! {
            <div class="notice" data-kind=kind data-when=state role="status">
                <p>
                    <strong>{strong}</strong>
                    {text}
                </p>
                <div class="actions">
                    <a class="button button-quiet" href=here.clone()>
                        "Try again"
                    </a>
                </div>
            </div>
        }
    };
    // Clerk replaces the class of its element, and the stylesheet hides everything else once the element is filled.
    view! {
        <div class="frame" data-form=form data-after=after data-other=other>
            <div id="clerk-form"></div>
            <div class="skeleton" aria-hidden="true">
                <span class="skeleton-line"></span>
                <span></span>
                <span></span>
            </div>
            <p class="frame-loading" role="status">
                "Loading the form…"
            </p>
            {instead(
                "slow",
                "wait",
                "The form is still loading.",
                " Your connection or the sign-in service is slow. It appears here as soon as it is there.",
            )}
            {instead(
                "failed",
                "error",
                "The sign-in form could not be loaded.",
                " Nothing was sent. The sign-in service is down, or an extension, a filter or your network blocks it.",
            )}
            {instead(
                "no-cookies",
                "error",
                "Your browser blocks the cookies of this site.",
                " Signing in needs them. Nothing was sent. Allow cookies for this site, then try again.",
            )}
        </div>
        <noscript>
            <div class="notice" data-kind="wait">
                <p>
                    <strong>"This form needs JavaScript."</strong>
                    " Nothing was sent. Allow JavaScript for this site, then reload the page."
                </p>
            </div>
        </noscript>
    }
}
