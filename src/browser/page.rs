//! Timers, the address bar, the session cookie, focus and the console.

use std::pin::{Pin, pin};

use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::{JSON, Reflect};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};

use crate::model::claims::{ActiveOrganizationClaim, Found};
use crate::model::onboarding::{Draft, WaitTargets};

/// A property; `undefined` of what is no object.
pub(super) fn property(target: &JsValue, name: &str) -> JsValue {
    Reflect::get(target, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn element(id: &str) -> Option<web_sys::Element> {
    web_sys::window()?.document()?.get_element_by_id(id)
}

/// What stands in the element with this id.
fn text_of(id: &str) -> String {
    let text = element(id).and_then(|element| element.text_content()).unwrap_or_default();
    text.trim().to_owned()
}

/// An attribute of the element with this id.
fn attribute_of(id: &str, name: &str) -> String {
    element(id).and_then(|element| element.get_attribute(name)).unwrap_or_default()
}

/// The form as the server has drawn it, as far as the island needs it.
pub fn draft() -> Draft {
    Draft {
        name: attribute_of("name", "value"),
        slug: attribute_of("slug", "value"),
        name_error: text_of("name-error"),
        slug_error: text_of("slug-error"),
        suggestions: ["suggestion-0", "suggestion-1"]
            .map(text_of)
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect(),
        failure: text_of("failure"),
        undecided: element("failure").is_some_and(|element| element.has_attribute("data-undecided")),
        email: text_of("email"),
        ..Draft::default()
    }
}

/// Where the screen that waits leads, as the server has drawn it.
pub fn wait_targets() -> WaitTargets {
    let target = |name| attribute_of("wait", name);
    WaitTargets { next: target("data-next"), sign_in: target("data-sign-in"), exhausted: target("data-exhausted") }
}

/// Runs a future beside everything else; one that is spawned while an island wakes runs after that. Boxed, so that the
/// machinery exists once and not once per future: a sixth of a kilobyte each, compressed.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
    wasm_bindgen_futures::spawn_local(future);
}

/// Waits for so many milliseconds.
pub async fn sleep(ms: u32) {
    TimeoutFuture::new(ms).await;
}

/// The future's result, unless it takes longer than `ms` milliseconds. What it started goes on unobserved.
pub async fn within<T>(ms: u32, future: impl Future<Output = T>) -> Option<T> {
    let future: Pin<&mut dyn Future<Output = T>> = pin!(future);
    match select(future, TimeoutFuture::new(ms)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// A clock that never goes back, in milliseconds.
pub fn now_ms() -> f64 {
    web_sys::window()
        .and_then(|window| window.performance())
        .map_or_else(js_sys::Date::now, |performance| performance.now())
}

/// A full navigation, which takes this page's place in the history.
pub fn go_to(path: &str) {
    if let Some(window) = web_sys::window() {
        _ = window.location().replace(path);
    }
}

/// Tells the page's watching script (`src/scripts/wake.js`) that an island has woken.
pub fn awake() {
    if let Some(root) =
        web_sys::window().and_then(|window| window.document()).and_then(|document| document.document_element())
    {
        _ = root.set_attribute("data-wasm", "awake");
    }
}

/// Puts the texts of islands back where waking expects them, if the browser has translated the page (`src/scripts/wake.js`).
pub fn unwrap_translation() {
    let unwrap = property(&property(&js_sys::global(), "vestibule"), "unwrap");
    if let Ok(unwrap) = unwrap.dyn_into::<js_sys::Function>() {
        _ = unwrap.call0(&JsValue::NULL);
    }
}

/// A text in Unicode's compatibility decomposition (NFKD), by the browser's own tables.
pub fn decomposed(text: &str) -> String {
    js_sys::JsString::from(text).normalize("NFKD").into()
}

/// What stands in the input field with this id.
pub fn value_of(id: &str) -> Option<String> {
    Some(element(id)?.dyn_into::<web_sys::HtmlInputElement>().ok()?.value())
}

/// Moves the focus to the element with this id.
pub fn focus(id: &str) {
    if let Some(element) = element(id).and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        _ = element.focus();
    }
}

/// Tells whenever the browser comes online (true) or goes offline (false), for as long as the page lives. Whether it is
/// online now is not asked: without any network the browser says no, and a server on the same machine answers all the same.
pub fn on_connection_change(changed: impl Fn(bool) + 'static) {
    let Some(window) = web_sys::window() else { return };
    let told = Closure::<dyn Fn(web_sys::Event)>::new(move |event: web_sys::Event| changed(event.type_() == "online"));
    let told = told.into_js_value().unchecked_into();
    for name in ["online", "offline"] {
        _ = window.add_event_listener_with_callback(name, &told);
    }
}

/// One line on the console, at debug level.
pub fn debug(line: &str) {
    web_sys::console::debug_1(&format!("vestibule: {line}").into());
}

/// What the session cookie's own token says about the active organization: not verified, only read.
pub fn session_cookie_claim() -> Option<ActiveOrganizationClaim> {
    let document = web_sys::window()?.document()?.dyn_into::<web_sys::HtmlDocument>().ok()?;
    let suffix = document.document_element()?.get_attribute("data-clerk-cookie-suffix")?;
    let cookies = document.cookie().ok()?;
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

/// The payload, by the browser's own JSON. `atob` gives one character per byte, so texts outside of ASCII come out wrong;
/// the claim that is looked for has none.
fn payload(token: &str) -> Option<JsValue> {
    let part = token.split('.').nth(1)?.replace('-', "+").replace('_', "/");
    JSON::parse(&web_sys::window()?.atob(&part).ok()?).ok().filter(JsValue::is_object)
}

fn look_up(payload: &JsValue, path: &[&str]) -> Found {
    let mut value = payload.clone();
    for key in path {
        if !value.is_object() {
            return Found::Nothing;
        }
        value = Reflect::get(&value, &JsValue::from_str(key)).unwrap_or(JsValue::UNDEFINED);
    }
    match value.as_string() {
        Some(text) => Found::Text(text),
        None if value.is_undefined() => Found::Nothing,
        None => Found::Other,
    }
}
