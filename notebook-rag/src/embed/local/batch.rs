//! Texts of like length together.

use std::cmp::Reverse;

/// The tokens of a batch. More does not make the matrix products faster, and questions wait longer.
const TOKENS: usize = 520;

/// Token ids, each with the place of its text among all.
pub(crate) type Batch = Vec<(usize, Vec<u32>)>;

/// Groups texts of like length, longest first. When they will be `padded` to the longest of their
/// batch, what that adds counts too.
pub(crate) fn batches(texts: Vec<Vec<u32>>, padded: bool) -> Vec<Batch> {
    let mut sorted: Vec<_> = texts.into_iter().enumerate().collect();
    sorted.sort_by_key(|(_, ids)| Reverse(ids.len()));
    let mut batches: Vec<Batch> = Vec::new();
    let (mut room, mut longest) = (0, 0);
    for text in sorted {
        let own = text.1.len();
        // Padding that is a quarter of the work costs more than a batch of its own.
        let alike = !padded || own * 4 >= longest * 3;
        let cost = if padded { longest } else { own };
        match batches.last_mut() {
            Some(batch) if cost <= room && alike => {
                batch.push(text);
                room -= cost;
            }
            _ => {
                batches.push(vec![text]);
                longest = own;
                room = TOKENS.saturating_sub(own);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(texts: &[usize], padded: bool) -> Vec<Vec<usize>> {
        let texts = texts.iter().map(|length| vec![7; *length]).collect();
        let of = |batch: Batch| batch.into_iter().map(|(_, ids)| ids.len()).collect();
        batches(texts, padded).into_iter().map(of).collect()
    }

    #[test]
    fn like_lengths_go_together_and_a_batch_is_bounded() {
        let mixed = [10, 256, 10, 256, 10];
        assert_eq!(lengths(&mixed, false), [vec![256, 256], vec![10, 10, 10]]);
        assert_eq!(lengths(&[256, 250, 10], false), [[256, 250, 10]]);
        assert_eq!(lengths(&[600, 1], false), [[600], [1]]);
        assert!(lengths(&[], false).is_empty());
    }

    #[test]
    fn padding_counts_and_unlike_lengths_are_kept_apart() {
        assert_eq!(lengths(&[200, 190, 180], true), [vec![200, 190], vec![180]]);
        assert_eq!(lengths(&[100, 75, 74], true), [vec![100, 75], vec![74]]);
    }

    #[test]
    fn every_text_keeps_its_place() {
        let texts: Vec<Vec<u32>> = (1..=300).map(|i| vec![i; (i as usize * 7) % 250 + 1]).collect();
        for padded in [false, true] {
            let mut found: Batch = batches(texts.clone(), padded).into_iter().flatten().collect();
            found.sort();
            let expected: Batch = texts.iter().cloned().enumerate().collect();
            assert_eq!(found, expected);
        }
    }
}
