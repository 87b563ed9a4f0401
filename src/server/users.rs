//! Users: what is known of them here, compared with what Clerk says, and settled.
//!
//! What must stay true: the rules are in `sync_clerk_user` (`migrations/`), for webhooks, the relay, a user's first visit,
//! `vestibule sync` and `vestibule reconcile` alike. Postgres decides who belongs where, Clerk who exists and what they are
//! called. A missing profile blocks no one.

use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::model::ids::UserId;
use crate::model::organization::{Role, Slug};
use crate::server::clerk::user::ClerkUser;

/// How far a comparison may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncRights {
    /// The data comes from the Backend API, so an invited profile may be claimed by the address in it.
    pub may_link: bool,
    /// What Clerk keeps about the organization of a user who has none may be taken away.
    pub may_clear: bool,
    /// Nothing is changed, only said.
    pub dry_run: bool,
}

impl SyncRights {
    /// A webhook: verified, but perhaps late, so it links no one.
    pub const WEBHOOK: Self = Self { may_link: false, may_clear: false, dry_run: false };
    /// The Backend API's answer.
    pub const BACKEND_API: Self = Self { may_link: true, may_clear: false, dry_run: false };
}

/// A kind of difference between Postgres and Clerk, or within Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// Clerk knows a user of whom we have no profile.
    ProfileMissing,
    /// Name or address are others at Clerk.
    ProfileOutdated,
    /// An invitation waits for this user's address.
    InvitationUnclaimed,
    /// The profile's organization is none of theirs, or there is none though they belong to one.
    ActiveOrganizationLost,
    /// Clerk has no organization for a member, or does not know that the onboarding is done.
    MetadataMissing,
    /// Clerk names another organization for a member.
    MetadataDiffers,
    /// Clerk names an organization for a user who belongs to none.
    MetadataLeftOver,
    /// Clerk does not know a user whom we know.
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

    /// What it means, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::ProfileMissing => "no profile of a user whom Clerk knows",
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

/// How a comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SyncOutcome {
    /// Both sides are equal, as far as the rights went.
    Applied,
    /// Something newer is known already. Nothing was compared.
    Superseded,
    /// The user was deleted. Nothing was compared.
    Deleted,
}

/// What a comparison did.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Synced {
    pub outcome: SyncOutcome,
    #[sqlx(json)]
    pub repaired: Vec<DriftKind>,
    /// What was found and left alone.
    #[sqlx(json)]
    pub remaining: Vec<DriftKind>,
}

/// A user to compare.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// What Clerk says.
    pub user: &'a ClerkUser,
    /// Whether what Clerk keeps in the user's metadata is as new as the rest, and so compared too.
    pub with_metadata: bool,
    pub rights: SyncRights,
    /// Now.
    pub at: OffsetDateTime,
}

/// Compares a user with what Clerk says, and settles it as far as the rights go. The worker login may do this. A message for
/// the relay is committed with it.
pub async fn sync(executor: impl PgExecutor<'_>, comparison: Comparison<'_>) -> Result<Synced, sqlx::Error> {
    let Comparison { user, with_metadata, rights, at } = comparison;
    sqlx::query_as(
        "select outcome, to_jsonb(repaired) as repaired, to_jsonb(remaining) as remaining
         from vestibule.sync_clerk_user(
            synced_user => $1, new_display_name => $2, new_email => $3, changed_at => $4, seen => $5,
            may_link => $6, may_clear => $7, dry_run => $8, at => $9)",
    )
    .bind(user.id.as_str())
    .bind(user.display_name())
    .bind(user.primary_email())
    .bind(user.updated_at())
    .bind(user.public_metadata().filter(|_| with_metadata))
    .bind(rights.may_link)
    .bind(rights.may_clear)
    .bind(rights.dry_run)
    .bind(at)
    .fetch_one(executor)
    .await
}

/// Asks the relay to compare a user with Clerk. The worker login may do this.
pub async fn ask_to_sync(executor: impl PgExecutor<'_>, user: &UserId, at: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query("select vestibule.ask_to_sync(asked_user => $1, at => $2)")
        .bind(user.as_str())
        .bind(at)
        .execute(executor)
        .await
        .map(|_| ())
}

/// Forgets a user who was deleted at Clerk, and gives the organizations that lost their last owner by it. The worker login
/// may do this.
pub async fn forget(
    executor: impl PgExecutor<'_>,
    user: &UserId,
    at: OffsetDateTime,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar("select vestibule.forget_clerk_user(gone_user => $1, at => $2)")
        .bind(user.as_str())
        .bind(at)
        .fetch_all(executor)
        .await
}

/// What came of inviting an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Invited {
    /// The user who has this address at Clerk becomes a member.
    Invited,
    /// A member has this address already.
    AlreadyMember,
    NoOrganization,
}

/// A role that an address can be invited to: it makes no one an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum InvitedRole {
    Admin,
    Member,
}

impl From<InvitedRole> for Role {
    fn from(role: InvitedRole) -> Self {
        match role {
            InvitedRole::Admin => Self::Admin,
            InvitedRole::Member => Self::Member,
        }
    }
}

/// An address to invite.
#[derive(Clone, Copy, Debug)]
pub struct Invitation<'a> {
    pub email: &'a str,
    pub organization: &'a Slug,
    pub role: InvitedRole,
    /// Now.
    pub at: OffsetDateTime,
}

/// Makes the user who has this address at Clerk a future member of an organization. The worker login may do this.
pub async fn invite(executor: impl PgExecutor<'_>, invitation: Invitation<'_>) -> Result<Invited, sqlx::Error> {
    let Invitation { email, organization, role, at } = invitation;
    sqlx::query_scalar(
        "select vestibule.invite_profile(
            new_id => $1, wanted_email => $2, wanted_slug => $3, wanted_role => $4, at => $5)",
    )
    .bind(Uuid::now_v7())
    .bind(email)
    .bind(organization.as_str())
    .bind(Role::from(role).as_str())
    .bind(at)
    .fetch_one(executor)
    .await
}
