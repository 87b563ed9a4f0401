//! Two properties of characters, from the Unicode Character Database, version 18.0.0.
//!
//! The tables are compact, because this code also runs in the browser. A test compares them with `icu_properties`
//! for every character. To regenerate them for a newer version of Unicode, update that crate and run the test: it
//! fails and prints both tables. Paste them here, and change the version above.

/// Marks, as alternating lengths of runs: characters that are not marks, then characters that are, from U+0000. A
/// length is in groups of seven bits, the highest first; every byte of a length except its last has the highest bit
/// set. Source: `UnicodeData.txt`, General_Category `Mn` and `Me`.
const MARKS: &[u8] = &[
    134, 0, 112, 130, 19, 7, 130, 7, 45, 1, 1, 1, 2, 1, 2, 1, 3, 70, 11, 48, 21, 16, 1, 101, 7, 2, 6, 2, 2, 1, 4, 35,
    1, 30, 27, 91, 11, 58, 9, 9, 1, 24, 4, 1, 9, 1, 3, 1, 5, 43, 3, 59, 9, 42, 24, 1, 32, 55, 1, 1, 1, 4, 8, 4, 1, 3,
    7, 10, 2, 29, 1, 58, 1, 4, 4, 8, 1, 20, 2, 26, 1, 2, 2, 57, 1, 4, 2, 4, 2, 2, 3, 3, 1, 30, 2, 3, 1, 11, 2, 57, 1,
    4, 5, 1, 2, 4, 1, 20, 2, 22, 6, 1, 1, 58, 1, 2, 1, 1, 4, 8, 1, 5, 4, 11, 2, 30, 1, 61, 1, 12, 1, 50, 1, 3, 1, 55,
    1, 1, 3, 5, 3, 1, 4, 7, 2, 11, 2, 29, 1, 58, 1, 2, 1, 6, 1, 5, 2, 20, 2, 28, 2, 57, 2, 4, 4, 8, 1, 20, 2, 29, 1,
    72, 1, 7, 3, 1, 1, 90, 1, 2, 7, 12, 8, 98, 1, 2, 9, 11, 7, 73, 2, 27, 1, 1, 1, 1, 1, 55, 14, 1, 5, 1, 2, 5, 11, 1,
    36, 9, 1, 102, 4, 1, 6, 1, 2, 2, 2, 25, 2, 4, 3, 16, 4, 13, 1, 2, 2, 6, 1, 15, 1, 133, 63, 3, 135, 50, 3, 29, 2,
    30, 2, 30, 2, 64, 2, 1, 7, 8, 1, 2, 11, 9, 1, 45, 3, 1, 1, 117, 2, 34, 1, 118, 3, 4, 2, 9, 1, 6, 3, 129, 91, 2, 2,
    1, 58, 1, 1, 7, 1, 1, 1, 1, 2, 8, 6, 10, 2, 1, 48, 65, 15, 4, 48, 1, 1, 5, 1, 1, 5, 1, 40, 9, 12, 2, 32, 4, 2, 2,
    1, 3, 56, 1, 1, 2, 3, 1, 1, 3, 58, 8, 2, 2, 129, 24, 3, 1, 13, 1, 7, 4, 1, 6, 1, 3, 2, 129, 70, 64, 133, 80, 33,
    151, 126, 3, 129, 13, 1, 96, 32, 132, 42, 4, 107, 2, 129, 235, 84, 4, 1, 10, 32, 2, 80, 2, 130, 16, 1, 3, 1, 4, 1,
    25, 2, 5, 1, 129, 23, 2, 26, 18, 13, 1, 38, 8, 25, 11, 46, 3, 48, 1, 2, 4, 2, 2, 39, 1, 67, 6, 2, 2, 2, 2, 12, 1,
    8, 1, 47, 1, 51, 1, 1, 3, 2, 2, 5, 2, 1, 1, 42, 2, 8, 1, 129, 110, 1, 2, 1, 4, 1, 129, 158, 48, 1, 133, 97, 16, 16,
    16, 135, 77, 1, 129, 98, 1, 129, 21, 5, 141, 6, 3, 1, 2, 5, 4, 40, 3, 4, 1, 129, 37, 2, 132, 61, 4, 65, 5, 130, 61,
    2, 30, 5, 32, 16, 70, 11, 49, 4, 123, 1, 54, 15, 41, 1, 2, 2, 10, 3, 49, 4, 2, 2, 7, 1, 61, 3, 36, 5, 1, 8, 62, 1,
    12, 2, 52, 9, 10, 4, 2, 1, 95, 3, 2, 1, 1, 2, 6, 1, 2, 1, 129, 29, 1, 3, 8, 21, 2, 57, 2, 3, 1, 37, 7, 3, 5, 70, 6,
    13, 1, 1, 1, 1, 1, 14, 2, 85, 8, 2, 3, 1, 1, 23, 1, 84, 6, 1, 1, 4, 2, 1, 2, 129, 110, 4, 6, 2, 1, 2, 27, 2, 85, 8,
    2, 1, 1, 2, 106, 1, 1, 1, 2, 6, 1, 1, 101, 1, 1, 1, 2, 4, 1, 5, 130, 3, 9, 1, 2, 130, 0, 2, 1, 1, 4, 1, 129, 16, 4,
    2, 2, 4, 1, 32, 10, 40, 6, 2, 4, 8, 1, 9, 6, 2, 3, 46, 13, 1, 2, 129, 70, 1, 1, 3, 1, 1, 129, 73, 7, 1, 6, 1, 1,
    82, 22, 2, 7, 1, 2, 1, 2, 122, 6, 3, 1, 1, 2, 1, 7, 1, 1, 72, 2, 3, 1, 1, 1, 88, 1, 130, 2, 2, 11, 2, 52, 5, 5, 1,
    1, 1, 23, 1, 169, 101, 1, 6, 15, 217, 72, 12, 3, 3, 147, 64, 5, 59, 7, 136, 24, 1, 63, 4, 81, 1, 129, 153, 56, 2,
    164, 97, 46, 2, 23, 131, 96, 2, 62, 3, 17, 8, 2, 7, 30, 4, 129, 20, 3, 22, 2, 143, 35, 55, 4, 50, 8, 1, 14, 1, 22,
    5, 1, 15, 138, 80, 7, 1, 17, 2, 7, 1, 2, 1, 5, 100, 1, 129, 32, 7, 130, 119, 1, 61, 4, 131, 124, 4, 129, 126, 2,
    129, 115, 1, 2, 1, 7, 2, 5, 1, 131, 90, 7, 109, 7, 176, 175, 53, 129, 112,
];

/// Ranges, first and last character, sorted.
/// Source: `DerivedCoreProperties.txt`, Default_Ignorable_Code_Point.
const DEFAULT_IGNORABLE: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fff8}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// The lengths in [`MARKS`].
fn lengths_of_runs() -> impl Iterator<Item = u32> {
    let mut bytes = MARKS.iter();
    std::iter::from_fn(move || {
        let mut length = 0;
        loop {
            let byte = bytes.next()?;
            length = length << 7 | u32::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Some(length);
            }
        }
    })
}

/// Whether the character is drawn onto the one before it and takes up no space: an accent, a vowel point, a
/// cantillation mark, an enclosing circle (General_Category Nonspacing_Mark or Enclosing_Mark).
pub fn is_mark(character: char) -> bool {
    let mut end = 0;
    let run = lengths_of_runs().position(|length| {
        end += length;
        u32::from(character) < end
    });
    // Every second run consists of marks.
    run.is_some_and(|run| run % 2 == 1)
}

/// Whether the character is invisible, even in a program that does not support it: joiners, fillers, variation
/// selectors, direction controls, tags (Default_Ignorable_Code_Point). Some of these are reserved for later versions.
pub fn is_default_ignorable(character: char) -> bool {
    DEFAULT_IGNORABLE.iter().any(|&(first, last)| (first..=last).contains(&character))
}

#[cfg(test)]
mod tests {
    use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
    use icu_properties::{CodePointMapData, CodePointSetData};

    use super::*;

    fn every_character() -> impl Iterator<Item = char> {
        '\0'..=char::MAX
    }

    /// The characters that have a property, as ranges.
    fn ranges(has: impl Fn(char) -> bool) -> Vec<(char, char)> {
        let mut ranges: Vec<(char, char)> = Vec::new();
        for character in every_character().filter(|&character| has(character)) {
            match ranges.last_mut() {
                Some((_, last)) if u32::from(*last) + 1 == u32::from(character) => *last = character,
                _ => ranges.push((character, character)),
            }
        }
        ranges
    }

    /// Ranges in the form of [`MARKS`].
    fn table_of(ranges: &[(char, char)]) -> Vec<u8> {
        let mut table = Vec::new();
        let mut end = 0;
        for &(first, last) in ranges {
            let (first, after) = (u32::from(first), u32::from(last) + 1);
            for length in [first - end, after - first] {
                for shift in [14, 7].into_iter().filter(|shift| length >> shift != 0) {
                    table.push((length >> shift) as u8 & 0x7f | 0x80);
                }
                table.push(length as u8 & 0x7f);
            }
            end = after;
        }
        table
    }

    #[test]
    fn marks_are_those_of_unicode() {
        let category = CodePointMapData::<GeneralCategory>::new();
        let expected = |character| {
            matches!(category.get(character), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark)
        };
        let ranges = ranges(expected);
        let table = table_of(&ranges);
        assert!(MARKS == table, "const MARKS: &[u8] = &{table:?};");

        // The table is right for every character. Its reader is checked at both sides of each run's ends.
        let before = |character| ('\0'..character).next_back();
        let after = |character| (character..=char::MAX).nth(1);
        for (first, last) in ranges {
            for character in [before(first), Some(first), Some(last), after(last)].into_iter().flatten() {
                assert_eq!(is_mark(character), expected(character), "U+{:04X}", u32::from(character));
            }
        }
        assert!(!is_mark('\0') && !is_mark(char::MAX));
    }

    #[test]
    fn default_ignorable_characters_are_those_of_unicode() {
        let property = CodePointSetData::new::<DefaultIgnorableCodePoint>();
        let expected = |character| property.contains(character);
        let differing = every_character().find(|&character| is_default_ignorable(character) != expected(character));
        let table = ranges(expected)
            .iter()
            .map(|&(first, last)| format!("('\\u{{{:x}}}', '\\u{{{:x}}}'),", u32::from(first), u32::from(last)))
            .collect::<String>();
        assert_eq!(differing, None, "const DEFAULT_IGNORABLE: &[(char, char)] = &[{table}];");
    }
}
