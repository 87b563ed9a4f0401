//! The small scripts of pages (`src/scripts/`): plain JavaScript, inline with the nonce, without WebAssembly.
//!
//! What must stay true: a page works without its script as far as it can; a script decides nothing that the server or
//! `model` decides.

use std::sync::LazyLock;

use leptos::prelude::*;

/// A script of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Starts clerk-js for the others, and for islands.
    Clerk,
    /// The account menu.
    Menu,
    /// Clerk's sign-in or sign-up form.
    SignIn,
    /// Keeps checking on the screen that names the cause.
    Recheck,
    /// Looks whether an outage is over.
    Retry,
    /// Times in the browser's own zone.
    Times,
    /// Watches over the page's WebAssembly.
    Wake,
}

impl Script {
    /// The code, without comments and indentation.
    pub fn code(self) -> &'static str {
        macro_rules! script {
            ($file:literal) => {{
                static CODE: LazyLock<String> = LazyLock::new(|| stripped(include_str!(concat!("../scripts/", $file))));
                &CODE
            }};
        }
        match self {
            Self::Clerk => script!("clerk.js"),
            Self::Menu => script!("menu.js"),
            Self::SignIn => script!("sign-in.js"),
            Self::Recheck => script!("recheck.js"),
            Self::Retry => script!("retry.js"),
            Self::Times => script!("times.js"),
            Self::Wake => script!("wake.js"),
        }
    }
}

/// Lines that are comments go, and what every line begins with. What else a minifier does, compression does nearly as well.
fn stripped(source: &str) -> String {
    source.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The scripts as elements.
#[component]
pub fn Scripts(scripts: &'static [Script], nonce: String) -> impl IntoView {
    scripts.iter().map(|script| view! { <script nonce=nonce.clone() inner_html=script.code()></script> }).collect_view()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Script; 7] =
        [Script::Clerk, Script::Menu, Script::SignIn, Script::Recheck, Script::Retry, Script::Times, Script::Wake];

    #[test]
    fn no_script_ends_its_element_or_keeps_a_comment() {
        for script in ALL {
            let code = script.code();
            assert!(!code.contains("</") && !code.contains("<!--"), "{script:?}");
            assert!(!code.lines().any(|line| line.starts_with("//") || line.starts_with(' ')), "{script:?}");
        }
    }

    /// In bytes, as it stands in the document before compression.
    #[test]
    fn the_account_menu_is_small() {
        let element = "<script nonce=\"0123456789012345678901\"></script>";
        assert!(Script::Menu.code().len() + element.len() <= 2_048, "{}", Script::Menu.code().len());
    }

    #[test]
    fn a_comment_at_the_end_of_a_line_stays() {
        assert_eq!(stripped("// a\n  go('http://x'); // b\n"), "go('http://x'); // b");
    }
}
