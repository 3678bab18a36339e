//! What a search sees: segments and their live rows, which writes replace but never change.

use std::sync::Arc;

use notebook_core::{
    Result, SourceId,
    model::ChunkKey,
    vector::{ChunkFilter, VectorRecord, VectorSpace},
};

use super::{bitmap::Bitmap, merge::Merge, segment::Segment};

/// One segment with the rows of it that are neither replaced nor deleted.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) segment: Arc<Segment>,
    pub(crate) live: Arc<Bitmap>,
    pub(crate) live_rows: usize,
}

impl Part {
    pub(crate) fn new(segment: Segment) -> Self {
        let live = Bitmap::full(segment.len());
        Self::with_live(Arc::new(segment), live)
    }

    pub(crate) fn with_live(segment: Arc<Segment>, live: Bitmap) -> Self {
        Self { segment, live_rows: live.count(), live: Arc::new(live) }
    }

    pub(crate) fn dead_rows(&self) -> usize {
        self.segment.len() - self.live_rows
    }

    pub(crate) fn in_memory(&self) -> bool {
        self.segment.file().is_none()
    }

    /// The live rows that pass a filter.
    pub(crate) fn matching(&self, filter: &ChunkFilter) -> Arc<Bitmap> {
        if *filter == ChunkFilter::default() {
            return Arc::clone(&self.live);
        }
        let mut rows = self.segment.matching(filter);
        rows.intersect(&self.live);
        Arc::new(rows)
    }

    /// A new part made of the live rows of parts `before`, without those that died while it was
    /// being made. `now` finds the current state of a part.
    pub(crate) fn without_dead(
        &self,
        before: &[Self],
        now: impl Fn(&Self) -> Option<Self>,
    ) -> Self {
        let mut dead = Vec::new();
        for part in before {
            let current = now(part);
            let died = |row: &usize| !current.as_ref().is_some_and(|now| now.live.contains(*row));
            let keys = part.live.iter().filter(died).filter_map(|row| part.segment.key(row));
            dead.extend(keys.filter_map(|key| self.segment.find(key)));
        }
        self.without(dead).0
    }

    /// The same without the given rows, and how many of them were live.
    fn without(&self, rows: impl IntoIterator<Item = usize>) -> (Self, usize) {
        let mut dying = rows.into_iter().filter(|&row| self.live.contains(row)).peekable();
        if dying.peek().is_none() {
            return (self.clone(), 0);
        }
        let mut live = Bitmap::clone(&self.live);
        let mut count = 0;
        for row in dying {
            live.remove(row);
            count += 1;
        }
        let live_rows = self.live_rows - count;
        (Self { segment: Arc::clone(&self.segment), live: Arc::new(live), live_rows }, count)
    }
}

/// All vectors of a tenant at one moment. A key is live in at most one part.
///
/// Parts in files come first, parts in memory after them.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) space: VectorSpace,
    pub(crate) parts: Vec<Part>,
}

impl Snapshot {
    pub(crate) const fn empty(space: VectorSpace) -> Self {
        Self { space, parts: Vec::new() }
    }

    pub(crate) fn live_rows(&self) -> usize {
        self.parts.iter().map(|part| part.live_rows).sum()
    }

    pub(crate) fn in_memory(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.in_memory())
    }

    /// Bytes on the heap, about: vectors and codes of the parts in memory.
    pub(crate) fn heap_bytes(&self) -> usize {
        let rows: usize = self.in_memory().map(|part| part.segment.len()).sum();
        rows * (self.space.dimensions * 5 + 8)
    }

    pub(crate) fn count(&self, filter: &ChunkFilter) -> usize {
        self.parts.iter().map(|part| part.matching(filter).count()).sum()
    }

    /// The rows of a source that a delete would remove.
    pub(crate) fn count_source(&self, source: SourceId) -> usize {
        let rows =
            |part: &Part| part.segment.rows_of(source).filter(|&r| part.live.contains(r)).count();
        self.parts.iter().map(rows).sum()
    }

    /// After an upsert of records of the right length.
    ///
    /// # Errors
    /// Those of [`Merge::to_heap`], which rows in memory do not have.
    pub(crate) fn with_records(&self, mut records: Vec<VectorRecord>) -> Result<Self> {
        // The sort is stable and the later of two records counts: turn round, sort, keep the first.
        records.reverse();
        records.sort_by_key(|record| record.key);
        records.dedup_by_key(|record| record.key);
        if records.is_empty() {
            return Ok(self.clone());
        }
        let keys: Vec<ChunkKey> = records.iter().map(|record| record.key).collect();
        let replaced = |part: &Part| part.without(rows_of_keys(&part.segment, &keys)).0;
        let mut parts: Vec<_> = self.parts.iter().map(replaced).collect();
        parts.push(Part::new(Segment::from_records(self.space.dimensions, &records)));
        fold_tail(self.space.dimensions, &mut parts)?;
        Ok(Self { space: self.space.clone(), parts })
    }

    /// After the removal of a source.
    pub(crate) fn without_source(&self, source: SourceId) -> Self {
        let parts = self.parts.iter().map(|part| part.without(part.segment.rows_of(source)).0);
        let kept = parts.filter(|part| !part.in_memory() || part.live_rows > 0);
        Self { space: self.space.clone(), parts: kept.collect() }
    }
}

/// The rows of a segment with one of some sorted keys.
fn rows_of_keys<'a>(
    segment: &'a Segment,
    keys: &'a [ChunkKey],
) -> impl Iterator<Item = usize> + 'a {
    let ordinals = segment.columns().ordinals;
    keys.chunk_by(|a, b| a.source == b.source).flat_map(move |keys| {
        let rows = keys.first().map_or(0..0, |key| segment.rows_of(key.source));
        let start = rows.start;
        let among = ordinals.get(rows).unwrap_or_default();
        keys.iter()
            .filter_map(move |key| among.binary_search(&key.ordinal).ok().map(|at| start + at))
    })
}

/// Joins the last parts in memory while they are of like size, so that single upserts make a
/// logarithmic number of parts and each row is copied a logarithmic number of times.
fn fold_tail(dimensions: usize, parts: &mut Vec<Part>) -> Result<()> {
    while let [.., before, last] = parts.as_slice() {
        if !before.in_memory() || before.live_rows > last.live_rows * 2 {
            break;
        }
        let joined = Merge::new(dimensions, [before, last]).to_heap()?;
        parts.truncate(parts.len() - 2);
        parts.push(Part::new(joined));
    }
    Ok(())
}
