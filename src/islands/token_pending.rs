//! The token-pending screen's own part: gets a newer token, for a bounded time, and moves on when the server agrees.

use leptos::prelude::*;

use crate::browser::{self, Clerk};
use crate::model::failure::FailureCode;
use crate::server_fns::session_status;

/// How long the screen tries by itself, in milliseconds (mission B4).
const REFRESH_LIMIT_MS: f64 = 2_500.0;
/// Between two attempts, in milliseconds.
const PAUSE_MS: u32 = 300;

enum Attempt {
    /// The gate would let this token on.
    Settled,
    /// Clerk says that nobody is signed in.
    SignedOut,
    /// The server refuses the token for good: it will say why itself.
    Refused,
    NotYet,
}

/// Tries for a bounded time, then goes to `exhausted`, where the server names the cause as it is by then.
#[island]
pub fn TokenPending(next: String, sign_in: String, exhausted: String) -> impl IntoView {
    browser::spawn(async move {
        let started = browser::now_ms();
        let mut reload = true;
        loop {
            let left = REFRESH_LIMIT_MS - (browser::now_ms() - started);
            if left <= 0.0 {
                return browser::go_to(&exhausted);
            }
            match browser::within(left as u32, attempt(reload)).await.unwrap_or(Attempt::NotYet) {
                Attempt::Settled | Attempt::Refused => return browser::go_to(&next),
                Attempt::SignedOut => return browser::go_to(&sign_in),
                Attempt::NotYet => {}
            }
            reload = false;
            browser::sleep(PAUSE_MS).await;
        }
    });
    view! {
        <p class="progress-note" role="status">
            <span class="spinner"></span>
            "Asking the sign-in service, for a few seconds at most…"
        </p>
    }
}

async fn attempt(reload: bool) -> Attempt {
    let Some(clerk) = Clerk::start(false).await else { return Attempt::NotYet };
    if !clerk.is_signed_in() {
        return if clerk.is_sure() { Attempt::SignedOut } else { Attempt::NotYet };
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
