//! What pages share: the headers, the frame of the entrance, dates and initials.

use leptos::prelude::*;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use super::door::{DoorState, Mark};

/// The product's name with its mark, leading home.
#[component]
pub fn Brand() -> impl IntoView {
    view! {
        <a class="brand" href="/">
            <Mark door=DoorState::Ajar />
            <span class="brand-name">"Vestibule"</span>
        </a>
    }
}

/// The footer line.
#[component]
pub fn SiteFooter() -> impl IntoView {
    view! {
        <footer class="site-footer">
            <span>"Vestibule, the entrance of your product"</span>
        </footer>
    }
}

/// A page of the entrance: one door in a hall.
#[component]
pub fn Hall(door: DoorState, #[prop(optional)] wide: bool, children: Children) -> impl IntoView {
    view! {
        <header class="site-header">
            <Brand />
        </header>
        <main class="hall" id="main" tabindex="-1">
            <section class="door" class:door-wide=wide aria-labelledby="title">
                <div class="door-mark">
                    <Mark door />
                </div>
                {children()}
            </section>
        </main>
        <div class="hall-floor">
            <SiteFooter />
        </div>
    }
}

/// A hall with a heading that does not change.
#[component]
pub fn HallWithHead(
    door: DoorState,
    #[prop(into)] title: String,
    #[prop(into)] lead: String,
    #[prop(optional)] wide: bool,
    children: Children,
) -> impl IntoView {
    view! {
        <Hall door wide>
            <header class="door-head">
                <h1 id="title">{title}</h1>
                <p>{lead}</p>
            </header>
            {children()}
        </Hall>
    }
}

/// The reference users give when they ask for help.
#[component]
pub fn Reference(#[prop(into)] id: String) -> impl IntoView {
    (!id.is_empty()).then(|| {
        view! {
            <p class="reference">"If you ask for help, give this reference: " <code translate="no">{id}</code></p>
        }
    })
}

/// A button that ends the session.
#[component]
pub fn SignOutButton(#[prop(into)] text: String, #[prop(optional)] quiet: bool) -> impl IntoView {
    view! {
        <form method="post" action="/sign-out">
            <button class="button" class:button-quiet=quiet type="submit">
                {text}
            </button>
        </form>
    }
}

/// A moment, for users and for programs: in UTC, and in the browser's own zone once `times.js` has run.
#[component]
pub fn Moment(at: OffsetDateTime, #[prop(optional)] date_only: bool) -> impl IntoView {
    let machine = at.format(&Rfc3339).unwrap_or_default();
    let text = if date_only {
        at.format(format_description!("[day padding:none] [month repr:long] [year]"))
    } else {
        at.format(format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC"))
    };
    view! {
        <time datetime=machine data-day=date_only.then_some("")>
            {text.unwrap_or_default()}
        </time>
    }
}

/// One or two letters that stand for a name, or for an address by what is before its `@`.
pub fn initials(name: &str) -> String {
    let name = name.split_once('@').map_or(name, |(local, _)| local);
    let mut words = name.split(|c: char| c.is_whitespace() || "._-+".contains(c)).filter(|word| !word.is_empty());
    let first = |word: &str| word.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_uppercase().to_string());
    let letters: String = [words.next(), words.next()].into_iter().flatten().filter_map(first).collect();
    if letters.is_empty() { "?".to_owned() } else { letters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_of_any_name() {
        assert_eq!(initials("Ada Lovelace King"), "AL");
        assert_eq!(initials("ada@example.test"), "A");
        assert_eq!(initials("ada.lovelace@example.test"), "AL");
        assert_eq!(initials("株式会社"), "株");
        assert_eq!(initials("🚀 Labs"), "L");
        assert_eq!(initials(""), "?");
    }
}
