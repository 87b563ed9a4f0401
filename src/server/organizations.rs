//! Creating an organization, renaming it, and reading one.

mod service;

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use crate::model::failure::{Failure, FailureCode, Field};
use crate::model::ids::{OrganizationId, UserId};
use crate::model::onboarding::{Availability, SUGGESTIONS};
use crate::server::failpoint::point;
use crate::server::tenancy::TenantTransaction;

use crate::model::organization::{Organization, OrganizationName, Slug};
pub use service::Organizations;

/// Longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 200;

/// A request to create an organization.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// The one transaction: organization, membership, profile, outbox message and idempotency key.
async fn store(
    mut tx: TenantTransaction,
    request: &NewOrganization,
    now: OffsetDateTime,
) -> Result<(Organization, bool), CreateError> {
    point("creation.opened");
    let content = format!("{}\n{}", request.slug, request.name);
    let row: Result<(String, uuid::Uuid, String, String), sqlx::Error> =
        sqlx::query_as("select outcome, id, name, slug from create_organization($1, $2, $3, $4, $5, $6)")
            .bind(uuid::Uuid::now_v7())
            .bind(request.name.as_str())
            .bind(request.slug.as_str())
            .bind(request.idempotency_key.as_ref().map(|key| key.0.as_str()))
            .bind(digest(&SHA256, content.as_bytes()).as_ref())
            .bind(now)
            .fetch_one(tx.connection())
            .await;
    let (outcome, id, name, slug) = match row {
        Ok(row) => row,
        // Constraint names are our API.
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("organizations_slug_key") => {
            return Err(CreateError::SlugTaken);
        }
        // A token outlives its person by up to a minute.
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("organization_users_user_deleted") => {
            return Err(CreateError::CallerDeleted);
        }
        Err(error) => return Err(error.into()),
    };
    if outcome == "key_reused" {
        return Err(CreateError::KeyReused);
    }
    point("creation.written");
    tx.commit().await?;
    point("creation.committed");
    Ok((organization(id, name, slug), outcome == "replayed"))
}

/// Whether a slug is available, and what is if it is not. True for a moment: only creating decides.
async fn slug_availability(mut tx: TenantTransaction, slug: &Slug) -> Result<Availability, sqlx::Error> {
    let taken: bool =
        sqlx::query_scalar("select organization_slug_taken($1)").bind(slug.as_str()).fetch_one(tx.connection()).await?;
    let suggestions = if taken { available_alternatives(&mut tx, slug).await? } else { Vec::new() };
    tx.commit().await?;
    Ok(Availability { available: !taken, suggestions })
}

async fn available_alternatives(tx: &mut TenantTransaction, slug: &Slug) -> Result<Vec<String>, sqlx::Error> {
    let candidates: Vec<String> = slug.alternatives().map(String::from).collect();
    sqlx::query_scalar(
        "select candidate from unnest($1::text[]) with ordinality as c (candidate, place)
         where not organization_slug_taken(candidate) order by place limit $2",
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
    let row: Option<(uuid::Uuid, String, String)> =
        sqlx::query_as("select id, name, slug from organizations where id = $1")
            .bind(id.0)
            .fetch_optional(tx.connection())
            .await?;
    Ok(row.map(|(id, name, slug)| organization(id, name, slug)))
}

/// The caller's role in an organization.
pub async fn find_role(tx: &mut TenantTransaction, id: OrganizationId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select role from organization_users where organization_id = $1 and user_id = requesting_user_id()",
    )
    .bind(id.0)
    .fetch_optional(tx.connection())
    .await
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
    pub role: String,
    pub joined_at: OffsetDateTime,
}

/// Id, role, since when, name and address.
type MemberRow = (String, String, OffsetDateTime, Option<String>, Option<String>);

/// Most members shown at once.
const MEMBERS_SHOWN: i64 = 200;

/// The caller, as far as they are known here: a profile may come later than its user.
pub async fn find_caller(tx: &mut TenantTransaction) -> Result<Person, sqlx::Error> {
    let row: Option<(Option<String>, Option<String>)> =
        sqlx::query_as("select display_name, email from user_profiles where user_id = (select requesting_user_id())")
            .fetch_optional(tx.connection())
            .await?;
    let (display_name, email) = row.unwrap_or_default();
    Ok(Person { user_id: tx.caller().clone(), display_name, email })
}

/// The dashboard of an organization, or `None` if the caller does not belong to it.
pub async fn find_dashboard(tx: &mut TenantTransaction, id: OrganizationId) -> Result<Option<Dashboard>, sqlx::Error> {
    let row: Option<(uuid::Uuid, String, String, String, OffsetDateTime)> =
        sqlx::query_as("select id, name, slug, created_by, created_at from organizations where id = $1")
            .bind(id.0)
            .fetch_optional(tx.connection())
            .await?;
    let Some((id, name, slug, created_by, created_at)) = row else { return Ok(None) };
    let members: Vec<MemberRow> = sqlx::query_as(
        "select m.user_id, m.role, m.created_at, p.display_name, p.email
         from organization_users as m
         left join user_profiles as p on p.user_id = m.user_id
         where m.organization_id = $1
         order by m.created_at, m.user_id
         limit $2",
    )
    .bind(id)
    .bind(MEMBERS_SHOWN)
    .fetch_all(tx.connection())
    .await?;
    let members: Vec<Member> = members
        .into_iter()
        .filter_map(|(user_id, role, joined_at, display_name, email)| {
            let person = Person { user_id: UserId::parse(&user_id).ok()?, display_name, email };
            Some(Member { person, role, joined_at })
        })
        .collect();
    let person = |wanted: &str| {
        let known = members.iter().map(|member| &member.person).find(|person| person.user_id.as_str() == wanted);
        known.cloned().map_or_else(
            || UserId::parse(wanted).map(|user_id| Person { user_id, display_name: None, email: None }),
            Ok,
        )
    };
    let decode = |_| sqlx::Error::Decode("an unreadable user id".into());
    let me = person(tx.caller().as_str()).map_err(decode)?;
    let created_by = person(&created_by).map_err(decode)?;
    Ok(Some(Dashboard { organization: organization(id, name, slug), created_at, created_by, members, me }))
}

/// A row as the model's type. The rules for new names and slugs are not applied to what is stored: a row from before, or
/// written by hand, still shows.
fn organization(id: uuid::Uuid, name: String, slug: String) -> Organization {
    Organization { id: OrganizationId(id), name: OrganizationName::stored(name), slug: Slug::stored(slug) }
}

#[cfg(test)]
mod tests {
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
}
