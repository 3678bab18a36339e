//! Lower case, compatibility forms and accents.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Whether the character belongs to the one before it.
pub(super) fn is_mark(c: char) -> bool {
    !c.is_ascii() && is_combining_mark(c)
}

/// `text` in lower case, without compatibility forms, accents and vowel points.
pub(super) fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|c| !is_dropped(*c))
        .flat_map(char::to_lowercase)
        .flat_map(|c| Folded::of(c).0)
        // Lower case may add a mark, as for İ.
        .filter(|c| !is_dropped(*c))
        .nfc()
        .collect()
}

/// Accents of the European alphabets, and the points of Hebrew and Arabic that are mostly
/// left out. Marks of other scripts are letters to their readers.
const fn is_dropped(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}'
        | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{200c}' | '\u{200d}')
}

/// One character as one or two: letters that have no decomposition in Unicode.
struct Folded(std::iter::Flatten<std::array::IntoIter<Option<char>, 2>>);

impl Folded {
    fn of(c: char) -> Self {
        let (first, second) = match c {
            'ß' => ('s', Some('s')),
            'æ' => ('a', Some('e')),
            'œ' => ('o', Some('e')),
            'ø' => ('o', None),
            'đ' | 'ð' => ('d', None),
            'ł' => ('l', None),
            'ı' => ('i', None),
            'þ' => ('t', Some('h')),
            'ς' => ('σ', None),
            other => (other, None),
        };
        Self([Some(first), second].into_iter().flatten())
    }
}
