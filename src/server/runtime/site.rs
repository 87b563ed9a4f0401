//! What the browser loads: our own hashed files, and Clerk's scripts, all from our own origin.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use leptos::config::LeptosOptions;
use serde::Deserialize;

use crate::server::clerk::PROXY_PREFIX;
use crate::server::runtime::config::ClerkConfig;

/// Where pages find their files.
#[derive(Clone, Debug)]
pub struct Site {
    pub root: PathBuf,
    pub stylesheet: String,
    pub leptos: LeptosOptions,
    /// What a page's scripts need to start clerk-js.
    pub clerk: ClerkSettings,
    /// The Frontend API's own origin, if the browser calls it directly.
    pub direct_origin: Option<String>,
    /// Whether pages load themselves again after a build (`make watch`).
    pub reloads: bool,
    scripts: ClerkScripts,
}

/// Written by the setup step beside Clerk's files.
#[derive(Clone, Debug, Deserialize)]
struct ClerkScripts {
    clerk_js: String,
    clerk_ui: String,
}

/// Why the site is not there.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("{path}: {source}. Build the app first: make build")]
    Missing { path: PathBuf, source: std::io::Error },
    #[error("{path} cannot be read: {source}. Run: make setup")]
    Unreadable { path: PathBuf, source: serde_json::Error },
}

impl Site {
    /// Looks for the built site in `root`, and for `hash.txt` beside the binary.
    pub fn load(root: &Path, executable: &Path) -> Result<Self, SiteError> {
        let manifest = root.join("clerk/manifest.json");
        let text = std::fs::read(&manifest).map_err(|source| SiteError::Missing { path: manifest.clone(), source })?;
        let scripts =
            serde_json::from_slice(&text).map_err(|source| SiteError::Unreadable { path: manifest, source })?;
        let hashes: HashMap<String, String> = executable
            .parent()
            .and_then(|folder| std::fs::read_to_string(folder.join("hash.txt")).ok())
            .map(|text| {
                text.lines()
                    .filter_map(|line| line.split_once(':'))
                    .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
                    .collect()
            })
            .unwrap_or_default();
        let stylesheet = match hashes.get("css") {
            Some(hash) => format!("/pkg/vestibule.{hash}.css"),
            None => "/pkg/vestibule.css".to_owned(),
        };
        let leptos = options(root, !hashes.is_empty());
        let (clerk, direct_origin, reloads) = (ClerkSettings::default(), None, false);
        Ok(Self { root: root.to_owned(), stylesheet, leptos, clerk, direct_origin, reloads, scripts })
    }

    /// A site without files, for tests of everything else.
    pub fn empty() -> Self {
        Self {
            root: PathBuf::from("target/site"),
            stylesheet: "/pkg/vestibule.css".to_owned(),
            leptos: options(Path::new("target/site"), false),
            clerk: ClerkSettings::default(),
            direct_origin: None,
            reloads: false,
            scripts: ClerkScripts {
                clerk_js: "/clerk/clerk.browser.js".to_owned(),
                clerk_ui: "/clerk/ui.browser.js".to_owned(),
            },
        }
    }

    /// The same site for one Clerk instance.
    pub fn with_clerk(self, clerk: &ClerkConfig) -> Self {
        let settings = ClerkSettings {
            publishable_key: clerk.publishable_key.clone(),
            cookie_suffix: clerk.cookie_suffix.clone(),
            proxy_url: clerk.frontend_api_url.as_ref().map(|_| PROXY_PREFIX.to_owned()),
            clerk_js: self.scripts.clerk_js.clone(),
            clerk_ui: self.scripts.clerk_ui.clone(),
        };
        Self { clerk: settings, direct_origin: clerk.direct_origin(), ..self }
    }

    /// The same site, whose pages load themselves again after a build if `reloads`.
    pub fn reloading(self, reloads: bool) -> Self {
        Self { reloads, ..self }
    }
}

/// What a page's scripts need to start clerk-js, as attributes of its root element. Public, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

fn options(root: &Path, hash_files: bool) -> LeptosOptions {
    LeptosOptions::builder()
        .output_name("vestibule")
        .site_root(root.display().to_string())
        .hash_files(hash_files)
        .build()
}
