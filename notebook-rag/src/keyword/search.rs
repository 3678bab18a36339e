//! Scores chunks word by word.
//!
//! The engine's own BM25 has its two constants built in and counts deleted chunks, so the
//! scores are computed here from its postings. A chunk's score is summed in the order of the
//! words, whatever segment it is in, and is therefore the same to the last bit.

use std::collections::BTreeMap;

use notebook_core::{
    Result, SourceId,
    keyword::Bm25,
    model::ChunkKey,
    vector::{ChunkFilter, Hit},
};
use tantivy::{
    SegmentReader, Term, columnar::Column, fieldnorm::FieldNormReader, schema::IndexRecordOption,
};

use super::{
    error::from_tantivy,
    schema::KEY_COLUMNS,
    view::{SEARCH, Segment, View, counted, postings},
};
use crate::words::Words;

/// More different words than this in one query are not looked up: the first ones tell what
/// it is about.
const MAX_WORDS: usize = 1_000;

struct QueryWord {
    term: Term,
    /// Weight times the number of times that the query holds the word.
    weight: f32,
}

/// The `limit` best chunks for the words of `text`.
pub(super) fn search(
    view: &View,
    words: &Words,
    bm25: Bm25,
    text: &str,
    limit: usize,
    filter: &ChunkFilter,
) -> Result<Vec<Hit>> {
    let query = query_words(view, words, text)?;
    if query.is_empty() {
        return Ok(Vec::new());
    }
    let scale = scale(bm25, view.average());
    let mut best = Vec::new();
    for (reader, segment) in view.segments() {
        best.extend(search_segment(view, reader, segment, &query, &scale, limit, filter)?);
    }
    best.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.key.cmp(&b.key)));
    best.truncate(limit);
    Ok(best)
}

/// The words that occur in a visible chunk, in order.
fn query_words(view: &View, words: &Words, text: &str) -> Result<Vec<QueryWord>> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    words.each(text, |word| {
        if let Some(count) = counts.get_mut(word) {
            *count += 1;
        } else if counts.len() < MAX_WORDS {
            counts.insert(word.to_owned(), 1);
        }
    });
    let chunks = view.chunks();
    let mut query = Vec::new();
    for (word, count) in counts {
        let term = view.fields.word(&word);
        let holding = view.holding(&term)?;
        if holding > 0 {
            query.push(QueryWord { term, weight: Bm25::idf(holding, chunks) * count as f32 });
        }
    }
    Ok(query)
}

/// The part of the score that depends on the length of a chunk, by the engine's code of it.
struct Scale {
    bm25: Bm25,
    average: f32,
    lengths: Vec<f32>,
}

fn scale(bm25: Bm25, average: f32) -> Scale {
    let lengths = (0..=u8::MAX).map(|code| FieldNormReader::id_to_fieldnorm(code) as f32).collect();
    Scale { bm25, average, lengths }
}

impl Scale {
    fn score(&self, weight: f32, occurrences: u32, code: u8) -> f32 {
        let length = self.lengths.get(usize::from(code)).copied().unwrap_or_default();
        self.bm25.term(weight, occurrences as f32, length, self.average)
    }
}

fn search_segment(
    view: &View,
    reader: &SegmentReader,
    segment: &Segment,
    query: &[QueryWord],
    scale: &Scale,
    limit: usize,
    filter: &ChunkFilter,
) -> Result<Vec<Hit>> {
    let passing = segment.passing(view.fields, reader, filter)?;
    let lengths =
        reader.get_fieldnorms_reader(view.fields.words).map_err(|e| from_tantivy(SEARCH, e))?;
    let mut scores = vec![0.0_f32; reader.max_doc() as usize];
    for word in query {
        let Some(found) = postings(reader, &word.term, IndexRecordOption::WithFreqs)? else {
            continue;
        };
        for (doc, occurrences) in counted(found) {
            if passing.as_ref().is_none_or(|passing| passing.has(doc))
                && let Some(score) = scores.get_mut(doc as usize)
            {
                *score += scale.score(word.weight, occurrences, lengths.fieldnorm_id(doc));
            }
        }
    }
    let keys = Keys::open(reader)?;
    let best = best(&scores, limit);
    Ok(best.into_iter().map(|(doc, score)| Hit { key: keys.of(doc), score }).collect())
}

/// The chunks with the `limit` highest scores, and all that equal the last of them.
fn best(scores: &[f32], limit: usize) -> Vec<(u32, f32)> {
    let scored = scores.iter().zip(0_u32..).filter(|(score, _)| **score > 0.0);
    let mut found: Vec<(u32, f32)> = scored.map(|(score, doc)| (doc, *score)).collect();
    if found.len() > limit {
        let (_, least, _) = found.select_nth_unstable_by(limit - 1, |a, b| b.1.total_cmp(&a.1));
        let least = least.1;
        found.retain(|(_, score)| *score >= least);
    }
    found
}

/// The columns that name a chunk.
struct Keys([Column<u64>; 3]);

impl Keys {
    fn open(reader: &SegmentReader) -> Result<Self> {
        let column =
            |name| reader.fast_fields().u64(name).map_err(|error| from_tantivy(SEARCH, error));
        let [high, low, ordinal] = KEY_COLUMNS;
        Ok(Self([column(high)?, column(low)?, column(ordinal)?]))
    }

    fn of(&self, doc: u32) -> ChunkKey {
        let [high, low, ordinal] = self.0.each_ref().map(|column| column.first(doc).unwrap_or(0));
        ChunkKey {
            source: SourceId::from_u128((u128::from(high) << 64) | u128::from(low)),
            ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_include_all_that_equal_the_last() {
        let mut found = best(&[1.0, 0.0, 3.0, 2.0, 2.0, 2.0, -0.0], 2);
        found.sort_by_key(|(doc, _)| *doc);
        assert_eq!(found, [(2, 3.0), (3, 2.0), (4, 2.0), (5, 2.0)]);
        assert_eq!(best(&[0.5], 10), [(0, 0.5)]);
        assert!(best(&[], 10).is_empty());
    }
}
