//! One file per page: load, decide, render. Runs on the server only.
//!
//! A page gives a [`Page`]; `app` turns it into an answer. Every page asks the gate itself: no page is protected by
//! another one.

use std::sync::Arc;

use axum::http::{Extensions, HeaderMap, Method, StatusCode, Uri, header};
use cookie::Cookie;
use leptos::prelude::*;

use self::scripts::Script;
use crate::model::gate::{Answer, Place, Verdict, WaitCause, at};
use crate::model::next_path::NextPath;
use crate::server::failures;
use crate::server::runtime::state::AppState;
use crate::server::runtime::telemetry;
use crate::server::session::visit::{Judged, judge};
use crate::server::session::{Asked, Checked, check};
use crate::server::users;

pub mod account_menu;
pub mod dashboard;
pub mod door;
pub mod landing;
pub mod layout;
pub mod onboarding;
pub mod problems;
pub mod scripts;
pub mod sign_in;
pub mod sign_out;
pub mod token_pending;

/// What a page answers.
pub enum Page {
    /// 303 to a path of this site.
    Redirect(String),
    /// 307 to Clerk's handshake, and back here. Holds Clerk's name for the cause.
    Handshake(String),
    Document(Document),
}

/// A page to show.
#[derive(Clone)]
pub struct Document {
    pub status: StatusCode,
    pub title: String,
    /// Whether it has islands: only then is WASM loaded.
    pub islands: bool,
    /// Small scripts at its end, in order.
    pub scripts: &'static [Script],
    /// Seconds after which a browser without script goes to an address by itself.
    pub without_script: Option<(u32, String)>,
    /// Where a browser without WebAssembly goes by itself, from a page that does nothing but wait.
    pub without_wasm: Option<String>,
    pub body: Arc<dyn Fn() -> AnyView + Send + Sync>,
}

impl Document {
    /// A page with status 200 and without islands.
    pub fn new<V: IntoView + 'static>(title: impl Into<String>, body: impl Fn() -> V + Send + Sync + 'static) -> Self {
        Self {
            status: StatusCode::OK,
            title: title.into(),
            islands: false,
            scripts: &[],
            without_script: None,
            without_wasm: None,
            body: Arc::new(move || body().into_any()),
        }
    }

    /// Islands need clerk-js, and a script that says so when their WebAssembly does not come.
    pub fn with_islands(self) -> Self {
        Self { islands: true, scripts: &[Script::Wake, Script::Clerk], ..self }
    }

    /// Small scripts instead of islands.
    pub fn with_scripts(self, scripts: &'static [Script]) -> Self {
        Self { scripts, ..self }
    }

    /// Where a browser without WebAssembly goes by itself.
    pub fn with_address_without_wasm(self, address: String) -> Self {
        Self { without_wasm: Some(address), ..self }
    }

    /// Where a browser without script goes by itself, and after how many seconds.
    pub fn with_refresh_without_script(self, seconds: u32, address: String) -> Self {
        Self { without_script: Some((seconds, address)), ..self }
    }

    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

/// A request as pages see it.
pub struct Visit {
    pub uri: Uri,
    /// What the session is judged by: the headers among it.
    pub asked: Asked,
}

impl Visit {
    pub fn new(method: &Method, uri: &Uri, headers: &HeaderMap, extensions: &Extensions) -> Self {
        Self { uri: uri.clone(), asked: Asked::page(method, uri, headers, extensions) }
    }

    pub fn headers(&self) -> &HeaderMap {
        &self.asked.headers
    }

    /// The `next` target, if it is one of ours.
    pub fn next(&self) -> Option<NextPath> {
        self.query("next").as_deref().and_then(NextPath::parse)
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.uri.query()?;
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Whether a cookie is there.
    pub fn has_cookie(&self, name: &str) -> bool {
        self.headers()
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| Cookie::split_parse(value).flatten().any(|cookie| cookie.name() == name))
    }

    /// This page's own path and query, to come back to.
    pub fn here(&self) -> NextPath {
        NextPath::or_dashboard(self.uri.path_and_query().map(|path| path.as_str()))
    }

    /// Names this request in the log.
    pub fn reference(&self) -> String {
        telemetry::request_id(self.headers()).unwrap_or_default()
    }
}

/// What the gate lets a page do.
pub enum Admission {
    /// Show the page. The transaction is open for a verified caller.
    Show(Box<(Checked, Judged)>),
    /// Answer this instead.
    Instead(Page),
}

/// Checks the session, asks the gate, and turns every verdict but "show" into its answer.
pub async fn admit(app: &AppState, visit: &Visit, place: Place) -> Admission {
    let checked = check(app, &visit.asked).await;
    let mut judged = judge(app, &checked).await;
    if place == Place::Onboarding
        && judged.verdict == Verdict::NeedsOnboarding
        && let Some(transaction) = judged.transaction.take()
    {
        match users::meet(app, transaction).await {
            Ok(true) => judged = judge(app, &checked).await,
            Ok(false) => {}
            // The form needs none of it.
            Err(error) => _ = failures::unavailable(&error),
        }
    }
    let after = visit.next().unwrap_or_else(|| NextPath::or_dashboard(None));
    // A page that is itself a stop on the way hands on where the person wanted to go.
    let back = match place {
        Place::Inside | Place::InsideAnyway => visit.here(),
        Place::Onboarding if matches!(judged.verdict, Verdict::Wait(WaitCause::StaleClaim(_))) => after.clone(),
        Place::Onboarding => visit.here(),
        Place::SignIn | Place::TokenPending => after.clone(),
    };
    let with_next = |path: &str| Admission::Instead(Page::Redirect(format!("{path}?next={}", back.encoded())));
    match at(place, judged.verdict) {
        Answer::Show => Admission::Show(Box::new((checked, judged))),
        Answer::GoOn => Admission::Instead(Page::Redirect(after.as_str().to_owned())),
        Answer::ToOnboarding => Admission::Instead(Page::Redirect("/onboarding".to_owned())),
        Answer::ToSignIn => with_next("/sign-in"),
        Answer::ToTokenPending => with_next("/token-pending"),
        Answer::ToHandshake(_) => {
            visit.asked.notes.note_redirect();
            Admission::Instead(Page::Handshake(checked.reason))
        }
        Answer::ExplainRefusal(_) => {
            let error = checked.error.as_ref();
            Admission::Instead(problems::refusal(visit, error, problems::Diagnosis::of(app.config(), error)))
        }
        Answer::ExplainOutage(outage) => Admission::Instead(problems::outage(visit, outage)),
    }
}
