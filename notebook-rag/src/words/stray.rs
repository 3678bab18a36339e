//! What stands in a question and asks nothing: a number that slipped in after its end.

use std::borrow::Cow;

use super::{Stemming, Words, is_stop_word};

/// Where a question, or an exclamation, ends. A full stop does not count: "Symphony No. 5" is no sentence and a number.
const ENDS: [char; 7] = ['?', '!', '？', '！', '؟', ';', '\n'];

/// The question without what stands before or after its sentences and holds no word: "How is the oven heated? 0".
///
/// It is left as it is where nothing else in it asks for anything, as in "1984?".
#[must_use]
pub fn without_stray(question: &str) -> Cow<'_, str> {
    let parts: Vec<&str> = question.split_inclusive(ENDS).collect();
    if parts.len() < 2 {
        return Cow::Borrowed(question);
    }
    let words = Words::new(Stemming::Off);
    let kinds: Vec<Kind> = parts.iter().map(|part| Kind::of(&words.of(part))).collect();
    if !kinds.contains(&Kind::Asks) || !kinds.contains(&Kind::Stray) {
        return Cow::Borrowed(question);
    }
    let kept = parts.iter().zip(kinds).filter(|(_, kind)| *kind != Kind::Stray);
    Cow::Owned(kept.map(|(part, _)| *part).collect::<String>().trim().to_owned())
}

/// What a word of a question weighs beside the others: a number of one or two digits says little, and is in most texts
/// or in none by chance. Longer ones are years and names of things.
#[must_use]
pub fn weight(word: &str) -> f32 {
    let small = word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit());
    if small { 0.25 } else { 1.0 }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It holds a word of content.
    Asks,
    /// It holds words that ask something of any text.
    Words,
    /// It holds numbers, single letters or nothing.
    Stray,
}

impl Kind {
    fn of(words: &[String]) -> Self {
        let says = |word: &&String| {
            !word.is_ascii() || (word.len() > 1 && !word.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let saying: Vec<&String> = words.iter().filter(says).collect();
        if saying.is_empty() {
            Self::Stray
        } else if saying.iter().any(|word| !is_stop_word(word)) {
            Self::Asks
        } else {
            Self::Words
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b5_what_stands_after_a_question_and_is_no_word_is_left_out() {
        for (asked, kept) in [
            ("How is the oven heated? 0", "How is the oven heated?"),
            ("How is the oven heated? 1984", "How is the oven heated?"),
            ("How is the oven heated?!?? -- x 7", "How is the oven heated?"),
            ("0! How is the oven heated?", "How is the oven heated?"),
            ("窯はどう温める？ 0", "窯はどう温める？"),
        ] {
            assert_eq!(without_stray(asked), kept);
        }
    }

    #[test]
    fn b5_what_asks_for_something_stays() {
        for whole in [
            "How is the oven heated?",
            "How is the oven heated 0",
            "Who wrote Symphony No. 5?",
            "What happened in 1984?",
            "How hot? 230 degrees?",
            "1984?",
            "1984? 7!",
            "What is this? 1984",
            "",
        ] {
            assert_eq!(without_stray(whole), whole);
        }
    }
}
