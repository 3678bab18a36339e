//! A set of row numbers.

/// One bit a row; bits past the last row are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// The empty set over `len` rows.
    pub(crate) fn empty(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// All of `len` rows.
    pub(crate) fn full(len: usize) -> Self {
        let mut all = Self::empty(len);
        all.insert_range(0, len);
        all
    }

    /// The rows of stored words, or nothing when they are not what a set of `len` rows stores.
    pub(crate) fn from_words(words: Vec<u64>, len: usize) -> Option<Self> {
        let past = words.last().map_or(0, |last| match len % 64 {
            0 => 0,
            used => last >> used,
        });
        (words.len() == len.div_ceil(64) && past == 0).then_some(Self { words, len })
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    pub(crate) fn remove(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word &= !(1 << (row % 64));
        }
    }

    pub(crate) fn insert_range(&mut self, start: usize, end: usize) {
        let end = end.min(self.len);
        if start >= end {
            return;
        }
        let (first, last) = (start / 64, (end - 1) / 64);
        let head = u64::MAX << (start % 64);
        let tail = u64::MAX >> (63 - (end - 1) % 64);
        for (at, word) in self.words.iter_mut().enumerate().take(last + 1).skip(first) {
            let low = if at == first { head } else { u64::MAX };
            let high = if at == last { tail } else { u64::MAX };
            *word |= low & high;
        }
    }

    pub(crate) fn intersect(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// The rows of the set, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words
            .iter()
            .enumerate()
            .flat_map(|(at, &word)| rows_of(word).map(move |i| at * 64 + i))
    }
}

/// The positions of the bits of one word, ascending.
pub(crate) fn rows_of(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let row = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(row)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set(
            len in 0_usize..300,
            ranges in prop::collection::vec((0_usize..300, 0_usize..320), 0..5),
            removed in prop::collection::vec(0_usize..300, 0..20),
        ) {
            let (mut bits, mut set) = (Bitmap::empty(len), BTreeSet::new());
            for (start, end) in ranges {
                bits.insert_range(start, end);
                set.extend(start..end.min(len));
            }
            for row in removed {
                bits.remove(row);
                set.remove(&row);
            }
            prop_assert_eq!(bits.count(), set.len());
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert!((0..len).all(|row| bits.contains(row) == set.contains(&row)));
            prop_assert_eq!(Bitmap::from_words(bits.words().to_vec(), len), Some(bits));
        }
    }

    #[test]
    fn bits_past_the_end_are_refused() {
        assert_eq!(Bitmap::from_words(vec![0b1000], 3), None);
        assert_eq!(Bitmap::from_words(vec![1], 65), None);
        assert_eq!(Bitmap::full(3).words(), [0b111]);
    }
}
