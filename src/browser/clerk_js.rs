//! `window.Clerk`: loading it, and the few calls we make.
//!
//! The official clerk-js, unmodified, from our own origin. Its interface (`@clerk/ui`) is a second script, loaded only
//! where it is shown.

use std::cell::RefCell;

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::page;
use crate::model::clerk_settings::ClerkSettings;

/// clerk-js, loaded.
#[derive(Clone)]
pub struct Clerk {
    js: JsValue,
}

/// Which of Clerk's forms to show, and where to go from it.
pub struct ClerkForm<'a> {
    pub sign_up: bool,
    /// Where to go when it is done.
    pub after: &'a str,
    /// The address of the other form.
    pub other_form: &'a str,
}

thread_local! {
    /// One start per page, whoever asks first: a promise of clerk-js.
    static STARTING: RefCell<Option<Promise>> = const { RefCell::new(None) };
}

impl Clerk {
    /// Loads clerk-js, and its interface too if asked, and starts it. `None` if that fails.
    ///
    /// `Clerk.load` takes the interface's constructor as a promise, so a page may start without it and load it later.
    pub async fn start(with_interface: bool) -> Option<Self> {
        let settings = page::clerk_settings()?;
        if with_interface {
            request_interface(&settings);
        }
        let starting = STARTING.with_borrow_mut(|starting| {
            starting.get_or_insert_with(|| wasm_bindgen_futures::future_to_promise(load(settings))).clone()
        });
        match JsFuture::from(starting).await {
            Ok(js) => Some(Self { js }),
            Err(_) => {
                // The next one who asks may have more luck.
                STARTING.with_borrow_mut(|starting| *starting = None);
                None
            }
        }
    }

    /// Whether clerk-js has an active session.
    pub fn is_signed_in(&self) -> bool {
        self.session().is_some()
    }

    /// Whether clerk-js has heard from Clerk. When Clerk cannot be reached it starts in a degraded state, in which having
    /// no session means nothing.
    pub fn is_sure(&self) -> bool {
        Reflect::get(&self.js, &"status".into()).ok().and_then(|status| status.as_string()).as_deref() == Some("ready")
    }

    /// `session.reload()`: token, cookie and user, fresh from Clerk.
    pub async fn reload_session(&self) -> bool {
        let Some(session) = self.session() else { return false };
        call(&session, "reload", &[]).await.is_ok()
    }

    /// `session.getToken({skipCache: true})`: a token made now. Writes the cookie.
    pub async fn fetch_token(&self) -> bool {
        let Some(session) = self.session() else { return false };
        let options = object(&[("skipCache", JsValue::TRUE)]);
        call(&session, "getToken", &[options]).await.is_ok_and(|token| token.is_string())
    }

    /// Shows Clerk's sign-in or sign-up form in the element with this id.
    pub fn mount(&self, element_id: &str, form: &ClerkForm<'_>) -> bool {
        let Some(element) = web_sys::window()
            .and_then(|window| window.document())
            .and_then(|document| document.get_element_by_id(element_id))
        else {
            return false;
        };
        let after = JsValue::from_str(form.after);
        // Both forms get both targets: either may end in the other.
        let mut properties = vec![
            ("routing", JsValue::from_str("hash")),
            ("fallbackRedirectUrl", after.clone()),
            ("signInFallbackRedirectUrl", after.clone()),
            ("signUpFallbackRedirectUrl", after),
        ];
        properties.push((if form.sign_up { "signInUrl" } else { "signUpUrl" }, JsValue::from_str(form.other_form)));
        let method = if form.sign_up { "mountSignUp" } else { "mountSignIn" };
        invoke(&self.js, method, &[element.into(), object(&properties)]).is_ok()
    }

    /// Opens Clerk's profile dialog. Needs the interface.
    pub fn open_user_profile(&self) {
        _ = invoke(&self.js, "openUserProfile", &[]);
    }

    /// Signs out here and in all tabs, then goes to the landing page.
    pub async fn sign_out(&self) -> bool {
        call(&self.js, "signOut", &[object(&[("redirectUrl", JsValue::from_str("/"))])]).await.is_ok()
    }

    fn session(&self) -> Option<JsValue> {
        Reflect::get(&self.js, &"session".into()).ok().filter(JsValue::is_object)
    }
}

async fn load(settings: ClerkSettings) -> Result<JsValue, JsValue> {
    let attributes = [
        ("data-clerk-publishable-key", settings.publishable_key.as_str()),
        ("data-clerk-proxy-url", settings.proxy_url.as_deref().unwrap_or_default()),
    ];
    let used = if settings.proxy_url.is_some() { 2 } else { 1 };
    run_script(&settings.clerk_js, &attributes[..used]).await?;
    let js = Reflect::get(&js_sys::global(), &"Clerk".into())?;
    let options = object(&[
        ("ui", object(&[("ClerkUI", interface_constructor(&settings).into())])),
        ("signInUrl", "/sign-in".into()),
        ("signUpUrl", "/sign-up".into()),
        ("signInFallbackRedirectUrl", "/dashboard".into()),
        ("signUpFallbackRedirectUrl", "/dashboard".into()),
        ("afterSignOutUrl", "/".into()),
        ("telemetry", JsValue::FALSE),
    ]);
    call(&js, "load", &[options]).await?;
    Ok(js)
}

thread_local! {
    /// Settles the promise that `Clerk.load` was given for the interface.
    static INTERFACE: RefCell<Option<Promise>> = const { RefCell::new(None) };
    static WANTED: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// A promise of the interface's constructor. It stays open until somebody asks for the interface.
fn interface_constructor(settings: &ClerkSettings) -> Promise {
    let asked = INTERFACE.with_borrow_mut(|interface| {
        interface
            .get_or_insert_with(|| {
                Promise::new(&mut |resolve, _| WANTED.with_borrow_mut(|wanted| *wanted = Some(resolve)))
            })
            .clone()
    });
    let address = settings.clerk_ui.clone();
    wasm_bindgen_futures::future_to_promise(async move {
        JsFuture::from(asked).await?;
        run_script(&address, &[]).await?;
        Reflect::get(&js_sys::global(), &"__internal_ClerkUICtor".into())
    })
}

fn request_interface(settings: &ClerkSettings) {
    // Makes sure that there is somebody to tell.
    if INTERFACE.with_borrow(Option::is_none) {
        drop(interface_constructor(settings));
    }
    if let Some(resolve) = WANTED.with_borrow_mut(Option::take) {
        _ = resolve.call0(&JsValue::NULL);
    }
}

/// Adds a script to the page and waits until it has run. A script that the page already has is waited for.
async fn run_script(address: &str, attributes: &[(&str, &str)]) -> Result<(), JsValue> {
    let document = web_sys::window().and_then(|window| window.document()).ok_or(JsValue::NULL)?;
    let script: web_sys::HtmlScriptElement = document.create_element("script")?.unchecked_into();
    for (name, value) in attributes {
        script.set_attribute(name, value)?;
    }
    script.set_async(true);
    script.set_src(address);
    let ran = Promise::new(&mut |resolve, reject| {
        _ = script.add_event_listener_with_callback("load", &resolve);
        _ = script.add_event_listener_with_callback("error", &reject);
    });
    document.head().ok_or(JsValue::NULL)?.append_child(&script)?;
    JsFuture::from(ran).await.map(|_| ())
}

fn object(properties: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in properties {
        _ = Reflect::set(&object, &(*name).into(), value);
    }
    object.into()
}

/// Calls a method.
fn invoke(target: &JsValue, method: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let function: Function = Reflect::get(target, &method.into())?.dyn_into()?;
    function.apply(target, &arguments.iter().collect())
}

/// Calls a method and awaits what it promises.
async fn call(target: &JsValue, method: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let result = invoke(target, method, arguments)?;
    JsFuture::from(Promise::resolve(&result)).await
}
