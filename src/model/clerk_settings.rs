//! What the browser needs to start clerk-js. Public, all of it.

use serde::{Deserialize, Serialize};

/// Where clerk-js is, and which instance it talks to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClerkSettings {
    pub publishable_key: String,
    /// The suffix of this instance's cookies.
    pub cookie_suffix: String,
    /// The same-origin proxy, as a path.
    pub proxy_url: String,
    /// Address of clerk-js.
    pub clerk_js: String,
    /// Address of Clerk's prebuilt interface. 414 kB: loaded where it is used.
    pub clerk_ui: String,
}
