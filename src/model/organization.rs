//! The rules for an organization's name and slug. The form and the server share this code, so they cannot disagree.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::OrganizationId;
use super::unicode::{is_default_ignorable, is_mark};

/// Longest name, in characters: what fits into two lines of a header on a phone.
pub const NAME_MAX_CHARS: usize = 80;
/// Most marks on one character. The longest stacks in ordinary writing have four: a Hebrew letter with two points, a
/// vowel and a cantillation mark.
pub const MAX_MARKS: usize = 4;
/// Shortest slug, in characters: single letters are reserved for the product.
pub const SLUG_MIN_CHARS: usize = 2;
/// Longest slug, in characters: a DNS label has 63, which leaves room for a prefix.
pub const SLUG_MAX_CHARS: usize = 48;

/// Shown when another organization has the slug.
pub const SLUG_TAKEN: &str = "This address is taken. Choose another one.";
/// Shown when a name gives no slug, because it has neither Latin letters nor digits.
pub const NO_SUGGESTION: &str =
    "We can’t make a web address from this name. Type one in the letters a to z, for example “my-team”.";

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

/// Endings for a taken slug, the preferred ones first. Each has its only hyphen at the beginning, so that
/// no two of them lead to the same slug.
const ALTERNATIVE_ENDINGS: &[&str] =
    &["-hq", "-team", "-2", "-3", "-io", "-app", "-co", "-labs", "-group", "-4", "-5", "-6"];

/// Latin letters that do not decompose, by the ASCII letters they become. Most follow the transform `Latin-ASCII` of
/// Unicode's CLDR; ə, ɔ and ɣ, which it leaves out, are for Azerbaijani and West African languages.
const UNDECOMPOSED_LATIN: &[(&str, &str)] = &[
    ("ae", "æÆ"),
    ("b", "ƀɃɓƁ"),
    ("d", "đĐðÐɖƉɗƊ"),
    ("e", "əƏɛƐ"),
    ("f", "ƒƑ"),
    ("g", "ǥǤɣƔ"),
    ("h", "ħĦ"),
    ("i", "ıɨƗ"),
    ("k", "ƙƘ"),
    ("l", "łŁ"),
    ("n", "ŋŊɲƝ"),
    ("o", "øØɔƆ"),
    ("oe", "œŒ"),
    ("q", "ĸ"),
    ("ss", "ßẞ"),
    ("t", "ŧŦ"),
    ("th", "þÞ"),
    ("u", "ʉɄ"),
    ("v", "ʋƲ"),
    ("y", "ƴƳ"),
    ("z", "ƶƵ"),
];

/// A name as users see it: trimmed, single spaces, 1 to 80 characters. New ones come from [`OrganizationName::parse`].
/// What was stored, or comes from the server, was accepted once, and is shown whatever the rules are by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrganizationName(String);

/// The part of an address that names an organization: `a-z`, `0-9` and single hyphens between them. As
/// with names, the rules are for new ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slug(String);

/// Why a name is invalid. The text is shown at the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("Enter a name for your organization.")]
    Empty,
    #[error("Use at most {NAME_MAX_CHARS} characters.")]
    TooLong,
    #[error("Use at least one letter or number.")]
    NoLetter,
    #[error("The name contains an invisible character (U+{:04X}). Type it instead of pasting it.", u32::from(*.0))]
    InvisibleCharacter(char),
    #[error("The name has too many accents on one letter. Use at most {MAX_MARKS}.")]
    TooManyMarks,
    #[error("The name has an accent without a letter. Remove it, or put a letter before it.")]
    MarkOnNothing,
}

/// Why a slug is invalid. The text is shown at the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    #[error("Enter a web address for your organization.")]
    Empty,
    #[error("Use at least {SLUG_MIN_CHARS} characters.")]
    TooShort,
    #[error("Use at most {SLUG_MAX_CHARS} characters.")]
    TooLong,
    #[error("Use lowercase letters only.")]
    Capitals,
    #[error("Use only the letters a to z, numbers and hyphens.")]
    ForbiddenCharacter,
    #[error("Start and end with a letter or number, and use one hyphen at a time.")]
    Hyphens,
    #[error("This web address is reserved. Choose another one.")]
    Reserved,
}

/// An organization as its members see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    pub id: OrganizationId,
    pub name: OrganizationName,
    pub slug: Slug,
}

/// What a member may do in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Owner,
    Admin,
    Member,
}

/// A text that names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role")]
pub struct UnknownRole(String);

impl Role {
    /// Every role, the most powerful one first.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Admin, Self::Member];

    /// As it is stored, and as programs read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    /// Whether this role changes what the organization is called. The database decides; pages only show what it would.
    pub fn may_rename(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }

    /// As users read it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Owner => "Owner",
            Self::Admin => "Admin",
            Self::Member => "Member",
        }
    }
}

impl TryFrom<String> for Role {
    type Error = UnknownRole;

    fn try_from(stored: String) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == stored).ok_or(UnknownRole(stored))
    }
}

/// Zero-width joiner and non-joiner.
fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}')
}

/// The variation selectors that emoji, Han characters in Japanese names, and Mongolian use.
fn is_variation_selector(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180f}')
}

/// Whether a character is invisible where it stands, after `previous` (a space, at the beginning of a name). So are all
/// controls (`Cc`), all of Unicode's Default_Ignorable_Code_Point, and some that are in neither but show nothing:
/// blanks of Braille, music and hieroglyphs, marks of annotations, the place of an object.
///
/// Real names need some of them, which are kept one at a time:
/// - joiners after what is not ASCII: emoji, Indic scripts, Persian;
/// - variation selectors after what is not ASCII, and after `0` to `9`, `#` and `*`, the only ones in ASCII for which
///   Unicode defines variants (`StandardizedVariants.txt`, `emoji-variation-sequences.txt`).
fn is_invisible(character: char, previous: char) -> bool {
    if is_joiner(character) {
        return previous.is_ascii() || is_joiner(previous);
    }
    if is_variation_selector(character) {
        let on_ascii = previous.is_ascii() && !matches!(previous, '0'..='9' | '#' | '*');
        return on_ascii || is_joiner(previous) || is_variation_selector(previous);
    }
    character.is_control()
        || is_default_ignorable(character)
        || matches!(character, '\u{2800}' | '\u{fff9}'..='\u{fffc}' | '\u{13441}' | '\u{13442}' | '\u{1d159}')
}

/// Rejects what disguises a name. Joiners between marks do not end a stack, because they take up no space.
fn check_characters(name: &str) -> Result<(), NameError> {
    let mut previous = ' ';
    let mut marks = 0;
    for character in name.chars() {
        if is_invisible(character, previous) {
            return Err(NameError::InvisibleCharacter(character));
        }
        if is_mark(character) {
            if previous == ' ' {
                return Err(NameError::MarkOnNothing);
            }
            marks += 1;
            if marks > MAX_MARKS {
                return Err(NameError::TooManyMarks);
            }
        } else if !is_joiner(character) {
            marks = 0;
        }
        previous = character;
    }
    Ok(())
}

impl OrganizationName {
    /// Trims, folds runs of spaces, and checks. Any script is welcome, right-to-left ones included;
    /// what disguises a name is not: invisible characters, and marks in stacks or without a letter.
    pub fn parse(input: &str) -> Result<Self, NameError> {
        // A cheap bound first, so that the code below never walks an oversized input.
        if input.chars().nth(NAME_MAX_CHARS * 4).is_some() {
            return Err(NameError::TooLong);
        }
        let name = input.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        check_characters(&name)?;
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
    /// Checks without changing anything but surrounding spaces: the input is stored as it is, or rejected.
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

    /// Suggests a slug for a name, or an empty string if the name has nothing to build one from.
    ///
    /// The name must be in compatibility decomposition (NFKD, Unicode Standard Annex 15), for which this module has no
    /// tables: the server has `names::decomposed`, a browser `String.prototype.normalize("NFKD")`. Accents are then
    /// separate marks, which are skipped; ligatures and full-width letters are plain ones. Scripts other than Latin are
    /// left out, because a guessed transliteration would be wrong. Without decomposition, accented letters are lost.
    pub fn suggest(decomposed: &str) -> String {
        let mut slug = String::new();
        let mut rest = decomposed.chars();
        // Bounded, with room for three marks on each letter.
        for _ in 0..NAME_MAX_CHARS * 4 {
            let Some(character) = rest.next() else { break };
            if character.is_ascii_alphanumeric() {
                slug.push(character.to_ascii_lowercase());
            } else if let Some(letters) = undecomposed_latin(character) {
                slug.push_str(letters);
            } else if !slug.is_empty() && !slug.ends_with('-') && !joins_letters(character, &slug, rest.as_str()) {
                slug.push('-');
            }
        }
        slug.truncate(SLUG_MAX_CHARS);
        let slug = slug.trim_end_matches('-').to_owned();
        match Self::parse(&slug) {
            Ok(_) => slug,
            Err(SlugError::Reserved | SlugError::TooShort) => format!("{slug}-team"),
            Err(_) => String::new(),
        }
    }

    /// Alternatives for a taken slug: at most twelve, all different, the preferred ones first, and always the same.
    /// They may be taken, too. An ending that this slug already has is replaced, so that `acme-2` leads to `acme-3`; a
    /// long slug is shortened.
    pub fn alternatives(&self) -> impl Iterator<Item = Slug> {
        let base = ALTERNATIVE_ENDINGS.iter().find_map(|ending| self.0.strip_suffix(ending)).unwrap_or(&self.0);
        ALTERNATIVE_ENDINGS.iter().filter(move |ending| !base.ends_with(**ending)).filter_map(move |ending| {
            let start = base.get(..SLUG_MAX_CHARS - ending.len()).unwrap_or(base).trim_end_matches('-');
            Slug::parse(&format!("{start}{ending}")).ok().filter(|slug| slug != self)
        })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The ASCII letters for a Latin letter that does not decompose.
fn undecomposed_latin(character: char) -> Option<&'static str> {
    let (ascii, _) =
        UNDECOMPOSED_LATIN.iter().find(|(_, letters)| letters.chars().any(|letter| letter == character))?;
    Some(ascii)
}

/// Whether the letters around a character belong to one word of a slug: around marks, apostrophes, invisible
/// characters, and the middle dot of Catalan between two l, as in "il·lusió".
fn joins_letters(character: char, before: &str, after: &str) -> bool {
    match character {
        '\'' | '\u{2019}' | '\u{2bb}' | '\u{2bc}' => true,
        '\u{b7}' => before.ends_with('l') && after.starts_with(['l', 'L']),
        _ => is_mark(character) || is_default_ignorable(character),
    }
}

macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// A value that was accepted before: from our own database.
            pub fn stored(value: String) -> Self {
                Self(value)
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

text!(OrganizationName);
text!(Slug);

#[cfg(test)]
mod tests;
