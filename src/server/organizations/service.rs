//! The use cases around organizations, for pages, server functions and the JSON API alike.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::{CreateError, NewOrganization, slug_availability, store};
use crate::model::failure::{Failure, FailureCode, Field};
use crate::model::ids::UserId;
use crate::model::onboarding::{Availability, Created, Delivery};
use crate::model::organization::{SLUG_TAKEN, Slug};
use crate::server::access::Caller;
use crate::server::clock::Clock;
use crate::server::failpoint::point;
use crate::server::failures;
use crate::server::outbox::Outbox;
use crate::server::session::SessionClaims;
use crate::server::tenancy::{Tenancy, TenantTransaction};
use crate::server::user_limit::UserLimit;

/// Slug checks per user and second, and how many may come at once: fast typing, not a list of all customers.
const SLUG_CHECKS: (u32, u32) = (4, 20);
/// Creations per user and second, and at once.
const CREATIONS: (u32, u32) = (1, 10);

/// The use cases, with what they need. Cheap to clone.
#[derive(Clone)]
pub struct Organizations(Arc<Inner>);

struct Inner {
    tenancy: Tenancy,
    outbox: Outbox,
    /// Whether this process notifies Clerk. If not, others do.
    notifies: bool,
    tasks: TaskTracker,
    slug_checks: UserLimit,
    creations: UserLimit,
}

impl Organizations {
    pub fn new(tenancy: Tenancy, outbox: Outbox, notifies: bool, clock: Clock, tasks: TaskTracker) -> Self {
        let (slug_checks, creations) = (UserLimit::new(SLUG_CHECKS, clock.clone()), UserLimit::new(CREATIONS, clock));
        Self(Arc::new(Inner { tenancy, outbox, notifies, tasks, slug_checks, creations }))
    }

    /// Creates the organization in the caller's transaction, then tries once to notify Clerk, for at most
    /// `outbox::INLINE_LIMIT`.
    ///
    /// # Errors
    /// What the user may know, with the field that is wrong, and other slugs if this one is taken.
    pub async fn create(&self, caller: Caller, request: NewOrganization) -> Result<Created, Failure> {
        let Caller { claims, transaction, .. } = caller;
        limit(&self.0.creations, claims.user_id())?;
        let wanted = request.slug.clone();
        let error = match self.create_detached(transaction, request).await {
            Ok(created) => return Ok(created),
            Err(error) => error,
        };
        Err(match error {
            CreateError::SlugTaken => {
                // Help, not part of the answer, which holds without it.
                let suggestions = self.available_instead(&claims, &wanted).await.unwrap_or_default();
                Failure { suggestions, ..Failure::at(Field::Slug, FailureCode::SlugTaken, SLUG_TAKEN) }
            }
            CreateError::KeyReused => Failure::new(
                FailureCode::IdempotencyKeyReused,
                "This idempotency key was used before with another name or slug. Nothing was created. Use a new key for a new organization.",
            ),
            CreateError::CallerDeleted => Failure::signed_out(),
            CreateError::Database(error) => failures::unavailable(&error),
            CreateError::TaskFailed => Failure::internal(),
        })
    }

    /// In a task of its own, so that it goes on if the client hangs up.
    async fn create_detached(
        &self,
        transaction: TenantTransaction,
        request: NewOrganization,
    ) -> Result<Created, CreateError> {
        let service = self.clone();
        let task = self.0.tasks.spawn(async move {
            let Inner { outbox, notifies, .. } = &*service.0;
            let user = transaction.caller().clone();
            let (organization, replayed) = store(transaction, &request).await?;
            let event = if replayed { "creation repeated, nothing new" } else { "organization created" };
            tracing::info!(organization.id = %organization.id, user.id = %user, "{event}");
            let delivery = match (*notifies, replayed) {
                // Others deliver it, and have just been woken.
                (false, false) => Delivery::Pending,
                _ => outbox.deliver_now(&user).await,
            };
            point("creation.notified");
            if *notifies && delivery != Delivery::Delivered {
                tracing::warn!(user.id = %user, ?delivery, "Clerk is not notified yet");
            }
            Ok(Created { organization, delivery, replayed })
        });
        task.await.map_err(|_| CreateError::TaskFailed)?
    }

    async fn available_instead(&self, claims: &SessionClaims, slug: &Slug) -> Result<Vec<String>, sqlx::Error> {
        // The caller's own transaction ended with the conflict.
        let transaction = self.0.tenancy.begin(claims).await?;
        Ok(slug_availability(transaction, slug).await?.suggestions)
    }

    /// Whether a slug is available right now, and what is instead. Only creating decides.
    ///
    /// # Errors
    /// The slug is malformed, or the caller has asked too often.
    pub async fn slug_availability(&self, caller: Caller, slug: &str) -> Result<Availability, Failure> {
        let slug =
            Slug::parse(slug).map_err(|error| Failure::at(Field::Slug, FailureCode::Invalid, error.to_string()))?;
        limit(&self.0.slug_checks, caller.claims.user_id())?;
        slug_availability(caller.transaction, &slug).await.map_err(|error| failures::unavailable(&error))
    }
}

fn limit(limit: &UserLimit, user: &UserId) -> Result<(), Failure> {
    limit.allows(user).then_some(()).ok_or_else(Failure::rate_limited)
}
