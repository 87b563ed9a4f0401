//! What the server sends as it is: our own files and Clerk's.
//!
//! `.ci/compress.mjs` has left compressed forms beside the larger ones, and no file is compressed here. What must stay
//! true: compressed forms are looked for only where a name, or its folder's, changes with the content. There, one that
//! an earlier build has left cannot be wrong.

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_header::SetResponseHeaderLayer;

/// The files below `root`, at their addresses.
pub fn router<S: Clone + Send + Sync + 'static>(root: &Path) -> Router<S> {
    // Ours carry hashes, and the folders of Clerk's their versions: both may be kept for ever.
    let for_ever = |response: &Response<_>| {
        response.status().is_success().then_some(HeaderValue::from_static("public, max-age=31536000, immutable"))
    };
    let folder = |name: &str| {
        let plain = ServeDir::new(root.join(name));
        ServiceBuilder::new()
            .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, for_ever))
            .layer(SetResponseHeaderLayer::overriding(header::VARY, HeaderValue::from_static("accept-encoding")))
            .layer(from_fn_with_state(plain.clone(), only_what_is_there))
            // No zstd: `ServeDir` prefers it to brotli, which is smaller. Of 371,395 bytes of WASM, brotli leaves
            // 110,338 and zstd at its highest level 117,044. Browsers that take zstd take brotli.
            .service(plain.precompressed_br().precompressed_gzip())
    };
    Router::new()
        .nest_service("/pkg", folder("pkg"))
        .nest_service("/clerk", folder("clerk"))
        // Its name never changes, and its 500 bytes need no compression.
        .route_service("/favicon.svg", ServeFile::new(root.join("favicon.svg")))
}

/// `ServeDir` would give a compressed form whose file is gone to those who take it, and 404 to the others.
async fn only_what_is_there(State(plain): State<ServeDir>, request: Request, next: Next) -> Response {
    let mut question = Request::new(Body::empty());
    *question.method_mut() = Method::HEAD;
    *question.uri_mut() = request.uri().clone();
    match plain.oneshot(question).await {
        Ok(answer) if answer.status() == StatusCode::NOT_FOUND => answer.into_response(),
        _ => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASM: &str = "/pkg/app.abc.wasm";

    /// What compressed forms hold is not looked at.
    fn site() -> tempfile::TempDir {
        let site = tempfile::tempdir().expect("a folder");
        for (name, content) in [
            ("pkg/app.abc.wasm", "the whole of it"),
            ("pkg/app.abc.wasm.br", "by brotli"),
            ("pkg/app.abc.wasm.gz", "by gzip"),
            ("pkg/app.abc.wasm.zst", "by zstd"),
            ("pkg/small.abc.js", "a small one"),
            ("pkg/gone.abc.js.br", "without its file"),
            ("clerk/clerk-js@1.2.3/entry.js", "Clerk's"),
            ("clerk/clerk-js@1.2.3/entry.js.br", "Clerk's by brotli"),
            ("favicon.svg", "a picture"),
            ("favicon.svg.br", "an older picture"),
        ] {
            let path = site.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        site
    }

    struct Answer {
        response: Response<()>,
        body: String,
    }

    impl Answer {
        fn header(&self, name: &str) -> &str {
            self.response.headers().get(name).map_or("", |value| value.to_str().expect("a text"))
        }

        /// Status, content encoding, length, body.
        fn summary(&self) -> (u16, &str, &str, &str) {
            (
                self.response.status().as_u16(),
                self.header("content-encoding"),
                self.header("content-length"),
                &self.body,
            )
        }
    }

    async fn ask(site: &tempfile::TempDir, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let (parts, body) = router::<()>(site.path()).oneshot(request).await.expect("infallible").into_parts();
        let body = axum::body::to_bytes(body, 1_000).await.expect("a body");
        Answer { response: Response::from_parts(parts, ()), body: String::from_utf8(body.to_vec()).expect("a text") }
    }

    async fn get(site: &tempfile::TempDir, path: &str, accepted: &str) -> Answer {
        ask(site, "GET", path, &[("accept-encoding", accepted)]).await
    }

    #[tokio::test]
    async fn the_smallest_form_that_is_accepted() {
        let site = site();
        let (br, gzip, plain) =
            ((200, "br", "9", "by brotli"), (200, "gzip", "7", "by gzip"), (200, "", "15", "the whole of it"));
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", br),
            ("br", br),
            ("gzip", gzip),
            ("gzip, deflate", gzip),
            ("br;q=0, gzip", gzip),
            ("zstd, deflate", plain),
            ("identity", plain),
            ("", plain),
        ] {
            let answer = get(&site, WASM, accepted).await;
            assert_eq!(answer.summary(), expected, "{accepted}");
            let said = ["content-type", "vary", "cache-control"].map(|name| answer.header(name));
            assert_eq!(
                said,
                ["application/wasm", "accept-encoding", "public, max-age=31536000, immutable"],
                "{accepted}"
            );
        }
        let answer = ask(&site, "GET", WASM, &[]).await;
        assert_eq!((answer.summary(), answer.header("vary")), (plain, "accept-encoding"));
        let answer = ask(&site, "HEAD", WASM, &[("accept-encoding", "br")]).await;
        assert_eq!((answer.summary(), answer.header("vary")), ((200, "br", "9", ""), "accept-encoding"));
        let answer = get(&site, "/clerk/clerk-js@1.2.3/entry.js", "br").await;
        assert_eq!(answer.summary(), (200, "br", "17", "Clerk's by brotli"));
        assert_eq!(answer.header("content-type"), "text/javascript");
    }

    #[tokio::test]
    async fn a_file_without_compressed_form_arrives_as_it_is() {
        let site = site();
        let answer = get(&site, "/pkg/small.abc.js", "gzip, br").await;
        assert_eq!((answer.summary(), answer.header("vary")), ((200, "", "11", "a small one"), "accept-encoding"));
    }

    #[tokio::test]
    async fn a_compressed_form_without_its_file_is_not_there() {
        let site = site();
        for (method, accepted) in [("GET", "br"), ("GET", "gzip"), ("GET", "identity"), ("HEAD", "br")] {
            let answer = ask(&site, method, "/pkg/gone.abc.js", &[("accept-encoding", accepted)]).await;
            assert_eq!((answer.response.status(), answer.body.as_str()), (StatusCode::NOT_FOUND, ""), "{accepted}");
            assert_eq!(answer.header("cache-control"), "", "a later build may bring it");
        }
    }

    #[tokio::test]
    async fn the_picture_whose_name_stays_is_never_an_older_one() {
        let site = site();
        let answer = get(&site, "/favicon.svg", "gzip, br").await;
        assert_eq!(answer.summary(), (200, "", "9", "a picture"));
        assert_eq!(answer.header("content-type"), "image/svg+xml");
    }

    #[tokio::test]
    async fn ranges_are_of_the_form_that_is_sent() {
        let site = site();
        for (accepted, encoding, of, part) in
            [("br", "br", "bytes 3-5/9", "bro"), ("identity", "", "bytes 3-5/15", " wh")]
        {
            let answer = ask(&site, "GET", WASM, &[("accept-encoding", accepted), ("range", "bytes=3-5")]).await;
            assert_eq!((answer.summary(), answer.header("content-range")), ((206, encoding, "3", part), of));
        }
    }

    #[tokio::test]
    async fn a_browser_that_has_it_is_told_so_and_nothing_can_be_written() {
        let site = site();
        let last_modified = get(&site, WASM, "br").await.header("last-modified").to_owned();
        let headers = [("accept-encoding", "br"), ("if-modified-since", last_modified.as_str())];
        let answer = ask(&site, "GET", WASM, &headers).await;
        assert_eq!((answer.response.status(), answer.header("vary")), (StatusCode::NOT_MODIFIED, "accept-encoding"));
        assert_eq!(ask(&site, "POST", WASM, &[]).await.response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
