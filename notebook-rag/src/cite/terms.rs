//! Words and sentences, as far as comparing a claim with a passage needs them.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::words::is_function_word;

/// The sentences of `text` as byte ranges, trimmed, in order. A line is never joined with the next:
/// in canonical text a line is a paragraph, a list item or a table row.
#[must_use]
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        for (at, sentence) in line.split_sentence_bound_indices() {
            let start = line_start + at + (sentence.len() - sentence.trim_start().len());
            let end = start + sentence.trim().len();
            if start < end {
                join_or_push(&mut found, text, start..end);
            }
        }
        line_start += line.len();
    }
    found
}

/// Undoes a break after an abbreviation: a very short "sentence", or one that ends in a single
/// letter and a full stop.
fn join_or_push(found: &mut Vec<Range<usize>>, text: &str, next: Range<usize>) {
    if let Some(last) = found.last_mut() {
        let joined = text.get(last.end..next.start).is_some_and(|gap| !gap.contains('\n'));
        if joined && text.get(last.clone()).is_some_and(ends_in_abbreviation) {
            last.end = next.end;
            return;
        }
    }
    found.push(next);
}

fn ends_in_abbreviation(sentence: &str) -> bool {
    const KNOWN: [&str; 22] = [
        "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "vs", "etc", "Fig", "fig", "Figs", "Eq", "eq",
        "Sec", "No", "al", "cf", "approx", "Inc", "Ltd", "Vol", "pp",
    ];
    let Some(body) = sentence.strip_suffix('.') else { return false };
    let word = body.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let single_letter =
        word.chars().count() == 1 && word.chars().all(char::is_alphabetic) && word != "I";
    single_letter || KNOWN.contains(&word)
}

/// The content words of `text`: lower case, stop words left out, common endings cut, in order of
/// appearance. Scripts without spaces give pairs of adjacent characters.
#[must_use]
pub fn terms(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for word in text.unicode_words() {
        let lower = word.to_lowercase();
        if is_unspaced(&lower) {
            push_pairs(&lower, &mut found);
        } else if !is_function_word(&lower) {
            found.push(stem(&lower).to_owned());
        }
    }
    join_single_ideographs(found)
}

fn is_unspaced(word: &str) -> bool {
    word.chars().any(|c| matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{0E00}'..='\u{0E7F}'))
}

fn push_pairs(word: &str, found: &mut Vec<String>) {
    let chars: Vec<char> = word.chars().collect();
    match chars.as_slice() {
        [single] => found.push(single.to_string()),
        many => found.extend(many.windows(2).map(|pair| pair.iter().collect::<String>())),
    }
}

/// Word breaking gives ideographs one by one; pairs of neighbours say far more.
fn join_single_ideographs(words: Vec<String>) -> Vec<String> {
    let single = |word: &String| word.chars().count() == 1 && is_unspaced(word);
    let mut joined = Vec::with_capacity(words.len());
    let mut previous: Option<String> = None;
    for word in words {
        if single(&word) {
            if let Some(before) = &previous {
                joined.push(format!("{before}{word}"));
            }
            previous = Some(word);
        } else {
            previous = None;
            joined.push(word);
        }
    }
    joined
}

/// Cuts English plural and verb endings: enough for comparing, not for an index.
fn stem(word: &str) -> &str {
    if !word.is_ascii() || word.len() < 5 || word.bytes().any(|b| b.is_ascii_digit()) {
        return word.strip_suffix("'s").unwrap_or(word);
    }
    for ending in ["'s", "ingly", "edly", "ings", "ing", "ies", "ed", "es", "ly", "s"] {
        if let Some(root) = word.strip_suffix(ending)
            && root.len() >= 3
            && !(ending == "s" && root.ends_with('s'))
        {
            return root.strip_suffix('e').unwrap_or(root);
        }
    }
    word.strip_suffix('e').unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn sentences_end_at_stops_and_lines_but_not_at_abbreviations() {
        assert_eq!(
            texts("One two. Three!\n\na | b\nc | d\nDr. Smith met J. Doe. He left."),
            ["One two.", "Three!", "a | b", "c | d", "Dr. Smith met J. Doe.", "He left."]
        );
        assert_eq!(texts("  \n \n"), Vec::<&str>::new());
    }

    #[test]
    fn terms_compare_across_inflection() {
        assert_eq!(
            terms("The towers were measured"),
            terms("measuring a tower").into_iter().rev().collect::<Vec<_>>()
        );
        assert_eq!(terms("東京都の人口"), ["東京", "京都", "都の", "の人", "人口"]);
        assert_eq!(terms("what is the of"), Vec::<String>::new());
    }
}
