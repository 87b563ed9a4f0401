//! The token-pending screen's own part: gets a newer token, for a bounded time, and moves on when the server agrees.

use leptos::prelude::*;

use crate::browser::{self, Clerk};
use crate::islands::door::{DoorState, Mark};
use crate::model::failure::FailureCode;
use crate::server_fns::session_status;

/// How long the screen tries by itself, in milliseconds (mission B4).
const REFRESH_LIMIT_MS: f64 = 2_500.0;
/// Between two attempts, in milliseconds.
const PAUSE_MS: u32 = 300;
/// Longest time one attempt may take, in milliseconds.
const ATTEMPT_LIMIT_MS: u32 = 2_000;

enum Attempt {
    /// The gate would let this token on.
    Settled,
    /// Clerk says that nobody is signed in.
    SignedOut,
    /// The server refuses the token for good: it will say why itself.
    Refused,
    NotYet,
}

/// Tries, and says what it does. `cause` is a sentence; `children` is what is known.
#[island]
pub fn TokenPending(next: String, sign_in: String, cause: String, children: Children) -> impl IntoView {
    let exhausted = RwSignal::new(false);
    Effect::new(move || {
        let (next, sign_in) = (next.clone(), sign_in.clone());
        leptos::task::spawn_local(async move {
            let started = browser::now_ms();
            let mut reload = true;
            loop {
                let attempt = browser::within(ATTEMPT_LIMIT_MS, attempt(reload)).await.unwrap_or(Attempt::NotYet);
                match attempt {
                    Attempt::Settled | Attempt::Refused => return browser::go_to(&next),
                    Attempt::SignedOut => return browser::go_to(&sign_in),
                    Attempt::NotYet => {}
                }
                if browser::now_ms() - started > REFRESH_LIMIT_MS {
                    return exhausted.set(true);
                }
                reload = false;
                browser::sleep(PAUSE_MS).await;
            }
        });
    });
    let title = move || if exhausted.get() { "Session still loading" } else { "Refreshing your session" };
    let lead = move || {
        if exhausted.get() {
            "We asked for a newer session several times, and it is still the old one. Nothing is lost."
        } else {
            "One moment: we are asking the sign-in service for a newer session. Nothing is lost."
        }
    };
    view! {
        <header class="door-head">
            <Mark door=DoorState::Waiting />
            <h1 id="title" tabindex="-1">
                {title}
            </h1>
            <p>{lead}</p>
        </header>
        <p class="progress-note" role="status">
            <span class="spinner" hidden=move || exhausted.get()></span>
            {move || {
                if exhausted.get() {
                    "You can try again, or sign out and in."
                } else {
                    "Asking the sign-in service… At most 3 seconds."
                }
            }}
        </p>
        <div class="stack" hidden=move || !exhausted.get()>
            <div class="notice" data-kind="wait">
                <p>
                    <strong>"Cause: "</strong>
                    {cause}
                </p>
            </div>
            <div class="actions">
                <button class="button" type="button" on:click=|_| browser::reload()>
                    "Refresh"
                </button>
                <form method="post" action="/sign-out">
                    <button class="button button-quiet" type="submit">"Sign out"</button>
                </form>
            </div>
            {children()}
        </div>
    }
}

async fn attempt(reload: bool) -> Attempt {
    let Some(clerk) = Clerk::start(false).await else { return Attempt::NotYet };
    if !clerk.is_signed_in() {
        return Attempt::SignedOut;
    }
    // A reload refreshes everything; a POST for a token also repairs a missing `azp`.
    if reload {
        clerk.reload_session().await;
    } else {
        clerk.fetch_token().await;
    }
    match session_status().await {
        Ok(status) if !status.waiting => Attempt::Settled,
        Ok(_) => Attempt::NotYet,
        Err(failure) if failure.code == FailureCode::SessionRefused => Attempt::Refused,
        Err(_) => Attempt::NotYet,
    }
}
