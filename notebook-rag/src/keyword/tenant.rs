//! The open index of one tenant.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use notebook_core::{
    NotebookId, Result, SourceId,
    keyword::KeywordRecord,
    vector::{ChunkFilter, Hit},
};
use parking_lot::{Mutex, RwLock};
use tantivy::{
    Index, IndexReader, ReloadPolicy, directory::MmapDirectory, tokenizer::TextAnalyzer,
};

use super::{
    error::{from_io, from_tantivy},
    schema::{Fields, TOKENIZER},
    search::search,
    slots::Room,
    tokenizer::WordTokenizer,
    version::Format,
    view::View,
    writing::{Commit, Writing},
};
use crate::words::Words;

const OPEN: &str = "open keyword index";

/// One tenant's index. Calls block.
pub(super) struct Tenant {
    room: Arc<Room>,
    words: Words,
    fields: Fields,
    index: Index,
    reader: IndexReader,
    /// Held while the index is written to.
    writing: Mutex<Writing>,
    /// What searches see.
    view: RwLock<Arc<View>>,
}

impl Tenant {
    /// Opens the index in `folder`, or makes it if `create` is set. None when there is none.
    pub(super) fn open(room: Arc<Room>, folder: &Path, create: bool) -> Result<Option<Self>> {
        let format = match Format::read(folder)? {
            Some(format) => format,
            None if !create => return Ok(None),
            None => {
                let format = Format::new(room.config.stemming);
                format.write(folder)?;
                format
            }
        };
        let (schema, fields) = Fields::schema();
        let opened = MmapDirectory::open(folder)
            .map_err(tantivy::TantivyError::from)
            .and_then(|directory| Index::open_or_create(directory, schema));
        let index = opened.map_err(|error| from_tantivy(OPEN, error))?;
        let words = Words::new(format.stemming);
        let analyzer = TextAnalyzer::from(WordTokenizer::new(words.clone()));
        index.tokenizers().register(TOKENIZER, analyzer);
        let writing = Writing::recover(&index, fields, &room)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(|error| from_tantivy(OPEN, error))?;
        let view = RwLock::new(Arc::new(View::new(fields, reader.searcher(), None)?));
        let writing = Mutex::new(writing);
        Ok(Some(Self { room, words, fields, index, reader, writing, view }))
    }

    pub(super) fn add(
        &self,
        notebook: NotebookId,
        source: SourceId,
        records: &[KeywordRecord],
    ) -> Result<()> {
        let mut writing = self.writing.lock();
        writing.add(&self.index, &self.room, self.fields, notebook, source, records)
    }

    pub(super) fn commit(&self) -> Result<()> {
        let mut writing = self.writing.lock();
        let commit = writing.commit()?;
        self.show(commit)?;
        self.make_room(&mut writing)
    }

    pub(super) fn delete_source(&self, source: SourceId) -> Result<()> {
        let mut writing = self.writing.lock();
        // Sources are deleted before they are indexed for the first time too: that is free.
        let is_stored = self.view.read().holding(&self.fields.source(source))? > 0;
        let commit = writing.delete(&self.index, &self.room, self.fields, source, is_stored)?;
        self.show(commit)?;
        self.make_room(&mut writing)
    }

    pub(super) fn search(
        &self,
        text: &str,
        limit: usize,
        filter: &ChunkFilter,
    ) -> Result<Vec<Hit>> {
        let view = Arc::clone(&self.view.read());
        search(&view, &self.words, self.room.config.bm25, text, limit, filter)
    }

    pub(super) fn count(&self, filter: &ChunkFilter) -> Result<u64> {
        let view = Arc::clone(&self.view.read());
        view.count(filter)
    }

    /// Whether nothing but searches would be lost by closing.
    pub(super) fn is_idle(&self) -> bool {
        self.writing.try_lock().is_some_and(|writing| writing.is_closed())
    }

    /// Closes the writer if it was not used for `idle`; returns how long to wait otherwise, none
    /// when it is closed.
    pub(super) fn close_writer(&self, idle: Duration) -> Result<Option<Duration>> {
        let mut writing = self.writing.lock();
        if let Some(wait) = writing.idle_in(idle, Instant::now()) {
            return Ok(Some(wait));
        }
        if writing.close()? {
            // Merges have replaced segments: let go of the old ones.
            self.show(Commit::Done { hidden: None })?;
        }
        Ok(None)
    }

    /// Closes the writer where too many are open, unless it holds what is not committed.
    fn make_room(&self, writing: &mut Writing) -> Result<()> {
        let crowded = self.room.writers.load(Ordering::Relaxed) > self.room.config.open_writers;
        if crowded && !writing.is_adding() && writing.close()? {
            self.show(Commit::Done { hidden: None })?;
        }
        Ok(())
    }

    /// Closes the writer for good, whatever it holds: the files go.
    pub(super) fn end(&self) {
        if let Err(error) = self.writing.lock().close() {
            tracing::debug!(%error, "the writer of a removed keyword index did not close cleanly");
        }
    }

    /// Shows searches what was committed.
    fn show(&self, commit: Commit) -> Result<()> {
        let Commit::Done { hidden } = commit else { return Ok(()) };
        self.reader.reload().map_err(|error| from_tantivy("reload keyword index", error))?;
        let view = View::new(self.fields, self.reader.searcher(), hidden)?;
        *self.view.write() = Arc::new(view);
        Ok(())
    }
}

/// Whether there is an index in `folder`.
pub(super) fn exists(folder: &Path) -> Result<bool> {
    folder.try_exists().map_err(|error| from_io(OPEN, error))
}
