//! What is kept of a chunk: its words, and what names it. Its text stays in the store.

use notebook_core::{NotebookId, SourceId, keyword::KeywordRecord};
use tantivy::{
    TantivyDocument, Term,
    schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
};

/// Name of the tokenizer in the index's own description.
pub(super) const TOKENIZER: &str = "notebook_words";

/// The fields. Their numbers are their places in the schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// The words of headings and text, with their counts.
    pub(super) words: Field,
    notebook: Field,
    source: Field,
    /// The batch that the chunk was added in, to hide or drop what was not committed.
    batch: Field,
    source_high: Field,
    source_low: Field,
    ordinal: Field,
}

/// Names of the columns that hold a chunk's key.
pub(super) const KEY_COLUMNS: [&str; 3] = ["source_high", "source_low", "ordinal"];

impl Fields {
    pub(super) fn schema() -> (Schema, Self) {
        let mut builder = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer(TOKENIZER)
            .set_index_option(IndexRecordOption::WithFreqs)
            .set_fieldnorms(true);
        let [source_high, source_low, ordinal] = KEY_COLUMNS;
        let fields = Self {
            words: builder
                .add_text_field("words", TextOptions::default().set_indexing_options(words)),
            notebook: builder.add_bytes_field("notebook", INDEXED),
            source: builder.add_bytes_field("source", INDEXED),
            batch: builder.add_u64_field("batch", INDEXED),
            source_high: builder.add_u64_field(source_high, FAST),
            source_low: builder.add_u64_field(source_low, FAST),
            ordinal: builder.add_u64_field(ordinal, FAST),
        };
        (builder.build(), fields)
    }

    pub(super) fn document(
        self,
        batch: u64,
        notebook: NotebookId,
        source: SourceId,
        record: &KeywordRecord,
    ) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_text(self.words, &record.headings);
        document.add_text(self.words, &record.text);
        document.add_bytes(self.notebook, notebook.as_bytes());
        document.add_bytes(self.source, source.as_bytes());
        document.add_u64(self.batch, batch);
        document.add_u64(self.source_high, (source.as_u128() >> 64) as u64);
        document.add_u64(self.source_low, source.as_u128() as u64);
        document.add_u64(self.ordinal, u64::from(record.ordinal));
        document
    }

    pub(super) fn word(self, word: &str) -> Term {
        Term::from_field_text(self.words, word)
    }

    pub(super) fn notebook(self, id: NotebookId) -> Term {
        Term::from_field_bytes(self.notebook, id.as_bytes())
    }

    pub(super) fn source(self, id: SourceId) -> Term {
        Term::from_field_bytes(self.source, id.as_bytes())
    }

    pub(super) fn batch(self, batch: u64) -> Term {
        Term::from_field_u64(self.batch, batch)
    }
}
