//! The token-pending screen's own part: gets a newer token, for a bounded time, and moves on when the server agrees.

use leptos::prelude::*;

use super::progress::Unreachable;
use super::{wait, when};
use crate::browser;
use crate::model::freshness::{GaveUp, REFRESH_BOUNDS};
use crate::model::onboarding::Delivery;

/// Tries for a bounded time, then goes to `exhausted` (which takes what was met on the way), where the server names the
/// cause as it is by then.
#[island]
pub fn TokenPending(next: String, sign_in: String, exhausted: String) -> impl IntoView {
    let unreachable = RwSignal::new(false);
    let again = next.clone();
    browser::spawn(async move {
        // What is late is not known here: the server's first answer tells.
        match wait::until_fresh(None, Delivery::Delivered, REFRESH_BOUNDS, &|_| ()).await {
            Ok(()) | Err(GaveUp::Elsewhere) => browser::go_to(&next),
            Err(GaveUp::SignedOut) => browser::go_to(&sign_in),
            Err(GaveUp::NoConnection) => {
                unreachable.set(true);
                browser::on_connection_change(move |online| {
                    if online {
                        browser::go_to(&next);
                    }
                });
            }
            Err(reason) => browser::go_to(&(exhausted + reason.tried())),
        }
    });
    view! {
        <p class="progress-note" role="status" hidden=when(move || unreachable.get())>
            <span class="spinner"></span>
            "Asking the sign-in service, for a few seconds at most…"
        </p>
        <Unreachable shown=Box::new(move || unreachable.get()) again />
    }
}
