//! Sentence ends, found in one pass with a few rules.
//!
//! A wrong cut only makes two units of one sentence, and a missed one a longer unit, so
//! the rules are cheap: a terminator, closing marks, white space, and no lower-case
//! letter after it; not after a known abbreviation or an initial.

use super::boundary::is_boundary;

/// What ends a unit of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Sentences.
    Sentences,
    /// Lines, each whole.
    Lines,
}

/// The end of the sentence or line that starts at `from`, at most `end`. Trailing white
/// space is not part of it.
pub(super) fn unit_end(text: &str, from: usize, end: usize, cut: Cut) -> usize {
    let slice = text.get(from..end).unwrap_or_default();
    for (i, c) in slice.char_indices() {
        let at = from + i;
        let found = match c {
            '\n' => line_end(text, at, end, cut),
            _ if cut == Cut::Lines => None,
            '.' | '!' | '?' | '…' | '؟' | '۔' | '।' | '॥' | '‼' | '⁇' => {
                spaced_end(text, from, at, end, c)
            }
            '。' | '！' | '？' | '｡' => Some(after_closers(text, at + c.len_utf8(), end)),
            _ => None,
        };
        if let Some(found) = found
            && is_boundary(text, found)
        {
            return found;
        }
    }
    end
}

fn line_end(text: &str, at: usize, end: usize, cut: Cut) -> Option<usize> {
    let next = text.get(at + 1..end)?.trim_start_matches([' ', '\t', '\r']);
    (cut == Cut::Lines || next.starts_with('\n')).then_some(at)
}

/// The end of a sentence whose terminator stands at `at`, if it is one.
fn spaced_end(text: &str, from: usize, at: usize, end: usize, mark: char) -> Option<usize> {
    let close = after_closers(text, at + mark.len_utf8(), end);
    let rest = text.get(close..end)?;
    let next = rest.trim_start();
    if next.is_empty() {
        return Some(close);
    }
    if next.len() == rest.len() || next.chars().next().is_some_and(char::is_lowercase) {
        return None;
    }
    (mark != '.' || !is_abbreviation(text.get(from..at)?, next)).then_some(close)
}

fn after_closers(text: &str, from: usize, end: usize) -> usize {
    let rest = text.get(from..end).unwrap_or_default();
    let is_closer = |c: char| {
        matches!(
            c,
            '"' | '\'' | ')' | ']' | '}' | '”' | '’' | '»' | '›' | '」' | '』' | '）' | '】' | '》'
        ) || matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？')
    };
    from + (rest.len() - rest.trim_start_matches(is_closer).len())
}

/// Abbreviations that a name, a number or a capital often follows.
const ABBREVIATIONS: &[&str] = &[
    "al", "approx", "ave", "bzw", "ca", "capt", "cf", "ch", "co", "col", "corp", "dept", "dr",
    "e.g", "ed", "eds", "eq", "eqs", "est", "fig", "figs", "gen", "gov", "hon", "i.e", "inc", "jr",
    "lt", "ltd", "m", "messrs", "mr", "mrs", "ms", "mt", "nr", "p", "pp", "prof", "ref", "refs",
    "rep", "rev", "sec", "sen", "sgt", "sr", "st", "str", "tab", "u.s", "u.k", "vol", "vols", "vs",
    "z.b",
];

/// Abbreviations that are words too: only before a digit.
const BEFORE_DIGIT: &[&str] = &["art", "no", "nos", "op", "par", "sect"];

const LONGEST_ABBREVIATION: usize = 8;

fn is_abbreviation(before: &str, next: &str) -> bool {
    let before = before.trim_start();
    let word = match before.char_indices().rev().take(LONGEST_ABBREVIATION + 1).find(|(_, c)| {
        c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“' | '‘' | '/' | '—' | '–')
    }) {
        Some((i, c)) => before.get(i + c.len_utf8()..).unwrap_or_default(),
        None if before.len() <= LONGEST_ABBREVIATION => before,
        None => return false,
    };
    let is_initial = {
        let mut chars = word.chars();
        chars.next().is_some_and(char::is_uppercase) && chars.next().is_none()
    };
    // A number that opens the sentence is the mark of a list: "1. Introduction".
    let is_list_mark = word.len() == before.len()
        && !word.is_empty()
        && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let lower = word.to_lowercase();
    let is_known = |list: &[&str]| list.contains(&lower.as_str());
    is_initial
        || is_list_mark
        || is_known(ABBREVIATIONS)
        || (is_known(BEFORE_DIGIT) && next.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let end = unit_end(text, at, text.len(), Cut::Sentences);
            found.push(text[at..end].trim());
            at = end.max(at + 1);
        }
        found.retain(|sentence| !sentence.is_empty());
        found
    }

    #[test]
    fn ends_at_terminators_before_a_capital() {
        assert_eq!(
            sentences("One two. Three? \"Four!\" Five"),
            ["One two.", "Three?", "\"Four!\"", "Five"]
        );
        assert_eq!(
            sentences("It is 3.14 m. long, see a.b.c for it."),
            ["It is 3.14 m. long, see a.b.c for it."]
        );
    }

    #[test]
    fn abbreviations_and_initials_do_not_end_it() {
        assert_eq!(
            sentences("Dr. J. R. Smith met Mr. Poe. They left."),
            ["Dr. J. R. Smith met Mr. Poe.", "They left."]
        );
        assert_eq!(
            sentences("See Fig. 3 and no. 5. No. That was all."),
            ["See Fig. 3 and no. 5.", "No.", "That was all."]
        );
        assert_eq!(sentences("1. Introduction. 2.1. Aim"), ["1. Introduction.", "2.1. Aim"]);
    }

    #[test]
    fn other_scripts_have_their_own_marks() {
        assert_eq!(
            sentences("これは本です。「はい。」次へ！終"),
            ["これは本です。", "「はい。」", "次へ！", "終"]
        );
        assert_eq!(sentences("यह किताब है। वह घर है।"), ["यह किताब है।", "वह घर है।"]);
        assert_eq!(sentences("ما هذا؟ هذا كتاب."), ["ما هذا؟", "هذا كتاب."]);
    }

    #[test]
    fn lines_are_whole_and_blank_lines_end_sentences() {
        let text = "a. B\nc";
        assert_eq!(unit_end(text, 0, text.len(), Cut::Lines), 4);
        assert_eq!(sentences("no stop\n\nnext line\nsame"), ["no stop", "next line\nsame"]);
    }
}
