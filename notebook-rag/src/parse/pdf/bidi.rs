//! Right-to-left text from its order on the page to its order of reading.

use unicode_normalization::UnicodeNormalization;

/// Letters shaped for their place in a word, and ligatures, become plain letters.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let shaped = matches!(c, '\u{fb00}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
            let folded = shaped.then(|| std::iter::once(c).nfkc().collect::<Vec<_>>());
            folded.unwrap_or_else(|| vec![c])
        })
        .collect()
}

fn is_rtl(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}')
}

fn is_shaped(c: char) -> bool {
    matches!(c, '\u{fb00}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}')
}

/// Brackets are drawn mirrored in right-to-left text.
fn mirrored(c: char) -> char {
    match c {
        '(' => ')',
        ')' => '(',
        '[' => ']',
        ']' => '[',
        '\u{ab}' => '\u{bb}',
        '\u{bb}' => '\u{ab}',
        c => c,
    }
}

/// Takes text as it stands from left to right on the page. Lines that are mostly
/// right-to-left are turned round, with numbers and foreign words kept as they are; in
/// other lines only the right-to-left words are turned.
pub(super) fn logical(visual: &str) -> String {
    if visual.is_ascii() || !visual.chars().any(is_rtl) {
        return if visual.chars().any(is_shaped) { plain(visual) } else { visual.to_owned() };
    }
    let chars: Vec<char> = visual.chars().collect();
    let rtl = chars.iter().filter(|c| is_rtl(**c)).count();
    let ltr = chars.iter().filter(|c| c.is_alphabetic() && !is_rtl(**c)).count();
    let turned: String = if rtl >= ltr {
        let mut all: Vec<char> = chars.into_iter().rev().map(mirrored).collect();
        turn(&mut all, |c| (c.is_alphanumeric() && !is_rtl(c)) || c.is_ascii_digit());
        all.into_iter().collect()
    } else {
        let mut all = chars;
        turn(&mut all, is_rtl);
        all.into_iter().collect()
    };
    // Shapes are folded last: a ligature's letters are in order of reading.
    plain(&turned)
}

/// Reverses each stretch of the characters meant, with what stands between them.
fn turn(chars: &mut [char], meant: impl Fn(char) -> bool) {
    let mut at = 0;
    while at < chars.len() {
        let Some(start) = chars.iter().skip(at).position(|c| meant(*c)).map(|found| at + found)
        else {
            return;
        };
        let mut end = start + 1;
        let mut next = end;
        while let Some(c) = chars.get(next) {
            if meant(*c) {
                end = next + 1;
            } else if is_rtl(*c) || (c.is_alphabetic() && !meant(*c)) {
                break;
            }
            next += 1;
        }
        if let Some(stretch) = chars.get_mut(start..end) {
            stretch.reverse();
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::logical;

    #[test]
    fn latin_stays() {
        assert_eq!(logical("abc (d) 12"), "abc (d) 12");
        assert_eq!(logical("\u{fb01}nd e\u{fb03}cient"), "find efficient");
    }

    #[test]
    fn hebrew_line_is_turned() {
        // Drawn from left to right: the last letter first.
        assert_eq!(logical("\u{5dd}\u{5d5}\u{5dc}\u{5e9}"), "\u{5e9}\u{5dc}\u{5d5}\u{5dd}");
        assert_eq!(
            logical("2024 PDF \u{5dd}\u{5d5}\u{5dc}\u{5e9}"),
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd} 2024 PDF"
        );
    }

    #[test]
    fn hebrew_word_in_latin_line() {
        assert_eq!(logical("the word \u{5dd}\u{5d5} is here"), "the word \u{5d5}\u{5dd} is here");
    }

    #[test]
    fn shaped_arabic_becomes_plain() {
        assert_eq!(logical("\u{fedd}\u{fe8d}"), "\u{627}\u{644}");
    }
}
