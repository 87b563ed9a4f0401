//! `/sign-in` and `/sign-up`: Clerk's own forms. The only pages that load Clerk's interface at once.

use leptos::prelude::*;

use super::door::DoorState;
use super::layout::HallWithHead;
use super::{Admission, Document, Page, Visit, admit};
use crate::islands::clerk_form::ClerkFormFrame;
use crate::model::gate::Place;
use crate::model::next_path::NextPath;
use crate::server::state::AppState;

/// `/sign-in`.
pub async fn sign_in(app: &AppState, visit: &Visit) -> Page {
    page(app, visit, false).await
}

/// `/sign-up`.
pub async fn sign_up(app: &AppState, visit: &Visit) -> Page {
    page(app, visit, true).await
}

/// The parameter that says that a wait ended here because the session did, in another tab or at Clerk.
const SIGNED_OUT: &str = "signed-out";

async fn page(app: &AppState, visit: &Visit, sign_up: bool) -> Page {
    if let Admission::Instead(page) = admit(app, visit, Place::SignIn).await {
        return page;
    }
    let after = visit.next().unwrap_or_else(|| NextPath::or_dashboard(None));
    let (title, lead, other) = if sign_up {
        ("Create your account", "Then you name your organization, and you are inside.", "/sign-in")
    } else if visit.query(SIGNED_OUT).is_some() {
        ("Sign in", "You are signed out. What you created is saved: sign in to go on.", "/sign-up")
    } else {
        ("Sign in", "Continue to your organization.", "/sign-up")
    };
    let other_form = format!("{other}?next={}", after.encoded());
    let after = after.as_str().to_owned();
    Page::Document(
        Document::new(title, move || {
            let (after, other_form) = (after.clone(), other_form.clone());
            view! {
                <HallWithHead door=DoorState::Ajar title lead>
                    <ClerkFormFrame sign_up after other_form />
                    <noscript>
                        <div class="notice" data-kind="wait">
                            <p>
                                <strong>"This form needs JavaScript."</strong>
                                " Nothing was sent. Allow JavaScript for this site, then reload the page."
                            </p>
                        </div>
                    </noscript>
                </HallWithHead>
            }
        })
        .with_islands(),
    )
}
