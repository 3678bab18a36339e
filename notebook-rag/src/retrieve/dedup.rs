//! Drops passages that repeat a better one.

use std::collections::HashSet;

use notebook_core::{document::Span, model::Chunk};

/// Which of `chunks`, best first, to keep: not those with the text of a better one, as when
/// a document was added twice, nor those that lie mostly in a better one of their source.
pub(super) fn distinct(chunks: &[Chunk]) -> Vec<bool> {
    let mut texts = HashSet::new();
    let mut kept: Vec<&Chunk> = Vec::new();
    let mut keep = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let is_covered = kept.iter().any(|better| {
            better.key.source == chunk.key.source
                && 2 * overlap(better.span, chunk.span) > chunk.span.len()
        });
        let is_new = !is_covered && texts.insert(chunk.text.as_str());
        if is_new {
            kept.push(chunk);
        }
        keep.push(is_new);
    }
    keep
}

fn overlap(a: Span, b: Span) -> usize {
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

#[cfg(test)]
mod tests {
    use notebook_core::{SourceId, model::ChunkKey};

    use super::*;

    fn chunk(source: u128, start: usize, end: usize, text: &str) -> Chunk {
        Chunk {
            key: ChunkKey { source: SourceId::from_u128(source), ordinal: 0 },
            span: Span::new(start, end),
            page: None,
            headings: Vec::new(),
            tokens: 1,
            text: text.to_owned(),
        }
    }

    #[test]
    fn repeats_are_dropped_and_neighbours_stay() {
        let chunks = [
            chunk(1, 0, 100, "a"),
            chunk(1, 40, 120, "mostly in the first"),
            chunk(1, 90, 200, "touches the first"),
            chunk(2, 0, 100, "same place elsewhere"),
            chunk(2, 300, 400, "a"),
        ];
        assert_eq!(distinct(&chunks), [true, false, true, true, false]);
    }
}
