use std::{collections::BTreeSet, fs::File, sync::Arc};

use futures::TryStreamExt;
use notebook_core::{
    ConversationId, Error, ErrorKind, NotebookId, Result, SourceId, TenantScope,
    document::Document,
    model::{
        Conversation, EventBody, Message, NewRun, Notebook, Page, PageRequest, Progress, Role, Run,
        RunEvent, RunOutcome, RunState, Source, Stage,
    },
    queue::JobId,
};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path as BlobPath};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{Sender, channel};
use tokio_util::sync::CancellationToken;

use super::{
    ArchiveParts, LayoutFile, RunLine, check,
    ids::{NewIds, is_of},
    joined,
    manifest::{ConversationPart, Counts, Part, SourcePart},
    read::{Limits, READ, Reader, refused},
};
use crate::ingest::{Ingest, blob_error};

/// Pieces and lines on their way from the file.
const AHEAD: usize = 4;
/// How many messages are counted at a time.
const PAGE: usize = 200;

/// Puts archives into new notebooks.
pub struct Importer {
    /// Where the notebook is stored.
    pub parts: ArchiveParts,
    /// Indexes its sources.
    pub ingest: Ingest,
    /// How much an archive may cost.
    pub limits: Limits,
}

/// What an import ended with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The new notebook.
    pub notebook: NotebookId,
    /// What it holds.
    pub counts: Counts,
}

impl Importer {
    /// Puts an archive into a new notebook, which is shown when all of it is there; its sources are indexed by jobs of
    /// their own from then on.
    ///
    /// Everything gets a new id, made from the job's: done again after a crash, it goes on where it was. Before the
    /// first row is stored, every entry was compared with the manifest.
    ///
    /// # Errors
    /// `InvalidInput` and `TooLarge`, which name the entry that is wrong; `Cancelled` when `stop` is; those of the
    /// store, the blobs and the disk.
    pub async fn import(
        &self,
        scope: &TenantScope,
        job: JobId,
        file: File,
        stop: &CancellationToken,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Imported> {
        let (limits, stopped) = (self.limits, stop.clone());
        let id = NewIds::new(job).notebook();
        let shown = match self.parts.store.notebook(scope, id).await {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        let reader = tokio::task::spawn_blocking(move || {
            let mut reader = Reader::open(file, limits)?;
            if !shown {
                reader.verify(|_| !stopped.is_cancelled())?;
            }
            Ok::<_, Error>(reader)
        });
        let reader = reader.await.map_err(joined)??;
        if !shown {
            let parts = reader.parts().collect();
            let ids = NewIds::new(job);
            let reader = Arc::new(Mutex::new(reader));
            let (texts, without_text) = (BTreeSet::new(), BTreeSet::new());
            let mut import = Import { importer: self, scope, ids, reader, texts, without_text };
            import.all(parts, stop, progress).await?;
            self.parts.store.show_notebook(scope, id).await?;
        }
        Ok(Imported { notebook: id, counts: self.stored(scope, id).await? })
    }

    /// How much a notebook holds: what a manifest says of it is anybody's word.
    async fn stored(&self, scope: &TenantScope, notebook: NotebookId) -> Result<Counts> {
        let ArchiveParts { store, log, .. } = &self.parts;
        let sources = store.sources(scope, notebook).await?.len() as u64;
        let mut counts = Counts { sources, ..Counts::default() };
        for Conversation { id, .. } in store.conversations(scope, notebook).await? {
            counts.conversations += 1;
            counts.runs += log.runs(scope, id, usize::MAX).await?.len() as u64;
            let mut next = Some(PageRequest::first(PAGE));
            while let Some(page) = next {
                let Page { items, next: after } = store.messages(scope, id, page).await?;
                counts.messages += items.len() as u64;
                counts.citations +=
                    items.iter().map(|message| message.citations.len() as u64).sum::<u64>();
                next = after.map(|after| PageRequest { after: Some(after), limit: PAGE });
            }
        }
        Ok(counts)
    }

    /// Removes what an import that does not go on has left. A notebook that is shown stays.
    ///
    /// # Errors
    /// Those of the store, the indexes and the blobs.
    pub async fn discard(&self, scope: &TenantScope, job: JobId) -> Result<()> {
        let id = NewIds::new(job).notebook();
        if !self.parts.store.unfinished_notebooks(scope).await?.contains(&id) {
            return Ok(());
        }
        self.discard_originals(scope, job).await?;
        match self.ingest.delete_unfinished(scope, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            deleted => deleted,
        }
    }

    /// Removes the originals, also one whose source was not stored any more.
    async fn discard_originals(&self, scope: &TenantScope, job: JobId) -> Result<()> {
        let blobs = &self.parts.blobs;
        let folder = BlobPath::from(scope.tenant().to_string());
        let mut all = blobs.list(Some(&folder));
        while let Some(blob) = all.try_next().await.map_err(blob_error)? {
            let source = blob.location.filename().and_then(|name| name.parse().ok());
            if source.is_some_and(|source| is_of(job, source)) {
                match blobs.delete(&blob.location).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(blob_error(error)),
                }
            }
        }
        Ok(())
    }

    /// The jobs whose imports have stored something that is not shown.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn begun(&self, scope: &TenantScope) -> Result<Vec<JobId>> {
        let hidden = self.parts.store.unfinished_notebooks(scope).await?;
        Ok(hidden.into_iter().map(|id| JobId::from_u128(id.as_u128())).collect())
    }
}

/// An import under way.
struct Import<'i> {
    importer: &'i Importer,
    scope: &'i TenantScope,
    ids: NewIds,
    reader: Arc<Mutex<Reader>>,
    /// The new ids of the sources that came with their texts.
    texts: BTreeSet<SourceId>,
    /// Those of the sources that came without.
    without_text: BTreeSet<SourceId>,
}

impl Import<'_> {
    async fn all(
        &mut self,
        parts: Vec<Part>,
        stop: &CancellationToken,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<()> {
        self.notebook().await?;
        let total = parts.len() as u64;
        let mut sources = Vec::new();
        for (done, part) in (0..).zip(parts) {
            if stop.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, READ));
            }
            progress(Progress { done, total });
            match part {
                Part::Source(id, SourcePart::Row) => sources.push(self.source(id).await?),
                Part::Conversation(id, ConversationPart::Row) => self.conversation(id).await?,
                // Read with their row; one that has none belongs to nothing.
                Part::Source(id, _) if !self.has(Part::Source(id, SourcePart::Row)) => {
                    return Err(refused(&part.name(), "belongs to no source"));
                }
                Part::Conversation(id, _)
                    if !self.has(Part::Conversation(id, ConversationPart::Row)) =>
                {
                    return Err(refused(&part.name(), "belongs to no conversation"));
                }
                _ => {}
            }
        }
        for source in sources {
            self.importer.ingest.release(self.scope, source).await?;
        }
        Ok(())
    }

    fn has(&self, part: Part) -> bool {
        self.reader.lock().has(part)
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Reader) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let reader = Arc::clone(&self.reader);
        tokio::task::spawn_blocking(move || read(&mut reader.lock())).await.map_err(joined)?
    }

    async fn notebook(&mut self) -> Result<()> {
        let row: Notebook = self.read(|reader| reader.json(Part::Notebook)).await?;
        let row = check::notebook(row, &Part::Notebook.name())?;
        let row = Notebook { id: self.ids.notebook(), ..row };
        self.importer.parts.store.create_unfinished_notebook(self.scope, row).await
    }

    async fn source(&mut self, old: SourceId) -> Result<SourceId> {
        let part = |part| Part::Source(old, part);
        let name = part(SourcePart::Row).name();
        let (row, document) = self.read(move |reader| source(reader, old)).await?;
        let (id, notebook) = (self.ids.source(old), self.ids.notebook());
        let has_original = self.has(part(SourcePart::Original));
        if document.is_none() && !has_original && row.stage != Stage::Failed {
            return Err(refused(&name, "has neither a text nor an original"));
        }
        let blob = has_original.then(|| format!("{}/{id}", self.scope.tenant()));
        let known = if document.is_some() { &mut self.texts } else { &mut self.without_text };
        known.insert(id);
        let parts = &self.importer.parts;
        let known = match parts.store.source(self.scope, id).await {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        // On the disk before the source's row says that it is there.
        if let (Some(key), false) = (&blob, known) {
            self.original(part(SourcePart::Original), key).await?;
        }
        let row = Source { id, notebook, blob, ..row };
        self.importer.ingest.restore(self.scope, row, document).await?;
        Ok(id)
    }

    async fn original(&self, part: Part, key: &str) -> Result<()> {
        let blobs = &self.importer.parts.blobs;
        let upload = blobs.put_multipart(&BlobPath::from(key)).await.map_err(blob_error)?;
        let mut write = WriteMultipart::new(upload);
        let (pieces, mut told) = channel::<Vec<u8>>(AHEAD);
        let reading = self
            .read(move |reader| reader.pieces(part, |piece| pieces.blocking_send(piece).is_ok()));
        let writing = async {
            while let Some(piece) = told.recv().await {
                write.write(&piece);
                write.wait_for_capacity(2).await.map_err(blob_error)?;
            }
            // Nothing more is taken, so that a reader of a broken file does not wait.
            drop(told);
            Ok::<_, Error>(write)
        };
        let (read, written) = tokio::join!(reading, writing);
        let write = written?;
        if let Err(error) = read {
            // What was begun must not stay.
            write.abort().await.map_err(blob_error)?;
            return Err(error);
        }
        write.finish().await.map(drop).map_err(blob_error)
    }

    async fn conversation(&mut self, old: ConversationId) -> Result<()> {
        let part = |part| Part::Conversation(old, part);
        let row_part = part(ConversationPart::Row);
        let row: Conversation = self.read(move |reader| reader.json(row_part)).await?;
        if row.title.chars().count() > 1_000 || row.excluded_sources.len() > 10_000 {
            return Err(refused(&row_part.name(), "is larger than any conversation"));
        }
        let id = self.ids.conversation();
        let excluded = row.excluded_sources.iter().map(|source| self.ids.source(*source)).collect();
        let notebook = self.ids.notebook();
        let row = Conversation { id, notebook, excluded_sources: excluded, ..row };
        let stored = self.importer.parts.store.create_conversation(self.scope, row).await?;
        let runs = part(ConversationPart::Runs);
        if !self.has(runs) {
            return Ok(());
        }
        let (lines, mut told) = channel::<RunLine>(1);
        let reading = {
            let reader = Arc::clone(&self.reader);
            let read = move || read_lines(&mut reader.lock(), runs, &lines);
            tokio::task::spawn_blocking(read)
        };
        let mut written = Ok(());
        while let Some(line) = told.recv().await {
            written = self.run(stored.id, line, &runs.name()).await;
            if written.is_err() {
                break;
            }
        }
        drop(told);
        let read = reading.await.map_err(joined)?;
        self.ids.next_conversation();
        written.and(read)
    }

    async fn run(
        &mut self,
        conversation: ConversationId,
        line: RunLine,
        entry: &str,
    ) -> Result<()> {
        let RunLine { run: old, question, answer, end } = line;
        let run = self.ids.run(&old, conversation);
        let question = self.message(question, (old.question, Role::User), &run, entry)?;
        let mut answer = self.message(answer, (old.answer, Role::Assistant), &run, entry)?;
        if let Some(end) = &end {
            check::end(end, entry)?;
        }
        if let Some(answer) = &mut answer {
            check::drop_unverifiable(answer, &self.without_text);
            self.check_citations(answer, entry).await?;
        }
        let outcome = outcome(&old, end, answer);
        let run = Run { state: RunState::Queued, ended_at: None, stop_requested: false, ..run };
        let request_hash = "imported".to_owned();
        let new = NewRun { run, question, idempotency_key: None, request_hash };
        let recorded = self.importer.parts.log.record(self.scope, new, outcome).await;
        recorded.map_err(|error| match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::InvalidInput
            | ErrorKind::AlreadyExists
            | ErrorKind::Conflict => {
                refused(entry, format_args!("does not fit together ({error})"))
            }
            _ => error,
        })
    }

    fn message(
        &mut self,
        message: Option<Message>,
        (id, role): (notebook_core::MessageId, Role),
        run: &Run,
        entry: &str,
    ) -> Result<Option<Message>> {
        let Some(message) = message else { return Ok(None) };
        check::message(&message, entry)?;
        if message.id != id || message.role != role {
            return Err(refused(entry, "has a message that is not its run's"));
        }
        let id = if role == Role::User { run.question } else { run.answer };
        let message = self.ids.told(message, id, run);
        message
            .ok_or_else(|| refused(entry, "has a message that follows one that is not there"))
            .map(Some)
    }

    /// Every citation of a source that is there points at its exact words.
    async fn check_citations(&self, answer: &Message, entry: &str) -> Result<()> {
        for citation in &answer.citations {
            let before = answer.text.get(..citation.at);
            let placed =
                before.is_some_and(|text| text.encode_utf16().count() == citation.at_utf16);
            if !placed {
                return Err(refused(entry, "has a citation at no place of its answer"));
            }
            if !self.texts.contains(&citation.source) {
                continue;
            }
            let store = &self.importer.parts.store;
            let words = match store.text(self.scope, citation.source, citation.span).await {
                Ok(words) => Some(words),
                Err(error) if error.kind() == ErrorKind::InvalidInput => None,
                Err(error) => return Err(error),
            };
            if words.as_ref() != Some(&citation.quote) {
                return Err(refused(entry, "cites words that its source does not have"));
            }
        }
        Ok(())
    }
}

fn read_lines(reader: &mut Reader, part: Part, lines: &Sender<RunLine>) -> Result<()> {
    reader.lines(part, |line| lines.blocking_send(line).is_ok())
}

/// A source's row and text, checked.
fn source(reader: &mut Reader, id: SourceId) -> Result<(Source, Option<Document>)> {
    let part = |part| Part::Source(id, part);
    let name = part(SourcePart::Row).name();
    let row: Source = reader.json(part(SourcePart::Row))?;
    let row = check::source(row, &name)?;
    if row.id != id || row.stage == Stage::Deleting {
        return Err(refused(&name, "is another source, or one that is being deleted"));
    }
    let layout = reader.has(part(SourcePart::Layout));
    if layout != reader.has(part(SourcePart::Text)) {
        return Err(refused(&name, "has a text without its layout, or the other way round"));
    }
    if let Some((bytes, sha256)) = reader.sum(part(SourcePart::Original))
        && (bytes != row.bytes || sha256 != row.sha256)
    {
        return Err(refused(&part(SourcePart::Original).name(), "is not what its source says"));
    }
    if !layout {
        return Ok((row, None));
    }
    let layout: LayoutFile = reader.json(part(SourcePart::Layout))?;
    check::layout(&layout, &part(SourcePart::Layout).name())?;
    let text = part(SourcePart::Text);
    let bytes = reader.read(text)?;
    let document =
        layout.with(String::from_utf8(bytes).map_err(|_| refused(&text.name(), "is not UTF-8"))?);
    document.validate().map_err(|error| {
        refused(&part(SourcePart::Layout).name(), format_args!("does not fit its text ({error})"))
    })?;
    Ok((row, Some(document)))
}

/// How the run ended. One that had not ended when it was exported is ended here, and says so.
fn outcome(old: &Run, end: Option<RunEvent>, answer: Option<Message>) -> RunOutcome {
    let ended = end.filter(|end| end.body.terminal_state() == Some(old.state));
    let end = ended.unwrap_or_else(|| RunEvent {
        seq: 1,
        at: old.ended_at.unwrap_or(old.created_at),
        body: EventBody::Failed {
            code: "interrupted".to_owned(),
            message: "The answer was not finished when the notebook was exported. Ask again."
                .to_owned(),
            retryable: true,
            detail: None,
        },
    });
    let state = end.body.terminal_state().unwrap_or(RunState::Failed);
    RunOutcome { state, events: vec![RunEvent { seq: 1, ..end }], answer, used: None }
}

#[cfg(test)]
mod tests;
