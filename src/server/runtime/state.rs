//! What a running server holds: the services, put together from the configuration. Handlers take the one they need
//! (`State<Organizations>`), by `FromRef`; nothing below `app` knows the whole.

use axum::extract::FromRef;
use tokio_util::task::TaskTracker;

use super::config::Config;
use super::database::Pools;
use super::site::Site;
use crate::server::access::Sessions;
use crate::server::clerk::backend_api::{BackendApi, TimeLimits};
use crate::server::clock::Clock;
use crate::server::http::frontend_proxy::FrontendProxy;
use crate::server::organizations::Organizations;
use crate::server::origin::PublicOrigin;
use crate::server::outbox::Outbox;
use crate::server::session::Verifier;
use crate::server::session::keys::Keys;
use crate::server::session::verify::REMEMBERED_TOKENS;
use crate::server::tenancy::Tenancy;
use crate::server::webhooks::Webhooks;

/// The state. Cheap to clone: every part is.
#[derive(Clone, FromRef)]
pub struct AppState {
    origin: PublicOrigin,
    sessions: Sessions,
    organizations: Organizations,
    tenancy: Tenancy,
    clerk: BackendApi,
    outbox: Outbox,
    webhooks: Webhooks,
    proxy: FrontendProxy,
    site: Site,
    clock: Clock,
    tasks: TaskTracker,
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
    /// Puts the services together.
    ///
    /// # Errors
    /// The public key cannot be read, or no HTTP client can be made.
    pub fn new(config: &Config, clock: Clock, pools: &Pools, site: Site) -> Result<Self, StateError> {
        let (api_url, secret_key) = (config.clerk.api_url.clone(), config.clerk.secret_key.clone());
        let (origin, instance, tasks) = (config.origin(), config.instance(), TaskTracker::new());
        let clerk =
            BackendApi::new(api_url, secret_key.clone(), clock.clone(), TimeLimits::of_call(config.clerk.timeout))?;
        let keys = match &config.clerk.jwt_key {
            Some(pem) => Keys::from_pem(pem)?,
            None => Keys::from_backend_api(clerk.clone(), clock.clone()),
        };
        let (issuer, parties) = (config.clerk.issuer.clone(), config.clerk.authorized_parties.clone());
        let verifier = Verifier::new(keys, issuer, parties, clock.clone(), REMEMBERED_TOKENS);
        let tenancy = Tenancy::new(pools.request.clone());
        let outbox = Outbox::of(config.relay, pools.worker.clone(), clerk.clone(), clock.clone(), tasks.clone());
        Ok(Self {
            sessions: Sessions::new(
                instance,
                verifier,
                tenancy.clone(),
                clock.clone(),
                config.auth_debug_log,
                config.shows_diagnoses(),
            ),
            organizations: Organizations::new(
                tenancy.clone(),
                outbox.clone(),
                config.relay,
                clock.clone(),
                tasks.clone(),
            ),
            webhooks: Webhooks::new(config.clerk.webhook_keys.clone(), pools.worker.clone(), clock.clone()),
            proxy: FrontendProxy::new(config.clerk.frontend_api_url.clone(), secret_key, origin.clone())?,
            origin,
            tenancy,
            clerk,
            outbox,
            site: site.with_clerk(&config.clerk).reloading(config.reloads),
            clock,
            tasks,
        })
    }

    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub fn tenancy(&self) -> &Tenancy {
        &self.tenancy
    }

    pub fn verifier(&self) -> &Verifier {
        self.sessions.verifier()
    }

    pub fn clerk(&self) -> &BackendApi {
        &self.clerk
    }

    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    pub fn site(&self) -> &Site {
        &self.site
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Work that outlives a request. A shutdown waits for it.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }
}
