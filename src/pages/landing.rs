//! `/`: what this is, and the way in. Ships no script.

use leptos::prelude::*;

use super::layout::{Brand, SiteFooter};
use super::{Document, Entry, Page};
use crate::model::gate::SessionEvidence;

/// The parameter that says that the user has just signed out.
pub const SIGNED_OUT: &str = "signed-out";

/// Looks at the token only: which buttons to show is no secret, so the database is not asked.
pub async fn page(Entry { visit, authentication, .. }: Entry) -> Page {
    let signed_in = match authentication.evidence {
        // Signed in somewhere at Clerk, but not here: after a sign-out without script it looks like this too.
        SessionEvidence::Missing
        | SessionEvidence::NotReady
        | SessionEvidence::DevelopmentBrowserMissing
        | SessionEvidence::DevelopmentBrowserInAddress => false,
        // Refused tokens lead to the dashboard's explanation; expired ones are renewed on the way.
        _ => true,
    };
    let left = !signed_in && visit.query(SIGNED_OUT).is_some();
    Page::Document(Document::new("Vestibule", move || view! { <Landing signed_in left /> }))
}

#[component]
fn Landing(signed_in: bool, left: bool) -> impl IntoView {
    let nav = if signed_in {
        view! { <a href="/dashboard">"Dashboard"</a> }.into_any()
    } else {
        view! { <a href="/sign-in">"Sign in"</a> }.into_any()
    };
    let actions = if signed_in {
        view! {
            <a class="button" href="/dashboard">
                "Open the dashboard"
            </a>
        }
        .into_any()
    } else {
        view! {
            <a class="button" href="/sign-up">
                "Create your account"
            </a>
            <a class="button button-quiet" href="/sign-in">
                "Sign in"
            </a>
        }
        .into_any()
    };
    view! {
        <header class="site-header">
            <Brand />
            <nav class="site-nav" aria-label="Account">
                {nav}
            </nav>
        </header>
        <main id="main" tabindex="-1" class="landing-page">
            <div class="landing">
                <div class="landing-text">
                    {left
                        .then(|| {
                            view! {
                                <p class="notice" role="status">
                                    "You’re signed out."
                                </p>
                            }
                        })}
                    <h1>"One form and you’re in."</h1>
                    <p>
                        "Create an account, name your organization, and your dashboard opens. You never fill in a form twice."
                    </p>
                    <div class="actions">{actions}</div>
                </div>
                <Enfilade />
            </div>
            <div class="hall-floor">
                <ol class="landing-rooms">
                    <li>
                        <h2>"Sign in"</h2>
                        <p>"With an e-mail address and a password, or a code we send you."</p>
                    </li>
                    <li>
                        <h2>"Name your organization"</h2>
                        <p>"A name and a web address. That’s the whole form."</p>
                    </li>
                    <li>
                        <h2>"You’re in"</h2>
                        <p>
                            "Your dashboard opens. If something takes longer, the page says what and what you can do."
                        </p>
                    </li>
                </ol>
                <SiteFooter />
            </div>
        </main>
    }
}

/// Doors behind doors. Decoration only.
#[component]
fn Enfilade() -> impl IntoView {
    view! {
        <svg class="enfilade" viewBox="0 0 400 500" aria-hidden="true">
            <path class="wall-1" d="M0 500V200a200 200 0 0 1 400 0v300z" />
            <path class="wall-2" d="M36 500V214a164 164 0 0 1 328 0v286z" />
            <path class="wall-3" d="M84 440V214a116 116 0 0 1 232 0v226z" />
            <path class="wall-floor" d="M84 440h232l48 60H36z" />
            <path class="wall-4" d="M122 440V232a78 78 0 0 1 156 0v208z" />
            <path class="mark-light" d="M150 440V244a50 50 0 0 1 100 0v196z" />
            <path class="light-path" d="M150 440h100l68 60H118z" />
            <path class="mark-leaf" d="M150 440V244a50 50 0 0 1 34-47.4V462z" />
            <circle class="mark-light" cx="174" cy="342" r="4" />
        </svg>
    }
}
