//! Looks for many words in a text at once.

use std::ops::Range;

use aho_corasick::{
    Anchored, MatchKind,
    automaton::{Automaton, StateID},
    dfa::DFA,
};

/// How many bytes are looked at together.
const BLOCK: usize = 16 * 1024;

/// An automaton of words, which reads a text at four places at once: a step of it waits for the step before, and four that do not wait for
/// each other take hardly longer than one.
#[derive(Debug)]
pub(super) struct Words {
    automaton: DFA,
    start: StateID,
    /// The automaton's state depends on as many bytes before a place.
    reach: usize,
}

/// A word that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    /// Which one, as they were given.
    pub(super) word: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Words {
    /// None when they are more than an automaton can be made of.
    pub(super) fn new(
        words: impl IntoIterator<Item = impl AsRef<[u8]>>,
        ignore_ascii_case: bool,
    ) -> Option<Self> {
        let automaton = DFA::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(ignore_ascii_case)
            // A state that is special is then one in which a word ends.
            .prefilter(false)
            .build(words)
            .ok()?;
        let start = automaton.start_state(Anchored::No).ok()?;
        let reach = automaton.max_pattern_len().saturating_sub(1);
        Some(Self { automaton, start, reach })
    }

    /// Each occurrence of each word, in the order of their ends.
    pub(super) fn each(&self, text: &str, mut hit: impl FnMut(Hit)) {
        let text = text.as_bytes();
        let mut ends: [Vec<(usize, StateID)>; 4] = Default::default();
        let mut from = 0;
        while from < text.len() {
            let to = (from + BLOCK).min(text.len());
            self.block(text, from, to, &mut ends);
            for (end, state) in ends.iter_mut().flat_map(|ends| ends.drain(..)) {
                for index in 0..self.automaton.match_len(state) {
                    let word = self.automaton.match_pattern(state, index);
                    let start = end.saturating_sub(self.automaton.pattern_len(word));
                    hit(Hit { word: word.as_usize(), start, end });
                }
            }
            from = to;
        }
    }

    /// Whether any word is in the text.
    pub(super) fn any(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let mut ends: [Vec<(usize, StateID)>; 4] = Default::default();
        (0..text.len()).step_by(BLOCK).any(|from| {
            self.block(text, from, (from + BLOCK).min(text.len()), &mut ends);
            ends.iter().any(|ends| !ends.is_empty())
        })
    }

    /// Notes where words end in a part of a text, in each of its quarters.
    fn block(&self, text: &[u8], from: usize, to: usize, ends: &mut [Vec<(usize, StateID)>; 4]) {
        // What is short is read at once.
        let quarter = if to - from < 8 * self.reach { 0 } else { (to - from) / 4 };
        let at = |part: usize| from + part * quarter;
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let before = |at: usize| {
            let bytes = part(at.saturating_sub(self.reach), at);
            bytes.iter().fold(self.start, |state, byte| self.next(state, *byte))
        };
        let [first, second, third, fourth] = ends;
        let mut a = before(from);
        if quarter == 0 {
            self.rest(text, from..to, a, first);
            return;
        }
        let (mut b, mut c, mut d) = (before(at(1)), before(at(2)), before(at(3)));
        let left = part(from, at(1)).iter().zip(part(at(1), at(2)));
        let right = part(at(2), at(3)).iter().zip(part(at(3), at(4)));
        for (index, ((one, two), (three, four))) in left.zip(right).enumerate() {
            a = self.next(a, *one);
            b = self.next(b, *two);
            c = self.next(c, *three);
            d = self.next(d, *four);
            // A word ends in a state with a low number: one look for all of them.
            if self.automaton.is_special(a.min(b).min(c.min(d))) {
                let pairs = [(a, &mut *first), (b, second), (c, third), (d, fourth)];
                for (part, (state, ends)) in pairs.into_iter().enumerate() {
                    if self.automaton.is_match(state) {
                        ends.push((at(part) + index + 1, state));
                    }
                }
            }
        }
        self.rest(text, at(4)..to, d, fourth);
    }

    fn rest(
        &self,
        text: &[u8],
        part: Range<usize>,
        mut state: StateID,
        ends: &mut Vec<(usize, StateID)>,
    ) {
        for (index, byte) in text.get(part.clone()).unwrap_or_default().iter().enumerate() {
            state = self.next(state, *byte);
            if self.automaton.is_match(state) {
                ends.push((part.start + index + 1, state));
            }
        }
    }

    fn next(&self, state: StateID, byte: u8) -> StateID {
        self.automaton.next_state(Anchored::No, state, byte)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WORDS: [&str; 6] = ["a", "ab", "abab", "bab", "ccccccccc", "cab"];

    fn plainly(text: &str) -> Vec<Hit> {
        let mut hits: Vec<Hit> = WORDS
            .iter()
            .enumerate()
            .flat_map(|(word, part)| {
                let starts = (0..text.len()).filter(move |at| text[*at..].starts_with(part));
                starts.map(move |start| Hit { word, start, end: start + part.len() })
            })
            .collect();
        hits.sort_by_key(|hit| (hit.end, hit.start));
        hits
    }

    fn compare(text: &str) {
        let words = Words::new(WORDS, false).unwrap();
        let mut hits = Vec::new();
        words.each(text, |hit| hits.push(hit));
        assert!(hits.is_sorted_by_key(|hit| hit.end));
        hits.sort_by_key(|hit| (hit.end, hit.start));
        assert_eq!(hits, plainly(text));
        assert_eq!(words.any(text), !hits.is_empty());
    }

    #[test]
    fn d6_words_across_quarters_and_blocks_are_found() {
        // A word at each place around the edges of a block, and of its quarters.
        for edge in [BLOCK / 4, BLOCK / 2, BLOCK, BLOCK + 7] {
            for at in edge - 10..edge + 2 {
                let text = format!("{}ccccccccc{}", "-".repeat(at), "-".repeat(BLOCK));
                let words = Words::new(WORDS, false).unwrap();
                let mut starts = Vec::new();
                words.each(&text, |hit| starts.push(hit.start));
                assert_eq!(starts, [at]);
            }
        }
        assert!(Words::new(["KEY"], true).unwrap().any("a key"));
        assert!(!Words::new(["KEY"], false).unwrap().any("a key"));
    }

    proptest! {
        #[test]
        fn d6_words_are_found_as_by_looking_at_each_place(text in "[abc-]{0,400}") {
            compare(&text);
        }
    }
}
