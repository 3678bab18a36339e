//! A whole notebook as one open file: a ZIP archive of JSON, texts and originals, with the SHA-256 of every entry.
//!
//! The format is described in `docs/archive.md`. [`export`] writes one, [`import`] reads one; both stream, so that
//! memory holds one document at most, however large the notebook. What is read is not trusted: see [`Limits`].
//!
//! It lies in this crate because most of it is sources: their originals, their texts, and the stages that index them
//! again. Conversations and runs are rows of the core's ports, so nothing of the crates above is needed.

mod check;
mod export;
mod ids;
mod import;
mod manifest;
mod read;
mod write;

pub use export::export;
pub use import::{Imported, Importer};
pub use manifest::{Counts, Entry, FORMAT, Manifest, VERSION};
pub use read::Limits;

use std::sync::Arc;

use notebook_core::{
    Error, ErrorKind,
    document::{self, Document},
    model::{Message, Run, RunEvent},
    run_log::RunLog,
    store::Store,
};
use object_store::ObjectStore;
use serde::{Deserialize, Serialize};

/// What a notebook is made of.
#[derive(Clone)]
pub struct ArchiveParts {
    /// Notebooks, sources, conversations.
    pub store: Arc<dyn Store>,
    /// Runs, with their questions and answers.
    pub log: Arc<dyn RunLog>,
    /// Originals.
    pub blobs: Arc<dyn ObjectStore>,
}

/// `layout.json`: a document without its text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct LayoutFile {
    title: Option<String>,
    pages: Vec<document::Page>,
    blocks: Vec<document::Block>,
    flags: Vec<document::Flag>,
    /// Absent in archives of before places were kept.
    #[serde(default)]
    picture: Option<document::PictureMap>,
}

/// The same, to be written.
#[derive(Serialize)]
struct LayoutOf<'d> {
    title: &'d Option<String>,
    pages: &'d [document::Page],
    blocks: &'d [document::Block],
    flags: &'d [document::Flag],
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<&'d document::PictureMap>,
}

impl<'d> LayoutOf<'d> {
    fn new(document: &'d Document) -> Self {
        let Document { title, pages, blocks, flags, picture, .. } = document;
        Self { title, pages, blocks, flags, picture: picture.as_ref() }
    }
}

impl LayoutFile {
    fn with(self, text: String) -> Document {
        let Self { title, pages, blocks, flags, picture } = self;
        Document { text, title, pages, blocks, flags, picture }
    }
}

/// The most entries of an archive.
const MOST_ENTRIES: usize = 100_000;

/// A line of `runs.jsonl`: a run with what belongs to it.
#[derive(Debug, Serialize, Deserialize)]
struct RunLine {
    run: Run,
    /// None when an earlier line has it: the question was answered again.
    question: Option<Message>,
    /// None where the run ended without a text, or had not ended.
    answer: Option<Message>,
    /// The terminal event; none when the run had not ended.
    end: Option<RunEvent>,
}

fn io(error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            ErrorKind::StorageFull
        }
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "write archive").caused_by(error)
}

fn joined(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "work on archive").caused_by(error)
}
