//! What the indexes are given for a chunk: one place, so that the product, the library and the
//! evaluation index alike.

use notebook_core::{
    NotebookId, Result,
    embed::{EmbedKind, Embedder},
    keyword::KeywordRecord,
    model::Chunk,
    vector::VectorRecord,
};

use super::search_text;

/// The words of a chunk and of the headings above it.
#[must_use]
pub fn keyword_record(chunk: &Chunk) -> KeywordRecord {
    KeywordRecord {
        ordinal: chunk.key.ordinal,
        headings: chunk.headings.join("\n"),
        text: chunk.text.clone(),
    }
}

/// The vectors of chunks of one notebook, embedded in one call, in their order.
///
/// # Errors
/// Those of the embedder.
pub async fn vector_records(
    embedder: &dyn Embedder,
    notebook: NotebookId,
    chunks: &[Chunk],
) -> Result<Vec<VectorRecord>> {
    let texts: Vec<String> = chunks.iter().map(search_text).collect();
    let vectors = embedder.embed(EmbedKind::Passage, &texts).await?;
    let records = chunks.iter().zip(vectors);
    Ok(records.map(|(chunk, vector)| VectorRecord { key: chunk.key, notebook, vector }).collect())
}
