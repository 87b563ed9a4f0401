//! The one claim that gates: which organization the session token says is active.
//!
//! The server reads it from verified claims, the browser from the token in its cookie, both with this code. Rule: the
//! first of four paths that the token *has* decides. A token with none of them comes from an instance without our
//! claims template; a path that exists but holds something else is stale.

use serde_json::{Map, Value};

use super::ids::OrganizationId;

/// What a token says about the active organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActiveOrganizationClaim {
    /// None of the paths exists: the claims template is not installed. The database decides, without a wait.
    NoTemplate,
    /// The path exists, but holds no organization id yet.
    Absent,
    /// The path holds this id. It may still be an old one.
    Organization(OrganizationId),
}

/// The paths in order of preference.
const PATHS: [&[&str]; 4] =
    [&["publicMetadata", "activeOrgId"], &["metadata", "activeOrgId"], &["activeOrgId"], &["organizationId"]];

/// The value at a path of a payload.
pub enum Found {
    Nothing,
    Text(String),
    /// Null, or anything that is not a string.
    Other,
}

impl ActiveOrganizationClaim {
    /// Reads the claim from a token's payload.
    pub fn of(payload: &Map<String, Value>) -> Self {
        Self::find(|path| match look_up(payload, path) {
            None => Found::Nothing,
            Some(Value::String(text)) => Found::Text(text.clone()),
            Some(_) => Found::Other,
        })
    }

    /// Reads the claim through any lookup. The browser has its own JSON.
    pub fn find(look_up: impl Fn(&[&str]) -> Found) -> Self {
        for path in PATHS {
            match look_up(path) {
                Found::Nothing => {}
                Found::Text(text) => return OrganizationId::parse(&text).map_or(Self::Absent, Self::Organization),
                Found::Other => return Self::Absent,
            }
        }
        Self::NoTemplate
    }
}

fn look_up<'a>(payload: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Value> {
    let (last, parents) = path.split_last()?;
    let mut object = payload;
    for key in parents {
        object = object.get(*key)?.as_object()?;
    }
    object.get(*last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0193f3a1-7b5e-7c00-8000-00000000000a";
    const B: &str = "0193f3a1-7b5e-7c00-8000-00000000000b";

    fn read(json: &str) -> ActiveOrganizationClaim {
        ActiveOrganizationClaim::of(&serde_json::from_str(json).expect("an object"))
    }

    fn organization(id: &str) -> ActiveOrganizationClaim {
        ActiveOrganizationClaim::Organization(OrganizationId::parse(id).expect("a uuid"))
    }

    #[test]
    fn the_first_path_that_exists_decides() {
        assert_eq!(
            read(&format!(r#"{{"publicMetadata":{{"activeOrgId":"{A}"}},"activeOrgId":"{B}"}}"#)),
            organization(A)
        );
        assert_eq!(read(&format!(r#"{{"metadata":{{"activeOrgId":"{A}"}},"organizationId":"{B}"}}"#)), organization(A));
        assert_eq!(read(&format!(r#"{{"activeOrgId":"{B}"}}"#)), organization(B));
        assert_eq!(read(&format!(r#"{{"organizationId":"{B}"}}"#)), organization(B));
        // Null in an earlier path decides, too: the token is stale, whatever the later paths hold.
        assert_eq!(
            read(&format!(r#"{{"publicMetadata":{{"activeOrgId":null}},"activeOrgId":"{B}"}}"#)),
            ActiveOrganizationClaim::Absent
        );
    }

    #[test]
    fn a_missing_key_is_not_a_null_key() {
        for json in ["{}", r#"{"publicMetadata":{}}"#, r#"{"publicMetadata":null,"metadata":"x"}"#] {
            assert_eq!(read(json), ActiveOrganizationClaim::NoTemplate, "{json}");
        }
        for json in
            [r#"{"activeOrgId":null}"#, r#"{"activeOrgId":""}"#, r#"{"activeOrgId":7}"#, r#"{"activeOrgId":"org_1"}"#]
        {
            assert_eq!(read(json), ActiveOrganizationClaim::Absent, "{json}");
        }
    }
}
