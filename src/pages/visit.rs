//! A request as pages see it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use cookie::Cookie;

use crate::model::next_path::NextPath;
use crate::server::http::failures;

/// The parameter that says that a form was sent with a session that had to be renewed first.
pub const RENEWED: &str = "renewed";
/// Longest text that an address may put into a field, in characters. What fits in neither is rejected when it is sent.
pub const MAX_TYPED: usize = 200;

/// The address and headers of a request for a page.
#[derive(Clone)]
pub struct Visit {
    pub uri: Uri,
    pub headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

impl Visit {
    /// Reads a request.
    pub fn of(parts: &Parts) -> Self {
        Self { uri: parts.uri.clone(), headers: parts.headers.clone() }
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
        self.headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| Cookie::split_parse(value).flatten().any(|cookie| cookie.name() == name))
    }

    /// This page's own path and query, to come back to.
    pub fn here(&self) -> NextPath {
        NextPath::or_dashboard(self.uri.path_and_query().map(|path| path.as_str()))
    }

    /// The same page, asked for with what was typed into its form.
    pub fn with_typed(self, typed: &[(&str, &str)]) -> Self {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(typed).append_pair(RENEWED, "1");
        let path = self.uri.path().to_owned();
        // What is too long for an address is lost, but not the way back.
        let with_query = format!("{path}?{}", query.finish());
        let fits = NextPath::parse(&with_query).and_then(|_| with_query.parse().ok());
        let uri = fits.or_else(|| path.parse().ok()).unwrap_or(self.uri);
        Self { uri, ..self }
    }

    /// What was typed into a field of this page's form before the session had to be renewed.
    pub fn typed(&self, name: &str) -> Option<String> {
        self.query(RENEWED)?;
        Some(self.query(name)?.chars().take(MAX_TYPED).collect())
    }

    /// Names this request in the log.
    pub fn reference(&self) -> String {
        failures::request_id(&self.headers).unwrap_or_default()
    }
}
