//! Whether what the model wrote can have been said. A model that has lost its way says the same over and over and finds no end; people say
//! the same over and over too, and end.

use std::collections::HashSet;

/// So many words at least tell whether they repeat.
const MANY: usize = 24;
/// Fewer different runs of three than this share are a repetition.
const VARIED: f32 = 0.35;
/// Nobody says as many tokens in a second of sound: a word has about one and a half of them, numbers with dashes two each, and who counts
/// quickly says five numbers.
const FASTEST: f32 = 15.0;

/// What a model wrote of a window.
pub(super) struct Spoken {
    /// Its words, without times.
    pub(super) words: Vec<u32>,
    /// Whether it found an end by itself.
    pub(super) ended: bool,
    /// How much of the window is not silent.
    pub(super) seconds: f32,
}

impl Spoken {
    /// Whether the model has lost its way: it repeats itself, and nobody can have said it.
    pub(super) fn is_lost(&self) -> bool {
        let pace = self.words.len() as f32 / self.seconds.max(0.1);
        repeats(&self.words) && !(self.ended && pace <= FASTEST)
    }
}

fn repeats(words: &[u32]) -> bool {
    if words.len() < MANY {
        return false;
    }
    let different: HashSet<&[u32]> = words.windows(3).collect();
    (different.len() as f32) < VARIED * (words.len() - 2) as f32
}

/// How many of the words there are before they begin to be the same again: what went before a loop, and its first round.
pub(super) fn before_loop(words: &[u32]) -> usize {
    (1..=words.len() / 3)
        .filter_map(|period| {
            let mut same = words.iter().rev().zip(words.iter().rev().skip(period));
            let round = same.position(|(a, b)| a != b).unwrap_or(words.len() - period);
            // Three rounds at least, up to the end.
            (round >= 2 * period).then_some(words.len() - round)
        })
        .min()
        .unwrap_or(words.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(round: &[u32], times: usize) -> Vec<u32> {
        round.repeat(times)
    }

    #[test]
    fn a2_what_people_repeat_is_not_a_loop() {
        let spoken = |words, ended, seconds| Spoken { words, ended, seconds };
        let refrain = said(&[1, 2, 3, 4, 5, 6, 7, 8], 8);
        assert!(!spoken(refrain.clone(), true, 28.0).is_lost());
        // It went on until it was cut off, or says in three seconds what takes half a minute.
        assert!(spoken(refrain.clone(), false, 28.0).is_lost());
        assert!(spoken(refrain, true, 3.0).is_lost());
        let speech = (0..120).collect();
        assert!(!spoken(speech, false, 28.0).is_lost());
    }

    #[test]
    fn a2_what_went_before_a_loop_is_kept() {
        let words = [vec![9, 8, 7], said(&[1, 2, 3], 20), vec![1]].concat();
        assert_eq!(before_loop(&words), 6);
        assert_eq!(before_loop(&said(&[5], 30)), 1);
        assert_eq!(before_loop(&[1, 2, 3, 1, 2, 3]), 6, "twice is no loop");
        assert_eq!(before_loop(&[]), 0);
    }
}
