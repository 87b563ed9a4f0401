//! What the model's rules about names need of Unicode's large tables, which the browser has built in.

use unicode_normalization::UnicodeNormalization;

/// Compatibility decomposition (NFKD, Unicode Standard Annex 15): the form that `Slug::suggest` takes. A browser has it
/// as `String.prototype.normalize("NFKD")`.
pub fn decomposed(name: &str) -> String {
    name.nfkd().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::organization::Slug;

    fn suggested(name: &str) -> String {
        Slug::suggest(&decomposed(name))
    }

    #[test]
    fn names_lead_to_slugs_however_they_are_typed() {
        let cases = [
            ("Müller & Söhne", "muller-sohne"),
            ("Mu\u{308}ller So\u{308}hne", "muller-sohne"),
            ("Căn Hộ", "can-ho"),
            ("Đà Nẵng", "da-nang"),
            ("\u{fb01}ne \u{fb03}x", "fine-ffix"),
            ("ＡＢＣ１２", "abc12"),
            ("Łódź", "lodz"),
            ("Ærø", "aero"),
            ("Straße", "strasse"),
            ("İstanbul Işık", "istanbul-isik"),
            ("Smørrebrød", "smorrebrod"),
            ("ÉCOLE ŻÓŁĆ ŞİŞLİ", "ecole-zolc-sisli"),
            ("Joe's Café", "joes-cafe"),
            ("Joe＇s", "joes"),
            ("Paral·lel Coŀlecció", "parallel-colleccio"),
            ("Þórður Œuvre", "thordur-oeuvre"),
            ("𝐀𝐜𝐦𝐞 №5", "acme-no5"),
            ("株式会社", ""),
            ("㈱", ""),
            ("한국", ""),
            ("Ελλάδα", ""),
            ("Київ", ""),
            ("می\u{200c}خواهم", ""),
            ("👨\u{200d}👩\u{200d}👧 Family", "family"),
        ];
        for (name, slug) in cases {
            assert_eq!(suggested(name), slug, "{name:?}");
        }
    }

    /// The blocks Latin-1 Supplement, Latin Extended-A and Latin Extended Additional, but for signs and medieval letters.
    #[test]
    fn no_letter_of_the_european_and_vietnamese_alphabets_divides_a_word() {
        let letters = ('\u{c0}'..='\u{17f}').chain('\u{1e00}'..='\u{1e99}').chain('\u{1ea0}'..='\u{1ef9}');
        for letter in letters.filter(|letter| !matches!(letter, '×' | '÷' | '\u{1e9a}')) {
            let slug = suggested(&format!("xx{letter}lx"));
            assert!(slug.len() > 4 && slug.bytes().all(|byte| byte.is_ascii_lowercase()), "{letter}: {slug}");
        }
    }
}
