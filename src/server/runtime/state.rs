//! What a running server holds, shared by all requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::task::TaskTracker;

use crate::model::failure::{Failure, FailureCode};
use crate::model::ids::UserId;
use crate::server::clerk::backend_api::{BackendApi, TimeLimits};
use crate::server::clock::Clock;
use crate::server::http::frontend_proxy;
use crate::server::outbox::Outbox;
use crate::server::person_limit::PersonLimit;
use crate::server::runtime::config::Config;
use crate::server::runtime::database::Pools;
use crate::server::runtime::site::Site;
use crate::server::session::Verifier;
use crate::server::session::keys::Keys;
use crate::server::session::verify::REMEMBERED_TOKENS;
use crate::server::tenancy::Tenancy;
use crate::server::webhooks::Webhooks;

/// Slug checks per person and second, and how many may come at once: fast typing, not a list of all customers.
const SLUG_CHECKS: (u32, u32) = (4, 20);
/// Creations per person and second, and at once.
const CREATIONS: (u32, u32) = (1, 10);

/// The state. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    config: Config,
    clock: Clock,
    tenancy: Tenancy,
    verifier: Verifier,
    clerk: BackendApi,
    outbox: Outbox,
    webhooks: Webhooks,
    site: Site,
    proxy: reqwest::Client,
    tasks: TaskTracker,
    slug_checks: PersonLimit,
    creations: PersonLimit,
    template_noted: AtomicBool,
}

/// Why a server cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("CLERK_JWT_KEY: {0}")]
    Key(#[from] jsonwebtoken::errors::Error),
    #[error("HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

impl AppState {
    pub fn new(config: Config, clock: Clock, pools: &Pools, site: Site) -> Result<Self, StateError> {
        let (api_url, secret_key) = (config.clerk.api_url.clone(), config.clerk.secret_key.clone());
        let clerk = BackendApi::new(api_url, secret_key, clock.clone(), TimeLimits::of_call(config.clerk.timeout))?;
        let keys = match &config.clerk.jwt_key {
            Some(pem) => Keys::from_pem(pem)?,
            None => Keys::from_backend_api(clerk.clone(), clock.clone()),
        };
        let (issuer, parties) = (config.clerk.issuer.clone(), config.clerk.authorized_parties.clone());
        let verifier = Verifier::new(keys, issuer, parties, clock.clone(), REMEMBERED_TOKENS);
        let tasks = TaskTracker::new();
        Ok(Self(Arc::new(Inner {
            tenancy: Tenancy::new(pools.request.clone()),
            verifier,
            outbox: Outbox::of(config.relay, pools.worker.clone(), clerk.clone(), clock.clone(), tasks.clone()),
            webhooks: Webhooks::new(pools.worker.clone(), clock.clone()),
            clerk,
            site,
            proxy: frontend_proxy::client()?,
            tasks,
            slug_checks: PersonLimit::new(SLUG_CHECKS, clock.clone()),
            creations: PersonLimit::new(CREATIONS, clock.clone()),
            template_noted: AtomicBool::new(false),
            config,
            clock,
        })))
    }

    pub fn config(&self) -> &Config {
        &self.0.config
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn tenancy(&self) -> &Tenancy {
        &self.0.tenancy
    }

    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    pub fn clerk(&self) -> &BackendApi {
        &self.0.clerk
    }

    pub fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    pub fn webhooks(&self) -> &Webhooks {
        &self.0.webhooks
    }

    pub fn site(&self) -> &Site {
        &self.0.site
    }

    pub fn proxy_client(&self) -> &reqwest::Client {
        &self.0.proxy
    }

    /// Work that outlives a request. A shutdown waits for it.
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Counts a slug check against the person's limit.
    pub fn limit_slug_check(&self, user: &UserId) -> Result<(), Failure> {
        check(&self.0.slug_checks, user)
    }

    /// Counts a creation against the person's limit.
    pub fn limit_creation(&self, user: &UserId) -> Result<(), Failure> {
        check(&self.0.creations, user)
    }

    /// Says once that tokens come without our claims template.
    pub fn note_missing_template(&self) {
        if !self.0.template_noted.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "session tokens carry no activeOrgId: the claims template is not installed, so every request asks the database. \
                 Paste src/model/claims_template.json into Clerk's dashboard, Sessions, Customize session token"
            );
        }
    }
}

fn check(limit: &PersonLimit, user: &UserId) -> Result<(), Failure> {
    let too_often = || {
        Failure::new(
            FailureCode::RateLimited,
            "Too many requests. Nothing is lost. Wait a few seconds, then try again.",
        )
    };
    limit.allows(user).then_some(()).ok_or_else(too_often)
}
