//! Texts in calls of a bounded size.

use std::ops::Range;

/// How much one call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// The most texts.
    pub texts: usize,
    /// The most bytes of text; a single text may be longer.
    pub bytes: usize,
}

impl Default for BatchSize {
    /// 64 texts or 256 KiB.
    fn default() -> Self {
        Self { texts: 64, bytes: 256 * 1024 }
    }
}

/// Neighbours that fit into one call.
pub(super) fn batches(texts: &[String], size: BatchSize) -> Vec<Range<usize>> {
    let (mut ranges, mut start, mut bytes) = (Vec::new(), 0, 0_usize);
    for (at, text) in texts.iter().enumerate() {
        if at > start && (at - start >= size.texts || bytes + text.len() > size.bytes) {
            ranges.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += text.len();
    }
    if start < texts.len() {
        ranges.push(start..texts.len());
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lengths: &[usize]) -> Vec<String> {
        lengths.iter().map(|length| "x".repeat(*length)).collect()
    }

    #[test]
    fn batches_keep_both_limits_and_lose_nothing() {
        let batches = |lengths: &[usize], texts_: usize, bytes| {
            batches(&texts(lengths), BatchSize { texts: texts_, bytes })
        };
        assert!(batches(&[], 2, 10).is_empty());
        assert_eq!(batches(&[1, 1, 1, 1, 1], 2, 10), [0..2, 2..4, 4..5]);
        assert_eq!(batches(&[6, 6, 30, 1], 9, 10), [0..1, 1..2, 2..3, 3..4]);
        assert_eq!(batches(&[4, 6, 1], 9, 10), [0..2, 2..3]);
    }
}
