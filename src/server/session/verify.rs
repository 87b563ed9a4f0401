//! Verification: from a raw token to claims, by every rule that is written here.
//!
//! The rules, in order. Clerk's `@clerk/backend` has the same ones but for four differences, marked with `*`, which
//! `end2end/conformance-server.md` shows with all others:
//! 1. three parts, a JSON header and payload;
//! 2. `typ` absent or `JWT`; `alg` exactly RS256 (*Clerk also takes RS384 and RS512, which it never issues);
//! 3. `cat` absent or the session category, and `sub` no machine's: JWT-template and machine tokens are not session tokens
//!    (*Clerk also takes `cl_I7d4PD111III`, and does not say what it is for);
//! 4. the signature, by the key that `kid` names;
//! 5. `sub`, `exp` and `iat` present; `iss` equal to the configured issuer (*version 3.20 does not look at it);
//! 6. `exp`, `nbf`, `iat` against the clock, with [`ALLOWED_SKEW_SECONDS`];
//! 7. `sid` present; `azp` on the list of authorized parties. (*A missing one is a state of its own: the browser repairs it);
//! 8. `sts` not `pending`.
//!
//! A token that kept them all is remembered by its whole text until keys are fetched again, and only rule 6 is checked
//! again: it is never accepted past its `exp`.

use std::collections::BTreeSet;

use jsonwebtoken::{Algorithm, Validation};
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::{KeyError, Keys};
use super::token::{SESSION_CATEGORY, SessionToken, read_part};
use crate::model::claims::ActiveOrganizationClaim;
use crate::model::gate::{ClaimEvidence, Refusal, SessionEvidence};
use crate::model::ids::{SessionId, UserId};
use crate::server::clock::Clock;

/// How far the issuer's clock may be from ours, in seconds. Clerk's default.
pub const ALLOWED_SKEW_SECONDS: i64 = 5;

/// How `sub` begins in a machine's token (`backend: machine.ts`).
const MACHINE_SUBJECT: &str = "mch_";
/// The header types of OAuth access tokens (`backend: machine.ts`).
const ACCESS_TOKEN_TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];

/// Verified tokens that are remembered: at 1 kB each, 8 MB. The least used go first.
pub const REMEMBERED_TOKENS: usize = 8_192;

/// Claims of a token that kept every rule. Built here and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionClaims {
    user_id: UserId,
    session_id: SessionId,
    issued_at: i64,
    expires_at: i64,
    active_organization: ActiveOrganizationClaim,
}

impl SessionClaims {
    /// Who is calling (`sub`).
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// The Clerk session (`sid`).
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// `iat`, in seconds since the Unix epoch.
    pub fn issued_at(&self) -> i64 {
        self.issued_at
    }

    /// `exp`, in seconds since the Unix epoch.
    pub fn expires_at(&self) -> i64 {
        self.expires_at
    }

    /// Which organization the token says is active.
    pub fn active_organization(&self) -> ActiveOrganizationClaim {
        self.active_organization
    }
}

/// Why a token gave no claims.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("token-expired")]
    Expired,
    #[error("{reason}", reason = if *.issued_in_future { "token-iat-in-the-future" } else { "token-not-active-yet" })]
    NotYetValid { issued_in_future: bool },
    #[error("token-missing-authorized-party")]
    AuthorizedPartyMissing,
    #[error("session-pending")]
    Pending,
    #[error("jwk-remote-failed-to-load")]
    KeysUnreachable,
    #[error("token-invalid")]
    Malformed,
    /// A claim that every session token has is missing, or is not what it should be.
    #[error("token-verification-failed")]
    Claims,
    #[error("token-invalid-algorithm")]
    Algorithm,
    #[error("jwk-kid-mismatch")]
    UnknownKey,
    #[error("token-invalid-signature")]
    Signature,
    /// Carries the value found, which is a public address, for the diagnosis.
    #[error("token-invalid-issuer")]
    Issuer { found: String },
    #[error("token-invalid-authorized-parties")]
    AuthorizedParty { found: String },
    #[error("token-type-mismatch")]
    TokenType,
}

impl TokenError {
    /// Clerk's name for the cause. Expired tokens and those of the future are named by what could have renewed them
    /// (`backend: request.ts convertTokenVerificationErrorReasonToAuthErrorReason`).
    pub fn auth_reason(&self, refresh_failure: &str) -> String {
        match self {
            Self::Expired if refresh_failure.is_empty() => "session-token-expired".to_owned(),
            Self::Expired => format!("session-token-expired-refresh-{refresh_failure}"),
            Self::NotYetValid { issued_in_future: false } => "session-token-nbf".to_owned(),
            Self::NotYetValid { issued_in_future: true } => "session-token-iat-in-the-future".to_owned(),
            other => other.to_string(),
        }
    }

    /// What is the matter and what to do, for the operator and for clients of the API. Holds nothing of the token but
    /// its issuer and its authorized party, which are public addresses.
    pub fn explanation(&self, issuer: &str) -> String {
        match self {
            Self::Expired => "The token has expired. Get a new one from Clerk (getToken) and send the request again.".to_owned(),
            Self::NotYetValid { .. } => {
                "The token is dated in the future. Set this server's clock: it is behind Clerk's.".to_owned()
            }
            Self::AuthorizedPartyMissing => {
                "The token does not say which origin it was made for (azp). Get a new one with a POST from the page (getToken with skipCache)."
                    .to_owned()
            }
            Self::Pending => "Clerk wants something done first. Finish it on the sign-in page.".to_owned(),
            Self::KeysUnreachable => {
                "Clerk's keys cannot be fetched now. Try again; set CLERK_JWT_KEY to need no network for this.".to_owned()
            }
            Self::Malformed => "This is not a token we can read. Send the session token as it is, in three parts.".to_owned(),
            Self::Claims => {
                "The token lacks a claim that every session token has (sub, sid, exp, iat), or one is not what it should be. Send Clerk's session token."
                    .to_owned()
            }
            Self::Algorithm => "The token is not signed with RS256. Send Clerk's session token.".to_owned(),
            Self::UnknownKey => {
                "The token is signed with a key that is not this instance's. Use the keys of the instance that users sign in to."
                    .to_owned()
            }
            Self::Signature => {
                "The token's signature is invalid. It was changed, or CLERK_JWT_KEY is another instance's.".to_owned()
            }
            Self::Issuer { found } => {
                format!("The token's issuer is {found:?}, and {issuer:?} is expected: {}.", super::issuer::advice(issuer, found))
            }
            Self::AuthorizedParty { found } => format!(
                "The token was made for {found:?}. If that is a site of yours, add it to CLERK_AUTHORIZED_PARTIES."
            ),
            Self::TokenType => {
                "This is a token of a JWT template or of a machine, not a session token. Send what getToken() gives without a template."
                    .to_owned()
            }
        }
    }

    /// What the gate makes of it.
    pub fn evidence(&self) -> SessionEvidence {
        match self {
            Self::Expired => SessionEvidence::Expired,
            Self::NotYetValid { .. } => SessionEvidence::NotYetValid,
            Self::AuthorizedPartyMissing => SessionEvidence::AuthorizedPartyMissing,
            Self::Pending => SessionEvidence::Pending,
            Self::KeysUnreachable => SessionEvidence::KeysUnreachable,
            Self::Malformed | Self::Claims => SessionEvidence::Refused(Refusal::Malformed),
            Self::Algorithm => SessionEvidence::Refused(Refusal::Algorithm),
            Self::UnknownKey => SessionEvidence::Refused(Refusal::UnknownKey),
            Self::Signature => SessionEvidence::Refused(Refusal::Signature),
            Self::Issuer { .. } => SessionEvidence::Refused(Refusal::Issuer),
            Self::AuthorizedParty { .. } => SessionEvidence::Refused(Refusal::AuthorizedParty),
            Self::TokenType => SessionEvidence::Refused(Refusal::TokenType),
        }
    }
}

/// The rules with the values of one Clerk instance.
pub struct Verifier {
    keys: Keys,
    issuer: String,
    authorized_parties: BTreeSet<String>,
    clock: Clock,
    signature_only: Validation,
    /// Tokens whose signature and claims have been checked, by their whole text. Their times are checked at each use.
    verified: Cache<SessionToken, Verified>,
}

/// What is kept of a verified token.
#[derive(Clone)]
struct Verified {
    claims: SessionClaims,
    not_before: Option<i64>,
    /// Of the keys it was verified with.
    generation: u64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    cat: Option<String>,
}

impl Verifier {
    /// `remembered`: how many verified tokens are kept; [`REMEMBERED_TOKENS`] but in measurements.
    pub fn new(
        keys: Keys,
        issuer: String,
        authorized_parties: BTreeSet<String>,
        clock: Clock,
        remembered: usize,
    ) -> Self {
        // jsonwebtoken's defaults are not ours (60 s leeway, no `nbf`, `iss` only if present): it checks the signature,
        // the rest is below, with our clock.
        let mut signature_only = Validation::new(Algorithm::RS256);
        signature_only.validate_exp = false;
        signature_only.validate_nbf = false;
        signature_only.validate_aud = false;
        signature_only.required_spec_claims.clear();
        let verified = Cache::new(remembered);
        Self { keys, issuer, authorized_parties, clock, signature_only, verified }
    }

    /// Verifies a session token.
    pub async fn verify(&self, token: &SessionToken) -> Result<SessionClaims, TokenError> {
        let generation = self.keys.generation();
        if let Some(known) = self.verified.get(token).filter(|known| known.generation == generation) {
            let times = self.check_times(known.claims.issued_at, known.claims.expires_at, known.not_before);
            if times == Err(TokenError::Expired) {
                self.verified.remove(token);
            }
            return times.map(|()| known.claims);
        }
        let payload = self.signed_payload(token).await?;
        // As it was before the keys were looked up: if others came meanwhile, this token is verified once more.
        let verified = Verified { generation, ..self.check_claims(&payload)? };
        self.verified.insert(token.clone(), verified.clone());
        Ok(verified.claims)
    }

    /// The cookies inside a handshake token: it has our key's signature and the session category, and no times of its
    /// own. `None`: it is not one of Clerk's.
    pub async fn verify_handshake(&self, token: &SessionToken) -> Option<Vec<String>> {
        let payload = self.signed_payload(token).await.ok()?;
        let cookies = payload.get("handshake")?.as_array()?;
        cookies.iter().map(|cookie| cookie.as_str().map(str::to_owned)).collect()
    }

    /// Rules 1 to 4: the payload of a token that our instance has signed.
    async fn signed_payload(&self, token: &SessionToken) -> Result<Map<String, Value>, TokenError> {
        let mut parts = token.expose().split('.');
        let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(TokenError::Malformed);
        };
        let header: Header = read_part(header).ok_or(TokenError::Malformed)?;
        match header.typ.as_deref() {
            None | Some("JWT") => {}
            Some(typ) if ACCESS_TOKEN_TYPES.contains(&typ) => return Err(TokenError::TokenType),
            Some(_) => return Err(TokenError::Malformed),
        }
        if header.alg != "RS256" {
            return Err(TokenError::Algorithm);
        }
        if header.cat.as_deref().is_some_and(|category| category != SESSION_CATEGORY) {
            return Err(TokenError::TokenType);
        }
        let key = match self.keys.find(header.kid.as_deref().unwrap_or_default()).await {
            Ok(key) => key,
            Err(KeyError::Unknown) => return Err(TokenError::UnknownKey),
            Err(KeyError::Unreachable) => return Err(TokenError::KeysUnreachable),
        };
        jsonwebtoken::decode(token.expose(), &key, &self.signature_only).map(|token| token.claims).map_err(|error| {
            match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
                _ => TokenError::Malformed,
            }
        })
    }

    fn check_claims(&self, payload: &Map<String, Value>) -> Result<Verified, TokenError> {
        let text = |name: &str| payload.get(name).and_then(Value::as_str);
        let seconds = |name: &str| payload.get(name).and_then(Value::as_f64).map(|at| at as i64);
        if text("sub").is_some_and(|subject| subject.starts_with(MACHINE_SUBJECT)) {
            return Err(TokenError::TokenType);
        }
        let user_id = text("sub").and_then(|id| UserId::parse(id).ok()).ok_or(TokenError::Claims)?;
        let expires_at = seconds("exp").ok_or(TokenError::Claims)?;
        let issued_at = seconds("iat").ok_or(TokenError::Claims)?;
        let not_before = seconds("nbf");
        if payload.contains_key("nbf") && not_before.is_none() {
            return Err(TokenError::Claims);
        }

        let issuer = text("iss").unwrap_or_default();
        if issuer != self.issuer {
            return Err(TokenError::Issuer { found: issuer.to_owned() });
        }
        self.check_times(issued_at, expires_at, not_before)?;
        // After the times: Clerk can renew an expired token whatever it lacks.
        let session_id = text("sid").and_then(|id| SessionId::parse(id).ok()).ok_or(TokenError::Claims)?;
        match text("azp") {
            None | Some("") => return Err(TokenError::AuthorizedPartyMissing),
            Some(party) if !self.authorized_parties.contains(party) => {
                return Err(TokenError::AuthorizedParty { found: party.to_owned() });
            }
            Some(_) => {}
        }
        if text("sts") == Some("pending") {
            return Err(TokenError::Pending);
        }
        let active_organization = ActiveOrganizationClaim::of(payload);
        let claims = SessionClaims { user_id, session_id, issued_at, expires_at, active_organization };
        Ok(Verified { claims, not_before, generation: 0 })
    }

    /// Rule 6, which has to hold at every use.
    fn check_times(&self, issued_at: i64, expires_at: i64, not_before: Option<i64>) -> Result<(), TokenError> {
        let now_ms = self.clock.now_ms();
        let skew_ms = ALLOWED_SKEW_SECONDS * 1000;
        if expires_at.saturating_mul(1000) <= now_ms - skew_ms {
            return Err(TokenError::Expired);
        }
        if not_before.is_some_and(|at| at.saturating_mul(1000) > now_ms + skew_ms) {
            return Err(TokenError::NotYetValid { issued_in_future: false });
        }
        if issued_at.saturating_mul(1000) > now_ms + skew_ms {
            return Err(TokenError::NotYetValid { issued_in_future: true });
        }
        Ok(())
    }
}

/// The claim as the gate sees it.
pub fn claim_evidence(claim: ActiveOrganizationClaim) -> ClaimEvidence {
    match claim {
        ActiveOrganizationClaim::NoTemplate => ClaimEvidence::NoTemplate,
        ActiveOrganizationClaim::Absent => ClaimEvidence::Absent,
        ActiveOrganizationClaim::Organization(_) => ClaimEvidence::Names,
    }
}
