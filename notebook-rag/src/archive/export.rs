use std::{
    collections::HashSet,
    fs::File,
    io::{BufWriter, Write},
};

use futures::TryStreamExt;
use notebook_core::{
    ConversationId, Error, ErrorKind, NotebookId, Result, SourceId, TenantScope, Timestamp,
    document::Document,
    model::{Conversation, Progress, Run, RunEvent, Source, Stage},
};
use object_store::{GetResult, ObjectStoreExt, path::Path as BlobPath};
use serde::Serialize;
use tokio::sync::mpsc::{Sender, channel};

use super::{
    ArchiveParts, LayoutOf, RunLine, joined,
    manifest::{ConversationPart, Counts, Manifest, Part, SourcePart},
    write::{Writer, encoding},
};
use crate::ingest::blob_error;

/// Pieces on their way to the file.
const AHEAD: usize = 4;
/// Larger originals are not compressed: see the format's limit of ratio.
const COMPRESSED: u64 = 64 << 20;
/// How much is sent to the file at once.
const PIECE: usize = 256 << 10;

/// What the thread that writes is told.
enum Order {
    Start(Part, bool),
    Data(Vec<u8>),
}

/// Writes a notebook into `file` and gives the file back, with the manifest.
///
/// What changes meanwhile may be in it or not; a source or conversation that goes away meanwhile is left out.
///
/// # Errors
/// `NotFound` when there is no such notebook; those of the store, the blobs and the disk.
pub async fn export(
    parts: &ArchiveParts,
    scope: &TenantScope,
    notebook: NotebookId,
    file: File,
    now: Timestamp,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(File, Manifest)> {
    let row = parts.store.notebook(scope, notebook).await?;
    let (orders, mut told) = channel(AHEAD);
    let writing = tokio::task::spawn_blocking(move || {
        let mut writer = Writer::new(file);
        while let Some(order) = told.blocking_recv() {
            match order {
                Order::Start(part, compress) => writer.start(part, compress)?,
                Order::Data(bytes) => writer.write(&bytes)?,
            }
        }
        Ok::<_, Error>(writer)
    });
    let mut walk = Walk { parts, scope, orders, counts: Counts::default() };
    let walked = async {
        walk.json(Part::Notebook, &row).await?;
        walk.all(notebook, progress).await
    };
    let walked = walked.await;
    let counts = walk.counts;
    // Dropped, so that the thread comes to its end: its error is the cause of any that came from sending.
    drop(walk);
    let writer = writing.await.map_err(joined)??;
    walked?;
    tokio::task::spawn_blocking(move || {
        let (file, manifest) = writer.finish(notebook, counts, now)?;
        file.sync_all().map_err(super::io)?;
        Ok((file, manifest))
    })
    .await
    .map_err(joined)?
}

/// Sends what is written to it.
struct Pieces(Sender<Order>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let sent = self.0.blocking_send(Order::Data(bytes.to_vec()));
        sent.map(|()| bytes.len()).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Goes through a notebook.
struct Walk<'w> {
    parts: &'w ArchiveParts,
    scope: &'w TenantScope,
    orders: Sender<Order>,
    counts: Counts,
}

impl Walk<'_> {
    async fn all(
        &mut self,
        notebook: NotebookId,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<()> {
        let store = &self.parts.store;
        let sources = store.sources(self.scope, notebook).await?;
        let mut conversations = store.conversations(self.scope, notebook).await?;
        // Oldest first, as their ids are given anew.
        conversations.reverse();
        let total = (sources.len() + conversations.len()) as u64;
        for (done, source) in (0..).zip(&sources) {
            progress(Progress { done, total });
            self.source(source.id).await?;
        }
        for (done, conversation) in (sources.len() as u64..).zip(&conversations) {
            progress(Progress { done, total });
            self.conversation(conversation.id).await?;
        }
        Ok(())
    }

    async fn send(&self, order: Order) -> Result<()> {
        // A thread that is gone says why itself.
        self.orders
            .send(order)
            .await
            .map_err(|_| Error::new(ErrorKind::Unavailable, "write archive"))
    }

    async fn bytes(&self, part: Part, bytes: &[u8]) -> Result<()> {
        self.send(Order::Start(part, true)).await?;
        for piece in bytes.chunks(PIECE) {
            self.send(Order::Data(piece.to_vec())).await?;
        }
        Ok(())
    }

    /// Layout and text. A layout may be several times as large as its text, so it is sent as it is written.
    async fn document(&self, id: SourceId, document: Document) -> Result<()> {
        self.send(Order::Start(Part::Source(id, SourcePart::Layout), true)).await?;
        let orders = self.orders.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut out = BufWriter::with_capacity(PIECE, Pieces(orders));
            serde_json::to_writer(&mut out, &LayoutOf::new(&document)).map_err(encoding)?;
            out.flush().map_err(super::io)?;
            Ok::<_, Error>(document)
        });
        let document = written.await.map_err(joined)??;
        self.bytes(Part::Source(id, SourcePart::Text), document.text.as_bytes()).await
    }

    async fn json(&self, part: Part, value: &impl Serialize) -> Result<()> {
        self.bytes(part, &serde_json::to_vec_pretty(value).map_err(encoding)?).await
    }

    async fn source(&mut self, id: SourceId) -> Result<()> {
        match self.try_source(id).await {
            // Gone since it was listed, with what belonged to it.
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_gone(id).await? => Ok(()),
            written => written,
        }
    }

    async fn is_gone(&self, id: SourceId) -> Result<bool> {
        match self.parts.store.source(self.scope, id).await {
            Ok(source) => Ok(source.stage == Stage::Deleting),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn try_source(&mut self, id: SourceId) -> Result<()> {
        let store = &self.parts.store;
        let source = store.source(self.scope, id).await?;
        if source.stage == Stage::Deleting {
            return Ok(());
        }
        let document = match store.document(self.scope, id).await {
            Ok(document) => Some(document),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // Opened before the first entry is written: what is gone is left out as a whole.
        let original = self.original(&source).await?;
        let part = |part| Part::Source(id, part);
        // Where the original lies is this server's own affair.
        let row = Source { blob: None, ..source.clone() };
        self.json(part(SourcePart::Row), &row).await?;
        if let Some(document) = document {
            self.document(id, document).await?;
        }
        if let Some(original) = original {
            let compress = source.kind.is_text() && original.meta.size <= COMPRESSED;
            self.send(Order::Start(part(SourcePart::Original), compress)).await?;
            let mut stream = original.into_stream();
            while let Some(piece) = stream.try_next().await.map_err(blob_error)? {
                self.send(Order::Data(piece.into())).await?;
            }
        }
        self.counts.sources += 1;
        Ok(())
    }

    async fn original(&self, source: &Source) -> Result<Option<GetResult>> {
        let Some(key) = &source.blob else { return Ok(None) };
        let got = self.parts.blobs.get(&BlobPath::from(key.as_str())).await;
        match got {
            Ok(got) => Ok(Some(got)),
            Err(object_store::Error::NotFound { .. }) => {
                Err(Error::not_found("export archive", "original"))
            }
            Err(error) => Err(blob_error(error)),
        }
    }

    async fn conversation(&mut self, id: ConversationId) -> Result<()> {
        let conversation = match self.parts.store.conversation(self.scope, id).await {
            Ok(conversation) => conversation,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        self.json(Part::Conversation(id, ConversationPart::Row), &conversation).await?;
        self.send(Order::Start(Part::Conversation(id, ConversationPart::Runs), true)).await?;
        match self.runs(&conversation).await {
            // Deleted meanwhile: what was written so far stays in the archive.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            written => written?,
        }
        self.counts.conversations += 1;
        Ok(())
    }

    /// The runs of a conversation in an order in which each message follows one that was there.
    async fn runs(&mut self, conversation: &Conversation) -> Result<()> {
        let mut left = self.parts.log.runs(self.scope, conversation.id, usize::MAX).await?;
        left.reverse();
        let mut told = HashSet::new();
        while !left.is_empty() {
            let before = left.len();
            let mut later = Vec::new();
            for run in left {
                let question = self.parts.store.message(self.scope, run.question).await?;
                if question.parent.is_some_and(|parent| !told.contains(&parent)) {
                    // Clocks of several servers differ: what it follows is listed behind it.
                    later.push(run);
                    continue;
                }
                let answer = self.parts.log.answer(self.scope, run.id).await?;
                let events = self.parts.log.events(self.scope, run.id, 0, usize::MAX);
                let end = match run.state.is_terminal() {
                    // Its number counts what is not in the archive.
                    true => events.await?.pop().map(|end| RunEvent { seq: 1, ..end }),
                    false => None,
                };
                // Whether a stop was asked for is told by the state.
                let run = Run { stop_requested: false, ..run };
                let first = told.insert(question.id);
                self.counts.runs += 1;
                self.counts.messages += u64::from(first) + u64::from(answer.is_some());
                if let Some(answer) = &answer {
                    told.insert(answer.id);
                    self.counts.citations += answer.citations.len() as u64;
                }
                let line = RunLine { run, question: first.then_some(question), answer, end };
                let mut json = serde_json::to_vec(&line).map_err(encoding)?;
                json.push(b'\n');
                self.send(Order::Data(json)).await?;
            }
            if later.len() == before {
                let what = "messages of a conversation that follow none of it";
                return Err(Error::new(ErrorKind::Corrupt, "export archive").with("what", what));
            }
            left = later;
        }
        Ok(())
    }
}
