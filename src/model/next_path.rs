//! Where to go afterwards: `next=` targets from outside, limited to paths of this site.
//!
//! What must stay true: a `NextPath` starts with one slash, and no browser can read another origin into it. Browsers
//! drop tabs and newlines and take a backslash for a slash (WHATWG URL, "special schemes"), so all of these are rejected,
//! also when percent-encoded, because they may be decoded a second time.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Longest target, in bytes. Longer ones are not worth a redirect header.
const MAX_BYTES: usize = 1024;

/// What is encoded in a query value: everything but RFC 3986's unreserved characters, and the slash for readability.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A path of this site, with query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextPath(String);

impl NextPath {
    /// The target, or `None` if it could lead to another site.
    pub fn parse(input: &str) -> Option<Self> {
        // An encoded space is harmless; everything else that browsers drop or fold is a control character.
        let suspicious = |text: &str| {
            // In a query a backslash is a backslash, and a space of any script a space.
            let path = text.split(['?', '#']).next().unwrap_or_default();
            !text.starts_with('/')
                || text.starts_with("//")
                || path.chars().any(|c| c == '\\' || (c.is_whitespace() && c != ' '))
                || text.chars().any(char::is_control)
                || path.split('/').any(|part| part == "..")
        };
        if input.len() > MAX_BYTES
            || input.contains(' ')
            || suspicious(input)
            || suspicious(&decode(input))
            || suspicious(&decode(&decode(input)))
        {
            return None;
        }
        Some(Self(input.to_owned()))
    }

    /// The target of a query parameter, or the dashboard.
    pub fn or_dashboard(input: Option<&str>) -> Self {
        input.and_then(Self::parse).unwrap_or_else(|| Self("/dashboard".to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The target as one query value.
    pub fn encoded(&self) -> String {
        utf8_percent_encode(&self.0, QUERY_VALUE).to_string()
    }
}

impl fmt::Display for NextPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Percent-decodes once. Broken sequences stay as they are; broken UTF-8 becomes a control character, and so is rejected.
fn decode(input: &str) -> Cow<'_, str> {
    percent_decode_str(input).decode_utf8().unwrap_or(Cow::Borrowed("\u{0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_site_pass() {
        for path in ["/", "/dashboard", "/dashboard?tab=1#x", "/a/b.c", "/caf%C3%A9", "/a?x=%2Fb", "/a?q=b%20c"] {
            assert_eq!(NextPath::parse(path).expect(path).as_str(), path);
        }
        assert_eq!(NextPath::parse("/a?b=c").expect("valid").encoded(), "/a%3Fb%3Dc");
        assert_eq!(NextPath::parse("/-._~/é%").expect("valid").encoded(), "/-._~/%C3%A9%25");
    }

    #[test]
    fn everything_else_is_rejected() {
        let hostile = [
            "",
            "dashboard",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/%09/evil.example",
            "/%2F%2Fevil.example/../x/..",
            "%2F%2Fevil.example",
            "/%5Cevil.example",
            "/%255Cevil.example",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie:x=1",
            "/a%0d%0aSet-Cookie:x=1",
            "/../x",
            "/%2e%2e/x",
            "/\u{0}",
            "/%00",
            "/%ff",
            " /dashboard",
        ];
        for target in hostile {
            assert_eq!(NextPath::parse(target), None, "{target:?}");
        }
        // A second slash, encoded, would make the target scheme-relative once decoded.
        assert_eq!(NextPath::parse("/%2Fevil.example"), None);
        assert_eq!(NextPath::parse(&format!("/{}", "a".repeat(2000))), None);
        assert_eq!(NextPath::or_dashboard(Some("//evil")).as_str(), "/dashboard");
    }

    /// After the first question mark no browser looks for a host, however often it is decoded.
    #[test]
    fn a_query_holds_what_users_type() {
        for typed in [
            "a\\b",
            "//evil.example",
            "\\\\evil.example",
            "../up",
            "株式会社\u{3000}山田",
            "a\u{a0}b",
            "?#",
            "100% %5C",
        ] {
            let typed: String = typed.bytes().map(|byte| format!("%{byte:02X}")).collect();
            assert!(NextPath::parse(&format!("/settings?name={typed}")).is_some(), "{typed}");
        }
        for typed in ["%0D%0A", "%09", "%00", "%7F", "%250A", "%FF", " "] {
            assert_eq!(NextPath::parse(&format!("/settings?name={typed}")), None, "{typed}");
        }
        // A question mark that appears by decoding only hides nothing that is read before.
        for target in ["/\\%3Fx", "/%5C%3Fx", "/%2F%3Fx", "%3F/\\evil.example", "?//evil.example", "#/x"] {
            assert_eq!(NextPath::parse(target), None, "{target}");
        }
    }
}
