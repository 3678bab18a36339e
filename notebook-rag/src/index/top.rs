//! The best rows of a scan.

use std::cmp::Ordering;

use super::segment::Segment;

/// A row with its score by bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub(crate) score: f32,
    pub(crate) part: u32,
    pub(crate) row: u32,
}

/// Keeps the best rows: a buffer that is cut to its best when full. Almost every row of a long
/// scan is turned away by one comparison.
pub(crate) struct Top<'a> {
    segments: Vec<&'a Segment>,
    keep: usize,
    found: Vec<Found>,
    /// Rows below this score are not among the best.
    floor: f32,
}

impl<'a> Top<'a> {
    /// Keeps `keep` rows of these segments.
    pub(crate) fn new(segments: Vec<&'a Segment>, keep: usize) -> Self {
        Self { segments, keep, found: Vec::with_capacity(keep * 4), floor: f32::NEG_INFINITY }
    }

    pub(crate) fn push(&mut self, found: Found) {
        // An equal score may still win by its key.
        if found.score < self.floor {
            return;
        }
        self.found.push(found);
        if self.found.len() >= self.keep * 4 {
            self.cut(self.keep);
        }
    }

    /// The best `count` (at most what is kept), best first; equal scores by key.
    pub(crate) fn best(&mut self, count: usize) -> &[Found] {
        self.cut(self.keep);
        let segments = &self.segments;
        self.found.sort_unstable_by(|a, b| order(segments, a, b));
        self.found.get(..count.min(self.found.len())).unwrap_or_default()
    }

    fn cut(&mut self, keep: usize) {
        if self.found.len() <= keep || keep == 0 {
            return;
        }
        let segments = &self.segments;
        let (_, last, _) =
            self.found.select_nth_unstable_by(keep - 1, |a, b| order(segments, a, b));
        self.floor = last.score;
        self.found.truncate(keep);
    }
}

fn order(segments: &[&Segment], a: &Found, b: &Found) -> Ordering {
    b.score.total_cmp(&a.score).then_with(|| key(segments, a).cmp(&key(segments, b)))
}

fn key(segments: &[&Segment], found: &Found) -> Option<notebook_core::model::ChunkKey> {
    segments.get(found.part as usize)?.key(found.row as usize)
}
