//! A conversation as a document that leaves the system: Markdown and PDF.
//!
//! [`Transcript::of`] chooses the branch that is shown and parses the answers as the page does, so both writers show
//! what a reader saw: [`markdown`] and [`pdf`] are views of one model. Nothing here reads a store or a clock.
//!
//! It lies in this crate because an answer is the agent's: which messages follow each other, and where a citation's
//! mark stands in an answer's text.

mod answer;
mod block;
mod branch;
mod markdown;
mod pdf;

use std::collections::{HashMap, HashSet};

use notebook_core::{
    SourceId, Timestamp,
    document::SourceKind,
    model::{Citation, Conversation, Message, Role},
};

pub use branch::shown;
pub use markdown::markdown;
pub use pdf::{Pdf, pdf};

use block::Block;

/// What is shown for a conversation that nobody named yet.
const UNTITLED: &str = "Untitled conversation";
/// What is shown for a source that is gone.
const GONE: &str = "(a source that was deleted)";

/// A conversation along one branch, ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    title: String,
    /// When the conversation began.
    begun: Timestamp,
    /// When the export was asked for.
    exported: Timestamp,
    turns: Vec<Turn>,
}

/// A question or an answer.
#[derive(Debug, Clone, PartialEq)]
struct Turn {
    role: Role,
    at: Timestamp,
    /// Which model answered.
    model: Option<String>,
    /// Whether the answer was ended before the model finished.
    partial: bool,
    blocks: Vec<Block>,
    notes: Vec<Note>,
}

/// A source, as far as notes say something of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cited {
    /// What it is called.
    pub name: String,
    /// What it is: parts of a recording are times.
    pub kind: SourceKind,
}

/// The words that an answer cites.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    /// From 1, through the whole document.
    number: usize,
    source: String,
    /// Where in it, in words: a page, or a time.
    part: Option<String>,
    quote: String,
}

impl Transcript {
    /// The document of the messages on a branch, oldest first, as [`shown`] gives them. `sources` names what is cited.
    #[must_use]
    pub fn of(
        conversation: &Conversation,
        branch: &[Message],
        sources: &HashMap<SourceId, Cited>,
        exported: Timestamp,
    ) -> Self {
        let mut numbers = Numbers::default();
        let turns = branch.iter().map(|message| numbers.turn(message, sources)).collect();
        let title = conversation.title.trim();
        let title = if title.is_empty() { UNTITLED } else { title };
        Self { title: title.to_owned(), begun: conversation.created_at, exported, turns }
    }

    /// What to call it.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }
}

/// Numbers notes through a document.
#[derive(Default)]
struct Numbers(usize);

impl Numbers {
    fn turn(&mut self, message: &Message, sources: &HashMap<SourceId, Cited>) -> Turn {
        let (notes, marks) = self.notes(&message.citations, sources);
        let blocks = match message.role {
            // Shown as it was typed.
            Role::User => answer::plain(&message.text),
            Role::Assistant => answer::parse(&message.text, &marks),
        };
        Turn {
            role: message.role,
            at: message.created_at,
            model: message.model.clone(),
            partial: message.partial,
            blocks,
            notes,
        }
    }

    /// A note for each place of a source, and where its marks stand: offset and number, in order of place.
    fn notes(
        &mut self,
        citations: &[Citation],
        sources: &HashMap<SourceId, Cited>,
    ) -> (Vec<Note>, Vec<(usize, usize)>) {
        let (mut notes, mut marks) = (Vec::new(), Vec::new());
        let (mut known, mut placed) = (HashMap::new(), HashSet::new());
        for citation in citations {
            let place = (citation.source, citation.span.start, citation.span.end);
            let number = *known.entry(place).or_insert_with(|| {
                self.0 += 1;
                let source = sources.get(&citation.source);
                let kind = source.map_or(SourceKind::Text, |source| source.kind);
                notes.push(Note {
                    number: self.0,
                    source: source.map_or(GONE, |source| &source.name).to_owned(),
                    part: citation.page.map(|page| kind.part(page)),
                    quote: citation.quote.clone(),
                });
                self.0
            });
            if placed.insert((citation.at, number)) {
                marks.push((citation.at, number));
            }
        }
        marks.sort_by_key(|(at, _)| *at);
        (notes, marks)
    }
}

/// A moment for a reader: in UTC, to the minute.
fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).map_or_else(
        |_| "(unknown time)".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// Source and part of a note.
fn place(note: &Note) -> String {
    note.part
        .as_ref()
        .map_or_else(|| note.source.clone(), |part| format!("{}, {part}", note.source))
}

#[cfg(test)]
mod tests;
