//! What is probably wrong when a token's issuer is not the configured one.

/// Endings of the hosts that Clerk gives to development instances.
const DEVELOPMENT_HOSTS: [&str; 4] = [".clerk.accounts.dev", ".accounts.dev", ".lclclerk.com", ".lcl.dev"];

/// What kind of address an issuer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A host that Clerk gives to development instances.
    Development,
    /// The host is `clerk.` and a domain of the customer's, or the proxy's path.
    CustomDomain,
    /// Not an address that Clerk would use.
    Strange,
}

/// What kind of address `issuer` is.
pub fn kind(issuer: &str) -> Kind {
    let Ok(url) = url::Url::parse(issuer) else { return Kind::Strange };
    let host = url.host_str().unwrap_or_default();
    if DEVELOPMENT_HOSTS.iter().any(|ending| host.ends_with(ending)) {
        Kind::Development
    } else if url.scheme() == "https" && host.contains('.') {
        Kind::CustomDomain
    } else {
        Kind::Strange
    }
}

/// One or two sentences for the operator: what the two values mean, and which variable to set.
pub fn advice(expected: &str, found: &str) -> String {
    if found.is_empty() {
        return "the token names no issuer: it does not come from Clerk's session tokens".to_owned();
    }
    if found.trim_end_matches('/') == expected.trim_end_matches('/') {
        return format!("the two differ by a slash only: set CLERK_ISSUER={found}");
    }
    match (kind(expected), kind(found)) {
        (Kind::Development, Kind::Development) => {
            "the token comes from another development instance: the keys in CLERK_PUBLISHABLE_KEY and CLERK_SECRET_KEY belong to another project, or the browser kept its cookies"
                .to_owned()
        }
        (Kind::CustomDomain, Kind::Development) => {
            "the token comes from a development instance, and the keys are a production instance's: use the same instance's keys in browser and server, and sign in again"
                .to_owned()
        }
        (Kind::Development, Kind::CustomDomain) => {
            "the token comes from a production instance, and the keys are a development instance's: set CLERK_PUBLISHABLE_KEY and CLERK_SECRET_KEY to the production keys"
                .to_owned()
        }
        (_, Kind::CustomDomain) => format!(
            "the token's issuer looks like a custom domain: if it is this instance's (Clerk's dashboard, Domains), set CLERK_ISSUER={found}; if not, the keys belong to another project"
        ),
        (_, Kind::Strange) => {
            "the token's issuer is no address that Clerk uses: another service signed it with the same key".to_owned()
        }
        (Kind::Strange, Kind::Development) => format!("CLERK_ISSUER is no address that Clerk uses: set CLERK_ISSUER={found}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_the_likely_cause() {
        let custom = "https://clerk.example.com";
        let (one, other) = ("https://a-b-1.clerk.accounts.dev", "https://c-d-2.clerk.accounts.dev");
        for (expected, found, telling) in [
            (one, other, "another development instance"),
            (custom, one, "comes from a development instance"),
            (one, custom, "to the production keys"),
            ("https://clerk.example.org", custom, "set CLERK_ISSUER=https://clerk.example.com"),
            (custom, "https://clerk.example.com/", "differ by a slash only"),
            (custom, "", "names no issuer"),
            (custom, "somebody", "no address that Clerk uses"),
            ("http://localhost", one, "CLERK_ISSUER is no address"),
        ] {
            let advice = advice(expected, found);
            assert!(advice.contains(telling), "{expected} {found}: {advice}");
        }
    }
}
