//! Which sentence of an answer a mark belongs to.

use std::ops::Range;

use super::terms::sentences;

/// The claim that a mark stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The text before the mark.
    Before(Range<usize>),
    /// The mark opens its line: the claim is what follows, up to the end of the sentence.
    Following,
}

/// Finds the claim of a mark that stands at byte `at` of `answer`, of which only the text before
/// `at` needs to be known.
#[must_use]
pub fn claim(answer: &str, at: usize) -> Claim {
    let before = answer.get(..at).unwrap_or(answer);
    let line_start = before.trim_end().rfind('\n').map_or(0, |newline| newline + 1);
    // A mark on a line of its own after a paragraph belongs to the paragraph; one that opens a
    // line with more to come belongs to what follows.
    let current_line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let opens_line =
        before.get(current_line..).is_some_and(|line| !line.contains(char::is_alphanumeric));
    if opens_line {
        return Claim::Following;
    }
    let line = before.get(line_start..).unwrap_or_default();
    match sentences(line).into_iter().rev().find(|range| {
        line.get(range.clone()).is_some_and(|text| text.contains(char::is_alphanumeric))
    }) {
        Some(range) => Claim::Before(line_start + range.start..line_start + range.end),
        None => Claim::Following,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(answer: &str) -> Option<&str> {
        match claim(answer, answer.len()) {
            Claim::Before(range) => Some(&answer[range]),
            Claim::Following => None,
        }
    }

    #[test]
    fn a_mark_belongs_to_the_sentence_before_it() {
        assert_eq!(before("It rains. It is wet"), Some("It is wet"));
        assert_eq!(before("It rains. It is wet."), Some("It is wet."));
        assert_eq!(before("- first\n- second item"), Some("- second item"));
        assert_eq!(before("> quoted words"), Some("> quoted words"));
    }

    #[test]
    fn a_mark_that_opens_a_line_belongs_to_what_follows() {
        assert_eq!(before(""), None);
        assert_eq!(before("It rains.\n"), None);
        assert_eq!(before("It rains.\n- "), None);
    }
}
