//! `/token-pending`: waits, for a bounded time, for a token the gate can use; then says what is the matter.
//!
//! Two pages: the first refreshes by itself and moves on; at its bound it comes back as the second, with the cause as it
//! is by then. The second waits for the person.

use leptos::prelude::*;
use time::OffsetDateTime;

use super::door::DoorState;
use super::layout::{HallWithHead, Moment, Reference, SignOutButton};
use super::{Admission, Document, Page, Visit, admit};
use crate::islands::token_pending::TokenPending;
use crate::model::freshness::{TRIED_NO_COOKIE, TRIED_UNREACHABLE};
use crate::model::gate::{Place, Verdict, WaitCause};
use crate::model::next_path::NextPath;
use crate::model::onboarding::Delivery;
use crate::server::failures;
use crate::server::organizations::{self, Dashboard};
use crate::server::session::handshake;
use crate::server::state::AppState;

/// `GET /token-pending`.
pub async fn page(app: &AppState, visit: &Visit) -> Page {
    // The third try without script, and every try after the bound, is judged as it is.
    let attempt = visit.query(ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(0);
    let tried = visit.query(TRIED).is_some() || attempt >= ATTEMPTS_WITHOUT_SCRIPT;
    if tried {
        visit.asked.notes.note_handshake();
    }
    let (_, judged) = match admit(app, visit, Place::TokenPending).await {
        Admission::Instead(page) => return page,
        Admission::Show(shown) => *shown,
    };
    let Verdict::Wait(cause) = judged.verdict else { return Page::Redirect("/dashboard".to_owned()) };
    let mut known = None;
    let mut delivery = Delivery::Delivered;
    if let (WaitCause::StaleClaim(id), Some(mut transaction)) = (cause, judged.transaction) {
        let asked = async {
            let delivery = transaction.delivery().await?;
            let told_at = transaction.told_at().await?;
            let dashboard = organizations::find_dashboard(&mut transaction, id).await?;
            Ok::<_, sqlx::Error>((dashboard.map(|dashboard| Facts { dashboard, delivery, told_at }), delivery))
        };
        match asked.await {
            Ok(found) => (known, delivery) = found,
            // The page is of use without it.
            Err(error) => _ = failures::unavailable(&error),
        }
    }
    let next = visit.next().unwrap_or_else(|| NextPath::or_dashboard(None));
    let document = if tried {
        let met = visit.query(TRIED).unwrap_or_default();
        exhausted(visit, &next, explain(cause, delivery, &met), known)
    } else {
        refreshing(app, visit, &next, attempt + 1)
    };
    Page::Document(document)
}

/// The parameter that says that the browser has tried already, and what it met (`GaveUp::tried`).
const TRIED: &str = "tried";
/// The parameter that counts tries without script.
const ATTEMPT: &str = "attempt";
/// Tries without script, about a second apart.
const ATTEMPTS_WITHOUT_SCRIPT: u32 = 3;

/// The page that refreshes by itself: by its island, or without script by way of Clerk's handshake, which makes a new token.
fn refreshing(app: &AppState, visit: &Visit, next: &NextPath, attempt: u32) -> Document {
    let again = format!("/token-pending?next={}&{ATTEMPT}={attempt}", next.encoded());
    let without_script = handshake::address_for(app, &again, visit.headers());
    let sign_in = format!("/sign-in?next={}", next.encoded());
    let exhausted = format!("/token-pending?next={}&{TRIED}=", next.encoded());
    let tried = format!("{exhausted}1");
    let next = next.as_str().to_owned();
    let (title, lead) = (
        "Refreshing your session",
        "One moment: we are asking the sign-in service for a newer session. Nothing is lost.",
    );
    Document::new(title, move || {
        let (next, sign_in, exhausted, tried) = (next.clone(), sign_in.clone(), exhausted.clone(), tried.clone());
        view! {
            <HallWithHead door=DoorState::Waiting title lead>
                <TokenPending next sign_in exhausted />
                <noscript>
                    <div class="notice" data-kind="wait">
                        <p>
                            <strong>"This page loads itself again in a second."</strong>
                            " If it does not, nothing is lost: reload it, or see "
                            <a href=tried>"what we know"</a>
                            "."
                        </p>
                    </div>
                </noscript>
            </HallWithHead>
        }
    })
    .with_islands()
    .with_refresh_without_script(1, without_script)
}

/// The page that names the cause. It does nothing by itself, so it cannot loop.
fn exhausted(visit: &Visit, next: &NextPath, cause: &'static str, known: Option<Facts>) -> Document {
    let next = next.as_str().to_owned();
    let reference = visit.reference();
    let (title, lead) = (
        "Session still loading",
        "We asked for a newer session several times, and this one is still not enough. Nothing is lost.",
    );
    Document::new(title, move || {
        let (next, known, reference) = (next.clone(), known.clone(), reference.clone());
        view! {
            <HallWithHead door=DoorState::Waiting title lead wide=true>
                <div class="stack">
                    <div class="notice" data-kind="wait">
                        <p>
                            <strong>"Cause: "</strong>
                            {cause}
                        </p>
                    </div>
                    <div class="actions">
                        <form method="get" action="/token-pending">
                            <input type="hidden" name="next" value=next />
                            <button class="button" type="submit">
                                "Refresh"
                            </button>
                        </form>
                        {known
                            .is_some()
                            .then(|| {
                                view! {
                                    <form method="post" action="/dashboard">
                                        <button class="button button-quiet" type="submit">
                                            "Open the dashboard anyway"
                                        </button>
                                    </form>
                                }
                            })}
                        <SignOutButton text="Sign out" quiet=true />
                    </div>
                    {known.map(|known| view! { <Known known /> })}
                    <Reference id=reference />
                </div>
            </HallWithHead>
        }
    })
}

/// `met`: what the browser met while it tried (`GaveUp::tried`). Only it can know.
fn explain(cause: WaitCause, delivery: Delivery, met: &str) -> &'static str {
    match (cause, delivery) {
        (WaitCause::StaleClaim(_), Delivery::Pending | Delivery::Failed) => {}
        _ if met == TRIED_UNREACHABLE => {
            return "your browser asked the sign-in service for a newer session and got no usable answer. It is out of reach, or too busy.";
        }
        (WaitCause::NotReady, _) if met == TRIED_NO_COOKIE => {
            return "the sign-in service gave your browser a session, and your browser did not keep it. Either it refuses the cookies of this site, or the session is too large for one.";
        }
        _ => {}
    }
    match (cause, delivery) {
        (WaitCause::NotReady, _) => {
            "you are signed in, but your browser has not received your session yet. Your sign-in service may be slow."
        }
        (WaitCause::CookiesDisagree, _) => {
            "what your browser keeps of your sign-in does not fit together: it changed in another tab or window. The sign-in service has not put it right yet."
        }
        (WaitCause::Expired, _) => {
            "your session's token has run out. The sign-in service has not issued a new one yet, or its clock is behind ours."
        }
        (WaitCause::NotYetValid, _) => {
            "your session's token is dated in the future. The clocks of this site and of the sign-in service disagree."
        }
        (WaitCause::AuthorizedPartyMissing, _) => {
            "your session's token does not say which site it is for. A new one will."
        }
        (WaitCause::StaleClaim(_), Delivery::Pending) => {
            "our message about your organization has not reached the sign-in service yet. We keep sending it; you do not have to do anything."
        }
        (WaitCause::StaleClaim(_), Delivery::Failed) => {
            "the sign-in service refused our message about your organization. Waiting cannot help: give the people who run this site the reference below. Your organization is saved."
        }
        (WaitCause::StaleClaim(_), Delivery::Delivered) => {
            "the sign-in service knows about your organization, but still issues sessions without it."
        }
    }
}

/// What is known of the organization that the token does not name yet.
#[derive(Clone)]
struct Facts {
    dashboard: Dashboard,
    delivery: Delivery,
    told_at: Option<OffsetDateTime>,
}

#[component]
fn Known(known: Facts) -> impl IntoView {
    let Facts { dashboard, delivery, told_at } = known;
    let told = match (delivery, told_at) {
        (Delivery::Delivered, Some(at)) => view! { <Moment at /> }.into_any(),
        (Delivery::Delivered, None) => "Yes".into_any(),
        (Delivery::Pending, _) => "Not yet".into_any(),
        (Delivery::Failed, _) => "No, it refused our message".into_any(),
    };
    let email = dashboard.me.email.clone();
    view! {
        <section class="stack" aria-labelledby="known">
            <h2 id="known">"What we know"</h2>
            <dl class="facts">
                {email
                    .map(|email| {
                        view! {
                            <div>
                                <dt>"Signed in as"</dt>
                                <dd>{email}</dd>
                            </div>
                        }
                    })}
                <div>
                    <dt>"Organization"</dt>
                    <dd>{dashboard.organization.name.to_string()}</dd>
                </div>
                <div>
                    <dt>"Created"</dt>
                    <dd>
                        <Moment at=dashboard.created_at />
                    </dd>
                </div>
                <div>
                    <dt>"Sign-in service told"</dt>
                    <dd>{told}</dd>
                </div>
            </dl>
        </section>
    }
}
