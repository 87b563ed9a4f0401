//! clerk-js, and the few calls the wait makes to it. The page's own small script starts it (`src/scripts/clerk.js`), for
//! islands and pages without WebAssembly alike.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::page::property;

/// clerk-js, loaded and started.
#[derive(Clone)]
pub struct Clerk {
    js: JsValue,
}

/// Why clerk-js is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// The browser could not fetch its script.
    NotLoaded,
    /// It could not start: Clerk does not answer, or not as it should.
    Failed,
}

impl Clerk {
    /// clerk-js of this page: loaded and started once, whoever asks first. What failed is tried again.
    pub async fn start() -> Result<Self, NotStarted> {
        let vestibule = property(&js_sys::global(), "vestibule");
        match call(&vestibule, "clerk", &[]).await {
            Ok(js) => Ok(Self { js }),
            Err(error) if property(&error, "name") == "NotLoaded" => Err(NotStarted::NotLoaded),
            Err(_) => Err(NotStarted::Failed),
        }
    }

    /// Whether clerk-js has an active session.
    pub fn is_signed_in(&self) -> bool {
        self.session().is_some()
    }

    /// Whether clerk-js has heard from Clerk. When Clerk cannot be reached it starts in a degraded state, in which having
    /// no session means nothing.
    pub fn is_sure(&self) -> bool {
        property(&self.js, "status") == "ready"
    }

    /// The address of the user who is signed in.
    pub fn email(&self) -> Option<String> {
        property(&property(&property(&self.js, "user"), "primaryEmailAddress"), "emailAddress").as_string()
    }

    /// `session.reload()`: token, cookie and user, fresh from Clerk.
    pub async fn reload_session(&self) -> bool {
        let Some(session) = self.session() else { return false };
        call(&session, "reload", &[]).await.is_ok()
    }

    /// `session.getToken({skipCache: true})`: a token made now. Writes the cookie.
    pub async fn fetch_token(&self) -> bool {
        let Some(session) = self.session() else { return false };
        let options = Object::new();
        _ = Reflect::set(&options, &"skipCache".into(), &JsValue::TRUE);
        call(&session, "getToken", &[options.into()]).await.is_ok_and(|token| token.is_string())
    }

    fn session(&self) -> Option<JsValue> {
        Some(property(&self.js, "session")).filter(JsValue::is_object)
    }
}

/// Calls a method and awaits what it promises.
pub(super) async fn call(target: &JsValue, method: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let function: Function = property(target, method).dyn_into()?;
    let result = function.apply(target, &arguments.iter().collect())?;
    JsFuture::from(Promise::resolve(&result)).await
}
