//! Who is calling, and where the gate lets them go: from a request's headers to evidence, and from evidence to a verdict
//! with an open transaction.
//!
//! Uses `session` (what proves a token) and `tenancy` (what the database knows); pages and calls use this, and nothing
//! below it.

mod context;
mod state;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::HeaderMap;

pub use context::{AuthContext, Renewal, is_document};
pub use state::AuthState;

use crate::model::claims::ActiveOrganizationClaim;
use crate::model::failure::Failure;
use crate::model::gate::{
    Denial, Evidence, HandshakeEvidence, MAX_HANDSHAKES, MembershipEvidence, SessionEvidence, Verdict, decide, for_call,
};
use crate::model::onboarding::SessionStatus;
use crate::server::clock::Clock;
use crate::server::failures;
use crate::server::session::cookies::{self, ClerkCookies};
use crate::server::session::instance::ClerkInstance;
use crate::server::session::verify::claim_evidence;
use crate::server::session::{SessionClaims, SessionToken, TokenError, Verifier, issuer};
use crate::server::tenancy::{Tenancy, TenantTransaction};

/// Authenticates and authorizes requests. Cheap to clone.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    instance: ClerkInstance,
    verifier: Verifier,
    tenancy: Tenancy,
    clock: Clock,
    /// Whether the exact cause of every request without a session is logged.
    debug_log: bool,
    /// Whether pages may show a developer what is misconfigured.
    shows_diagnoses: bool,
    template_noted: AtomicBool,
}

/// What the headers of a request say about who is calling.
#[derive(Clone, Debug)]
pub struct Authentication {
    pub evidence: SessionEvidence,
    pub handshake: HandshakeEvidence,
    /// There if, and only if, the evidence is `Verified`.
    pub claims: Option<SessionClaims>,
    pub error: Option<TokenError>,
    /// Clerk's name for the cause, when there are no claims.
    pub reason: String,
}

impl Authentication {
    /// What a call is answered that `denial` keeps out.
    pub fn failure(&self, denial: Denial) -> Failure {
        let cause = self.error.as_ref().map(ToString::to_string).unwrap_or_default();
        Failure::denied(denial, &cause)
    }
}

/// A verdict, with the open transaction of a verified caller, so that their own queries need no second connection.
pub struct Authorization {
    pub verdict: Verdict,
    pub transaction: Option<TenantTransaction>,
}

/// A user whom the gate lets call, with the open transaction in which the database was asked about them.
pub struct Caller {
    pub claims: SessionClaims,
    pub verdict: Verdict,
    pub transaction: TenantTransaction,
}

impl Caller {
    /// How the gate sees the caller, and whether Clerk has been notified of everything about them.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn status(mut self) -> Result<SessionStatus, Failure> {
        let asked = async {
            let delivery = self.transaction.delivery().await?;
            self.transaction.commit().await?;
            Ok::<_, sqlx::Error>(delivery)
        };
        let delivery = asked.await.map_err(|error| failures::unavailable(&error))?;
        Ok(SessionStatus::of(self.verdict, delivery))
    }
}

enum Unverified {
    Cookies(SessionEvidence),
    Token(TokenError),
}

impl Sessions {
    pub fn new(
        instance: ClerkInstance,
        verifier: Verifier,
        tenancy: Tenancy,
        clock: Clock,
        debug_log: bool,
        shows_diagnoses: bool,
    ) -> Self {
        let template_noted = AtomicBool::new(false);
        Self(Arc::new(Inner { instance, verifier, tenancy, clock, debug_log, shows_diagnoses, template_noted }))
    }

    /// The Clerk instance whose sessions these are.
    pub fn instance(&self) -> &ClerkInstance {
        &self.0.instance
    }

    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    /// Seconds since the Unix epoch, by the server's clock.
    pub fn now(&self) -> i64 {
        self.0.clock.now().unix_timestamp()
    }

    /// Whether pages may show a developer what is misconfigured.
    pub fn shows_diagnoses(&self) -> bool {
        self.0.shows_diagnoses
    }

    /// Reads the cookies of a request for this instance.
    pub fn read_cookies(&self, headers: &HeaderMap) -> ClerkCookies {
        cookies::read(headers, self.instance().for_cookies(), self.now())
    }

    /// Looks at the `Authorization` header first, then at the cookies, as Clerk does.
    pub async fn authenticate(&self, context: &AuthContext) -> Authentication {
        let cookies = self.read_cookies(&context.headers);
        let handshake = if !context.document {
            HandshakeEvidence::NotEligible
        } else if context.renewal.exhausted || cookies.handshakes >= MAX_HANDSHAKES {
            HandshakeEvidence::Exhausted
        } else {
            HandshakeEvidence::Possible
        };
        let verified = match SessionToken::from_authorization(&context.headers) {
            Some(token) => self.verifier().verify(&token).await.map_err(Unverified::Token),
            None => self.verify_cookies(context, &cookies, handshake).await,
        };
        let authentication = match verified {
            Ok(claims) => Authentication {
                evidence: SessionEvidence::Verified(claim_evidence(claims.active_organization())),
                handshake,
                claims: Some(claims),
                error: None,
                reason: String::new(),
            },
            Err(Unverified::Cookies(evidence)) => {
                let reason = state::reason_of(evidence, context.renewal.heard).to_owned();
                Authentication { evidence, handshake, claims: None, error: None, reason }
            }
            Err(Unverified::Token(error)) => Authentication {
                evidence: error.evidence(),
                handshake,
                claims: None,
                reason: error.auth_reason(&context.refresh_failure(&cookies)),
                error: Some(error),
            },
        };
        self.log(&authentication);
        authentication
    }

    async fn verify_cookies(
        &self,
        context: &AuthContext,
        cookies: &ClerkCookies,
        handshake: HandshakeEvidence,
    ) -> Result<SessionClaims, Unverified> {
        let evidence = |evidence| Err(Unverified::Cookies(evidence));
        // Elsewhere a valid token is enough without it: only a document can fetch one.
        if self.instance().development && handshake == HandshakeEvidence::Possible {
            if context.browser_in_address {
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
        let issued_at = token.unverified_number("iat");
        if token.is_unverified_session_token() && issued_at.is_some_and(|at| at < cookies.client_uat) {
            return evidence(SessionEvidence::OlderThanClientUat);
        }
        self.verifier().verify(token).await.map_err(Unverified::Token)
    }

    /// Asks the database what it knows about a verified caller, and decides.
    pub async fn authorize(&self, authentication: &Authentication) -> Authorization {
        let (session, handshake) = (authentication.evidence, authentication.handshake);
        let decided = |membership| decide(&Evidence { session, handshake, membership });
        let Some(claims) = &authentication.claims else {
            return Authorization { verdict: decided(MembershipEvidence::None), transaction: None };
        };
        let asked = async {
            let mut transaction = self.0.tenancy.begin(claims).await?;
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
            self.note_missing_template();
        }
        Authorization { verdict: decided(membership), transaction }
    }

    /// The caller of a server function or an API route: by the same verdict as pages.
    ///
    /// # Errors
    /// Why the gate keeps them out.
    pub async fn caller(&self, authentication: &Authentication) -> Result<Caller, Denial> {
        let Authorization { verdict, transaction } = self.authorize(authentication).await;
        for_call(verdict)?;
        match (authentication.claims.clone(), transaction) {
            (Some(claims), Some(transaction)) => Ok(Caller { claims, verdict, transaction }),
            _ => Err(Denial::SignedOut),
        }
    }

    /// Logs once that tokens come without our claims template.
    fn note_missing_template(&self) {
        if !self.0.template_noted.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "session tokens carry no activeOrgId: the claims template is not installed, so every request asks the database. \
                 Paste src/model/claims_template.json into Clerk's dashboard, Sessions, Customize session token"
            );
        }
    }

    /// One line per cause. A wrong issuer is worth an error whatever the setting: no user gets in.
    fn log(&self, authentication: &Authentication) {
        if let Some(TokenError::Issuer { found }) = &authentication.error {
            let expected = self.instance().issuer.as_str();
            tracing::error!(
                auth.issuer.expected = %expected,
                auth.issuer.found = %found,
                "{}", issuer::advice(expected, found)
            );
        }
        if authentication.claims.is_none() && self.0.debug_log {
            tracing::info!(auth.code = %authentication.reason, "auth.session_null");
        }
    }
}
