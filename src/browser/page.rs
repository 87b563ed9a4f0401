//! Timers, the address bar, the session cookie, focus and the console.
#![cfg_attr(not(feature = "hydrate"), expect(unused_variables, reason = "the server's bodies need no arguments"))]

#[cfg(feature = "hydrate")]
use {
    futures_util::future::{Either, select},
    gloo_timers::future::TimeoutFuture,
    std::pin::{Pin, pin},
    wasm_bindgen::JsCast,
    wasm_bindgen::prelude::Closure,
    web_sys::{Document, Element, HtmlDocument, HtmlElement, HtmlInputElement, window},
};

use super::js::Js;
use crate::model::claims::{ActiveOrganizationClaim, Found};
use crate::model::onboarding::{Draft, WaitTargets};

#[cfg(feature = "hydrate")]
fn document() -> Option<Document> {
    window()?.document()
}

#[cfg(feature = "hydrate")]
fn element(id: &str) -> Option<Element> {
    document()?.get_element_by_id(id)
}

/// The trimmed text of the element with this id. Empty: there is no such element.
fn text_of(id: &str) -> String {
    cfg_select! {
        feature = "hydrate" => {
            let text = element(id).and_then(|element| element.text_content()).unwrap_or_default();
            text.trim().to_owned()
        }
        _ => String::new(),
    }
}

/// An attribute of the element with this id. `None`: the element or its attribute is missing.
fn attribute_of(id: &str, name: &str) -> Option<String> {
    cfg_select! {
        feature = "hydrate" => element(id)?.get_attribute(name),
        _ => None,
    }
}

/// An attribute of the root element.
fn root_attribute(name: &str) -> Option<String> {
    cfg_select! {
        feature = "hydrate" => document()?.document_element()?.get_attribute(name),
        _ => None,
    }
}

/// The form as the server has drawn it, as far as the island needs it.
pub fn draft() -> Draft {
    Draft {
        name: attribute_of("name", "value").unwrap_or_default(),
        slug: attribute_of("slug", "value").unwrap_or_default(),
        name_error: text_of("name-error"),
        slug_error: text_of("slug-error"),
        suggestions: ["suggestion-0", "suggestion-1"]
            .map(text_of)
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect(),
        failure: text_of("failure"),
        undecided: attribute_of("failure", "data-undecided").is_some(),
        email: text_of("email"),
        ..Draft::default()
    }
}

/// Where the waiting screen leads, as the server has drawn it.
pub fn wait_targets() -> WaitTargets {
    let target = |name| attribute_of("wait", name).unwrap_or_default();
    WaitTargets { next: target("data-next"), sign_in: target("data-sign-in"), exhausted: target("data-exhausted") }
}

/// Runs a future in the background; one that is spawned while an island wakes runs after that. On the server: drops it.
///
/// Boxed, so that the machinery exists once and not once per future: a sixth of a kilobyte each, compressed.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    #[cfg(feature = "hydrate")]
    {
        let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
        wasm_bindgen_futures::spawn_local(future);
    }
}

pub async fn sleep(ms: u32) {
    #[cfg(feature = "hydrate")]
    TimeoutFuture::new(ms).await;
}

/// The future's result, unless it takes longer than `ms` milliseconds. What it started goes on unobserved.
pub async fn within<T>(ms: u32, future: impl Future<Output = T>) -> Option<T> {
    cfg_select! {
        feature = "hydrate" => {
            let future: Pin<&mut dyn Future<Output = T>> = pin!(future);
            match select(future, TimeoutFuture::new(ms)).await {
                Either::Left((result, _)) => Some(result),
                Either::Right(_) => None,
            }
        }
        _ => Some(future.await),
    }
}

/// A monotonic clock, in milliseconds.
pub fn now_ms() -> f64 {
    cfg_select! {
        feature = "hydrate" => {
            window()
                .and_then(|window| window.performance())
                .map_or_else(js_sys::Date::now, |performance| performance.now())
        }
        _ => 0.0,
    }
}

/// A full navigation that replaces this page in the history.
pub fn go_to(path: &str) {
    #[cfg(feature = "hydrate")]
    if let Some(window) = window() {
        _ = window.location().replace(path);
    }
}

/// Notifies the page's watchdog (`src/scripts/wake.js`) that an island has woken.
pub fn awake() {
    #[cfg(feature = "hydrate")]
    if let Some(root) = document().and_then(|document| document.document_element()) {
        _ = root.set_attribute("data-wasm", "awake");
    }
}

/// If the browser has translated the page: puts the texts of islands back where waking expects them
/// (`src/scripts/wake.js`).
pub fn unwrap_translation() {
    _ = Js::global().get("vestibule").call("unwrap", &[]);
}

/// A text in Unicode's compatibility decomposition (NFKD), by the browser's own tables.
pub fn decomposed(text: &str) -> String {
    cfg_select! {
        feature = "hydrate" => js_sys::JsString::from(text).normalize("NFKD").into(),
        _ => text.to_owned(),
    }
}

/// The content of the input field with this id. On the server: `None`.
pub fn value_of(id: &str) -> Option<String> {
    cfg_select! {
        feature = "hydrate" => Some(element(id)?.dyn_into::<HtmlInputElement>().ok()?.value()),
        _ => None,
    }
}

/// Moves the focus to the element with this id.
pub fn focus(id: &str) {
    #[cfg(feature = "hydrate")]
    if let Some(element) = element(id).and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        _ = element.focus();
    }
}

/// Calls `changed` whenever the browser goes online (true) or offline (false), as long as the page lives. Whether it is
/// online now is not asked: without any network the browser says no, although a server on the same machine answers.
pub fn on_connection_change(changed: impl Fn(bool) + 'static) {
    #[cfg(feature = "hydrate")]
    if let Some(window) = window() {
        let listener = move |event: web_sys::Event| changed(event.type_() == "online");
        let listener = Closure::<dyn Fn(web_sys::Event)>::new(listener).into_js_value().unchecked_into();
        for name in ["online", "offline"] {
            _ = window.add_event_listener_with_callback(name, &listener);
        }
    }
}

/// One line on the console, at debug level.
pub fn debug(line: &str) {
    #[cfg(feature = "hydrate")]
    web_sys::console::debug_1(&format!("vestibule: {line}").into());
}

/// What the token in the session cookie says about the active organization: read, not verified.
pub fn session_cookie_claim() -> Option<ActiveOrganizationClaim> {
    let suffix = root_attribute("data-clerk-cookie-suffix")?;
    let cookies = cookies()?;
    let find = |name: &str| {
        cookies
            .split(';')
            .map(str::trim)
            .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()))
    };
    let token = find(&format!("__session_{suffix}")).or_else(|| find("__session"))?;
    let payload = payload(&token)?;
    Some(ActiveOrganizationClaim::find(|path| look_up(&payload, path)))
}

/// The cookies that scripts may read.
fn cookies() -> Option<String> {
    cfg_select! {
        feature = "hydrate" => document()?.dyn_into::<HtmlDocument>().ok()?.cookie().ok(),
        _ => None,
    }
}

/// A token's payload. `atob` gives one character per byte, so text outside of ASCII comes out garbled; the claim we look
/// for has none.
fn payload(token: &str) -> Option<Js> {
    let part = token.split('.').nth(1)?.replace('-', "+").replace('_', "/");
    let json: Option<String> = cfg_select! {
        feature = "hydrate" => window()?.atob(&part).ok(),
        _ => None,
    };
    Js::parse(&json?).filter(Js::is_object)
}

fn look_up(payload: &Js, path: &[&str]) -> Found {
    let mut value = payload.clone();
    for key in path {
        if !value.is_object() {
            return Found::Nothing;
        }
        value = value.get(key);
    }
    match value.as_string() {
        Some(text) => Found::Text(text),
        None if value.is_undefined() => Found::Nothing,
        None => Found::Other,
    }
}
