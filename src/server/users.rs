//! People: what is known of them here, compared with what Clerk says, and settled.
//!
//! What must stay true: the rules are in `sync_clerk_user` (`migrations/`), for webhooks, the relay, a person's first visit,
//! `vestibule sync` and `vestibule reconcile` alike. Postgres decides who belongs where, Clerk who exists and what they are
//! called. A missing profile blocks nobody.

use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use time::OffsetDateTime;

use crate::model::organization::Slug;
use crate::server::clerk::user::ClerkUser;

/// How far a comparison may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncRights {
    /// The data comes from the Backend API, so an invited profile may be claimed by the address in it.
    pub may_link: bool,
    /// What Clerk keeps about the organization of a person who has none may be taken away.
    pub may_clear: bool,
    /// Nothing is changed, only said.
    pub dry_run: bool,
}

impl SyncRights {
    /// A webhook: believed, but perhaps late, so it links nobody.
    pub const WEBHOOK: Self = Self { may_link: false, may_clear: false, dry_run: false };
    /// The Backend API's answer.
    pub const BACKEND_API: Self = Self { may_link: true, may_clear: false, dry_run: false };
}

/// A kind of difference between Postgres and Clerk, or within Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// Clerk knows somebody of whom we have no profile.
    ProfileMissing,
    /// Name or address are others at Clerk.
    ProfileOutdated,
    /// A profile was made for this person's address, and they have not got it.
    InvitationUnclaimed,
    /// The profile's organization is none of theirs, or there is none though they belong to one.
    ActiveOrganizationLost,
    /// Clerk has no organization for a member, or does not know that the onboarding is done.
    MetadataMissing,
    /// Clerk names another organization for a member.
    MetadataDiffers,
    /// Clerk names an organization for somebody who belongs to none.
    MetadataLeftOver,
    /// Clerk does not know somebody whom we know.
    PersonGone,
}

impl DriftKind {
    /// Every kind, in the order in which they are reported.
    pub const ALL: [Self; 8] = [
        Self::ProfileMissing,
        Self::ProfileOutdated,
        Self::InvitationUnclaimed,
        Self::ActiveOrganizationLost,
        Self::MetadataMissing,
        Self::MetadataDiffers,
        Self::MetadataLeftOver,
        Self::PersonGone,
    ];

    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::ProfileMissing => "no profile of somebody Clerk knows",
            Self::ProfileOutdated => "name or address changed at Clerk",
            Self::InvitationUnclaimed => "invited by an address that is theirs",
            Self::ActiveOrganizationLost => "the profile names no organization of theirs",
            Self::MetadataMissing => "Clerk does not know their organization",
            Self::MetadataDiffers => "Clerk names another organization",
            Self::MetadataLeftOver => "Clerk names an organization, they have none",
            Self::PersonGone => "deleted at Clerk",
        }
    }

    /// Whether repairing it takes something away that cannot be had back from the other side.
    pub fn takes_away(self) -> bool {
        matches!(self, Self::MetadataLeftOver | Self::PersonGone)
    }
}

/// What a comparison did.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Synced {
    /// `applied`, `superseded` by newer knowledge, or about a person who was `deleted`.
    pub outcome: String,
    #[sqlx(json)]
    pub repaired: Vec<DriftKind>,
    /// What was found and left alone.
    #[sqlx(json)]
    pub remaining: Vec<DriftKind>,
}

/// Compares a person with what Clerk says, and settles it as far as `rights` go. `seen`: whose metadata are compared too.
/// The worker login may do this. A message for the relay is committed with it.
pub async fn sync(
    executor: impl PgExecutor<'_>,
    user: &ClerkUser,
    seen: Option<&ClerkUser>,
    rights: SyncRights,
    now: OffsetDateTime,
) -> Result<Synced, sqlx::Error> {
    sqlx::query_as(
        "select outcome, to_jsonb(repaired) as repaired, to_jsonb(remaining) as remaining
         from sync_clerk_user($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(user.id.as_str())
    .bind(user.display_name())
    .bind(user.primary_email())
    .bind(user.updated_at())
    .bind(seen.and_then(ClerkUser::public_metadata))
    .bind(rights.may_link)
    .bind(rights.may_clear)
    .bind(rights.dry_run)
    .bind(now)
    .fetch_one(executor)
    .await
}

/// What came of inviting somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Invited {
    /// There is a place for whoever has this address at Clerk.
    Invited,
    /// Somebody with this address is a member already.
    AlreadyMember,
    NoOrganization,
}

/// A role that somebody can be invited to. Nobody becomes an owner by an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum InvitedRole {
    Admin,
    Member,
}

/// Makes a place in an organization for whoever has this address at Clerk. The worker login may do this.
pub async fn invite(
    executor: impl PgExecutor<'_>,
    email: &str,
    organization: &Slug,
    role: InvitedRole,
    now: OffsetDateTime,
) -> Result<Invited, sqlx::Error> {
    sqlx::query_scalar("select invite_profile($1, $2, $3, $4, $5)")
        .bind(uuid::Uuid::now_v7())
        .bind(email)
        .bind(organization.as_str())
        .bind(match role {
            InvitedRole::Admin => "admin",
            InvitedRole::Member => "member",
        })
        .bind(now)
        .fetch_one(executor)
        .await
}
