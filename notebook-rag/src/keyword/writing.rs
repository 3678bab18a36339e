//! Adds, deletes and commits of one tenant.
//!
//! The engine commits everything at once, but a delete must be durable while other sources
//! are only half added. So every chunk carries the number of its batch; the note that the
//! engine keeps with each commit says whether that batch was committed by our caller. If not,
//! searches hide it, and opening the index after a crash removes it.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use notebook_core::{
    Error, ErrorKind, NotebookId, Result, Retry, SourceId, keyword::KeywordRecord,
};
use serde::{Deserialize, Serialize};
use tantivy::{
    Index, IndexWriter, TantivyError,
    directory::error::LockError,
    indexer::{IndexWriterOptions, LogMergePolicy},
};

use super::{error::from_tantivy, schema::Fields, slots::Room};

const ADD: &str = "add keywords";
const COMMIT: &str = "commit keywords";
const DELETE: &str = "delete keywords";
/// A segment with this share of deleted chunks is merged even if it is alone.
const MERGE_DELETED: f32 = 0.3;
const LOCK_TRIES: u32 = 10;
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// The note kept with each commit of the engine.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Note {
    /// The batch that chunks are added to now.
    batch: u64,
    /// Whether the engine has chunks of it that our caller has not committed.
    open: bool,
}

/// What a write did to what searches see.
pub(super) enum Commit {
    /// Nothing.
    Unchanged,
    /// The engine committed; the chunks of `hidden` are not to be seen.
    Done { hidden: Option<u64> },
}

/// The engine's writer, as long as it is open.
struct Writer {
    engine: IndexWriter,
    _counted: Counted,
}

/// One of the open writers.
struct Counted(Arc<Room>);

impl Counted {
    fn new(room: &Arc<Room>) -> Self {
        room.writers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(room))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.writers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The writing side of one tenant's index.
pub(super) struct Writing {
    writer: Option<Writer>,
    note: Note,
    /// Sources with chunks in the current batch.
    added: BTreeSet<SourceId>,
    /// Sources whose uncommitted chunks went with a writer that failed.
    lost: BTreeSet<SourceId>,
    used: Instant,
}

impl Writing {
    /// Removes what was not committed when the index was left.
    pub(super) fn recover(index: &Index, fields: Fields, room: &Arc<Room>) -> Result<Self> {
        const OPEN: &str = "recover keyword index";
        let metas = index.load_metas().map_err(|error| from_tantivy(OPEN, error))?;
        let note = match metas.payload.as_deref().map(serde_json::from_str::<Note>) {
            None => Note::default(),
            Some(Ok(note)) => note,
            Some(Err(error)) => return Err(Error::new(ErrorKind::Corrupt, OPEN).caused_by(error)),
        };
        let mut writing = Self {
            writer: None,
            note,
            added: BTreeSet::new(),
            lost: BTreeSet::new(),
            used: Instant::now(),
        };
        if note.open {
            writing.writer(index, room)?.delete_term(fields.batch(note.batch));
            writing.commit_as(OPEN, Note { batch: note.batch + 1, open: false })?;
        }
        Ok(writing)
    }

    pub(super) fn add(
        &mut self,
        index: &Index,
        room: &Arc<Room>,
        fields: Fields,
        notebook: NotebookId,
        source: SourceId,
        records: &[KeywordRecord],
    ) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let batch = self.note.batch;
        let writer = self.writer(index, room)?;
        let added = records.iter().try_for_each(|record| {
            writer.add_document(fields.document(batch, notebook, source, record)).map(|_| ())
        });
        self.added.insert(source);
        added.map_err(|error| self.fail(ADD, error))
    }

    pub(super) fn commit(&mut self) -> Result<Commit> {
        if !self.lost.is_empty() {
            return Err(Error::new(ErrorKind::Unavailable, COMMIT)
                .with("lost", format!("{} sources added before a write failed", self.lost.len()))
                .with("fix", "delete each of them and add it again")
                .retry(Retry::Never));
        }
        if self.added.is_empty() && !self.note.open {
            return Ok(Commit::Unchanged);
        }
        self.commit_as(COMMIT, Note { batch: self.note.batch + 1, open: false })?;
        self.added.clear();
        Ok(Commit::Done { hidden: None })
    }

    pub(super) fn delete(
        &mut self,
        index: &Index,
        room: &Arc<Room>,
        fields: Fields,
        source: SourceId,
        is_stored: bool,
    ) -> Result<Commit> {
        let is_added = self.added.contains(&source);
        if is_stored || is_added {
            self.writer(index, room)?.delete_term(fields.source(source));
            let others = self.added.iter().any(|added| *added != source);
            let note = if others {
                Note { open: true, ..self.note }
            } else {
                Note { batch: self.note.batch + 1, open: false }
            };
            self.commit_as(DELETE, note)?;
        }
        self.added.remove(&source);
        self.lost.remove(&source);
        let hidden = self.note.open.then_some(self.note.batch);
        let is_changed = is_stored || is_added;
        Ok(if is_changed { Commit::Done { hidden } } else { Commit::Unchanged })
    }

    /// Whether the writer holds what is not committed.
    pub(super) fn is_adding(&self) -> bool {
        !self.added.is_empty()
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.writer.is_none()
    }

    /// How long until the writer was unused for `idle`; none when it was, or is closed.
    pub(super) fn idle_in(&self, idle: Duration, now: Instant) -> Option<Duration> {
        let writer_waits = self.writer.is_some() && self.is_adding();
        let left = idle.saturating_sub(now.saturating_duration_since(self.used));
        match () {
            () if self.writer.is_none() => None,
            // Not before the commit: the engine would forget what was added.
            () if writer_waits => Some(left.max(idle)),
            () => (!left.is_zero()).then_some(left),
        }
    }

    /// Lets merges end and closes the writer. Returns whether there was one.
    pub(super) fn close(&mut self) -> Result<bool> {
        let Some(writer) = self.writer.take() else { return Ok(false) };
        writer
            .engine
            .wait_merging_threads()
            .map_err(|error| from_tantivy("merge keywords", error))?;
        Ok(true)
    }

    fn writer(&mut self, index: &Index, room: &Arc<Room>) -> Result<&mut IndexWriter> {
        self.used = Instant::now();
        if self.writer.is_none() {
            let options = IndexWriterOptions::builder()
                .num_worker_threads(1)
                .num_merge_threads(1)
                .memory_budget_per_thread(room.config.writer_bytes)
                .build();
            let writer = open_writer(index, &options)
                .map_err(|error| from_tantivy("open keyword writer", error))?;
            let mut policy = LogMergePolicy::default();
            policy.set_del_docs_ratio_before_merge(MERGE_DELETED);
            writer.set_merge_policy(Box::new(policy));
            self.writer = Some(Writer { engine: writer, _counted: Counted::new(room) });
        }
        let writer = self.writer.as_mut().map(|writer| &mut writer.engine);
        writer.ok_or_else(|| Error::new(ErrorKind::Internal, "open keyword writer"))
    }

    /// Commits the engine with `note`, without which nothing of it counts.
    fn commit_as(&mut self, operation: &'static str, note: Note) -> Result<()> {
        let payload = serde_json::to_string(&note)
            .map_err(|error| Error::new(ErrorKind::Internal, operation).caused_by(error))?;
        let Some(Writer { engine: writer, .. }) = self.writer.as_mut() else {
            return Err(Error::new(ErrorKind::Internal, operation).with("writer", "closed"));
        };
        let committed = writer.prepare_commit().and_then(|mut prepared| {
            prepared.set_payload(&payload);
            prepared.commit()
        });
        committed.map_err(|error| self.fail(operation, error))?;
        self.note = note;
        self.used = Instant::now();
        Ok(())
    }

    /// A writer that failed once stays failed: it is closed, and what it held is lost.
    fn fail(&mut self, operation: &'static str, error: TantivyError) -> Error {
        self.writer = None;
        self.lost.append(&mut self.added);
        from_tantivy(operation, error)
    }
}

/// Opens the writer. Waits a little for one that is just being closed, as when the service is
/// restarted.
fn open_writer(index: &Index, options: &IndexWriterOptions) -> tantivy::Result<IndexWriter> {
    for _ in 0..LOCK_TRIES {
        match index.writer_with_options(options.clone()) {
            Err(TantivyError::LockFailure(LockError::LockBusy, _)) => {
                std::thread::sleep(LOCK_WAIT);
            }
            other => return other,
        }
    }
    index.writer_with_options(options.clone())
}
