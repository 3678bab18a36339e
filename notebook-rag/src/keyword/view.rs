//! What searches see: the committed chunks, with their statistics.

use notebook_core::{Result, vector::ChunkFilter};
use tantivy::{
    DocSet, Searcher, SegmentReader, TERMINATED, Term,
    postings::{Postings, SegmentPostings},
    schema::IndexRecordOption,
};

use super::{bits::Bits, error::from_tantivy, schema::Fields};

pub(super) const SEARCH: &str = "search keywords";

/// A state of the index. Searches under way keep theirs.
pub(super) struct View {
    pub(super) fields: Fields,
    searcher: Searcher,
    segments: Vec<Segment>,
}

/// What is visible of one segment.
pub(super) struct Segment {
    /// The visible chunks; none when all are.
    pub(super) visible: Option<Bits>,
    chunks: u64,
    words: u64,
}

impl View {
    /// The committed state without the chunks of the batch `hidden`.
    pub(super) fn new(fields: Fields, searcher: Searcher, hidden: Option<u64>) -> Result<Self> {
        let segments = searcher.segment_readers().iter();
        let segments: Result<_> =
            segments.map(|reader| Segment::new(fields, reader, hidden)).collect();
        Ok(Self { fields, segments: segments?, searcher })
    }

    /// Every segment with its number.
    pub(super) fn segments(&self) -> impl Iterator<Item = (&SegmentReader, &Segment)> {
        self.searcher.segment_readers().iter().zip(&self.segments)
    }

    /// The number of visible chunks.
    pub(super) fn chunks(&self) -> u64 {
        self.segments.iter().map(|segment| segment.chunks).sum()
    }

    /// The average length of a visible chunk in words.
    pub(super) fn average(&self) -> f32 {
        let words: u64 = self.segments.iter().map(|segment| segment.words).sum();
        (words as f64 / self.chunks().max(1) as f64) as f32
    }

    /// How many visible chunks hold a term.
    pub(super) fn holding(&self, term: &Term) -> Result<u64> {
        let mut holding = 0;
        for (reader, segment) in self.segments() {
            if let Some(found) = postings(reader, term, IndexRecordOption::Basic)? {
                holding += match &segment.visible {
                    None => u64::from(found.doc_freq()),
                    Some(visible) => each(found).filter(|doc| visible.has(*doc)).count() as u64,
                };
            }
        }
        Ok(holding)
    }

    /// How many visible chunks pass the filter.
    pub(super) fn count(&self, filter: &ChunkFilter) -> Result<u64> {
        let mut count = 0;
        for (reader, segment) in self.segments() {
            count += match segment.passing(self.fields, reader, filter)? {
                None => segment.chunks,
                Some(passing) => passing.count(),
            };
        }
        Ok(count)
    }
}

impl Segment {
    fn new(fields: Fields, reader: &SegmentReader, hidden: Option<u64>) -> Result<Self> {
        let mut visible = reader.alive_bitset().map(|alive| {
            let mut bits = Bits::none(reader.max_doc());
            alive.iter_alive().for_each(|doc| bits.set(doc));
            bits
        });
        let batch = hidden.map(|batch| fields.batch(batch));
        if let Some(batch) = batch
            && let Some(found) = postings(reader, &batch, IndexRecordOption::Basic)?
        {
            let bits = visible.get_or_insert_with(|| Bits::all(reader.max_doc()));
            each(found).for_each(|doc| bits.clear(doc));
        }
        let lengths =
            reader.get_fieldnorms_reader(fields.words).map_err(|e| from_tantivy(SEARCH, e))?;
        let length = |doc| u64::from(lengths.fieldnorm(doc));
        // Summed anew, not taken from the engine, which counts deleted chunks until it has
        // merged them away: scores must not change when that happens.
        let (chunks, words) = match &visible {
            None => (u64::from(reader.max_doc()), (0..reader.max_doc()).map(length).sum()),
            Some(visible) => (visible.count(), visible.iter().map(length).sum()),
        };
        Ok(Self { visible, chunks, words })
    }

    /// The visible chunks that pass the filter; none when all chunks do.
    pub(super) fn passing(
        &self,
        fields: Fields,
        reader: &SegmentReader,
        filter: &ChunkFilter,
    ) -> Result<Option<Bits>> {
        let mut passing = self.visible.clone();
        let mut narrow = |terms: &mut dyn Iterator<Item = Term>| -> Result<()> {
            let mut bits = Bits::none(reader.max_doc());
            for term in terms {
                if let Some(found) = postings(reader, &term, IndexRecordOption::Basic)? {
                    each(found).for_each(|doc| bits.set(doc));
                }
            }
            match &mut passing {
                Some(passing) => passing.keep(&bits),
                None => passing = Some(bits),
            }
            Ok(())
        };
        if let Some(notebook) = filter.notebook {
            narrow(&mut std::iter::once(fields.notebook(notebook)))?;
        }
        if let Some(sources) = &filter.sources {
            narrow(&mut sources.iter().map(|source| fields.source(*source)))?;
        }
        Ok(passing)
    }
}

/// The chunks of a segment that hold a term.
pub(super) fn postings(
    reader: &SegmentReader,
    term: &Term,
    option: IndexRecordOption,
) -> Result<Option<SegmentPostings>> {
    let index = reader.inverted_index(term.field()).map_err(|e| from_tantivy(SEARCH, e))?;
    index.read_postings(term, option).map_err(|error| from_tantivy(SEARCH, error.into()))
}

/// Their numbers, rising.
fn each(postings: SegmentPostings) -> impl Iterator<Item = u32> {
    counted(postings).map(|(doc, _)| doc)
}

/// Their numbers, rising, with how often the term occurs.
pub(super) fn counted(mut postings: SegmentPostings) -> impl Iterator<Item = (u32, u32)> {
    std::iter::from_fn(move || {
        let doc = postings.doc();
        (doc != TERMINATED).then(|| {
            let count = postings.term_freq();
            postings.advance();
            (doc, count)
        })
    })
}
