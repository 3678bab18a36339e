//! Words of a stream, and the white space between them.

use super::{BLOCK, WINDOW};

pub(super) fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

pub(super) fn has_control(text: &str) -> bool {
    let ascii = |byte: u8| byte == 0x7f || (byte < b' ' && byte != b'\n' && byte != b'\t');
    // Without branches, so that many bytes are looked at together.
    if text.bytes().fold(false, |any, byte| any | ascii(byte)) {
        return true;
    }
    !text.is_ascii() && text.chars().any(is_control)
}

/// What stands behind the last white space.
pub(super) fn last_word(text: &str) -> &str {
    split_last_word(text).map_or(text, |(_, word)| word)
}

/// The beginning up to and including the last white space, and the word after it.
pub(super) fn split_last_word(text: &str) -> Option<(&str, &str)> {
    let last = text.rfind(char::is_whitespace)?;
    let space = text.get(last..)?.chars().next()?;
    Some(text.split_at(last + space.len_utf8()))
}

/// A word and the white space after it, and the rest.
pub(super) fn split_word(text: &str) -> (&str, &str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, tail) = text.split_at(end);
    let (space, tail) = tail.split_at(tail.len() - tail.trim_start().len());
    (word, space, tail)
}

/// Some whole words with the white space after them, and the rest.
pub(super) fn split_block(text: &str) -> (&str, &str) {
    let from = text.floor_char_boundary(BLOCK);
    let (_, _, tail) = split_word(text.get(from..).unwrap_or_default());
    text.split_at(text.len() - tail.len())
}

pub(super) fn no_long_word(text: &str) -> bool {
    text.len() < WINDOW || text.split(char::is_whitespace).all(|word| word.len() < WINDOW)
}
