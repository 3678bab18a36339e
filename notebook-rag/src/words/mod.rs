//! Turns text into the words that keyword search compares.
//!
//! Words are runs of letters, digits and the marks that belong to them, in lower case and
//! without accents, so that `Über`, `uber` and `ＵＢＥＲ` are one word. English endings are
//! taken off. Scripts written without spaces become overlapping pairs of characters, which
//! finds any text of two characters and more.
//!
//! ```
//! use notebook_rag::words::{Stemming, Words};
//!
//! let words = Words::new(Stemming::English);
//! assert_eq!(words.of("The Dancing bees' Café"), ["the", "danc", "bee", "cafe"]);
//! assert_eq!(words.of("東京都"), ["東京", "京都"]);
//! ```

mod fold;
mod stop;
mod stray;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

pub use stop::{is_function_word, is_stop_word};
pub use stray::{weight, without_stray};

/// A longer word is cut to this many bytes: it is no word of a language.
const MAX_BYTES: usize = 64;

/// Whether endings are taken off words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stemming {
    /// Words stay as they are.
    Off,
    /// English endings, from words of the letters a to z. Other languages in that alphabet
    /// lose a few endings too, in texts and questions alike.
    #[default]
    English,
}

/// Splits text into words. Cheap to clone.
#[derive(Clone)]
pub struct Words {
    stemmer: Option<frostem::Stemmer>,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").field("stems", &self.stemmer.is_some()).finish()
    }
}

impl Words {
    /// A splitter with this stemming.
    #[must_use]
    pub fn new(stemming: Stemming) -> Self {
        let stemmer = match stemming {
            Stemming::Off => None,
            Stemming::English => Some(frostem::Stemmer::new(frostem::Algorithm::English)),
        };
        Self { stemmer }
    }

    /// The words of `text` in order, repeated as they are.
    #[must_use]
    pub fn of(&self, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        self.each(text, |word| words.push(word.to_owned()));
        words
    }

    /// Calls `take` with every word of `text`, in order.
    pub fn each(&self, text: &str, mut take: impl FnMut(&str)) {
        let mut buffer = String::new();
        for run in runs(text) {
            if run.is_ascii() {
                buffer.clear();
                buffer.push_str(run);
                buffer.make_ascii_lowercase();
                take(&self.stem(&buffer));
                continue;
            }
            // Folding may take one run apart, as ½ becomes 1 and 2.
            let folded = fold::fold(run);
            for run in runs(&folded) {
                self.each_part(run, &mut take);
            }
        }
    }

    /// The words of one folded run, in which scripts with and without spaces may follow
    /// each other.
    fn each_part(&self, run: &str, take: &mut impl FnMut(&str)) {
        let mut rest = run;
        while let Some(first) = rest.chars().next() {
            let dense = is_dense(first);
            let len = rest
                .char_indices()
                .find(|(_, c)| is_dense(*c) != dense && !fold::is_mark(*c))
                .map_or(rest.len(), |(i, _)| i);
            let (part, after) = rest.split_at(len);
            rest = after;
            if dense { pairs(part, take) } else { take(&self.stem(part)) }
        }
    }

    fn stem<'w>(&self, word: &'w str) -> Cow<'w, str> {
        let word = cut(word);
        match &self.stemmer {
            Some(stemmer) if word.bytes().all(|b| b.is_ascii_lowercase()) => stemmer.stem(word),
            _ => Cow::Borrowed(word),
        }
    }
}

/// The runs of word characters.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_word(c)).filter(|run| !run.chars().all(fold::is_mark))
}

fn is_word(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { c.is_alphanumeric() || fold::is_mark(c) }
}

/// Scripts written without spaces between words, and Hangul, whose particles cling to words.
fn is_dense(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}'          // Thai, Lao
        | '\u{1000}'..='\u{109f}'      // Burmese
        | '\u{1780}'..='\u{17ff}'      // Khmer
        | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{31ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}'
        | '\u{ac00}'..='\u{d7af}')
}

/// Overlapping pairs; a single character stands for itself.
fn pairs(part: &str, take: &mut impl FnMut(&str)) {
    let starts: Vec<usize> = part.char_indices().map(|(i, _)| i).chain([part.len()]).collect();
    if starts.len() == 2 {
        take(part);
    }
    for ends in starts.windows(3) {
        if let [start, _, end] = ends {
            take(part.get(*start..*end).unwrap_or_default());
        }
    }
}

fn cut(word: &str) -> &str {
    let mut end = word.len().min(MAX_BYTES);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    word.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<String> {
        Words::new(Stemming::Off).of(text)
    }

    #[test]
    fn case_width_and_accents_are_folded() {
        assert_eq!(
            plain("Straße ÉTÉ naïve ＡＢＣ１ ﬁnal Łódź Ørsted İzmir"),
            ["strasse", "ete", "naive", "abc1", "final", "lodz", "orsted", "izmir"]
        );
        assert_eq!(plain("Ёлка ΆΛΦΑ"), ["елка", "αλφα"]);
        assert_eq!(plain("e\u{301}te\u{301}"), plain("été"));
    }

    #[test]
    fn marks_of_other_scripts_stay() {
        assert_eq!(plain("हिन्दी में"), ["हिन्दी", "में"]);
        assert_eq!(plain("مُحَمَّد كتـاب"), ["محمد", "كتاب"]);
        assert_eq!(plain("שָׁלוֹם"), ["שלום"]);
    }

    #[test]
    fn dense_scripts_become_pairs() {
        assert_eq!(plain("東京へGo"), ["東京", "京へ", "go"]);
        assert_eq!(plain("本"), ["本"]);
        assert_eq!(plain("한국어를"), ["한국", "국어", "어를"]);
        assert_eq!(plain("ｶﾞｷﾞ"), ["ガギ"]);
    }

    #[test]
    fn punctuation_separates() {
        assert_eq!(
            plain("foo_bar-baz 3.14 O'Neill a/b ½"),
            ["foo", "bar", "baz", "3", "14", "o", "neill", "a", "b", "1", "2"]
        );
        assert!(plain(" -- \u{301} … 👍 ").is_empty());
    }

    #[test]
    fn long_words_are_cut_on_a_character() {
        let word = "ß".repeat(100) + &"é".repeat(100) + &"я".repeat(1000);
        assert!(plain(&word)[0].len() <= MAX_BYTES);
        assert_eq!(plain(&"я".repeat(99)), ["я".repeat(32)]);
    }

    #[test]
    fn english_endings_are_taken_off_alike() {
        let words = Words::new(Stemming::English);
        assert_eq!(words.of("connection connected Connecting"), ["connect"; 3]);
        assert_eq!(words.of("x86s b52s"), ["x86s", "b52s"]);
    }
}
