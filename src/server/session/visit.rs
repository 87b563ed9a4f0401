//! One request's session: from its headers to evidence for the gate.

use axum::http::HeaderMap;

use super::cookies;
use super::token::SessionToken;
use super::verify::{SessionClaims, TokenError, claim_evidence};
use crate::model::claims::ActiveOrganizationClaim;
use crate::model::gate::{Evidence, MembershipEvidence, SessionEvidence, Verdict, decide};
use crate::server::failures;
use crate::server::state::AppState;
use crate::server::tenancy::TenantTransaction;

/// What the headers of a request say about who is calling.
#[derive(Clone, Debug)]
pub struct Checked {
    pub evidence: SessionEvidence,
    /// There if, and only if, the evidence is `Verified`.
    pub claims: Option<SessionClaims>,
    pub error: Option<TokenError>,
}

/// Looks at the `Authorization` header first, then at the cookies, as Clerk does.
pub async fn check(app: &AppState, headers: &HeaderMap) -> Checked {
    let config = app.config();
    let now = app.clock().now().unix_timestamp();
    let (token, signed_in_before) = match SessionToken::from_authorization(headers) {
        Some(token) => (Some(token), false),
        None => {
            let production = config.clerk.publishable_key.starts_with("pk_live_");
            let cookies = cookies::read(headers, &config.clerk.cookie_suffix, &config.frontend_api(), production, now);
            (cookies.session, cookies.client_uat > 0)
        }
    };
    let checked = match token {
        None => {
            let evidence = if signed_in_before { SessionEvidence::NotReady } else { SessionEvidence::Missing };
            Checked { evidence, claims: None, error: None }
        }
        Some(token) => match app.verifier().verify(&token).await {
            Ok(claims) => Checked {
                evidence: SessionEvidence::Verified(claim_evidence(claims.active_organization())),
                claims: Some(claims),
                error: None,
            },
            Err(error) => Checked { evidence: error.evidence(), claims: None, error: Some(error) },
        },
    };
    log(app, &checked);
    checked
}

/// A verdict, with the open transaction of a verified caller, so that a page's own queries need no second connection.
pub struct Judged {
    pub verdict: Verdict,
    pub transaction: Option<TenantTransaction>,
}

/// Asks the database what it knows about a verified caller, and decides.
pub async fn judge(app: &AppState, checked: &Checked) -> Judged {
    let Some(claims) = &checked.claims else {
        let evidence = Evidence { session: checked.evidence, membership: MembershipEvidence::None };
        return Judged { verdict: decide(&evidence), transaction: None };
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
    Judged { verdict: decide(&Evidence { session: checked.evidence, membership }), transaction }
}

/// One line per cause (mission B9). A wrong issuer is worth an error whatever the setting: nobody gets in (B8).
fn log(app: &AppState, checked: &Checked) {
    if let Some(TokenError::Issuer { found }) = &checked.error {
        tracing::error!(
            auth.issuer.expected = %app.config().clerk.issuer,
            auth.issuer.found = %found,
            "the token's issuer is not the configured one: set CLERK_ISSUER to the value found if it is your Clerk domain"
        );
    }
    if checked.claims.is_none() && app.config().auth_debug_log {
        let code = match (&checked.error, checked.evidence) {
            (Some(error), _) => error.to_string(),
            (None, SessionEvidence::NotReady) => "client-uat-but-no-session-token".to_owned(),
            (None, _) => "session-token-and-uat-missing".to_owned(),
        };
        tracing::info!(auth.code = %code, "auth.session_null");
    }
}
