//! The pages for what went wrong. Each says what happened, whether anything was lost, and what to do.

use axum::http::StatusCode;
use leptos::prelude::*;

use super::door::DoorState;
use super::layout::{HallWithHead, Reference, SignOutButton};
use super::scripts::Script;
use super::{Document, Page, Visit};
use crate::model::gate::Outage;
use crate::server::access::Sessions;
use crate::server::failures;
use crate::server::session::TokenError;

/// After how many seconds a page about an outage looks whether it is over; without script it loads itself again.
const RETRY_SECONDS: u32 = 5;

/// 404, for an address that leads nowhere.
pub async fn page_not_found(visit: Visit) -> Page {
    not_found(&visit)
}

/// 404. The same for what does not exist and for what is not the caller's.
pub fn not_found(visit: &Visit) -> Page {
    let path: String = visit.uri.path().chars().take(120).collect();
    let document = Document::new("Page not found", move || {
        let lead = format!(
            "There’s no page at {path}. Nothing was lost. Check the address for a typo, or go back to the home page."
        );
        view! {
            <HallWithHead door=DoorState::Missing title="Page not found" lead>
                <div class="actions">
                    <a class="button" href="/">
                        "Back to home"
                    </a>
                    <a class="button button-quiet" href="/dashboard">
                        "Open the dashboard"
                    </a>
                </div>
            </HallWithHead>
        }
    });
    Page::Document(document.with_status(StatusCode::NOT_FOUND))
}

/// What a developer is shown beside a refusal, where the app runs for development. Holds public addresses only.
#[derive(Clone)]
struct Diagnosis {
    /// What is the matter and what to do.
    explanation: String,
    /// The issuer that is expected, and the one found, when it is about that.
    issuers: Option<(String, String)>,
}

impl Diagnosis {
    /// The diagnosis of a refusal, if this app may show it.
    fn of(sessions: &Sessions, error: Option<&TokenError>) -> Option<Self> {
        let error = error.filter(|_| sessions.shows_diagnoses())?;
        let expected = sessions.instance().issuer.clone();
        let issuers = match error {
            TokenError::Issuer { found } => Some((expected.clone(), found.clone())),
            _ => None,
        };
        Some(Self { explanation: error.explanation(&expected), issuers })
    }
}

#[component]
fn ForDevelopers(diagnosis: Diagnosis) -> impl IntoView {
    view! {
        <section class="stack" aria-labelledby="developers">
            <h2 id="developers">"For developers"</h2>
            <p>{diagnosis.explanation}</p>
            {diagnosis
                .issuers
                .map(|(expected, found)| {
                    view! {
                        <dl class="facts">
                            <div>
                                <dt>"Issuer expected"</dt>
                                <dd>
                                    <code>{expected}</code>
                                </dd>
                            </div>
                            <div>
                                <dt>"Issuer found"</dt>
                                <dd>
                                    <code>{found}</code>
                                </dd>
                            </div>
                        </dl>
                    }
                })}
            <p>
                <small>"This part is shown because the app runs for development, or AUTH_DEBUG_LOG is on."</small>
            </p>
        </section>
    }
}

/// 401: a token that is refused for good. Waiting and reloading cannot help, and the page says so.
pub fn refusal(visit: &Visit, sessions: &Sessions, error: Option<&TokenError>) -> Page {
    let diagnosis = Diagnosis::of(sessions, error);
    let cause = error.map(ToString::to_string).unwrap_or_default();
    let lead = match error {
        Some(TokenError::Issuer { .. }) => {
            "You are signed in, but your session was issued by a different sign-in service than the one this site trusts."
        }
        Some(TokenError::AuthorizedParty { .. }) => "You are signed in, but your session was made for another site.",
        Some(TokenError::UnknownKey | TokenError::Signature) => {
            "Your session is not signed by the sign-in service that this site trusts."
        }
        _ => "Your browser sent a session that this site cannot read.",
    };
    let reference = visit.reference();
    let document = Document::new("Session refused", move || {
        let (cause, reference, diagnosis) = (cause.clone(), reference.clone(), diagnosis.clone());
        view! {
            <HallWithHead door=DoorState::Closed title="We can’t accept this session" lead wide=true>
                <div class="stack">
                    <div class="notice" data-kind="error" role="alert">
                        <p>
                            <strong>"Waiting or refreshing will not change this."</strong>
                            " Nothing was lost. Sign out and sign in again. If you see this page again, something is misconfigured: contact support with the reference below."
                        </p>
                    </div>
                    <div class="actions">
                        <SignOutButton text="Sign out and sign in again" />
                        <a class="button button-quiet" href="/">
                            "Back to home"
                        </a>
                    </div>
                    <dl class="facts">
                        <div>
                            <dt>"Cause"</dt>
                            <dd>
                                <code>{cause}</code>
                            </dd>
                        </div>
                    </dl>
                    {diagnosis.map(|diagnosis| view! { <ForDevelopers diagnosis /> })}
                    <Reference id=reference />
                </div>
            </HallWithHead>
        }
    });
    Page::Document(document.with_status(StatusCode::UNAUTHORIZED))
}

/// 503: something we need is out of reach. It signs no one out, and the page opens by itself when it is over.
pub fn outage(visit: &Visit, outage: Outage) -> Page {
    let (title, lead) = match outage {
        Outage::Keys => (
            "We can’t check your session right now",
            "The sign-in service didn’t answer in time. You’re still signed in, and nothing was lost.",
        ),
        Outage::Database => {
            ("We can’t reach our database right now", "You’re still signed in, and what you saved is safe.")
        }
    };
    let reference = visit.reference();
    let here = visit.here();
    let document = Document::new(title, move || {
        let (here, reference) = (here.as_str().to_owned(), reference.clone());
        view! {
            <HallWithHead door=DoorState::Closed title lead>
                <div class="stack">
                    <p role="status">"This page checks every few seconds and opens by itself."</p>
                    <div class="actions">
                        <a class="button" href=here>
                            "Try again now"
                        </a>
                        <a class="button button-quiet" href="/">
                            "Back to home"
                        </a>
                    </div>
                    <Reference id=reference />
                </div>
            </HallWithHead>
        }
    });
    let again = visit.here().as_str().to_owned();
    Page::Document(
        document
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .with_scripts(&[Script::Retry])
            .with_refresh_without_script(RETRY_SECONDS, again),
    )
}

/// 503 for a query that failed, which is logged.
pub fn database(visit: &Visit, error: &sqlx::Error) -> Page {
    failures::unavailable(error);
    outage(visit, Outage::Database)
}

/// 500: a fault of ours.
pub fn fault(visit: &Visit) -> Page {
    let reference = visit.reference();
    let document = Document::new("Something failed", move || {
        let reference = reference.clone();
        view! {
            <HallWithHead
                door=DoorState::Closed
                title="Something failed on our side"
                lead="What you saved before is safe. Go back and try again; if it fails again, contact support with the reference below."
            >
                <div class="stack">
                    <div class="actions">
                        <a class="button" href="/">
                            "Back to home"
                        </a>
                    </div>
                    <Reference id=reference />
                </div>
            </HallWithHead>
        }
    });
    Page::Document(document.with_status(StatusCode::INTERNAL_SERVER_ERROR))
}
