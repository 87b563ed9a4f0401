//! The island of the token-pending screen: tries to get a newer token for a bounded time, and goes on when the server
//! agrees.

use leptos::prelude::*;

use super::progress::Unreachable;
use super::{wait, when, words};
use crate::browser;
use crate::model::freshness::{Destination, REFRESH_BOUNDS, Stage};
use crate::model::onboarding::{Delivery, WaitTargets};

/// Tries for a bounded time, then goes to the screen where the server names the cause and a script without WebAssembly
/// continues. The page provides the targets; the browser reads them from what the server has drawn.
#[island]
pub fn TokenPending() -> impl IntoView {
    let WaitTargets { next, sign_in, exhausted } = use_context::<WaitTargets>().unwrap_or_else(browser::wait_targets);
    let drawn = WaitTargets { next: next.clone(), sign_in: sign_in.clone(), exhausted: exhausted.clone() };
    let unreachable = RwSignal::new(false);
    let loading = RwSignal::new(false);
    let again = next.clone();
    browser::spawn(async move {
        browser::awake();
        let enter = move |stage| loading.set(stage == Stage::Loading);
        // The delivery is unknown here: the server's first response says it.
        match Destination::of(wait::until_fresh(None, Delivery::Delivered, REFRESH_BOUNDS, &enter).await) {
            Destination::Next => browser::go_to(&next),
            Destination::SignIn => browser::go_to(&sign_in),
            Destination::Stay => {
                unreachable.set(true);
                browser::on_connection_change(move |online| {
                    if online {
                        browser::go_to(&next);
                    }
                });
            }
            Destination::Exhausted(reason) => browser::go_to(&(exhausted + reason.tried())),
        }
    });
    let sentence = move || {
        if loading.get() { "Still loading the sign-in service. This takes longer than usual." } else { ASKING }
    };
    view! {
        <div
            class="progress-note"
            id="wait"
            data-next=drawn.next
            data-sign-in=drawn.sign_in
            data-exhausted=drawn.exhausted
            hidden=when(move || unreachable.get())
        >
            <span class="spinner"></span>
            <p role="status" prop:textContent=words(sentence)>
                {ASKING}
            </p>
        </div>
        <Unreachable shown=Box::new(move || unreachable.get()) again />
    }
}

const ASKING: &str = "Asking the sign-in service for a newer session. This usually takes a second or two.";
