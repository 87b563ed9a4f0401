//! What an organization may be called. The form and the server run this very code, so they cannot disagree.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::OrganizationId;

/// Longest name, in characters: what fits a header on a phone in two lines.
pub const NAME_MAX_CHARS: usize = 80;
/// Shortest slug, in characters: single letters are kept for us.
pub const SLUG_MIN_CHARS: usize = 2;
/// Longest slug, in characters: a DNS label has 63, and prefixes may be put before it.
pub const SLUG_MAX_CHARS: usize = 48;

/// Slugs that are, or may become, addresses of the product itself.
const RESERVED_SLUGS: &[&str] = &[
    "about",
    "account",
    "admin",
    "administrator",
    "api",
    "app",
    "assets",
    "auth",
    "billing",
    "blog",
    "clerk",
    "dashboard",
    "debug",
    "docs",
    "error",
    "favicon",
    "health",
    "help",
    "internal",
    "invite",
    "legal",
    "login",
    "logout",
    "mail",
    "me",
    "new",
    "null",
    "onboarding",
    "organization",
    "organizations",
    "pkg",
    "pricing",
    "privacy",
    "public",
    "ready",
    "root",
    "security",
    "settings",
    "sign-in",
    "sign-out",
    "sign-up",
    "signin",
    "signout",
    "signup",
    "static",
    "status",
    "support",
    "system",
    "terms",
    "token-pending",
    "unauthorized",
    "undefined",
    "user",
    "users",
    "vestibule",
    "webhooks",
    "www",
];

/// A name as people see it: trimmed, single spaces, 1 to 80 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrganizationName(String);

/// The part of an address that names an organization: `a-z`, `0-9` and single hyphens between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

/// Why a name was refused. The text is shown at the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("Enter a name for your organization.")]
    Empty,
    #[error("Use at most {NAME_MAX_CHARS} characters.")]
    TooLong,
    #[error("Use at least one letter or number.")]
    NoLetter,
    #[error("The name contains an invisible or control character. Type it instead of pasting it.")]
    InvisibleCharacter,
}

/// Why a slug was refused. The text is shown at the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    #[error("Enter a web address for your organization.")]
    Empty,
    #[error("Use at least {SLUG_MIN_CHARS} characters.")]
    TooShort,
    #[error("Use at most {SLUG_MAX_CHARS} characters.")]
    TooLong,
    #[error("Use small letters only.")]
    Capitals,
    #[error("Use only the letters a to z, numbers and hyphens.")]
    ForbiddenCharacter,
    #[error("Start and end with a letter or number, and use one hyphen at a time.")]
    Hyphens,
    #[error("This address is reserved. Choose another one.")]
    Reserved,
}

/// An organization as its members see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    pub id: OrganizationId,
    pub name: OrganizationName,
    pub slug: Slug,
}

/// Characters that change how other characters are shown, or are not shown at all (Unicode `Cc`, and the `Cf` ones
/// used to disguise text: bidirectional controls, zero-width space and joiners, byte order mark, soft hyphen). The
/// zero-width joiner stays: emoji and several scripts need it.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl OrganizationName {
    /// Trims, folds runs of spaces, and checks. Any script is welcome, right-to-left ones included; controls are not.
    pub fn parse(input: &str) -> Result<Self, NameError> {
        // Cheap bound first: nothing below walks an oversized input more than once.
        if input.chars().nth(NAME_MAX_CHARS * 4).is_some() {
            return Err(NameError::TooLong);
        }
        let name = input.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.chars().any(is_invisible) {
            return Err(NameError::InvisibleCharacter);
        }
        if name.chars().count() > NAME_MAX_CHARS {
            return Err(NameError::TooLong);
        }
        if !name.chars().any(char::is_alphanumeric) {
            return Err(NameError::NoLetter);
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Slug {
    /// Checks without changing anything: what is typed is what is stored, or it is refused.
    pub fn parse(input: &str) -> Result<Self, SlugError> {
        let input = input.trim();
        if input.is_empty() {
            return Err(SlugError::Empty);
        }
        if input.len() > SLUG_MAX_CHARS * 4 {
            return Err(SlugError::TooLong);
        }
        if input.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(SlugError::Capitals);
        }
        if !input.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return Err(SlugError::ForbiddenCharacter);
        }
        if input.len() > SLUG_MAX_CHARS {
            return Err(SlugError::TooLong);
        }
        if input.starts_with('-') || input.ends_with('-') || input.as_bytes().windows(2).any(|pair| pair == b"--") {
            return Err(SlugError::Hyphens);
        }
        if input.len() < SLUG_MIN_CHARS {
            return Err(SlugError::TooShort);
        }
        if RESERVED_SLUGS.contains(&input) {
            return Err(SlugError::Reserved);
        }
        Ok(Self(input.to_owned()))
    }

    /// Proposes a slug for a name, or an empty string when the name has nothing to build one from.
    /// Latin letters lose their accents; other scripts are left out, since a guess at reading them would be wrong.
    pub fn suggest(name: &str) -> String {
        let mut slug = String::new();
        for character in name.chars().take(NAME_MAX_CHARS * 2) {
            let piece = ascii_of(character);
            if piece.is_empty() {
                if !slug.is_empty() && !slug.ends_with('-') && character != '\'' && character != '\u{2019}' {
                    slug.push('-');
                }
            } else {
                slug.push_str(&piece);
            }
        }
        slug.truncate(SLUG_MAX_CHARS);
        let slug = slug.trim_end_matches('-').to_owned();
        match Self::parse(&slug) {
            Ok(_) => slug,
            Err(SlugError::Reserved) => format!("{slug}-team"),
            Err(SlugError::TooShort) => format!("{slug}-team"),
            Err(_) => String::new(),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The ASCII letters nearest to a Latin letter, or an empty string. Capitals are listed instead of being folded: the
/// standard library's table of all lower-case forms would be 4 kB in the browser.
fn ascii_of(character: char) -> String {
    if character.is_ascii_alphanumeric() {
        return character.to_ascii_lowercase().to_string();
    }
    match character {
        'à'..='å' | 'À'..='Å' | 'Ā'..='ą' => "a",
        'æ' | 'Æ' => "ae",
        'ç' | 'Ç' | 'Ć'..='č' => "c",
        'ð' | 'Ð' | 'Ď'..='đ' => "d",
        'è'..='ë' | 'È'..='Ë' | 'Ē'..='ě' => "e",
        'Ĝ'..='ģ' => "g",
        'Ĥ'..='ħ' => "h",
        'ì'..='ï' | 'Ì'..='Ï' | 'Ĩ'..='ı' => "i",
        'Ĵ' | 'ĵ' => "j",
        'Ķ' | 'ķ' => "k",
        'Ĺ'..='ł' => "l",
        'ñ' | 'Ñ' | 'Ń'..='ň' => "n",
        'ò'..='ö' | 'ø' | 'Ò'..='Ö' | 'Ø' | 'Ō'..='ő' => "o",
        'œ' | 'Œ' => "oe",
        'Ŕ'..='ř' => "r",
        'Ś'..='š' | 'Ș' | 'ș' => "s",
        'ß' | 'ẞ' => "ss",
        'Ţ'..='ŧ' | 'Ț' | 'ț' => "t",
        'þ' | 'Þ' => "th",
        'ù'..='ü' | 'Ù'..='Ü' | 'Ũ'..='ų' => "u",
        'Ŵ' | 'ŵ' => "w",
        'ý' | 'ÿ' | 'Ý' | 'Ŷ'..='Ÿ' => "y",
        'Ź'..='ž' => "z",
        _ => "",
    }
    .to_owned()
}

macro_rules! text {
    ($name:ident, $error:ident) => {
        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(value: String) -> Result<Self, $error> {
                Self::parse(&value)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(OrganizationName, NameError);
text!(Slug, SlugError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_script_are_kept() {
        for name in ["Acme", "Müller & Söhne", "شركة المثال", "株式会社", "🚀 Labs", "7"] {
            assert_eq!(OrganizationName::parse(name).expect(name).as_str(), name);
        }
        assert_eq!(OrganizationName::parse("  Acme \t  Inc ").expect("valid").as_str(), "Acme Inc");
    }

    #[test]
    fn names_that_disguise_or_say_nothing_are_refused() {
        assert_eq!(OrganizationName::parse(" \n "), Err(NameError::Empty));
        assert_eq!(OrganizationName::parse("🎉🎉"), Err(NameError::NoLetter));
        assert_eq!(OrganizationName::parse("Acme\u{202e}gpj"), Err(NameError::InvisibleCharacter));
        assert_eq!(OrganizationName::parse("Ac\u{0}me"), Err(NameError::InvisibleCharacter));
        assert_eq!(OrganizationName::parse(&"x".repeat(10_000)), Err(NameError::TooLong));
        assert_eq!(OrganizationName::parse(&"é".repeat(81)), Err(NameError::TooLong));
        assert!(OrganizationName::parse(&"é".repeat(80)).is_ok());
    }

    #[test]
    fn slugs_are_checked_not_changed() {
        for good in ["ab", "acme", "a-1", "7seas", &"a".repeat(48)] {
            assert_eq!(Slug::parse(good).expect(good).as_str(), good);
        }
        let cases = [
            ("", SlugError::Empty),
            ("a", SlugError::TooShort),
            ("Acme", SlugError::Capitals),
            ("ac me", SlugError::ForbiddenCharacter),
            ("acmé", SlugError::ForbiddenCharacter),
            ("🚀", SlugError::ForbiddenCharacter),
            ("شركة", SlugError::ForbiddenCharacter),
            ("-acme", SlugError::Hyphens),
            ("acme-", SlugError::Hyphens),
            ("ac--me", SlugError::Hyphens),
            ("new", SlugError::Reserved),
            ("api", SlugError::Reserved),
        ];
        for (input, error) in cases {
            assert_eq!(Slug::parse(input), Err(error), "{input:?}");
        }
        assert_eq!(Slug::parse(&"a".repeat(49)), Err(SlugError::TooLong));
        assert_eq!(Slug::parse(&"a".repeat(10_000)), Err(SlugError::TooLong));
    }

    #[test]
    fn suggestions_are_valid_or_empty() {
        let cases = [
            ("Acme Inc.", "acme-inc"),
            ("Müller & Söhne", "muller-sohne"),
            ("ÉCOLE ŻÓŁĆ ŞİŞLİ", "ecole-zolc-sisli"),
            ("Joe's Café", "joes-cafe"),
            ("API", "api-team"),
            ("X", "x-team"),
            ("株式会社", ""),
            ("🚀 Labs", "labs"),
            ("--", ""),
        ];
        for (name, slug) in cases {
            assert_eq!(Slug::suggest(name), slug, "{name:?}");
            assert!(slug.is_empty() || Slug::parse(slug).is_ok());
        }
        assert!(Slug::parse(&Slug::suggest(&"word ".repeat(40))).is_ok());
    }

    #[test]
    fn the_list_of_reserved_slugs_is_sorted_and_plain() {
        assert!(RESERVED_SLUGS.is_sorted());
    }
}
