//! What is stored of a recording: pieces, as a worker made them, and whole parts again.

use notebook_core::{Error, ErrorKind, Result, recording::RecordedPart};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::tape::Page;
use crate::{
    graph::{Entry, Recording},
    guard::redact::RedactConfig,
};

const READ: &str = "read recording";

/// A piece of what one worker recorded of a run, or all of it. Fields that an older program did not write may be missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Piece {
    /// The run before the first step; in one of the pieces.
    pub(super) begin: Value,
    /// The engine's steps.
    pub(super) entries: Vec<Entry>,
    /// Whether the rest of them was left out, because it was too much to keep.
    pub(super) cut: bool,
    /// What came in and what was shown besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<Page>,
    /// Of which worker's work it is a piece, which one, from 0, and whether it is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<Uuid>,
    #[serde(default)]
    pub(super) piece: u32,
    /// Whether it goes to the end of the work. What a worker that was killed had stored does not.
    #[serde(default = "yes")]
    pub(super) whole: bool,
}

const fn yes() -> bool {
    true
}

impl Piece {
    pub(super) fn new(of: Uuid, piece: u32, engine: Recording, page: Option<Page>) -> Self {
        let Recording { begin, entries, cut } = engine;
        Self { begin, entries, cut, page, of: Some(of), piece, whole: false }
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        let page = self.page.as_ref();
        self.entries.is_empty()
            && !self.cut
            && self.begin.is_null()
            && page.is_none_or(|page| page.facts.is_none() && page.lines.is_empty() && !page.cut)
    }

    pub(super) fn read(body: &[u8]) -> Result<Self> {
        serde_json::from_slice(body)
            .map_err(|error| Error::new(ErrorKind::Corrupt, READ).caused_by(error))
    }

    pub(super) fn engine(&self) -> Recording {
        let (begin, entries) = (self.begin.clone(), self.entries.clone());
        Recording { begin, entries, cut: self.cut }
    }

    /// Takes the piece that follows. What does not follow is left out: a piece between them was not stored.
    fn extend(&mut self, next: Self) {
        if self.whole || next.piece != self.piece + 1 {
            return;
        }
        if self.begin.is_null() {
            self.begin = next.begin;
        }
        self.entries.extend(next.entries);
        self.cut |= next.cut;
        self.piece = next.piece;
        self.whole = next.whole;
        match (&mut self.page, next.page) {
            (Some(page), Some(next)) => {
                page.lines.extend(next.lines);
                page.cut |= next.cut;
            }
            (page @ None, next) => *page = next,
            (Some(_), None) => {}
        }
    }
}

/// A recording without what it knows of the server: the words and folders that redaction looks for. An answer in which one of these stood, or
/// began, may then be shown otherwise when it is done again.
///
/// # Errors
/// `Corrupt` when it is no recording.
pub fn without_server(body: &[u8]) -> Result<Vec<u8>> {
    let mut piece = Piece::read(body)?;
    if let Some(facts) = piece.page.as_mut().and_then(|page| page.facts.as_mut()) {
        facts.config.guard.redaction = RedactConfig::default();
    }
    serde_json::to_vec(&piece)
        .map_err(|error| Error::new(ErrorKind::Internal, READ).caused_by(error))
}

/// What was stored of a run's recording, put together: a part for each time that a worker took the run up, as [`replay`](super::replay) reads it.
///
/// # Errors
/// `Corrupt` naming the part that is no recording.
pub fn joined(stored: Vec<RecordedPart>) -> Result<Vec<RecordedPart>> {
    let mut parts: Vec<(RecordedPart, Piece)> = Vec::new();
    for part in stored {
        let number = part.part.to_string();
        let piece = Piece::read(&part.body).map_err(|error| error.with("part", number))?;
        let begun = parts.iter_mut().find(|(_, begun)| begun.of.is_some() && begun.of == piece.of);
        match begun {
            Some((whole, begun)) => {
                begun.extend(piece);
                whole.recorded_at = part.recorded_at;
            }
            None => parts.push((part, piece)),
        }
    }
    let whole = |(number, (part, piece)): (usize, (RecordedPart, Piece))| {
        let part_number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        let body = serde_json::to_vec(&piece)
            .map_err(|error| Error::new(ErrorKind::Internal, READ).caused_by(error))?;
        Ok(RecordedPart { part: part_number, recorded_at: part.recorded_at, body })
    };
    parts.into_iter().enumerate().map(whole).collect()
}
