//! Creating an organization, renaming it, and reading one.

mod service;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use serde::Serialize;
use sqlx::Postgres;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::model::failure::{Failure, FailureCode, Field};
use crate::model::ids::{OrganizationId, UserId};
use crate::model::onboarding::{Availability, SUGGESTIONS};
use crate::model::organization::{Organization, OrganizationName, Role, Slug};
use crate::server::failpoint::point;
use crate::server::tenancy::TenantTransaction;

pub use service::Organizations;

/// Longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 200;

/// A request to create an organization. All of it counts when a request is compared with an earlier one of the same key, so a new field
/// needs no thought there.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct NewOrganization {
    pub name: OrganizationName,
    pub slug: Slug,
    /// A client's own key. Without one, it is the caller's first organization, of which there is only one.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl NewOrganization {
    /// Reads what was typed or sent.
    ///
    /// # Errors
    /// The field that is wrong, and why.
    pub fn parse(name: &str, slug: &str, idempotency_key: Option<IdempotencyKey>) -> Result<Self, Failure> {
        let at = |field, message: String| Failure::at(field, FailureCode::Invalid, message);
        let name = OrganizationName::parse(name).map_err(|error| at(Field::Name, error.to_string()))?;
        let slug = Slug::parse(slug).map_err(|error| at(Field::Slug, error.to_string()))?;
        Ok(Self { name, slug, idempotency_key })
    }
}

/// A client's name for one intention, so that repeating it does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Printable ASCII, 1 to 200 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let fine =
            (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        // The prefix keeps clients apart from the server's own keys.
        fine.then(|| Self(format!("client:{text}")))
    }
}

/// Why an organization was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("the slug is taken")]
    SlugTaken,
    #[error("the idempotency key was used with other content")]
    KeyReused,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the caller was deleted at Clerk")]
    CallerDeleted,
    #[error("the task that creates the organization failed")]
    TaskFailed,
}

/// How `create_organization` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
enum CreationOutcome {
    Created,
    /// An earlier request created it.
    Replayed,
    /// An earlier request with this key asked for something else.
    KeyReused,
}

#[derive(sqlx::FromRow)]
struct CreationRow {
    outcome: CreationOutcome,
    #[sqlx(flatten)]
    organization: OrganizationRow,
}

#[derive(sqlx::FromRow)]
struct OrganizationRow {
    id: Uuid,
    name: String,
    slug: String,
}

impl From<OrganizationRow> for Organization {
    /// The rules for new names and slugs are not applied to what is stored: a row from before, or written by hand, still
    /// shows.
    fn from(row: OrganizationRow) -> Self {
        Self { id: OrganizationId(row.id), name: OrganizationName::stored(row.name), slug: Slug::stored(row.slug) }
    }
}

/// Tells requests of one idempotency key apart.
fn request_hash(request: &NewOrganization) -> Result<Digest, sqlx::Error> {
    let whole = serde_json::to_vec(request).map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok(digest(&SHA256, &whole))
}

/// The one transaction: organization, membership, profile, outbox message and idempotency key.
async fn store(mut tx: TenantTransaction, request: &NewOrganization) -> Result<(Organization, bool), CreateError> {
    point("creation.opened");
    let row: Result<CreationRow, sqlx::Error> = sqlx::query_as(
        "select outcome, id, name, slug from vestibule.create_organization(
            new_id => $1, new_name => $2, new_slug => $3, wanted_key => $4, wanted_hash => $5)",
    )
    .bind(Uuid::now_v7())
    .bind(request.name.as_str())
    .bind(request.slug.as_str())
    .bind(request.idempotency_key.as_ref().map(|key| key.0.as_str()))
    .bind(request_hash(request)?.as_ref())
    .fetch_one(tx.connection())
    .await;
    let CreationRow { outcome, organization } = match row {
        Ok(row) => row,
        // Constraint names are our API.
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("organizations_slug_key") => {
            return Err(CreateError::SlugTaken);
        }
        // A token outlives its user by up to a minute.
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("organization_users_user_deleted") => {
            return Err(CreateError::CallerDeleted);
        }
        Err(error) => return Err(error.into()),
    };
    if outcome == CreationOutcome::KeyReused {
        return Err(CreateError::KeyReused);
    }
    point("creation.written");
    tx.commit().await?;
    point("creation.committed");
    Ok((organization.into(), outcome == CreationOutcome::Replayed))
}

/// Whether a slug is available, and what is if it is not. True for a moment: only creating decides.
async fn slug_availability(mut tx: TenantTransaction, slug: &Slug) -> Result<Availability, sqlx::Error> {
    let taken: bool = sqlx::query_scalar("select vestibule.organization_slug_taken($1)")
        .bind(slug.as_str())
        .fetch_one(tx.connection())
        .await?;
    let suggestions = if taken { available_alternatives(&mut tx, slug).await? } else { Vec::new() };
    tx.commit().await?;
    Ok(Availability { available: !taken, suggestions })
}

async fn available_alternatives(tx: &mut TenantTransaction, slug: &Slug) -> Result<Vec<String>, sqlx::Error> {
    let candidates: Vec<String> = slug.alternatives().map(String::from).collect();
    sqlx::query_scalar(
        "select candidate from unnest($1::text[]) with ordinality as candidates (candidate, place)
         where not vestibule.organization_slug_taken(candidate) order by place limit $2",
    )
    .bind(candidates)
    .bind(SUGGESTIONS as i64)
    .fetch_all(tx.connection())
    .await
}

/// An organization, or `None` if the caller does not belong to it.
pub async fn find_organization(
    tx: &mut TenantTransaction,
    id: OrganizationId,
) -> Result<Option<Organization>, sqlx::Error> {
    let row: Option<OrganizationRow> = sqlx::query_as("select id, name, slug from organizations where id = $1")
        .bind(id.0)
        .fetch_optional(tx.connection())
        .await?;
    Ok(row.map(Organization::from))
}

/// A role as it stands in a row: the model knows no database. One that this version does not know is an error that names it.
struct StoredRole(Role);

impl sqlx::Type<Postgres> for StoredRole {
    fn type_info() -> PgTypeInfo {
        <String as sqlx::Type<Postgres>>::type_info()
    }

    fn compatible(found: &PgTypeInfo) -> bool {
        <String as sqlx::Type<Postgres>>::compatible(found)
    }
}

impl sqlx::Decode<'_, Postgres> for StoredRole {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let stored = <String as sqlx::Decode<Postgres>>::decode(value)?;
        Ok(Self(Role::try_from(stored)?))
    }
}

/// The caller's role in an organization.
pub async fn find_role(tx: &mut TenantTransaction, id: OrganizationId) -> Result<Option<Role>, sqlx::Error> {
    let role: Option<StoredRole> = sqlx::query_scalar(
        "select role from organization_users
         where organization_id = $1 and user_id = (select vestibule.requesting_user_id())",
    )
    .bind(id.0)
    .fetch_optional(tx.connection())
    .await?;
    Ok(role.map(|StoredRole(role)| role))
}

/// An organization as one of its members sees it, with their place in it.
#[derive(Clone, Debug)]
pub struct Membership {
    pub organization: Organization,
    pub created_at: OffsetDateTime,
    /// As far as the caller may see them.
    pub created_by: Person,
    /// The caller's role.
    pub role: Role,
    /// The caller.
    pub me: Person,
}

/// A user, as far as they are known here.
#[derive(Clone, Debug)]
pub struct Person {
    pub user_id: UserId,
    pub display_name: Option<String>,
    pub email: Option<String>,
}

impl Person {
    /// What a user is called: their name, else their address.
    pub fn called(&self) -> Option<&str> {
        self.display_name.as_deref().or(self.email.as_deref())
    }
}

/// A user with their place in an organization.
#[derive(Clone, Debug)]
pub struct Member {
    pub person: Person,
    pub role: Role,
    pub joined_at: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct MembershipRow {
    #[sqlx(flatten)]
    organization: OrganizationRow,
    created_at: OffsetDateTime,
    created_by: String,
    creator_name: Option<String>,
    creator_email: Option<String>,
    role: StoredRole,
    #[sqlx(flatten)]
    me: ProfileRow,
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    user_id: String,
    role: StoredRole,
    created_at: OffsetDateTime,
    #[sqlx(flatten)]
    profile: ProfileRow,
}

/// What a profile says of a user. Without a profile, nothing.
#[derive(Default, sqlx::FromRow)]
struct ProfileRow {
    display_name: Option<String>,
    email: Option<String>,
}

impl ProfileRow {
    fn of(self, user_id: UserId) -> Person {
        Person { user_id, display_name: self.display_name, email: self.email }
    }
}

/// Most members shown at once.
pub const MEMBERS_SHOWN: i64 = 200;

/// The caller, as far as they are known here: a profile may come later than its user.
pub async fn find_caller(tx: &mut TenantTransaction) -> Result<Person, sqlx::Error> {
    let row: Option<ProfileRow> = sqlx::query_as(
        "select display_name, email from user_profiles where user_id = (select vestibule.requesting_user_id())",
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.unwrap_or_default().of(tx.caller().clone()))
}

/// Which of the caller's organizations is meant.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    Id(OrganizationId),
    /// As it stands in an address: it need not be a slug at all.
    Slug(&'a str),
}

/// The caller's membership in an organization; `None` if they do not belong to it, whether it exists or not.
pub async fn find_membership(
    tx: &mut TenantTransaction,
    wanted: Wanted<'_>,
) -> Result<Option<Membership>, sqlx::Error> {
    let (id, slug) = match wanted {
        Wanted::Id(id) => (Some(id.0), None),
        Wanted::Slug(slug) => (None, Some(slug)),
    };
    let row: Option<MembershipRow> = sqlx::query_as(
        "select organization.id, organization.name, organization.slug, organization.created_at, organization.created_by,
                creator.display_name as creator_name, creator.email as creator_email,
                member.role, profile.display_name, profile.email
         from organizations as organization
         join organization_users as member
           on member.organization_id = organization.id and member.user_id = (select vestibule.requesting_user_id())
         left join user_profiles as profile on profile.user_id = member.user_id
         left join user_profiles as creator on creator.user_id = organization.created_by
         where organization.id = $1 or organization.slug = $2",
    )
    .bind(id)
    .bind(slug)
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let creator = ProfileRow { display_name: row.creator_name, email: row.creator_email };
    let created_by = UserId::parse(&row.created_by).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Some(Membership {
        organization: row.organization.into(),
        created_at: row.created_at,
        created_by: creator.of(created_by),
        role: row.role.0,
        me: row.me.of(tx.caller().clone()),
    }))
}

/// The members of an organization of the caller's, in the order in which they joined; at most [`MEMBERS_SHOWN`].
pub async fn list_members(tx: &mut TenantTransaction, id: OrganizationId) -> Result<Vec<Member>, sqlx::Error> {
    let rows: Vec<MemberRow> = sqlx::query_as(
        "select member.user_id, member.role, member.created_at, profile.display_name, profile.email
         from organization_users as member
         left join user_profiles as profile on profile.user_id = member.user_id
         where member.organization_id = $1
         order by member.created_at, member.user_id
         limit $2",
    )
    .bind(id.0)
    .bind(MEMBERS_SHOWN)
    .fetch_all(tx.connection())
    .await?;
    let member = |row: MemberRow| {
        let person = row.profile.of(UserId::parse(&row.user_id).ok()?);
        Some(Member { person, role: row.role.0, joined_at: row.created_at })
    };
    Ok(rows.into_iter().filter_map(member).collect())
}

/// Why an organization was not renamed.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    #[error("only owners and admins rename an organization")]
    NotAllowed,
    #[error("the caller does not belong to it")]
    NotFound,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// How `rename_organization` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
enum RenameOutcome {
    Renamed,
    NotAllowed,
    NotFound,
}

/// Renames an organization of the caller's. The database checks the role, in the same transaction. Not committed yet.
pub async fn rename(
    tx: &mut TenantTransaction,
    id: OrganizationId,
    name: &OrganizationName,
) -> Result<(), RenameError> {
    let outcome = sqlx::query_scalar("select vestibule.rename_organization(wanted_id => $1, new_name => $2)")
        .bind(id.0)
        .bind(name.as_str())
        .fetch_one(tx.connection())
        .await?;
    match outcome {
        RenameOutcome::Renamed => Ok(()),
        RenameOutcome::NotAllowed => Err(RenameError::NotAllowed),
        RenameOutcome::NotFound => Err(RenameError::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn idempotency_keys_are_bounded() {
        assert!(IdempotencyKey::parse("a-1").is_some());
        assert!(IdempotencyKey::parse("").is_none());
        assert!(IdempotencyKey::parse("a b").is_none());
        assert!(IdempotencyKey::parse(&"a".repeat(201)).is_none());
        // A client cannot name the server's own key.
        assert_ne!(IdempotencyKey::parse("first-organization").map(|key| key.0).as_deref(), Some("first-organization"));
    }

    /// Another value of the same type.
    fn changed(value: &Value) -> Value {
        match value {
            Value::Null => json!("client:another"),
            Value::Bool(value) => json!(!value),
            Value::Number(value) => json!(value.as_i64().expect("a whole number") + 1),
            Value::String(value) => json!(format!("{value}-2")),
            Value::Array(_) | Value::Object(_) => panic!("say here how {value} may differ"),
        }
    }

    #[test]
    fn requests_that_differ_in_any_field_have_different_hashes() {
        let request = NewOrganization {
            name: OrganizationName::parse("Acme").expect("a name"),
            slug: Slug::parse("acme").expect("a slug"),
            idempotency_key: IdempotencyKey::parse("k-1"),
        };
        let hash = |request: &NewOrganization| request_hash(request).expect("hashed").as_ref().to_vec();
        assert_eq!(hash(&request), hash(&request.clone()));
        let whole = serde_json::to_value(&request).expect("serialized");
        let fields = whole.as_object().expect("an object");
        assert!(fields.len() >= 3, "{whole}");
        for (field, value) in fields {
            let mut other = whole.clone();
            other[field] = changed(value);
            let other: NewOrganization = serde_json::from_value(other).expect(field);
            assert_ne!(hash(&other), hash(&request), "{field}");
        }
    }
}
