//! The only door to tenant rows: a transaction that carries the caller's claims.
//!
//! What must stay true: queries on tenant tables take a [`TenantTransaction`], and the only way to one is a verified
//! session. The role and the claims are local to the transaction, so a pooled connection carries nothing over.

use serde_json::json;
use sqlx::postgres::PgPool;
use sqlx::{PgConnection, Postgres, Transaction};
use time::OffsetDateTime;

use crate::model::claims::ActiveOrganizationClaim;
use crate::model::gate::MembershipEvidence;
use crate::model::ids::{OrganizationId, UserId};
use crate::model::onboarding::Delivery;
use crate::server::outbox;
use crate::server::session::SessionClaims;

/// Opens tenant transactions.
#[derive(Clone)]
pub struct Tenancy {
    pool: PgPool,
}

/// A transaction in which row level security sees one caller. Rolled back unless committed.
pub struct TenantTransaction {
    transaction: Transaction<'static, Postgres>,
    caller: UserId,
}

/// One of the caller's organizations.
#[derive(sqlx::FromRow)]
struct MembershipRow {
    organization_id: uuid::Uuid,
    /// Whether it is the one that the token names.
    is_claimed: bool,
}

impl Tenancy {
    /// `pool` must be the request login's: it has no rights outside of such a transaction.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Opens a transaction for the caller of a verified session.
    pub async fn begin(&self, session: &SessionClaims) -> Result<TenantTransaction, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let claims = json!({"sub": session.user_id(), "sid": session.session_id(), "role": "authenticated"});
        sqlx::query("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)")
            .bind(claims.to_string())
            .execute(&mut *transaction)
            .await?;
        Ok(TenantTransaction { transaction, caller: session.user_id().clone() })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("select 1").execute(&self.pool).await.map(|_| ())
    }
}

impl TenantTransaction {
    /// Who is calling.
    pub fn caller(&self) -> &UserId {
        &self.caller
    }

    /// For queries of the modules that own tenant tables.
    pub(in crate::server) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Makes the changes permanent.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.transaction.commit().await
    }

    /// What the database says about the caller's organizations, given what the token claims.
    pub async fn membership(&mut self, claim: ActiveOrganizationClaim) -> Result<MembershipEvidence, sqlx::Error> {
        let claimed = match claim {
            ActiveOrganizationClaim::Organization(id) => Some(id.0),
            _ => None,
        };
        let found: Option<MembershipRow> = sqlx::query_as(
            "select member.organization_id, coalesce(member.organization_id = $1, false) as is_claimed
             from organization_users as member
             left join user_profiles as profile on profile.user_id = member.user_id
             where member.user_id = (select vestibule.requesting_user_id())
             order by
                is_claimed desc,
                coalesce(member.organization_id = profile.active_organization_id, false) desc,
                member.created_at
             limit 1",
        )
        .bind(claimed)
        .fetch_optional(self.connection())
        .await?;
        Ok(match found {
            None => MembershipEvidence::None,
            Some(row) if row.is_claimed => MembershipEvidence::Claimed(OrganizationId(row.organization_id)),
            Some(row) => MembershipEvidence::Other(OrganizationId(row.organization_id)),
        })
    }

    /// When Clerk confirmed the last of the caller's changes, if it ever did.
    pub async fn told_at(&mut self) -> Result<Option<OffsetDateTime>, sqlx::Error> {
        sqlx::query_scalar(
            "select max(delivered_at) from outbox_messages
             where user_id = (select vestibule.requesting_user_id()) and kind = 'update_user_metadata'",
        )
        .fetch_one(self.connection())
        .await
    }

    /// Whether Clerk knows about all of the caller's changes.
    pub async fn delivery(&mut self) -> Result<Delivery, sqlx::Error> {
        let caller = self.caller.clone();
        outbox::delivery_to(self.connection(), caller.as_str()).await
    }
}
