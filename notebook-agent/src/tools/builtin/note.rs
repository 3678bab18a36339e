//! `write_note`: something kept in the notebook.

use std::sync::Arc;

use async_trait::async_trait;
use notebook_core::{NotebookId, Result, SourceId, TenantScope};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    graph::Failure,
    tools::{At, Observation, Tool, ToolClass, ToolInfo},
};

/// Adds notes to notebooks.
#[async_trait]
pub trait Notes: Send + Sync + 'static {
    /// Adds a note, as a source of plain text that people and questions find like any other.
    ///
    /// - Repeated with the same name and text: the one that is there.
    ///
    /// # Errors
    /// `NotFound` when there is no such notebook; those of storing a source.
    async fn add(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
        name: &str,
        text: &str,
    ) -> Result<SourceId>;
}

/// Notes as sources of the notebook, read by ingestion like uploads.
#[cfg(feature = "notes")]
#[derive(Clone)]
pub struct IngestNotes {
    /// Knows which notes there are.
    pub store: Arc<dyn notebook_core::store::Store>,
    /// Adds more.
    pub ingest: notebook_rag::ingest::Ingest,
}

#[cfg(feature = "notes")]
impl std::fmt::Debug for IngestNotes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IngestNotes")
    }
}

#[cfg(feature = "notes")]
#[async_trait]
impl Notes for IngestNotes {
    async fn add(
        &self,
        scope: &TenantScope,
        notebook: NotebookId,
        name: &str,
        text: &str,
    ) -> Result<SourceId> {
        use notebook_core::{document::SourceKind, model::Stage};
        use sha2::{Digest as _, Sha256};

        let sha256 = notebook_core::hex(Sha256::digest(text));
        let sources = self.store.sources(scope, notebook).await?;
        let same = sources.into_iter().find(|source| {
            source.name == name && source.sha256 == sha256 && source.stage != Stage::Deleting
        });
        if let Some(source) = same {
            return Ok(source.id);
        }
        let bytes = bytes::Bytes::from(text.to_owned());
        let added = self.ingest.add_bytes(scope, notebook, name, SourceKind::Text, bytes).await?;
        Ok(added.id)
    }
}

/// Writes a note into the notebook.
#[derive(Clone)]
pub struct WriteNote(Arc<dyn Notes>);

impl WriteNote {
    /// With this to keep notes.
    #[must_use]
    pub fn new(notes: Arc<dyn Notes>) -> Self {
        Self(notes)
    }
}

impl std::fmt::Debug for WriteNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WriteNote")
    }
}

/// What to keep.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// A short title.
    #[schemars(length(min = 1, max = 200))]
    title: String,
    /// The note, as plain text.
    #[schemars(length(min = 1, max = 50000))]
    text: String,
}

#[async_trait]
impl Tool for WriteNote {
    type Arguments = Arguments;

    fn info(&self) -> ToolInfo {
        ToolInfo {
            class: ToolClass::Write,
            reads: None,
            ..ToolInfo::new(
                "write_note",
                "Keeps a note in the user's notebook, as a source of its own. Use it only when the user asks for something to be kept. The \
                 user is shown the note before it is written, and may refuse.",
            )
        }
    }

    async fn call(&self, at: At<'_>, arguments: Arguments) -> Result<Observation, Failure> {
        let title = arguments.title.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = arguments.text.trim();
        if title.is_empty() || text.is_empty() {
            return Err(Failure::new(
                "bad_arguments",
                "give a title and a text that say something",
            ));
        }
        let name = format!("Note: {title}");
        let id = self.0.add(at.scope(), at.place.notebook, &name, text).await?;
        Ok(Observation::text(format!("The note is kept as source {id}.")))
    }
}
