//! The account menu: HTML and a small script. Without script it opens and signs out.

use leptos::prelude::*;

use super::layout::initials;
use super::scripts::Script;
use crate::server::organizations::Person;

/// What a page with the menu needs.
pub const SCRIPTS: &[Script] = &[Script::Clerk, Script::Menu, Script::Times];

/// The menu of the user who is signed in.
#[component]
pub fn AccountMenu(me: Person) -> impl IntoView {
    let name = me.called().unwrap_or("You").to_owned();
    // The address is the name of users who have no other.
    let email = me.email.filter(|email| *email != name);
    view! {
        <details class="menu">
            <summary>
                <span class="sign" aria-hidden="true">
                    {initials(&name)}
                </span>
                <bdi class="menu-name">{name.clone()}</bdi>
                <span class="visually-hidden">", account menu"</span>
            </summary>
            <div class="menu-panel">
                <p>
                    <strong>
                        <bdi>{name}</bdi>
                    </strong>
                    {email.map(|email| view! { <bdi>{email}</bdi> })}
                </p>
                <button type="button" data-manage hidden>
                    "Manage account"
                </button>
                <p role="status" hidden></p>
                <form method="post" action="/sign-out">
                    <button type="submit">"Sign out"</button>
                </form>
            </div>
        </details>
    }
}
