//! Headers every answer carries, and the refusal of writes that come from other sites.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::model::failure::{Failure, FailureCode};
use crate::server::origin::PublicOrigin;

/// Clerk's code card renders two style elements into its own part of the page. The first hash is the empty string's (its
/// libraries fill empty elements through CSSOM), the second that of the caret's keyframes. Check on every upgrade of the
/// interface: a wrong one shows as a violation in the browser tests.
const CLERK_STYLES: &str =
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-KQDhUccuEkZUQDnfbVDeY+ev2LZ+73AQR7ro4JppAY8='";

/// What a page may run, with the nonce of its inline scripts.
#[derive(Clone, Copy, Debug)]
pub enum PageCode<'a> {
    None,
    /// Inline scripts, and clerk-js.
    Scripts(&'a str),
    /// The same, and WebAssembly.
    Wasm(&'a str),
}

/// The policy of a page. `clerk` is the Frontend API's origin where the browser calls it directly.
pub fn page_policy(code: PageCode<'_>, clerk: Option<&str>) -> String {
    let clerk = clerk.map_or_else(String::new, |origin| format!(" {origin}"));
    let scripts = match code {
        PageCode::None => String::new(),
        PageCode::Scripts(nonce) => format!("script-src 'self' 'nonce-{nonce}'; "),
        PageCode::Wasm(nonce) => format!("script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; "),
    };
    let calls = match code {
        PageCode::None => String::new(),
        PageCode::Scripts(_) | PageCode::Wasm(_) => format!("connect-src 'self'{clerk}; worker-src blob:; "),
    };
    // A form's answer may lead to a page, and that page to Clerk for a new token: browsers hold `form-action` against each
    // step of the way.
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'self'{clerk}; frame-ancestors 'none'; {scripts}{calls}\
         img-src 'self' data:; style-src 'self' {CLERK_STYLES}"
    )
}

/// The policy of everything that is not a page.
const OTHER_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the headers, unless an answer has its own.
pub async fn headers(State(origin): State<PublicOrigin>, request: Request, next: Next) -> Response {
    let is_file = ["/pkg/", "/clerk/", "/favicon"].iter().any(|prefix| request.uri().path().starts_with(prefix));
    let mut response = next.run(request).await;
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, OTHER_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if !is_file {
        // A page shows who is signed in: the back button after a sign-out must not bring it back.
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    if origin.is_https() {
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert(HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
    response
}

/// Refuses a write that another site made the browser send.
///
/// Browsers say where a request comes from (`Sec-Fetch-Site`, else `Origin`). A client that says neither is not a
/// browser: it may write with a Bearer token, but not with cookies.
pub async fn same_site_writes(State(origin): State<PublicOrigin>, request: Request, next: Next) -> Response {
    if is_write(request.method()) && !is_same_site(request.headers(), origin.as_str()) {
        tracing::warn!(http.path = request.uri().path(), "rejected a write from another site");
        return Failure::new(
            FailureCode::CrossSite,
            "This request came from another site, so it was refused. Nothing was changed. Open the page itself and try again.",
        )
        .into_response();
    }
    next.run(request).await
}

fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_same_site(headers: &HeaderMap, public_origin: &str) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    match (text(HeaderName::from_static("sec-fetch-site")), text(header::ORIGIN)) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin == public_origin,
        (None, None) => !headers.contains_key(header::COOKIE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_reach_clerk_only_where_it_must() {
        for code in [PageCode::None, PageCode::Scripts("abc"), PageCode::Wasm("abc")] {
            let proxied = page_policy(code, None);
            assert!(!proxied.contains("http"), "{proxied}");
            assert_eq!(proxied.contains("wasm-unsafe-eval"), matches!(code, PageCode::Wasm(_)));
            let direct = page_policy(code, Some("https://clerk.example.test"));
            let opened: Vec<_> =
                direct.split("; ").filter(|part| !proxied.split("; ").any(|same| same == *part)).collect();
            let (forms, calls) =
                ("form-action 'self' https://clerk.example.test", "connect-src 'self' https://clerk.example.test");
            assert_eq!(opened, if matches!(code, PageCode::None) { vec![forms] } else { vec![forms, calls] });
        }
    }

    #[test]
    fn where_a_write_may_come_from() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            is_same_site(&headers, "https://app.example.com")
        };
        assert!(check(&[("sec-fetch-site", "same-origin"), ("cookie", "a=1")]));
        assert!(check(&[("origin", "https://app.example.com"), ("cookie", "a=1")]));
        assert!(check(&[("authorization", "Bearer x")]));
        assert!(!check(&[("cookie", "a=1")]));
        assert!(!check(&[("sec-fetch-site", "cross-site")]));
        assert!(!check(&[("sec-fetch-site", "same-site"), ("origin", "https://app.example.com")]));
        assert!(!check(&[("origin", "https://app.example.com.evil.example")]));
        assert!(!check(&[("origin", "null")]));
    }
}
