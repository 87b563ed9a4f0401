//! The Frontend API of a development instance as browsers reach it: over TLS, from pages of another origin.
//!
//! What must stay true: only the Frontend API answers here. The Backend API, the inbox and the control stay on the other
//! listener, out of reach of a page.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::app::App;
use crate::errors::ApiError;
use crate::response::Answer;
use crate::{dispatch, fapi};

/// Longest handshake of TLS.
const GREETING_LIMIT: Duration = Duration::from_secs(5);

/// Connections over TLS. Handshakes go on side by side: a slow one does not block the others.
pub(crate) struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    greeted: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    pub(crate) fn new(tcp: TcpListener, acceptor: TlsAcceptor) -> Self {
        Self { tcp, acceptor, greeted: JoinSet::new() }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                (stream, peer) = Listener::accept(&mut self.tcp) => {
                    let greeting = tokio::time::timeout(GREETING_LIMIT, self.acceptor.accept(stream));
                    self.greeted.spawn(async move { Some((greeting.await.ok()?.ok()?, peer)) });
                }
                Some(done) = self.greeted.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// The routes that pages of other origins may call.
pub(crate) fn router(app: Arc<App>) -> Router {
    dispatch::router(app.clone()).layer(from_fn_with_state(app, across_origins))
}

/// Lets any origin in, as Clerk does: what a page may do here depends on its development browser token.
async fn across_origins(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if !serves(request.uri().path()) {
        let error = ApiError::no_such_endpoint(request.method().as_str(), request.uri().path());
        Answer::error(&app.random, &error).into_response()
    } else if preflight && *request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else {
        return response;
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Clerk-Db-Jwt, Retry-After"));
    if preflight {
        let methods = HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        if let Some(wanted) = wanted {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        }
    }
    response
}

fn serves(path: &str) -> bool {
    let first = path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next());
    path == "/.well-known/jwks.json" || first.is_some_and(|first| fapi::serves(&[first.to_owned()]))
}

#[cfg(test)]
#[path = "direct_tests.rs"]
mod tests;
