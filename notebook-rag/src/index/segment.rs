//! A set of rows that never changes, sorted by key, in memory or mapped from a file.

use notebook_core::{
    NotebookId, Result, SourceId,
    model::ChunkKey,
    vector::{ChunkFilter, VectorRecord},
};

use super::{bitmap::Bitmap, quantize::push_codes, segment_file::SegmentFile};

/// Consecutive rows of one source in one notebook: from the end of the owner before to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) source: SourceId,
    pub(crate) notebook: NotebookId,
    pub(crate) end: u32,
}

/// Rows in the order of their keys. Rows replaced or deleted later stay, and are marked beside it.
pub(crate) struct Segment {
    dimensions: usize,
    owners: Vec<Owner>,
    data: Data,
}

enum Data {
    Heap(HeapRows),
    File(SegmentFile),
}

/// The columns of rows that are not yet in a segment file. They have no signs: there are few.
#[derive(Default)]
pub(crate) struct HeapRows {
    pub(crate) ordinals: Vec<u32>,
    pub(crate) scales: Vec<f32>,
    pub(crate) codes: Vec<i8>,
    pub(crate) floats: Vec<f32>,
}

/// The columns of a segment, by row. `codes` holds `dimensions` a row.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) ordinals: &'a [u32],
    pub(crate) scales: &'a [f32],
    pub(crate) codes: &'a [i8],
    pub(crate) signs: Option<Signs<'a>>,
}

/// The signs of the rows, relative to a centre.
#[derive(Clone, Copy)]
pub(crate) struct Signs<'a> {
    pub(crate) bits: &'a [u64],
    pub(crate) centre: &'a [f32],
}

impl Segment {
    /// Rows from records that are sorted by key, each key once.
    pub(crate) fn from_records(dimensions: usize, records: &[VectorRecord]) -> Self {
        let (mut rows, mut owners) = (HeapRows::default(), Vec::new());
        rows.codes.reserve_exact(records.len() * dimensions);
        rows.floats.reserve_exact(records.len() * dimensions);
        for record in records {
            push_owner(&mut owners, record.key.source, record.notebook);
            rows.ordinals.push(record.key.ordinal);
            let scale = push_codes(&record.vector, &mut rows.codes);
            rows.scales.push(scale);
            rows.floats.extend_from_slice(&record.vector);
        }
        Self::from_heap(dimensions, owners, rows)
    }

    pub(crate) const fn from_heap(dimensions: usize, owners: Vec<Owner>, rows: HeapRows) -> Self {
        Self { dimensions, owners, data: Data::Heap(rows) }
    }

    pub(crate) const fn from_file(owners: Vec<Owner>, file: SegmentFile) -> Self {
        Self { dimensions: file.dimensions(), owners, data: Data::File(file) }
    }

    /// Number of rows, dead ones included.
    pub(crate) fn len(&self) -> usize {
        self.owners.last().map_or(0, |owner| owner.end as usize)
    }

    /// The file that it is mapped from.
    pub(crate) const fn file(&self) -> Option<&SegmentFile> {
        match &self.data {
            Data::Heap(_) => None,
            Data::File(file) => Some(file),
        }
    }

    pub(crate) fn columns(&self) -> Columns<'_> {
        match &self.data {
            Data::Heap(rows) => Columns {
                ordinals: &rows.ordinals,
                scales: &rows.scales,
                codes: &rows.codes,
                signs: None,
            },
            Data::File(file) => file.columns(),
        }
    }

    /// The full vector of a row.
    ///
    /// # Errors
    /// `Corrupt` when the row's bytes fail their checksum.
    pub(crate) fn vector(&self, row: usize) -> Result<&[f32]> {
        match &self.data {
            Data::Heap(rows) => {
                let start = row * self.dimensions;
                Ok(rows.floats.get(start..start + self.dimensions).unwrap_or_default())
            }
            Data::File(file) => file.vector(row),
        }
    }

    /// The owner of a row. A row past the end has none.
    pub(crate) fn owner(&self, row: usize) -> Option<&Owner> {
        self.owners.get(self.owners.partition_point(|owner| owner.end as usize <= row))
    }

    /// The key of a row; rows are sorted by it.
    pub(crate) fn key(&self, row: usize) -> Option<ChunkKey> {
        let ordinal = *self.columns().ordinals.get(row)?;
        self.owner(row).map(|owner| ChunkKey { source: owner.source, ordinal })
    }

    /// The rows of a source.
    pub(crate) fn rows_of(&self, source: SourceId) -> std::ops::Range<usize> {
        let first = self.owners.partition_point(|owner| owner.source < source);
        let past = self.owners.partition_point(|owner| owner.source <= source);
        self.end_before(first)..self.end_before(past)
    }

    /// The row of a key.
    pub(crate) fn find(&self, key: ChunkKey) -> Option<usize> {
        let rows = self.rows_of(key.source);
        let ordinals = self.columns().ordinals.get(rows.clone())?;
        ordinals.binary_search(&key.ordinal).ok().map(|at| rows.start + at)
    }

    /// The rows that pass a filter.
    pub(crate) fn matching(&self, filter: &ChunkFilter) -> Bitmap {
        let mut rows = Bitmap::empty(self.len());
        let mut start = 0;
        for owner in &self.owners {
            let end = owner.end as usize;
            if filter.matches(owner.notebook, owner.source) {
                rows.insert_range(start, end);
            }
            start = end;
        }
        rows
    }

    fn end_before(&self, owner: usize) -> usize {
        let before = owner.checked_sub(1).and_then(|at| self.owners.get(at));
        before.map_or(0, |owner| owner.end as usize)
    }
}

/// Adds one row to the last owner, or to a new one.
pub(crate) fn push_owner(owners: &mut Vec<Owner>, source: SourceId, notebook: NotebookId) {
    let end = owners.last().map_or(0, |owner| owner.end) + 1;
    match owners.last_mut() {
        Some(last) if last.source == source && last.notebook == notebook => last.end = end,
        _ => owners.push(Owner { source, notebook, end }),
    }
}
