//! Where to go afterwards: `next=` targets from outside, reduced to paths of this site.
//!
//! What must stay true: a `NextPath` starts with one slash, and no browser can read another origin into it. Browsers
//! drop tabs and newlines and take a backslash for a slash (WHATWG URL, "special schemes"), so all of these are refused,
//! also when percent-encoded, because a second decoding may follow.

use std::fmt;

/// Longest target, in bytes. Longer ones are not worth a redirect header.
const MAX_BYTES: usize = 1024;

/// A path of this site, with query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextPath(String);

impl NextPath {
    /// The target, or `None` if it could lead anywhere else.
    pub fn parse(input: &str) -> Option<Self> {
        // A space is harmless once it was encoded; anything else that browsers drop or fold is a control character.
        let suspicious = |text: &str| {
            !text.starts_with('/')
                || text.starts_with("//")
                || text.chars().any(|c| c == '\\' || c.is_control() || (c.is_whitespace() && c != ' '))
                || text.split(['?', '#']).next().is_some_and(|path| path.split('/').any(|part| part == ".."))
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
        let mut out = String::with_capacity(self.0.len() + 8);
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    }
}

impl fmt::Display for NextPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Percent-decodes once; broken sequences stay as they are, broken UTF-8 becomes a control character and is refused.
fn decode(input: &str) -> String {
    let bytes = input.as_bytes();
    let hex = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (bytes.get(at + 1).copied().and_then(hex), bytes.get(at + 2).copied().and_then(hex));
        if let (b'%', (Some(high), Some(low))) = (bytes[at], pair) {
            out.push(high * 16 + low);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| "\u{0}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_site_pass() {
        for good in ["/", "/dashboard", "/dashboard?tab=1#x", "/a/b.c", "/caf%C3%A9", "/a?x=%2Fb", "/a?q=b%20c"] {
            assert_eq!(NextPath::parse(good).expect(good).as_str(), good);
        }
        assert_eq!(NextPath::parse("/a?b=c").expect("valid").encoded(), "/a%3Fb%3Dc");
    }

    #[test]
    fn everything_else_is_refused() {
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
        // An encoded slash right behind the first one would be scheme-relative after decoding.
        assert_eq!(NextPath::parse("/%2Fevil.example"), None);
        assert_eq!(NextPath::parse(&format!("/{}", "a".repeat(2000))), None);
        assert_eq!(NextPath::or_dashboard(Some("//evil")).as_str(), "/dashboard");
    }
}
