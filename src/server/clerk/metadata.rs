//! What we keep in a user's metadata at Clerk, and how it is changed.
//!
//! Three kinds: public (in tokens and pages, written by servers), unsafe (the same, but the browser may write it too, so
//! nothing is decided by it), private (servers only). What must stay true: private metadata cannot be serialized, printed
//! or read here, only handed to Clerk; no change is sent that Clerk would refuse, or that makes the session token too
//! large for its cookie.

use std::fmt;

use serde_json::{Map, Value, json};

use super::backend_api::{BackendApi, ClerkError};
use super::user::ClerkUser;
use crate::model::ids::{OrganizationId, UserId};

/// Clerk takes so many bytes of each kind.
const KIND_LIMIT: usize = 8 * 1024;
/// What our claims may take of the session token, so that it fits into a cookie of 4 kB.
const CLAIMS_LIMIT: usize = 1_200;
/// What goes from public metadata into session tokens.
const CLAIMS_TEMPLATE: &str = include_str!("../../model/claims_template.json");

/// Public metadata, read. Fields that we do not know are kept, and so are known ones of another type: they read as absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublicMetadata(Map<String, Value>);

impl PublicMetadata {
    pub fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    pub fn active_org_id(&self) -> Option<OrganizationId> {
        OrganizationId::parse(self.text("activeOrgId")?).ok()
    }

    pub fn onboarding_complete(&self) -> bool {
        self.0.get("onboardingComplete").and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn role(&self) -> Option<&str> {
        self.text("role")
    }

    pub fn plan(&self) -> Option<&str> {
        self.text("plan")
    }

    pub fn permissions(&self) -> Vec<&str> {
        let list = self.0.get("permissions").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub fn organization_name(&self) -> Option<&str> {
        self.text("organizationName")
    }

    pub fn organization_slug(&self) -> Option<&str> {
        self.text("organizationSlug")
    }

    pub fn person_id(&self) -> Option<&str> {
        self.text("personId")
    }

    /// All fields, as they came.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }
}

/// Private metadata on its way to Clerk. Nothing else can be done with it.
///
/// Public metadata may go wherever JSON goes:
/// ```
/// let public = vestibule::server::clerk::metadata::PublicMetadata::default();
/// serde_json::to_string(public.fields()).expect("JSON");
/// ```
/// Private metadata cannot be serialized,
/// ```compile_fail,E0277
/// let private = vestibule::server::clerk::metadata::PrivateMetadata::default();
/// serde_json::to_string(&private).expect("JSON");
/// ```
/// nor put into an error for the browser,
/// ```compile_fail,E0277
/// use vestibule::model::failure::{Failure, FailureCode};
/// let private = vestibule::server::clerk::metadata::PrivateMetadata::default();
/// Failure::new(FailureCode::Internal, private);
/// ```
/// nor shown on a page,
/// ```compile_fail,E0277
/// fn show(_: impl leptos::prelude::IntoView) {}
/// let private = vestibule::server::clerk::metadata::PrivateMetadata::default();
/// show(private);
/// ```
/// nor taken apart.
/// ```compile_fail,E0616
/// let private = vestibule::server::clerk::metadata::PrivateMetadata::default();
/// private.0;
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct PrivateMetadata(Map<String, Value>);

impl PrivateMetadata {
    /// Sets a field; null removes it.
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.0.insert(key.to_owned(), value);
        self
    }
}

impl fmt::Debug for PrivateMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateMetadata(…)")
    }
}

/// A change: merged deeply into what Clerk has, where null removes a key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataChange {
    public: Map<String, Value>,
    private: PrivateMetadata,
    insecure: Map<String, Value>,
}

impl MetadataChange {
    /// The user has an organization, and this is the active one.
    pub fn complete_onboarding(organization: OrganizationId) -> Self {
        Self::default().public("activeOrgId", json!(organization)).public("onboardingComplete", json!(true))
    }

    /// The role in the whole app. It gives no power inside an organization.
    pub fn set_role(role: Option<&str>) -> Self {
        Self::default().public("role", json!(role))
    }

    pub fn set_plan(plan: Option<&str>) -> Self {
        Self::default().public("plan", json!(plan))
    }

    /// Several at once. Of two that set the same field, the later one wins.
    pub fn all(changes: impl IntoIterator<Item = Self>) -> Self {
        changes.into_iter().fold(Self::default(), |mut all, change| {
            all.public.extend(change.public);
            all.private.0.extend(change.private.0);
            all.insecure.extend(change.insecure);
            all
        })
    }

    /// Sets any public field; null removes it.
    pub fn public(mut self, key: &str, value: Value) -> Self {
        self.public.insert(key.to_owned(), value);
        self
    }

    /// Sets private fields.
    pub fn private(mut self, private: PrivateMetadata) -> Self {
        self.private.0.extend(private.0);
        self
    }

    /// Sets a field that the browser may change as well; null removes it.
    pub fn insecure(mut self, key: &str, value: Value) -> Self {
        self.insecure.insert(key.to_owned(), value);
        self
    }

    /// Reads a change as it stands in the outbox: the body of Clerk's call.
    pub fn parse(body: &Value) -> Result<Self, MetadataError> {
        let mut change = Self::default();
        for (kind, fields) in body.as_object().ok_or(MetadataError::Malformed)? {
            let fields = fields.as_object().ok_or(MetadataError::Malformed)?.clone();
            match kind.as_str() {
                "public_metadata" => change.public = fields,
                "private_metadata" => change.private = PrivateMetadata(fields),
                "unsafe_metadata" => change.insecure = fields,
                _ => return Err(MetadataError::Malformed),
            }
        }
        Ok(change)
    }

    /// The body of Clerk's call. Holds what is private: only the client takes it.
    pub(super) fn body(&self) -> Value {
        let kinds = self.kinds().into_iter().filter(|(_, fields)| !fields.is_empty());
        kinds.map(|(kind, fields)| (kind.to_owned(), Value::Object(fields.clone()))).collect::<Map<_, _>>().into()
    }

    fn kinds(&self) -> [(&'static str, &Map<String, Value>); 3] {
        [("public_metadata", &self.public), ("private_metadata", &self.private.0), ("unsafe_metadata", &self.insecure)]
    }

    /// Whether Clerk would take it, and tokens stay small enough.
    pub fn validate(&self) -> Result<(), MetadataError> {
        if self.kinds().iter().all(|(_, fields)| fields.is_empty()) {
            return Err(MetadataError::Empty);
        }
        for (kind, fields) in self.kinds() {
            let bytes = size(fields);
            if bytes > KIND_LIMIT {
                return Err(MetadataError::TooLarge { kind, bytes });
            }
        }
        let bytes = claims_size(&self.public);
        if bytes > CLAIMS_LIMIT { Err(MetadataError::ClaimsTooLarge { bytes }) } else { Ok(()) }
    }
}

fn size(fields: &Map<String, Value>) -> usize {
    serde_json::to_string(fields).map_or(usize::MAX, |text| text.len())
}

/// What the claims template makes of public metadata, in bytes of JSON.
fn claims_size(public: &Map<String, Value>) -> usize {
    fn filled(template: Value, public: &Value) -> Value {
        match template {
            Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, filled(value, public))).collect(),
            Value::String(text) => {
                match text.strip_prefix("{{user.public_metadata").and_then(|rest| rest.strip_suffix("}}")) {
                    Some(path) => public.pointer(&path.replace('.', "/")).cloned().unwrap_or_default(),
                    None => Value::String(text),
                }
            }
            other => other,
        }
    }
    let template = serde_json::from_str(CLAIMS_TEMPLATE).unwrap_or_default();
    filled(template, &Value::Object(public.clone())).to_string().len()
}

/// Why metadata was not changed. The text holds nothing of the metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    #[error("there is no user to change: the id is empty or not one of Clerk's")]
    NoUser,
    #[error("the change is empty")]
    Empty,
    #[error("the change is not one of metadata")]
    Malformed,
    #[error("{kind} would be {bytes} bytes; Clerk takes {KIND_LIMIT}")]
    TooLarge { kind: &'static str, bytes: usize },
    #[error("the claims in the session token would be {bytes} bytes; {CLAIMS_LIMIT} fit into its cookie with the rest")]
    ClaimsTooLarge { bytes: usize },
    #[error(transparent)]
    Clerk(#[from] ClerkError),
}

impl MetadataError {
    /// For programs.
    pub fn code(&self) -> &str {
        match self {
            Self::NoUser => "no_user",
            Self::Empty => "empty_change",
            Self::Malformed => "malformed_change",
            Self::TooLarge { .. } => "metadata_too_large",
            Self::ClaimsTooLarge { .. } => "claims_too_large",
            Self::Clerk(error) => error.code(),
        }
    }

    /// Whether the same change may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Clerk(error) if error.is_retryable())
    }

    /// How long to stay away.
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Clerk(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// Changes a user's metadata at Clerk, and gives back the user as Clerk has it now.
pub async fn update_user_metadata(
    clerk: &BackendApi,
    user: &str,
    change: &MetadataChange,
) -> Result<ClerkUser, MetadataError> {
    let checked = UserId::parse(user).map_err(|_| MetadataError::NoUser);
    let checked = checked.and_then(|user| change.validate().map(|()| user));
    let result = match checked {
        Ok(user) => clerk.update_user_metadata(&user, change).await.map_err(MetadataError::from),
        Err(error) => Err(error),
    };
    let [public, private, insecure] = change.kinds().map(|(_, fields)| fields.len());
    match &result {
        Ok(_) => tracing::info!(user.id = %user, public, private, insecure, "metadata changed"),
        // Nothing was sent, and the caller continues by itself.
        Err(MetadataError::Clerk(ClerkError::Limited { .. })) => {}
        Err(error) => tracing::warn!(
            user.id = %user, public, private, insecure, error.code = error.code(), error.retryable = error.is_retryable(), %error,
            "metadata not changed"
        ),
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: &str = "0193f3a1-7b5e-7c00-8000-00000000000a";

    fn organization() -> OrganizationId {
        OrganizationId::parse(ORGANIZATION).expect("a uuid")
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn known_fields_are_typed_and_others_are_kept() {
        let fields = json!({
            "activeOrgId": ORGANIZATION, "onboardingComplete": true, "role": "admin", "plan": "pro", "permissions": ["a", 7, "b"],
            "organizationName": "Acme", "organizationSlug": "acme", "personId": "p_1", "theme": {"dark": true}
        });
        let read = PublicMetadata::new(object(fields.clone()));
        assert_eq!((read.active_org_id(), read.onboarding_complete()), (Some(organization()), true));
        assert_eq!((read.role(), read.plan(), read.permissions()), (Some("admin"), Some("pro"), vec!["a", "b"]));
        assert_eq!((read.organization_name(), read.organization_slug()), (Some("Acme"), Some("acme")));
        assert_eq!((read.person_id(), read.fields()), (Some("p_1"), &object(fields)));
        let odd = PublicMetadata::new(object(json!({"activeOrgId": 7, "onboardingComplete": "yes", "role": null})));
        assert_eq!((odd.active_org_id(), odd.onboarding_complete(), odd.role()), (None, false, None));
    }

    #[test]
    fn the_common_changes_are_the_bodies_of_clerks_call() {
        let onboarded = MetadataChange::complete_onboarding(organization());
        let body = json!({"public_metadata": {"activeOrgId": ORGANIZATION, "onboardingComplete": true}});
        assert_eq!((onboarded.body(), MetadataChange::parse(&body)), (body, Ok(onboarded.clone())));
        let private = PrivateMetadata::default().with("customer", json!("c_1"));
        let all = MetadataChange::all([
            MetadataChange::set_role(Some("admin")),
            onboarded,
            MetadataChange::set_plan(None).private(private).insecure("theme", json!("dark")),
            MetadataChange::set_role(Some("member")),
        ]);
        let body = json!({
            "public_metadata": {"activeOrgId": ORGANIZATION, "onboardingComplete": true, "role": "member", "plan": null},
            "private_metadata": {"customer": "c_1"},
            "unsafe_metadata": {"theme": "dark"},
        });
        assert_eq!((all.body(), MetadataChange::parse(&body)), (body, Ok(all)));
    }

    #[test]
    fn what_clerk_or_the_cookie_would_not_take_is_refused() {
        let long = |bytes: usize| json!("x".repeat(bytes));
        let change = MetadataChange::default;
        let private = |bytes| PrivateMetadata::default().with("k", long(bytes));
        let table = [
            (change(), Some("empty_change")),
            (change().public("plan", long(8_000)), None),
            (change().public("plan", long(8_192)), Some("metadata_too_large")),
            (change().insecure("k", long(8_192)), Some("metadata_too_large")),
            (change().private(private(8_192)), Some("metadata_too_large")),
            (change().private(private(8_000)).insecure("k", long(8_000)).public("plan", long(8_000)), None),
            // `role` is in the claims template, `plan` is not.
            (change().public("role", long(1_000)), None),
            (change().public("role", long(1_200)), Some("claims_too_large")),
            (MetadataChange::set_role(None), None),
        ];
        for (change, expected) in table {
            let error = change.validate().err();
            assert_eq!(error.as_ref().map(MetadataError::code), expected, "{change:?}");
            assert!(error.is_none_or(|error| !error.is_retryable()));
        }
        for malformed in [json!([]), json!({"public_metadata": 1}), json!({"public": {}})] {
            assert_eq!(MetadataChange::parse(&malformed), Err(MetadataError::Malformed), "{malformed}");
        }
    }

    #[test]
    fn private_metadata_is_not_printed() {
        let change = MetadataChange::default().private(PrivateMetadata::default().with("customer", json!("c_1")));
        assert_eq!(format!("{:?}", change.private), "PrivateMetadata(…)");
        assert!(!format!("{change:?}").contains("c_1"));
    }
}
