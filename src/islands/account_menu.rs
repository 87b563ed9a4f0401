//! The account menu: works without JavaScript; Clerk's scripts load when it is first opened.

use leptos::prelude::*;

use crate::browser::Clerk;
use crate::model::clerk_settings::ClerkSettings;

/// The menu. `name` and `email` as far as they are known.
#[island]
pub fn AccountMenu(settings: ClerkSettings, name: String, email: Option<String>, initials: String) -> impl IntoView {
    let clerk = RwSignal::new_local(None::<Clerk>);
    let asked = RwSignal::new(false);
    let failed = RwSignal::new(false);
    let open = {
        move |_| {
            if asked.get_untracked() {
                return;
            }
            asked.set(true);
            let settings = settings.clone();
            leptos::task::spawn_local(async move {
                let started = Clerk::start(&settings, true).await;
                failed.set(started.is_none());
                asked.set(started.is_some());
                clerk.set(started);
            });
        }
    };
    let manage = move |_| {
        if let Some(clerk) = clerk.get_untracked() {
            clerk.open_user_profile();
        }
    };
    // With clerk-js, other tabs learn of it at once. Without, the form goes to the server, which ends the session at Clerk.
    let sign_out = move |event: leptos::ev::SubmitEvent| {
        if let Some(clerk) = clerk.get_untracked().filter(Clerk::is_signed_in) {
            event.prevent_default();
            leptos::task::spawn_local(async move {
                if !clerk.sign_out().await {
                    crate::browser::submit("sign-out");
                }
            });
        }
    };
    view! {
        <details class="menu" on:toggle=open>
            <summary>
                <span class="sign" aria-hidden="true">{initials}</span>
                <span class="menu-name">{name.clone()}</span>
                <span class="visually-hidden">", account menu"</span>
            </summary>
            <div class="menu-panel">
                <p>
                    <strong>{name}</strong>
                    {email}
                </p>
                <button type="button" on:click=manage disabled=move || clerk.with(Option::is_none)>
                    "Manage account"
                </button>
                <Show when=move || failed.get()>
                    <p role="status">"The sign-in service cannot be reached, so your account cannot be shown now."</p>
                </Show>
                <form id="sign-out" method="post" action="/sign-out" on:submit=sign_out>
                    <button type="submit">"Sign out"</button>
                </form>
            </div>
        </details>
    }
}
