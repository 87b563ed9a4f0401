//! The public origin: what the browser's address bar shows.

use std::sync::Arc;

/// Scheme, host and port, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicOrigin(Arc<str>);

impl PublicOrigin {
    pub fn new(origin: &str) -> Self {
        Self(origin.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// Host, and the port if there is one.
    pub fn host(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, host)| host)
    }

    /// Whether cookies may be sent over https only.
    pub fn is_https(&self) -> bool {
        self.scheme() == "https"
    }
}
