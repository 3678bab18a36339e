//! Cuts canonical text into chunks to embed, search and quote.
//!
//! A chunk is a span of the text, bounded in tokens of the embedder. It ends at a heading,
//! a paragraph, a sentence or, when one sentence is too long, a word; never inside a
//! visible character, and never inside a table row that fits a chunk. Every byte that is
//! not white space is in a chunk.
//!
//! ```
//! use notebook_core::{SourceId, document::DocumentBuilder};
//! use notebook_rag::chunk::{Chunker, ChunkConfig, estimate_tokens};
//!
//! let mut builder = DocumentBuilder::new(1 << 20);
//! builder.heading(1, "Bees")?;
//! builder.paragraph("They dance. Others watch.")?;
//! let document = builder.finish();
//!
//! let chunker = Chunker::new(ChunkConfig::default())?;
//! let chunks: Vec<_> = chunker.chunks(&document, SourceId::new(), &estimate_tokens).collect();
//! assert_eq!(chunks.len(), 1);
//! assert_eq!(chunks[0].text, document.text);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod boundary;
mod config;
mod estimate;
mod headings;
mod pack;
mod records;
mod sentence;
mod split;
#[cfg(test)]
mod tests;
mod units;
mod word_counts;

use notebook_core::{Result, SourceId, document::Document, model::Chunk};

pub use config::ChunkConfig;
pub use estimate::estimate_tokens;
pub use pack::Chunks;
pub use records::{keyword_record, vector_records};
pub use word_counts::WordCounts;

/// Cuts documents into chunks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chunker {
    config: ChunkConfig,
}

impl Chunker {
    /// A chunker with these lengths.
    ///
    /// # Errors
    /// `InvalidInput` that names the field when the lengths contradict each other.
    pub fn new(config: ChunkConfig) -> Result<Self> {
        Ok(Self { config: config.check()? })
    }

    /// The chunks of `document` in order, made one by one as they are asked for.
    ///
    /// `count` gives the length of a text in tokens, without special ones: the embedder's
    /// [`count_tokens`](notebook_core::embed::Embedder::count_tokens) or [`estimate_tokens`].
    /// It is called on sentences, and each byte passes through it a constant number of times; a
    /// slow one belongs in [`WordCounts`].
    pub fn chunks<'a>(
        &self,
        document: &'a Document,
        source: SourceId,
        count: &'a (dyn Fn(&str) -> usize + Sync),
    ) -> Chunks<'a> {
        Chunks::new(self.config, document, source, count)
    }
}

/// The text that stands for a chunk in searches: the headings above it, then its own text.
///
/// Both indexes and the embedder are given this, so that a passage is found by the name of
/// its section too.
#[must_use]
pub fn search_text(chunk: &Chunk) -> String {
    if chunk.headings.is_empty() {
        return chunk.text.clone();
    }
    format!("{}\n\n{}", chunk.headings.join(" - "), chunk.text)
}
