//! Where text may be cut: never inside what a reader sees as one character.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

/// Whether a cut at byte `at` falls between two grapheme clusters.
pub(super) fn is_boundary(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let around = (at.checked_sub(1).and_then(|i| bytes.get(i)), bytes.get(at));
    if let (Some(before), Some(after)) = around
        && before.is_ascii()
        && after.is_ascii()
    {
        return !(*before == b'\r' && *after == b'\n');
    }
    text.is_char_boundary(at)
        && GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0).unwrap_or(false)
}

/// The first byte at or after `at` that is not white space, or `end`. Stops early at white
/// space that a combining mark makes part of a visible character.
pub(super) fn skip_space(text: &str, mut at: usize, end: usize) -> usize {
    for c in text.get(at..end).unwrap_or_default().chars() {
        let next = at + c.len_utf8();
        if !c.is_whitespace() || (next < end && !is_boundary(text, next)) {
            return at;
        }
        at = next;
    }
    at
}

/// `end` moved back over white space, not before `start`.
pub(super) fn trim_end(text: &str, start: usize, end: usize) -> usize {
    let trimmed = start + text.get(start..end).unwrap_or_default().trim_end().len();
    if is_boundary(text, trimmed) { trimmed } else { end }
}

/// The end of the white-space separated word at `at`, if it lies within `limit` bytes.
pub(super) fn word_end(text: &str, at: usize, end: usize, limit: usize) -> Option<usize> {
    for (i, c) in text.get(at..end).unwrap_or_default().char_indices() {
        if i > limit {
            return None;
        }
        if i > 0 && c.is_whitespace() && is_boundary(text, at + i) {
            return Some(at + i);
        }
    }
    Some(end)
}

/// The end of a run of whole grapheme clusters from `at`, at least one and, beyond the
/// first, not more than `target` bytes. A cluster longer than `cap` bytes, which no
/// writing system has, is cut between characters.
pub(super) fn graphemes_end(text: &str, at: usize, end: usize, target: usize, cap: usize) -> usize {
    let window = floor_char(text, end.min(at.saturating_add(cap.max(4))));
    let mut reached = at;
    for cluster in text.get(at..window).unwrap_or_default().graphemes(true) {
        if reached > at && reached + cluster.len() > at + target {
            break;
        }
        reached += cluster.len();
    }
    reached
}

fn floor_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_keeps_its_base() {
        let text = "a \u{301}b";
        assert!(!is_boundary(text, 2));
        assert_eq!(skip_space(text, 1, text.len()), 1);
        assert!(is_boundary("ab", 1));
        assert!(!is_boundary("\r\n", 1));
    }

    #[test]
    fn clusters_stay_whole_unless_absurd() {
        let family = "👨‍👩‍👧";
        let text = family.repeat(3);
        assert_eq!(graphemes_end(&text, 0, text.len(), 4, 1000), family.len());
        let marks = format!("e{}", "\u{301}".repeat(1000));
        assert_eq!(graphemes_end(&marks, 0, marks.len(), 4, 100), 99);
    }
}
