//! Clerk's own sign-in and sign-up forms, in our frame.

use leptos::prelude::*;

use super::when;
use crate::browser::{self, Clerk, ClerkForm};

/// How long the form may take to appear before we say that it does not, in milliseconds.
const APPEAR_LIMIT_MS: u32 = 20_000;

/// The element Clerk mounts into.
const MOUNT: &str = "clerk-form";

/// Mounts the form. `after`: where to go when it is done.
#[island]
pub fn ClerkFormFrame(sign_up: bool, after: String, other_form: String) -> impl IntoView {
    let failed = RwSignal::new(false);
    browser::spawn(async move {
        let mounted = async {
            let clerk = Clerk::start(true).await?;
            clerk.mount(MOUNT, &ClerkForm { sign_up, after: &after, other_form: &other_form }).then_some(())
        };
        let shown = matches!(browser::within(APPEAR_LIMIT_MS, mounted).await, Some(Some(())));
        failed.set(!shown);
    });
    let state = move || failed.get().then_some("failed");
    // Clerk replaces the class of its element, and the stylesheet hides the skeleton once the element is filled.
    view! {
        <div class="frame" data-state=state>
            <div id=MOUNT></div>
            <div class="skeleton" role="status">
                <span class="skeleton-line"></span>
                <span></span>
                <span></span>
                <p>"Loading the form…"</p>
            </div>
            <div class="notice" data-kind="error" role="alert" hidden=when(move || !failed.get())>
                <p>
                    <strong>"The sign-in service did not answer."</strong>
                    " Nothing was sent. Check your connection, then try again."
                </p>
                <div class="actions">
                    <button class="button" type="button" on:click=move |_| browser::reload()>
                        "Try again"
                    </button>
                </div>
            </div>
        </div>
    }
}
