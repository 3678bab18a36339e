use std::str::FromStr;

use notebook_core::{ConversationId, NotebookId, SourceId, Timestamp};
use serde::{Deserialize, Serialize};

/// What `manifest.json` says that it is.
pub const FORMAT: &str = "notebook-archive";
/// The version of the format that is written, and the newest that is read.
pub const VERSION: u32 = 1;

/// `manifest.json`, the last entry: what the archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The program that wrote it.
    pub product: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// The notebook's id where it was written.
    pub notebook: NotebookId,
    /// How many there are of each.
    pub counts: Counts,
    /// Every other entry, in the order of the file.
    pub entries: Vec<Entry>,
}

/// How many things an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Sources.
    pub sources: u64,
    /// Conversations.
    pub conversations: u64,
    /// Questions and answers.
    pub messages: u64,
    /// Runs.
    pub runs: u64,
    /// Citations in answers.
    pub citations: u64,
}

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the archive.
    pub name: String,
    /// Its size, not compressed.
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const NOTEBOOK: &str = "notebook.json";

/// What an entry is. No name but these is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    Manifest,
    Notebook,
    Source(SourceId, SourcePart),
    Conversation(ConversationId, ConversationPart),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum SourcePart {
    Row,
    Layout,
    Text,
    Original,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ConversationPart {
    Row,
    Runs,
}

impl Part {
    pub(super) fn name(self) -> String {
        match self {
            Self::Manifest => MANIFEST.to_owned(),
            Self::Notebook => NOTEBOOK.to_owned(),
            Self::Source(id, part) => format!("sources/{id}/{}", part.name()),
            Self::Conversation(id, part) => format!("conversations/{id}/{}", part.name()),
        }
    }

    /// The part of this name. Each part has one name and each name one part.
    pub(super) fn of(name: &str) -> Option<Self> {
        let part = match name.split('/').collect::<Vec<_>>()[..] {
            [MANIFEST] => Self::Manifest,
            [NOTEBOOK] => Self::Notebook,
            ["sources", id, part] => {
                let parts =
                    [SourcePart::Row, SourcePart::Layout, SourcePart::Text, SourcePart::Original];
                let part = parts.into_iter().find(|each| each.name() == part)?;
                Self::Source(SourceId::from_str(id).ok()?, part)
            }
            ["conversations", id, part] => {
                let parts = [ConversationPart::Row, ConversationPart::Runs];
                let part = parts.into_iter().find(|each| each.name() == part)?;
                Self::Conversation(ConversationId::from_str(id).ok()?, part)
            }
            _ => return None,
        };
        Some(part)
    }
}

impl SourcePart {
    const fn name(self) -> &'static str {
        match self {
            Self::Row => "source.json",
            Self::Layout => "layout.json",
            Self::Text => "text.txt",
            Self::Original => "original",
        }
    }
}

impl ConversationPart {
    const fn name(self) -> &'static str {
        match self {
            Self::Row => "conversation.json",
            Self::Runs => "runs.jsonl",
        }
    }
}
