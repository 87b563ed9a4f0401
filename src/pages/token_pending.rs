//! `/token-pending`: waits, for a bounded time, for a token the gate can use; then says what is the matter.
//!
//! Two pages: the first refreshes by itself and moves on; at its bound it comes back as the second, with the cause as it
//! is by then. The second keeps checking for a minute, ever more rarely, and opens by itself; then it says that it has
//! stopped. It needs no WebAssembly, and without script it loads itself again.

use leptos::prelude::*;
use time::OffsetDateTime;

use super::door::DoorState;
use super::layout::{HallWithHead, Moment, Reference};
use super::scripts::Script;
use super::{Document, Entry, Page, Visit};
use crate::islands::token_pending::TokenPending;
use crate::model::freshness::{
    self, ATTEMPTS_WITHOUT_SCRIPT, RECHECK_WITHOUT_SCRIPT_MS, RECHECKS_WITHOUT_SCRIPT, TRIED_NO_COOKIE, TRIED_NO_WASM,
    TRIED_NOT_LOADED, TRIED_SLOW, TRIED_UNREACHABLE,
};
use crate::model::gate::{Place, Verdict, WaitCause};
use crate::model::next_path::NextPath;
use crate::model::onboarding::{Delivery, WaitTargets};
use crate::server::failures;
use crate::server::http::handshake;
use crate::server::organizations::{self, Dashboard};

/// `GET /token-pending`.
pub async fn page(entry: Entry) -> Result<Page, Page> {
    // The third try without script, and every try after the bound, is decided as it is.
    let attempt = entry.visit.query(ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(0);
    let tried = entry.visit.query(TRIED).is_some() || attempt >= ATTEMPTS_WITHOUT_SCRIPT;
    let entry = if tried { entry.exhausted().await } else { entry };
    let authorization = entry.admit(Place::TokenPending).await?;
    let visit = &entry.visit;
    let Verdict::Wait(cause) = authorization.verdict else { return Err(Page::Redirect("/dashboard".to_owned())) };
    let mut known = None;
    let mut delivery = Delivery::Delivered;
    if let (WaitCause::StaleClaim(id), Some(mut transaction)) = (cause, authorization.transaction) {
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
        let again = (attempt < ATTEMPTS_WITHOUT_SCRIPT + RECHECKS_WITHOUT_SCRIPT).then(|| {
            let attempt = attempt.max(ATTEMPTS_WITHOUT_SCRIPT) + 1;
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("next", next.as_str());
            query.append_pair(TRIED, if met.is_empty() { freshness::TRIED } else { &met });
            query.append_pair(ATTEMPT, &attempt.to_string());
            handshake::address_for(&entry.sessions, &format!("/token-pending?{}", query.finish()), &visit.headers)
        });
        exhausted(visit, &next, explain(cause, delivery, &met), known, delivery, again)
    } else {
        refreshing(&entry, &next, attempt + 1)
    };
    Ok(Page::Document(document))
}

/// The parameter that says that the browser has tried already, and what it met (`GaveUp::tried`).
const TRIED: &str = "tried";
/// The parameter that counts tries without script.
const ATTEMPT: &str = "attempt";

/// The page that refreshes by itself: by its island, or without script by way of Clerk's handshake, which makes a new token.
fn refreshing(entry: &Entry, next: &NextPath, attempt: u32) -> Document {
    let again = format!("/token-pending?next={}&{ATTEMPT}={attempt}", next.encoded());
    let without_script = handshake::address_for(&entry.sessions, &again, &entry.visit.headers);
    let sign_in = sign_in_after(next);
    let exhausted = format!("/token-pending?next={}&{TRIED}=", next.encoded());
    let (tried, without_wasm) = (format!("{exhausted}{}", freshness::TRIED), format!("{exhausted}{TRIED_NO_WASM}"));
    let targets = WaitTargets { next: next.as_str().to_owned(), sign_in, exhausted };
    let (title, lead) = (
        "Refreshing your session",
        "One moment: we’re asking the sign-in service for a newer session. Nothing is lost.",
    );
    Document::new(title, move || {
        let tried = tried.clone();
        provide_context(targets.clone());
        view! {
            <HallWithHead door=DoorState::Waiting title lead>
                <TokenPending />
                <p class="notice" data-kind="wait" data-wasm-is="late" role="status">
                    <span>
                        "This page is still loading. You don’t have to wait for it: "
                        <a href=tried.clone()>"see what we know"</a>
                        ". That page needs less."
                    </span>
                </p>
                <noscript>
                    <div class="notice" data-kind="wait">
                        <p>
                            <strong>"This page loads itself again in a second."</strong>
                            " If it doesn’t, nothing is lost: reload it, or "
                            <a href=tried>"see what we know"</a>
                            "."
                        </p>
                    </div>
                </noscript>
            </HallWithHead>
        }
    })
    .with_islands()
    .with_address_without_wasm(without_wasm)
    .with_refresh_without_script(1, without_script)
}

/// Where a wait leads whose session has ended meanwhile.
fn sign_in_after(next: &NextPath) -> String {
    format!("/sign-in?next={}&signed-out=1", next.encoded())
}

/// The page that names the cause and keeps checking. `again`: by way of Clerk's handshake to this page once more, while there
/// is a try left.
fn exhausted(
    visit: &Visit,
    next: &NextPath,
    cause: &'static str,
    known: Option<Facts>,
    delivery: Delivery,
    again: Option<String>,
) -> Document {
    let reference = visit.reference();
    let sign_in = sign_in_after(next);
    let open_at = format!("/dashboard?next={}", next.encoded());
    let next = next.as_str().to_owned();
    let title = "Session still loading";
    let lead = match known {
        Some(_) => "Your organization is ready; your sign-in is catching up. Nothing is lost.",
        None => "Your sign-in isn’t ready yet. Nothing is lost.",
    };
    let stopped = match known {
        Some(_) => "We’ve stopped checking. Nothing is lost: open the dashboard, or try again.",
        None => "We’ve stopped checking. Nothing is lost: try again in a moment.",
    };
    let pauses: Vec<String> = freshness::recheck_pauses().map(|ms| ms.to_string()).collect();
    let pauses = pauses.join(",");
    let refresh = again.clone();
    let document = Document::new(title, move || {
        let (next, known, reference) = (next.clone(), known.clone(), reference.clone());
        let (again, sign_in, pauses) = (again.clone(), sign_in.clone(), pauses.clone());
        let open = known.is_some();
        let open_at = open_at.clone();
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
                        {open
                            .then(|| {
                                view! {
                                    <form method="post" action=open_at.clone()>
                                        <button class="button" type="submit">
                                            "Open the dashboard"
                                        </button>
                                    </form>
                                }
                            })}
                        <form method="get" action="/token-pending">
                            <input type="hidden" name="next" value=next.clone() />
                            <button class="button" class:button-quiet=open type="submit">
                                "Try again"
                            </button>
                        </form>
                    </div>
                    <p
                        class="progress-note"
                        role="status"
                        data-pauses=pauses
                        data-pending=(delivery == Delivery::Pending).then_some("")
                        data-next=next
                        data-sign-in=sign_in
                        data-again=again.clone()
                        data-checking=CHECKING
                        data-stopped=stopped
                    >
                        {if again.is_some() { CHECKING } else { stopped }}
                    </p>
                    {known.map(|known| view! { <Known known /> })}
                    <Reference id=reference />
                </div>
                <form class="door-foot" method="post" action="/sign-out">
                    <button class="link" type="submit">
                        "Sign out"
                    </button>
                </form>
            </HallWithHead>
        }
    })
    .with_scripts(&[Script::Clerk, Script::Times, Script::Recheck]);
    match refresh {
        Some(address) => document.with_refresh_without_script(RECHECK_WITHOUT_SCRIPT_MS / 1_000, address),
        None => document,
    }
}

/// What the second page says while it keeps checking.
const CHECKING: &str = "This page keeps checking for a minute, and opens by itself.";

/// `met`: what the browser met while it tried (`GaveUp::tried`). Only it can know.
fn explain(cause: WaitCause, delivery: Delivery, met: &str) -> &'static str {
    match (cause, delivery) {
        (WaitCause::StaleClaim(_), Delivery::Pending | Delivery::Failed) => {}
        _ if met == TRIED_UNREACHABLE => {
            return "your browser asked the sign-in service for a newer session and got no usable answer. The service is down, or too busy.";
        }
        _ if met == TRIED_SLOW => {
            return "the sign-in service has not answered your browser yet. It is busy, or your connection is slow.";
        }
        _ if met == TRIED_NOT_LOADED => {
            return "your browser could not load the sign-in service’s script. An extension, a filter or your network blocks it, or your connection is too slow for it.";
        }
        (WaitCause::NotReady, _) if met == TRIED_NO_COOKIE => {
            return "the sign-in service gave your browser a session, and your browser did not keep it. It blocks the cookies of this site, or the session is too large for one.";
        }
        _ => {}
    }
    match (cause, delivery) {
        (WaitCause::NotReady, _) => {
            "you’re signed in, but your browser has not received your session yet. The sign-in service may be slow."
        }
        (WaitCause::CookiesDisagree, _) => {
            "the parts of your sign-in that your browser keeps contradict each other: they changed in another tab or window. The sign-in service has not renewed them yet."
        }
        (WaitCause::Expired, _) => {
            "your session’s token has expired. The sign-in service has not issued a new one yet, or its clock is behind ours."
        }
        (WaitCause::NotYetValid, _) => {
            "your session’s token is dated in the future. The clocks of this site and of the sign-in service disagree."
        }
        (WaitCause::AuthorizedPartyMissing, _) => {
            "your session’s token does not say which site it is for. A new one will."
        }
        (WaitCause::StaleClaim(_), Delivery::Pending) => {
            "our message about your organization has not reached the sign-in service yet. We keep sending it; you don’t have to do anything."
        }
        (WaitCause::StaleClaim(_), Delivery::Failed) => {
            "the sign-in service rejected our message about your organization. Waiting can’t help: contact support with the reference below. Your organization is saved."
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
        (Delivery::Failed, _) => "No, it rejected our message".into_any(),
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
                                <dd>
                                    <bdi>{email}</bdi>
                                </dd>
                            </div>
                        }
                    })}
                <div>
                    <dt>"Organization"</dt>
                    <dd>
                        <bdi>{dashboard.organization.name.to_string()}</bdi>
                    </dd>
                </div>
                <div>
                    <dt>"Created"</dt>
                    <dd>
                        <Moment at=dashboard.created_at />
                    </dd>
                </div>
                <div>
                    <dt>"Sign-in service notified"</dt>
                    <dd>{told}</dd>
                </div>
            </dl>
        </section>
    }
}
