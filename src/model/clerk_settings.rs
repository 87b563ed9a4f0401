//! What the browser needs to start clerk-js. Public, all of it.
//!
//! It stands in attributes of the document's root element, where every island finds it, rather than in the properties of
//! each island.

/// Where clerk-js is, and which instance it talks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClerkSettings {
    pub publishable_key: String,
    /// The suffix of this instance's cookies.
    pub cookie_suffix: String,
    /// The same-origin proxy, as a path. Without one, clerk-js calls the host in the key.
    pub proxy_url: Option<String>,
    /// Address of clerk-js.
    pub clerk_js: String,
    /// Address of Clerk's prebuilt interface. 414 kB: loaded where it is used.
    pub clerk_ui: String,
}

/// The attributes, in the order of the fields.
pub const ATTRIBUTES: [&str; 5] = [
    "data-clerk-publishable-key",
    "data-clerk-cookie-suffix",
    "data-clerk-proxy-url",
    "data-clerk-js",
    "data-clerk-ui",
];

impl ClerkSettings {
    /// The values, in the order of [`ATTRIBUTES`].
    pub fn values(&self) -> [Option<&str>; 5] {
        let proxy_url = self.proxy_url.as_deref();
        [Some(&self.publishable_key), Some(&self.cookie_suffix), proxy_url, Some(&self.clerk_js), Some(&self.clerk_ui)]
    }

    /// Reads the attributes back.
    pub fn read(attribute: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let [publishable_key, cookie_suffix, proxy_url, clerk_js, clerk_ui] = ATTRIBUTES.map(attribute);
        Some(Self {
            publishable_key: publishable_key?,
            cookie_suffix: cookie_suffix?,
            proxy_url,
            clerk_js: clerk_js?,
            clerk_ui: clerk_ui?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_fields_stand_in_the_same_order() {
        for proxy_url in [Some("proxy".into()), None] {
            let settings = ClerkSettings {
                publishable_key: "key".into(),
                cookie_suffix: "suffix".into(),
                proxy_url,
                clerk_js: "js".into(),
                clerk_ui: "ui".into(),
            };
            let values = settings.values();
            let find = |name: &str| values[ATTRIBUTES.iter().position(|known| *known == name)?].map(str::to_owned);
            assert_eq!(ClerkSettings::read(find), Some(settings.clone()));
        }
        assert_eq!(ClerkSettings::read(|_| None), None);
    }
}
