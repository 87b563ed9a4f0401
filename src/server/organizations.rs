//! Creating an organization, renaming it, and reading one.

mod service;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use serde::Serialize;
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

/// The caller's role in an organization.
pub async fn find_role(tx: &mut TenantTransaction, id: OrganizationId) -> Result<Option<Role>, sqlx::Error> {
    #[derive(sqlx::FromRow)]
    struct RoleRow {
        #[sqlx(try_from = "String")]
        role: Role,
    }
    let row: Option<RoleRow> = sqlx::query_as(
        "select role from organization_users
         where organization_id = $1 and user_id = (select vestibule.requesting_user_id())",
    )
    .bind(id.0)
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| row.role))
}

/// All that the dashboard shows.
#[derive(Clone, Debug)]
pub struct Dashboard {
    pub organization: Organization,
    pub created_at: OffsetDateTime,
    /// The name of whoever created it, as far as the caller may see it.
    pub created_by: Person,
    pub members: Vec<Member>,
    /// The caller.
    pub me: Person,
}

/// A person in an organization.
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

/// A person with their place in an organization.
#[derive(Clone, Debug)]
pub struct Member {
    pub person: Person,
    pub role: Role,
    pub joined_at: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct DashboardRow {
    #[sqlx(flatten)]
    organization: OrganizationRow,
    created_by: String,
    created_at: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    user_id: String,
    #[sqlx(try_from = "String")]
    role: Role,
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
const MEMBERS_SHOWN: i64 = 200;

/// The caller, as far as they are known here: a profile may come later than its user.
pub async fn find_caller(tx: &mut TenantTransaction) -> Result<Person, sqlx::Error> {
    let row: Option<ProfileRow> = sqlx::query_as(
        "select display_name, email from user_profiles where user_id = (select vestibule.requesting_user_id())",
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.unwrap_or_default().of(tx.caller().clone()))
}

/// The dashboard of an organization, or `None` if the caller does not belong to it.
pub async fn find_dashboard(tx: &mut TenantTransaction, id: OrganizationId) -> Result<Option<Dashboard>, sqlx::Error> {
    let row: Option<DashboardRow> =
        sqlx::query_as("select id, name, slug, created_by, created_at from organizations where id = $1")
            .bind(id.0)
            .fetch_optional(tx.connection())
            .await?;
    let Some(DashboardRow { organization, created_by, created_at }) = row else { return Ok(None) };
    let members: Vec<MemberRow> = sqlx::query_as(
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
    let members: Vec<Member> = members
        .into_iter()
        .filter_map(|row| {
            let person = row.profile.of(UserId::parse(&row.user_id).ok()?);
            Some(Member { person, role: row.role, joined_at: row.created_at })
        })
        .collect();
    let person = |wanted: &str| {
        let known = members.iter().map(|member| &member.person).find(|person| person.user_id.as_str() == wanted);
        known.cloned().map_or_else(|| UserId::parse(wanted).map(|user_id| ProfileRow::default().of(user_id)), Ok)
    };
    let decode = |_| sqlx::Error::Decode("an unreadable user id".into());
    let me = person(tx.caller().as_str()).map_err(decode)?;
    let created_by = person(&created_by).map_err(decode)?;
    Ok(Some(Dashboard { organization: organization.into(), created_at, created_by, members, me }))
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
