//! The account menu: works without JavaScript; Clerk's scripts load when it is first opened.

use leptos::prelude::*;

use super::when;
use crate::browser::{self, Clerk};

/// How long signing out through clerk-js may take before the server does it, in milliseconds.
const SIGN_OUT_LIMIT_MS: u32 = 3_000;
/// The form that signs out without script.
const SIGN_OUT: &str = "sign-out";

/// The menu. `email` is empty if it is not known.
#[island]
pub fn AccountMenu(name: String, email: String, initials: String) -> impl IntoView {
    let unreachable = RwSignal::new(false);
    // Starting twice is starting once.
    let open = move |_| {
        browser::spawn(async move { unreachable.set(Clerk::start(true).await.is_none()) });
    };
    let manage = move |_| {
        browser::spawn(async move {
            match Clerk::start(true).await {
                Some(clerk) => clerk.open_user_profile(),
                None => unreachable.set(true),
            }
        });
    };
    // With clerk-js, other tabs learn of it at once. Without, the form goes to the server, which ends the session at Clerk.
    let sign_out = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        browser::spawn(async move {
            let signed_out = async {
                let clerk = Clerk::start(true).await?;
                (clerk.is_signed_in() && clerk.sign_out().await).then_some(())
            };
            if !matches!(browser::within(SIGN_OUT_LIMIT_MS, signed_out).await, Some(Some(()))) {
                browser::submit(SIGN_OUT);
            }
        });
    };
    view! {
        <details class="menu" on:toggle=open>
            <summary>
                <span class="sign" aria-hidden="true">
                    {initials}
                </span>
                <span class="menu-name">{name.clone()}</span>
                <span class="visually-hidden">", account menu"</span>
            </summary>
            <div class="menu-panel">
                <p>
                    <strong>{name}</strong>
                    {email}
                </p>
                <button type="button" on:click=manage>
                    "Manage account"
                </button>
                <p role="status" hidden=when(move || !unreachable.get())>
                    "The sign-in service cannot be reached, so your account cannot be shown now."
                </p>
                <form id=SIGN_OUT method="post" action="/sign-out" on:submit=sign_out>
                    <button type="submit">"Sign out"</button>
                </form>
            </div>
        </details>
    }
}
