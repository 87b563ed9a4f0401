//! The interactive parts of pages: rendered on the server, hydrated ("woken") in the browser by WASM.
//!
//! What must stay true: an island finds what it needs in its properties or in what the server has drawn (context does
//! not reach the browser), navigates by full page loads, and is useful before it wakes, as far as possible.

use leptos::prelude::*;

pub mod onboarding_form;
pub mod progress;
pub mod token_pending;
mod wait;

/// A condition in a view. Boxed, so that the view's code exists once and not once per closure type, each of which would
/// add half a kilobyte of WASM.
pub(in crate::islands) fn when(condition: impl FnMut() -> bool + Send + 'static) -> Box<dyn FnMut() -> bool + Send> {
    Box::new(condition)
}

/// A text that switches between fixed ones, for `prop:textContent`. Boxed like [`when`].
pub(in crate::islands) fn words(
    text: impl FnMut() -> &'static str + Send + 'static,
) -> Box<dyn FnMut() -> &'static str + Send> {
    Box::new(text)
}

/// A text from a user or the server, for `prop:textContent`, like [`words`]: a browser that translates pages replaces
/// text nodes, so a text node held here would no longer be in the page. A space instead of an empty text: hydration
/// expects the text node that the server has drawn.
pub(in crate::islands) fn text(signal: RwSignal<String>) -> Box<dyn FnMut() -> String + Send> {
    Box::new(move || match signal.get() {
        text if text.is_empty() => " ".to_owned(),
        text => text,
    })
}
