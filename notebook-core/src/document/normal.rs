//! Canonical form of text: what may stand in a document, and how white space is written.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Whether a character carries no text: controls, directional overrides, zero-width
/// marks that no script needs, and the tag characters used to hide text.
///
/// Joiners (U+200C, U+200D) and the marks U+200E and U+200F stay: Arabic, Persian,
/// Indic scripts and emoji need them.
fn is_dropped(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
        | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
        || is_tag(c)
}

/// Tag characters: invisible copies of ASCII.
pub(super) fn is_tag(c: char) -> bool {
    ('\u{e0000}'..='\u{e007f}').contains(&c)
}

/// Runs of white space become one space, line ends included; ends are trimmed;
/// dropped characters go; the rest is composed to NFC.
#[must_use]
pub fn normalize_inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            gap = !out.is_empty();
        } else if !is_dropped(c) {
            if gap {
                out.push(' ');
                gap = false;
            }
            out.push(c);
        }
    }
    compose(out)
}

/// Line ends become `\n`, other characters are treated as in [`normalize_inline`] but
/// tabs and inner and leading spaces stay. Blank lines at both ends go.
#[must_use]
pub fn normalize_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    end_line(&mut out);
                }
            }
            '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => end_line(&mut out),
            '\t' => out.push('\t'),
            c if c.is_whitespace() => out.push(' '),
            c if is_dropped(c) => {}
            c => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    let first_line = out
        .find(|c: char| !c.is_whitespace())
        .and_then(|first| out.get(..first)?.rfind('\n'))
        .map_or(0, |end| end + 1);
    out.drain(..first_line);
    compose(out)
}

fn end_line(out: &mut String) {
    out.truncate(out.trim_end_matches([' ', '\t']).len());
    out.push('\n');
}

fn compose(text: String) -> String {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return text;
    }
    text.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_has_single_spaces() {
        assert_eq!(normalize_inline("  a \r\n\t b\u{a0}c\u{3000}d "), "a b c d");
        assert_eq!(normalize_inline(" \n "), "");
    }

    #[test]
    fn inline_composes_and_drops() {
        assert_eq!(normalize_inline("e\u{301}\u{0}\u{ad}\u{feff}x"), "\u{e9}x");
        assert_eq!(normalize_inline("\u{e0041}\u{202e}a"), "a");
        assert_eq!(normalize_inline("\u{646}\u{200c}\u{647}"), "\u{646}\u{200c}\u{647}");
    }

    #[test]
    fn lines_keep_indentation() {
        assert_eq!(
            normalize_lines("\n \n  if x:\r\n\ty  \rz\u{2028}end\n\n"),
            "  if x:\n\ty\nz\nend"
        );
        assert_eq!(normalize_lines(" \n\t"), "");
    }
}
