//! What a page gives: a document to show, or where to go instead.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use leptos::prelude::*;

use super::scripts::Script;
use crate::server::http::session::SentToClerk;

/// What a page answers.
#[derive(Clone)]
pub enum Page {
    /// 303 to a path of this site.
    Redirect(String),
    /// 307 to Clerk's handshake, and back here. Holds Clerk's name for the cause.
    Handshake(String),
    Document(Document),
}

impl IntoResponse for Page {
    /// A redirect is complete. The others travel in the response's extensions to `app`, which knows the document's frame
    /// and the request.
    fn into_response(self) -> Response {
        match self {
            Self::Redirect(to) => Redirect::to(&to).into_response(),
            page => {
                let mut response = Response::default();
                if matches!(page, Self::Handshake(_)) {
                    response.extensions_mut().insert(SentToClerk);
                }
                response.extensions_mut().insert(page);
                response
            }
        }
    }
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
