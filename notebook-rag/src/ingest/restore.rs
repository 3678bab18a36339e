//! Sources that come with their text: they are not read again, only cut and indexed.

use notebook_core::{
    ErrorKind, Result, SourceId, TenantScope,
    document::Document,
    model::{Source, SourceFailure, Stage},
};

use super::{Change, Ingest, fail};
use notebook_core::queue::JobError;

/// The code of a source that is stored and waits for its release.
pub(crate) const WAITING: &str = "importing";

impl Ingest {
    /// Stores a source as it was elsewhere, with its text if it was read there. Nobody works on one that is not
    /// finished until its [`release`](Self::release).
    ///
    /// - Repeated: what is missing is stored; one that was released stays as it is.
    ///
    /// # Errors
    /// `NotFound` when the notebook does not exist; those of the store.
    pub async fn restore(
        &self,
        scope: &TenantScope,
        source: Source,
        document: Option<Document>,
    ) -> Result<()> {
        let store = &self.0.parts.store;
        let id = source.id;
        let source = waiting(source, document.as_ref());
        match store.create_source(scope, source).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !is_waiting(&store.source(scope, id).await?) {
                    return Ok(());
                }
            }
            created => created?,
        }
        match document {
            Some(document) => store.put_document(scope, id, document).await,
            None => Ok(()),
        }
    }

    /// Queues a source that [`restore`](Self::restore) stored. One that does not wait for it stays as it is.
    ///
    /// # Errors
    /// `NotFound` when there is none; those of the store and the queue.
    pub async fn release(&self, scope: &TenantScope, id: SourceId) -> Result<Source> {
        let release = |source: &mut Source| {
            if !is_waiting(source) {
                return Ok(Change::None);
            }
            source.stage = source.failure.take().map_or(Stage::Queued, |failure| failure.stage);
            Ok(Change::WithJob)
        };
        self.0.change(scope, id, release).await.map(|(source, _)| source)
    }
}

fn is_waiting(source: &Source) -> bool {
    source.stage == Stage::Failed
        && source.failure.as_ref().is_some_and(|failure| failure.code == WAITING)
}

/// The source before any stage that is still to be done. Until its release it counts as failed, so that nobody takes
/// it up and no question finds it.
fn waiting(source: Source, document: Option<&Document>) -> Source {
    let mut source = Source {
        keywords_ready: false,
        vectors_ready: false,
        chunks: 0,
        text_bytes: 0,
        revision: 0,
        ..source
    };
    let stage = match document {
        Some(document) => {
            source.title.clone_from(&document.title);
            source.pages = document.pages.last().map(|page| page.number);
            source.text_bytes = document.text.len() as u64;
            source.notes = document.flags.iter().map(ToString::to_string).collect();
            Stage::Chunk
        }
        // It was never read and never will be: it stays as it is.
        None if source.stage == Stage::Failed => return source,
        // Its page is fetched when somebody asks for it, not because an archive says so.
        None if source.blob.is_none() && source.origin.is_some() => {
            let message = "The page was not fetched before the export. Choose retry to fetch it.";
            source.stage = Stage::Fetch;
            fail(&mut source, JobError { code: "not_fetched".into(), message: message.into() });
            return source;
        }
        None => Stage::Queued,
    };
    let message = "The source is being imported.".to_owned();
    fail(&mut source, JobError { code: WAITING.to_owned(), message: message.clone() });
    source.failure = Some(SourceFailure { code: WAITING.to_owned(), message, stage });
    source
}
