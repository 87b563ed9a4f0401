//! The parts of pages that live in the browser. Rendered on the server first, woken there by WASM.
//!
//! What must stay true: an island gets all it needs as properties (context does not reach the browser), has no routing of
//! its own (it navigates with full page loads), and is of use before it wakes, as far as that is possible.

use leptos::prelude::*;

pub mod onboarding_form;
pub mod progress;
pub mod token_pending;
mod wait;

/// A condition in a view. Boxed, so that the view's machinery exists once in the browser and not once per closure: each
/// kind of closure would add half a kilobyte of WASM.
pub(in crate::islands) fn when(condition: impl FnMut() -> bool + Send + 'static) -> Box<dyn FnMut() -> bool + Send> {
    Box::new(condition)
}

/// A text that changes between fixed ones, for `prop:textContent`. Boxed like [`when`].
pub(in crate::islands) fn words(
    text: impl FnMut() -> &'static str + Send + 'static,
) -> Box<dyn FnMut() -> &'static str + Send> {
    Box::new(text)
}

/// A text in a view that users typed or the server sent. Goes into `prop:textContent`, like [`words`]: a browser that
/// translates pages replaces text nodes, and would leave the ones that are held behind. A space instead of nothing: waking
/// expects the text node that the server has drawn.
pub(in crate::islands) fn text(signal: RwSignal<String>) -> Box<dyn FnMut() -> String + Send> {
    Box::new(move || match signal.get() {
        text if text.is_empty() => " ".to_owned(),
        text => text,
    })
}
