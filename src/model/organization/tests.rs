//! Which names and slugs are valid.

use super::*;

fn refusal(name: &str) -> Option<NameError> {
    OrganizationName::parse(name).err()
}

#[test]
fn names_in_every_script_are_valid() {
    let names = [
        "Acme",
        "Müller & Söhne",
        "شركة المثال",
        "株式会社",
        "🚀 Labs",
        "7",
        // Joiners: a family, Persian, Sinhala, Marathi; a flag of two joined emoji.
        "👨\u{200d}👩\u{200d}👧 Family",
        "می\u{200c}خواهم",
        "ශ්\u{200d}රී ලංකා",
        "र्\u{200d}हस्व",
        "🏳\u{fe0f}\u{200d}🌈 Pride",
        // Variation selectors, skin tones, regional indicators, keycaps, a slashed zero.
        "❤\u{fe0f} Care",
        "葛\u{e0100}城",
        "ᠮᠣᠩᠭᠣᠯ\u{180b}",
        "👍🏽 Team",
        "🇩🇪 Handel",
        "1\u{fe0f}\u{20e3} First",
        "#\u{fe0f}\u{20e3} Tags",
        "0\u{fe00} Club",
        // Marks in their usual numbers: Vietnamese, Hebrew (shin dot, dagesh, vowel, accent), Tibetan, Hindi, Thai.
        "Vie\u{323}\u{302}t Nam",
        "ש\u{5c1}\u{5bc}\u{5b8}\u{591}לום",
        "བརྒྱུད",
        "ཧཱུྃ",
        "हिन्दी क्ष्म्य",
        "ที่นี่",
    ];
    for name in names {
        assert_eq!(OrganizationName::parse(name).expect(name).as_str(), name);
    }
    assert_eq!(OrganizationName::parse("  Acme \t  Inc ").expect("valid").as_str(), "Acme Inc");
}

#[test]
fn empty_and_too_long_names_are_rejected() {
    assert_eq!(refusal(" \n "), Some(NameError::Empty));
    assert_eq!(refusal("🎉🎉"), Some(NameError::NoLetter));
    assert_eq!(refusal(&"x".repeat(10_000)), Some(NameError::TooLong));
    assert_eq!(refusal(&"é".repeat(81)), Some(NameError::TooLong));
    assert_eq!(refusal(&"é".repeat(80)), None);
}

#[test]
fn invisible_characters_are_rejected_anywhere() {
    let invisible = [
        '\0',
        '\u{1b}',
        '\u{7f}',
        '\u{9f}',
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{115f}',
        '\u{1160}',
        '\u{17b4}',
        '\u{200b}',
        '\u{200e}',
        '\u{202e}',
        '\u{2060}',
        '\u{2069}',
        '\u{2800}',
        '\u{3164}',
        '\u{feff}',
        '\u{ffa0}',
        '\u{fff0}',
        '\u{fff9}',
        '\u{fffc}',
        '\u{13441}',
        '\u{13442}',
        '\u{1d159}',
        '\u{1d173}',
        '\u{e0001}',
        '\u{e0061}',
        '\u{e01f0}',
        '\u{e0fff}',
    ];
    for character in invisible {
        let names = ["Ac~me", "~Acme", "Acme~", "~~", "株~社", "👨~", "7~", "e\u{301}~"];
        for name in names.map(|name| name.replace('~', &character.to_string())) {
            assert_eq!(refusal(&name), Some(NameError::InvisibleCharacter(character)), "{name:?}");
        }
    }
}

#[test]
fn joiners_and_variation_selectors_are_rejected_where_no_name_needs_them() {
    for joiner in ['\u{200c}', '\u{200d}'] {
        // After ASCII, at the beginning of a word, and after another one.
        for name in ["Ac~me", "~Acme", "Acme ~株", "7~", "می~~خ", "👨\u{200d}~👩"] {
            let name = name.replace('~', &joiner.to_string());
            assert_eq!(refusal(&name), Some(NameError::InvisibleCharacter(joiner)), "{name:?}");
        }
    }
    for selector in ['\u{fe00}', '\u{fe0f}', '\u{e0100}', '\u{180b}'] {
        for name in ["Ac~me", "~Acme", "Acme ~", "Acme-~", "❤\u{fe0f}~ Care", "👨\u{200d}~👩 Care", "1~~"] {
            let name = name.replace('~', &selector.to_string());
            assert_eq!(refusal(&name), Some(NameError::InvisibleCharacter(selector)), "{name:?}");
        }
    }
}

#[test]
fn a_letter_has_at_most_four_marks() {
    // Latin, Hebrew, Thai, an enclosing circle, a mark beyond the basic plane.
    for (letter, mark) in [("A", "\u{301}"), ("ש", "\u{5b8}"), ("ก", "\u{e49}"), ("A", "\u{20dd}"), ("𑄃", "\u{11100}")]
    {
        for marks in 1..=MAX_MARKS {
            let name = format!("{letter}{}{letter}", mark.repeat(marks)).repeat(3);
            assert_eq!(refusal(&name), None, "{name:?}");
        }
        for marks in [5, 79] {
            let name = format!("{letter}{}", mark.repeat(marks));
            assert_eq!(refusal(&name), Some(NameError::TooManyMarks), "{name:?}");
        }
    }
    // A stack that changes between scripts, or is held together by joiners.
    assert_eq!(refusal("ก\u{e49}\u{301}\u{489}\u{5b8}\u{302}"), Some(NameError::TooManyMarks));
    assert_eq!(refusal(&format!("é{}", "\u{301}\u{200d}".repeat(5))), Some(NameError::TooManyMarks));
}

#[test]
fn marks_need_a_letter() {
    for name in ["\u{301}Acme", "  \u{301}Acme", "Acme \u{301}", "\u{e49}กก", "\u{20dd}A"] {
        assert_eq!(refusal(name), Some(NameError::MarkOnNothing), "{name:?}");
    }
}

#[test]
fn errors_are_sentences() {
    let cases = [
        ("\u{3164}\u{3164}", "The name contains an invisible character (U+3164). Type it instead of pasting it."),
        ("Acme\0", "The name contains an invisible character (U+0000). Type it instead of pasting it."),
        ("Acme\u{e0041}", "The name contains an invisible character (U+E0041). Type it instead of pasting it."),
        ("A\u{301}\u{301}\u{301}\u{301}\u{301}", "The name has too many accents on one letter. Use at most 4."),
        ("\u{301}A", "The name has an accent without a letter. Remove it, or put a letter before it."),
    ];
    for (name, sentence) in cases {
        assert_eq!(refusal(name).expect(sentence).to_string(), sentence);
    }
    assert_eq!(SlugError::Capitals.to_string(), "Use lowercase letters only.");
}

#[test]
fn slugs_are_checked_not_changed() {
    for slug in ["ab", "acme", "a-1", "7seas", &"a".repeat(48)] {
        assert_eq!(Slug::parse(slug).expect(slug).as_str(), slug);
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

/// Decomposed names. `names::decomposed` has tests with names as users type them.
#[test]
fn suggestions_are_valid_or_empty() {
    let cases = [
        ("Acme Inc.", "acme-inc"),
        ("Mu\u{308}ller & So\u{308}hne", "muller-sohne"),
        ("E\u{301}COLE Z\u{307}O\u{301}ŁC\u{301} S\u{327}I\u{307}S\u{327}LI\u{307}", "ecole-zolc-sisli"),
        ("Vie\u{323}\u{302}t", "viet"),
        ("Joe's Cafe\u{301}", "joes-cafe"),
        ("Joe\u{2019}s Cafe\u{301}", "joes-cafe"),
        ("Hawai\u{2bb}i", "hawaii"),
        ("Il\u{b7}lusio\u{301} Hotel\u{b7}Bar", "illusio-hotel-bar"),
        ("Bar\u{b7}Lux", "bar-lux"),
        // Not decomposed: the letter is lost.
        ("Caf\u{e9} Noir", "caf-noir"),
        ("Ac\u{ad}me", "acme"),
        ("API", "api-team"),
        ("Sign In", "sign-in-team"),
        ("X", "x-team"),
        ("E\u{301}", "e-team"),
        ("株式会社", ""),
        ("Москва", ""),
        ("株式会社 7", "7-team"),
        ("🚀 Labs", "labs"),
        ("--", ""),
        ("\u{301}", ""),
        ("", ""),
    ];
    for (name, slug) in cases {
        assert_eq!(Slug::suggest(name), slug, "{name:?}");
        assert!(slug.is_empty() || Slug::parse(slug).is_ok());
    }
    for reserved in RESERVED_SLUGS {
        assert_eq!(Slug::suggest(reserved), format!("{reserved}-team"));
        assert!(Slug::parse(&Slug::suggest(reserved)).is_ok(), "{reserved}");
    }
}

#[test]
fn suggestions_of_long_names_are_shortened() {
    let fill = |length| "a".repeat(length);
    assert_eq!(Slug::suggest(&fill(80)), fill(48));
    assert_eq!(Slug::suggest(&format!("{} b", fill(47))), fill(47), "no hyphen is left at the end");
    assert_eq!(Slug::suggest(&format!("{} b", fill(46))), format!("{}-b", fill(46)));
    assert_eq!(Slug::suggest(&format!("{} b", fill(48))), fill(48));
    assert_eq!(Slug::suggest(&format!("{}ßa", fill(47))), format!("{}s", fill(47)));
    assert_eq!(Slug::suggest(&"é".repeat(1_000_000)), "");
    // Each letter has three marks, and no letter is lost.
    assert_eq!(Slug::suggest(&"a\u{31b}\u{323}\u{302}".repeat(48)), fill(48));
}

#[test]
fn letters_that_do_not_decompose_are_listed_once() {
    let cases = [
        ("Straße STRAẞE", "strasse-strasse"),
        ("Ærø ærø", "aero-aero"),
        ("Œuvre œuvre", "oeuvre-oeuvre"),
        ("Þór þór", "thor-thor"),
        ("Đà Nẵng đ", "da-nang-d"),
        ("Ðð Łł Ħħ ı", "dd-ll-hh-i"),
        ("Ŋŋ ĸ Ŧŧ", "nn-q-tt"),
        ("Azərbaycan Ə", "azerbaycan-e"),
        ("Ɔkɔm Ɛnɛ Ɓɓ Ɗɗ Ƙƙ", "okom-ene-bb-dd-kk"),
    ];
    // The listed letters have no decomposition; the others are decomposed by hand here.
    let by_hand = |name: &str| name.replace('ó', "o\u{301}").replace('à', "a\u{300}").replace('ẵ', "a\u{306}\u{303}");
    for (name, slug) in cases {
        assert_eq!(Slug::suggest(&by_hand(name)), slug, "{name:?}");
    }
    let mut seen = std::collections::HashSet::new();
    for (ascii, letters) in UNDECOMPOSED_LATIN {
        assert!(!ascii.is_empty() && ascii.bytes().all(|letter| letter.is_ascii_lowercase()), "{ascii:?}");
        assert!(letters.chars().all(|letter| !letter.is_ascii() && seen.insert(letter)), "{letters}");
    }
}

fn alternatives(slug: &str) -> Vec<String> {
    Slug::parse(slug).expect(slug).alternatives().map(String::from).collect()
}

#[test]
fn alternatives_keep_the_name_and_change_the_ending() {
    let of_acme = [
        "acme-hq",
        "acme-team",
        "acme-2",
        "acme-3",
        "acme-io",
        "acme-app",
        "acme-co",
        "acme-labs",
        "acme-group",
        "acme-4",
        "acme-5",
        "acme-6",
    ];
    assert_eq!(alternatives("acme"), of_acme);
    // An existing ending is replaced, and the slug itself is not offered.
    assert_eq!(alternatives("acme-2")[..3], ["acme-hq", "acme-team", "acme-3"]);
    assert_eq!(alternatives("api-team")[..2], ["api-hq", "api-2"]);
    assert_eq!(alternatives("x-hq")[..2], ["x-team", "x-2"]);
    assert_eq!(alternatives("acme-hq-2")[..2], ["acme-hq-team", "acme-hq-3"]);
}

#[test]
fn alternatives_of_a_long_slug_are_shortened_at_the_end() {
    let fill = |length| "a".repeat(length);
    assert_eq!(alternatives(&fill(48))[..2], [format!("{}-hq", fill(45)), format!("{}-team", fill(43))]);
    // Shortened right after a hyphen, which is not doubled.
    assert_eq!(alternatives(&format!("{}-bbb", fill(44)))[0], format!("{}-hq", fill(44)));
    // Of maximum length, with an ending.
    assert_eq!(alternatives(&format!("{}-hq", fill(45)))[0], format!("{}-team", fill(43)));
}

#[test]
fn alternatives_are_valid_distinct_and_enough() {
    let mut slugs: Vec<String> = ["ab", "7seas", "a-1", "sign", "token-pending-2"].map(String::from).into();
    for ending in ALTERNATIVE_ENDINGS {
        slugs.extend((1..=SLUG_MAX_CHARS - ending.len()).map(|length| format!("{}{ending}", "x".repeat(length))));
    }
    // A hyphen at every position.
    slugs.extend((1..47).map(|length| format!("{}-{}", "x".repeat(length), "y".repeat(47 - length))));
    for slug in slugs {
        let found = alternatives(&slug);
        assert!((10..=12).contains(&found.len()), "{slug}: {found:?}");
        for (index, one) in found.iter().enumerate() {
            assert_eq!(Slug::parse(one).map(String::from).as_ref(), Ok(one), "{slug}");
            assert!(*one != slug && !found[..index].contains(one), "{slug}: {found:?}");
        }
    }
}

#[test]
fn the_list_of_reserved_slugs_is_sorted() {
    assert!(RESERVED_SLUGS.is_sorted());
}

#[test]
fn roles_are_read_as_they_are_stored() {
    for role in Role::ALL {
        assert_eq!(Role::try_from(role.as_str().to_owned()), Ok(role));
        assert_eq!(serde_json::to_value(role).expect("JSON"), serde_json::json!(role.as_str()));
    }
    let unknown = Role::try_from("guest".to_owned()).expect_err("unknown");
    assert_eq!(unknown.to_string(), "\"guest\" is not a role");
}
