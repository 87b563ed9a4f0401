//! One request's session: from its headers to evidence for the gate.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use super::cookies::{self, ClerkCookies};
use super::token::SessionToken;
use super::verify::{SessionClaims, TokenError, claim_evidence};
use crate::model::claims::ActiveOrganizationClaim;
use crate::model::gate::{Evidence, HandshakeEvidence, MembershipEvidence, SessionEvidence, Verdict, decide};
use crate::server::failures;
use crate::server::runtime::state::AppState;
use crate::server::tenancy::TenantTransaction;

/// Handshakes that Clerk allows within its counter's two seconds (`backend: handshake.ts`).
const MAX_HANDSHAKES: u32 = 3;

/// What is remembered about one request's session, from its way in to its way out: a part of every request.
#[derive(Clone, Default)]
pub struct AuthNotes(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    /// A handshake's result was applied to this very request: a second one would bring nothing new.
    handshaken: bool,
    /// Clerk's word on who is signed in came with that result.
    heard: bool,
    /// Why the refresh endpoint did not renew the token, in Clerk's words.
    refresh_failure: Option<String>,
    state: Option<AuthState>,
}

/// What the `x-clerk-auth-*` headers say. Clerk sends none for a signed-in request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthState {
    pub status: &'static str,
    /// Clerk's name for the cause.
    pub reason: String,
    pub message: String,
}

impl AuthNotes {
    /// The notes of a request; new ones if nobody has begun any.
    pub fn of(extensions: &axum::http::Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    fn with<T>(&self, change: impl FnOnce(&mut Notes) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Clerk has been asked often enough: this request is judged as it is.
    pub fn note_handshake(&self) {
        self.with(|notes| notes.handshaken = true);
    }

    /// What this request's cookies say now comes from Clerk itself, also if it is nothing.
    pub fn note_heard(&self) {
        self.with(|notes| notes.heard = true);
    }

    pub fn note_refresh_failure(&self, why: &str) {
        self.with(|notes| notes.refresh_failure = Some(why.to_owned()));
    }

    /// The request is about to be sent to Clerk.
    pub fn note_redirect(&self) {
        self.with(|notes| notes.state.iter_mut().for_each(|state| state.status = "handshake"));
    }

    pub fn state(&self) -> Option<AuthState> {
        self.with(|notes| notes.state.clone())
    }
}

/// A request, as far as its session is concerned.
#[derive(Clone)]
pub struct Asked {
    pub headers: HeaderMap,
    pub notes: AuthNotes,
    /// Whether a redirect to Clerk could renew it, before anything is known about its cookies.
    document: bool,
    get: bool,
    /// Whether the address carries a development browser's token.
    browser_in_address: bool,
}

impl Asked {
    /// A call of a program or a script: it is answered, never redirected.
    pub fn call(parts: &Parts) -> Self {
        Self {
            headers: parts.headers.clone(),
            notes: AuthNotes::of(&parts.extensions),
            document: false,
            get: parts.method == Method::GET,
            browser_in_address: false,
        }
    }

    /// A request for a page.
    pub fn page(
        method: &Method,
        uri: &axum::http::Uri,
        headers: &HeaderMap,
        extensions: &axum::http::Extensions,
    ) -> Self {
        Self {
            headers: headers.clone(),
            notes: AuthNotes::of(extensions),
            document: is_document(method, headers),
            get: method == Method::GET,
            browser_in_address: uri.query().is_some_and(|query| {
                form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == cookies::DEVELOPMENT_BROWSER)
            }),
        }
    }
}

/// Whether a browser navigates with this request (`backend: handshake.ts isRequestEligibleForHandshake`).
pub fn is_document(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    method == Method::GET
        && match text("sec-fetch-dest") {
            Some(destination) => matches!(destination, "document" | "iframe"),
            None => text(header::ACCEPT.as_str()).is_some_and(|accept| accept.starts_with("text/html")),
        }
}

/// What the headers of a request say about who is calling.
#[derive(Clone, Debug)]
pub struct Checked {
    pub evidence: SessionEvidence,
    pub handshake: HandshakeEvidence,
    /// There if, and only if, the evidence is `Verified`.
    pub claims: Option<SessionClaims>,
    pub error: Option<TokenError>,
    /// Clerk's name for the cause, when there are no claims.
    pub reason: String,
}

/// Reads the cookies of a request for this app's instance.
pub fn read_cookies(app: &AppState, headers: &HeaderMap) -> ClerkCookies {
    let frontend_api = app.config().frontend_api();
    let clerk = &app.config().clerk;
    let instance = cookies::Instance {
        suffix: &clerk.cookie_suffix,
        frontend_api: &frontend_api,
        development: clerk.is_development(),
    };
    cookies::read(headers, instance, app.clock().now().unix_timestamp())
}

/// Looks at the `Authorization` header first, then at the cookies, as Clerk does.
pub async fn check(app: &AppState, asked: &Asked) -> Checked {
    let cookies = read_cookies(app, &asked.headers);
    let (handshaken, heard, refresh_failure) =
        asked.notes.with(|notes| (notes.handshaken, notes.heard, notes.refresh_failure.clone()));
    let refresh_failure = refresh_failure.unwrap_or_else(|| not_refreshed(asked, &cookies).to_owned());
    let handshake = if !asked.document {
        HandshakeEvidence::NotEligible
    } else if handshaken || cookies.handshakes >= MAX_HANDSHAKES {
        HandshakeEvidence::Exhausted
    } else {
        HandshakeEvidence::Possible
    };
    let verified = match SessionToken::from_authorization(&asked.headers) {
        Some(token) => app.verifier().verify(&token).await.map_err(Unverified::Token),
        None => verify_cookies(app, asked, &cookies, handshake).await,
    };
    let checked = match verified {
        Ok(claims) => Checked {
            evidence: SessionEvidence::Verified(claim_evidence(claims.active_organization())),
            handshake,
            claims: Some(claims),
            error: None,
            reason: String::new(),
        },
        Err(Unverified::Cookies(evidence)) => {
            let reason = match evidence {
                SessionEvidence::Missing if heard => "session-token-missing",
                evidence => reason_of(evidence),
            };
            Checked { evidence, handshake, claims: None, error: None, reason: reason.to_owned() }
        }
        Err(Unverified::Token(error)) => Checked {
            evidence: error.evidence(),
            handshake,
            claims: None,
            reason: error.auth_reason(&refresh_failure),
            error: Some(error),
        },
    };
    log(app, &checked);
    if checked.claims.is_none() {
        let message = checked.error.as_ref().map(|error| error.explanation(&app.config().clerk.issuer));
        let state =
            AuthState { status: "signed-out", reason: checked.reason.clone(), message: message.unwrap_or_default() };
        asked.notes.with(|notes| notes.state = Some(state));
    }
    checked
}

/// What keeps a request from the refresh endpoint, in Clerk's words; empty: nothing but that we ask it for documents only.
fn not_refreshed(asked: &Asked, cookies: &ClerkCookies) -> &'static str {
    match (asked.get, &cookies.refresh) {
        (false, _) => "non-eligible-non-get",
        (true, None) => "non-eligible-no-refresh-cookie",
        (true, Some(_)) => "",
    }
}

enum Unverified {
    Cookies(SessionEvidence),
    Token(TokenError),
}

async fn verify_cookies(
    app: &AppState,
    asked: &Asked,
    cookies: &ClerkCookies,
    handshake: HandshakeEvidence,
) -> Result<SessionClaims, Unverified> {
    let evidence = |evidence| Err(Unverified::Cookies(evidence));
    // Elsewhere a good token is good without it: only a document can fetch one.
    if app.config().clerk.is_development() && handshake == HandshakeEvidence::Possible {
        if asked.browser_in_address {
            return evidence(SessionEvidence::DevelopmentBrowserInAddress);
        }
        if cookies.development_browser.is_none() {
            return evidence(SessionEvidence::DevelopmentBrowserMissing);
        }
    }
    let token = match (&cookies.session, cookies.client_uat > 0) {
        (None, false) => return evidence(SessionEvidence::Missing),
        (None, true) => return evidence(SessionEvidence::NotReady),
        (Some(_), false) => return evidence(SessionEvidence::WithoutClientUat),
        (Some(token), true) => token,
    };
    if token.is_unverified_session_token() && token.unverified_number("iat").is_some_and(|at| at < cookies.client_uat) {
        return evidence(SessionEvidence::OlderThanClientUat);
    }
    app.verifier().verify(token).await.map_err(Unverified::Token)
}

/// Clerk's names for what cookies say (`backend: authStatus.ts AuthErrorReason`).
fn reason_of(evidence: SessionEvidence) -> &'static str {
    match evidence {
        SessionEvidence::NotReady => "client-uat-but-no-session-token",
        SessionEvidence::WithoutClientUat => "session-token-but-no-client-uat",
        SessionEvidence::OlderThanClientUat => "session-token-iat-before-client-uat",
        SessionEvidence::DevelopmentBrowserMissing => "dev-browser-missing",
        SessionEvidence::DevelopmentBrowserInAddress => "dev-browser-sync",
        _ => "session-token-and-uat-missing",
    }
}

/// A verdict, with the open transaction of a verified caller, so that a page's own queries need no second connection.
pub struct Judged {
    pub verdict: Verdict,
    pub transaction: Option<TenantTransaction>,
}

/// Asks the database what it knows about a verified caller, and decides.
pub async fn judge(app: &AppState, checked: &Checked) -> Judged {
    let decided =
        |membership| decide(&Evidence { session: checked.evidence, handshake: checked.handshake, membership });
    let Some(claims) = &checked.claims else {
        return Judged { verdict: decided(MembershipEvidence::None), transaction: None };
    };
    let asked = async {
        let mut transaction = app.tenancy().begin(claims).await?;
        let membership = transaction.membership(claims.active_organization()).await?;
        Ok::<_, sqlx::Error>((transaction, membership))
    };
    let (membership, transaction) = match asked.await {
        Ok((transaction, membership)) => (membership, Some(transaction)),
        Err(error) => {
            failures::unavailable(&error);
            (MembershipEvidence::Unreachable, None)
        }
    };
    if claims.active_organization() == ActiveOrganizationClaim::NoTemplate {
        app.note_missing_template();
    }
    Judged { verdict: decided(membership), transaction }
}

/// One line per cause. A wrong issuer is worth an error whatever the setting: nobody gets in.
fn log(app: &AppState, checked: &Checked) {
    if let Some(TokenError::Issuer { found }) = &checked.error {
        let expected = app.config().clerk.issuer.as_str();
        tracing::error!(
            auth.issuer.expected = %expected,
            auth.issuer.found = %found,
            "{}", super::issuer::advice(expected, found)
        );
    }
    if checked.claims.is_none() && app.config().auth_debug_log {
        tracing::info!(auth.code = %checked.reason, "auth.session_null");
    }
}
