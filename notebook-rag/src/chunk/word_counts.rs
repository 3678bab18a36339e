use std::{collections::HashMap, fmt};

use parking_lot::Mutex;

/// Words longer than this are counted anew each time.
const LONGEST_WORD: usize = 40;
/// At most this many words are remembered: some 8 MB.
const MOST_WORDS: usize = 1 << 16;

/// Counts tokens word by word and remembers the words: many times as fast as a tokenizer
/// on long texts, in bounded memory.
///
/// Exact for tokenizers that never join characters across white space, as those of the BERT
/// family; near for others.
///
/// ```
/// use notebook_rag::chunk::WordCounts;
///
/// let letters = |word: &str| word.chars().count();
/// let counts = WordCounts::new(&letters);
/// assert_eq!(counts.count("bees  dance"), 9);
/// ```
pub struct WordCounts<'a> {
    count: &'a (dyn Fn(&str) -> usize + Sync),
    known: Mutex<HashMap<Box<str>, u32>>,
}

impl fmt::Debug for WordCounts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WordCounts").field("known", &self.known.lock().len()).finish()
    }
}

impl<'a> WordCounts<'a> {
    /// Counts with `count`, each word once.
    #[must_use]
    pub fn new(count: &'a (dyn Fn(&str) -> usize + Sync)) -> Self {
        Self { count, known: Mutex::default() }
    }

    /// The tokens of `text`.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        let mut known = self.known.lock();
        text.split_whitespace().map(|word| self.word(&mut known, word)).sum()
    }

    fn word(&self, known: &mut HashMap<Box<str>, u32>, word: &str) -> usize {
        if let Some(tokens) = known.get(word) {
            return *tokens as usize;
        }
        let tokens = (self.count)(word);
        if word.len() <= LONGEST_WORD && known.len() < MOST_WORDS {
            known.insert(word.into(), u32::try_from(tokens).unwrap_or(u32::MAX));
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::chunk::estimate_tokens;

    #[test]
    fn counts_are_those_of_the_words_and_each_word_is_counted_once() {
        let calls = AtomicUsize::new(0);
        let count = |word: &str| {
            calls.fetch_add(1, Ordering::Relaxed);
            estimate_tokens(word)
        };
        let counts = WordCounts::new(&count);
        let text = "The bee, the wasp and the honeybee's nest. ".repeat(50);
        assert_eq!(counts.count(&text), estimate_tokens(&text));
        assert_eq!(calls.load(Ordering::Relaxed), 7);
        assert_eq!(counts.count(" \n"), 0);
    }

    #[test]
    fn memory_is_bounded() {
        let counts = WordCounts::new(&estimate_tokens);
        let long = "x".repeat(LONGEST_WORD + 1);
        assert_eq!(counts.count(&long), estimate_tokens(&long));
        (0..MOST_WORDS + 10).for_each(|i| assert!(counts.count(&i.to_string()) > 0));
        assert_eq!(counts.known.lock().len(), MOST_WORDS);
    }
}
