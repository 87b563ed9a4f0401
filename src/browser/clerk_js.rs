//! clerk-js, and the few calls the wait makes to it. A script of the page starts it (`src/scripts/clerk.js`), for islands
//! and for pages without WebAssembly.

use super::js::Js;

/// clerk-js, loaded and started.
#[derive(Clone)]
pub struct Clerk {
    js: Js,
}

/// Why clerk-js is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// The browser could not fetch its script.
    NotLoaded,
    /// It could not start: Clerk did not answer, or answered with an error.
    Failed,
}

impl Clerk {
    /// The page's one clerk-js: loaded and started by the first call. After a failure the next call tries again.
    pub async fn start() -> Result<Self, NotStarted> {
        match Js::global().get("vestibule").call_async("clerk", &[]).await {
            Ok(js) => Ok(Self { js }),
            Err(error) if error.get("name").as_string().as_deref() == Some("NotLoaded") => Err(NotStarted::NotLoaded),
            Err(_) => Err(NotStarted::Failed),
        }
    }

    /// Whether clerk-js has an active session.
    pub fn is_signed_in(&self) -> bool {
        self.session().is_some()
    }

    /// Whether clerk-js has heard from Clerk. If Clerk cannot be reached it starts in a degraded state, in which having no
    /// session means nothing.
    pub fn is_sure(&self) -> bool {
        self.js.get("status").as_string().as_deref() == Some("ready")
    }

    /// The user's primary e-mail address.
    pub fn email(&self) -> Option<String> {
        self.js.get("user").get("primaryEmailAddress").get("emailAddress").as_string()
    }

    /// `session.reload()`: token, cookie and user, fresh from Clerk. False: it failed, or there is no session.
    pub async fn reload_session(&self) -> bool {
        let Some(session) = self.session() else { return false };
        session.call_async("reload", &[]).await.is_ok()
    }

    /// `session.getToken({skipCache: true})`: a new token, also in the cookie. False: it failed, or there is no session.
    pub async fn fetch_token(&self) -> bool {
        let Some(session) = self.session() else { return false };
        let options = Js::parse(r#"{"skipCache":true}"#);
        session.call_async("getToken", options.as_slice()).await.is_ok_and(|token| token.as_string().is_some())
    }

    fn session(&self) -> Option<Js> {
        Some(self.js.get("session")).filter(Js::is_object)
    }
}
